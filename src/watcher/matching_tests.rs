//! The world of the matching tests: one address, sessions `a`, `b`, … and transfers in chain order. What each rule says
//! is in the files below, a subject each.

#![allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

mod burden;
mod naive;
mod parts;
mod properties;
mod reasons;
mod returns;
mod standing;
mod ties;
mod timing;

use alloy::primitives::{Address, B256, U256};
use chrono::TimeDelta;

use super::matching::{Entry, Group, Named, Neighbour, Rules, Standing, Verdict, compare, derive};
use crate::domain::{
    Assignment, LogId, Percent, Session, SessionId, Time, Token, TokenKey, Units, Unmatched, time_from_unix,
};
use crate::settings::{Ambiguous, PartialPayments};

/// Our own treasury.
const TREASURY: u8 = 0xee;
/// The deposit address.
const DEPOSIT: u8 = 0xdd;

fn units(n: u64) -> Units {
    Units(U256::from(n))
}

fn at(second: i64) -> Time {
    time_from_unix(1_000_000).unwrap() + TimeDelta::seconds(second)
}

fn sender(n: u8) -> Address {
    Address::repeat_byte(n)
}

fn id(name: &str) -> SessionId {
    SessionId(name.to_owned())
}

/// Opened at 0 for half an hour.
fn session(name: &str, amount: u64) -> Session {
    Session {
        id: id(name),
        token: TokenKey::parse("usdc").unwrap(),
        address: sender(DEPOSIT),
        amount: units(amount),
        tolerance: Units::ZERO,
        accepted_at: at(0),
        begins_at: at(0),
        expires_at: at(1800),
        cancelled_at: None,
    }
}

/// Seen when it was mined, by sender 1, not verified.
fn pays(amount: u64, second: i64) -> Entry {
    Entry {
        id: LogId { block_hash: B256::ZERO, log_index: 0 },
        from: sender(1),
        to: sender(DEPOSIT),
        units: units(amount),
        paid_at: at(second),
        seen_at: at(second),
        standing: Standing::Open,
        had: None,
        verified: false,
        confirmed_at: None,
    }
}

/// The same by another sender.
fn pays_by(from: u8, amount: u64, second: i64) -> Entry {
    Entry { from: sender(from), ..pays(amount, second) }
}

fn verified(entry: Entry) -> Entry {
    Entry { verified: true, ..entry }
}

/// Verified, and confirmed while it was held, a minute after it was mined.
fn waits(entry: Entry) -> Entry {
    Entry { verified: true, confirmed_at: Some(entry.paid_at + TimeDelta::seconds(60)), ..entry }
}

fn stands(entry: Entry, name: &str) -> Entry {
    Entry { standing: Standing::Pays(id(name)), ..waits(entry) }
}

fn had(entry: Entry, name: &str) -> Entry {
    Entry { had: Some(id(name)), ..entry }
}

#[derive(Debug, Clone)]
struct World {
    token: Token,
    sessions: Vec<Session>,
    /// Neighbours besides the sessions themselves.
    others: Vec<Neighbour>,
    named: Named,
    transfers: Vec<Entry>,
    rules: Rules,
}

impl World {
    fn new(sessions: &[Session], transfers: &[Entry]) -> World {
        let token = Token {
            key: TokenKey::parse("usdc").unwrap(),
            symbol: "USDC".to_owned(),
            address: Address::repeat_byte(0xcc),
            decimals: 6,
            tolerance: Units::ZERO,
            min_partial: Percent(10_000),
        };
        let rules = Rules {
            partial_payments: PartialPayments::Exclusive,
            ambiguous: Ambiguous::Hold,
            own_addresses: vec![sender(TREASURY)],
            clock_skew: TimeDelta::seconds(60),
            expiry_grace: TimeDelta::zero(),
            topup_time: TimeDelta::seconds(900),
            reuse_after: TimeDelta::hours(24),
        };
        let number = |(index, entry): (usize, &Entry)| {
            let log_index = u64::try_from(index).unwrap();
            Entry { id: LogId { block_hash: B256::ZERO, log_index }, ..entry.clone() }
        };
        World {
            token,
            sessions: sessions.to_vec(),
            others: Vec::new(),
            named: Named::Usable,
            transfers: transfers.iter().enumerate().map(number).collect(),
            rules,
        }
    }

    /// Another token's session at the address.
    fn beside(mut self, begins: i64, expires: i64) -> World {
        self.others.push(Neighbour { id: id("other"), begins_at: at(begins), expires_at: at(expires) });
        self
    }

    /// Of the token, and of sessions that received nothing before.
    fn tolerance(mut self, tolerance: u64) -> World {
        self.token.tolerance = units(tolerance);
        for s in &mut self.sessions {
            s.tolerance = self.token.tolerance_for(s.amount);
        }
        self
    }

    fn grace(mut self, seconds: i64) -> World {
        self.rules.expiry_grace = TimeDelta::seconds(seconds);
        self
    }

    fn never_parts(mut self) -> World {
        self.rules.partial_payments = PartialPayments::Never;
        self
    }

    fn by_age(mut self) -> World {
        self.rules.ambiguous = Ambiguous::Oldest;
        self
    }

    fn named(mut self, named: Named) -> World {
        self.named = named;
        self
    }

    fn neighbours(&self) -> Vec<Neighbour> {
        let own = self.sessions.iter().map(|s| Neighbour {
            id: s.id.clone(),
            begins_at: s.begins_at,
            expires_at: s.expires_at,
        });
        own.chain(self.others.iter().cloned()).collect()
    }

    fn group(&self) -> Group<'_> {
        Group {
            token: &self.token,
            sessions: self.sessions.clone(),
            neighbours: self.neighbours(),
            named: self.named,
            transfers: self.transfers.clone(),
        }
    }

    fn verdicts(&self) -> Vec<Verdict> {
        derive(&self.group(), &self.rules)
    }

    /// Of each open transfer its session or reason, with a `!` where it is confirmed.
    fn say(&self) -> String {
        let words = self.verdicts().into_iter().map(|verdict| {
            let mark = if verdict.confirmed { "!" } else { "" };
            match verdict.assignment {
                Assignment::Session(id) => format!("{id}{mark}"),
                Assignment::None(reason) => format!("{}{mark}", reason.as_str()),
            }
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

/// What the rules say of transfers to sessions.
fn say(sessions: &[Session], transfers: &[Entry]) -> String {
    World::new(sessions, transfers).say()
}
