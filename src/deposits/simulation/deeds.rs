//! Carries a deed out: who pays how much, how far time and blocks must move. Not for what a deed may be, and not for how a
//! node is told: that is [`crate::chain::TestNode`].

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::sums::how_much;
use super::{Deed, Done, MOST_DEPTH, NotSimulated, Paid};
use crate::chain::TestNode;
use crate::deposits::View;
use crate::domain::{Address, BlockNumber, Finality, Time, Token, TxHash, Units, parse_address};
use crate::settings::{Network, Settings};

/// How long a payment is waited for; what is left of the deed's time is for everything else.
const MINED_WITHIN: Duration = Duration::from_secs(7);
/// More accounts than this are not looked at.
const MOST_ACCOUNTS: usize = 10;
/// Block times are whole seconds, and a session's expiry is shown to the millisecond.
const PAST: i64 = 2;

/// A session and all that is needed to pay it.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    network: &'a Network,
    token: &'a Token,
    own_addresses: &'a [Address],
    to: Address,
    missing: Units,
    amount: Units,
    newest: Option<TxHash>,
    /// From then on a transfer is late.
    late_from: Time,
    view: &'a View,
}

impl<'a> Stage<'a> {
    /// Refuses before anybody is asked: networks with real money, and tokens that are not configured.
    pub(super) fn of(settings: &'a Settings, view: &'a View, deed: &Deed) -> Result<Stage<'a>, NotSimulated> {
        let slug = &view.network;
        let network = settings.networks.iter().find(|network| network.slug.as_str() == slug && network.enabled);
        let network = network.ok_or_else(|| NotSimulated::NotATestnet(format!("network {slug} is not worked here")))?;
        if !network.testnet {
            let why = format!("network {slug} carries real money: nothing is simulated there, only on test networks");
            return Err(NotSimulated::NotATestnet(why));
        }
        let impossible = |why: &str| NotSimulated::Impossible(why.to_owned());
        let address = |text: &str| parse_address(text).map_err(|error| NotSimulated::Impossible(error.to_string()));
        let contract = address(&view.currency_address)?;
        let token = network.tokens.iter().find(|token| token.address == contract);
        let token = token.ok_or_else(|| impossible("the session's token is not configured on its network"))?;
        let units = |text: &str| {
            Units::parse(text, token.decimals).map_err(|error| NotSimulated::Impossible(format!("{text} {error}")))
        };
        let stage = Stage {
            network,
            token,
            own_addresses: &settings.sessions.own_addresses,
            to: address(&view.deposit_address)?,
            missing: units(&view.missing_amount)?,
            amount: units(&view.amount)?,
            newest: view.tx_id.as_deref().and_then(|hash| hash.parse().ok()),
            late_from: late_from(&view.expires_at, settings.sessions.expiry_grace)
                .ok_or_else(|| impossible("the session's expiry lies beyond the calendar"))?,
            view,
        };
        stage.sums(deed)?;
        Ok(stage)
    }

    /// Does it.
    pub(super) async fn act(&self, deed: &Deed) -> Result<Done, NotSimulated> {
        let node = TestNode::reach(self.network).await?;
        let mut done = self.nothing_yet(deed);
        match deed {
            Deed::Mine(blocks) => {
                node.mine(u64::from(*blocks)).await?;
                done.told = format!("mined {}", counted(u64::from(*blocks)));
            }
            Deed::Reorganise(depth) => self.reorganise(&node, depth.map(u64::from), &mut done).await?,
            Deed::Late => {
                done.advanced_seconds = self.outlive(&node).await?;
                self.pay(&node, deed, &mut done).await?;
                if done.advanced_seconds > 0 {
                    let ahead = humantime::format_duration(Duration::from_secs(done.advanced_seconds));
                    done.told.push_str(&format!("; the chain's time was put forward by {ahead} and stays so"));
                }
            }
            Deed::Pay(_) | Deed::Twice => self.pay(&node, deed, &mut done).await?,
        }
        done.block = node.head().await?.block.number.0;
        Ok(done)
    }

    fn nothing_yet(&self, deed: &Deed) -> Done {
        Done {
            session: self.view.id.clone(),
            network: self.view.network.clone(),
            deed: deed.name(),
            told: String::new(),
            paid: Vec::new(),
            replaced: 0,
            undone: None,
            advanced_seconds: 0,
            block: 0,
        }
    }

    /// What is paid, transfer by transfer.
    fn sums(&self, deed: &Deed) -> Result<Vec<Units>, NotSimulated> {
        let due = if self.missing.is_zero() { self.amount } else { self.missing };
        match deed {
            Deed::Pay(sum) => Ok(vec![how_much(sum, self.missing, self.token)?]),
            Deed::Late => Ok(vec![due]),
            Deed::Twice if self.missing.is_zero() => Ok(vec![self.amount]),
            Deed::Twice => Ok(vec![self.missing, self.missing]),
            Deed::Mine(_) | Deed::Reorganise(_) => Ok(Vec::new()),
        }
    }

    /// All transfers are sent before any is waited for.
    async fn pay(&self, node: &TestNode, deed: &Deed, done: &mut Done) -> Result<(), NotSimulated> {
        let sums = self.sums(deed)?;
        let total = sums.iter().fold(Units::ZERO, |total, sum| total.saturating_add(*sum));
        let from = self.payer(node, total).await?;
        let by = Instant::now().checked_add(MINED_WITHIN).unwrap_or_else(Instant::now);
        let mut sent = Vec::with_capacity(sums.len());
        for sum in sums {
            sent.push((sum, node.transfer(from, self.token.address, self.to, sum).await?));
        }
        for (sum, hash) in sent {
            let mined = node.mined(hash, by).await?;
            if mined.is_some_and(|mined| !mined.success) {
                return Err(NotSimulated::Impossible(format!("transaction {hash} was reverted: it moved nothing")));
            }
            done.paid.push(Paid {
                tx_hash: hash.to_string(),
                from: from.to_checksum(None),
                amount: sum.to_decimal(self.token.decimals),
                currency: self.token.symbol.clone(),
                block: mined.map(|mined| mined.block.number.0),
            });
        }
        done.told = done.paid.iter().map(in_words).collect::<Vec<_>>().join("; ");
        Ok(())
    }

    /// An account of the node's that has enough, or is given it. Neither the session's own address nor one of the
    /// operator's: what they send pays nobody.
    async fn payer(&self, node: &TestNode, total: Units) -> Result<Address, NotSimulated> {
        let barred = |account: &Address| *account == self.to || self.own_addresses.contains(account);
        let accounts: Vec<Address> =
            node.accounts().await?.into_iter().filter(|account| !barred(account)).take(MOST_ACCOUNTS).collect();
        for account in &accounts {
            if node.balance(self.token.address, *account).await? >= total {
                return Ok(*account);
            }
        }
        let why = "all of the node's unlocked accounts are the operator's own or the session's address";
        let account = accounts.first().copied().ok_or_else(|| NotSimulated::Impossible(why.to_owned()))?;
        node.deal(self.token.address, account, total).await?;
        Ok(account)
    }

    /// Lets the chain's time pass the session's, in a block of its own; says by how many seconds.
    async fn outlive(&self, node: &TestNode) -> Result<u64, NotSimulated> {
        if let Some(drift) =
            self.network.max_clock_drift.filter(|drift| ahead(self.late_from, Utc::now()) > drift.as_secs())
        {
            let most = humantime::format_duration(drift);
            let why = format!("the chain's time would be ahead of the clock by more than max_clock_drift ({most})");
            return Err(NotSimulated::Impossible(why));
        }
        // Only a new block tells what time it is on the chain.
        node.mine(1).await?;
        let seconds = ahead(self.late_from, node.head().await?.time);
        if seconds > 0 {
            node.advance(seconds).await?;
            node.mine(1).await?;
        }
        Ok(seconds)
    }

    async fn reorganise(&self, node: &TestNode, depth: Option<u64>, done: &mut Done) -> Result<(), NotSimulated> {
        let head = node.head().await?.block.number;
        let lies = match self.newest {
            Some(hash) => node.receipt(hash).await?.map(|mined| head.plus(1).above(mined.block.number)),
            None => None,
        };
        let depth = match depth.or(lies) {
            Some(depth) if depth <= u64::from(MOST_DEPTH) => depth,
            Some(depth) => {
                let why = format!("its payment lies {depth} blocks deep, and at most {MOST_DEPTH} are replaced");
                return Err(NotSimulated::Impossible(why));
            }
            None => {
                let why =
                    "the session has no payment on the chain that could be undone; say how many blocks to replace";
                return Err(NotSimulated::Impossible(why.to_owned()));
            }
        };
        self.bearable(node, head, depth).await?;
        node.reorganise(depth, &[]).await?;
        done.replaced = depth;
        done.undone = self.newest.filter(|_| lies.is_some_and(|lies| lies <= depth)).map(|hash| hash.to_string());
        let undone = done.undone.as_ref().map_or_else(String::new, |hash| format!("; payment {hash} is undone"));
        done.told = format!("replaced the newest {} by empty ones{undone}", counted(depth));
        Ok(())
    }

    /// Refuses a reorganisation that the chain is too short for, or that would halt the network until a person comes.
    async fn bearable(&self, node: &TestNode, head: BlockNumber, depth: u64) -> Result<(), NotSimulated> {
        let impossible = |why: String| Err(NotSimulated::Impossible(why));
        if depth > head.0 {
            return impossible(format!("the chain has only {}", counted(head.0)));
        }
        let window = self.network.reorg_window;
        if depth > window {
            return impossible(format!("{depth} blocks are more than reorg_window ({window}): the network would halt"));
        }
        let Some(tag) = tag(self.network.finality) else { return Ok(()) };
        let passed = node.header(tag).await?.map(|header| head.above(header.block.number));
        match passed.filter(|above| *above < depth) {
            Some(above) => impossible(format!(
                "only the newest {} are not `{tag}` yet, and a network whose `{tag}` blocks are replaced halts",
                counted(above)
            )),
            None => Ok(()),
        }
    }
}

/// What a network waits for besides a number of blocks.
fn tag(finality: Finality) -> Option<&'static str> {
    match finality {
        Finality::Confirmations(_) => None,
        Finality::Safe => Some("safe"),
        Finality::Finalized => Some("finalized"),
    }
}

/// The first whole second that is safely past a session's expiry and its grace.
fn late_from(expires_at: &str, grace: Duration) -> Option<Time> {
    let expires_at = DateTime::parse_from_rfc3339(expires_at).ok()?.to_utc();
    let seconds = expires_at.timestamp().checked_add(i64::try_from(grace.as_secs()).ok()?)?.checked_add(PAST)?;
    DateTime::from_timestamp(seconds, 0)
}

/// By how many seconds a time lies ahead of another.
fn ahead(time: Time, of: Time) -> u64 {
    u64::try_from(time.signed_duration_since(of).num_seconds()).unwrap_or_default()
}

fn counted(blocks: u64) -> String {
    if blocks == 1 { "1 block".to_owned() } else { format!("{blocks} blocks") }
}

fn in_words(paid: &Paid) -> String {
    let Paid { tx_hash, amount, currency, block, .. } = paid;
    match block {
        Some(block) => format!("paid {amount} {currency} in block {block} by {tx_hash}"),
        None => format!("sent {amount} {currency} by {tx_hash}, which no block has yet"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_is_past_the_expiry_and_its_grace() {
        let at = late_from("2026-11-21T10:00:00.999Z", Duration::from_secs(60)).unwrap();
        assert_eq!(at.to_rfc3339(), "2026-11-21T10:01:02+00:00");
        let now = late_from("2026-11-21T10:00:00.000Z", Duration::ZERO).unwrap();
        assert_eq!((ahead(at, now), ahead(now, at)), (60, 0));
        assert_eq!(late_from("soon", Duration::ZERO), None);
    }
}
