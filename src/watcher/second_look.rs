//! The second look: reads the same blocks again, from elsewhere where there is an elsewhere, repairs what the first look
//! got wrong, and only then confirms (I5).

use std::collections::BTreeSet;

use super::ruling::{Differences, Ruling};
use super::witnesses::{Reading, read_again};
use super::{Dispute, Effects, Error, Progress, Watcher, first_look, plan, span};
use crate::chain::{self, Endpoint, Logs, Tag};
use crate::domain::{Address, BlockNumber, BlockRef, Finality, LogId, Transfer};
use crate::store::{BlockTime, Cursor, Destination, NetworkRow, Rescan};

/// A quiet chain is looked at again every so many blocks,
pub(super) const BLOCKS_WAIT: u64 = 50;
/// or every so many seconds of chain time.
pub(super) const SECONDS_WAIT: i64 = 300;

/// A range to look at again.
pub(super) struct Span {
    pub(super) from: BlockNumber,
    pub(super) to: BlockNumber,
    /// A recorded block at or above `to`: an endpoint that has it has our chain below it.
    pub(super) anchor: BlockRef,
    pub(super) tokens: Vec<Address>,
    /// The operator whose word the first look took there, where that is known.
    pub(super) reader: Option<String>,
}

impl Watcher {
    /// Looks again at what is deep enough, if it is due.
    pub(super) async fn second_look(
        &mut self,
        first: &Endpoint,
        row: &mut NetworkRow,
    ) -> Result<Option<Progress>, Error> {
        let Some(cursor) = row.cursor else { return Ok(None) };
        let tokens = self.following.sure_addresses();
        if tokens.is_empty() && !self.following.addresses().is_empty() || cursor.confirmed >= cursor.block.number {
            return Ok(None);
        }
        let Some(upto) = self.deep_enough(first, row, &cursor).await? else { return Ok(None) };
        if !self.is_due(&cursor, &upto).await? {
            return Ok(None);
        }
        let from = cursor.confirmed.plus(1);
        let to = upto.block.number.min(from.plus(first.range().saturating_sub(1)));
        let (reader, to) = self.readers.of(from, to);
        let span = Span { from, to, anchor: upto.block, tokens, reader: reader.map(str::to_owned) };
        let Some(reached) = self.look_again(first, row, &cursor, &span, None).await? else { return Ok(None) };
        self.readers.looked_at(reached);
        let cursor = Cursor { confirmed: reached, ..cursor };
        Ok(Some(Progress { cursor, more: reached < upto.block.number, kind: "confirm" }))
    }

    /// The newest recorded block that finality, `min_age` and `second_look_delay` let the second look reach.
    async fn deep_enough(
        &mut self,
        first: &Endpoint,
        row: &mut NetworkRow,
        cursor: &Cursor,
    ) -> Result<Option<BlockTime>, Error> {
        match self.network.finality {
            Finality::Confirmations(_) => {}
            Finality::Safe => row.final_block = self.final_block(first, row, cursor, Tag::Safe).await?,
            Finality::Finalized => row.final_block = self.final_block(first, row, cursor, Tag::Finalized).await?,
        }
        let tag = row.final_block.map(|block| block.number);
        let Some(depth) = plan::deep_enough(cursor.block.number, self.network.finality, tag) else { return Ok(None) };
        if depth <= cursor.confirmed {
            return Ok(None);
        }
        let before = |by| row.now.checked_sub_signed(span(by));
        let (mined_by, looked_by) = (before(self.network.min_age), before(self.network.second_look_delay));
        // A chain's clock may run ahead of ours; without `min_age` its blocks' times say nothing here.
        let mined_by = mined_by.filter(|_| !self.network.min_age.is_zero());
        let found = self.store.recorded_for_second_look(&self.network.slug, depth, mined_by, looked_by).await?;
        Ok(found.filter(|block| block.block.number > cursor.confirmed))
    }

    /// At once when a seen transfer or a session's expiry waits, else when enough blocks or time do.
    pub(super) async fn is_due(&self, cursor: &Cursor, upto: &BlockTime) -> Result<bool, Error> {
        let slug = &self.network.slug;
        if upto.block.number.above(cursor.confirmed) >= BLOCKS_WAIT
            || self.store.seen_waiting(slug, upto.block.number, &self.following.sure_addresses()).await?
        {
            return Ok(true);
        }
        let last = self.store.recorded_for_second_look(slug, cursor.confirmed, None, None).await?;
        let Some(last) = last else { return Ok(true) };
        Ok(upto.time.signed_duration_since(last.time).num_seconds() >= SECONDS_WAIT
            || self.store.expiring_between(slug, last.time, upto.time).await?)
    }

    /// Reads a span again and commits what follows. Returns how far both looks agree; `None` when not even one block.
    pub(super) async fn look_again(
        &mut self,
        first: &Endpoint,
        row: &NetworkRow,
        cursor: &Cursor,
        span: &Span,
        rescan: Option<&Rescan>,
    ) -> Result<Option<BlockNumber>, Error> {
        let stored = self.store.transfers_between(&self.network.slug, span.from, span.to, &span.tokens).await?;
        let within = |reached: BlockNumber| {
            stored.iter().filter(|transfer| transfer.block.number <= reached).copied().collect::<Vec<_>>()
        };
        let candidates = self.candidates(first, span.reader.as_deref()).await?;
        let needed = self.witnesses_needed(&candidates, span.reader.as_deref());
        let (mut differences, mut reached) = (Differences::default(), span.to);
        let (mut witnesses, mut lacking) = (Vec::new(), None);
        for witness in candidates {
            if witnesses.len() == needed {
                break;
            }
            let to = reached.min(span.from.plus(witness.range().saturating_sub(1)));
            match read_again(&witness, span, to).await {
                Ok(Reading::Logs(logs)) => {
                    reached = to;
                    let watched = self.watched(&logs.transfers, cursor.time).await?;
                    differences.add(&within(reached), &logs, &watched);
                    witnesses.push(witness);
                }
                Ok(Reading::Behind(why)) => lacking = Some(why),
                Err(Error::Chain(error @ (chain::Error::Transient { .. } | chain::Error::Misbehaving { .. }))) => {
                    lacking = Some(error.into());
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(why) = lacking.filter(|_| witnesses.len() < needed) {
            return Err(why);
        }
        let mut ruling = self.judge(&witnesses, &within(reached), differences, span, reached, cursor).await?;
        reached = ruling.upto.map_or(reached, |upto| upto.min(reached));
        let disputed = ruling.disputed.take();
        self.tell_dispute(rescan.is_some(), disputed.as_ref(), ruling.disputes);
        if let Some((disputed, why)) = disputed {
            reached = reached.min(disputed.minus(1));
            if reached < span.from {
                return Err(Error::Doubt(format!("the transfers of block {disputed} are in dispute: {why}")));
            }
        }
        ruling.keep(reached);
        self.commit_agreed(first, row, cursor, span, reached, ruling, rescan).await?;
        Ok(Some(reached))
    }

    /// Says once what is in dispute and why, and again when that changes; a step comes every few seconds.
    fn tell_dispute(&mut self, of_rescan: bool, disputed: Option<&(BlockNumber, String)>, transfers: u64) {
        let known = if of_rescan { &mut self.rescan_dispute } else { &mut self.dispute };
        if known.lowest.as_ref() != disputed
            && let Some((block, why)) = disputed
        {
            tracing::error!(
                network = self.network.slug.as_str(),
                block = block.0,
                transfers,
                why,
                "transfers are in dispute: neither confirmed nor taken away until that is over"
            );
        }
        *known = Dispute { transfers, lowest: disputed.cloned() };
    }

    #[expect(clippy::too_many_arguments, reason = "one unit of work, all of it")]
    async fn commit_agreed(
        &mut self,
        first: &Endpoint,
        row: &NetworkRow,
        cursor: &Cursor,
        span: &Span,
        reached: BlockNumber,
        ruling: Ruling,
        rescan: Option<&Rescan>,
    ) -> Result<(), Error> {
        let slug = &self.network.slug;
        let mut effects = Effects::default();
        let mut missed = Logs { transfers: ruling.missed, ..Logs::default() };
        first_look::distrust_times(&mut missed, |_| false);
        let sorted = self.sort(first, &ruling.headers, &missed, cursor.time, &mut effects).await?;
        self.on_our_chain(first, &sorted).await?;
        let added: Vec<_> = sorted.transfers.iter().map(|(t, _, _)| (t.to, t.block.number)).collect();
        // An address that was named only after the first look is news, not a fault of that look.
        let missed_in_time = match added.is_empty() || rescan.is_some() {
            true => 0,
            false => count(self.store.named_in_time(slug, &added).await?.len()),
        };
        let mut unit = self.store.unit().await?;
        unit.announce(cursor.block.number).await?;
        let mut places: BTreeSet<Destination> = BTreeSet::new();
        if !ruling.invented.is_empty() {
            let ids: Vec<LogId> = ruling.invented.iter().map(Transfer::id).collect();
            effects.reverted = unit.orphan_invented(slug, &ids).await?;
            unit.orphan_empty_strangers(slug, &ids).await?;
            places.extend(ruling.invented.iter().map(|t| Destination { token: t.token, to: t.to }));
            effects.invented = count(ids.len());
        }
        if !sorted.transfers.is_empty() {
            unit.record_blocks(slug, &super::first_look::dedup(sorted.blocks)).await?;
            places.extend(unit.insert_transfers(slug, &sorted.transfers, self.network.reorg_grace).await?);
            effects.missed = missed_in_time;
        }
        places.extend(unit.verify_between(slug, span.from, reached, &span.tokens).await?);
        if rescan.is_none_or(|rescan| rescan.token.is_none()) {
            for token in self.following.unsure_addresses() {
                unit.owe_second_look(slug, token, span.from, reached).await?;
            }
        }
        let to = Cursor { confirmed: if rescan.is_some() { cursor.confirmed } else { reached }, ..*cursor };
        self.conclude(&mut unit, row, &to, places, &mut effects).await?;
        if let Some(rescan) = rescan {
            let done = Rescan { next_second: reached.plus(1), ..rescan.clone() };
            unit.advance_rescan(&done, count(added.len())).await?;
        }
        unit.move_cursor(&self.fence, cursor, &to).await?;
        self.tally.add(effects.tell(slug));
        Ok(())
    }
}

pub(super) fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}

pub(super) fn head_of(cursor: &Cursor) -> BlockTime {
    BlockTime { block: cursor.block, time: cursor.time }
}
