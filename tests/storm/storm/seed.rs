//! One seed's run: its world, and which deed comes next. What the deeds are is in [`super::deeds`] and [`super::faults`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy::primitives::{Address, B256, U256};
use deposit_watcher::domain::{Finality, Units};
use deposit_watcher::settings::{PartialPayments, Verify};
use deposit_watcher::watcher::Watcher;

use super::dice::Dice;
use super::oracle::Claim;
use super::thief::Key;
use crate::rig::{Rig, Rules, endpoint};
use crate::scripted::{Tx, account};

/// How often something happened.
pub(crate) type Coverage = BTreeMap<String, u64>;

/// What a seed did, line by line; shared, so that it survives a panic.
pub(crate) type Trace = Arc<Mutex<Vec<String>>>;

/// Deeds of one seed.
const DEEDS: u64 = 90;

pub(crate) struct Seed {
    pub(crate) rig: Rig,
    pub(crate) dice: Dice,
    /// There is a person who settles.
    pub(crate) has_a_person: bool,
    /// What he saw when he asked, by the number of the decision.
    pub(crate) asked: HashMap<i64, String>,
    pub(crate) trace: Trace,
    pub(crate) coverage: Coverage,
    pub(crate) claims: Vec<Claim>,
    /// In which turn a block was mined.
    pub(crate) births: HashMap<B256, u64>,
    pub(crate) turn: u64,
    pub(crate) addresses: Vec<Address>,
    pub(crate) senders: Vec<Address>,
    /// The highest block and the latest timestamp there ever were, on any branch.
    pub(crate) highest: u64,
    pub(crate) latest: u64,
    /// A session whose row an outside transaction holds.
    pub(crate) held: Option<(String, sqlx::Transaction<'static, sqlx::Postgres>)>,
    /// Addresses of which a session's row was ever held.
    pub(crate) held_at: BTreeSet<Option<Address>>,
    /// The node that tells its contents wrongly.
    pub(crate) lying: Option<usize>,
    /// Who did so last, and up to which block.
    pub(crate) lied: Option<(usize, u64)>,
    /// Nodes that are away, late, or on another branch.
    pub(crate) failing: BTreeSet<usize>,
    /// Watchers that lost their lease and do not know.
    pub(crate) stale: Vec<Watcher>,
    /// Addresses at which every amount is reserved before its session is opened.
    pub(crate) reserved: Vec<Address>,
    /// Where the thief's own money comes from.
    pub(crate) thieves: Vec<Address>,
    /// Transactions that everybody sees and no block has yet.
    pub(crate) mempool: Vec<Tx>,
    /// For which session a payment of just its amount was sent.
    pub(crate) meant: HashMap<Key, String>,
    /// Transfers that are held at the end.
    pub(crate) ambiguous: BTreeSet<(B256, u64)>,
    /// The chain left more than the watcher may undo by itself.
    pub(crate) deep: bool,
    /// And the watcher has said so.
    pub(crate) halted: bool,
}

/// Rules of the game, different for each seed.
fn rules(dice: &mut Dice, treasury: Address) -> Rules {
    let mut rules = Rules::default();
    let confirmations = dice.between(1, 6);
    rules.network.finality = match dice.below(8) {
        0 => Finality::Safe,
        1 => Finality::Finalized,
        _ => Finality::Confirmations(confirmations),
    };
    // Two to four nodes; the third may be of the second's operator.
    let nodes = dice.between(2, 4) as usize;
    for (at, name) in ["three", "four"].into_iter().enumerate().take(nodes - 2) {
        let operator = if at == 0 && dice.percent(30) { "two" } else { name };
        rules.network.endpoints.push(endpoint(name, 3 + at as u32, operator));
    }
    rules.network.quorum = if dice.percent(40) { 2 } else { 1 };
    rules.network.max_clock_drift = dice.percent(40).then_some(Duration::from_secs(50 * 60));
    rules.network.reorg_window = confirmations + dice.between(6, 14);
    rules.network.max_block_range = *dice.pick(&[2_000, 2_000, 3, 7]);
    if dice.percent(25) {
        rules.network.partial_payments = PartialPayments::Never;
    }
    if dice.percent(50) {
        rules.network.tokens[0].tolerance = Units(U256::from(500_000));
    }
    rules.sessions.topup_time = Duration::from_secs(*dice.pick(&[0, 20, 60]));
    rules.sessions.clock_skew = Duration::from_secs(*dice.pick(&[0, 0, 30]));
    rules.sessions.expiry_grace = Duration::from_secs(*dice.pick(&[0, 0, 10]));
    rules.sessions.amount_reuse_after = Duration::from_secs(*dice.pick(&[86_400, 86_400]));
    rules.sessions.own_addresses = vec![treasury];
    rules
}

impl Seed {
    pub(crate) async fn new(seed: u64, trace: Trace) -> Seed {
        let mut dice = Dice::new(seed);
        let senders: Vec<Address> = (100..105).map(account).collect();
        let mut rules = rules(&mut dice, senders[0]);
        if seed.is_multiple_of(3) {
            rules.network.verify = Verify::Receipts;
        }
        let rig = Rig::with(rules).await;
        rig.nodes.iter().for_each(|node| node.seed(dice.next()));
        let head = rig.world.head();
        let mut seed = Seed {
            births: HashMap::from([(head.block.hash, 0)]),
            highest: head.block.number.0,
            latest: head.time.timestamp().unsigned_abs(),
            rig,
            dice,
            has_a_person: seed.is_multiple_of(4),
            asked: HashMap::new(),
            trace,
            coverage: Coverage::new(),
            claims: Vec::new(),
            turn: 0,
            addresses: (1..10).map(account).collect(),
            senders,
            held: None,
            held_at: BTreeSet::new(),
            lying: None,
            lied: None,
            failing: BTreeSet::new(),
            stale: Vec::new(),
            reserved: (20..22).map(account).collect(),
            thieves: (300..303).map(account).collect(),
            mempool: Vec::new(),
            meant: HashMap::new(),
            ambiguous: BTreeSet::new(),
            deep: false,
            halted: false,
        };
        let network = &seed.rig.rules.network;
        let told = format!(
            "{} nodes, quorum {}, drift {:?}, {:?}, window {}, range {}, {:?}, tolerance {}, {:?}",
            network.endpoints.len(),
            network.quorum,
            network.max_clock_drift,
            network.finality,
            network.reorg_window,
            network.max_block_range,
            network.partial_payments,
            network.tokens[0].tolerance.0,
            seed.rig.rules.sessions
        );
        seed.say(told);
        seed
    }

    /// A line of the trace.
    pub(crate) fn say(&mut self, line: impl Into<String>) {
        let line = format!("{:3} {}", self.turn, line.into());
        if std::env::var_os("STORM_LOUD").is_some() {
            println!("{line}");
        }
        self.trace.lock().unwrap().push(line);
    }

    /// Counts that something happened.
    pub(crate) fn hit(&mut self, what: &str) {
        *self.coverage.entry(what.to_owned()).or_default() += 1;
    }

    /// All of it: the storm, the calm, the verdict.
    pub(crate) async fn run(mut self) -> Coverage {
        for _ in 0..2 {
            self.open().await;
        }
        let (may_leap, may_be_too_deep) = (self.dice.percent(30), self.dice.percent(25));
        let (leaps, too_deep) = (if may_leap { 2 } else { 0 }, if may_be_too_deep { 5 } else { 0 });
        let decides = if self.has_a_person { 25 } else { 0 };
        let weights = [22, 40, 11, 5, 7, 9, 4, 3, 4, 4, 9, 4, leaps, too_deep, decides];
        for _ in 0..DEEDS {
            self.turn += 1;
            match self.dice.weighted(&weights) {
                0 => self.mine(),
                1 => self.step().await,
                2 => self.open().await,
                3 => self.touch().await,
                4 => self.reorganise(),
                5 => self.fault().await,
                6 => self.hold_or_let_go().await,
                7 => self.crash().await,
                8 => self.watchers().await,
                9 => self.database().await,
                10 => self.steal().await,
                11 => self.open_reserved(false).await,
                12 => self.leap().await,
                13 if self.halted => self.resume().await,
                13 => self.reorganise_too_deep().await,
                _ => self.decide().await,
            }
            self.prune_blocks().await;
        }
        self.calm().await;
        self.verdict().await;
        self.prune_events().await;
        let Seed { rig, coverage, .. } = self;
        rig.remove().await;
        coverage
    }

    /// Faults end, everything is mined deep and looked at twice, until nothing is left to do.
    async fn calm(&mut self) {
        self.turn += 1;
        if let Some((_, transaction)) = self.held.take() {
            transaction.rollback().await.unwrap();
        }
        self.heal();
        self.rig.restart().await;
        if self.deep {
            // Whether it halts is seen only now where nobody looked before.
            self.rig.settle().await;
            self.resume().await;
        }
        let time = self.latest + 301;
        self.mined_at(time, Vec::new());
        let depth = match self.rig.rules.network.finality {
            Finality::Confirmations(depth) => depth,
            // As long as who lost money waits for it where a tag decides.
            Finality::Safe | Finality::Finalized => 32,
        };
        let missing = (self.highest + 1).saturating_sub(self.rig.world.head().block.number.0);
        for n in 1..=depth + missing + 1 {
            self.mined_at(time + n, Vec::new());
        }
        self.say("calm");
        self.all_is_final();
        self.rig.settle().await;
        // Who lost invented money only now waits as many blocks for it.
        for n in 1..=depth + 1 {
            self.mined_at(time + depth + missing + 1 + n, Vec::new());
        }
        self.all_is_final();
        self.rig.settle().await;
    }

    fn all_is_final(&self) {
        let head = Some(self.rig.world.head().block.number.0);
        if !matches!(self.rig.rules.network.finality, Finality::Confirmations(_)) {
            self.rig.world.set_tags(head, head);
        }
    }

    /// Chain time that no branch was ever beyond.
    pub(crate) fn now(&self) -> u64 {
        self.latest
    }
}
