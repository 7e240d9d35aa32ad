//! The second look: reads the same blocks again, from elsewhere where there is an elsewhere, repairs what the first look
//! got wrong, and only then confirms (I5).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::ruling::{Differences, Ruling};
use super::times::Dated;
use super::witnesses::{Reading, read_again};
use super::{Awaited, Effects, Error, Progress, Watcher, first_look, plan, span};
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
    /// A recorded block that buries `to` as deep as `finality` says: an endpoint that has it has our chain below it, and
    /// has it that deep.
    pub(super) anchor: BlockRef,
    /// The lowest recorded block at or above `to`: one that lags may have another there.
    pub(super) base: BlockRef,
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
        // Who lags a little would lag behind each newer block, too: he is asked for the same one until he has it.
        let awaited = self.awaited.take().filter(|awaited| (from..=upto.block.number).contains(&awaited.upto));
        let deep = awaited.map_or(upto.block.number, |awaited| awaited.upto);
        let anchor = self.anchor(&cursor, plan::buried_by(deep, self.network.finality)).await?;
        let base = self.anchor(&cursor, deep).await?;
        let to = deep.min(from.plus(first.range().saturating_sub(1)));
        let reader = self.readers.of(from, to).map(str::to_owned);
        let span = Span { from, to, anchor, base, tokens, reader };
        let Some(reached) = self.look_again(first, row, &cursor, &span, None).await? else {
            return self
                .wait_for(Awaited { upto: deep, since: awaited.map_or_else(Instant::now, |it| it.since) }, anchor);
        };
        self.readers.looked_at(reached);
        let cursor = Cursor { confirmed: reached, ..cursor };
        Ok(Some(Progress { cursor, more: reached < upto.block.number, kind: "confirm" }))
    }

    /// Too few have the anchor. That one lags by some blocks is nothing to tell of, before it has lasted.
    fn wait_for(&mut self, awaited: Awaited, anchor: BlockRef) -> Result<Option<Progress>, Error> {
        self.awaited = Some(awaited);
        if awaited.since.elapsed() < self.network.max_lag {
            return Ok(None);
        }
        let upto = awaited.upto;
        let why = format!("too few operators have block {anchor}: nothing is confirmed up to block {upto}");
        Err(Error::Doubt(why))
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

    /// Reads a span again and commits what follows. Returns how far both looks agree; `None` where too few have the anchor
    /// yet, which is an error only in rescans.
    pub(super) async fn look_again(
        &mut self,
        first: &Endpoint,
        row: &NetworkRow,
        cursor: &Cursor,
        span: &Span,
        rescan: Option<&Rescan>,
    ) -> Result<Option<BlockNumber>, Error> {
        let id = rescan.map(|rescan| rescan.id);
        let stored = self.store.transfers_between(&self.network.slug, span.from, span.to, &span.tokens).await?;
        let within = |reached: BlockNumber| {
            stored.iter().filter(|transfer| transfer.block.number <= reached).copied().collect::<Vec<_>>()
        };
        let candidates = self.candidates(first, span.reader.as_deref()).await?;
        let (operators, needed) = (candidates.len(), self.witnesses_needed(&candidates, span.reader.as_deref()));
        let spares = if rescan.is_some() { self.spares(&candidates) } else { Vec::new() };
        let (mut differences, mut dated, mut reached) = (Differences::default(), Dated::default(), span.to);
        let (mut witnesses, mut lacking, mut behind) = (Vec::<Arc<Endpoint>>::new(), None, true);
        let mut refusing = BTreeSet::new();
        for witness in candidates.into_iter().chain(spares) {
            if witnesses.len() == needed {
                break;
            }
            if witnesses.iter().any(|other| other.operator() == witness.operator()) {
                continue;
            }
            let to = reached.min(span.from.plus(witness.range().saturating_sub(1)));
            match read_again(&witness, span, to).await {
                Ok(Reading::Logs(logs, to)) => {
                    reached = to;
                    let watched = self.watched(&logs.transfers, cursor.time).await?;
                    differences.add(&within(reached), &logs, &watched);
                    witnesses.push(witness);
                    dated.hear(&logs);
                }
                Ok(Reading::Behind(why)) => lacking = Some(why),
                Ok(Reading::Contradicts(block, why)) => {
                    self.heard_otherwise(id, block, &why).await?;
                    return Err(why);
                }
                Err(Error::Chain(error @ (chain::Error::Transient { .. } | chain::Error::Misbehaving { .. }))) => {
                    (lacking, behind) = (Some(error.into()), false);
                }
                Err(Error::Chain(error @ chain::Error::Refuses { .. })) => {
                    refusing.insert(witness.operator().to_owned());
                    (lacking, behind) = (Some(error.into()), false);
                }
                Err(error) => return Err(error),
            }
        }
        let needed = match id {
            Some(id) => self.still_needed(id, needed, operators, &witnesses, &refusing),
            None => needed,
        };
        if let Some(why) = lacking.filter(|_| witnesses.len() < needed) {
            return if behind && rescan.is_none() { Ok(None) } else { Err(why) };
        }
        let mut ruling = self.judge(&witnesses, &within(reached), differences, span, reached, cursor).await?;
        reached = ruling.upto.map_or(reached, |upto| upto.min(reached));
        let sure = ruling.disputed.as_ref().map_or(reached, |(lowest, _)| reached.min(lowest.minus(1)));
        self.rule_on_times(&witnesses, &dated, &within(reached), &mut ruling, sure).await?;
        let disputed = ruling.disputed.take();
        if rescan.is_some() {
            self.disputes.settle_between(span.from, sure);
        }
        self.tell_dispute(id, disputed.as_ref(), ruling.disputes).await?;
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
        if !ruling.misdated.is_empty() {
            places.extend(unit.date_blocks(slug, &ruling.misdated).await?);
            effects.misdated = count(ruling.misdated.len());
        }
        if !sorted.transfers.is_empty() {
            // Not before what was invented has gone: its block may be recorded where another stands.
            unit = self.on_our_chain(unit, first, &sorted).await?;
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
