//! What happens to endpoints: each may have a view of its own, refuse, slow down, or tell its contents wrongly.
//!
//! One node lies at a time. With a quorum of one all others are honest and there meanwhile, since one endpoint's word is
//! then believed where nobody else can be asked, and no two lie about one block, each to one of its looks; with a quorum of
//! two others may fail besides.

use crate::scripted::{Branch, Down, Lie, Log, Pruned, TOKEN, Tx, Wrongs};

use super::seed::Seed;

impl Seed {
    /// A node fails or lies, or all that is wrong ends.
    pub(crate) async fn fault(&mut self) {
        let wrong = self.lying.is_some() || !self.failing.is_empty();
        if wrong && self.dice.percent(55) {
            return self.heal();
        }
        let quorum = self.rig.rules.network.quorum;
        let may_lie = self.lying.is_none() && (quorum > 1 || self.failing.is_empty());
        let may_fail = self.lying.is_none() || quorum > 1;
        match (may_lie, may_fail) {
            (true, true) => {
                if self.dice.percent(40) {
                    self.lie().await;
                } else {
                    self.fail();
                }
            }
            (true, false) => self.lie().await,
            (false, true) => self.fail(),
            (false, false) => self.heal(),
        }
    }

    pub(crate) fn heal(&mut self) {
        for node in self.rig.nodes.clone() {
            let Wrongs { limited, backwards, nulls, balanced, pruned, spoiled } = node.wrongs();
            for (what, times) in [
                ("node: request limited", limited),
                ("node: head went back", backwards),
                ("node: newest block is null", nulls),
                ("node: answered by one of several", balanced),
                ("node: asked for what is pruned", pruned),
                ("node: left out logs", spoiled),
            ] {
                *self.coverage.entry(what.to_owned()).or_default() += times;
            }
            node.heal();
        }
        if let Some(liar) = self.lying.take() {
            self.lied = Some((liar, self.rig.world.head().block.number.0));
        }
        self.failing.clear();
        self.say("nodes heal");
    }

    /// One that neither lies nor fails; the best more often.
    fn sound(&mut self) -> Option<usize> {
        let sound: Vec<usize> =
            (0..self.rig.nodes.len()).filter(|at| self.lying != Some(*at) && !self.failing.contains(at)).collect();
        if sound.is_empty() {
            return None;
        }
        Some(if self.dice.percent(40) { sound[0] } else { *self.dice.pick(&sound) })
    }

    fn fail(&mut self) {
        if self.failing.is_empty() && self.lying.is_none() && self.dice.percent(10) {
            for (at, node) in self.rig.nodes.clone().iter().enumerate() {
                node.set(|is| is.down = Some(Down::Status(503, None)));
                self.failing.insert(at);
            }
            self.hit("fault: all away");
            return self.say("fault: all away");
        }
        let Some(at) = self.sound() else { return };
        self.failing.insert(at);
        let node = self.rig.nodes[at].clone();
        let kind = match self.dice.below(12) {
            0 => {
                let lag = self.dice.between(1, 8);
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
            5 | 6 => {
                let branch = self.branch();
                node.serve(branch);
                "a branch of its own"
            }
            7 => {
                let floor = self.rig.world.head().block.number.0.saturating_sub(self.dice.below(6));
                node.set(|is| is.pruned = Some(Pruned::Errors(floor)));
                "pruned"
            }
            8 => {
                let often = *self.dice.pick(&[0.2, 0.6, 1.0]);
                node.set(|is| is.chances.limit = often);
                "rate limited"
            }
            9 => {
                let mut behind = self.rig.world.canonical();
                behind.truncate(behind.len().saturating_sub(self.dice.between(1, 3) as usize).max(1));
                let mut branches = vec![behind];
                if self.dice.percent(60) {
                    branches.push(self.branch());
                }
                node.balance(branches);
                "one of several for each request"
            }
            10 => {
                node.set(|is| is.chances.lag = 0.5);
                "head goes backwards"
            }
            _ => {
                node.set(|is| is.chances.null = 0.4);
                "null blocks"
            }
        };
        self.hit(&format!("fault: {kind}"));
        self.say(format!("fault: {kind} at node {at}"));
    }

    /// A branch that leaves the chain a few blocks below its head: some of the chain's transactions, and some of its own.
    fn branch(&mut self) -> Branch {
        let head = self.rig.world.head().block.number.0;
        let depth = self.dice.between(1, 4).min(head.saturating_sub(self.floor()));
        let keep = self.rig.world.block(head - depth).unwrap();
        let mut time = keep.time;
        let mut old = self.rig.world.recent_txs(depth).into_iter();
        let mut blocks: Vec<(u64, Vec<Tx>)> = Vec::new();
        for _ in 0..self.dice.between(depth, depth + 3).max(1) {
            time += self.dice.between(0, 6);
            let mut txs: Vec<Tx> = old.next().unwrap_or_default();
            txs.retain(|_| self.dice.percent(60));
            if self.dice.percent(30) {
                txs.push(self.payment());
            }
            blocks.push((time, txs));
        }
        let branch = self.rig.world.branch(depth, blocks);
        let tip = branch.last().unwrap();
        (self.highest, self.latest) = (self.highest.max(tip.number), self.latest.max(tip.time));
        self.say(format!("a branch {depth} blocks deep up to block {}", tip.number));
        branch
    }

    /// Who may lie now: with a quorum of one nobody else, until all that the last liar told of was looked at twice.
    async fn liar(&mut self) -> Option<usize> {
        let at = self.sound()?;
        match self.lied {
            Some((last, until))
                if self.rig.rules.network.quorum == 1 && self.rig.cursor().await.1 < until.cast_signed() =>
            {
                Some(last)
            }
            _ => Some(at),
        }
    }

    async fn lie(&mut self) {
        let Some(at) = self.liar().await else { return };
        self.lying = Some(at);
        let node = self.rig.nodes[at].clone();
        let head = self.rig.world.head().block;
        let block = self.rig.world.block(head.number.0.saturating_sub(self.dice.below(3)).max(1)).unwrap();
        let logs = block.logs().count() as u64;
        let kind = match self.dice.below(6) {
            0 if logs > 0 => {
                let log = self.dice.below(logs);
                node.set(|is| is.lies.push(Lie::Drop(block.hash, log)));
                "hides a log"
            }
            1 => {
                let log = self.invented();
                node.set(|is| is.lies.push(Lie::Invent(block.hash, log)));
                "invents a log"
            }
            2 if logs > 0 => {
                let (log, told) = (self.dice.below(logs), self.invented());
                node.set(|is| is.lies.push(Lie::Alter(block.hash, log, told)));
                "alters a log"
            }
            3 => {
                node.set(|is| (is.chances.empty, is.unknown_is_empty) = (0.5, true));
                "empty answers"
            }
            4 => {
                let floor = head.number.0.saturating_sub(self.dice.below(4));
                node.set(|is| is.pruned = Some(Pruned::Empty(floor)));
                "pruned and says nothing was there"
            }
            _ => {
                node.set(|is| is.chances.partial = 0.5);
                "partial answers"
            }
        };
        self.hit(&format!("lie: {kind}"));
        self.say(format!("lie: {kind} at node {at}"));
    }

    /// Money that nobody sent, for a session that waits for it.
    fn invented(&mut self) -> Log {
        let to = *self.dice.pick(&self.addresses.clone());
        let asked = self.claims.iter().rfind(|c| c.to == Some(to)).and_then(|c| c.usable).unwrap_or_default();
        Log::transfer(TOKEN, self.senders[4], to, asked)
    }
}
