//! Which chain an endpoint serves and how far it is: asked before anything else is, after every outage, and every minute.
//! Not for choosing among those that pass.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::endpoint::Endpoint;
use super::pool::Pool;
use crate::domain::{BlockHash, Header};

/// How long a look at an endpoint may take while others wait for it.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same while another endpoint could be asked instead.
const LITTLE_PATIENCE: Duration = Duration::from_secs(2);
/// Behind is: more than so many blocks and more than so much chain time behind the best head of the same inspection.
const BEHIND_BLOCKS: u64 = 3;
const BEHIND_SECONDS: i64 = 30;

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
        let best = heads.iter().flatten().max_by_key(|head| head.block.number).copied();
        for (endpoint, head) in self.endpoints.iter().zip(heads) {
            if let (Some(head), Some(best)) = (head, best) {
                endpoint.change(|health, _| health.set_behind(is_behind(head, best)));
            }
        }
        self.inspected.get_or_init(|| ());
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
        endpoint.change(|health, now| health.inspected(head, now));
        endpoint.observer.head(head.block.number);
        Some(head)
    }
}

fn is_behind(head: Header, best: Header) -> bool {
    let seconds = best.time.signed_duration_since(head.time).num_seconds();
    best.block.number.above(head.block.number) > BEHIND_BLOCKS && seconds > BEHIND_SECONDS
}
