//! The second look: reads the same blocks again, from elsewhere where there is an elsewhere, repairs what the first look
//! got wrong, and only then confirms (I5).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use super::{Effects, Error, Progress, Watcher, first_look, plan, span};
use crate::chain::{Endpoint, Logs, RangeAsk, Tag};
use crate::domain::{Address, BlockNumber, BlockRef, Finality, LogId, Time, Transfer};
use crate::store::{BlockTime, Cursor, Destination, NetworkRow, Rescan};

/// A quiet chain is looked at again every so many blocks,
const BLOCKS_WAIT: u64 = 50;
/// or every so many seconds of chain time.
const SECONDS_WAIT: i64 = 300;

/// A range to look at again.
pub(super) struct Span {
    pub(super) from: BlockNumber,
    pub(super) to: BlockNumber,
    /// A recorded block at or above `to`: an endpoint that has it has our chain below it.
    pub(super) anchor: BlockRef,
    pub(super) tokens: Vec<Address>,
}

/// Where the looks differ, after receipts have decided.
#[derive(Debug, Default)]
struct Ruling {
    missed: Vec<Transfer>,
    invented: Vec<Transfer>,
    /// The lowest block on which the endpoints do not agree.
    disputed: Option<BlockNumber>,
    disputes: u64,
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
        let span = Span { from, to, anchor: upto.block, tokens };
        let Some(reached) = self.look_again(first, row, &cursor, &span, None).await? else { return Ok(None) };
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

    /// The chain's own tag, kept as the highest block that was seen under it; never lower, never of another branch.
    async fn final_block(
        &mut self,
        first: &Endpoint,
        row: &NetworkRow,
        cursor: &Cursor,
        tag: Tag,
    ) -> Result<Option<BlockRef>, Error> {
        let kept = row.final_block;
        let fresh = self.tag_asked.is_some_and(|at| at.elapsed() < self.network.poll_interval);
        if fresh
            || kept.is_some_and(|kept| kept.number >= cursor.block.number)
            || !self.is_due(cursor, &head_of(cursor)).await?
        {
            return Ok(kept);
        }
        self.tag_asked = Some(Instant::now());
        let witnesses = self.witnesses(first).await?;
        let mut lowest: Option<BlockRef> = None;
        for witness in &witnesses {
            let Some(block) = witness.tagged(tag).await? else {
                tracing::warn!(network = self.network.slug.as_str(), endpoint = %witness.key(), tag = tag.as_str(),
                    "endpoint does not know this tag: nothing is confirmed by it");
                return Ok(kept);
            };
            lowest = Some(lowest.filter(|lowest| lowest.number <= block.number).unwrap_or(block));
        }
        let Some(block) = lowest.filter(|block| kept.is_none_or(|kept| block.number > kept.number)) else {
            return Ok(kept);
        };
        let recorded = self.store.recorded_at(&self.network.slug, block.number).await?;
        if recorded.is_some_and(|recorded| recorded.hash != block.hash) {
            return Ok(kept);
        }
        self.store.raise_final(&self.fence, block).await?;
        Ok(Some(block))
    }

    /// At once when a seen transfer or a session's expiry waits, else when enough blocks or time do.
    async fn is_due(&self, cursor: &Cursor, upto: &BlockTime) -> Result<bool, Error> {
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

    /// Who has to agree: `quorum` operators, others than the first look's endpoint before itself.
    async fn witnesses(&self, first: &Endpoint) -> Result<Vec<Arc<Endpoint>>, Error> {
        let mut witnesses: Vec<Arc<Endpoint>> = self.pool.second(first).await.into_iter().collect();
        let (same, others): (Vec<_>, Vec<_>) =
            self.pool.healthy().into_iter().partition(|endpoint| endpoint.operator() == first.operator());
        for endpoint in others.into_iter().chain(same) {
            if !witnesses.iter().any(|witness| witness.operator() == endpoint.operator()) {
                witnesses.push(endpoint);
            }
        }
        let quorum = usize::try_from(self.network.quorum).unwrap_or(usize::MAX);
        witnesses.truncate(quorum);
        if witnesses.len() < quorum {
            return Err(Error::Doubt(format!(
                "quorum: {} of {quorum} operators can be asked; nothing is confirmed",
                witnesses.len()
            )));
        }
        Ok(witnesses)
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
        let mut ruling = Ruling::default();
        let mut reached = span.to;
        for witness in self.witnesses(first).await? {
            let to = reached.min(span.from.plus(witness.range().saturating_sub(1)));
            let logs = read_again(&witness, span, to).await?;
            reached = to;
            let within = |transfers: Vec<Transfer>| {
                transfers.into_iter().filter(|t| t.block.number <= reached).collect::<Vec<_>>()
            };
            self.compare(&within(stored.clone()), &logs, cursor.time, &mut ruling).await?;
        }
        self.disputed = ruling.disputes;
        if let Some(disputed) = ruling.disputed {
            tracing::error!(
                network = self.network.slug.as_str(),
                block = disputed.0,
                transfers = ruling.disputes,
                "endpoints disagree about transfers: neither confirmed nor taken away until they agree"
            );
            reached = reached.min(disputed.minus(1));
            if reached < span.from {
                return Err(Error::Doubt(format!("endpoints disagree about the transfers of block {disputed}")));
            }
        }
        ruling.missed.retain(|t| t.block.number <= reached);
        ruling.invented.retain(|t| t.block.number <= reached);
        self.commit_agreed(first, row, cursor, span, reached, ruling, rescan).await?;
        Ok(Some(reached))
    }

    /// Holds one witness's logs against what is stored; where they differ, the receipts decide.
    async fn compare(
        &self,
        stored: &[Transfer],
        logs: &Logs,
        chain_time: Time,
        ruling: &mut Ruling,
    ) -> Result<(), Error> {
        let watched = self.watched(&logs.transfers, chain_time).await?;
        let ours: BTreeMap<LogId, &Transfer> = stored.iter().map(|t| (t.id(), t)).collect();
        let theirs: BTreeMap<LogId, &Transfer> = logs.transfers.iter().map(|t| (t.id(), t)).collect();
        let missed = logs
            .transfers
            .iter()
            .filter(|t| watched.contains(&t.to) && !ours.get(&t.id()).is_some_and(|o| alike(o, t)));
        let invented = stored.iter().filter(|t| !theirs.get(&t.id()).is_some_and(|o| alike(o, t)));
        let (missed, invented): (Vec<&Transfer>, Vec<&Transfer>) = (missed.collect(), invented.collect());
        let mut verdicts: BTreeMap<BlockRefKey, Option<Vec<Transfer>>> = BTreeMap::new();
        for transfer in missed.iter().chain(&invented) {
            let key = BlockRefKey(transfer.block.number, transfer.block.hash.0);
            if let std::collections::btree_map::Entry::Vacant(open) = verdicts.entry(key) {
                open.insert(self.receipts_of(transfer.block).await);
            }
            let there = verdicts.get(&key).and_then(Option::as_ref).map(|all| all.iter().any(|t| alike(t, transfer)));
            let is_missed = theirs.get(&transfer.id()).is_some_and(|t| alike(t, transfer));
            match (there, is_missed) {
                (Some(true), true) if !known(&ruling.missed, transfer) => ruling.missed.push(**transfer),
                (Some(false), false) if !known(&ruling.invented, transfer) => ruling.invented.push(**transfer),
                (Some(_), _) => {}
                (None, _) => {
                    ruling.disputes = ruling.disputes.saturating_add(1);
                    let lowest =
                        ruling.disputed.map_or(transfer.block.number, |lowest| lowest.min(transfer.block.number));
                    ruling.disputed = Some(lowest);
                }
            }
        }
        Ok(())
    }

    /// The transfers of a block by its receipts, where every healthy endpoint that answers says the same, and as many
    /// operators answer as must agree.
    async fn receipts_of(&self, block: BlockRef) -> Option<Vec<Transfer>> {
        let tokens = self.following.addresses();
        let mut agreed: Option<Vec<Transfer>> = None;
        let mut operators = BTreeSet::new();
        for endpoint in self.pool.healthy() {
            let said = match endpoint.receipts(block, &tokens).await {
                Ok(Some(logs)) => logs.transfers,
                // It has another block there, or none: no word for this one's transfers. Only a header can tell.
                Ok(None) => match endpoint.header(block.number).await {
                    Ok(Some(header)) if header.block.hash != block.hash => Vec::new(),
                    _ => continue,
                },
                Err(_) => continue,
            };
            operators.insert(endpoint.operator().to_owned());
            let same =
                |other: &Vec<Transfer>| other.len() == said.len() && other.iter().zip(&said).all(|(a, b)| alike(a, b));
            match &agreed {
                Some(other) if !same(other) => return None,
                Some(_) => {}
                None => agreed = Some(said),
            }
        }
        agreed.filter(|_| count(operators.len()) >= u64::from(self.network.quorum))
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
        let sorted = self.sort(first, &[], &missed, cursor.time, &mut effects).await?;
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
        effects.tell(slug);
        Ok(())
    }
}

/// A block as a key of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct BlockRefKey(BlockNumber, [u8; 32]);

/// The same log, whatever the answers said of its block's time.
fn alike(a: &Transfer, b: &Transfer) -> bool {
    Transfer { time: None, ..*a } == Transfer { time: None, ..*b }
}

/// True when another witness has told of it already.
fn known(told: &[Transfer], transfer: &Transfer) -> bool {
    told.iter().any(|other| alike(other, transfer))
}

fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}

fn head_of(cursor: &Cursor) -> BlockTime {
    BlockTime { block: cursor.block, time: cursor.time }
}

/// One batch: the logs, and the header that ties them to our own chain.
async fn read_again(witness: &Endpoint, span: &Span, to: BlockNumber) -> Result<Logs, Error> {
    let ask = RangeAsk { from: span.from, to, headers: vec![span.anchor.number], tokens: span.tokens.clone() };
    let answer = witness.range_logs(&ask).await?;
    match answer.headers.first().copied().flatten() {
        Some(header) if header.block == span.anchor => Ok(answer.logs),
        Some(header) => Err(Error::Doubt(format!(
            "endpoint {} has block {} where {} is recorded: nothing is confirmed from it",
            witness.key(),
            header.block,
            span.anchor
        ))),
        None => {
            Err(Error::Doubt(format!("endpoint {} is behind: it has no block {}", witness.key(), span.anchor.number)))
        }
    }
}
