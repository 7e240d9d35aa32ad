//! Whether the blocks that pay are as old as the first look was told: a time decides whether money is in time, and says
//! nothing of itself in a log or a hash. Not for the transfers in these blocks: that is [`super::ruling`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ruling::{Ruling, is_among};
use super::second_look::count;
use super::{Error, Watcher};
use crate::chain::{self, Endpoint, Logs};
use crate::domain::{BlockHash, BlockNumber, BlockRef, Header, Time, Transfer};
use crate::settings::Verify;
use crate::store::BlockTime;

/// What the logs of each witness say of the times of their blocks.
#[derive(Debug, Default)]
pub(super) struct Dated(Vec<BTreeMap<BlockHash, Time>>);

impl Dated {
    /// The next witness told this.
    pub(super) fn hear(&mut self, logs: &Logs) {
        let times = logs.transfers.iter().filter_map(|transfer| Some((transfer.block.hash, transfer.time?)));
        self.0.push(times.collect());
    }
}

/// A block that pays: its time as it is stored, if it is, and how many of its transfers are at stake.
struct Paying {
    block: BlockRef,
    time: Option<Time>,
    transfers: usize,
}

impl Watcher {
    /// Rules on the times of the blocks that pay, up to `reached`. Each witness must date them as they are stored, by its
    /// logs or by its header; a header that is proven needs nobody's word.
    pub(super) async fn rule_on_times(
        &self,
        witnesses: &[Arc<Endpoint>],
        dated: &Dated,
        stored: &[Transfer],
        ruling: &mut Ruling,
        reached: BlockNumber,
    ) -> Result<(), Error> {
        let paying = paying(stored, ruling, reached);
        let headers = match self.network.verify {
            Verify::Receipts => ruling.headers.clone(),
            Verify::Logs => {
                let contested = contested(witnesses, dated, &paying).await?;
                let told = self.headers_of(witnesses, &contested).await;
                let mut headers = Vec::new();
                for (block, told) in contested.iter().zip(told) {
                    let Some(paying) = paying.iter().find(|paying| paying.block == *block) else { continue };
                    match told.filter(|(_, words)| *words >= self.words_needed()) {
                        Some((header, _)) => headers.push(header),
                        None => {
                            let why = "endpoints disagree about its time, or too few tell it";
                            ruling.dispute(block.number, paying.transfers, why);
                        }
                    }
                }
                headers
            }
        };
        for header in headers {
            match paying.iter().find(|paying| paying.block == header.block).map(|paying| paying.time) {
                Some(Some(time)) if time != header.time => {
                    ruling.misdated.push(BlockTime { block: header.block, time: header.time });
                }
                Some(None) if !ruling.headers.contains(&header) => ruling.headers.push(header),
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    /// The headers of these blocks, and how many operators gave them, each where everybody who can be asked and has the
    /// block dates it the same.
    async fn headers_of(&self, witnesses: &[Arc<Endpoint>], blocks: &[BlockRef]) -> Vec<Option<(Header, u64)>> {
        if blocks.is_empty() {
            return Vec::new();
        }
        let heights: Vec<BlockNumber> = blocks.iter().map(|block| block.number).collect();
        let others = self.pool.healthy();
        let others = others.iter().filter(|other| !is_among(witnesses, other));
        let mut told: Vec<(BTreeSet<&str>, Vec<Header>)> = blocks.iter().map(|_| Default::default()).collect();
        let asked: Vec<&Arc<Endpoint>> = witnesses.iter().chain(others).collect();
        for endpoint in asked {
            let headers = match endpoint.headers(&heights).await {
                Ok(headers) => headers,
                // It has dropped what is old, and has no word.
                Err(chain::Error::Refuses { .. }) if !is_among(witnesses, endpoint) => continue,
                // Who has it and cannot say so now may contradict.
                Err(_) => return blocks.iter().map(|_| None).collect(),
            };
            for ((block, header), (operators, words)) in blocks.iter().zip(headers).zip(&mut told) {
                if let Some(header) = header.filter(|header| header.block == *block) {
                    operators.insert(endpoint.operator());
                    words.push(header);
                }
            }
        }
        let alike = |(operators, words): (BTreeSet<&str>, Vec<Header>)| {
            let first = words.first().copied()?;
            words.iter().all(|word| word.time == first.time).then(|| (first, count(operators.len())))
        };
        told.into_iter().map(alike).collect()
    }
}

/// The blocks that pay by what is stored and what was missed, without what was invented.
fn paying(stored: &[Transfer], ruling: &Ruling, reached: BlockNumber) -> Vec<Paying> {
    let mut paying: BTreeMap<(BlockNumber, BlockHash), Paying> = BTreeMap::new();
    let stored = stored.iter().filter(|transfer| !ruling.invented.contains(transfer));
    let stored = stored.map(|transfer| (transfer.block, transfer.time));
    let missed = ruling.missed.iter().map(|transfer| (transfer.block, None));
    for (block, time) in stored.chain(missed).filter(|(block, _)| block.number <= reached) {
        let vacant = || Paying { block, time: None, transfers: 0 };
        let paying = paying.entry((block.number, block.hash)).or_insert_with(vacant);
        paying.time = paying.time.or(time);
        paying.transfers = paying.transfers.saturating_add(1);
    }
    paying.into_values().collect()
}

/// The blocks of which not every witness has the stored time, and those of which none is stored. One whose logs do not say
/// it, or say anything, is asked for the header.
async fn contested(witnesses: &[Arc<Endpoint>], dated: &Dated, paying: &[Paying]) -> Result<Vec<BlockRef>, Error> {
    let key = |paying: &Paying| (paying.block.number, paying.block.hash);
    let missed = paying.iter().filter(|paying| paying.time.is_none());
    let mut contested: BTreeSet<(BlockNumber, BlockHash)> = missed.map(key).collect();
    for (witness, dated) in witnesses.iter().zip(&dated.0) {
        let unsaid = |paying: &&Paying| dated.get(&paying.block.hash).copied() != paying.time && paying.time.is_some();
        let unsaid: Vec<&Paying> = paying.iter().filter(unsaid).collect();
        if unsaid.is_empty() {
            continue;
        }
        let heights: Vec<BlockNumber> = unsaid.iter().map(|paying| paying.block.number).collect();
        for (paying, header) in unsaid.into_iter().zip(witness.headers(&heights).await?) {
            if header.is_none_or(|header| header.block != paying.block || Some(header.time) != paying.time) {
                contested.insert(key(paying));
            }
        }
    }
    Ok(contested.into_iter().map(|(number, hash)| BlockRef { number, hash }).collect())
}
