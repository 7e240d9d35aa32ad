//! Who is asked in the second look, and what counts as their agreement about the chain's own tag. Not for what they say
//! of transfers ([`super::ruling`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use super::ruling::is_among;
use super::second_look::{Span, head_of};
use super::{Error, Watcher};
use crate::chain::{Endpoint, Logs, RangeAsk, Tag};
use crate::domain::{BlockHash, BlockNumber, BlockRef, Header};
use crate::store::{Cursor, NetworkRow};

/// What a witness gave of a span.
pub(super) enum Reading {
    /// And how far they go.
    Logs(Logs, BlockNumber),
    /// It does not have our chain that far: another operator is asked instead.
    Behind(Error),
    /// It has another block at this height.
    Contradicts(BlockNumber, Error),
}

impl Watcher {
    /// Whom to ask, in order: an endpoint of each operator, the `reader`, whose word the first look took, last. Where one
    /// word is enough and somebody else can give it, the reader is not asked at all.
    pub(super) async fn candidates(&self, first: &Endpoint, reader: Option<&str>) -> Result<Vec<Arc<Endpoint>>, Error> {
        let mut witnesses: Vec<Arc<Endpoint>> = self.pool.second(first).await.into_iter().collect();
        let (same, others): (Vec<_>, Vec<_>) =
            self.pool.healthy().into_iter().partition(|endpoint| endpoint.operator() == first.operator());
        // One that lags may have what is deep enough. Where it has not, nothing is confirmed without it: it may be the honest
        // one, left behind by a chain that somebody made up.
        let slow = self.pool.lagging().into_iter().filter(|endpoint| endpoint.operator() != first.operator());
        // Where nobody knows who read first, the first look's operator now is one of any two that are good enough.
        let (known, unknown) = if reader.is_some() { (same, Vec::new()) } else { (Vec::new(), same) };
        for endpoint in others.into_iter().chain(unknown).chain(slow).chain(known) {
            if !witnesses.iter().any(|witness| witness.operator() == endpoint.operator()) {
                witnesses.push(endpoint);
            }
        }
        let own = |witness: &Arc<Endpoint>| reader == Some(witness.operator());
        witnesses.sort_by_key(own);
        // One of two is not the reader, whoever that was.
        let others = witnesses.iter().filter(|witness| !own(witness)).count();
        if self.must_hear_another() && others < if reader.is_none() { 2 } else { 1 } {
            let why = "transfers are in dispute, and no other operator can be asked: nothing is confirmed".to_owned();
            return Err(Error::Doubt(why));
        }
        if self.network.quorum == 1 && others > 0 {
            witnesses.retain(|witness| !own(witness));
        }
        let quorum = self.quorum();
        if witnesses.len() < quorum {
            let count = witnesses.len();
            let why = format!("quorum: {count} of {quorum} operators can be asked; nothing is confirmed");
            return Err(Error::Doubt(why));
        }
        Ok(witnesses)
    }

    /// How many of the candidates must speak: as many as the quorum; two where nobody knows whose word was taken first.
    pub(super) fn witnesses_needed(&self, candidates: &[Arc<Endpoint>], reader: Option<&str>) -> usize {
        self.quorum().max(if reader.is_none() { 2 } else { 1 }).min(candidates.len())
    }

    /// The other endpoints of the same operators: what is old one of them may have kept and another dropped.
    pub(super) fn spares(&self, candidates: &[Arc<Endpoint>]) -> Vec<Arc<Endpoint>> {
        let asked = |operator: &str| candidates.iter().any(|candidate| candidate.operator() == operator);
        let others = self.pool.healthy().into_iter().chain(self.pool.lagging());
        others.filter(|other| asked(other.operator()) && !is_among(candidates, other)).collect()
    }

    /// How many of so many operators a rescan needs, once it was heard who refuses what it asks. Who does so again and again
    /// is passed over like one that is away: what is old may be left at one operator alone. Not while anything is in dispute.
    pub(super) fn still_needed(
        &mut self,
        rescan: i64,
        needed: usize,
        operators: usize,
        witnesses: &[Arc<Endpoint>],
        refusing: &BTreeSet<String>,
    ) -> usize {
        let gave = |operator: &str| witnesses.iter().any(|witness| witness.operator() == operator);
        witnesses.iter().for_each(|witness| self.turns.gave(rescan, witness.operator()));
        let refusing = refusing.iter().filter(|operator| !gave(operator));
        let over = refusing.filter(|operator| self.turns.refused(rescan, operator)).count();
        match self.must_hear_another() {
            true => needed,
            false => needed.min(operators.saturating_sub(over)).max(self.quorum()),
        }
    }

    fn quorum(&self) -> usize {
        usize::try_from(self.network.quorum).unwrap_or(usize::MAX)
    }

    /// While something is in dispute one operator's word is not enough where there are two: who would contradict may only be
    /// pausing.
    fn must_hear_another(&self) -> bool {
        self.disputes.lowest().is_some() && self.several_operators()
    }

    /// Whether the network is configured with more than one operator, whoever of them can be asked now.
    pub(super) fn several_operators(&self) -> bool {
        let operators: BTreeSet<&str> = self.pool.endpoints().iter().map(|endpoint| endpoint.operator()).collect();
        operators.len() > 1
    }

    /// The chain's own tag, kept as the highest block that was seen under it; never lower, never of another branch.
    ///
    /// The tag moves while operators are asked, so it is pinned before: to the highest height that `quorum` of them have
    /// passed, but not beyond our cursor: a tag says nothing of what we have not read. Then as many must have the same block
    /// there.
    pub(super) async fn final_block(
        &mut self,
        first: &Endpoint,
        row: &NetworkRow,
        cursor: &Cursor,
        tag: Tag,
    ) -> Result<Option<BlockRef>, Error> {
        let kept = row.final_block;
        if self.tag_asked.is_some_and(|at| at.elapsed() < self.network.poll_interval) {
            return self.kept(kept, cursor);
        }
        if kept.is_some_and(|kept| kept.number >= cursor.block.number) || !self.is_due(cursor, &head_of(cursor)).await?
        {
            return Ok(kept);
        }
        self.tag_asked = Some(Instant::now());
        let told = self.tagged(first, tag).await?;
        self.untold = (told.len() < self.quorum()).then(|| {
            let (count, quorum) = (told.len(), self.quorum());
            format!("{count} of {quorum} operators tell the tag {}: nothing is confirmed by it", tag.as_str())
        });
        if self.untold.is_some() {
            return self.kept(kept, cursor);
        }
        let pinned = pinned(&told, self.network.quorum).map(|pinned| pinned.min(cursor.block.number));
        let Some(pinned) = pinned.filter(|at| kept.is_none_or(|kept| *at > kept.number)) else { return Ok(kept) };
        let block = self.agreed_at(&told, pinned, kept, tag).await?;
        let recorded = self.store.recorded_at(&self.network.slug, block.number).await?;
        if recorded.is_some_and(|recorded| recorded.hash != block.hash) {
            return Ok(kept);
        }
        self.store.raise_final(&self.fence, block).await?;
        Ok(Some(block))
    }

    /// What was final before. That too few tell the tag is said once nothing is left to confirm without it.
    fn kept(&self, kept: Option<BlockRef>, cursor: &Cursor) -> Result<Option<BlockRef>, Error> {
        match &self.untold {
            Some(why) if kept.is_none_or(|kept| kept.number <= cursor.confirmed) => Err(Error::Doubt(why.clone())),
            _ => Ok(kept),
        }
    }

    /// The tag by each operator who knows it; one is enough where one is asked for, and then the first look's own is asked
    /// last: on many chains not everybody knows tags.
    async fn tagged(&self, first: &Endpoint, tag: Tag) -> Result<Vec<(Arc<Endpoint>, BlockRef)>, Error> {
        let mut told = Vec::new();
        let mut witnesses = self.candidates(first, Some(first.operator())).await?;
        if self.network.quorum == 1 && !self.must_hear_another() {
            let unasked = !witnesses.iter().any(|witness| witness.key() == first.key());
            let own = self.pool.endpoints().iter().filter(|endpoint| unasked && endpoint.key() == first.key());
            witnesses.extend(own.cloned());
        }
        for witness in witnesses {
            let (network, endpoint) = (self.network.slug.as_str(), witness.key().clone());
            match witness.tagged(tag).await {
                Ok(Some(block)) => told.push((witness, block)),
                Ok(None) => {
                    tracing::warn!(network, %endpoint, tag = tag.as_str(), "endpoint does not know this tag: nothing is confirmed by its word");
                }
                Err(error) => tracing::warn!(network, %endpoint, tag = tag.as_str(), %error, "tag cannot be read"),
            }
            if self.network.quorum == 1 && !told.is_empty() {
                break;
            }
        }
        Ok(told)
    }

    /// The block at the pinned height, where `quorum` operators whose tag has passed it have the same one, and still
    /// have the one that was final before.
    async fn agreed_at(
        &self,
        told: &[(Arc<Endpoint>, BlockRef)],
        pinned: BlockNumber,
        kept: Option<BlockRef>,
        tag: Tag,
    ) -> Result<BlockRef, Error> {
        let mut words: BTreeMap<BlockHash, u32> = BTreeMap::new();
        for (witness, tagged) in told.iter().filter(|(_, tagged)| tagged.number >= pinned) {
            // The only word, of just this block: nothing is left to compare.
            if told.len() == 1 && tagged.number == pinned {
                return Ok(*tagged);
            }
            let heights: Vec<BlockNumber> = std::iter::once(pinned).chain(kept.map(|kept| kept.number)).collect();
            let headers = match witness.headers(&heights).await {
                Ok(headers) => headers,
                Err(error) => {
                    let network = self.network.slug.as_str();
                    tracing::warn!(network, endpoint = %witness.key(), %error, "the pinned block cannot be read");
                    continue;
                }
            };
            let mut headers = headers.into_iter();
            let (at, below) = (headers.next().flatten(), headers.next().flatten());
            if let (Some(kept), Some(below)) = (kept, below)
                && below.block != kept
            {
                return Err(Error::Doubt(format!(
                    "finality violation: endpoint {} has block {} where block {kept} was {}",
                    witness.key(),
                    below.block,
                    tag.as_str()
                )));
            }
            if let Some(header) = at {
                let count = words.entry(header.block.hash).or_default();
                *count = count.saturating_add(1);
            }
        }
        let mut enough = words.iter().filter(|(_, count)| **count >= self.network.quorum);
        match (enough.next(), enough.next()) {
            (Some((hash, _)), None) => {
                if words.len() > 1 {
                    let network = self.network.slug.as_str();
                    tracing::error!(network, block = pinned.0, tag = tag.as_str(), "not all operators have this block");
                }
                Ok(BlockRef { number: pinned, hash: *hash })
            }
            _ => Err(Error::Doubt(format!(
                "operators do not agree which block {pinned} is {}: nothing is confirmed by it",
                tag.as_str()
            ))),
        }
    }
}

/// The highest height that so many of these have passed.
fn pinned(told: &[(Arc<Endpoint>, BlockRef)], quorum: u32) -> Option<BlockNumber> {
    let mut heights: Vec<BlockNumber> = told.iter().map(|(_, block)| block.number).collect();
    heights.sort_unstable_by(|a, b| b.cmp(a));
    heights.get(usize::try_from(quorum).ok()?.checked_sub(1)?).copied()
}

/// One batch: the logs, and the header that ties them to our own chain.
pub(super) async fn read_again(witness: &Endpoint, span: &Span, to: BlockNumber) -> Result<Reading, Error> {
    let ask = RangeAsk { from: span.from, to, headers: vec![span.anchor.number], tokens: span.tokens.clone() };
    let (answer, to) = witness.range_logs_upto(&ask).await?;
    let contradicts = |header: Header| {
        let (key, block) = (witness.key(), header.block);
        let why = format!("endpoint {key} has block {block} where another is recorded: nothing is confirmed from it");
        Ok(Reading::Contradicts(block.number, Error::Doubt(why)))
    };
    match answer.headers.first().copied().flatten() {
        Some(header) if header.block == span.anchor => Ok(Reading::Logs(answer.logs, to)),
        Some(header) => contradicts(header),
        None => match witness.headers(&[span.base.number]).await?.into_iter().next().flatten() {
            Some(header) if header.block != span.base => contradicts(header),
            Some(_) | None => Ok(Reading::Behind(Error::Doubt(format!(
                "endpoint {} is behind: it has no block {}",
                witness.key(),
                span.anchor.number
            )))),
        },
    }
}
