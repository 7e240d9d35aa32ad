//! The task of one network: waits until the network is ours, works it, gives it back. Not for the work itself
//! ([`super::work`]), and no other network's business.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::complaints::Complaints;
use super::house::{House, Post};
use super::supervisor::beat;
use super::tenure::Tenure;
use super::work::{Desk, work};
use crate::chain::Pool;
use crate::settings::Network;
use crate::store::{Error, Lease, Store, ToBeHad};
use crate::telemetry;
use crate::watcher::Watcher;

/// How often a network that somebody else holds is asked for.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// What the database is given to say whether a network is to be had.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);
/// How long after that it may still be taken, and be handed back.
const LATE: Duration = Duration::from_secs(5);
/// How often endpoints are tried whose network somebody else works.
const TRY_EVERY: Duration = Duration::from_secs(60);
/// What they are given to show one that can be read from.
const TRIED_WITHIN: Duration = Duration::from_secs(10);
/// What a step in flight is given to end when we must stop. What it would commit later, its fence refuses.
const LAST_STEP: Duration = Duration::from_secs(6);
/// What handing over may take.
const HAND_OVER: Duration = Duration::from_secs(2);

/// Whether the network could be worked from here, as was found last.
#[derive(Default)]
struct Reach {
    found: Option<(bool, Instant)>,
}

/// Runs until shutdown; ends early only when the work panicked.
pub(super) async fn run(house: Arc<House>, post: Arc<Post>) {
    let slug = post.slug().clone();
    let mut complaints = Complaints::default();
    let mut reach = Reach::default();
    while !house.shutdown.is_cancelled() {
        beat("network", slug.as_str());
        match enter(&house, &post, &mut reach).await {
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

/// The lease, if it is to be had. One that another works is left to him by who cannot reach its endpoints.
async fn enter(house: &House, post: &Post, reach: &mut Reach) -> Result<Option<Lease>, Error> {
    let network = &post.network;
    let asking = async {
        house.store.introduce_network(&network.slug, network.chain_id, network.testnet).await?;
        house.store.is_to_be_had(&network.slug, &house.holder, &house.digest).await
    };
    match timeout(ANSWERED_WITHIN, asking).await.unwrap_or_else(|_| Err(silence(&house.store)))? {
        ToBeHad::Free => take(house, post, false).await,
        ToBeHad::Spared if reach.reaches(network).await => take(house, post, true).await,
        ToBeHad::Spared | ToBeHad::Not => Ok(None),
    }
}

/// Takes the lease. In a task of its own: one that is given up may be taken nevertheless, and its holder is fenced out.
async fn take(house: &House, post: &Post, able: bool) -> Result<Option<Lease>, Error> {
    let (store, slug) = (house.store.clone(), post.slug().clone());
    let (holder, digest) = (house.holder.clone(), house.digest.clone());
    let mut taking = tokio::spawn(async move { store.take_lease(&slug, &holder, &digest, able).await });
    match timeout(ANSWERED_WITHIN, &mut taking).await {
        Ok(answer) => answer.unwrap_or_else(|fallen| Err(Error::Unavailable(format!("nobody asked for it: {fallen}")))),
        Err(_) => {
            tokio::spawn(hand_back(house.store.clone(), taking));
            Err(silence(&house.store))
        }
    }
}

/// Gives back what came when nobody waited for it any more. What comes later still runs out by itself.
async fn hand_back(store: Store, mut taking: JoinHandle<Result<Option<Lease>, Error>>) {
    match timeout(LATE, &mut taking).await {
        Ok(Ok(Ok(Some(lease)))) => give_back(&store, &lease).await,
        Ok(_) => {}
        Err(_) => taking.abort(),
    }
}

fn silence(store: &Store) -> Error {
    Error::Unavailable(store.refusal().unwrap_or("no answer").to_owned())
}

impl Reach {
    /// Whether an endpoint on the right chain answers, asked now and then.
    async fn reaches(&mut self, network: &Network) -> bool {
        if let Some((found, _)) = self.found.filter(|(_, at)| at.elapsed() < TRY_EVERY) {
            return found;
        }
        let trying = async {
            let Ok(pool) = Pool::connect(network) else { return false };
            pool.inspect(None).await;
            pool.first().await.is_ok()
        };
        let found = timeout(TRIED_WITHIN, trying).await.unwrap_or(false);
        telemetry::release(&network.slug);
        if !found {
            let why = "none of its endpoints can be reached from here";
            tracing::warn!(network = %network.slug, why, "the network is left to the watcher that works it");
        }
        self.found = Some((found, Instant::now()));
        found
    }
}

/// Works the network while the lease lasts; false when the work panicked.
async fn hold(house: &House, post: &Arc<Post>, lease: Lease) -> bool {
    let network = &post.network;
    let pool = match Pool::connect(network) {
        Ok(pool) => Arc::new(pool),
        Err(error) => {
            tracing::error!(network = %network.slug, %error, "its endpoints cannot be used");
            give_back(&house.store, &lease).await;
            return false;
        }
    };
    tracing::info!(network = %network.slug, holder = house.holder, fence = lease.fence.number, "working the network");
    let stop = house.shutdown.child_token();
    let tenure = Tenure::begin(post, house.store.clone(), lease.clone(), pool.clone(), stop.clone());
    let watcher =
        Watcher::new(network.clone(), house.sessions.clone(), house.store.clone(), pool.clone(), lease.fence.clone());
    let desk = Desk { post: post.clone(), pool, stop: stop.clone() };
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
    give_back(&house.store, &lease).await;
    tracing::info!(network = %network.slug, "the network is given back");
    !matches!(ended, Some(Err(_)))
}

async fn give_back(store: &Store, lease: &Lease) {
    let network = &lease.fence.network;
    match timeout(HAND_OVER, store.release_lease(lease)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%network, %error, "the lease cannot be given back; it runs out by itself"),
        Err(_) => tracing::warn!(%network, "the lease cannot be given back: no answer; it runs out by itself"),
    }
}
