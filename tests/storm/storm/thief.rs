//! The thief (the books' last rule): he sees every session, amount and address, and every transaction before it is mined.
//! He opens sessions that equal others' or nearly do, pays, dusts, cancels and runs ahead, all to be credited with money
//! that somebody else sent.
//!
//! What is asked of the end is in two parts.
//! * Where sessions are opened through `deposit_watcher_reserve` (as the product's own API does), no transfer of just the
//!   amount that its sender was asked for ever belongs to a session but the one he was asked by, and such a session is paid.
//! * Where an outside API inserts what it likes, ties can be made. Whatever their order, the thief gains nothing: at each
//!   address at most as many payments of customers belong to sessions of his as payments of his (or payments that no
//!   session asked for) belong to sessions of theirs, and a customer's session is paid unless his payment is held.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, U256};
use chrono::TimeDelta;
use deposit_watcher::settings::Ambiguous;

use super::deeds::Opening;
use super::oracle::{Claim, Money};
use super::seed::Seed;
use crate::scripted::{Log, TOKEN};

/// A canonical transfer and the session it belongs to.
pub(super) type Owned<'a> = (&'a Money, Option<String>);

impl Seed {
    /// Something that a thief would try.
    pub(crate) async fn steal(&mut self) {
        let honest: Vec<Claim> = self.claims.iter().filter(|c| c.usable.is_some() && !c.thief).cloned().collect();
        let Some(recent) = honest.len().checked_sub(5) else { return };
        let mark = self.dice.pick(&honest[recent..]).clone();
        match self.dice.weighted(&[18, 10, 22, 14, 8, 12, 6, 22]) {
            0 => self.open_against(&mark, 0).await,
            1 => self.open_against(&mark, 1 + self.dice.clone().below(3)).await,
            2 => self.open_reserved(true).await,
            3 => {
                self.send(&mark, mark.usable.unwrap_or_default());
                self.hit("thief: pays another's session");
            }
            4 => {
                let dust = mark.usable.unwrap_or_default() / U256::from(self.dice.between(101, 1_000));
                self.send(&mark, dust);
                self.hit("thief: dusts");
            }
            5 => self.pay_his_own(),
            6 => self.cancel_his_own().await,
            _ => self.run_ahead().await,
        }
    }

    /// Opens a session beside another one, by an API that reserves nothing, with its amount or a few base units more.
    async fn open_against(&mut self, mark: &Claim, more: u64) {
        let Some(to) = mark.to.filter(|to| !self.reserved.contains(to)) else { return };
        let units = mark.usable.unwrap_or_default() + U256::from(more);
        self.open_his(mark.token, to, units).await;
        self.hit(if more == 0 { "thief: opens an equal session" } else { "thief: opens a near session" });
    }

    async fn open_his(&mut self, token: Address, to: Address, units: U256) {
        let opening = Opening { thief: true, ..self.opening(token, to, units) };
        self.insert(opening).await;
    }

    /// He pays with money of his own, in the next block.
    fn send(&mut self, mark: &Claim, units: U256) {
        let Some(to) = mark.to else { return };
        let from = *self.dice.pick(&self.thieves.clone());
        let tx = self.rig.world.tx(vec![Log::transfer(mark.token, from, to, units)]);
        // In front of what others have sent, or behind it.
        let at = if self.dice.percent(50) { 0 } else { self.mempool.len() };
        self.mempool.insert(at, tx);
    }

    /// All of what one of his sessions asks for, or half of it.
    fn pay_his_own(&mut self) {
        let his: Vec<Claim> = self.claims.iter().filter(|c| c.thief && c.usable.is_some()).cloned().collect();
        if his.is_empty() {
            return;
        }
        let mark = self.dice.pick(&his).clone();
        let all = mark.usable.unwrap_or_default();
        let half = self.dice.percent(40);
        self.send(&mark, if half { all / U256::from(2) } else { all });
        self.hit(if half { "thief: pays half of his own" } else { "thief: pays his own" });
    }

    async fn cancel_his_own(&mut self) {
        let his: Vec<usize> = (0..self.claims.len()).filter(|at| self.claims[*at].thief).collect();
        if !his.is_empty() {
            let at = *self.dice.pick(&his);
            if self.cancel(at).await {
                self.hit("thief: cancels his own");
            }
        }
    }

    /// He opens a session of just what somebody is about to pay, to the place where it will be paid; or pays the same first.
    async fn run_ahead(&mut self) {
        if self.mempool.is_empty() {
            let payment = self.payment();
            self.mempool.push(payment);
        }
        let ours: BTreeSet<Address> = self.thieves.iter().copied().collect();
        let pending: Vec<Log> = self.mempool.iter().flat_map(|tx| tx.logs.clone()).collect();
        let money = |log: &&Log| log.topics.len() == 3 && log.data.len() == 32 && !ours.contains(&sender(log));
        let pending: Vec<&Log> = pending.iter().filter(money).collect();
        let Some(log) = (!pending.is_empty()).then(|| (*self.dice.pick(&pending)).clone()) else { return };
        let (to, units) = (Address::from_word(log.topics[2]), U256::from_be_slice(&log.data));
        if units.is_zero() || !self.addresses.iter().chain(&self.reserved).any(|known| *known == to) {
            return;
        }
        if self.dice.percent(40) {
            let from = *self.dice.pick(&self.thieves.clone());
            let first = self.rig.world.tx(vec![Log::transfer(log.address, from, to, units)]);
            self.mempool.insert(0, first);
            self.hit("thief: runs ahead of a payment");
        } else if self.reserved.contains(&to) {
            self.reserve(true, log.address, to, units).await;
            self.hit("thief: reserves what is about to be paid");
        } else {
            self.open_his(log.address, to, units).await;
            self.hit("thief: opens what is about to be paid");
        }
    }

    /// A session at an address that many share, its amount reserved. A thief asks for what another one was asked for, or
    /// for half of it: what is left when somebody pays in two parts.
    pub(crate) async fn open_reserved(&mut self, thief: bool) {
        let to = *self.dice.pick(&self.reserved.clone());
        let there: Vec<Claim> = self.claims.iter().filter(|c| c.to == Some(to) && !c.thief).cloned().collect();
        let (token, units) = match there.last().filter(|_| thief) {
            Some(mark) => {
                let all = mark.usable.unwrap_or_default();
                (mark.token, if self.dice.percent(30) { all / U256::from(2) } else { all })
            }
            None => (TOKEN, U256::from(*self.dice.pick(&[100_000_000_u64, 100_000_000, 50_000_000, 25_500_000]))),
        };
        self.reserve(thief, token, to, units).await;
    }

    async fn reserve(&mut self, thief: bool, token: Address, to: Address, units: U256) {
        let clash = *self.dice.pick(&["bump", "bump", "tag", "reject"]);
        let opening = Opening { thief, reserve: Some(clash), ..self.opening(token, to, units) };
        let given = self.insert(opening).await;
        let who = if thief { "thief" } else { "session" };
        self.hit(&match given {
            None => format!("{who}: refused an amount that is taken"),
            Some(amount) if amount == units => format!("{who}: reserves an amount"),
            Some(_) => format!("{who}: reserves and is given another amount"),
        });
    }

    /// The end: see above. `chain` is in chain order.
    pub(super) fn judge_the_thief(&mut self, chain: &[Owned<'_>]) {
        let claims = self.claims.clone();
        let by_id: BTreeMap<&str, &Claim> = claims.iter().map(|claim| (claim.id.as_str(), claim)).collect();
        let mut proper: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, (money, owner)) in chain.iter().enumerate() {
            let Some(meant) = self.meant.get(&key(money)).and_then(|id| by_id.get(id.as_str())) else { continue };
            // Nobody pays before he is asked; only a reorganisation dates a payment so.
            let early = money.paid_at < meant.begins_at - self.skew();
            if self.reserved.contains(&money.to) && !early {
                let right = owner.as_ref().is_none_or(|owner| *owner == meant.id);
                assert!(right, "THEFT at a reserved amount: paid for {}, given to {owner:?}: {money:?}", meant.id);
                self.hit("thief: a payment of a reserved amount");
            }
            if self.in_time(meant, money) {
                proper.entry(&meant.id).or_insert(at);
            }
        }
        for (id, at) in &proper {
            self.judge_customer(by_id[id], *at, chain);
        }
        if self.rig.rules.network.ambiguous == Ambiguous::Hold {
            let first: BTreeSet<usize> = proper.into_values().collect();
            self.judge_gain(&by_id, &first, chain);
        }
    }

    /// Whoever paid what he was asked for, in time and before anything else, has paid.
    fn judge_customer(&mut self, claim: &Claim, at: usize, chain: &[Owned<'_>]) {
        let asked = claim.usable.unwrap_or_default();
        let theirs = chain.iter().filter(|(_, owner)| owner.as_deref() == Some(&claim.id));
        let units: Vec<U256> = theirs.map(|(money, _)| money.units).collect();
        let received = units.iter().fold(U256::ZERO, |sum, units| sum + *units);
        let in_parts = units.iter().any(|units| *units < asked);
        let held = self.ambiguous.contains(&(chain[at].0.block, chain[at].0.index));
        let reserved = claim.to.is_some_and(|to| self.reserved.contains(&to));
        assert!(
            received >= asked || in_parts || (held && !reserved),
            "{} was paid by {:?} and shows {received} of {asked}",
            claim.id,
            chain[at]
        );
        self.hit(if held { "thief: a customer's payment is held" } else { "thief: a customer has paid" });
    }

    /// He never gets more than he gives.
    fn judge_gain(&mut self, by_id: &BTreeMap<&str, &Claim>, proper: &BTreeSet<usize>, chain: &[Owned<'_>]) {
        let mut gain: BTreeMap<(Address, Address), (u64, u64)> = BTreeMap::new();
        for (at, (money, owner)) in chain.iter().enumerate() {
            let Some(owner) = owner.as_ref().and_then(|owner| by_id.get(owner.as_str())) else { continue };
            let sums = gain.entry((money.to, money.token)).or_default();
            match (owner.thief, proper.contains(&at)) {
                (true, true) => sums.0 += 1,
                (false, false) => sums.1 += 1,
                _ => {}
            }
            if owner.thief && self.thieves.contains(&money.from) {
                self.hit("thief: his session has his own money");
            } else if owner.thief && !proper.contains(&at) {
                self.hit("thief: his session has what nobody was asked for");
            } else if !owner.thief && self.thieves.contains(&money.from) {
                self.hit("thief: his money paid another's session");
            }
        }
        for ((to, token), (taken, given)) in gain {
            assert!(taken <= given, "THEFT at {to} in {token}: {taken} payments taken, {given} given");
            (0..taken).for_each(|_| self.hit("thief: swapped payments with a customer"));
        }
    }

    fn skew(&self) -> TimeDelta {
        TimeDelta::from_std(self.rig.rules.sessions.clock_skew).unwrap()
    }

    fn in_time(&self, claim: &Claim, money: &Money) -> bool {
        let rules = &self.rig.rules.sessions;
        let grace = TimeDelta::from_std(rules.expiry_grace).unwrap();
        money.paid_at >= claim.begins_at - self.skew()
            && money.seen_at >= claim.accepted_at
            && claim.cancelled_at.is_none_or(|cancelled| money.paid_at <= cancelled)
            && money.paid_at <= claim.expires_at + grace
    }
}

fn sender(log: &Log) -> Address {
    Address::from_word(log.topics[1])
}

/// By what a payment is told from others.
pub(super) type Key = (alloy::primitives::B256, Address, Address, Address, U256);

fn key(money: &Money) -> Key {
    (money.tx, money.token, money.from, money.to, money.units)
}
