//! The first look: from the committed cursor towards the head, one unit of work a step. Its transfers are seen, not
//! believed.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::{self, FirstLook};
use super::{Effects, Error, Progress, Watcher, derivation, span};
use crate::chain::{Endpoint, Logs, RangeAnswer, RangeAsk};
use crate::domain::{Address, BlockHash, BlockNumber, BlockRef, Finality, Header, Time, Transfer};
use crate::store::{Cursor, Destination, NetworkRow, RecordedBlock, Unit};

/// What the first look came to.
pub(super) enum Found {
    /// The cursor as it is committed now.
    Progress(Progress),
    /// The chain no longer has the cursor's block.
    Reorganised,
}

/// Transfers to watched addresses with their times, and what else an answer held.
pub(super) struct Sorted {
    /// Ready to be inserted: transfer, block time, decimals of its token.
    pub(super) transfers: Vec<(Transfer, Time, u8)>,
    /// One a block of these transfers.
    pub(super) blocks: Vec<RecordedBlock>,
}

impl Watcher {
    pub(super) async fn first_look(
        &mut self,
        endpoint: &Endpoint,
        row: &NetworkRow,
        cursor: Cursor,
    ) -> Result<Found, Error> {
        let head = self.newest(endpoint, &cursor).await?;
        self.check_clock(&head, row.now)?;
        self.saw_head(head).await;
        match plan::first_look(&cursor, &head, endpoint.range(), self.network.reorg_window) {
            FirstLook::Idle => self.idle(row, cursor).await,
            FirstLook::Next => {
                let logs = endpoint.block_logs(&head, &self.following.addresses()).await?;
                self.commit_scan(endpoint, row, cursor, vec![head], logs).await.map(Found::Progress)
            }
            FirstLook::Range { from, to, checkpoints } => {
                self.range(endpoint, row, cursor, from, to, checkpoints).await
            }
            FirstLook::Below => {
                let recorded = self.store.recorded_at(&self.network.slug, head.block.number).await?;
                match recorded {
                    Some(recorded) if recorded.hash != head.block.hash => Ok(Found::Reorganised),
                    _ => self.idle(row, cursor).await,
                }
            }
            FirstLook::Reorganised => Ok(Found::Reorganised),
        }
    }

    /// The newest header: the one that this endpoint pushed where it is the cursor's child, else what it says when asked.
    /// A pushed one is taken once: where its block left the chain and nothing newer is pushed, it would be taken for ever.
    async fn newest(&mut self, endpoint: &Endpoint, cursor: &Cursor) -> Result<Header, Error> {
        let child =
            |head: &Header| head.parent == cursor.block.hash && head.block.number == cursor.block.number.plus(1);
        match endpoint.pushed().filter(child).filter(|head| self.pushed != Some(head.block.hash)) {
            Some(head) => {
                self.pushed = Some(head.block.hash);
                Ok(head)
            }
            None => Ok(endpoint.latest().await?),
        }
    }

    /// A block dated too far ahead is neither head nor chain time: it would expire what is still in time.
    pub(super) fn check_clock(&self, header: &Header, now: Time) -> Result<(), Error> {
        let Some(drift) = self.network.max_clock_drift else { return Ok(()) };
        match now.checked_add_signed(span(drift)) {
            Some(latest) if header.time > latest => Err(Error::Doubt(format!(
                "block {} is dated {}, more than max_clock_drift ahead of the database's clock",
                header.block, header.time
            ))),
            _ => Ok(()),
        }
    }

    async fn range(
        &mut self,
        endpoint: &Endpoint,
        row: &NetworkRow,
        cursor: Cursor,
        from: BlockNumber,
        to: BlockNumber,
        checkpoints: Vec<BlockNumber>,
    ) -> Result<Found, Error> {
        let mut headers = vec![cursor.block.number];
        headers.extend(checkpoints);
        headers.push(to);
        let ask = RangeAsk { from, to, headers, tokens: self.following.addresses() };
        let RangeAnswer { headers, logs } = match endpoint.range_logs(&ask).await {
            Err(crate::chain::Error::TooWide { .. }) if from < to => {
                // The endpoint has learned: the next step asks for less.
                return Ok(Found::Progress(Progress { cursor, more: true, kind: "idle" }));
            }
            answer => answer?,
        };
        let mut headers: Vec<Header> = headers.into_iter().flatten().collect();
        if headers.len() != ask.headers.len() {
            return Err(Error::Doubt(format!("endpoint {} has no header for part of {from} to {to}", endpoint.key())));
        }
        if headers.remove(0).block.hash != cursor.block.hash {
            return Ok(Found::Reorganised);
        }
        self.commit_scan(endpoint, row, cursor, headers, logs).await.map(Found::Progress)
    }

    /// Commits what was scanned: blocks, transfers, sessions, events and the cursor at the last of `headers` (I1).
    async fn commit_scan(
        &mut self,
        endpoint: &Endpoint,
        row: &NetworkRow,
        cursor: Cursor,
        headers: Vec<Header>,
        mut logs: Logs,
    ) -> Result<Progress, Error> {
        let Some(last) = headers.last().copied() else {
            return Err(Error::Doubt("an answer without headers".to_owned()));
        };
        self.check_clock(&last, row.now)?;
        consistent(&headers, &logs.transfers)?;
        distrust_times(&mut logs, |time| (cursor.time..=last.time).contains(&time));
        let mut effects = Effects::default();
        let sorted = self.sort(endpoint, &headers, &logs, last.time, &mut effects).await?;
        let to = Cursor { block: last.block, time: last.time, ..cursor };
        let slug = &self.network.slug;
        let mut unit = self.store.unit().await?;
        unit.announce(to.block.number).await?;
        if !self.still_covers(&mut unit, &sorted, &logs, last.time).await? {
            unit.abandon().await?;
            return Ok(Progress { cursor, more: true, kind: "idle" });
        }
        let mut blocks = sorted.blocks;
        blocks.extend(headers.iter().map(recorded));
        unit.record_blocks(slug, &dedup(blocks)).await?;
        let mut places: BTreeSet<Destination> = BTreeSet::new();
        if !sorted.transfers.is_empty() {
            places.extend(unit.insert_transfers(slug, &sorted.transfers, self.network.reorg_grace).await?);
        }
        self.conclude(&mut unit, row, &to, places, &mut effects).await?;
        unit.move_cursor(&self.fence, &cursor, &to).await?;
        self.readers.read(cursor.block.number.plus(1), to.block.number, endpoint.operator());
        self.tally.add(effects.tell(slug));
        crate::telemetry::BLOCKS_SCANNED_TOTAL.add(&[slug.as_str()], to.block.number.above(cursor.block.number));
        let behind = self.head.is_some_and(|(head, _)| head.block.number > to.block.number);
        Ok(Progress { cursor: to, more: behind, kind: "scan" })
    }

    /// The end of every unit that moves the chain: what was put aside, the derivation, then expiry by chain time.
    pub(super) async fn conclude(
        &self,
        unit: &mut Unit,
        row: &NetworkRow,
        to: &Cursor,
        mut places: BTreeSet<Destination>,
        effects: &mut Effects,
    ) -> Result<(), Error> {
        let slug = &self.network.slug;
        if row.derivations_pending {
            places.extend(unit.take_deferred(slug).await?);
        }
        derivation::derive(unit, self.setting(row, to.block.number, None), places, effects).await?;
        self.expire(unit, to, effects).await
    }

    /// Ends sessions whose time ran out by the chain time that this unit commits.
    pub(super) async fn expire(&self, unit: &mut Unit, to: &Cursor, effects: &mut Effects) -> Result<(), Error> {
        let slug = &self.network.slug;
        let hold = match self.network.finality {
            Finality::Confirmations(n) => n,
            // A tag's distance in blocks is not ours to know: about half a minute to two of the chains that have tags.
            Finality::Safe | Finality::Finalized => 32,
        };
        let tokens = self.following.settled_addresses();
        let expired_by = to.time.checked_sub_signed(self.rules.expiry_grace).unwrap_or(to.time);
        let expired = unit.expire(slug, &tokens, to.block.number, expired_by, hold).await?;
        effects.expired(expired);
        Ok(())
    }

    /// Nothing new: only what was put aside is derived.
    async fn idle(&mut self, row: &NetworkRow, cursor: Cursor) -> Result<Found, Error> {
        if row.derivations_pending {
            let mut effects = Effects::default();
            let mut unit = self.store.unit().await?;
            unit.announce(cursor.block.number).await?;
            self.conclude(&mut unit, row, &cursor, BTreeSet::new(), &mut effects).await?;
            unit.commit_fenced(&self.fence, Some(&cursor)).await?;
            self.tally.add(effects.tell(&self.network.slug));
        }
        Ok(Found::Progress(Progress { cursor, more: false, kind: "idle" }))
    }

    /// Keeps the transfers to addresses that a session named, and finds their blocks' times: from the log, from the
    /// headers at hand, else from a header of just that block.
    pub(super) async fn sort(
        &self,
        endpoint: &Endpoint,
        headers: &[Header],
        logs: &Logs,
        chain_time: Time,
        effects: &mut Effects,
    ) -> Result<Sorted, Error> {
        let watched = self.watched(&logs.transfers, chain_time).await?;
        let mut times: BTreeMap<BlockHash, Time> = headers.iter().map(|h| (h.block.hash, h.time)).collect();
        let kept: Vec<&Transfer> = logs.transfers.iter().filter(|t| watched.contains(&t.to)).collect();
        for transfer in &kept {
            if let Some(time) = transfer.time {
                times.entry(transfer.block.hash).or_insert(time);
            }
        }
        let untimed: BTreeMap<BlockHash, BlockRef> =
            kept.iter().filter(|t| !times.contains_key(&t.block.hash)).map(|t| (t.block.hash, t.block)).collect();
        if !untimed.is_empty() {
            let numbers: Vec<BlockNumber> = untimed.values().map(|block| block.number).collect();
            for (block, header) in untimed.values().zip(endpoint.headers(&numbers).await?) {
                match header.filter(|header| header.block.hash == block.hash) {
                    Some(header) => times.insert(block.hash, header.time),
                    None => {
                        return Err(Error::Doubt(format!("endpoint {} no longer has block {block}", endpoint.key())));
                    }
                };
            }
        }
        for (token, found) in &logs.invalid {
            self.following.with_key(*token, |key| effects.invalid(key, *found));
        }
        let mut sorted = Sorted { transfers: Vec::new(), blocks: Vec::new() };
        for transfer in &logs.transfers {
            let token = self.network.tokens.iter().find(|token| token.address == transfer.token);
            match (token, times.get(&transfer.block.hash)) {
                (Some(token), Some(time)) if watched.contains(&transfer.to) => {
                    sorted.transfers.push((*transfer, *time, token.decimals));
                    sorted.blocks.push(RecordedBlock { block: transfer.block, parent: None, time: *time });
                }
                _ => self.following.with_key(transfer.token, |key| effects.ignored(key, 1)),
            }
        }
        Ok(sorted)
    }

    /// Blocks of another branch than the one that is recorded are no news: their endpoint is on that branch. What this unit
    /// took off the chain counts as gone.
    pub(super) async fn on_our_chain(
        &self,
        mut unit: Unit,
        endpoint: &Endpoint,
        sorted: &Sorted,
    ) -> Result<Unit, Error> {
        let heights: Vec<BlockNumber> = sorted.blocks.iter().map(|block| block.block.number).collect();
        if heights.is_empty() {
            return Ok(unit);
        }
        let recorded = unit.recorded_among(&self.network.slug, &heights).await?;
        let other = |told: &BlockRef| recorded.iter().any(|ours| ours.number == told.number && ours.hash != told.hash);
        let Some(block) = sorted.blocks.iter().map(|block| block.block).find(other) else { return Ok(unit) };
        unit.abandon().await?;
        Err(Error::Doubt(format!(
            "block {block}, of which endpoint {} or a witness tells, is not the one that is recorded there",
            endpoint.key()
        )))
    }

    pub(super) async fn watched(&self, transfers: &[Transfer], chain_time: Time) -> Result<BTreeSet<Address>, Error> {
        let recipients: BTreeSet<Address> = transfers.iter().map(|transfer| transfer.to).collect();
        if recipients.is_empty() {
            return Ok(recipients);
        }
        let recipients: Vec<Address> = recipients.into_iter().collect();
        Ok(self.store.watched(&recipients, self.late_since(chain_time)).await?.into_iter().collect())
    }

    /// Sessions opened since the transfers were sorted may name further addresses: then the step begins again. Which
    /// addresses matter is decided by the sessions visible in the committing transaction.
    async fn still_covers(
        &self,
        unit: &mut Unit,
        sorted: &Sorted,
        logs: &Logs,
        chain_time: Time,
    ) -> Result<bool, Error> {
        let kept: BTreeSet<Address> = sorted.transfers.iter().map(|(transfer, _, _)| transfer.to).collect();
        let others: BTreeSet<Address> = logs.transfers.iter().map(|t| t.to).filter(|to| !kept.contains(to)).collect();
        if others.is_empty() {
            return Ok(true);
        }
        let others: Vec<Address> = others.into_iter().collect();
        Ok(unit.watched(&others, self.late_since(chain_time)).await?.is_empty())
    }

    fn late_since(&self, chain_time: Time) -> Time {
        chain_time.checked_sub_signed(span(self.sessions.late_window)).unwrap_or(chain_time)
    }
}

/// A log's `blockTimestamp` decides whether money is in time, and some nodes fill it with anything: what is not plausible
/// is read from the block's header instead.
pub(super) fn distrust_times(logs: &mut Logs, plausible: impl Fn(Time) -> bool) {
    for transfer in &mut logs.transfers {
        transfer.time = transfer.time.filter(|time| plausible(*time));
    }
}

/// A header as it is recorded.
pub(super) fn recorded(header: &Header) -> RecordedBlock {
    RecordedBlock { block: header.block, parent: Some(header.parent), time: header.time }
}

/// One row a block; a header knows more than a log.
pub(super) fn dedup(blocks: Vec<RecordedBlock>) -> Vec<RecordedBlock> {
    let mut unique: BTreeMap<BlockHash, RecordedBlock> = BTreeMap::new();
    for block in blocks {
        let kept = unique.entry(block.block.hash).or_insert(block);
        kept.parent = kept.parent.or(block.parent);
    }
    unique.into_values().collect()
}

/// Logs and headers of one answer must speak of the same blocks, and neighbours among the headers must be linked.
fn consistent(headers: &[Header], transfers: &[Transfer]) -> Result<(), Error> {
    let by_number: BTreeMap<BlockNumber, &Header> = headers.iter().map(|h| (h.block.number, h)).collect();
    let stray = transfers.iter().find(|t| by_number.get(&t.block.number).is_some_and(|h| h.block.hash != t.block.hash));
    if let Some(stray) = stray {
        return Err(Error::Doubt(format!("a log of block {} does not belong to that block's header", stray.block)));
    }
    for header in headers {
        let below = by_number.get(&header.block.number.minus(1)).filter(|_| header.block.number.0 > 0);
        if below.is_some_and(|below| below.block.hash != header.parent) {
            return Err(Error::Doubt(format!("block {} does not follow the block below it", header.block)));
        }
    }
    Ok(())
}
