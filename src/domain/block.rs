//! Blocks as the watcher knows them: number, hash, parent, time. Not for what a block holds.

use alloy::primitives::B256;
use chrono::{DateTime, Utc};

/// Hash of a block, 32 bytes.
pub type BlockHash = B256;

/// A point in time, UTC. Block times have whole seconds.
pub type Time = DateTime<Utc>;

/// A block's timestamp (seconds since 1970) as a time; `None` beyond what a calendar holds.
pub fn time_from_unix(seconds: u64) -> Option<Time> {
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)
}

/// Height of a block, 0 for genesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BlockNumber(pub u64);

impl BlockNumber {
    /// The block `count` above.
    pub fn plus(self, count: u64) -> BlockNumber {
        BlockNumber(self.0.saturating_add(count))
    }

    /// The block `count` below, never below genesis.
    pub fn minus(self, count: u64) -> BlockNumber {
        BlockNumber(self.0.saturating_sub(count))
    }

    /// How many blocks `self` is above `lower`, 0 when it is not.
    pub fn above(self, lower: BlockNumber) -> u64 {
        self.0.saturating_sub(lower.0)
    }
}

impl std::fmt::Display for BlockNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// One block of one branch: its hash says which. The number alone never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockRef {
    /// Height.
    pub number: BlockNumber,
    /// Hash.
    pub hash: BlockHash,
}

impl std::fmt::Display for BlockRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.number, self.hash)
    }
}

/// What a header says that the watcher needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Height and hash.
    pub block: BlockRef,
    /// Hash of the block below.
    pub parent: BlockHash,
    /// The block's own timestamp.
    pub time: Time,
}
