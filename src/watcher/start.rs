//! The first start of a network: where its cursor begins. Every later start is an ordinary step.

use super::{Error, Watcher, first_look, span};
use crate::chain::Endpoint;
use crate::domain::{BlockNumber, Header, Time};
use crate::store::{Cursor, NetworkRow};

/// How often a block is asked for again that must be there.
const ASK_AGAIN: u32 = 3;

impl Watcher {
    /// Gives the network its first cursor: below `start_block`, else below the beginning of the oldest open session (at
    /// most `max_backfill` back), else the head.
    pub(super) async fn start(&mut self, endpoint: &Endpoint, row: &NetworkRow) -> Result<(), Error> {
        let head = endpoint.latest().await?;
        self.check_clock(&head, row.now)?;
        let below = match self.network.start_block {
            Some(first) => first.minus(1).min(head.block.number),
            None => self.below_oldest_session(endpoint, row, &head).await?,
        };
        let mut headers = endpoint.headers(&self.places_to_go_back(below)).await?.into_iter();
        let Some(header) = headers.next().flatten() else {
            endpoint.lacks(&format!("has no block {below} to start from"));
            return Err(Error::Doubt(format!("endpoint {} has no block {below} to start from", endpoint.key())));
        };
        let recorded: Vec<_> =
            std::iter::once(header).chain(headers.flatten()).map(|h| first_look::recorded(&h)).collect();
        let cursor = Cursor { block: header.block, time: header.time, confirmed: header.block.number };
        let mut unit = self.store.unit().await?;
        unit.record_blocks(&self.network.slug, &recorded).await?;
        unit.first_cursor(&self.fence, &cursor).await?;
        tracing::info!(network = self.network.slug.as_str(), block = below.0, "network starts above this block");
        Ok(())
    }

    /// The first cursor's height and some below it, twice as far each time, down to the window's end: a reorganisation
    /// right after the start needs a place to go back to as well.
    fn places_to_go_back(&self, below: BlockNumber) -> Vec<BlockNumber> {
        let window = self.network.reorg_window;
        let steps = std::iter::successors(Some(1_u64), |step| step.checked_mul(2)).take_while(|step| *step < window);
        let mut heights: Vec<BlockNumber> =
            std::iter::once(0).chain(steps).chain([window]).map(|step| below.minus(step)).collect();
        heights.dedup();
        heights
    }

    async fn below_oldest_session(
        &self,
        endpoint: &Endpoint,
        row: &NetworkRow,
        head: &Header,
    ) -> Result<BlockNumber, Error> {
        let earliest = row.now.checked_sub_signed(span(self.network.max_backfill)).unwrap_or(row.now);
        let Some(oldest) = self.store.oldest_open_begin(&self.network.slug, None, None).await? else {
            return Ok(head.block.number);
        };
        let begin = oldest.checked_sub_signed(self.rules.clock_skew).unwrap_or(oldest).max(earliest);
        let first = self.block_at(endpoint, begin, head.block.number).await?;
        // Above the lowest block there is, where all below it is pruned.
        let below = time_of(endpoint, first.minus(1), false).await?.map(|_| first.minus(1));
        Ok(below.unwrap_or(first))
    }

    /// The first block that is not older than `time`, up to `highest`, by the lowest word of those that can be asked: one
    /// whose nodes lack blocks for a moment puts it too high, and what is below is never read.
    pub(super) async fn block_at(
        &self,
        endpoint: &Endpoint,
        time: Time,
        highest: BlockNumber,
    ) -> Result<BlockNumber, Error> {
        if let Some(recorded) = self.store.recorded_by_time(&self.network.slug, time).await? {
            return Ok(recorded.number);
        }
        let mut found = first_since(endpoint, time, highest).await?;
        for other in self.pool.healthy().iter().filter(|other| other.key() != endpoint.key()) {
            let Ok(lower) = first_since(other, time, found).await else { continue };
            // Who has that block himself and finds it too old need not believe the other.
            if lower < found && endpoint.header(lower).await?.is_none_or(|header| header.time >= time) {
                found = lower;
            }
        }
        Ok(found)
    }
}

/// The same by one endpoint: back from `highest` in growing strides, then by bisection, some thirty headers, once.
async fn first_since(endpoint: &Endpoint, time: Time, highest: BlockNumber) -> Result<BlockNumber, Error> {
    let (mut low, mut high, mut stride) = (BlockNumber(0), highest, Some(1_u64));
    let mut older = false;
    while low < high {
        let between = high.above(low);
        let middle = match stride {
            Some(stride) => high.minus(stride.min(between)),
            None => low.plus(between.checked_div(2).unwrap_or(0)),
        };
        match time_of(endpoint, middle, older).await? {
            Some(mined) if mined < time => (low, stride, older) = (middle.plus(1), None, true),
            Some(_) => (high, stride) = (middle, stride.map(|stride| stride.saturating_mul(2))),
            // Pruned: what it no longer has is older than what it has.
            None => (low, stride) = (middle.plus(1), None),
        }
    }
    Ok(low)
}

/// When a block was mined; `None` where the endpoint has neither it nor anything older. If it has something older (`older`:
/// that is known), a node behind its address merely lacks this one.
async fn time_of(endpoint: &Endpoint, number: BlockNumber, older: bool) -> Result<Option<Time>, Error> {
    if let Some(header) = endpoint.header(number).await? {
        return Ok(Some(header.time));
    }
    // Block 0 says nothing: those who drop old blocks keep it.
    let farther = std::iter::successors(Some(1_u64), |far| far.checked_mul(4));
    let below = farther.map_while(|far| number.0.checked_sub(far).filter(|below| *below > 0)).map(BlockNumber);
    let heights: Vec<BlockNumber> = std::iter::once(number).chain(below).collect();
    for _ in 0..ASK_AGAIN {
        let mut headers = endpoint.headers(&heights).await?.into_iter();
        if let Some(header) = headers.next().flatten() {
            return Ok(Some(header.time));
        }
        if !older && headers.flatten().next().is_none() {
            return Ok(None);
        }
    }
    let what = format!("has no block {number}, and some below it");
    endpoint.lacks(&what);
    Err(Error::Doubt(format!("endpoint {} {what}: the network starts when it has been read", endpoint.key())))
}
