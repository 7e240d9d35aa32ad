//! A network held: the lease renewed by a task of its own, so that a long step cannot lose it, and told to metrics; what
//! keeps us from working it is told with each renewal.
//! Dropped, however it comes, it is renewed no longer and speaks for the network no longer.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::house::Post;
use super::supervisor::beat;
use crate::chain::Pool;
use crate::store::{Lease, Store};
use crate::telemetry;

/// A lease that was not renewed for so long is over.
const LIFE: Duration = Duration::from_secs(6);

/// From taking a lease to giving it up.
pub(super) struct Tenure {
    post: Arc<Post>,
    renewer: AbortHandle,
}

impl Tenure {
    /// Begins to renew; `stop` is cancelled when the lease is lost.
    pub(super) fn begin(
        post: &Arc<Post>,
        store: Store,
        lease: Lease,
        pool: Arc<Pool>,
        stop: CancellationToken,
    ) -> Tenure {
        post.set_pool(Some(pool));
        post.set_trouble(None);
        telemetry::LOCK_HELD.set(&[post.slug().as_str()], true);
        let renewer = tokio::spawn(renew(post.clone(), store, lease, stop)).abort_handle();
        Tenure { post: post.clone(), renewer }
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        self.renewer.abort();
        self.post.set_pool(None);
        telemetry::release(self.post.slug());
    }
}

async fn renew(post: Arc<Post>, store: Store, mut lease: Lease, stop: CancellationToken) {
    let slug = post.slug().as_str();
    let mut ticks = interval(Lease::RENEW_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut renewed = Instant::now();
    loop {
        ticks.tick().await;
        beat("lease", slug);
        lease.trouble = post.trouble();
        let asked = Instant::now();
        match timeout(Lease::RENEW_EVERY, store.renew_lease(&lease)).await {
            Ok(Ok(true)) => renewed = asked,
            Ok(Ok(false)) => {
                tracing::warn!(network = slug, "the lease was lost: another watcher works the network");
                break;
            }
            Ok(Err(error)) => tracing::warn!(network = slug, %error, "the lease cannot be renewed"),
            Err(_) => tracing::warn!(network = slug, "the lease cannot be renewed: no answer"),
        }
        if renewed.elapsed() >= LIFE {
            tracing::warn!(network = slug, "the lease ran out: it could not be renewed in time");
            break;
        }
    }
    telemetry::LOCK_HELD.set(&[slug], false);
    stop.cancel();
}
