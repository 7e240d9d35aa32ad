//! Questions that come while one is being answered go together in the next: however many ask, the database is asked one
//! thing at a time. Nobody is told what was read before he asked. Not for what is asked ([`super::lookup`]).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::task::yield_now;
use tokio::time::timeout;

use super::Error;

/// How many go together; the rest keeps its turn.
const AT_MOST: usize = 256;
/// How often at most a clerk looks whether still more are just coming, before he begins.
const LOOKS_UP: usize = 4;
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

/// One clerk's counter, with everybody who waits there. Clones are the same one.
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
    state: Mutex<State<C>>,
    arrival: Notify,
}

struct State<C: Clerk> {
    waiting: VecDeque<Asker<C>>,
    /// A clerk is there, and looks once more before he goes.
    served: bool,
}

impl<C: Clerk> Together<C> {
    /// A clerk is called when somebody comes, and goes when nobody waits.
    pub(super) fn new(clerk: impl Fn() -> C + Send + Sync + 'static) -> Together<C> {
        let state = Mutex::new(State { waiting: VecDeque::new(), served: false });
        Together { line: Arc::new(Line { state, arrival: Notify::new() }), clerk: Arc::new(clerk) }
    }

    /// The answer of a clerk who began after this was asked. Whoever stops waiting takes nothing from the others.
    pub(super) async fn ask(&self, question: C::Question) -> Result<C::Answer, Error> {
        let (told, answer) = oneshot::channel();
        if self.line.join(Asker { question, told }) {
            // A task of its own: no asker can take the others' answers with him.
            tokio::spawn(serve(Arc::clone(&self.line), (self.clerk)()));
        }
        answer.await.unwrap_or_else(|_| Err(Error::Unavailable("a question was left behind".to_owned())))
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
        let unserved = !std::mem::replace(&mut state.served, true);
        drop(state);
        self.arrival.notify_one();
        unserved
    }

    fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Whose turn it is. Waits for who is just coming, and a while for anybody where nobody is.
    async fn turn(&self) -> Option<Vec<Asker<C>>> {
        let somebody = async {
            while self.waiting() == 0 {
                self.arrival.notified().await;
            }
        };
        // Late or not, the line itself is asked.
        let _ = timeout(LINGERS, somebody).await;
        let mut before = 0;
        for _ in 0..LOOKS_UP {
            yield_now().await;
            if self.waiting() == std::mem::replace(&mut before, self.waiting()) {
                break;
            }
        }
        self.next()
    }

    /// Whose turn it is; nobody's where nobody waits, and whoever comes then calls another clerk.
    fn next(&self) -> Option<Vec<Asker<C>>> {
        let mut state = self.lock();
        // What nobody waits for is not asked.
        state.waiting.retain(|asker| !asker.told.is_closed());
        let many = state.waiting.len().min(AT_MOST);
        state.served = many > 0;
        state.served.then(|| state.waiting.drain(..many).collect())
    }

    /// Lets everybody go without an answer, and the next one call a clerk.
    fn leave_behind(&self) {
        let mut state = self.lock();
        state.served = false;
        state.waiting.clear();
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
            self.line.leave_behind();
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
