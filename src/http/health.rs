//! What `/readyz` asks, and how often: a probe is answered from the last second's answer, however many come, and never
//! waits more than three seconds. Not for what makes a house ready: who wires it says that.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long an answer stands.
const FRESH: Duration = Duration::from_secs(1);
/// How long a probe waits for one.
const DEADLINE: Duration = Duration::from_secs(3);

/// One part of the house and whether it is as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// `database`, `network polygon`, …
    pub name: String,
    /// Or why it is not.
    pub outcome: Result<(), String>,
}

impl Part {
    /// `ok NAME` or `fail NAME: WHY`, always one line.
    pub(super) fn line(&self) -> String {
        let text = match &self.outcome {
            Ok(()) => format!("ok {}", self.name),
            Err(why) => format!("fail {}: {why}", self.name),
        };
        text.replace(|c: char| c.is_control(), " ") + "\n"
    }

    fn readiness(why: &str) -> Vec<Part> {
        vec![Part { name: "readiness".to_owned(), outcome: Err(why.to_owned()) }]
    }
}

/// The question, and its last answer. Clones share both.
#[derive(Clone)]
pub struct Readiness {
    ask: Arc<dyn Fn() -> BoxFuture<'static, Vec<Part>> + Send + Sync>,
    asked: Arc<Mutex<Option<watch::Receiver<Option<Answer>>>>>,
    fresh: Duration,
    deadline: Duration,
}

#[derive(Debug, Clone)]
struct Answer {
    at: Instant,
    parts: Arc<[Part]>,
}

impl Readiness {
    /// Asks with `ask`, at most once at a time and once a second. It runs in a task of its own and is never cancelled,
    /// so it may hold database transactions; one that is late is waited for by the probes after it, so it must end.
    pub fn new<F, A>(ask: F) -> Readiness
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Vec<Part>> + Send + 'static,
    {
        let ask = Arc::new(move || ask().boxed());
        Readiness { ask, asked: Arc::default(), fresh: FRESH, deadline: DEADLINE }
    }

    /// Every part, not older than a second; one failed part named `readiness` when no answer came.
    pub(super) async fn parts(&self) -> Arc<[Part]> {
        let mut answer = self.answer();
        let answered = timeout(self.deadline, answer.wait_for(Option::is_some)).await;
        match answered {
            Ok(Ok(answer)) => answer.as_ref().map_or_else(|| Part::readiness("no answer").into(), |a| a.parts.clone()),
            Ok(Err(_)) => Part::readiness("asking failed").into(),
            Err(_) => Part::readiness(&format!("no answer within {:?}", self.deadline)).into(),
        }
    }

    /// The answer that stands or is awaited, else a new one.
    fn answer(&self) -> watch::Receiver<Option<Answer>> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        match asked.as_ref().filter(|answer| self.stands(answer)) {
            Some(answer) => answer.clone(),
            None => asked.insert(self.begin()).clone(),
        }
    }

    fn stands(&self, answer: &watch::Receiver<Option<Answer>>) -> bool {
        match &*answer.borrow() {
            Some(answer) => answer.at.elapsed() < self.fresh,
            // Still being asked, unless who asks is gone without an answer: it panicked.
            None => answer.has_changed().is_ok(),
        }
    }

    fn begin(&self) -> watch::Receiver<Option<Answer>> {
        let (answer, asked) = watch::channel(None);
        let asking = (self.ask)();
        tokio::spawn(async move {
            let parts = asking.await.into();
            answer.send_replace(Some(Answer { at: Instant::now(), parts }));
        });
        asked
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    fn ok(name: &str) -> Vec<Part> {
        vec![Part { name: name.to_owned(), outcome: Ok(()) }]
    }

    /// A question that counts how often it is asked and waits to be let go.
    fn counted(fresh: Duration, deadline: Duration) -> (Readiness, Arc<AtomicUsize>, Arc<Notify>) {
        let (count, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (counting, going) = (count.clone(), go.clone());
        let readiness = Readiness::new(move || {
            counting.fetch_add(1, Ordering::SeqCst);
            let going = going.clone();
            async move {
                going.notified().await;
                ok("database")
            }
        });
        (Readiness { fresh, deadline, ..readiness }, count, go)
    }

    #[tokio::test]
    async fn many_probes_ask_once() {
        let (readiness, count, go) = counted(Duration::from_secs(60), Duration::from_secs(60));
        let probes: Vec<_> = (0..50)
            .map(|_| {
                tokio::spawn({
                    let readiness = readiness.clone();
                    async move { readiness.parts().await }
                })
            })
            .collect();
        tokio::task::yield_now().await;
        go.notify_one();
        for probe in probes {
            assert_eq!(*probe.await.unwrap(), *ok("database"));
        }
        assert_eq!(*readiness.parts().await, *ok("database"));
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn an_old_answer_is_asked_again() {
        let (readiness, count, go) = counted(Duration::ZERO, Duration::from_secs(60));
        for asked in 1..=3 {
            go.notify_one();
            assert_eq!(*readiness.parts().await, *ok("database"));
            assert_eq!(count.load(Ordering::SeqCst), asked);
        }
    }

    #[tokio::test]
    async fn a_late_answer_is_not_ready_and_is_not_asked_for_twice() {
        let (readiness, count, go) = counted(Duration::from_secs(60), Duration::from_millis(20));
        assert_eq!(*readiness.parts().await, *Part::readiness("no answer within 20ms"));
        assert!(readiness.parts().await[0].outcome.is_err());
        assert_eq!(count.load(Ordering::SeqCst), 1);
        go.notify_one();
        tokio::task::yield_now().await;
        assert_eq!(*readiness.parts().await, *ok("database"));
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_question_that_panics_is_not_ready_and_is_asked_again() {
        let first = AtomicUsize::new(0);
        let readiness = Readiness::new(move || {
            let fail = first.fetch_add(1, Ordering::SeqCst) == 0;
            async move { if fail { panic!("planted") } else { ok("database") } }
        });
        assert_eq!(*readiness.parts().await, *Part::readiness("asking failed"));
        assert_eq!(*readiness.parts().await, *ok("database"));
    }
}
