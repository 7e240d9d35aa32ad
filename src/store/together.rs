//! Questions that come while others are being answered go together in the next: however many ask, one or two looks are
//! under way. Nobody is told what was read before he asked. Not for what is asked ([`super::lookup`]).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::task::yield_now;
use tokio::time::timeout;

use super::Error;

/// How many go together; the rest keeps its turn.
const AT_MOST: usize = 256;
/// How often a clerk lets others run before he begins: more may be just coming.
const LOOKS_UP: usize = 2;
/// How long one waits to be told; longer than a look takes that finds no connection. What nobody waits for is not asked:
/// while the database is away, no more stand here than come within this time.
const WAITS: Duration = Duration::from_secs(10);
/// How long a clerk stays where nobody waits: who asks one thing after the other need not call him each time.
const LINGERS: Duration = Duration::from_millis(20);

/// Who answers questions, many at once.
pub(super) trait Clerk: Send + 'static {
    /// What one asks.
    type Question: Send + 'static;
    /// What he is told.
    type Answer: Send + 'static;

    /// As many answers as questions, in their order.
    fn answer(&mut self, questions: &[Self::Question])
    -> impl Future<Output = Result<Vec<Self::Answer>, Error>> + Send;
}

/// A counter with its clerks and everybody who waits there. Clones are the same one.
pub(super) struct Together<C: Clerk> {
    line: Arc<Line<C>>,
    clerk: Arc<dyn Fn() -> C + Send + Sync>,
}

/// Who asks, and where he is told.
struct Asker<C: Clerk> {
    question: C::Question,
    told: oneshot::Sender<Result<C::Answer, Error>>,
}

struct Line<C: Clerk> {
    clerks: usize,
    state: Mutex<State<C>>,
    arrival: Notify,
}

struct State<C: Clerk> {
    waiting: VecDeque<Asker<C>>,
    /// How many there are, and of them those who look once more whether somebody waits before they go.
    clerks: usize,
    ready: usize,
}

impl<C: Clerk> Together<C> {
    /// A clerk is called when somebody comes and none is free, unless there are `clerks` already; he goes when nobody waits.
    pub(super) fn new(clerks: usize, clerk: impl Fn() -> C + Send + Sync + 'static) -> Together<C> {
        let state = Mutex::new(State { waiting: VecDeque::new(), clerks: 0, ready: 0 });
        Together { line: Arc::new(Line { clerks, state, arrival: Notify::new() }), clerk: Arc::new(clerk) }
    }

    /// The answer of a clerk who began after this was asked. Whoever stops waiting takes nothing from the others.
    pub(super) async fn ask(&self, question: C::Question) -> Result<C::Answer, Error> {
        let (told, answer) = oneshot::channel();
        if self.line.join(Asker { question, told }) {
            // A task of its own: no asker can take the others' answers with him.
            tokio::spawn(serve(Arc::clone(&self.line), (self.clerk)()));
        }
        match timeout(WAITS, answer).await {
            Ok(told) => told.unwrap_or_else(|_| Err(Error::Unavailable("a question was left behind".to_owned()))),
            Err(_) => Err(Error::Unavailable(format!("nobody was free to ask within {} s", WAITS.as_secs()))),
        }
    }
}

/// Answers until nobody waits.
async fn serve<C: Clerk>(line: Arc<Line<C>>, mut clerk: C) {
    let mut place = Place { line: &line, left: false };
    while let Some(askers) = line.turn().await {
        let (questions, waiting): (Vec<_>, Vec<_>) =
            askers.into_iter().map(|asker| (asker.question, asker.told)).unzip();
        // A receiver that is gone is one that waits no more.
        match clerk.answer(&questions).await {
            Ok(answers) => waiting.into_iter().zip(answers).for_each(|(told, answer)| drop(told.send(Ok(answer)))),
            Err(error) => waiting.into_iter().for_each(|told| drop(told.send(Err(error.clone())))),
        }
    }
    place.left = true;
}

impl<C: Clerk> Line<C> {
    /// Every change is whole: what a panic leaves behind is still true.
    fn lock(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True when a clerk is to be called.
    fn join(&self, asker: Asker<C>) -> bool {
        let mut state = self.lock();
        state.waiting.push_back(asker);
        let wanted = state.ready == 0 && state.clerks < self.clerks;
        if wanted {
            state.clerks = state.clerks.saturating_add(1);
        }
        drop(state);
        self.arrival.notify_one();
        wanted
    }

    fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Whose turn it is. Waits for who is just coming, and where nobody comes for a while, the clerk goes.
    async fn turn(&self) -> Option<Vec<Asker<C>>> {
        let somebody = async || {
            while self.waiting() == 0 {
                self.arrival.notified().await;
            }
        };
        self.ready();
        loop {
            let came = timeout(LINGERS, somebody()).await.is_ok();
            for _ in 0..LOOKS_UP {
                yield_now().await;
            }
            match self.next() {
                Some(askers) => return Some(askers),
                None if came => {}
                None if self.leave() => return None,
                None => {}
            }
        }
    }

    fn ready(&self) {
        let mut state = self.lock();
        state.ready = state.ready.saturating_add(1);
    }

    /// As many as go together; nobody where another clerk took them.
    fn next(&self) -> Option<Vec<Asker<C>>> {
        let mut state = self.lock();
        // What nobody waits for is not asked.
        state.waiting.retain(|asker| !asker.told.is_closed());
        let many = state.waiting.len().min(AT_MOST);
        if many == 0 {
            return None;
        }
        state.ready = state.ready.saturating_sub(1);
        Some(state.waiting.drain(..many).collect())
    }

    /// True when a clerk goes: nobody came at the last moment.
    fn leave(&self) -> bool {
        let mut state = self.lock();
        let nobody = state.waiting.is_empty();
        if nobody {
            state.ready = state.ready.saturating_sub(1);
            state.clerks = state.clerks.saturating_sub(1);
        }
        nobody
    }

    /// One clerk less. Where he was the last, everybody goes without an answer, and the next one calls another.
    fn fall(&self) {
        let mut state = self.lock();
        state.clerks = state.clerks.saturating_sub(1);
        if state.clerks == 0 {
            state.waiting.clear();
        }
    }
}

/// A clerk's place, in case he falls: the line must not wait for him for ever.
struct Place<'l, C: Clerk> {
    line: &'l Line<C>,
    left: bool,
}

impl<C: Clerk> Drop for Place<'_, C> {
    fn drop(&mut self) {
        if !self.left {
            self.line.fall();
        }
    }
}

impl<C: Clerk> Clone for Together<C> {
    fn clone(&self) -> Self {
        Together { line: Arc::clone(&self.line), clerk: Arc::clone(&self.clerk) }
    }
}

impl<C: Clerk> std::fmt::Debug for Together<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Together [{} wait]", self.line.lock().waiting.len())
    }
}

#[cfg(test)]
#[path = "together_tests.rs"]
mod tests;
