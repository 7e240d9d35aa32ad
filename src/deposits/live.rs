//! The live view: who watches a session hears of each state it comes to show. One reader for all: a single query five
//! times a second however many watch, and none while nobody does. Not for the wire: that is http's.
//!
//! Every message is the whole state, so nothing is lost by missing some: a viewer who is slow, or was away, gets the
//! newest. Its id is a digest of the state, the same in every process, so whoever comes back with the id of what he saw
//! last hears nothing until something changes.
//!
//! A stream ends after the state in which its session no longer waits for money. That state may still change (a payment
//! seen late, a reorganisation), and who comes back having seen it waits for just that.

mod board;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

pub use board::{TooManyViewers, Update, Watch};

use super::{Office, View};
use crate::domain::SessionId;
use crate::keys::digest;
use crate::store::Error;
use board::Board;

/// How often all sessions that are watched are looked at: a change is on an open page 300 ms after its commit.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The longest pause while the database does not answer.
const LOOK_AT_LEAST: Duration = Duration::from_secs(5);
/// What one look may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Streams of one session: a customer's windows, not a crowd.
const VIEWERS_OF_SESSION: usize = 100;

/// What sessions show now; one that is missing shows what it did.
type Look = BoxFuture<'static, Result<Vec<(SessionId, Update)>, Error>>;

/// The hub of this process. Clones are the same one.
#[derive(Clone)]
pub struct Live {
    office: Office,
    board: Arc<Board>,
}

impl Live {
    /// Nothing runs until [`Live::run`], and nothing is read until somebody watches.
    pub fn new(office: Office) -> Live {
        let streams = usize::try_from(office.settings.limits.streams).unwrap_or(usize::MAX);
        Live { office, board: Arc::new(Board::new(streams, VIEWERS_OF_SESSION)) }
    }

    /// Watches a session that exists. `seen` is the id of the state that the viewer saw last.
    pub fn watch(&self, session: &SessionId, seen: Option<&str>) -> Result<Watch, TooManyViewers> {
        self.board.enter(session, seen)
    }

    /// Looks until `shutdown`, then ends every stream.
    pub async fn run(&self, shutdown: CancellationToken) {
        let look = |sessions: Vec<SessionId>| -> Look {
            let Live { office, board } = self.clone();
            Box::pin(async move {
                let views = office.read_many(&sessions).await?;
                // Of a business that was disabled nothing is shown any more.
                let (shut, shown): (Vec<View>, Vec<View>) = views.into_iter().partition(|view| view.shut);
                shut.into_iter().for_each(|view| board.end(&SessionId(view.id)));
                shown.into_iter().map(|view| Ok((SessionId(view.id.clone()), update(view)?))).collect()
            })
        };
        run(&self.board, &shutdown, look).await;
    }
}

/// The one poller.
async fn run(board: &Board, shutdown: &CancellationToken, look: impl Fn(Vec<SessionId>) -> Look) {
    let (mut failures, mut next) = (0_u32, Instant::now());
    loop {
        let blank_only = tokio::select! {
            () = shutdown.cancelled() => break,
            // While the database is away, who is new waits like all others. Many who arrive delay nobody's turn.
            () = board.arrival(), if failures == 0 => Instant::now() < next,
            () = sleep_until(next) => false,
        };
        let sessions = board.sessions(blank_only);
        let looked = match sessions.is_empty() {
            true => Ok(Vec::new()),
            false => timeout(PATIENCE, look(sessions)).await.unwrap_or_else(|_| Err(late())),
        };
        failures = tell(board, looked, failures);
        if !blank_only || failures > 0 {
            next = pause(failures);
        }
    }
    board.close();
}

fn late() -> Error {
    Error::Unavailable(format!("no answer within {} s", PATIENCE.as_secs()))
}

/// Shows what was seen; how often in a row nothing could be.
fn tell(board: &Board, looked: Result<Vec<(SessionId, Update)>, Error>, failures: u32) -> u32 {
    match looked {
        Ok(seen) => {
            seen.into_iter().for_each(|(session, update)| board.show(&session, update));
            if failures > 0 {
                tracing::info!("sessions that are watched can be read again");
            }
            0
        }
        Err(error) => {
            if failures == 0 {
                tracing::warn!(%error, "sessions that are watched cannot be read; their viewers wait");
            }
            failures.saturating_add(1)
        }
    }
}

fn pause(failures: u32) -> Instant {
    let pause = LOOK_EVERY.saturating_mul(2_u32.saturating_pow(failures.min(5))).min(LOOK_AT_LEAST);
    Instant::now().checked_add(pause).unwrap_or_else(Instant::now)
}

/// A view as it is sent. While a session waits for money each confirmation is news. Afterwards its blocks go on being
/// counted, and nobody waits for that.
fn update(view: View) -> Result<Update, Error> {
    let (id, json) = (version(&view)?, serde_json::to_string(&view).map_err(unreadable)?);
    Ok(Update { id, json, last: view.closed, view: Arc::new(view) })
}

/// The id of the [`Update`] that shows a view: who has drawn it already says so to [`Live::watch`].
pub fn version(view: &View) -> Result<String, Error> {
    let counted = |confirmations| View { confirmations, ..view.clone() };
    let told = if view.closed { counted(None) } else { view.clone() };
    Ok(half(&serde_json::to_vec(&told).map_err(unreadable)?))
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::Unreadable(error.to_string())
}

/// Half of a SHA-256 is enough to tell states apart.
fn half(state: &[u8]) -> String {
    digest(state).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
