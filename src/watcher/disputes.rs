//! What a look can say nothing of: endpoints contradict each other. It outlives who contradicted, who may only be pausing,
//! and is kept in the network's row, so that it outlives us too. Not for who is right ([`super::ruling`]).

use std::collections::BTreeMap;

use super::{Error, Watcher};
use crate::domain::BlockNumber;
use crate::store::NetworkRow;

/// Of the second look and of each rescan by itself, and the lowest block of all as the row has it.
#[derive(Debug, Default)]
pub(super) struct Disputes {
    look: Dispute,
    /// By their ids: one that gives way to another leaves its dispute behind.
    rescans: BTreeMap<i64, Dispute>,
    /// Of a rescan, as an earlier holder kept it: nobody knows of which one.
    inherited: Dispute,
    kept: Option<BlockNumber>,
}

#[derive(Debug, Default)]
struct Dispute {
    transfers: u64,
    /// The lowest block, and why.
    lowest: Option<(BlockNumber, String)>,
}

impl Disputes {
    /// Transfers in dispute.
    pub(super) fn transfers(&self) -> u64 {
        self.all().fold(0, |sum: u64, dispute| sum.saturating_add(dispute.transfers))
    }

    /// The lowest block in dispute.
    pub(super) fn lowest(&self) -> Option<BlockNumber> {
        self.all().filter_map(|dispute| dispute.lowest.as_ref()).map(|(block, _)| *block).min()
    }

    fn all(&self) -> impl Iterator<Item = &Dispute> {
        [&self.look, &self.inherited].into_iter().chain(self.rescans.values())
    }

    /// What is known of this rescan, or of the second look.
    fn of(&mut self, rescan: Option<i64>) -> &mut Dispute {
        match rescan {
            Some(id) => self.rescans.entry(id).or_default(),
            None => &mut self.look,
        }
    }

    /// A rescan had both its looks at these blocks, and nothing of them is in dispute.
    pub(super) fn settle_between(&mut self, from: BlockNumber, to: BlockNumber) {
        if self.inherited.lowest.as_ref().is_some_and(|(block, _)| (from..=to).contains(block)) {
            self.inherited = Dispute::default();
        }
    }

    /// The chain left all blocks above this one, and what was said of them.
    fn leave_above(&mut self, ancestor: BlockNumber) {
        for dispute in [&mut self.look, &mut self.inherited].into_iter().chain(self.rescans.values_mut()) {
            if dispute.lowest.as_ref().is_some_and(|(block, _)| *block > ancestor) {
                *dispute = Dispute::default();
            }
        }
    }
}

impl Watcher {
    /// Takes over what an earlier holder left undecided. What lies where both looks have been is a rescan's: the next second
    /// look does not come there.
    pub(super) fn inherit_dispute(&mut self, row: &NetworkRow) {
        self.disputes.kept = row.disputed;
        if let Some(block) = row.disputed.filter(|_| self.disputes.lowest().is_none()) {
            let of_rescan = row.cursor.is_some_and(|cursor| block <= cursor.confirmed);
            let known = if of_rescan { &mut self.disputes.inherited } else { &mut self.disputes.look };
            known.lowest = Some((block, "an earlier holder of the network found it".to_owned()));
        }
    }

    /// Says once what is in dispute and why, and again when that changes; a step comes every few seconds.
    pub(super) async fn tell_dispute(
        &mut self,
        rescan: Option<i64>,
        disputed: Option<&(BlockNumber, String)>,
        transfers: u64,
    ) -> Result<(), Error> {
        let known = self.disputes.of(rescan);
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
        self.disputes.rescans.retain(|_, dispute| dispute.lowest.is_some());
        self.keep_dispute().await
    }

    /// A witness has another block at this height than is recorded. As long as it is not heard again, nobody is believed
    /// alone: it may be the one that is right.
    pub(super) async fn heard_otherwise(
        &mut self,
        rescan: Option<i64>,
        block: BlockNumber,
        why: &Error,
    ) -> Result<(), Error> {
        let known = self.disputes.of(rescan);
        known.lowest.get_or_insert_with(|| (block, why.to_string()));
        self.keep_dispute().await
    }

    /// No rescan is left that could decide what an earlier holder found in one.
    pub(super) async fn leave_inherited(&mut self) -> Result<(), Error> {
        self.disputes.inherited = Dispute::default();
        self.keep_dispute().await
    }

    /// A reorganisation has decided what was in dispute above this block.
    pub(super) async fn leave_disputes_above(&mut self, ancestor: BlockNumber) -> Result<(), Error> {
        self.disputes.leave_above(ancestor);
        self.keep_dispute().await
    }

    async fn keep_dispute(&mut self) -> Result<(), Error> {
        let lowest = self.disputes.lowest();
        if lowest != self.disputes.kept {
            self.store.keep_dispute(&self.fence, lowest).await?;
            self.disputes.kept = lowest;
        }
        Ok(())
    }
}
