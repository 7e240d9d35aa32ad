//! Which endpoints keep up with the others, by the heads they gave. Pure. Not for what follows: `health` and the pool.
//!
//! A head is a claim. Who says that the chain is further than all others say must not make them last resorts, or one liar
//! could push every honest endpoint out and then be the only one left to confirm what it says. So an endpoint is behind
//! only
//!
//! * when endpoints of two operators (its own may be one of them) are further; or
//! * when those of one operator are, no third operator stands where it stands, that head is not dated ahead of our own
//!   clock (an endpoint that is with the time cannot be half a minute behind it), and its endpoint *shows* it: the block
//!   that this one has at the top, its child, which this one lacks, and the head, all by number.
//!
//! One that is behind by these rules is stalled where its own head has not risen for long by its own chain's pace while one
//! that is further has.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::domain::{Header, Time};

/// Behind is: more than so many blocks and more than so much chain time.
const BEHIND_BLOCKS: u64 = 3;
const BEHIND_SECONDS: i64 = 30;
/// Stalled is: no new block for this many times the usual, and for at least this long, while others have new ones.
const STALLED_BLOCKS: u32 = 10;
const STALLED_LEAST: Duration = Duration::from_secs(60);
/// The same where nobody has new ones: the chain itself may be at rest.
const STILL_BLOCKS: u32 = 30;
const STILL_LEAST: Duration = Duration::from_secs(300);
/// From block to block where two heads have not told it yet: the slowest of the large chains.
const BLOCK_TIME: Duration = Duration::from_secs(12);

/// How an endpoint's head stands to the others'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// With the others.
    Abreast,
    /// Moving, behind the others.
    Behind,
    /// Not moving while others do.
    Stalled,
    /// Not moving while no other does: nothing better is known. Told as `stalled`.
    Still,
}

/// An endpoint's head in an inspection of all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) operator: &'a str,
    pub(super) head: Header,
    /// How long its head has not risen.
    pub(super) still: Duration,
    /// From block to block, by its own heads.
    pub(super) block_time: Option<Duration>,
}

/// What the heads say of one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Stands(Standing),
    /// One operator alone is further: the one at this index. It must show its head; `counts` says whether this endpoint
    /// then stands as `lags` says.
    Claimed {
        by: usize,
        counts: bool,
        lags: Standing,
    },
}

/// How the endpoint at `who` stands.
pub(super) fn judge(heads: &[Seen<'_>], who: usize, now: Time) -> Verdict {
    let Some(me) = heads.get(who) else { return Verdict::Stands(Standing::Abreast) };
    let ahead: Vec<(usize, &Seen<'_>)> =
        heads.iter().enumerate().filter(|(at, other)| *at != who && trails(me.head, other.head)).collect();
    let pace = me.block_time.unwrap_or(BLOCK_TIME);
    let stood = |blocks: u32, least: Duration| me.still >= pace.saturating_mul(blocks).max(least);
    let stalled = stood(STALLED_BLOCKS, STALLED_LEAST) && ahead.iter().any(|(_, other)| other.still < me.still);
    let lags = if stalled { Standing::Stalled } else { Standing::Behind };
    let best = ahead.iter().max_by_key(|(_, other)| other.head.block.number);
    let operators: BTreeSet<&str> = ahead.iter().map(|(_, other)| other.operator).collect();
    match best {
        None => {
            let moves = |(at, other): (usize, &Seen<'_>)| at != who && other.still < me.still;
            let still = stood(STILL_BLOCKS, STILL_LEAST) && !heads.iter().enumerate().any(moves);
            Verdict::Stands(if still { Standing::Still } else { Standing::Abreast })
        }
        Some(_) if operators.len() > 1 => Verdict::Stands(lags),
        Some((by, claimant)) => {
            let third = |other: &Seen<'_>| ![me.operator, claimant.operator].contains(&other.operator);
            let counts = claimant.head.time <= now && !heads.iter().any(third);
            Verdict::Claimed { by: *by, counts, lags }
        }
    }
}

fn trails(mine: Header, other: Header) -> bool {
    let seconds = other.time.signed_duration_since(mine.time).num_seconds();
    other.block.number.above(mine.block.number) > BEHIND_BLOCKS && seconds > BEHIND_SECONDS
}

/// What the endpoint that claims to be further shows of `mine`'s block, its child and its own head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// A chain on top of the other's head.
    Further,
    /// Another branch: who is right is for reorganisations to find out.
    Fork,
    /// Not what it claims to have.
    Nothing,
}

/// `answer` holds the headers at `mine`'s height, one above, and at the claimed head's height.
pub(super) fn shown(mine: Header, answer: &[Option<Header>]) -> Shown {
    match answer {
        [Some(own), Some(child), Some(_)] if own.block == mine.block && child.parent == own.block.hash => {
            Shown::Further
        }
        [Some(_), Some(_), Some(_)] => Shown::Fork,
        _ => Shown::Nothing,
    }
}

#[cfg(test)]
#[path = "abreast_tests.rs"]
mod tests;
