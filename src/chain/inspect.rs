//! Which chain an endpoint serves and how far it is: asked before anything else is, after every outage, and every minute.
//! Not for choosing among those that pass.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use super::abreast::{self, Seen, Shown, Standing, Verdict};
use super::endpoint::Endpoint;
use super::pool::Pool;
use crate::domain::{BlockHash, Header, Time};

/// How long a look at an endpoint may take while others wait for it.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same while another endpoint could be asked instead.
const LITTLE_PATIENCE: Duration = Duration::from_secs(2);

impl Pool {
    /// Inspects every endpoint at once, except those that asked to be left alone. `pinned` is the genesis that the
    /// database knows for this network; once given it stays.
    pub async fn inspect(&self, pinned: Option<BlockHash>) {
        if pinned.is_some() {
            *self.pinned.lock().unwrap_or_else(PoisonError::into_inner) = pinned;
        }
        let looks = self.endpoints.iter().map(|endpoint| async {
            match endpoint.change(|health, now| health.must_rest(now)) {
                true => None,
                false => self.look(endpoint, PATIENCE).await,
            }
        });
        let heads = join_all(looks).await;
        let told = self.endpoints.iter().zip(heads).filter_map(|(endpoint, head)| Some((&**endpoint, head?))).collect();
        self.compare(told, Utc::now()).await;
        self.inspected.get_or_init(|| ());
    }

    /// Holds the heads of one inspection against each other. A head dated too far ahead is none.
    async fn compare(&self, told: Vec<(&Endpoint, Header)>, now: Time) {
        let drift = self.max_clock_drift.and_then(|drift| TimeDelta::from_std(drift).ok());
        let latest = drift.and_then(|drift| now.checked_add_signed(drift));
        let dated = |(_, head): &(&Endpoint, Header)| latest.is_none_or(|latest| head.time <= latest);
        let (told, early): (Vec<_>, Vec<_>) = told.into_iter().partition(dated);
        // Where all of them say so it may be our own clock; the watcher believes none of them either.
        for (endpoint, head) in early.into_iter().filter(|_| !told.is_empty()) {
            let why = format!("dates its head {} {}, ahead of the clock and of others", head.block.number, head.time);
            endpoint.change(|health, at| health.misbehaved(why, at));
        }
        let at = Instant::now();
        let seen = told.iter().map(|(endpoint, head)| {
            let (still, block_time) = endpoint.change(|health, _| health.still(at));
            Seen { operator: endpoint.operator(), head: *head, still, block_time }
        });
        let seen: Vec<Seen<'_>> = seen.collect();
        // Who showed nothing is not asked again for the next one: the step waits for this.
        let mut mute: BTreeSet<usize> = BTreeSet::new();
        for (who, (endpoint, head)) in told.iter().enumerate() {
            let standing = match abreast::judge(&seen, who, now) {
                Verdict::Stands(standing) => standing,
                Verdict::Claimed { by, .. } if mute.contains(&by) => Standing::Abreast,
                Verdict::Claimed { by, counts, lags } => match told.get(by) {
                    Some((claimant, claimed)) => match shows(claimant, *claimed, *head).await {
                        Some(true) if counts => lags,
                        Some(_) => Standing::Abreast,
                        None => {
                            mute.insert(by);
                            Standing::Abreast
                        }
                    },
                    None => Standing::Abreast,
                },
            };
            let why = || match standing {
                Standing::Abreast | Standing::Behind => format!("its head {} is behind the others'", head.block.number),
                Standing::Stalled => format!("its head {} stands still while others move", head.block.number),
                Standing::Still => format!("its head {} stands still, and no other moves", head.block.number),
            };
            endpoint.change(|health, at| health.stands(standing, why, at));
        }
    }

    pub(super) async fn inspect_once(&self) {
        if self.inspected.get().is_none() {
            self.inspect(None).await;
        }
    }

    pub(super) async fn inspect_if_due(&self, endpoint: &Arc<Endpoint>) {
        if endpoint.change(|health, now| health.due(now)) {
            let other = self.endpoints.iter().any(|other| other.change(|health, now| health.usable(now)));
            self.look(endpoint, if other { LITTLE_PATIENCE } else { PATIENCE }).await;
        }
    }

    /// One endpoint's head, if it serves our chain.
    async fn look(&self, endpoint: &Endpoint, patience: Duration) -> Option<Header> {
        let Ok(answer) = timeout(patience, endpoint.identity()).await else {
            endpoint.change(|health, now| health.broke("gave no answer in time".to_owned(), now));
            return None;
        };
        let (chain, genesis, head) = answer.ok()?;
        let expected = self.genesis();
        let other_genesis = expected.zip(genesis).filter(|(expected, found)| expected != found);
        let wrong = match other_genesis {
            _ if chain != self.chain_id => Some(format!("chain id {chain} instead of {}", self.chain_id)),
            Some((expected, found)) => Some(format!("genesis {found} instead of {expected}")),
            None => None,
        };
        if let Some(reason) = wrong {
            endpoint.change(|health, now| health.is_wrong(chain, reason, now));
            return None;
        }
        let highest = endpoint.change(|health, now| health.inspected(head, now));
        endpoint.observer.head(highest);
        Some(head)
    }
}

/// Whether `claimant`, who says that the chain is at `claimed`, has a chain to there from `from`, the head of another;
/// `None` where it shows nothing.
async fn shows(claimant: &Endpoint, claimed: Header, from: Header) -> Option<bool> {
    let heights = [from.block.number, from.block.number.plus(1), claimed.block.number];
    let Ok(answer) = timeout(PATIENCE, claimant.headers(&heights)).await else {
        claimant.change(|health, now| health.broke("gave no answer in time".to_owned(), now));
        return None;
    };
    match abreast::shown(from, &answer.ok()?) {
        Shown::Further => Some(true),
        Shown::Fork => Some(false),
        Shown::Nothing => {
            let why = format!("says that its head is {} and does not have that chain", claimed.block.number);
            claimant.change(|health, at| health.misbehaved(why, at));
            None
        }
    }
}
