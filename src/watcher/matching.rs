//! Which session a transfer pays. Pure: no clock, no I/O, no memory of earlier runs.
//!
//! [`derive`] takes the canonical transfers of one destination (network, token, address) and the sessions that name it,
//! and goes through the transfers in chain order. What is confirmed or settled by a person stands; everything else is
//! derived anew each time, so a transfer that came, left or returned leaves no mark that the final chain does not
//! explain (I4). README tells the rules to those who pay and are paid.

mod payees;
mod run;
mod spans;

use chrono::TimeDelta;

use self::run::Run;
#[cfg(test)]
pub(super) use self::run::plain::compare;
use crate::domain::{Address, Assignment, LogId, Session, SessionId, Time, Token, Units, Unmatched};
use crate::settings::{Ambiguous, Network, PartialPayments, Sessions};

/// The operator's decisions that matching knows.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Whether a session may be paid in parts.
    pub partial_payments: PartialPayments,
    /// What happens to a tie.
    pub ambiguous: Ambiguous,
    /// Senders that never pay.
    pub own_addresses: Vec<Address>,
    /// How far a session reaches back before it began.
    pub clock_skew: TimeDelta,
    /// How long after `expires_at` a transfer counts.
    pub expiry_grace: TimeDelta,
    /// How much longer a part-paid session takes money.
    pub topup_time: TimeDelta,
    /// How long an address stays shared with a session that named it.
    pub reuse_after: TimeDelta,
}

impl Rules {
    /// The rules of a network.
    pub fn new(network: &Network, sessions: &Sessions) -> Rules {
        Rules {
            partial_payments: network.partial_payments,
            ambiguous: network.ambiguous,
            own_addresses: sessions.own_addresses.clone(),
            clock_skew: super::span(sessions.clock_skew),
            expiry_grace: super::span(sessions.expiry_grace),
            topup_time: super::span(sessions.topup_time),
            reuse_after: super::span(sessions.amount_reuse_after),
        }
    }
}

/// One destination: what a derivation is about.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// The token.
    pub token: &'a Token,
    /// The usable sessions of this token at this address.
    pub sessions: Vec<Session>,
    /// Every session at this address on this network, of any token, usable or not.
    pub neighbours: Vec<Neighbour>,
    /// What else is known of the address.
    pub named: Named,
    /// The canonical transfers, in chain order.
    pub transfers: Vec<Entry>,
}

/// A session that names the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Its id.
    pub id: SessionId,
    /// When it began.
    pub begins_at: Time,
    /// Until when it takes money.
    pub expires_at: Time,
}

/// Who names an address at all, now or long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// Sessions on other networks only.
    OtherNetwork,
    /// Sessions of this network for other tokens only.
    OtherToken,
    /// Sessions for this token, none of which can be used.
    Unusable,
    /// Usable sessions for this token.
    Usable,
}

/// A canonical transfer to the destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its identity.
    pub id: LogId,
    /// Sender.
    pub from: Address,
    /// Recipient.
    pub to: Address,
    /// Base units.
    pub units: Units,
    /// The time that decides whether it is in time.
    pub paid_at: Time,
    /// When it was first stored.
    pub seen_at: Time,
    /// What stands already: its assignment is confirmed or was settled by a person.
    pub standing: Standing,
    /// The session it had before a reorganisation.
    pub had: Option<SessionId>,
    /// The second look agreed.
    pub verified: bool,
    /// Since when it is CONFIRMED, though it may wait for an owner.
    pub confirmed_at: Option<Time>,
}

/// Whether a transfer's owner may still change by rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is derived.
    Open,
    /// It pays this session and stays.
    Pays(SessionId),
    /// It belongs to nobody and stays so, for this reason.
    Settled(Option<Unmatched>),
}

/// What was derived of a transfer that was open, or is not yet confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Which one.
    pub id: LogId,
    /// Whose it is.
    pub assignment: Assignment,
    /// True when it may be confirmed: it, and the transfers it was told apart by, were looked at twice.
    pub confirmed: bool,
    /// True when a tie was broken by age because the operator wrote `ambiguous = "oldest"`.
    pub by_age: bool,
}

/// Derives the owner of every open transfer of the group, in chain order, and whether what a person settled is confirmed.
pub fn derive(group: &Group<'_>, rules: &Rules) -> Vec<Verdict> {
    let mut run = Run::new(group, rules);
    for (index, entry) in group.transfers.iter().enumerate() {
        run.follow(index, entry);
    }
    run.close_held();
    run.verdicts.into_iter().flatten().collect()
}

/// Whether a session received a part of its amount at some point of the derivation: then it takes money for longer.
pub fn is_topped_up(session: &Session, paid: impl IntoIterator<Item = Units>) -> bool {
    let least = session.least();
    let mut received = Units::ZERO;
    paid.into_iter().any(|units| {
        received = received.saturating_add(units);
        received < least
    })
}
