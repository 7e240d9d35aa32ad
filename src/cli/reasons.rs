//! Reasons in words, with what to do about them: of transfers that pay nobody and of rows that cannot be paid.

use crate::domain::{Unmatched, Unusable};

/// Why a transfer pays no session.
pub(super) fn unmatched(reason: Unmatched) -> &'static str {
    match reason {
        Unmatched::Zero => "it moved nothing",
        Unmatched::SelfTransfer => "sender and recipient are one",
        Unmatched::Internal => "its sender is one of sessions.own_addresses",
        Unmatched::WrongToken => "sessions name this address for other tokens only",
        Unmatched::WrongNetwork => "sessions name this address on other networks only",
        Unmatched::InvalidSession => "the sessions that name this address cannot be used",
        Unmatched::Early => "it was mined before the session began",
        Unmatched::Cancelled => "it was mined after the session was cancelled",
        Unmatched::Late => "it was mined after the session expired",
        Unmatched::AlreadyPaid => "the session had all its money",
        Unmatched::Ambiguous => "several sessions ask for this amount here, and nothing tells them apart",
        Unmatched::Dust => "it is less than the least part payment",
        Unmatched::AmountMismatch => "no session here is due this amount",
    }
}

/// The same of what the column says, whatever version wrote it.
pub(super) fn unmatched_text(reason: &str) -> &str {
    match Unmatched::parse(reason) {
        Some(known) => unmatched(known),
        None => reason,
    }
}

/// Why a session's row can never be paid, and what to do.
pub(super) fn unusable(reason: &str) -> String {
    let known = Unusable::ALL.into_iter().find(|known| known.as_str() == reason);
    let Some(known) = known else { return format!("its row is unusable: {reason}") };
    let (why, cure) = match known {
        Unusable::UnknownNetwork => {
            ("no such network is configured and enabled", "configure it, or open another session")
        }
        Unusable::UnknownToken => {
            ("no such token is configured on the network", "configure it, or open another session")
        }
        Unusable::CurrencyMismatch => ("the currency is not the token's symbol", OPEN),
        Unusable::MalformedAddress => ("token or destination is no address", OPEN),
        Unusable::Checksum => ("an address is mistyped: its letters' case does not fit its EIP-55 checksum", OPEN),
        Unusable::ForbiddenAddress => ("the destination is the token's contract or the zero address", OPEN),
        Unusable::TooManyDecimals => ("the amount has more decimals than the token", OPEN),
        Unusable::AmountTooLarge => ("the amount is beyond 2^256-1 base units", OPEN),
    };
    format!("{why}; {cure}")
}

const OPEN: &str = "cancel it and open one that is right";
