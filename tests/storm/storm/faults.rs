//! What the weather does: blocks, reorganisations, leaps of the chain's clock, rows held by others, crashes.

use deposit_watcher::domain::Finality;
use deposit_watcher::store;
use deposit_watcher::watcher::Error;
use sqlx::{Executor, Row};

use super::oracle::Claim;
use super::seed::Seed;
use crate::rig::TRIES;
use crate::scripted::{Log, Tx};

/// A leap of the chain's clock.
const LEAP: u64 = 60 * 60;

impl Seed {
    /// One to four blocks.
    pub(crate) fn mine(&mut self) {
        for _ in 0..*self.dice.pick(&[1, 1, 1, 1, 2, 3, 4]) {
            for _ in 0..*self.dice.pick(&[0, 0, 1, 1, 1, 2]) {
                let payment = self.payment();
                self.mempool.push(payment);
            }
            // What waits is mined, all of it or a part.
            let keep = if self.dice.percent(60) { 0 } else { self.dice.below(self.mempool.len() as u64 + 1) as usize };
            let taken = self.mempool.len() - keep;
            let txs: Vec<Tx> = self.mempool.drain(..taken).collect();
            let (time, extra) = self.around_an_end().unwrap_or_else(|| (self.next_time(), None));
            self.mined_at(time, txs.into_iter().chain(extra).collect());
        }
    }

    /// The next block is dated just before, at or just after the end of a session, and pays it.
    fn around_an_end(&mut self) -> Option<(u64, Option<Tx>)> {
        let now = self.rig.time().unsigned_abs();
        let grace = self.rig.rules.sessions.expiry_grace.as_secs();
        let end = |claim: &Claim| claim.expires_at.timestamp().unsigned_abs() + grace;
        let soon: Vec<Claim> = self.claims.iter().filter(|c| (now + 2..now + 20).contains(&end(c))).cloned().collect();
        if soon.is_empty() || !self.dice.percent(60) {
            return None;
        }
        let claim = self.dice.pick(&soon).clone();
        let (when, word) = *self.dice.pick(&[(-1, "just before"), (0, "at"), (1, "just after")]);
        self.hit(&format!("a block {word} the end of a session"));
        let tx = claim.usable.filter(|_| !claim.thief).map(|_| self.pay_exactly(&claim));
        Some((end(&claim).saturating_add_signed(when), tx))
    }

    fn next_time(&mut self) -> u64 {
        let spacing = *self.dice.pick(&[0, 1, 2, 4, 8]);
        if spacing == 0 {
            self.hit("equal timestamps");
        }
        self.rig.time().unsigned_abs() + spacing
    }

    pub(crate) fn mined_at(&mut self, time: u64, txs: Vec<Tx>) {
        let told = txs.iter().flat_map(|tx| tx.logs.iter().map(|log| (tx.hash, log)));
        let told: Vec<String> = told.map(|(tx, log)| describe(tx, log)).collect();
        let header = self.rig.world.mine_at(time, txs);
        self.births.insert(header.block.hash, self.turn);
        (self.highest, self.latest) = (self.highest.max(header.block.number.0), self.latest.max(time));
        self.move_tags();
        self.say(format!("mine {} at {time} {}", header.block, told.join("; ")));
    }

    /// The tags of a network that confirms by them follow the chain at a distance, and never fall.
    fn move_tags(&mut self) {
        if let Finality::Confirmations(_) = self.rig.rules.network.finality {
            return;
        }
        let head = self.rig.world.head().block.number.0;
        let (safe, finalized) = self.rig.world.tags();
        let safe = safe.max(Some(head.saturating_sub(self.dice.between(1, 6))));
        let finalized = finalized.max(Some(head.saturating_sub(self.dice.between(3, 9))));
        self.rig.world.set_tags(safe, finalized.min(safe));
    }

    /// No branch leaves the chain below this block: what the watcher may have followed to the highest block stays within
    /// its window, and what a tag has passed stays.
    pub(crate) fn floor(&self) -> u64 {
        let window = (self.highest + 2).saturating_sub(self.rig.rules.network.reorg_window).max(1);
        let (safe, finalized) = self.rig.world.tags();
        let tag = if self.rig.rules.network.finality == Finality::Safe { safe } else { finalized };
        window.max(tag.unwrap_or_default())
    }

    /// The last blocks are replaced; what was in them is mined again, moved or dropped.
    pub(crate) fn reorganise(&mut self) {
        let head = self.rig.world.head().block.number.0;
        let most = head.saturating_sub(self.floor());
        if most == 0 {
            return;
        }
        let deep = self.dice.percent(25);
        let depth = if deep { self.dice.between(1, most) } else { self.dice.between(1, most.min(3)) };
        self.replace(depth);
    }

    /// Once in some seeds the chain leaves more than the watcher can undo by itself, or what its tags had passed; a
    /// person looks, and the network goes on as `rescan --resume` does it.
    pub(crate) async fn reorganise_too_deep(&mut self) {
        let head = self.rig.world.head().block.number.0;
        let least = head.saturating_sub(self.floor()) + 3;
        if self.deep || least + 2 > head || !self.rig.cursor().await.0.unsigned_abs().abs_diff(head).le(&1) {
            return;
        }
        self.heal();
        self.deep = true;
        self.hit("reorg: beyond the window or a tag");
        let depth = self.dice.between(least, (head - 1).min(least + 6));
        let old = self.highest;
        self.replace(depth);
        // It grows beyond the old one, as the chain that wins does.
        while self.rig.world.head().block.number.0 <= old {
            let time = self.next_time();
            self.mined_at(time, Vec::new());
        }
    }

    /// What a person does who has looked.
    pub(crate) async fn resume(&mut self) {
        let slug = self.rig.rules.network.slug.clone();
        // Connections may just have died; a person asks again.
        let mut asked = self.rig.store.request_resume(&slug).await;
        for _ in 0..TRIES {
            if asked.is_err() {
                asked = self.rig.store.request_resume(&slug).await;
            }
        }
        if asked.unwrap() {
            self.halted = false;
            self.hit("resumed");
            self.say("a person has looked: resume");
        }
    }

    /// A block that is dated an hour ahead, and the chain without it again. Where `max_clock_drift` is set, nothing is
    /// taken from it; where it is not, chain time leaps and falls back, and what expired may be paid in time after all.
    pub(crate) async fn leap(&mut self) {
        if self.rig.world.head().block.number.0 <= self.floor() {
            return;
        }
        let time = self.rig.time().unsigned_abs() + LEAP;
        if self.rig.rules.network.max_clock_drift.is_none() {
            self.hit("clock: an hour ahead");
            let txs = std::mem::take(&mut self.mempool);
            self.mined_at(time, txs);
            for _ in 0..self.dice.between(1, 2) {
                self.step().await;
            }
            if self.dice.percent(70) && self.rig.world.head().block.number.0 > self.floor() {
                self.hit("clock: an hour back");
                self.replace(1);
            }
            return;
        }
        let latest = (self.highest, self.latest);
        self.mined_at(time, Vec::new());
        let outcome = self.rig.step().await;
        let doubted = matches!(&outcome, Err(Error::Doubt(why)) if why.contains("max_clock_drift"));
        self.note(outcome);
        let future: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM blocks WHERE hash = $1)")
            .bind(format!("{:#x}", self.rig.world.head().block.hash))
            .fetch_one(&self.rig.outside)
            .await
            .unwrap();
        assert!(!future, "a block from the future was taken in");
        self.hit(if doubted { "clock: a block from the future is doubted" } else { "clock: nobody saw the future" });
        self.rig.world.rewind(1);
        (self.highest, self.latest) = latest;
        self.say("the block from the future is gone");
    }

    fn replace(&mut self, depth: u64) {
        let count = match self.dice.below(4) {
            0 => depth.saturating_sub(1).max(1),
            1 => depth,
            _ => depth + self.dice.between(1, 2),
        };
        let mut blocks: Vec<Vec<Tx>> = vec![Vec::new(); count as usize];
        for (at, txs) in self.rig.world.recent_txs(depth).into_iter().enumerate() {
            for tx in txs {
                match self.dice.below(10) {
                    0..=4 => blocks[at.min(count as usize - 1)].push(tx),
                    5..=7 => {
                        let to = self.dice.below(count) as usize;
                        blocks[to].push(tx);
                        self.hit("reorg: transaction moved");
                    }
                    _ => self.hit("reorg: transaction dropped"),
                }
            }
        }
        if self.dice.percent(20) {
            let extra = self.payment();
            blocks[0].push(extra);
        }
        let shape = if count < depth {
            "shorter"
        } else if count == depth {
            "same height"
        } else {
            "longer"
        };
        self.hit(&format!("reorg: {shape}"));
        self.say(format!("reorganise {depth} blocks into {count}"));
        self.rig.world.rewind(depth);
        for txs in blocks {
            let time = self.next_time();
            self.mined_at(time, txs);
        }
    }

    pub(crate) async fn step(&mut self) {
        let outcome = self.rig.step().await;
        self.note(outcome);
    }

    pub(crate) fn note(&mut self, outcome: Result<deposit_watcher::watcher::Step, Error>) {
        match &outcome {
            Ok(step) => {
                match &step.halted {
                    Some(reason) => {
                        assert!(self.deep, "no reason to halt: {reason}");
                        let why = if reason.contains("finality violation") { "a tag" } else { "the window" };
                        self.hit(&format!("halted: {why}"));
                        self.halted = true;
                    }
                    None => assert!(!self.halted, "it goes on, and nobody has looked"),
                }
                self.hit(&format!("step: {}", step.kind));
            }
            Err(Error::Store(store::Error::Refused { rule, message })) => panic!("refused by {rule}: {message}"),
            Err(Error::Store(store::Error::Unreadable(why) | store::Error::Schema(why))) => panic!("{why}"),
            Err(Error::Store(store::Error::LeaseLost)) => panic!("the holder is told that it lost its lease"),
            Err(Error::Store(store::Error::Unavailable(_))) => self.hit("step: database unavailable"),
            Err(Error::Chain(_)) => self.hit("step: chain unavailable"),
            Err(Error::Doubt(_)) => self.hit("step: doubt"),
        }
        self.say(format!("step: {outcome:?}"));
    }

    /// A step that dies at one of its awaits; the watcher begins anew.
    pub(crate) async fn crash(&mut self) {
        let polls = self.dice.between(1, 45) as u32;
        match self.rig.step_cut_short(polls).await {
            Some(outcome) => self.note(outcome),
            None => {
                self.hit("crash in mid-step");
                self.say(format!("crash after {polls} polls"));
            }
        }
    }

    /// An outside transaction takes a session's row, or ends.
    pub(crate) async fn hold_or_let_go(&mut self) {
        if let Some((id, transaction)) = self.held.take() {
            transaction.rollback().await.unwrap();
            self.say(format!("let go of {id}"));
            return;
        }
        if self.claims.is_empty() {
            return;
        }
        let mut transaction = self.rig.outside.begin().await.unwrap();
        transaction.execute("SET LOCAL lock_timeout = '3s'").await.unwrap();
        let at = self.dice.below(self.claims.len() as u64) as usize;
        let id = self.claims[at].id.clone();
        self.held_at.insert(self.claims[at].to);
        let sql = "SELECT id FROM deposit_sessions WHERE id = $1 FOR UPDATE";
        let row = sqlx::query(sql).bind(&id).fetch_one(&mut *transaction).await.unwrap();
        assert_eq!(row.get::<String, _>(0), id);
        self.hit("row held by another transaction");
        self.say(format!("hold {id}"));
        self.held = Some((id, transaction));
    }
}

/// A log in a line of the trace.
fn describe(tx: alloy::primitives::B256, log: &Log) -> String {
    let ends =
        |at: usize| log.topics.get(at).map(|topic| format!("{:#x}", topic)[26..34].to_owned()).unwrap_or_default();
    let units = alloy::primitives::U256::try_from_be_slice(&log.data).unwrap_or_default();
    format!("{} {units} of {} {}→{}", &format!("{tx:#x}")[2..8], &format!("{:#x}", log.address)[40..], ends(1), ends(2))
}
