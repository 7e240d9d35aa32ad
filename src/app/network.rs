//! The task of one network: waits until the network is ours, works it, gives it back. Not for the work itself
//! ([`super::work`]), and no other network's business.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::complaints::Complaints;
use super::house::{House, Post};
use super::supervisor::beat;
use super::tenure::Tenure;
use super::work::{Desk, work};
use crate::chain::Pool;
use crate::store::{Error, Lease};
use crate::watcher::Watcher;

/// How often a network that somebody else holds is asked for.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// What the database is given to say whether a network is to be had.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);
/// What a step in flight is given to end when we must stop. What it would commit later, its fence refuses.
const LAST_STEP: Duration = Duration::from_secs(6);
/// What handing over may take.
const HAND_OVER: Duration = Duration::from_secs(2);

/// Runs until shutdown; ends early only when the work panicked.
pub(super) async fn run(house: Arc<House>, post: Arc<Post>) {
    let slug = post.slug().clone();
    let mut complaints = Complaints::default();
    while !house.shutdown.is_cancelled() {
        beat("network", slug.as_str());
        match enter(&house, &post).await {
            Ok(Some(lease)) => {
                complaints.end();
                if !hold(&house, &post, lease).await {
                    return;
                }
            }
            Ok(None) => {
                if complaints.is_news("held") {
                    let why = "another watcher holds it, or one works with other money-relevant configuration";
                    tracing::info!(network = %slug, why, "standing by");
                }
            }
            Err(error) => {
                let reason = error.to_string();
                if complaints.is_news(&reason) {
                    tracing::warn!(network = %slug, reason, "the network cannot be asked for");
                }
            }
        }
        tokio::select! {
            () = sleep(ASK_EVERY) => {}
            () = house.shutdown.cancelled() => {}
        }
    }
}

/// The lease, if it is to be had. What is taken after we stopped waiting runs out by itself.
async fn enter(house: &House, post: &Post) -> Result<Option<Lease>, Error> {
    let network = &post.network;
    let asking = async {
        house.store.introduce_network(&network.slug, network.chain_id, network.testnet).await?;
        house.store.take_lease(&network.slug, &house.holder, &house.digest).await
    };
    let silence = || Error::Unavailable(house.store.refusal().unwrap_or("no answer").to_owned());
    timeout(ANSWERED_WITHIN, asking).await.unwrap_or_else(|_| Err(silence()))
}

/// Works the network while the lease lasts; false when the work panicked.
async fn hold(house: &House, post: &Arc<Post>, lease: Lease) -> bool {
    let network = &post.network;
    let pool = match Pool::connect(network) {
        Ok(pool) => Arc::new(pool),
        Err(error) => {
            tracing::error!(network = %network.slug, %error, "its endpoints cannot be used");
            give_back(house, &lease).await;
            return false;
        }
    };
    tracing::info!(network = %network.slug, holder = house.holder, fence = lease.fence.number, "working the network");
    let stop = house.shutdown.child_token();
    let tenure = Tenure::begin(post, house.store.clone(), lease.clone(), pool.clone(), stop.clone());
    let watcher =
        Watcher::new(network.clone(), house.sessions.clone(), house.store.clone(), pool.clone(), lease.fence.clone());
    let desk = Desk { network: network.clone(), pool, stop: stop.clone() };
    // In a task of its own: a step is never cancelled midway, only left behind.
    let mut working = tokio::spawn(work(watcher, desk));
    let ended = tokio::select! {
        ended = &mut working => Some(ended),
        () = async { stop.cancelled().await; sleep(LAST_STEP).await } => None,
    };
    drop(tenure);
    if ended.is_none() {
        tracing::warn!(network = %network.slug, "a step did not end in time; what it commits later is refused");
    }
    give_back(house, &lease).await;
    tracing::info!(network = %network.slug, "the network is given back");
    !matches!(ended, Some(Err(_)))
}

async fn give_back(house: &House, lease: &Lease) {
    let network = &lease.fence.network;
    match timeout(HAND_OVER, house.store.release_lease(lease)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%network, %error, "the lease cannot be given back; it runs out by itself"),
        Err(_) => tracing::warn!(%network, "the lease cannot be given back: no answer; it runs out by itself"),
    }
}
