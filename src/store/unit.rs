//! A unit of work: one transaction of the watcher, bounded in time, that commits only by its network's fence.
//!
//! A frozen holder must block nobody, so the server itself ends what takes too long; the settings are local to the
//! transaction, so they survive pgBouncer's transaction mode.

use tracing::Instrument;

use super::errand::Errand;
use super::lines::{Bounded, Opening, opening};
use super::{Cursor, Error, Fence, Store, codec};
use crate::domain::BlockNumber;
use crate::settings::kill::{self, Point};

/// An open transaction of the watcher. Dropped without [`Unit::move_cursor`] or [`Unit::commit_fenced`], it rolls back.
pub struct Unit {
    transaction: Errand,
}

/// What a frozen holder is given; set as the transaction begins, for it alone.
const BEGIN: Opening = opening!(
    "SET LOCAL statement_timeout = '20s'; SET LOCAL lock_timeout = '1s'; \
     SET LOCAL idle_in_transaction_session_timeout = '5s'; SET LOCAL deposit_watcher.writer = 'on'"
);

impl Store {
    /// Opens a unit of work, in a task of its own, which nobody can drop: a `begin` that is dropped during its round trip
    /// must not hand back a connection inside an open transaction (sqlx #4385, #4393), or the next borrower's acknowledged
    /// write would be rolled back with it.
    pub async fn unit(&self) -> Result<Unit, Error> {
        kill::reach(Point::Begin);
        let lines = self.pool.clone();
        let begun = tokio::spawn(async move { Errand::begin(&lines, &BEGIN).await }.in_current_span());
        let transaction = begun.await.unwrap_or_else(left_behind)?;
        kill::reach(Point::Begun);
        Ok(Unit { transaction })
    }
}

impl Unit {
    /// The connection, for this room's statements.
    pub(super) fn connection(&mut self) -> Bounded<'_> {
        Bounded(&mut self.transaction)
    }

    /// Says something to the server that has no answer but its being done.
    pub(super) async fn say(&mut self, words: &'static str) -> Result<(), Error> {
        self.transaction.say(words).await
    }

    /// Tells the triggers which cursor this unit will commit, for the confirmations that events carry.
    pub async fn announce(&mut self, scanned: BlockNumber) -> Result<(), Error> {
        sqlx::query!("SELECT set_config('deposit_watcher.scanned', $1, true)", scanned.to_string())
            .fetch_one(self.connection())
            .await?;
        Ok(())
    }

    /// Moves the cursor and the second look's watermark from what was read to what was done, and commits (I1, I2, I7).
    ///
    /// The last statement before COMMIT carries the fence and the cursor that the unit was built on: where another
    /// watcher or another step came between, nothing is written.
    pub async fn move_cursor(mut self, fence: &Fence, from: &Cursor, to: &Cursor) -> Result<(), Error> {
        let moved = sqlx::query!(
            "UPDATE networks SET scanned_number = $4, scanned_hash = $5, scanned_time = $6, confirmed_number = $7,
                    head_number = greatest(head_number, $4), head_seen_at = now()
             WHERE slug = $1 AND fence = $2 AND scanned_hash = $3 AND confirmed_number = $8",
            fence.network.as_str(),
            fence.number,
            codec::hash_text(from.block.hash),
            codec::height(to.block.number),
            codec::hash_text(to.block.hash),
            to.time,
            codec::height(to.confirmed),
            codec::height(from.confirmed),
        )
        .execute(self.connection())
        .await?;
        self.commit_if(moved.rows_affected() == 1).await
    }

    /// Commits what moves no cursor, under the same fence and on the same cursor.
    pub async fn commit_fenced(mut self, fence: &Fence, on: Option<&Cursor>) -> Result<(), Error> {
        let held = sqlx::query!(
            "UPDATE networks SET fence = fence WHERE slug = $1 AND fence = $2 AND scanned_hash IS NOT DISTINCT FROM $3",
            fence.network.as_str(),
            fence.number,
            on.map(|cursor| codec::hash_text(cursor.block.hash)),
        )
        .execute(self.connection())
        .await?;
        self.commit_if(held.rows_affected() == 1).await
    }

    /// Commits what no cursor depends on: leases, requests, rows of new networks.
    pub(super) async fn commit_unfenced(self) -> Result<(), Error> {
        self.commit().await
    }

    /// Gives up what was begun.
    pub async fn abandon(self) -> Result<(), Error> {
        self.transaction.rollback().await
    }

    async fn commit_if(self, fenced: bool) -> Result<(), Error> {
        if !fenced {
            self.transaction.rollback().await?;
            return Err(Error::LeaseLost);
        }
        self.commit().await
    }

    async fn commit(self) -> Result<(), Error> {
        kill::reach(Point::Commit);
        self.transaction.commit().await?;
        kill::reach(Point::Committed);
        Ok(())
    }
}

pub(super) fn left_behind<T>(fallen: tokio::task::JoinError) -> Result<T, Error> {
    Err(Error::Unavailable(format!("a transaction was left behind: {fallen}")))
}
