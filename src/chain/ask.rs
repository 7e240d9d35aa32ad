//! What is asked of an endpoint and what comes back, in the house's own words. Not for how it travels.

use std::collections::BTreeMap;

use crate::domain::{Address, BlockNumber, Header, Transfer};

/// A range of blocks to read, and headers to read with it in the same batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeAsk {
    /// The first block whose logs are asked for.
    pub from: BlockNumber,
    /// The last one, included.
    pub to: BlockNumber,
    /// Heights whose headers come with the logs: the cursor, checkpoints, `to`. Any order, any height.
    pub headers: Vec<BlockNumber>,
    /// The token contracts.
    pub tokens: Vec<Address>,
}

impl RangeAsk {
    /// How many blocks it spans; 0 when `to` is below `from`.
    pub fn blocks(&self) -> u64 {
        self.to.plus(1).above(self.from)
    }
}

/// What one endpoint said to a [`RangeAsk`], as a whole: of one branch, as far as the answer itself can tell.
///
/// Where a header at or above `to` is `None` the endpoint is behind, and the logs may end before `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeAnswer {
    /// In the order asked; `None` where the endpoint has nothing.
    pub headers: Vec<Option<Header>>,
    /// The transfers of the range.
    pub logs: Logs,
}

/// Checked logs of our tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Logs {
    /// Well-formed transfers by (number, log index), each once.
    pub transfers: Vec<Transfer>,
    /// By token: logs with the `Transfer` topic that are no ERC-20 transfer (ERC-721, odd data), counted and skipped.
    pub invalid: BTreeMap<Address, u64>,
}

/// A block tag that may never be taken for 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tag {
    /// `safe`
    Safe,
    /// `finalized`
    Finalized,
}

impl Tag {
    /// As JSON-RPC has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Tag::Safe => "safe",
            Tag::Finalized => "finalized",
        }
    }
}

/// What a contract says its `decimals()` are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decimals {
    /// This many.
    Is(u8),
    /// Nothing came back: there is no contract at that address, or none with `decimals()`.
    NoContract,
    /// The call was refused or its answer is no number of decimals; the text says how, without any URL.
    Unanswered(String),
}
