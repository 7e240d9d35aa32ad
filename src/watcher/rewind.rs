//! Going back to the newest recorded block that the chain still has, and what has to be sure before.
//!
//! A reorganisation is believed only from an endpoint that serves another block at a height we recorded. One that has
//! nothing there is behind, and is left. Where confirmed transfers would be reverted, another operator has to agree and none
//! may still have our block; where no other is configured, the same one has to say so three times over `revert_after`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Effects, Error, Reached, Step, Watcher, derivation};
use crate::chain::Endpoint;
use crate::domain::{BlockNumber, BlockRef};
use crate::store::{Cursor, NetworkRow};
use crate::telemetry as t;

/// One that was not said again for so long, and for ten times `revert_after`, is over.
const FORGOTTEN: Duration = Duration::from_secs(15 * 60);

/// What would take confirmed transfers away, as first seen and as last.
#[derive(Debug)]
struct Suspicion {
    above: BlockRef,
    since: Instant,
    last: Instant,
    looks: u32,
}

/// By height: what is said against one block is not over because another one is asked about.
#[derive(Debug, Default)]
pub(super) struct Suspicions(BTreeMap<BlockNumber, Suspicion>);

impl Suspicions {
    /// Whether it was said of this block three times over `revert_after`, this time included.
    fn last(&mut self, above: BlockRef, revert_after: Duration, now: Instant) -> bool {
        let forgotten = revert_after.saturating_mul(10).max(FORGOTTEN);
        self.0.retain(|_, known| now.saturating_duration_since(known.last) < forgotten);
        let known = self.0.remove(&above.number).filter(|known| known.above == above);
        let (since, looks) = known.map_or((now, 1), |known| (known.since, known.looks.saturating_add(1)));
        self.0.insert(above.number, Suspicion { above, since, last: now, looks });
        looks >= 3 && now.saturating_duration_since(since) >= revert_after
    }

    /// What is said of other blocks counts no more.
    fn keep(&mut self, above: BlockRef) {
        self.0.retain(|_, known| known.above == above);
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// Where the chain and our record of it part.
#[derive(Debug, Clone, Copy)]
struct Fork {
    /// The newest recorded block that the chain still has.
    ancestor: Option<BlockRef>,
    /// The lowest recorded block that it has no more.
    above: BlockRef,
}

impl Watcher {
    /// Rewinds if it is to be believed; halts if it is too deep.
    pub(super) async fn rewind(
        &mut self,
        endpoint: &Endpoint,
        row: &NetworkRow,
        cursor: Cursor,
    ) -> Result<Step, Error> {
        let lowest = cursor.block.number.minus(self.network.reorg_window);
        let Some(fork) = self.fork(endpoint, lowest).await? else {
            self.suspicions.clear();
            return Ok(Step { kind: "idle", ..Step::default() });
        };
        let (ancestor, halt) = match fork.ancestor {
            Some(ancestor) if self.began_anew(&cursor, ancestor) => (
                ancestor,
                Some(format!("chain reset: it is shorter than it was, and has of all recorded blocks only {ancestor}")),
            ),
            Some(ancestor) if !self.broken_promise(endpoint, row, ancestor).await? => (ancestor, None),
            Some(ancestor) => (
                ancestor,
                Some(format!(
                    "finality violation: the chain left block {} that its own finality tag had passed",
                    fork.above
                )),
            ),
            None => (
                fork.above,
                Some(format!(
                    "reorganisation deeper than reorg_window ({} blocks): block {} is no longer on the chain",
                    self.network.reorg_window, fork.above
                )),
            ),
        };
        if halt.is_some() {
            // Another chain behind the same address looks just like this.
            self.pool.inspect(row.pinned.genesis).await;
            match self.reach().await? {
                Reached::AnotherChain(reason) => return self.halt(reason).await,
                Reached::Endpoint(other) if other.key() != endpoint.key() => {
                    return Ok(Step { kind: "idle", ..Step::default() });
                }
                Reached::Endpoint(_) => {}
            }
        }
        let confirmed =
            self.store.confirmed_above(&self.network.slug, ancestor.number.min(fork.above.number.minus(1))).await?;
        if (confirmed > 0 || halt.is_some()) && !self.believed(endpoint, fork.above).await? {
            let trouble = format!(
                "endpoint {} says that block {} left the chain, which {confirmed} confirmed transfers \
                stand above: waiting for a second word",
                endpoint.key(),
                fork.above
            );
            return Ok(Step { kind: "idle", trouble: Some(Error::Doubt(trouble)), ..Step::default() });
        }
        self.suspicions.clear();
        match halt {
            Some(reason) => self.halt(reason).await,
            None => self.go_back(endpoint, row, cursor, ancestor).await,
        }
    }

    /// Goes on with a halted network because a person asked: back to whatever the chain still has, however deep.
    pub(super) async fn resume(
        &mut self,
        endpoint: &Endpoint,
        row: &NetworkRow,
        cursor: Cursor,
    ) -> Result<Step, Error> {
        match self.fork(endpoint, BlockNumber(0)).await? {
            None => {
                let mut unit = self.store.unit().await?;
                unit.resume(&self.fence).await?;
                unit.commit_fenced(&self.fence, Some(&cursor)).await?;
                Ok(Step { more: true, kind: "idle", ..Step::default() })
            }
            Some(Fork { ancestor: Some(ancestor), .. }) => self.go_back(endpoint, row, cursor, ancestor).await,
            Some(Fork { ancestor: None, .. }) => {
                self.halt(
                    "another chain: it has none of the blocks that are recorded; give it a slug of its own".to_owned(),
                )
                .await
            }
        }
    }

    /// Whether the node was set back to its genesis: that is no way back within the window, however young the chain is. A
    /// reorganisation leaves a chain that is longer, or about as long.
    fn began_anew(&self, cursor: &Cursor, ancestor: BlockRef) -> bool {
        let shorter = self.head.is_some_and(|(head, _)| head.block.number < cursor.block.number);
        ancestor.number == BlockNumber(0) && shorter && cursor.confirmed > BlockNumber(0)
    }

    /// Whether the chain left the block that its own finality tag had passed. That an older one is the newest recorded
    /// says nothing: not every block is recorded. Nor does an endpoint that has nothing there.
    async fn broken_promise(&self, endpoint: &Endpoint, row: &NetworkRow, ancestor: BlockRef) -> Result<bool, Error> {
        let Some(kept) = row.final_block.filter(|kept| kept.number > ancestor.number) else { return Ok(false) };
        match endpoint.header(kept.number).await? {
            Some(header) => Ok(header.block != kept),
            None => {
                let key = endpoint.key();
                Err(Error::Doubt(format!("endpoint {key} has nothing at {}, which was final", kept.number)))
            }
        }
    }

    /// Finds the fork by bisection over the recorded blocks; `None` when the chain has the newest one, or when the
    /// endpoint has nothing at the heights in question.
    async fn fork(&self, endpoint: &Endpoint, lowest: BlockNumber) -> Result<Option<Fork>, Error> {
        let recorded = self.store.recorded_since(&self.network.slug, lowest).await?;
        let (mut has, mut lacks) = (None, recorded.len());
        let mut evidence = false;
        let mut low = 0;
        while low < lacks {
            let middle = low.midpoint(lacks);
            let Some(block) = recorded.get(middle) else { break };
            let header = endpoint.header(block.number).await?;
            if header.is_some_and(|header| header.block.hash == block.hash) {
                has = Some(*block);
                low = middle.saturating_add(1);
            } else {
                evidence = header.is_some();
                lacks = middle;
            }
        }
        // The last block found lacking is the lowest one: it must be another one, not merely absent.
        Ok(recorded.get(lacks).filter(|_| evidence).map(|above| Fork { ancestor: has, above: *above }))
    }

    /// Whether others say the same, or this endpoint has said so for long enough.
    async fn believed(&mut self, endpoint: &Endpoint, above: BlockRef) -> Result<bool, Error> {
        if self.pool.endpoints().iter().any(|other| other.operator() != endpoint.operator()) {
            return Ok(self.others_agree(endpoint, above).await);
        }
        if let Some(second) = self.pool.second(endpoint).await {
            let header = second.header(above.number).await?;
            return Ok(header.is_some_and(|header| header.block.hash != above.hash));
        }
        self.suspicions.keep(above);
        Ok(self.said_for_long(above))
    }

    /// Whether it was said of this block three times over `revert_after`, this time included. Rescans take turns: what is
    /// said in one of them is not over because another one came between.
    pub(super) fn said_for_long(&mut self, above: BlockRef) -> bool {
        self.suspicions.last(above, self.network.revert_after, Instant::now())
    }

    /// Whether another operator has another block there, and none that can be asked, however far behind, still has ours.
    ///
    /// Where all of them have ours the endpoint is on a branch of its own: another one is read, or the network would stand
    /// still for as long as that lasts. It may be the honest one, so the second look still asks it.
    async fn others_agree(&self, endpoint: &Endpoint, above: BlockRef) -> bool {
        let (mut agrees, mut contradicts) = (false, false);
        for other in self.pool.of_others(endpoint).await {
            match other.header(above.number).await {
                Ok(Some(header)) if header.block.hash == above.hash => contradicts = true,
                Ok(Some(_)) => agrees = true,
                Ok(None) | Err(_) => {}
            }
        }
        if contradicts && !agrees {
            self.pool.leave(endpoint, format!("it alone does not have block {above}, above which money is confirmed"));
        }
        agrees && !contradicts
    }

    /// One unit of work: blocks and transfers above the ancestor leave, sessions follow, the cursor stands on it (I2).
    async fn go_back(
        &mut self,
        endpoint: &Endpoint,
        row: &NetworkRow,
        cursor: Cursor,
        ancestor: BlockRef,
    ) -> Result<Step, Error> {
        let slug = &self.network.slug;
        let Some(header) = endpoint.header(ancestor.number).await?.filter(|header| header.block == ancestor) else {
            return Err(Error::Doubt(format!("block {ancestor} left the chain while it was looked at")));
        };
        let to = Cursor { block: ancestor, time: header.time, confirmed: cursor.confirmed.min(ancestor.number) };
        let mut effects = Effects::default();
        let mut unit = self.store.unit().await?;
        unit.announce(ancestor.number).await?;
        if row.resume_requested {
            unit.resume(&self.fence).await?;
        }
        unit.orphan_blocks_above(slug, ancestor.number).await?;
        unit.lower_left(slug, ancestor.number).await?;
        let (mut places, reverted) = unit.orphan_transfers_above(slug, ancestor.number).await?;
        effects.reverted = reverted;
        places.extend(unit.take_deferred(slug).await?);
        let setting = self.setting(row, ancestor.number, Some(cursor.block.number));
        derivation::derive(&mut unit, setting, places.into_iter().collect(), &mut effects).await?;
        unit.move_cursor(&self.fence, &cursor, &to).await?;
        self.tally.add(effects.tell(slug));
        let depth = cursor.block.number.above(ancestor.number);
        t::REORGS_TOTAL.add(&[slug.as_str()], 1);
        t::REORG_DEPTH_BLOCKS.observe(&[slug.as_str()], depth);
        tracing::warn!(network = slug.as_str(), depth, ancestor = %ancestor, "reorganisation: the chain went another way");
        self.cursor = Some(to);
        self.leave_disputes_above(ancestor.number).await?;
        Ok(Step { more: true, kind: "rewind", ..Step::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::BlockHash;

    #[test]
    fn what_is_suspected_lasts_when_it_is_said_again_and_again() {
        let (minute, now) = (Duration::from_secs(60), Instant::now());
        let at = |minutes: u32| now + minute * minutes;
        let block =
            |number: u64, hash: u8| BlockRef { number: BlockNumber(number), hash: BlockHash::repeat_byte(hash) };
        let mut known = Suspicions::default();
        let mut said = |of, minutes| known.last(of, minute * 2, at(minutes));
        // Three times and for long enough, whatever is said of others meanwhile.
        assert_eq!([0, 1, 1, 2].map(|minutes| said(block(7, 1), minutes)), [false, false, false, true]);
        assert!(!said(block(8, 1), 2) && !said(block(9, 1), 2) && said(block(7, 1), 3));
        // Another block at that height is another matter.
        assert!(!said(block(7, 2), 3) && !said(block(7, 1), 4));
        assert_eq!([4, 5, 23].map(|minutes| said(block(8, 1), minutes)), [false, true, true]);
        // What was not said for long is over.
        assert_eq!([43, 44, 45].map(|minutes| said(block(8, 1), minutes)), [false, false, true]);
        assert_eq!(known.0.len(), 1);
    }
}
