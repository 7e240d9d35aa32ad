//! The chain's transfers against those that are stored and the ledger, each difference a line. Pure: no clock, no I/O.
//! Not for what is on the chain and not stored: whether that must be here is for the database to say.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::{Address, BlockRef, LogId, Token, Transfer, TransferState, Units};
use crate::store::BookedTransfer;

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// On the chain, to an address of ours, and not stored.
    MissingHere,
    /// Stored as canonical, and the chain has no such transfer.
    NotOnTheChain,
    /// Stored with another amount.
    OtherAmount,
    /// The ledger holds something else of it than its state says.
    OtherLedger,
    /// The chain has another block where this one is recorded.
    OtherBlock,
    /// An address owns less than the logs leave it.
    ImpossibleBalance,
    /// An address owns less than came: no difference.
    MovedOut,
    /// An address owns more than came: no difference.
    NeverSeen,
    /// An address owns just what came: no difference.
    AsItCame,
}

impl Kind {
    /// Whether the books and the chain contradict each other.
    pub(super) fn is_difference(self) -> bool {
        match self {
            Kind::MissingHere
            | Kind::NotOnTheChain
            | Kind::OtherAmount
            | Kind::OtherLedger
            | Kind::OtherBlock
            | Kind::ImpossibleBalance => true,
            Kind::MovedOut | Kind::NeverSeen | Kind::AsItCame => false,
        }
    }
}

/// A line of the output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    pub(super) kind: Kind,
    pub(super) block_number: u64,
    pub(super) block_hash: String,
    pub(super) tx_hash: Option<String>,
    pub(super) log_index: Option<u64>,
    /// Its key.
    pub(super) token: Option<String>,
    pub(super) to_address: Option<String>,
    /// Base units by the chain: of the transfer, or owned.
    pub(super) chain_units: Option<String>,
    /// Base units as stored: of the transfer, or all that came.
    pub(super) here_units: Option<String>,
    pub(super) ledger_units: Option<String>,
    pub(super) state: Option<&'static str>,
    pub(super) session_id: Option<String>,
    /// Endpoints that say what the chain is said to say.
    pub(super) told_by: Vec<String>,
    /// Endpoints that say what is stored here.
    pub(super) denied_by: Vec<String>,
    /// In words.
    pub(super) what: String,
}

impl Line {
    /// A line about a transfer, as the chain has it or as it is stored.
    pub(super) fn about(kind: Kind, transfer: &Transfer, tokens: &[Token], what: String) -> Line {
        let token = tokens.iter().find(|token| token.address == transfer.token);
        Line {
            tx_hash: Some(transfer.tx_hash.to_string()),
            log_index: Some(transfer.log_index),
            token: token.map(|token| token.key.to_string()),
            to_address: Some(format!("{:#x}", transfer.to)),
            ..Line::bare(kind, transfer.block, what)
        }
    }

    /// A line about a block.
    pub(super) fn bare(kind: Kind, block: BlockRef, what: String) -> Line {
        Line {
            kind,
            block_number: block.number.0,
            block_hash: block.hash.to_string(),
            tx_hash: None,
            log_index: None,
            token: None,
            to_address: None,
            chain_units: None,
            here_units: None,
            ledger_units: None,
            state: None,
            session_id: None,
            told_by: Vec::new(),
            denied_by: Vec::new(),
            what,
        }
    }
}

/// A token's sums over a range, in base units.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sums {
    /// Transfers that are on the chain and stored.
    pub(super) transfers: u64,
    /// Of the chain, what must be stored included.
    pub(super) chain: Units,
    /// Of what is stored as canonical.
    pub(super) here: Units,
    /// Of that, what is confirmed.
    pub(super) confirmed: Units,
    /// Transfers that are stored and not confirmed yet.
    pub(super) waiting: u64,
}

/// What comparing came to.
#[derive(Debug, Default)]
pub(super) struct Compared {
    pub(super) lines: Vec<(Line, LogId)>,
    /// On the chain, to somebody a session names, and not stored.
    pub(super) untold: Vec<Transfer>,
    pub(super) sums: BTreeMap<Address, Sums>,
}

/// Compares a part of the chain with what is stored of it. `chain`: to addresses that a session names, all of one branch.
pub(super) fn compare(chain: &[Transfer], here: &[BookedTransfer], tokens: &[Token]) -> Compared {
    let on_chain: BTreeMap<LogId, &Transfer> = chain.iter().map(|transfer| (transfer.id(), transfer)).collect();
    let canonical = |booked: &&BookedTransfer| booked.state != TransferState::Orphaned;
    let stored: BTreeMap<LogId, &BookedTransfer> =
        here.iter().filter(canonical).map(|booked| (booked.transfer.id(), booked)).collect();
    let mut compared = Compared::default();
    for booked in here {
        let told = on_chain.get(&booked.transfer.id()).copied().filter(|told| is_the_same(told, &booked.transfer));
        compared.add(booked, told, tokens);
    }
    let unknown = |transfer: &&Transfer| {
        !stored.get(&transfer.id()).is_some_and(|booked| is_the_same(transfer, &booked.transfer))
    };
    compared.untold = chain.iter().filter(unknown).copied().collect();
    compared
}

/// One log, whatever its amount.
fn is_the_same(a: &Transfer, b: &Transfer) -> bool {
    (a.id(), a.tx_hash, a.token, a.from, a.to) == (b.id(), b.tx_hash, b.token, b.from, b.to)
}

impl Compared {
    fn add(&mut self, booked: &BookedTransfer, told: Option<&Transfer>, tokens: &[Token]) {
        let transfer = &booked.transfer;
        let canonical = booked.state != TransferState::Orphaned;
        let confirmed = booked.state == TransferState::Confirmed;
        let sums = self.sums.entry(transfer.token).or_default();
        if canonical {
            sums.here = sums.here.saturating_add(transfer.units);
            sums.waiting = sums.waiting.saturating_add(u64::from(!confirmed));
        }
        if confirmed {
            sums.confirmed = sums.confirmed.saturating_add(transfer.units);
        }
        if let Some(told) = told.filter(|_| canonical) {
            sums.chain = sums.chain.saturating_add(told.units);
            sums.transfers = sums.transfers.saturating_add(1);
        }
        let place = Place { booked, told, tokens };
        let chain = match told {
            None if canonical => {
                Some(place.line(Kind::NotOnTheChain, "is stored, and the chain has no such transfer".to_owned()))
            }
            Some(told) if canonical && told.units != transfer.units => {
                let what = format!("is {} base units on the chain and {} here", told.units, transfer.units);
                Some(place.line(Kind::OtherAmount, what))
            }
            None | Some(_) => None,
        };
        let held = if confirmed { transfer.units.to_string() } else { "0".to_owned() };
        let ledger = (booked.ledger != held).then(|| {
            let what =
                format!("is {} with {held} base units, the ledger holds {}", booked.state.as_str(), booked.ledger);
            place.line(Kind::OtherLedger, what)
        });
        self.lines.extend(chain.into_iter().chain(ledger).map(|line| (line, transfer.id())));
    }

    /// Adds one that must be stored and is not.
    pub(super) fn miss(&mut self, transfer: &Transfer, tokens: &[Token]) {
        let sums = self.sums.entry(transfer.token).or_default();
        sums.chain = sums.chain.saturating_add(transfer.units);
        let what =
            format!("came to an address that a session had named, {} base units, and is not stored", transfer.units);
        let line = Line::about(Kind::MissingHere, transfer, tokens, what);
        let line = Line { chain_units: Some(transfer.units.to_string()), ..line };
        self.lines.push((line, transfer.id()));
    }
}

/// A stored transfer and what the chain says of it.
struct Place<'a> {
    booked: &'a BookedTransfer,
    told: Option<&'a Transfer>,
    tokens: &'a [Token],
}

impl Place<'_> {
    fn line(&self, kind: Kind, what: String) -> Line {
        let Place { booked, told, tokens } = self;
        Line {
            chain_units: told.map(|told| told.units.to_string()),
            here_units: Some(booked.transfer.units.to_string()),
            ledger_units: Some(booked.ledger.clone()),
            state: Some(booked.state.as_str()),
            session_id: booked.session.as_ref().map(ToString::to_string),
            ..Line::about(kind, &booked.transfer, tokens, what)
        }
    }
}

/// What an address owns at a block against what came to it, and against what the logs of a range leave it at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holding {
    /// As the contract says.
    pub(super) owned: Units,
    /// All that is stored as having come.
    pub(super) came: Units,
    /// What the logs of the range say came,
    pub(super) received: Units,
    /// and went.
    pub(super) sent: Units,
}

/// What a holding means. Nobody can own less than nothing before a range, so who owns less after it than its logs leave
/// him lost something without a log, or received nothing of what a log says.
pub(super) fn holding(of: &Holding) -> (Kind, String) {
    let Holding { owned, came, received, sent } = *of;
    let least = received.saturating_sub(sent);
    if owned < least {
        let what = format!(
            "owns {owned} base units, though the logs of these blocks alone leave it {least}: a log is hidden, or the token \
             moves money without one"
        );
        return (Kind::ImpossibleBalance, what);
    }
    match owned.cmp(&came) {
        std::cmp::Ordering::Equal => (Kind::AsItCame, format!("owns just what came, {owned} base units")),
        std::cmp::Ordering::Less => {
            (Kind::MovedOut, format!("of {came} base units that came {} are moved out", came.saturating_sub(owned)))
        }
        std::cmp::Ordering::Greater => {
            let more = owned.saturating_sub(came);
            (Kind::NeverSeen, format!("owns {more} base units more than the {came} that were seen to come"))
        }
    }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
