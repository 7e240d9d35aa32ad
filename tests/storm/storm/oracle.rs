//! What every canonical transfer and every session must show, told from the final chain by naive means: one loop over the
//! chain, no groups, no indexes, nothing of the product's matching.
//!
//! Where the rules give history a say, that history is an input, taken from what was stored and never from what was decided:
//! * when a transfer was first stored (`seen_at`) against when a session was accepted: stored before, never pays;
//! * the time it was first mined at (`paid_at`), where its block left the chain;
//! * the session it had before a reorganisation (`had_session`), rule 1;
//! * when it was confirmed: from then on its owner stands, so sessions that were opened later do not change it. The seeds
//!   never change `expires_at` or `cancelled_at` such that they would have changed what is mined already;
//! * a tie that was settled and confirmed, of which one half was reverted: the other half stands.
//!
//! A session keeps the tolerance that held when its first money was seen: the seeds never change it.
//!
//! Of several reasons the first that applies counts, and a session of just this amount explains a transfer before others.
//! A transfer for which sessions tied stays `ambiguous` when but one of them is left: that one may be a thief's.

use std::collections::{BTreeSet, HashMap};

use alloy::primitives::{Address, B256, U256};
use chrono::{DateTime, TimeDelta, Utc};
use deposit_watcher::settings::PartialPayments;

use crate::rig::Rules;

pub(crate) type When = DateTime<Utc>;

/// A session as it was opened and what was done to it from outside.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) id: String,
    /// On the network that is watched.
    pub(crate) here: bool,
    pub(crate) token: Address,
    /// Its destination, where it names one.
    pub(crate) to: Option<Address>,
    /// Base units, where the row can be used at all.
    pub(crate) usable: Option<U256>,
    pub(crate) accepted_at: When,
    pub(crate) begins_at: When,
    /// Without what a part payment adds.
    pub(crate) expires_at: When,
    pub(crate) cancelled_at: Option<When>,
    /// The API said PENDING.
    pub(crate) begun: bool,
    /// When it was opened, in actions of the seed.
    pub(crate) turn: u64,
    /// The thief opened it.
    pub(crate) thief: bool,
}

/// A transfer of the final chain and what is stored of its past.
#[derive(Debug, Clone)]
pub(crate) struct Money {
    pub(crate) block: B256,
    pub(crate) index: u64,
    pub(crate) tx: B256,
    pub(crate) token: Address,
    pub(crate) from: Address,
    pub(crate) to: Address,
    pub(crate) units: U256,
    pub(crate) paid_at: When,
    pub(crate) seen_at: When,
    pub(crate) confirmed_at: When,
    pub(crate) had: Option<String>,
    /// The session it stands for, where equal money of another one was confirmed and left the chain again.
    pub(crate) stood: Option<String>,
}

/// Whose a transfer is, or why nobody's.
pub(crate) type Owner = Result<String, &'static str>;

/// What a session must show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) status: &'static str,
    pub(crate) received: U256,
    pub(crate) tx: Option<B256>,
    pub(crate) topped_up: bool,
    pub(crate) closed: bool,
}

pub(crate) struct Oracle<'a> {
    rules: &'a Rules,
    claims: &'a [Claim],
    chain: &'a [Money],
    got: HashMap<&'a str, U256>,
    in_parts: BTreeSet<&'a str>,
    untied: BTreeSet<&'a str>,
    /// Transfers for which several sessions tied when they came, whatever became of them.
    held: BTreeSet<usize>,
    last: HashMap<&'a str, B256>,
    /// What an earlier pass found.
    before: Vec<Owner>,
    pub(crate) owners: Vec<Owner>,
}

impl<'a> Oracle<'a> {
    /// `chain`: the transfers of the final chain to addresses that a session names, in chain order.
    pub(crate) fn judge(rules: &'a Rules, claims: &'a [Claim], chain: &'a [Money]) -> Oracle<'a> {
        let first = Oracle::pass(rules, claims, chain, &BTreeSet::new(), Vec::new());
        // Those that tied, and were told apart by money that the final chain does not have, stand where they stood.
        let in_doubt = |at: &usize| first.held.contains(at) && chain[*at].stood.is_some();
        let standing: BTreeSet<usize> = (0..chain.len()).filter(in_doubt).collect();
        let in_order = chain.is_sorted_by_key(|money| money.confirmed_at);
        if standing.is_empty() && in_order {
            return first;
        }
        Oracle::pass(rules, claims, chain, &standing, first.owners)
    }

    fn pass(
        rules: &'a Rules,
        claims: &'a [Claim],
        chain: &'a [Money],
        standing: &BTreeSet<usize>,
        before: Vec<Owner>,
    ) -> Oracle<'a> {
        let owners = vec![Err("nobody"); chain.len()];
        let (got, last) = (HashMap::new(), HashMap::new());
        let (in_parts, untied, held) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut oracle = Oracle { rules, claims, chain, got, in_parts, untied, held, last, before, owners };
        for (at, money) in chain.iter().enumerate() {
            let stood = money.stood.as_ref().filter(|_| standing.contains(&at));
            match oracle.find(at) {
                Ok(payees) if payees.len() == 1 => oracle.give(at, payees[0]),
                Ok(tied) => match tied.iter().find(|c| Some(&c.id) == stood) {
                    Some(stood) => oracle.give(at, stood),
                    None => {
                        oracle.held.insert(at);
                        oracle.owners[at] = Err("ambiguous");
                        oracle.untie(&tied);
                    }
                },
                Err(reason) => oracle.owners[at] = Err(reason),
            }
        }
        oracle.close();
        for (money, owner) in chain.iter().zip(oracle.owners.clone()) {
            if let Some(claim) = owner.ok().and_then(|id| claims.iter().find(|claim| claim.id == id)) {
                oracle.last.insert(&claim.id, money.tx);
            }
        }
        oracle
    }

    /// The session that takes it, or several that tie for it, or why there is none.
    fn find(&self, at: usize) -> Result<Vec<&'a Claim>, &'static str> {
        let money = &self.chain[at];
        if money.units.is_zero() {
            return Err("zero");
        }
        if money.from == money.to {
            return Err("self_transfer");
        }
        if self.rules.sessions.own_addresses.contains(&money.from) {
            return Err("internal");
        }
        let known = self.claims.iter().filter(|c| c.to == Some(money.to) && c.accepted_at <= money.confirmed_at);
        let here: Vec<&Claim> = known.filter(|c| c.here).collect();
        match (here.is_empty(), here.iter().any(|c| c.token == money.token), self.usable(money).is_empty()) {
            (true, _, _) => return Err("wrong_network"),
            (_, false, _) => return Err("wrong_token"),
            (_, _, true) => return Err("invalid_session"),
            _ => {}
        }
        let takers = self.takers(money);
        let equal = self.equal(money, &takers);
        let had = takers.iter().find(|c| Some(&c.id) == money.had.as_ref());
        match had {
            Some(had) if equal.len() < 2 || !equal.iter().any(|c| c.id == had.id) => return Ok(vec![had]),
            _ if !equal.is_empty() => return Ok(equal),
            _ => {}
        }
        let mut reason = "amount_mismatch";
        if let [only] = takers[..]
            && self.is_exclusive(only, money)
        {
            let asked = only.usable.unwrap();
            let due = asked - self.got(only);
            if money.units <= due && money.units + self.tolerance(only) >= due {
                return Ok(vec![only]);
            }
            if self.rules.network.partial_payments == PartialPayments::Exclusive {
                if money.units * U256::from(100) >= asked {
                    return Ok(vec![only]);
                }
                reason = "dust";
            }
        }
        Err(self.explain(at, reason))
    }

    /// Sessions for this token at this address that a person could pay, if they came in time.
    fn usable(&self, money: &Money) -> Vec<&'a Claim> {
        let known = self.claims.iter().filter(|c| c.to == Some(money.to) && c.accepted_at <= money.confirmed_at);
        known.filter(|c| c.here && c.token == money.token && c.usable.is_some()).collect()
    }

    fn takers(&self, money: &Money) -> Vec<&'a Claim> {
        self.usable(money).into_iter().filter(|c| self.refusal(c, money).is_none()).collect()
    }

    /// Those that have received nothing and ask for just this, else those to which just this is missing; oldest first.
    fn equal(&self, money: &Money, takers: &[&'a Claim]) -> Vec<&'a Claim> {
        let missing = |c: &Claim| c.usable.unwrap() - self.got(c) == money.units;
        let mut equal: Vec<&Claim> = takers.iter().copied().filter(|c| missing(c)).collect();
        if equal.iter().any(|c| self.got(c).is_zero()) {
            equal.retain(|c| self.got(c).is_zero());
        }
        equal.sort_by_key(|c| (c.accepted_at, c.id.clone()));
        equal
    }

    /// The first reason that applies, of a session of just this amount before others.
    fn explain(&self, at: usize, otherwise: &'static str) -> &'static str {
        let money = &self.chain[at];
        let usable = self.usable(money);
        let closed = |c: &&Claim| self.refusal(c, money).or(self.was_paid(c, at).then_some((4, "already_paid")));
        let meant = usable.iter().copied().filter(|c| c.usable == Some(money.units)).filter_map(|c| closed(&c)).min();
        let any = usable.iter().filter_map(closed).min().filter(|_| usable.iter().all(|c| closed(c).is_some()));
        meant.or(any).map_or(otherwise, |(_, reason)| reason)
    }

    /// Whether it has its money from transfers further on in the chain that were confirmed before this one was.
    fn was_paid(&self, claim: &Claim, at: usize) -> bool {
        let stands = |money: &Money| money.confirmed_at < self.chain[at].confirmed_at;
        let later = self.chain.iter().zip(&self.before).skip(at + 1);
        let later = later.filter(|(money, owner)| stands(money) && owner.as_ref() == Ok(&claim.id));
        let later: U256 = later.map(|(money, _)| money.units).sum();
        !later.is_zero() && self.got(claim) + later + self.tolerance(claim) >= claim.usable.unwrap()
    }

    /// Why a session does not take it; a smaller number applies before a greater one.
    fn refusal(&self, claim: &Claim, money: &Money) -> Option<(u8, &'static str)> {
        let rules = &self.rules.sessions;
        let skew = TimeDelta::from_std(rules.clock_skew).unwrap();
        let grace = TimeDelta::from_std(rules.expiry_grace).unwrap();
        if money.paid_at < claim.begins_at - skew || money.seen_at < claim.accepted_at {
            Some((1, "early"))
        } else if claim.cancelled_at.is_some_and(|cancelled| money.paid_at > cancelled) {
            Some((2, "cancelled"))
        } else if money.paid_at > self.until(claim) + grace {
            Some((3, "late"))
        } else if self.got(claim) + self.tolerance(claim) >= claim.usable.unwrap() {
            Some((4, "already_paid"))
        } else {
            None
        }
    }

    fn is_exclusive(&self, only: &Claim, money: &Money) -> bool {
        let rules = &self.rules.sessions;
        let (skew, reuse) =
            (TimeDelta::from_std(rules.clock_skew).unwrap(), TimeDelta::from_std(rules.amount_reuse_after).unwrap());
        let grace = TimeDelta::from_std(rules.expiry_grace).unwrap();
        self.claims.iter().filter(|c| c.here && c.to == Some(money.to) && c.id != only.id).all(|other| {
            let unknown = other.accepted_at > money.confirmed_at;
            let not_yet = other.begins_at > money.paid_at + skew;
            let long_gone = other.begins_at.max(self.until(other) + grace) < money.paid_at - reuse;
            unknown || not_yet || long_gone
        })
    }

    /// Until when it takes money: a part payment that came before has moved it.
    fn until(&self, claim: &Claim) -> When {
        let moved = self.in_parts.contains(claim.id.as_str());
        let topup = if moved { self.rules.sessions.topup_time } else { std::time::Duration::ZERO };
        claim.expires_at + TimeDelta::from_std(topup).unwrap()
    }

    fn tolerance(&self, claim: &Claim) -> U256 {
        let token = self.rules.network.tokens.iter().find(|token| token.address == claim.token).unwrap();
        token.tolerance.0.min(claim.usable.unwrap() / U256::from(100))
    }

    fn got(&self, claim: &Claim) -> U256 {
        self.got.get(claim.id.as_str()).copied().unwrap_or_default()
    }

    fn give(&mut self, at: usize, claim: &'a Claim) {
        self.owners[at] = Ok(claim.id.clone());
        let got = self.got(claim) + self.chain[at].units;
        self.got.insert(&claim.id, got);
        if got + self.tolerance(claim) < claim.usable.unwrap() {
            self.in_parts.insert(&claim.id);
        }
    }

    /// As many equal transfers from different senders as sessions tie: the oldest to the oldest.
    fn untie(&mut self, tied: &[&'a Claim]) {
        let ids = |claims: &[&Claim]| claims.iter().map(|c| c.id.clone()).collect::<Vec<_>>();
        let mut senders = BTreeSet::new();
        let mut held = Vec::new();
        for at in 0..self.owners.len() {
            let same = self.owners[at] == Err("ambiguous") && self.find(at).is_ok_and(|other| ids(&other) == ids(tied));
            if same && senders.insert(self.chain[at].from) {
                held.push(at);
            }
        }
        if held.len() >= tied.len() {
            for (at, claim) in held.into_iter().zip(tied) {
                self.untied.insert(&claim.id);
                self.give(at, claim);
            }
        }
    }

    /// Who is still held when no session of that amount takes money any more came too late for all of them.
    fn close(&mut self) {
        for at in 0..self.chain.len() {
            let money = &self.chain[at];
            let takers = self.takers(money);
            let meant = takers.iter().any(|c| c.usable == Some(money.units));
            if self.owners[at] == Err("ambiguous") && !meant && self.equal(money, &takers).is_empty() {
                self.owners[at] = Err(self.explain(at, "amount_mismatch"));
            }
        }
    }

    /// Whether a session got its money from a tie.
    pub(crate) fn was_tied(&self, claim: &Claim) -> bool {
        self.untied.contains(claim.id.as_str())
    }

    /// What a usable session shows when nothing is left to do. `ever_paid`: a transfer was there and left the chain.
    pub(crate) fn shows(&self, claim: &Claim, chain_time: When, ever_paid: bool) -> Shown {
        let asked = claim.usable.unwrap();
        let received = self.got(claim);
        let grace = TimeDelta::from_std(self.rules.sessions.expiry_grace).unwrap();
        let over = self.until(claim) + grace < chain_time || claim.cancelled_at.is_some();
        let status = if received.is_zero() {
            match (over, claim.begun || ever_paid) {
                (true, _) => "EXPIRED",
                (false, true) => "PENDING",
                (false, false) => "CREATED",
            }
        } else if received > asked {
            "OVERPAID"
        } else if received + self.tolerance(claim) >= asked {
            "CONFIRMED"
        } else {
            "UNDERPAID"
        };
        let closed = over || matches!(status, "OVERPAID" | "CONFIRMED");
        let topped_up = self.in_parts.contains(claim.id.as_str());
        Shown { status, received, tx: self.last.get(claim.id.as_str()).copied(), topped_up, closed }
    }
}
