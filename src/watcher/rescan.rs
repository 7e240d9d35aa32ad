//! Reading a range again because a person asked or a token was added: a piece a step, both looks, idempotent. What nobody
//! serves any more costs the looks nothing, and other ranges no more than their turn ([`super::turns`]).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::second_look::Span;
use super::{Effects, Error, Progress, Watcher, first_look, plan};
use crate::chain::{self, Endpoint, RangeAsk};
use crate::domain::Address;
use crate::store::{Cursor, NetworkRow, Rescan};

impl Watcher {
    /// One piece of the rescan whose turn it is.
    pub(super) async fn rescan(&mut self, endpoint: &Endpoint, row: &NetworkRow) -> Result<Option<Progress>, Error> {
        let Some(cursor) = row.cursor else { return Ok(None) };
        // A token that has not told its decimals, or told others, waits with its past.
        // Where none has told the range waits as a whole; where none is left to be read it holds nothing.
        let sure = self.following.sure_addresses();
        let of_all = !sure.is_empty() || self.following.unsure_addresses().is_empty();
        let open = self.store.open_rescans(&self.network.slug, &sure, of_all).await?;
        if open.is_empty() && self.following.unsure_addresses().is_empty() {
            self.leave_inherited().await?;
        }
        let Some(rescan) = self.turns.next(open, Instant::now()) else { return Ok(None) };
        let outcome = chain::of_the_past(self.piece(endpoint, row, &cursor, &rescan, sure)).await;
        match outcome {
            Ok(()) => self.turns.went_on(rescan.id),
            Err(Error::Store(error)) => return Err(error.into()),
            Err(error @ (Error::Chain(_) | Error::Doubt(_))) => {
                let why = format!("rescan {} up to block {} waits: {error}", rescan.id, rescan.to);
                self.turns.could_not(rescan.id, why.clone(), self.network.poll_interval, Instant::now());
                return Err(Error::Doubt(why));
            }
        }
        self.refresh_behind().await?;
        Ok(Some(Progress { cursor, more: true, kind: "backfill" }))
    }

    async fn piece(
        &mut self,
        endpoint: &Endpoint,
        row: &NetworkRow,
        cursor: &Cursor,
        rescan: &Rescan,
        sure: Vec<Address>,
    ) -> Result<(), Error> {
        let to = rescan.to.min(cursor.block.number);
        let tokens = |of_all: Vec<Address>| rescan.token.map_or(of_all, |token| vec![token]);
        if rescan.next_first <= to {
            self.first_pass(endpoint, row, cursor, rescan, tokens(self.following.addresses())).await
        } else if rescan.next_second <= to.min(cursor.confirmed) {
            let last = to.min(cursor.confirmed).min(rescan.next_second.plus(endpoint.range().saturating_sub(1)));
            let anchor = self.anchor(cursor, plan::buried_by(last, self.network.finality)).await?;
            let base = self.anchor(cursor, last).await?;
            let span = Span { from: rescan.next_second, to: last, anchor, base, tokens: tokens(sure), reader: None };
            self.look_again(endpoint, row, cursor, &span, Some(rescan)).await.map(drop)
        } else {
            // What is left is not yet deep enough: the ordinary second look comes by.
            let mut unit = self.store.unit().await?;
            let done = Rescan { next_first: rescan.to.plus(1), next_second: rescan.to.plus(1), ..rescan.clone() };
            unit.advance_rescan(&done, 0).await?;
            unit.commit_fenced(&self.fence, Some(cursor)).await?;
            self.tell_dispute(Some(rescan.id), None, 0).await
        }
    }

    /// The first look at a piece, at the first endpoint that gives it: another may have kept what this one dropped.
    async fn first_pass(
        &mut self,
        endpoint: &Endpoint,
        row: &NetworkRow,
        cursor: &Cursor,
        rescan: &Rescan,
        tokens: Vec<Address>,
    ) -> Result<(), Error> {
        let others = self.pool.healthy().into_iter().chain(self.pool.lagging());
        let others: Vec<Arc<Endpoint>> = others.filter(|other| other.key() != endpoint.key()).collect();
        let mut outcome = self.first_pass_at(endpoint, row, cursor, rescan, tokens.clone()).await;
        for other in &others {
            if !matches!(outcome, Err(Error::Chain(chain::Error::Refuses { .. }) | Error::Doubt(_))) {
                break;
            }
            outcome = self.first_pass_at(other, row, cursor, rescan, tokens.clone()).await;
        }
        outcome
    }

    async fn first_pass_at(
        &mut self,
        endpoint: &Endpoint,
        row: &NetworkRow,
        cursor: &Cursor,
        rescan: &Rescan,
        tokens: Vec<Address>,
    ) -> Result<(), Error> {
        let slug = &self.network.slug;
        let from = rescan.next_first;
        let to = rescan.to.min(cursor.block.number).min(from.plus(endpoint.range().saturating_sub(1)));
        let anchor = self.anchor(cursor, to).await?;
        let ask = RangeAsk { from, to, headers: vec![anchor.number], tokens };
        let (mut answer, to) = endpoint.range_logs_upto(&ask).await?;
        if answer.headers.first().copied().flatten().is_none_or(|header| header.block != anchor) {
            return Err(Error::Doubt(format!(
                "endpoint {} does not have block {anchor}: the range waits",
                endpoint.key()
            )));
        }
        first_look::distrust_times(&mut answer.logs, |_| false);
        let mut effects = Effects::default();
        let sorted = self.sort(endpoint, &[], &answer.logs, cursor.time, &mut effects).await?;
        let unit = self.store.unit().await?;
        let mut unit = self.on_our_chain(unit, endpoint, &sorted).await?;
        unit.announce(cursor.block.number).await?;
        unit.record_blocks(slug, &first_look::dedup(sorted.blocks)).await?;
        let added = match sorted.transfers.is_empty() {
            true => Vec::new(),
            false => unit.insert_transfers(slug, &sorted.transfers, self.network.reorg_grace).await?,
        };
        let count = u64::try_from(added.len()).unwrap_or(u64::MAX);
        let places: BTreeSet<_> = added.into_iter().collect();
        self.conclude(&mut unit, row, cursor, places, &mut effects).await?;
        let next = Rescan { next_first: to.plus(1), ..rescan.clone() };
        unit.advance_rescan(&next, count).await?;
        self.readers.forget(from, to);
        unit.commit_fenced(&self.fence, Some(cursor)).await?;
        self.tally.add(effects.tell(slug));
        Ok(())
    }

    /// A block at or above `number` that every endpoint of this chain must have; the cursor's is one.
    pub(super) async fn anchor(
        &self,
        cursor: &Cursor,
        number: crate::domain::BlockNumber,
    ) -> Result<crate::domain::BlockRef, Error> {
        Ok(self.store.headed_from(&self.network.slug, number).await?.unwrap_or(cursor.block))
    }
}
