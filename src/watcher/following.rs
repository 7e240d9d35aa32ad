//! Which tokens the network follows: those configured whose contract has the decimals that are configured, and that
//! the database has pinned no otherwise. A token that comes (back) is read from the oldest session that names it; one
//! whose contract does not tell its decimals is seen, and confirmed only when it has told them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::{Error, Watcher, span};
use crate::chain::{Decimals, Endpoint};
use crate::domain::{Address, Token, TokenKey};
use crate::settings::Network;
use crate::store::{NetworkRow, PinnedToken, RescanReason};

/// A contract that answered is asked again once a day: proxies are upgraded.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);
/// One that did not is asked again soon; nothing of it is confirmed meanwhile.
const ASK_SOON: Duration = Duration::from_secs(10);

/// What is known of a token's contract.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Contract {
    /// It has not answered yet, or with nothing that is a number of decimals.
    Unknown,
    /// It has the configured decimals.
    Right,
    /// It has not: the token is disabled.
    Wrong,
}

/// A disabled token is looked at again soon as well: one endpoint may have been wrong.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The tokens of a network and what is known of them.
#[derive(Debug)]
pub(super) struct Following {
    /// Each with when it is asked next; at once at first.
    tokens: Vec<(Token, Contract, Option<Instant>)>,
    /// Still being read from the past: their sessions do not expire meanwhile.
    behind: BTreeSet<Address>,
    /// True once the database follows just these.
    synced: bool,
}

impl Following {
    pub(super) fn new(network: &Network) -> Following {
        let tokens = network.tokens.iter().cloned().map(|token| (token, Contract::Unknown, None)).collect();
        Following { tokens, behind: BTreeSet::new(), synced: false }
    }

    /// Contracts whose logs are asked for.
    pub(super) fn addresses(&self) -> Vec<Address> {
        self.followed().map(|token| token.address).collect()
    }

    /// Contracts whose past is read as well, twice: only their sessions expire.
    pub(super) fn settled_addresses(&self) -> Vec<Address> {
        self.sure_addresses().into_iter().filter(|address| !self.behind.contains(address)).collect()
    }

    /// Contracts that have told their decimals: only their transfers are looked at twice.
    pub(super) fn sure_addresses(&self) -> Vec<Address> {
        self.that_are(&Contract::Right)
    }

    /// Contracts that have not: what the second look leaves out of them is owed to them.
    pub(super) fn unsure_addresses(&self) -> Vec<Address> {
        self.that_are(&Contract::Unknown)
    }

    fn that_are(&self, wanted: &Contract) -> Vec<Address> {
        let those = self.tokens.iter().filter(|(_, contract, _)| contract == wanted);
        those.map(|(token, _, _)| token.address).collect()
    }

    pub(super) fn with_key(&self, address: Address, f: impl FnOnce(&TokenKey)) {
        if let Some((token, _, _)) = self.tokens.iter().find(|(token, _, _)| token.address == address) {
            f(&token.key);
        }
    }

    fn followed(&self) -> impl Iterator<Item = &Token> {
        self.tokens.iter().filter(|(_, contract, _)| *contract != Contract::Wrong).map(|(token, _, _)| token)
    }
}

impl Watcher {
    /// Asks contracts that are due and brings the database's list up to date; a reason to halt, if there is one.
    pub(super) async fn follow(&mut self, endpoint: &Endpoint, row: &NetworkRow) -> Result<Option<String>, Error> {
        self.ask_contracts(endpoint).await;
        if !self.following.synced {
            let pinned = self.store.pinned_tokens(&self.network.slug).await?;
            if let Some(reason) = self.contradiction(&pinned) {
                return Ok(Some(reason));
            }
            self.sync(endpoint, row, &pinned).await?;
            self.following.synced = true;
        }
        self.refresh_behind().await?;
        Ok(None)
    }

    /// Reads which tokens are still being read from the past.
    pub(super) async fn refresh_behind(&mut self) -> Result<(), Error> {
        self.following.behind = self.store.tokens_being_read(&self.network.slug).await?.into_iter().collect();
        Ok(())
    }

    async fn ask_contracts(&mut self, endpoint: &Endpoint) {
        let network = self.network.slug.as_str();
        for (token, contract, ask_at) in &mut self.following.tokens {
            if ask_at.is_some_and(|at| Instant::now() < at) {
                continue;
            }
            let (was, token_key, mut unasked) = (contract.clone(), token.key.as_str(), false);
            match endpoint.decimals(token.address).await {
                Ok(Decimals::Is(decimals)) if decimals == token.decimals => *contract = Contract::Right,
                Ok(Decimals::Is(found)) => {
                    tracing::error!(
                        network,
                        token = token_key,
                        found,
                        configured = token.decimals,
                        "token disabled: its contract has other decimals than configured; correct networks.toml"
                    );
                    *contract = Contract::Wrong;
                }
                Ok(Decimals::NoContract) => {
                    tracing::error!(
                        network,
                        token = token_key,
                        "token disabled: there is no contract at its address; correct networks.toml"
                    );
                    *contract = Contract::Wrong;
                }
                Ok(Decimals::Unanswered(reason)) => {
                    tracing::warn!(
                        network,
                        token = token_key,
                        reason,
                        "token does not tell its decimals; nothing of it is confirmed until it does"
                    );
                    *contract = Contract::Unknown;
                }
                Err(error) => {
                    tracing::warn!(network, token = token_key, %error, "token's decimals could not be asked");
                    unasked = true;
                }
            }
            let pause = match contract {
                Contract::Unknown => ASK_SOON,
                Contract::Right => ASK_AGAIN,
                Contract::Wrong => LOOK_AGAIN,
            };
            *ask_at = Instant::now().checked_add(if unasked { ASK_SOON } else { pause });
            if was != *contract {
                self.following.synced = false;
            }
        }
    }

    /// Another address or other decimals than pinned would re-interpret what is booked.
    fn contradiction(&self, pinned: &[PinnedToken]) -> Option<String> {
        let by_key: BTreeMap<&str, &PinnedToken> = pinned.iter().map(|token| (token.key.as_str(), token)).collect();
        let renamed = self.network.tokens.iter().find_map(|token| {
            let pinned = pinned.iter().find(|p| p.address == token.address && p.key != token.key.as_str())?;
            Some(format!(
                "token {} is pinned under the key {}, not {}: keep that key",
                token.address, pinned.key, token.key
            ))
        });
        renamed.or_else(|| self.reinterpreted(&by_key))
    }

    fn reinterpreted(&self, by_key: &BTreeMap<&str, &PinnedToken>) -> Option<String> {
        self.network.tokens.iter().find_map(|token| {
            let pinned = by_key.get(token.key.as_str())?;
            let same = pinned.address == token.address && pinned.decimals == token.decimals;
            (!same).then(|| {
                format!(
                    "token {} is configured as {} with {} decimals, the database has pinned {} with {}: give another token a key of its own",
                    token.key, token.address, token.decimals, pinned.address, pinned.decimals
                )
            })
        })
    }

    async fn sync(&mut self, endpoint: &Endpoint, row: &NetworkRow, pinned: &[PinnedToken]) -> Result<(), Error> {
        let slug = self.network.slug.clone();
        let followed: Vec<Token> = self.following.followed().cloned().collect();
        let known = |token: &Token| pinned.iter().find(|p| p.key == token.key.as_str());
        let mut pasts = Vec::new();
        for token in followed.iter().filter(|token| !known(token).is_some_and(|p| p.followed)) {
            let Some(cursor) = row.cursor else { continue };
            let since = row.now.checked_sub_signed(span(self.sessions.late_window));
            if let Some(oldest) = self.store.oldest_open_begin(&slug, Some(token.address), since).await? {
                let begin = oldest.checked_sub_signed(self.rules.clock_skew).unwrap_or(oldest);
                let from = self.block_at(endpoint, begin, cursor.block.number).await?;
                let left = known(token).and_then(|p| p.left_at).map(|left| left.plus(1));
                pasts.push((token.address, left.map_or(from, |left| left.max(from)), cursor.block.number));
            }
        }
        let mut unit = self.store.unit().await?;
        for token in &followed {
            unit.follow_token(&slug, token).await?;
        }
        for (token, from, to) in pasts.into_iter().filter(|(_, from, to)| from <= to) {
            unit.add_rescan(&slug, from, to, Some(token), RescanReason::Token).await?;
        }
        for gone in pinned.iter().filter(|p| p.followed && !followed.iter().any(|token| token.key.as_str() == p.key)) {
            unit.leave_token(&slug, &gone.key).await?;
        }
        unit.commit_fenced(&self.fence, row.cursor.as_ref()).await?;
        Ok(())
    }
}
