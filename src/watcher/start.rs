//! The first start of a network: where its cursor begins. Every later start is an ordinary step.

use super::{Error, Watcher, first_look, span};
use crate::chain::Endpoint;
use crate::domain::{BlockNumber, Header, Time};
use crate::store::{Cursor, NetworkRow};

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
        Ok(self.block_at(endpoint, begin, head.block.number).await?.minus(1))
    }

    /// The first block that is not older than `time`, up to `highest`; by bisection, some thirty headers, once.
    pub(super) async fn block_at(
        &self,
        endpoint: &Endpoint,
        time: Time,
        highest: BlockNumber,
    ) -> Result<BlockNumber, Error> {
        if let Some(recorded) = self.store.recorded_by_time(&self.network.slug, time).await? {
            return Ok(recorded.number);
        }
        let (mut low, mut high) = (BlockNumber(0), highest);
        while low < high {
            let middle = low.plus(high.above(low).checked_div(2).unwrap_or(0));
            match endpoint.header(middle).await? {
                Some(header) if header.time < time => low = middle.plus(1),
                Some(_) => high = middle,
                // Pruned: what it no longer has is older than what it has.
                None => low = middle.plus(1),
            }
        }
        Ok(low)
    }
}
