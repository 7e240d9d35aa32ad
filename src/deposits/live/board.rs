//! Who watches which session and what each one last showed. Memory only: not for reading sessions, and it has no clock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use crate::deposits::View;
use crate::domain::SessionId;

/// What a session shows, written once for all who watch it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Tells this state from every other one of the session; the same in every process. Opaque.
    pub id: String,
    /// The whole state, as the API writes it.
    pub json: String,
    /// The same, for who writes it otherwise: a page is drawn from it without asking for the session again.
    pub view: Arc<View>,
    /// The session no longer waits for money: what sends this ends its stream.
    pub last: bool,
}

/// Why nobody more may watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooManyViewers {
    /// Of this session.
    #[error("{0} streams of this session are open already")]
    OfSession(usize),
    /// Of all sessions.
    #[error("{0} streams are open already")]
    InAll(usize),
}

type News = watch::Sender<Option<Arc<Update>>>;

/// The viewers of this process.
#[derive(Debug)]
pub(super) struct Board {
    in_all: usize,
    of_session: usize,
    table: Mutex<Table>,
    arrival: Notify,
}

#[derive(Debug, Default)]
struct Table {
    viewers: usize,
    sessions: HashMap<SessionId, Watched>,
    closed: bool,
}

/// A session while somebody watches it.
#[derive(Debug)]
struct Watched {
    news: News,
    viewers: usize,
}

impl Board {
    /// With room for so many viewers in all, and of one session.
    pub(super) fn new(in_all: usize, of_session: usize) -> Board {
        Board { in_all, of_session, table: Mutex::default(), arrival: Notify::new() }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A viewer who has already seen the state of this id.
    pub(super) fn enter(self: &Arc<Board>, session: &SessionId, seen: Option<&str>) -> Result<Watch, TooManyViewers> {
        let mut table = self.table();
        if table.viewers >= self.in_all {
            return Err(TooManyViewers::InAll(self.in_all));
        }
        let fresh = || Watched { news: watch::Sender::new(None), viewers: 0 };
        let watched = table.sessions.entry(session.clone()).or_insert_with(fresh);
        if watched.viewers >= self.of_session {
            return Err(TooManyViewers::OfSession(self.of_session));
        }
        watched.viewers = watched.viewers.saturating_add(1);
        let (news, blank) = (watched.news.subscribe(), watched.news.borrow().is_none());
        table.viewers = table.viewers.saturating_add(1);
        if table.closed {
            // Its sender goes: this viewer hears the end at once.
            table.sessions.clear();
        } else if blank {
            self.arrival.notify_one();
        }
        let place = Place { board: self.clone(), session: session.clone() };
        Ok(Watch { news, seen: seen.map(str::to_owned), stays: false, over: false, _place: place })
    }

    fn leave(&self, session: &SessionId) {
        let mut table = self.table();
        table.viewers = table.viewers.saturating_sub(1);
        let Some(watched) = table.sessions.get_mut(session) else { return };
        watched.viewers = watched.viewers.saturating_sub(1);
        if watched.viewers == 0 {
            table.sessions.remove(session);
        }
    }

    /// Waits until somebody watches a session that shows nothing yet.
    pub(super) async fn arrival(&self) {
        self.arrival.notified().await;
    }

    /// Every session that is watched, once; or those of them that show nothing yet.
    pub(super) fn sessions(&self, blank_only: bool) -> Vec<SessionId> {
        let table = self.table();
        let chosen = table.sessions.iter().filter(|(_, watched)| !blank_only || watched.news.borrow().is_none());
        chosen.map(|(session, _)| session.clone()).collect()
    }

    /// A session shows this; its viewers hear of it unless that is what it showed before.
    pub(super) fn show(&self, session: &SessionId, update: Update) {
        let table = self.table();
        let Some(watched) = table.sessions.get(session) else { return };
        watched.news.send_if_modified(|shown| {
            let changed = shown.as_ref().is_none_or(|shown| shown.id != update.id);
            if changed {
                *shown = Some(Arc::new(update));
            }
            changed
        });
    }

    /// Ends the streams of one session.
    pub(super) fn end(&self, session: &SessionId) {
        self.table().sessions.remove(session);
    }

    /// Ends every stream, and those to come.
    pub(super) fn close(&self) {
        let mut table = self.table();
        table.closed = true;
        table.sessions.clear();
    }
}

/// A viewer's place; given back when it is dropped.
#[derive(Debug)]
struct Place {
    board: Arc<Board>,
    session: SessionId,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.board.leave(&self.session);
    }
}

/// One viewer of one session.
#[derive(Debug)]
pub struct Watch {
    news: watch::Receiver<Option<Arc<Update>>>,
    seen: Option<String>,
    stays: bool,
    over: bool,
    _place: Place,
}

impl Watch {
    /// The same, and it goes on after the last state: what was confirmed may be taken back.
    pub fn stay(self) -> Watch {
        Watch { stays: true, ..self }
    }

    /// Waits for a state that this viewer has not seen. One who is slow gets the newest and never hears of those between.
    ///
    /// `None` when the stream is over: after a state that is the last, or because the house closes. A future that is
    /// dropped loses nothing.
    pub async fn next(&mut self) -> Option<Arc<Update>> {
        while !self.over {
            let newest = self.news.borrow_and_update().clone();
            if let Some(update) = newest.filter(|update| self.seen.as_ref() != Some(&update.id)) {
                self.seen = Some(update.id.clone());
                self.over = update.last && !self.stays;
                return Some(update);
            }
            self.news.changed().await.ok()?;
        }
        None
    }
}
