//! What a network costs in calls a day while it is followed at its head: a day gone through in thought, by the plan and the
//! constants that the watcher itself works by. Pure. Not for catching up, rescans, reorganisations and outages, which come
//! on top, and not for what a provider takes for a call.

use std::time::Duration;

use super::following::ASK_AGAIN;
use super::plan::{self, FirstLook};
use super::second_look::{BLOCKS_WAIT, SECONDS_WAIT};
use super::{INSPECT_EVERY, span};
use crate::domain::{BlockHash, BlockNumber, BlockRef, Finality, Header, Time};
use crate::settings::Network;
use crate::store::Cursor;

const DAY: Duration = Duration::from_secs(86_400);
/// Chain id, genesis and head, of each endpoint.
const INSPECTION: u64 = 3;
/// A second look is a recorded header and the logs.
const SECOND_LOOK: u64 = 2;
/// Where several must agree about the tag, each is asked for the pinned block and the one before.
const AGREEING: u64 = 2;

/// How a chain goes, and how heads come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Between two blocks; not zero.
    pub block_time: Duration,
    /// How far the tag that the network waits for is behind the head; no matter where confirmations are counted.
    pub tag_behind: Duration,
    /// True where an endpoint pushes heads (`wss`), false where it is polled.
    pub pushed: bool,
    /// True where every block holds a payment, false where none does.
    pub paid: bool,
}

/// Calls a day, to all endpoints together; a batch counts as many as it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    /// Of the first look.
    pub first: u64,
    /// Of the second look, the chain's tag included.
    pub second: u64,
    /// Inspections and decimals.
    pub upkeep: u64,
}

impl Calls {
    /// All of them.
    pub fn all(self) -> u64 {
        self.first.saturating_add(self.second).saturating_add(self.upkeep)
    }
}

/// A day at the head of a chain.
pub fn calls_a_day(network: &Network, pace: Pace) -> Calls {
    let mut day = Day { network, pace, now: Duration::ZERO, cursor: 0, confirmed: 0, tag: 0, asked: None };
    let mut calls = Calls { upkeep: upkeep(network), ..Calls::default() };
    while day.now < DAY {
        let before = day.now;
        calls.first = calls.first.saturating_add(day.first_look());
        calls.second = calls.second.saturating_add(day.second_look());
        day.now = day.next().max(before.saturating_add(Duration::from_millis(1)));
    }
    calls
}

fn upkeep(network: &Network) -> u64 {
    let times = |every: Duration| DAY.as_secs().checked_div(every.as_secs()).unwrap_or_default();
    let count = |things: usize| u64::try_from(things).unwrap_or(u64::MAX);
    let inspections = count(network.endpoints.len()).saturating_mul(INSPECTION).saturating_mul(times(INSPECT_EVERY));
    inspections.saturating_add(count(network.tokens.len()).saturating_mul(times(ASK_AGAIN)))
}

struct Day<'n> {
    network: &'n Network,
    pace: Pace,
    now: Duration,
    cursor: u64,
    confirmed: u64,
    /// The kept block of the chain's tag, and when it was asked for.
    tag: u64,
    asked: Option<Duration>,
}

impl Day<'_> {
    /// The newest block at a time of the day.
    fn height(&self, at: Duration) -> u64 {
        let blocks = at.as_micros().checked_div(self.pace.block_time.as_micros().max(1)).unwrap_or_default();
        u64::try_from(blocks).unwrap_or(u64::MAX)
    }

    fn mined(&self, number: u64) -> Duration {
        self.pace.block_time.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX))
    }

    fn first_look(&mut self) -> u64 {
        let head = self.height(self.now);
        let at = Cursor { block: block(self.cursor), time: Time::UNIX_EPOCH, confirmed: BlockNumber(self.confirmed) };
        let newest = Header { block: block(head), parent: block(head.saturating_sub(1)).hash, time: Time::UNIX_EPOCH };
        let plan = plan::first_look(&at, &newest, self.network.max_block_range, self.network.reorg_window);
        match plan {
            FirstLook::Idle => 1,
            FirstLook::Next => {
                self.cursor = head;
                // Its header came by itself, or was asked for.
                if self.pace.pushed { 1 } else { 2 }
            }
            FirstLook::Range { to, checkpoints, .. } => {
                self.cursor = to.0;
                let checkpoints = u64::try_from(checkpoints.len()).unwrap_or(u64::MAX);
                // The newest header, those at both ends, and the logs.
                checkpoints.saturating_add(4)
            }
            // A chain in thought has one branch.
            FirstLook::Below | FirstLook::Reorganised => 0,
        }
    }

    fn second_look(&mut self) -> u64 {
        let asking = self.ask_for_the_tag();
        let tag = Some(BlockNumber(self.tag));
        let depth = plan::deep_enough(BlockNumber(self.cursor), self.network.finality, tag).map_or(0, |deep| deep.0);
        let rested = self.network.min_age.max(self.network.second_look_delay);
        let upto = depth.min(self.height(self.now.saturating_sub(rested)));
        if upto <= self.confirmed || !self.is_due(upto) {
            return asking;
        }
        self.confirmed = upto;
        asking.saturating_add(SECOND_LOOK.saturating_mul(u64::from(self.network.quorum)))
    }

    fn ask_for_the_tag(&mut self) -> u64 {
        match self.network.finality {
            Finality::Confirmations(_) => return 0,
            Finality::Safe | Finality::Finalized => {}
        }
        let fresh = self.asked.is_some_and(|at| self.now.saturating_sub(at) < self.network.poll_interval);
        if fresh || self.tag >= self.cursor || !self.is_due(self.cursor) {
            return 0;
        }
        self.asked = Some(self.now);
        let told = self.height(self.now.saturating_sub(self.pace.tag_behind)).min(self.cursor);
        let moved = told > self.tag;
        self.tag = self.tag.max(told);
        match u64::from(self.network.quorum) {
            1 => 1,
            quorum if moved => quorum.saturating_mul(AGREEING.saturating_add(1)),
            quorum => quorum,
        }
    }

    fn is_due(&self, upto: u64) -> bool {
        let waited = self.mined(upto).saturating_sub(self.mined(self.confirmed));
        let blocks = upto.saturating_sub(self.confirmed);
        blocks > 0 && self.pace.paid || blocks >= BLOCKS_WAIT || span(waited).num_seconds() >= SECONDS_WAIT
    }

    /// When it looks again.
    fn next(&self) -> Duration {
        let poll = self.now.saturating_add(self.network.poll_interval);
        let head = self.mined(self.height(self.now).saturating_add(1));
        let wake = if self.pace.pushed { poll.min(head) } else { poll };
        wake.max(self.now.saturating_add(self.network.step_interval))
    }
}

fn block(number: u64) -> BlockRef {
    BlockRef { number: BlockNumber(number), hash: BlockHash::left_padding_from(&number.to_be_bytes()) }
}
