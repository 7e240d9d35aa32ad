//! `run` around `step`: when to look again, and what to do when a look failed. Not for what a step does.
//!
//! A new head only says "look now" and may be lost: every loop also looks on a timer. Nothing is selected against a
//! step, so none is ever cancelled midway.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::complaints::Complaints;
use super::house::Post;
use super::supervisor::beat;
use crate::chain::{Delays, Pool};
use crate::domain::Header;
use crate::settings::kill;
use crate::store;
use crate::telemetry;
use crate::watcher::{Error, Step, Watcher};

/// Pauses after a step that failed.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What the work goes by.
pub(super) struct Desk {
    /// The network.
    pub(super) post: Arc<Post>,
    /// Its endpoints.
    pub(super) pool: Arc<Pool>,
    /// The lease was lost, or the process drains.
    pub(super) stop: CancellationToken,
}

/// When to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// There is more to do.
    AtOnce,
    /// When a head comes, or it is time.
    OnHead,
    /// Not before so long, whatever comes.
    After(Duration),
    /// The network is no longer ours.
    Never,
}

/// What of a network's trouble was told, and how long to wait because of it.
struct Mood {
    slug: String,
    post: Arc<Post>,
    complaints: Complaints,
    delays: Delays,
    /// Why it is halted, as it was told.
    halted: Option<String>,
}

/// Steps until told to stop, or until the lease is lost.
pub(super) async fn work(mut watcher: Watcher, desk: Desk) {
    let (slug, post) = (desk.post.slug().to_string(), desk.post.clone());
    let mut heads = desk.pool.heads();
    let mut mood =
        Mood { slug, post, complaints: Complaints::default(), delays: Delays::new(PAUSE.0, PAUSE.1), halted: None };
    while !desk.stop.is_cancelled() {
        beat("network", &mood.slug);
        // Before the step: a head that comes while it runs is looked at next.
        heads.mark_unchanged();
        let started = Instant::now();
        let outcome = kill::at_polls(watcher.step()).await;
        // Whoever was left behind tells nothing more: the gauges are the next holder's.
        if !desk.stop.is_cancelled() {
            watcher.report_lag(Utc::now());
        }
        if let Ok(step) = &outcome {
            telemetry::STEP_DURATION_SECONDS.observe(&[mood.slug.as_str(), step.kind], started.elapsed());
        }
        match mood.next(outcome) {
            Next::Never => return,
            next @ (Next::AtOnce | Next::OnHead | Next::After(_)) => wait(&desk, &mut heads, next, started).await,
        }
    }
}

impl Mood {
    fn next(&mut self, outcome: Result<Step, Error>) -> Next {
        match outcome {
            Ok(step) => self.stepped(&step),
            Err(Error::Store(store::Error::LeaseLost)) => {
                tracing::warn!(network = self.slug, "nothing was written: the lease was lost or the cursor moved");
                Next::Never
            }
            Err(error @ (Error::Chain(_) | Error::Store(_) | Error::Doubt(_))) => {
                self.complain(&error);
                Next::After(self.delays.pause())
            }
        }
    }

    fn stepped(&mut self, step: &Step) -> Next {
        self.delays.reset();
        match (&step.trouble, &step.halted) {
            (Some(error), _) => self.complain(error),
            (None, Some(why)) => {
                if self.halted.as_ref() != Some(why) {
                    let cure = format!("deposit-watcher rescan --network {} --resume", self.slug);
                    tracing::error!(network = self.slug, why, cure, "the network is halted");
                    self.halted = Some(why.clone());
                }
            }
            (None, None) => {
                self.post.set_trouble(None);
                if self.complaints.end() | self.halted.take().is_some() {
                    tracing::info!(network = self.slug, "the network is well again");
                }
            }
        }
        if step.more { Next::AtOnce } else { Next::OnHead }
    }

    fn complain(&mut self, error: &Error) {
        let reason = error.to_string();
        self.post.set_trouble(Some(reason.clone()));
        if self.complaints.is_news(&reason) {
            tracing::warn!(network = self.slug, reason, "a step could not do its work");
        }
    }
}

/// Waits as `next` says, at least `step_interval` from when the last step began, and no longer than until `stop`.
async fn wait(desk: &Desk, heads: &mut watch::Receiver<Option<Header>>, next: Next, started: Instant) {
    let at = |after: Duration| started.checked_add(after).unwrap_or(started);
    let waiting = async {
        match next {
            Next::AtOnce | Next::Never => {}
            Next::After(pause) => sleep(pause).await,
            Next::OnHead => tokio::select! {
                () = sleep_until(at(desk.post.network.poll_interval)) => {}
                // An error says that nobody will ever tell of a head: then the timer does.
                Ok(()) = heads.changed() => {}
            },
        }
        sleep_until(at(desk.post.network.step_interval)).await;
    };
    tokio::select! {
        () = waiting => {}
        () = desk.stop.cancelled() => {}
    }
}
