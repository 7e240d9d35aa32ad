//! The task that removes old rows once an hour, as `[retention]` says: of networks that we work, and of events and
//! deliveries while we work any. Several at it do each a part. Not for what may go: the database says that.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::complaints::Complaints;
use super::house::House;
use super::supervisor::beat;
use crate::cli::due;
use crate::settings::Retention;
use crate::store::{Error, Old};
use crate::telemetry as t;

/// Its name in metrics.
pub(super) const NAME: &str = "pruning";
/// How often old rows are looked for.
const EVERY: Duration = Duration::from_secs(3_600);
/// How often it is seen that the task is there, and whether there is a network to work.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Between two pieces: the database has other things to do.
const PAUSE: Duration = Duration::from_millis(200);

/// Runs until shutdown.
pub(super) async fn run(house: Arc<House>, retention: Retention) {
    let mut complaints = Complaints::default();
    let mut done: Option<Instant> = None;
    while !house.shutdown.is_cancelled() {
        beat(NAME, "");
        if house.works() && done.is_none_or(|done| done.elapsed() >= EVERY) {
            match all(&house, &retention).await {
                Ok(()) => {
                    complaints.end();
                    done = Some(Instant::now());
                }
                Err(error) if complaints.is_news(&error.to_string()) => {
                    tracing::warn!(%error, "old rows cannot be removed");
                }
                Err(_) => {}
            }
        }
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = house.shutdown.cancelled() => {}
        }
    }
}

async fn all(house: &House, retention: &Retention) -> Result<(), Error> {
    let ours = house.posts.iter().filter(|post| post.pool().is_some()).map(|post| post.network.as_ref());
    for old in due(retention, ours) {
        let rows = one(house, &old).await?;
        if rows > 0 {
            tracing::info!(kind = old.kind(), rows, "old rows removed");
        }
    }
    Ok(())
}

/// All of a kind, a piece at a time, until shutdown.
async fn one(house: &House, old: &Old) -> Result<u64, Error> {
    let mut rows = 0_u64;
    while !house.shutdown.is_cancelled() {
        beat(NAME, "");
        let piece = house.store.prune(old).await?;
        t::PRUNED_ROWS_TOTAL.add(&[old.kind()], piece.rows);
        rows = rows.saturating_add(piece.rows);
        if !piece.more {
            break;
        }
        sleep(PAUSE).await;
    }
    Ok(rows)
}
