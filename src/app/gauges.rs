//! The task that counts sessions, unmatched transfers, differences and webhooks for the gauges. Of a network, its holder alone does, so that
//! sums over several watchers are right; what belongs to no network, whoever works any.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::complaints::Complaints;
use super::house::House;
use super::supervisor::beat;
use crate::domain::{SessionStatus, Time, Unmatched, Unusable};
use crate::store::{Error, Queue, ReconcileFigures, UnmatchedCount};
use crate::telemetry as t;

const COUNT_EVERY: Duration = Duration::from_secs(10);
/// What is said of networks that are not configured here.
const OTHER: &str = "other";

/// Counts by network and label.
type Counts = BTreeMap<(String, String), u64>;
/// Ages by network and label.
type Ages = BTreeMap<(String, String), Duration>;

/// Runs until shutdown.
pub(super) async fn run(house: Arc<House>) {
    let mut complaints = Complaints::default();
    while !house.shutdown.is_cancelled() {
        beat("gauges", "");
        match count(&house).await {
            Ok(()) => {}
            Err(error) if complaints.is_news(&error.to_string()) => {
                tracing::warn!(%error, "sessions cannot be counted for the gauges");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = sleep(COUNT_EVERY) => {}
            () = house.shutdown.cancelled() => {}
        }
    }
}

async fn count(house: &House) -> Result<(), Error> {
    if !house.works() {
        set(house, &Counts::new(), &BTreeMap::new());
        unmatched(house, &[]);
        reconciled(house, &[]);
        queue(Queue::default());
        return Ok(());
    }
    let sessions = by_network(house, house.store.session_counts().await?);
    unmatched(house, &house.store.unmatched_counts().await?);
    reconciled(house, &house.store.reconcile_figures().await?);
    let invalid = house.store.unusable_sessions().await?.into_iter().collect();
    set(house, &sessions, &invalid);
    queue(house.store.webhook_queue().await?);
    Ok(())
}

fn queue(queue: Queue) {
    for (state, count) in [("waiting", queue.waiting), ("retrying", queue.retrying), ("dead", queue.dead)] {
        t::WEBHOOK_QUEUE.set(&[state], count);
    }
}

/// Networks that nobody configured are one.
fn by_network(house: &House, counts: Vec<(String, String, u64)>) -> Counts {
    let mut sums = Counts::new();
    for (network, label, count) in counts {
        let name = if house.network(&network).is_some() { network } else { OTHER.to_owned() };
        let sum = sums.entry((name, label)).or_default();
        *sum = sum.saturating_add(count);
    }
    sums
}

/// Sets every label set, those that counted nothing to 0.
fn set(house: &House, sessions: &Counts, invalid: &BTreeMap<String, u64>) {
    for post in &house.posts {
        let slug = post.slug().as_str();
        for status in SessionStatus::ALL.map(SessionStatus::as_str) {
            let count = if post.pool().is_some() { of(sessions, slug, status) } else { 0 };
            t::SESSIONS.set(&[slug, status], count);
        }
    }
    for status in SessionStatus::ALL.map(SessionStatus::as_str) {
        t::SESSIONS.set(&[OTHER, status], of(sessions, OTHER, status));
    }
    for reason in Unusable::ALL.map(Unusable::as_str) {
        t::SESSIONS_INVALID.set(&[reason], invalid.get(reason).copied().unwrap_or_default());
    }
}

/// Money without an owner: how many transfers, and for how long the first of them has waited.
fn unmatched(house: &House, lines: &[UnmatchedCount]) {
    let (mut counts, mut ages) = (Counts::new(), Ages::new());
    for line in lines {
        let key = (line.network.clone(), line.reason.clone());
        counts.insert(key.clone(), line.count);
        ages.insert(key, line.oldest);
    }
    for post in &house.posts {
        let slug = post.slug().as_str();
        for reason in Unmatched::ALL.map(Unmatched::as_str) {
            let held = post.pool().is_some();
            t::UNMATCHED_TRANSFERS.set(&[slug, reason], if held { of(&counts, slug, reason) } else { 0 });
            t::UNMATCHED_OLDEST_SECONDS
                .set(&[slug, reason], if held { of(&ages, slug, reason) } else { Duration::ZERO });
        }
    }
}

/// What `reconcile` found, whoever ran it.
fn reconciled(house: &House, figures: &[ReconcileFigures]) {
    for post in &house.posts {
        let slug = post.slug().as_str();
        let of = figures.iter().find(|of| of.network == slug && post.pool().is_some());
        t::RECONCILE_DIFFERENCES.set(&[slug], of.map_or(0, |of| of.differences));
        t::RECONCILE_TIMESTAMP_SECONDS.set(&[slug], of.and_then(|of| of.newest).unwrap_or(Time::UNIX_EPOCH));
    }
}

fn of<T: Copy + Default>(figures: &BTreeMap<(String, String), T>, network: &str, label: &str) -> T {
    figures.get(&(network.to_owned(), label.to_owned())).copied().unwrap_or_default()
}
