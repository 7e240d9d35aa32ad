//! What happens to the database in mid-step: its backends are ended, statements are cancelled, a COMMIT's answer is lost,
//! it is read-only for a moment, an outside transaction holds the network's own row.

use std::pin::pin;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Executor, PgPool};

use super::seed::Seed;
use crate::rig::{Rig, some_polls};

/// Wake-ups of a step after which nobody looks for its COMMIT any more.
const LONG: u32 = 250;

/// Longer than a unit of work waits for a lock.
const PATIENCE: Duration = Duration::from_millis(1_500);

const END: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'deposit-watcher'";
const CANCEL: &str = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity
                       WHERE datname = current_database() AND application_name = 'deposit-watcher' AND state <> 'idle'";

async fn count(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

impl Seed {
    pub(crate) async fn database(&mut self) {
        match self.dice.weighted(&[30, 20, 30, 12, 8]) {
            0 => self.interrupted(END, "database: backends ended in mid-step").await,
            1 => self.interrupted(CANCEL, "database: statement cancelled").await,
            2 => self.lost_answer().await,
            3 => self.read_only().await,
            _ => self.locked().await,
        }
    }

    /// In the middle of a step something is done to the watcher's backends. The same watcher goes on.
    async fn interrupted(&mut self, sql: &'static str, what: &str) {
        self.rig.pool.forgive();
        let polls = self.dice.between(1, 45) as u32;
        let Rig { watcher, outside, .. } = &mut self.rig;
        let (outcome, met) = {
            let mut step = pin!(watcher.step());
            match some_polls(step.as_mut(), polls).await {
                Some(outcome) => (outcome, 0),
                None => {
                    let met = count(outside, sql).await;
                    (step.await, met)
                }
            }
        };
        if met > 0 {
            self.hit(what);
            self.say(format!("{what} after {polls} polls"));
        }
        self.note(outcome);
    }

    /// The step dies when its COMMIT has gone out and before it hears of it.
    async fn lost_answer(&mut self) {
        self.rig.pool.forgive();
        let mut wanted = self.dice.between(1, 2);
        let Rig { watcher, outside, .. } = &mut self.rig;
        let mut since: DateTime<Utc> =
            sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&*outside).await.unwrap();
        let mut outcome = None;
        {
            let mut step = pin!(watcher.step());
            for _ in 0..LONG {
                outcome = some_polls(step.as_mut(), 1).await;
                if outcome.is_some() {
                    break;
                }
                let committed: Option<DateTime<Utc>> = sqlx::query_scalar(
                    "SELECT max(query_start) FROM pg_stat_activity
                      WHERE datname = current_database() AND application_name = 'deposit-watcher'
                        AND query ILIKE 'COMMIT%' AND query_start > $1",
                )
                .bind(since)
                .fetch_one(&*outside)
                .await
                .unwrap();
                if let Some(at) = committed {
                    (since, wanted) = (at, wanted - 1);
                    if wanted == 0 {
                        break;
                    }
                }
            }
        }
        match outcome {
            Some(outcome) => self.note(outcome),
            None => {
                self.hit("database: COMMIT whose answer is lost");
                self.say("the answer to a COMMIT is lost");
                self.rig.restart().await;
            }
        }
    }

    /// As during a failover: who connects may only read, and nobody who was connected is any more.
    async fn read_only(&mut self) {
        const MODE: [&str; 2] = [
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$",
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only', current_database()); END $$",
        ];
        self.rig.outside.execute(MODE[0]).await.unwrap();
        count(&self.rig.outside, END).await;
        self.say("the database is read-only");
        // One step is enough: it waits seconds for a server that takes writes.
        let before = self.fingerprint().await;
        let outcome = self.rig.step().await;
        assert_eq!(self.fingerprint().await, before, "written to a read-only database: {outcome:?}");
        let refused = |error: &str| error.contains("25006") || error.contains("takes no writes");
        if matches!(&outcome, Err(deposit_watcher::watcher::Error::Store(error)) if refused(&error.to_string())) {
            self.hit("database: read-only");
        }
        self.note(outcome);
        self.rig.outside.execute(MODE[1]).await.unwrap();
        count(&self.rig.outside, END).await;
        self.say("the database may be written again");
    }

    /// Somebody holds the row that every commit moves, for longer than the watcher waits.
    async fn locked(&mut self) {
        let mut transaction = self.rig.outside.begin().await.unwrap();
        transaction.execute("SELECT FROM networks FOR UPDATE").await.unwrap();
        let before = self.fingerprint().await;
        let outcome = tokio::time::timeout(PATIENCE, self.rig.step()).await;
        assert_eq!(self.fingerprint().await, before, "written past a lock: {outcome:?}");
        transaction.rollback().await.unwrap();
        // A statement outside any unit of work waits until it is let go.
        let Ok(outcome) = outcome else {
            self.hit("database: a step died waiting for a lock");
            self.say("the step waits for the network's row until it dies");
            return self.rig.restart().await;
        };
        if matches!(&outcome, Err(deposit_watcher::watcher::Error::Store(error)) if error.to_string().contains("55P03"))
        {
            self.hit("database: lock wait timed out");
        }
        self.note(outcome);
    }
}
