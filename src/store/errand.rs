//! Transactions that no [`Unit`](super::Unit) holds: what somebody asked for, done to its end though he has gone.

use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPool;
use sqlx::{Executor, PgConnection, Postgres};

use super::Error;
use super::unit::left_behind;

/// A frozen holder must block nobody: the server itself ends what takes too long.
const BEGIN: &str = "BEGIN; SET LOCAL statement_timeout = '10s'; SET LOCAL lock_timeout = '3s'; \
                     SET LOCAL idle_in_transaction_session_timeout = '5s'";

/// An open transaction, begun and bounded in one round trip. sqlx's own could be begun so, too, but where the server gives
/// up halfway its connection would go back inside a failed transaction.
pub(super) struct Errand {
    connection: PoolConnection<Postgres>,
    /// Committed or rolled back. What is left open ends with its connection.
    ended: bool,
}

/// Carries a transaction to its end, though whoever asked for it has gone: an answer that nobody waited for is kept under
/// its key, and no transaction stays open behind a future that was dropped.
pub(super) async fn to_the_end<T, W, F>(pool: &PgPool, work: W) -> Result<T, Error>
where
    T: Send + 'static,
    W: FnOnce(Errand) -> F + Send + 'static,
    F: Future<Output = Result<T, Error>> + Send,
{
    let pool = pool.clone();
    let task = tokio::spawn(async move { work(Errand::begin(&pool).await?).await });
    task.await.unwrap_or_else(left_behind)
}

impl Errand {
    async fn begin(pool: &PgPool) -> Result<Errand, Error> {
        let mut errand = Errand { connection: pool.acquire().await?, ended: false };
        errand.execute(sqlx::raw_sql(BEGIN)).await?;
        Ok(errand)
    }

    /// Makes it last.
    pub(super) async fn commit(self) -> Result<(), Error> {
        self.end("COMMIT").await
    }

    /// Gives up what was begun.
    pub(super) async fn rollback(self) -> Result<(), Error> {
        self.end("ROLLBACK").await
    }

    async fn end(mut self, how: &'static str) -> Result<(), Error> {
        self.execute(sqlx::raw_sql(how)).await?;
        self.ended = true;
        Ok(())
    }
}

impl Deref for Errand {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Errand {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        if !self.ended {
            self.connection.close_on_drop();
        }
    }
}
