//! The sessions of the demo: what each stands for, what it asks, how it must end. Not for paying them: see [`super::script`].

use std::time::Duration;

use alloy::primitives::keccak256;

use super::tokens::Contract;
use crate::domain::{Address, SessionId, SessionStatus};

/// How long the sessions live that are to expire. Longer than the demo, so that only chain time ends them.
const SHORT: Duration = Duration::from_secs(300);

/// The demo's tokens; both have 6 decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coin {
    /// [`Contract::Plain6`].
    Dollar,
    /// [`Contract::Many`]: many transfers in one transaction.
    Payroll,
}

impl Coin {
    /// All of them.
    pub(super) const ALL: [Coin; 2] = [Coin::Dollar, Coin::Payroll];

    /// Its key in networks.toml.
    pub(super) fn key(self) -> &'static str {
        match self {
            Coin::Dollar => "dusd",
            Coin::Payroll => "dpay",
        }
    }

    /// Its symbol.
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Coin::Dollar => "DUSD",
            Coin::Payroll => "DPAY",
        }
    }

    /// What is deployed for it.
    pub(super) fn contract(self) -> Contract {
        match self {
            Coin::Dollar => Contract::Plain6,
            Coin::Payroll => Contract::Many,
        }
    }
}

/// A session by what it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is told by its kind")]
pub(super) enum Role {
    Exact,
    Linked,
    ToppedUp,
    Over,
    SharedFirst,
    SharedSecond,
    BatchFirst,
    BatchSecond,
    Remined,
    Dropped,
    Reverted,
    Under,
    Never,
    Late,
    Cancelled,
}

/// What a session asks and how it must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// Part of its id and of its address.
    pub(super) name: &'static str,
    /// In words for people.
    pub(super) kind: &'static str,
    /// Whole tokens.
    pub(super) amount: &'static str,
    /// Of which token.
    pub(super) coin: Coin,
    /// How long it lives; the table's default where absent.
    pub(super) life: Option<Duration>,
    /// How it must end.
    pub(super) end: End,
}

/// A session's end, and what lies at its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// As committed.
    pub(super) status: SessionStatus,
    /// Whole tokens.
    pub(super) received: &'static str,
    /// Canonical transfers that pay it.
    pub(super) transfers: usize,
    /// Transfers of it whose block left the chain.
    pub(super) orphaned: usize,
    /// Why money at its address belongs to nobody.
    pub(super) unmatched: Option<&'static str>,
}

impl Role {
    /// All of them, in the order of the table.
    pub(super) const ALL: [Role; 15] = [
        Role::Exact,
        Role::Linked,
        Role::ToppedUp,
        Role::Over,
        Role::SharedFirst,
        Role::SharedSecond,
        Role::BatchFirst,
        Role::BatchSecond,
        Role::Remined,
        Role::Dropped,
        Role::Reverted,
        Role::Under,
        Role::Never,
        Role::Late,
        Role::Cancelled,
    ];

    /// What it asks and how it must end.
    pub(super) fn part(self) -> Part {
        let paid = |amount| end(SessionStatus::Confirmed, amount, 1);
        let expired = end(SessionStatus::Expired, "0", 0);
        match self {
            Role::Exact => dollars("exact", "paid exactly", "100", paid("100")),
            Role::Linked => dollars("linked", "by a payment link", "65", paid("65")),
            Role::ToppedUp => dollars("topped-up", "part, then the rest", "80", end(SessionStatus::Confirmed, "80", 2)),
            Role::Over => dollars("over", "too much", "50", end(SessionStatus::Overpaid, "60", 1)),
            Role::SharedFirst => dollars("shared-first", "one address, 1st", "20", paid("20")),
            Role::SharedSecond => dollars("shared-second", "one address, 2nd", "25", paid("25")),
            Role::BatchFirst => payroll("batch-first", "one transaction, 1st", "40", paid("40")),
            Role::BatchSecond => payroll("batch-second", "one transaction, 2nd", "60", paid("60")),
            Role::Remined => dollars("remined", "dropped, mined again", "70", End { orphaned: 1, ..paid("70") }),
            Role::Dropped => short("dropped", "dropped for good", "90", End { orphaned: 1, ..expired }),
            Role::Reverted => dollars("reverted", "undone, paid again", "110", End { orphaned: 1, ..paid("110") }),
            Role::Under => short("under", "too little for good", "120", end(SessionStatus::Underpaid, "45", 1)),
            Role::Never => short("never", "never paid", "10", expired),
            Role::Late => short("late", "paid too late", "15", End { unmatched: Some("late"), ..expired }),
            Role::Cancelled => {
                dollars("cancelled", "cancelled, then paid", "35", End { unmatched: Some("cancelled"), ..expired })
            }
        }
    }

    /// Its id, where it is opened as any program opens one that shares the database.
    pub(super) fn plain_id(self) -> Option<SessionId> {
        (self == Role::Never).then(|| SessionId(format!("dep_demo_{}", self.part().name)))
    }

    /// Where its money is to arrive: nobody holds its key.
    pub(super) fn address(self) -> Address {
        let name = match self {
            Role::SharedSecond => Role::SharedFirst.part().name,
            Role::Exact
            | Role::Linked
            | Role::ToppedUp
            | Role::Over
            | Role::SharedFirst
            | Role::BatchFirst
            | Role::BatchSecond
            | Role::Remined
            | Role::Dropped
            | Role::Reverted
            | Role::Under
            | Role::Never
            | Role::Late
            | Role::Cancelled => self.part().name,
        };
        Address::from_word(keccak256(format!("deposit-watcher demo {name}")))
    }
}

fn end(status: SessionStatus, received: &'static str, transfers: usize) -> End {
    End { status, received, transfers, orphaned: 0, unmatched: None }
}

fn dollars(name: &'static str, kind: &'static str, amount: &'static str, end: End) -> Part {
    Part { name, kind, amount, coin: Coin::Dollar, life: None, end }
}

fn short(name: &'static str, kind: &'static str, amount: &'static str, end: End) -> Part {
    Part { life: Some(SHORT), ..dollars(name, kind, amount, end) }
}

fn payroll(name: &'static str, kind: &'static str, amount: &'static str, end: End) -> Part {
    Part { coin: Coin::Payroll, ..dollars(name, kind, amount, end) }
}
