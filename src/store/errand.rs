//! Transactions that no [`Unit`](super::Unit) holds: what somebody asked for, done to its end though he has gone.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::{Executor, PgConnection};
use tokio::time::timeout;
use tracing::{Instrument, Span};

use super::Error;
use super::lines::{Bounded, Line, Lines, Opening, opening};
use super::unit::left_behind;
use crate::telemetry::spans;

/// What a whole errand may take; the server ends each of its statements before.
const PATIENCE: Duration = Duration::from_secs(30);
/// A frozen holder must block nobody: the server itself ends what takes too long.
const BEGIN: Opening = opening!(
    "SET LOCAL statement_timeout = '10s'; SET LOCAL lock_timeout = '3s'; \
     SET LOCAL idle_in_transaction_session_timeout = '5s'"
);

/// One state of the database, for a report that is read in pages. Whoever stops reading for longer than this loses it.
pub(super) const READING: Opening = opening!(
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '20s'; \
     SET LOCAL idle_in_transaction_session_timeout = '10min'"
);

/// An open transaction, begun and bounded in one round trip. sqlx's own could be begun so, too, but where the server gives
/// up halfway its connection would go back inside a failed transaction.
pub(super) struct Errand {
    line: Line,
    /// Committed or rolled back. What is left open ends with its connection.
    ended: bool,
    span: Span,
}

/// Carries a transaction to its end, though whoever asked for it has gone: an answer that nobody waited for is kept under
/// its key, and no transaction stays open behind a future that was dropped. Where the database no longer answers, its end
/// is that of its connection.
pub(super) async fn to_the_end<T, W, F>(lines: &Lines, work: W) -> Result<T, Error>
where
    T: Send + 'static,
    W: FnOnce(Errand) -> F + Send + 'static,
    F: Future<Output = Result<T, Error>> + Send,
{
    let lines = lines.clone();
    let late = |_| Err(Error::Unavailable(format!("no answer within {} s", PATIENCE.as_secs())));
    let errand = async move {
        let errand = Errand::begin(&lines, &BEGIN).await?;
        timeout(PATIENCE, work(errand)).await.unwrap_or_else(late)
    };
    let task = tokio::spawn(errand.in_current_span());
    task.await.unwrap_or_else(left_behind)
}

impl Errand {
    /// Whoever drops this midway drops its connection with it.
    pub(super) async fn begin(lines: &Lines, opening: &Opening) -> Result<Errand, Error> {
        let span = spans::transaction();
        let mut errand = Errand { line: lines.lend().await?, ended: false, span };
        errand.line.begin(opening).await?;
        Ok(errand)
    }

    /// Says something to the server that has no answer but its being done.
    pub(super) async fn say(&mut self, words: &'static str) -> Result<(), Error> {
        Bounded(&mut self.line).execute(sqlx::raw_sql(words)).await?;
        Ok(())
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
        self.say(how).await?;
        self.ended = true;
        spans::ended(&self.span, how);
        Ok(())
    }
}

impl Deref for Errand {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.line
    }
}

impl DerefMut for Errand {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.line
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        if !self.ended {
            self.line.close();
        }
    }
}
