//! Whether a person may decide what he asks for. Pure: the holder judges by what it has locked, the command line by what
//! it read, before anybody is asked.

use super::admission::{self, Claim};
use crate::domain::{Deed, SessionStatus, TransferState, Unmatched, Unusable};
use crate::settings::Network;
use crate::store::{Matter, Payee};

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// It may be done; of a release, this decision is undone.
    Do(Option<i64>),
    /// It is so already.
    Nothing(String),
    /// Not yet: whose the transfer is has not been derived.
    Wait,
    /// It may not, for this reason.
    Refuse(Refusal),
}

/// Why it may not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Told as it is.
    Because(String),
    /// The session's row can never be paid.
    Unusable(Unusable),
}

impl Refusal {
    /// In words.
    pub fn text(&self) -> String {
        match self {
            Refusal::Because(why) => why.clone(),
            Refusal::Unusable(why) => format!("the session can never be paid: its row is unusable ({})", why.as_str()),
        }
    }
}

fn refuse(why: impl Into<String>) -> Ruling {
    Ruling::Refuse(Refusal::Because(why.into()))
}

/// Judges a deed about a transfer; `payee` is the session that it names, where there is one.
pub fn judge(deed: &Deed, matter: &Matter, payee: Option<&Payee>, network: &Network) -> Ruling {
    match (deed, &matter.decided) {
        (Deed::Release, Some((settlement, _))) => return Ruling::Do(Some(*settlement)),
        (Deed::Release, None) => return nothing_to_release(matter),
        (_, Some((settlement, done))) if done == deed => {
            return Ruling::Nothing(format!("{} already, by settlement {settlement}", said(done)));
        }
        (_, Some((settlement, done))) => {
            return refuse(format!("{} already, by settlement {settlement}: release it first", said(done)));
        }
        (_, None) => {}
    }
    if matter.state == TransferState::Orphaned {
        return refuse("it is not on the chain: where it stands now, if anywhere, `transfers show` tells");
    }
    if let Some(session) = &matter.session {
        return refuse(format!("it pays session {session} already"));
    }
    let Some(reason) = matter.reason else { return Ruling::Wait };
    match deed {
        Deed::Assign(id) => match payee {
            Some(payee) => assign(matter, reason, payee, network),
            None => refuse(format!("there is no session {id}")),
        },
        Deed::Refund(_) if matter.state != TransferState::Confirmed => {
            refuse("it is not confirmed yet: money that may still vanish is not sent back")
        }
        Deed::Refund(tx) if *tx == matter.money.tx_hash => refuse("that is the transfer itself, not what sent it back"),
        Deed::Ignore | Deed::Refund(_) | Deed::Release => Ruling::Do(None),
    }
}

fn nothing_to_release(matter: &Matter) -> Ruling {
    match (&matter.session, matter.state) {
        (Some(session), TransferState::Seen | TransferState::Confirmed) => refuse(format!(
            "it pays session {session} by the rules, not by a person's decision: there is nothing to undo"
        )),
        (Some(_) | None, _) => Ruling::Nothing("no decision holds for it".to_owned()),
    }
}

fn assign(matter: &Matter, reason: Unmatched, payee: &Payee, network: &Network) -> Ruling {
    let id = &payee.id;
    match reason {
        Unmatched::Zero | Unmatched::SelfTransfer => {
            return refuse(format!("it brought nothing ({}): it pays nobody", reason.as_str()));
        }
        Unmatched::Internal
        | Unmatched::WrongToken
        | Unmatched::WrongNetwork
        | Unmatched::InvalidSession
        | Unmatched::Early
        | Unmatched::Cancelled
        | Unmatched::Late
        | Unmatched::AlreadyPaid
        | Unmatched::Ambiguous
        | Unmatched::Dust
        | Unmatched::AmountMismatch => {}
    }
    if payee.network != network.slug.as_str() {
        return refuse(format!("session {id} is on network {}", payee.network));
    }
    let there = matter.money.destination;
    match payee.destination {
        Some(asked) if asked.token != there.token => {
            return refuse(format!("session {id} asks for token {:#x}, this is {:#x}", asked.token, there.token));
        }
        Some(asked) if asked.to != there.to => {
            return refuse(format!("session {id} names address {:#x}, this came to {:#x}", asked.to, there.to));
        }
        Some(_) | None => {}
    }
    let claim = Claim {
        currency: &payee.currency,
        currency_address: &payee.currency_address,
        deposit_address: &payee.deposit_address,
        amount: &payee.amount,
    };
    if let Err(why) = admission::examine(claim, Some(network)) {
        return Ruling::Refuse(Refusal::Unusable(why));
    }
    let paid = match payee.status {
        SessionStatus::Confirmed | SessionStatus::Overpaid => true,
        SessionStatus::Created | SessionStatus::Pending | SessionStatus::Expired | SessionStatus::Underpaid => {
            payee.has_all
        }
    };
    if paid {
        let (received, amount, status) = (&payee.received, &payee.amount, payee.status.as_str());
        return refuse(format!(
            "session {id} has all its money ({received} of {amount}, {status}): send this back, or ignore it"
        ));
    }
    Ruling::Do(None)
}

/// What a decision made of a transfer, in words.
pub fn said(deed: &Deed) -> String {
    match deed {
        Deed::Assign(session) => format!("it is assigned to session {session}"),
        Deed::Ignore => "it is ignored".to_owned(),
        Deed::Refund(tx) => format!("it was sent back by {tx:#x}"),
        Deed::Release => "its decision is undone".to_owned(),
    }
}

/// Whose a transfer is for which no decision holds any more, in words.
pub fn whose(matter: &Matter) -> String {
    match (matter.state, &matter.session, matter.reason) {
        (TransferState::Orphaned, _, _) => "it is not on the chain".to_owned(),
        (_, Some(session), _) => format!("by the rules it pays session {session}"),
        (_, None, Some(reason)) => format!("by the rules it pays nobody ({})", reason.as_str()),
        (_, None, None) => "by the rules it pays nobody".to_owned(),
    }
}
