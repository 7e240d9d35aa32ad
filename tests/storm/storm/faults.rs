//! What the weather does: blocks, reorganisations, nodes that fail or lie, rows held by others, crashes, second watchers.

use deposit_watcher::store;
use deposit_watcher::watcher::Error;
use sqlx::{Executor, Row};

use super::seed::Seed;
use crate::rig::some_polls;
use crate::scripted::{Down, Lie, Log, TOKEN, Tx};

impl Seed {
    /// One to four blocks.
    pub(crate) fn mine(&mut self) {
        for _ in 0..*self.dice.pick(&[1, 1, 1, 1, 2, 3, 4]) {
            let time = self.next_time();
            let txs = (0..*self.dice.pick(&[0, 0, 1, 1, 1, 2])).map(|_| self.payment()).collect();
            self.mined_at(time, txs);
        }
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
        self.say(format!("mine {} at {time} {}", header.block, told.join("; ")));
    }

    /// The last blocks are replaced; what was in them is mined again, moved or dropped.
    pub(crate) fn reorganise(&mut self) {
        let head = self.rig.world.head().block.number.0;
        // What the watcher may have followed to the highest block must stay within its window.
        let floor = (self.highest + 2).saturating_sub(self.rig.rules.network.reorg_window).max(1);
        let most = head.saturating_sub(floor);
        if most == 0 {
            return;
        }
        let deep = self.dice.percent(25);
        let depth = if deep { self.dice.between(1, most) } else { self.dice.between(1, most.min(3)) };
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

    /// A node fails, or a failure ends. While the first node tells contents wrongly, the second is honest and there.
    pub(crate) fn fault(&mut self) {
        if self.lying || self.failing {
            self.rig.one.heal();
            self.rig.two.heal();
            (self.lying, self.failing) = (false, false);
            self.say("nodes heal");
            return;
        }
        if self.dice.percent(40) { self.lie() } else { self.fail() }
    }

    fn fail(&mut self) {
        self.failing = true;
        let node = if self.dice.percent(60) { self.rig.one.clone() } else { self.rig.two.clone() };
        let kind = match self.dice.below(6) {
            0 => {
                let lag = self.dice.between(1, 4);
                node.set(|is| is.lag = lag);
                "lag"
            }
            1 => {
                node.set(|is| is.down = Some(Down::Refused));
                "refused"
            }
            2 => {
                node.set(|is| is.down = Some(Down::Error(-32_000, "header not found".to_owned())));
                "error to everything"
            }
            3 => {
                node.freeze();
                "stuck on a branch"
            }
            4 => {
                node.set(|is| (is.chances.refuse, is.chances.error, is.chances.lag) = (0.1, 0.1, 0.3));
                "errors by chance"
            }
            _ => {
                for node in [&self.rig.one, &self.rig.two] {
                    node.set(|is| is.down = Some(Down::Status(503, None)));
                }
                "both away"
            }
        };
        self.hit(&format!("fault: {kind}"));
        self.say(format!("fault: {kind}"));
    }

    fn lie(&mut self) {
        self.lying = true;
        let head = self.rig.world.head().block;
        let block = self.rig.world.block(head.number.0.saturating_sub(self.dice.below(3)).max(1)).unwrap();
        let logs = block.logs().count() as u64;
        let to = *self.dice.pick(&self.addresses.clone());
        let kind = match self.dice.below(4) {
            0 if logs > 0 => {
                let at = self.dice.below(logs);
                self.rig.one.set(|is| is.lies.push(Lie::Drop(block.hash, at)));
                "hides a log"
            }
            1 => {
                let asked = self.claims.iter().find(|c| c.to == Some(to)).and_then(|c| c.usable).unwrap_or_default();
                let log = Log::transfer(TOKEN, self.senders[4], to, asked);
                self.rig.one.set(|is| is.lies.push(Lie::Invent(block.hash, log)));
                "invents a log"
            }
            2 => {
                self.rig.one.set(|is| (is.chances.empty, is.unknown_is_empty) = (0.5, true));
                "empty answers"
            }
            _ => {
                self.rig.one.set(|is| is.chances.partial = 0.5);
                "partial answers"
            }
        };
        self.hit(&format!("lie: {kind}"));
        self.say(format!("lie: {kind}"));
    }

    pub(crate) async fn step(&mut self) {
        let outcome = self.rig.step().await;
        self.note(outcome);
    }

    fn note(&mut self, outcome: Result<deposit_watcher::watcher::Step, Error>) {
        match &outcome {
            Ok(step) => {
                assert_eq!(step.halted, None, "no seed gives a reason to halt");
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

    /// Another watcher takes the network, at rest or while the first is in the middle of a step. What the first does
    /// later changes nothing.
    pub(crate) async fn take_over(&mut self) {
        if let Some(mut stale) = self.stale.take() {
            let before = self.fingerprint().await;
            let outcome = stale.step().await;
            assert_eq!(self.fingerprint().await, before, "a watcher without a lease wrote: {outcome:?}");
            self.hit("step without a lease");
            self.say(format!("step without a lease: {outcome:?}"));
            return;
        }
        let polls = self.dice.between(0, 40) as u32;
        let mut old = self.rig.take_over().await;
        std::mem::swap(&mut old, &mut self.rig.watcher);
        // `rig.watcher` is the one that lost its lease now; it began its step before it did as far as it knows.
        let mut new = old;
        let before = self.fingerprint().await;
        let cut = {
            let mut step = std::pin::pin!(self.rig.watcher.step());
            some_polls(step.as_mut(), polls).await.is_none()
        };
        assert_eq!(self.fingerprint().await, before, "a watcher without a lease wrote");
        std::mem::swap(&mut new, &mut self.rig.watcher);
        self.stale = Some(new);
        self.hit("takeover");
        self.say(format!(
            "takeover; the old one makes {polls} polls more{}",
            if cut { "" } else { " to the end of a step" }
        ));
    }

    /// All that a watcher may write under a fence.
    async fn fingerprint(&self) -> String {
        sqlx::query_scalar(
            "SELECT concat_ws(' ', scanned_hash, confirmed_number, final_number, halted_reason,
                    (SELECT concat_ws(' ', count(*), max(position)) FROM events),
                    (SELECT concat_ws(' ', count(*), count(*) FILTER (WHERE verified), count(*) FILTER (WHERE state = 'ORPHANED')) FROM transfers),
                    (SELECT concat_ws(' ', count(*), count(*) FILTER (WHERE canonical)) FROM blocks),
                    (SELECT count(*) FROM pending_derivations), (SELECT max(updated_at) FROM deposit_sessions)) FROM networks",
        )
        .fetch_one(&self.rig.outside)
        .await
        .unwrap()
    }

    /// An outside transaction takes a session's row, or ends.
    pub(crate) async fn hold_or_let_go(&mut self) {
        if let Some((id, transaction)) = self.held.take() {
            transaction.rollback().await.unwrap();
            self.say(format!("let go of {id}"));
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
