//! Lines to the database, each lent for a bounded time: sqlx sets neither keepalive nor deadline, so a server that is gone
//! without a word would be waited for for ever. A line that gave no answer in time is closed and never lent again. Not
//! for what is said on it.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgQueryResult, PgRow, PgTypeInfo};
use sqlx::{Describe, Either, Execute, Executor, PgConnection, Postgres, Row, SqlStr};
use tokio::time::{Instant, timeout};

/// What one statement is waited for. The server ends a unit's after 20 s; only who no longer speaks takes longer.
pub(super) const ANSWER: Duration = Duration::from_secs(25);
/// How long a line is waited for.
const LENT_WITHIN: Duration = Duration::from_secs(4);
/// A line that rested for less than this is lent as it is. PostgreSQL is not started again in a shorter time: one that
/// led to the server before has rested longer, or failed in somebody's hands.
const RESTED: Duration = Duration::from_millis(100);
/// What a line that rested is given to show that it is alive; then another one is opened instead.
const PROBED_WITHIN: Duration = Duration::from_secs(1);
/// What may pass until a line that comes back has said the last of what it was asked.
const RETURNED_WITHIN: Duration = Duration::from_secs(2);
/// A server that is no longer tried is no longer the reason.
const REFUSED_LATELY: Duration = Duration::from_secs(10);
/// Lines are renewed after this, so that none leads for long where the address no longer leads.
const LIFE: Duration = Duration::from_secs(300);

/// All lines of a process, or of a part of it that must not run out because of another.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    pool: PgPool,
    /// They lead through pgBouncer in transaction mode: another server may answer what follows outside a transaction, and
    /// remember statements of other clients by the names that ours would get.
    shared: bool,
    refused: Refused,
}

/// When and why a server that answers was not taken the last time.
type Refused = Arc<Mutex<Option<(Instant, &'static str)>>>;

/// Connections that a pool may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// Lent to somebody.
    pub busy: u64,
    /// Open and resting.
    pub idle: u64,
    /// Not opened.
    pub unopened: u64,
}

/// One of them, lent.
pub(super) struct Line {
    connection: PoolConnection<Postgres>,
    shared: bool,
    sound: bool,
}

/// How a transaction begins.
pub(super) struct Opening {
    direct: &'static str,
    shared: &'static str,
}

/// An [`Opening`] with these settings. What a shared server remembers of others' statements it forgets first.
macro_rules! opening {
    ($settings:literal) => {
        $crate::store::lines::Opening::new(concat!("BEGIN; ", $settings), concat!("DEALLOCATE ALL; BEGIN; ", $settings))
    };
}
pub(super) use opening;

impl Opening {
    pub(super) const fn new(direct: &'static str, shared: &'static str) -> Opening {
        Opening { direct, shared }
    }
}

/// A line on which every statement is answered in time or fails.
#[derive(Debug)]
pub(super) struct Bounded<'l>(pub(super) &'l mut PgConnection);

impl Lines {
    /// Connects when one is first needed.
    ///
    /// None leads to a standby or to a server that writes nothing, none died while it rested, and none stands inside
    /// somebody else's transaction: no `begin` comes back unfinished ([`super::errand`]); the probe of those that rested
    /// makes sure. It must use the simple protocol: in the extended one `statement_timestamp()` moves between Bind and
    /// Execute and every connection would be closed.
    pub(super) fn new(options: PgConnectOptions, max_connections: u32, shared: bool) -> Lines {
        let refused = Refused::default();
        let noted = refused.clone();
        let pool = PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(LENT_WITHIN)
            .max_lifetime(LIFE)
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                let noted = noted.clone();
                Box::pin(async move {
                    let refusal = refusal(connection).await?;
                    *noted.lock().unwrap_or_else(PoisonError::into_inner) = refusal.map(|why| (Instant::now(), why));
                    refusal.map_or(Ok(()), |why| Err(sqlx::Error::Protocol(why.to_owned())))
                })
            })
            .before_acquire(|connection, state| {
                Box::pin(async move {
                    if state.idle_for < RESTED {
                        return Ok(true);
                    }
                    Ok(timeout(PROBED_WITHIN, is_good(connection)).await.unwrap_or(Ok(false)).unwrap_or(false))
                })
            })
            .connect_lazy_with(options);
        Lines { pool, shared, refused }
    }

    /// One line.
    pub(super) async fn lend(&self) -> Result<Line, sqlx::Error> {
        let connection = self.pool.acquire().await.map_err(|error| match (error, self.refusal()) {
            (sqlx::Error::PoolTimedOut, Some(why)) => sqlx::Error::Protocol(why.to_owned()),
            (error, _) => error,
        })?;
        Ok(Line { connection, shared: self.shared, sound: true })
    }

    /// Why the server that answered lately is not taken, where it is not.
    pub(super) fn refusal(&self) -> Option<&'static str> {
        let (when, why) = (*self.refused.lock().unwrap_or_else(PoisonError::into_inner))?;
        (when.elapsed() < REFUSED_LATELY).then_some(why)
    }

    /// What they do.
    pub(super) fn connections(&self) -> Connections {
        let open = u64::from(self.pool.size());
        let idle = u64::try_from(self.pool.num_idle()).unwrap_or(u64::MAX).min(open);
        let most = u64::from(self.pool.options().get_max_connections());
        Connections { busy: open.saturating_sub(idle), idle, unopened: most.saturating_sub(open) }
    }

    /// Without bounds: for migrations, which take as long as they take.
    pub(super) fn unbounded(&self) -> &PgPool {
        &self.pool
    }

    /// True where they lead through pgBouncer.
    pub(super) fn are_shared(&self) -> bool {
        self.shared
    }
}

/// Why this server cannot be used, if it cannot.
async fn refusal(connection: &mut PgConnection) -> Result<Option<&'static str>, sqlx::Error> {
    let asked = "select pg_is_in_recovery(), current_setting('transaction_read_only')::bool";
    let row = connection.fetch_one(sqlx::raw_sql(asked)).await?;
    Ok(match (row.try_get(0)?, row.try_get(1)?) {
        (true, _) => Some("this server is a standby"),
        (false, true) => Some("this server takes no writes (default_transaction_read_only)"),
        (false, false) => None,
    })
}

async fn is_good(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let probe = "select now() <> statement_timestamp() or current_setting('transaction_read_only')::bool";
    Ok(!connection.fetch_one(sqlx::raw_sql(probe)).await?.try_get::<bool, _>(0)?)
}

impl Line {
    /// Begins a transaction.
    pub(super) async fn begin(&mut self, opening: &Opening) -> Result<(), sqlx::Error> {
        let words = if self.shared { opening.shared } else { opening.direct };
        Bounded(self).execute(sqlx::raw_sql(words)).await.map(drop)
    }

    /// Sees to it that one server answers all that is asked until [`Line::leave`]. Whoever is dropped before that closes
    /// the line: it must not come back inside the transaction that this takes.
    pub(super) async fn enter(&mut self) -> Result<(), sqlx::Error> {
        if !self.shared {
            return Ok(());
        }
        self.close();
        self.begin(&const { opening!("") }).await
    }

    /// What was written lasts; any server may answer again, and the line may be lent again.
    pub(super) async fn leave(&mut self) -> Result<(), sqlx::Error> {
        if self.shared {
            Bounded(self).execute(sqlx::raw_sql("COMMIT")).await?;
            self.sound = true;
        }
        Ok(())
    }

    /// Never lent again.
    pub(super) fn close(&mut self) {
        self.sound = false;
    }

    /// What it answered. Where that was no answer, or the server writes nothing, the line is closed; one that was entered
    /// and not left is closed already.
    async fn heard<T>(mut self, answer: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        let answer = match answer {
            Ok(answer) => self.leave().await.map(|()| answer),
            Err(error) => Err(error),
        };
        if answer.as_ref().is_err_and(is_fatal) {
            self.close();
        }
        answer
    }
}

/// True when nothing good comes of this connection any more: no answer, or a primary that is one no longer.
fn is_fatal(error: &sqlx::Error) -> bool {
    let read_only = |error: &dyn sqlx::error::DatabaseError| error.code().as_deref() == Some("25006");
    error.as_database_error().map_or(!matches!(error, sqlx::Error::RowNotFound), read_only)
}

/// An answer within [`ANSWER`].
async fn in_time<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    timeout(ANSWER, answer).await.unwrap_or_else(|_| {
        let late = format!("the database gave no answer within {} s", ANSWER.as_secs());
        Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, late)))
    })
}

impl Deref for Line {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Line {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Drop for Line {
    /// sqlx would wait for ever until a connection that comes back has answered, and keep its place meanwhile.
    fn drop(&mut self) {
        match self.sound {
            true => drop(tokio::spawn(timeout(RETURNED_WITHIN, self.connection.return_to_pool()))),
            false => self.connection.close_on_drop(),
        }
    }
}

/// Answers to a query, all of them or an error.
type Answers = Vec<Either<PgQueryResult, PgRow>>;

fn each<'e>(
    answers: impl Future<Output = Result<Answers, sqlx::Error>> + Send + 'e,
) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>> {
    stream::once(answers).map_ok(|answers| stream::iter(answers.into_iter().map(Ok))).try_flatten().boxed()
}

impl<'l> Executor<'l> for &'_ Lines {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'l: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let lines = self.clone();
        each(async move {
            let mut line = lines.lend().await?;
            line.enter().await?;
            let answers = in_time(line.fetch_many(query).try_collect()).await;
            line.heard(answers).await
        })
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'l: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let lines = self.clone();
        Box::pin(async move {
            let mut line = lines.lend().await?;
            line.enter().await?;
            let answer = in_time(line.fetch_optional(query)).await;
            line.heard(answer).await
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<sqlx::postgres::PgStatement, sqlx::Error>>
    where
        'l: 'e,
    {
        self.pool.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'l: 'e,
    {
        self.pool.describe(sql)
    }
}

impl<'l> Executor<'l> for Bounded<'l> {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'l: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        each(async move { in_time(self.0.fetch_many(query).try_collect()).await })
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'l: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(in_time(self.0.fetch_optional(query)))
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<sqlx::postgres::PgStatement, sqlx::Error>>
    where
        'l: 'e,
    {
        self.0.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'l: 'e,
    {
        self.0.describe(sql)
    }
}
