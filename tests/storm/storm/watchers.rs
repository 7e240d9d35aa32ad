//! Several watchers: one holds the network, the others did and do not know that they lost it.

use std::pin::pin;

use deposit_watcher::store;
use deposit_watcher::watcher::{Error, Step, Watcher};
use futures_util::future::{Either, join, select};

use super::seed::Seed;
use crate::rig::{Rig, some_polls};

/// Stale watchers that are kept; with the holder there are three.
const KEPT: usize = 2;

impl Seed {
    pub(crate) async fn watchers(&mut self) {
        match self.dice.below(5) {
            0 if !self.stale.is_empty() => self.stale_alone().await,
            1 if !self.stale.is_empty() => self.both_step().await,
            2 | 3 => self.taken_in_mid_step().await,
            _ => self.taken_at_rest().await,
        }
        while self.stale.len() > KEPT {
            self.stale.remove(0);
        }
    }

    fn any_stale(&mut self) -> Watcher {
        let at = self.dice.below(self.stale.len() as u64) as usize;
        self.stale.remove(at)
    }

    /// One that lost its lease steps to the end, and nothing changes.
    async fn stale_alone(&mut self) {
        let mut stale = self.any_stale();
        let before = self.fingerprint().await;
        let outcome = stale.step().await;
        assert_eq!(self.fingerprint().await, before, "a watcher without a lease wrote: {outcome:?}");
        self.hit("watchers: a step without a lease");
        self.say(format!("step without a lease: {outcome:?}"));
        self.stale.push(stale);
    }

    /// It steps while the holder does; the holder alone gets anywhere.
    async fn both_step(&mut self) {
        let mut stale = self.any_stale();
        self.rig.pool.forgive();
        let (theirs, ours) = join(stale.step(), self.rig.watcher.step()).await;
        assert!(!wrote(&theirs), "a watcher without a lease committed: {theirs:?}");
        self.hit("watchers: two step at once");
        if matches!(theirs, Err(Error::Store(store::Error::LeaseLost))) {
            self.hit("watchers: told that it lost its lease");
        }
        self.say(format!("with it a step without a lease: {theirs:?}"));
        self.note(ours);
        self.stale.push(stale);
    }

    /// Another one takes the network while its holder is somewhere in a step. What the holder committed until then
    /// stands; from then on it commits nothing.
    async fn taken_in_mid_step(&mut self) {
        self.rig.pool.forgive();
        let polls = self.dice.between(1, 45) as u32;
        let mut old = self.rig.lay_down();
        let outcome = {
            let mut step = pin!(old.step());
            let mut ended = some_polls(step.as_mut(), polls).await;
            if ended.is_some() {
                self.rig.take_over().await;
            } else {
                let mut taking = pin!(self.rig.take_over());
                if let Either::Left((outcome, _)) = select(step.as_mut(), taking.as_mut()).await {
                    ended = Some(outcome);
                    taking.await;
                }
            }
            match ended {
                Some(outcome) => outcome,
                None => {
                    let before = self.fingerprint().await;
                    let outcome = step.await;
                    assert_eq!(self.fingerprint().await, before, "written after the lease was lost: {outcome:?}");
                    self.hit("watchers: taken in mid-step");
                    outcome
                }
            }
        };
        if matches!(outcome, Err(Error::Store(store::Error::LeaseLost))) {
            self.hit("watchers: told that it lost its lease");
        }
        self.say(format!("taken over at poll {polls} of a step: {outcome:?}"));
        self.stale.push(old);
    }

    /// Another one takes the network; the one that held it begins a step afterwards, and maybe never ends it.
    async fn taken_at_rest(&mut self) {
        let polls = self.dice.between(0, 40) as u32;
        let mut old = self.rig.take_over().await;
        let before = self.fingerprint().await;
        let ended = {
            let mut step = pin!(old.step());
            some_polls(step.as_mut(), polls).await.is_some()
        };
        assert_eq!(self.fingerprint().await, before, "a watcher without a lease wrote");
        self.stale.push(old);
        self.hit("watchers: taken at rest");
        let end = if ended { " to the end of a step" } else { "" };
        self.say(format!("takeover; the old one makes {polls} polls more{end}"));
    }

    /// All that a watcher may write under a fence.
    pub(super) async fn fingerprint(&self) -> String {
        let Rig { outside, .. } = &self.rig;
        sqlx::query_scalar(
            "SELECT concat_ws(' ', scanned_hash, confirmed_number, final_number, halted_reason,
                    (SELECT concat_ws(' ', count(*), max(position)) FROM events),
                    (SELECT concat_ws(' ', count(*), count(*) FILTER (WHERE verified), count(*) FILTER (WHERE state = 'ORPHANED')) FROM transfers),
                    (SELECT concat_ws(' ', count(*), count(*) FILTER (WHERE canonical)) FROM blocks),
                    (SELECT count(outcome) FROM settlements), (SELECT count(settlement) FROM transfers),
                    (SELECT count(*) FROM pending_derivations), (SELECT max(updated_at) FROM deposit_sessions)) FROM networks",
        )
        .fetch_one(outside)
        .await
        .unwrap()
    }
}

/// Whether a step committed anything that moves the network.
fn wrote(outcome: &Result<Step, Error>) -> bool {
    matches!(outcome, Ok(step) if ["scan", "confirm", "rewind", "backfill"].contains(&step.kind))
}
