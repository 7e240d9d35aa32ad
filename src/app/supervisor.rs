//! Named tasks that no one loses sight of: one that ends or panics before it should is logged and started again, after
//! a pause that grows. Its heartbeat tells metrics that it goes round. Not for what a task does.

use std::time::Duration;

use chrono::Utc;
use futures_util::future::BoxFuture;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::chain::Delays;
use crate::telemetry;

/// Pauses before a task is started again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Who ran this long starts again with the shortest pause.
const WELL: Duration = Duration::from_secs(60);

/// A task to keep running.
pub(super) struct Task {
    /// As metrics and logs name it.
    pub(super) name: &'static str,
    /// Its network's slug; empty for none.
    pub(super) network: String,
    /// Starts it.
    pub(super) work: Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
}

/// Says that a task went round its loop.
pub(super) fn beat(task: &str, network: &str) {
    telemetry::TASK_HEARTBEAT_TIMESTAMP_SECONDS.set(&[task, network], Utc::now());
}

/// Runs all tasks until `shutdown`, then until each has ended.
pub(super) async fn supervise(tasks: Vec<Task>, shutdown: CancellationToken) {
    let mut keepers = JoinSet::new();
    for task in tasks {
        keepers.spawn(keep(task, shutdown.clone()));
    }
    while keepers.join_next().await.is_some() {}
}

async fn keep(task: Task, shutdown: CancellationToken) {
    let mut delays = Delays::new(PAUSE.0, PAUSE.1);
    while !shutdown.is_cancelled() {
        beat(task.name, &task.network);
        let started = Instant::now();
        let ended = tokio::spawn((task.work)()).await;
        if shutdown.is_cancelled() && ended.is_ok() {
            return;
        }
        let how = ended.map_or_else(|error| how(&error), |()| "ended");
        if started.elapsed() >= WELL {
            delays.reset();
        }
        let pause = delays.pause();
        tracing::error!(
            task = task.name,
            network = task.network,
            how,
            ?pause,
            "a task is down and will be started again"
        );
        tokio::select! {
            () = sleep(pause) => {}
            () = shutdown.cancelled() => {}
        }
    }
}

fn how(error: &JoinError) -> &'static str {
    if error.is_panic() { "panicked" } else { "was cancelled" }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn task(
        starts: &Arc<AtomicU32>,
        end: fn(u32, CancellationToken) -> BoxFuture<'static, ()>,
        stop: &CancellationToken,
    ) -> Task {
        let (starts, stop) = (starts.clone(), stop.clone());
        let work = move || end(starts.fetch_add(1, Ordering::SeqCst), stop.clone());
        Task { name: "t", network: String::new(), work: Box::new(work) }
    }

    #[tokio::test(start_paused = true)]
    async fn who_ends_or_panics_is_started_again_and_nobody_else_suffers() {
        let stop = CancellationToken::new();
        let (falling, steady) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let fall: fn(u32, CancellationToken) -> BoxFuture<'static, ()> = |start, stop| {
            Box::pin(async move {
                match start {
                    0 => panic!("the first start"),
                    1 => {}
                    _ => stop.cancelled().await,
                }
            })
        };
        let stay: fn(u32, CancellationToken) -> BoxFuture<'static, ()> =
            |_, stop| Box::pin(async move { stop.cancelled().await });
        let tasks = vec![task(&falling, fall, &stop), task(&steady, stay, &stop)];
        let running = tokio::spawn(supervise(tasks, stop.clone()));
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!((falling.load(Ordering::SeqCst), steady.load(Ordering::SeqCst)), (3, 1));
        stop.cancel();
        running.await.unwrap();
    }
}
