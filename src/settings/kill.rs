//! Where a debug build kills itself as `kill -9` would, so that tests can kill it at every point of a step. A release
//! build has none of it: [`BUILT_IN`] is false there, and the compiler leaves out what stands behind it. Not for anything else.
//!
//! `DEPOSIT_WATCHER_KILL_AT=commit:3` kills the process right before it sends its third COMMIT. [`at_polls`] counts how
//! often a future is polled: each poll but the first follows an await whose answer has come, and one that ends pending
//! has sent what the next answer will be to. So nobody has to place a point at every await, and none is forgotten.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Signal, getpid, kill_process};

/// False in a release build, from which the compiler leaves all of this out.
const BUILT_IN: bool = cfg!(debug_assertions);
const VARIABLE: &str = "DEPOSIT_WATCHER_KILL_AT";

/// A place to die at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Before a step is polled: the answer it waited for has come, and it does not know yet.
    Poll,
    /// After a poll of a step that ended pending: the question is on its way.
    Pending,
    /// Before a transaction is begun.
    Begin,
    /// After it was begun and bounded.
    Begun,
    /// Before COMMIT is sent.
    Commit,
    /// After COMMIT was acknowledged.
    Committed,
}

impl Point {
    const ALL: [Point; 6] = [Point::Poll, Point::Pending, Point::Begin, Point::Begun, Point::Commit, Point::Committed];

    fn name(self) -> &'static str {
        match self {
            Point::Poll => "poll",
            Point::Pending => "pending",
            Point::Begin => "begin",
            Point::Begun => "begun",
            Point::Commit => "commit",
            Point::Committed => "committed",
        }
    }
}

/// Which visit of which point is the last thing that this process does.
#[derive(Debug)]
struct Plan {
    point: Point,
    left: AtomicU64,
}

impl Plan {
    fn parse(text: &str) -> Option<Plan> {
        let (name, visit) = text.split_once(':')?;
        let point = Point::ALL.into_iter().find(|point| point.name() == name)?;
        let visit: u64 = visit.parse().ok().filter(|visit| *visit > 0)?;
        Some(Plan { point, left: AtomicU64::new(visit) })
    }

    /// True at the visit that is meant, once.
    fn is_due(&self, point: Point) -> bool {
        point == self.point && self.left.fetch_sub(1, Ordering::SeqCst) == 1
    }
}

fn plan() -> Option<&'static Plan> {
    static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
    PLAN.get_or_init(|| Plan::parse(&std::env::var(VARIABLE).ok()?)).as_ref()
}

/// Says that the process is at this point.
pub fn reach(point: Point) {
    if BUILT_IN && plan().is_some_and(|plan| plan.is_due(point)) {
        die();
    }
}

/// A future whose polls are points.
pub async fn at_polls<F: Future>(future: F) -> F::Output {
    if !BUILT_IN {
        return future.await;
    }
    let mut future = pin!(future);
    poll_fn(|context| {
        reach(Point::Poll);
        let polled = future.as_mut().poll(context);
        if polled.is_pending() {
            reach(Point::Pending);
        }
        polled
    })
    .await
}

/// Nobody survives this signal, and nothing is tidied up. A process that may not send it to itself must not go on as if
/// it had not been asked to: its test would prove nothing.
fn die() {
    if kill_process(getpid(), Signal::KILL).is_err() {
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_due_at_its_visit_and_only_once() {
        let plan = Plan::parse("commit:2").unwrap();
        let due = [Point::Commit, Point::Poll, Point::Commit, Point::Commit].map(|point| plan.is_due(point));
        assert_eq!(due, [false, false, true, false]);
    }

    #[test]
    fn what_names_no_point_is_none() {
        for text in ["", "commit", "commit:", "commit:0", "commit:-1", "comit:1", "commit:1:1"] {
            assert!(Plan::parse(text).is_none(), "{text}");
        }
    }
}
