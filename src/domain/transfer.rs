//! One ERC-20 `Transfer` log and what became of it. Its identity is (network, block hash, log index).

use super::{Address, BlockHash, BlockRef, SessionId, Time, TxHash, Units};

/// Where a log stands within its network: the same log re-mined in another block is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogId {
    /// The block it stands in.
    pub block_hash: BlockHash,
    /// Its index within the block.
    pub log_index: u64,
}

/// A well-formed `Transfer` log of a configured token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// The block it was mined in.
    pub block: BlockRef,
    /// The block's timestamp, when the answer carried it.
    pub time: Option<Time>,
    /// Its transaction.
    pub tx_hash: TxHash,
    /// Its index within the block.
    pub log_index: u64,
    /// The token contract that emitted it.
    pub token: Address,
    /// Sender.
    pub from: Address,
    /// Recipient.
    pub to: Address,
    /// Base units.
    pub units: Units,
}

impl Transfer {
    /// Its identity within its network.
    pub fn id(&self) -> LogId {
        LogId { block_hash: self.block.hash, log_index: self.log_index }
    }
}

/// What the chain says of a transfer, matched or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransferState {
    /// The first look saw it.
    Seen,
    /// Both looks agree.
    Confirmed,
    /// Not on the chain: its block left, or the second look did not find it there.
    Orphaned,
}

impl TransferState {
    /// Every state, for metrics and tests.
    pub const ALL: [TransferState; 3] = [TransferState::Seen, TransferState::Confirmed, TransferState::Orphaned];

    /// As the column `transfers.state` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            TransferState::Seen => "SEEN",
            TransferState::Confirmed => "CONFIRMED",
            TransferState::Orphaned => "ORPHANED",
        }
    }

    /// Reads the column.
    pub fn parse(text: &str) -> Option<TransferState> {
        TransferState::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// Whose a canonical transfer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assignment {
    /// It pays this session.
    Session(SessionId),
    /// It belongs to no session, for this reason.
    None(Unmatched),
}

/// Why a canonical transfer belongs to no session: the first that applies, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unmatched {
    /// It moved nothing (address poisoning looks like this).
    Zero,
    /// Sender and recipient are one.
    SelfTransfer,
    /// Sent from one of the operator's own addresses.
    Internal,
    /// The address was named for other tokens only.
    WrongToken,
    /// The address was named on other networks only.
    WrongNetwork,
    /// Only sessions that cannot be used name it.
    InvalidSession,
    /// Mined before the session began, or stored before it was accepted.
    Early,
    /// Mined after the session was cancelled.
    Cancelled,
    /// Mined after the session expired.
    Late,
    /// The session had all its money.
    AlreadyPaid,
    /// Several sessions tie and nothing tells them apart.
    Ambiguous,
    /// Less than the least part payment.
    Dust,
    /// No session is due this amount.
    AmountMismatch,
}

impl Unmatched {
    /// Every reason in the order in which they apply.
    pub const ALL: [Unmatched; 13] = [
        Unmatched::Zero,
        Unmatched::SelfTransfer,
        Unmatched::Internal,
        Unmatched::WrongToken,
        Unmatched::WrongNetwork,
        Unmatched::InvalidSession,
        Unmatched::Early,
        Unmatched::Cancelled,
        Unmatched::Late,
        Unmatched::AlreadyPaid,
        Unmatched::Ambiguous,
        Unmatched::Dust,
        Unmatched::AmountMismatch,
    ];

    /// As the column `transfers.reason` and the metric label have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Unmatched::Zero => "zero",
            Unmatched::SelfTransfer => "self_transfer",
            Unmatched::Internal => "internal",
            Unmatched::WrongToken => "wrong_token",
            Unmatched::WrongNetwork => "wrong_network",
            Unmatched::InvalidSession => "invalid_session",
            Unmatched::Early => "early",
            Unmatched::Cancelled => "cancelled",
            Unmatched::Late => "late",
            Unmatched::AlreadyPaid => "already_paid",
            Unmatched::Ambiguous => "ambiguous",
            Unmatched::Dust => "dust",
            Unmatched::AmountMismatch => "amount_mismatch",
        }
    }

    /// Reads the column.
    pub fn parse(text: &str) -> Option<Unmatched> {
        Unmatched::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}
