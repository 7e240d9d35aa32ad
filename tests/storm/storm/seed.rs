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
use crate::rig::{Rig, Rules};
use crate::scripted::account;

/// How often something happened.
pub(crate) type Coverage = BTreeMap<String, u64>;

/// What a seed did, line by line; shared, so that it survives a panic.
pub(crate) type Trace = Arc<Mutex<Vec<String>>>;

/// Deeds of one seed.
const DEEDS: u64 = 90;

pub(crate) struct Seed {
    pub(crate) rig: Rig,
    pub(crate) dice: Dice,
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
    /// The first node tells its contents wrongly; the second is honest meanwhile.
    pub(crate) lying: bool,
    /// A node is away, late or on another branch.
    pub(crate) failing: bool,
    /// A watcher that lost its lease and does not know.
    pub(crate) stale: Option<Watcher>,
}

/// Rules of the game, different for each seed.
fn rules(dice: &mut Dice, treasury: Address) -> Rules {
    let mut rules = Rules::default();
    let confirmations = dice.between(1, 6);
    rules.network.finality = Finality::Confirmations(confirmations);
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
        if seed % 3 == 0 {
            rules.network.verify = Verify::Receipts;
        }
        let rig = Rig::with(rules).await;
        rig.one.seed(dice.next());
        rig.two.seed(dice.next());
        let head = rig.world.head();
        let mut seed = Seed {
            births: HashMap::from([(head.block.hash, 0)]),
            highest: head.block.number.0,
            latest: head.time.timestamp().unsigned_abs(),
            rig,
            dice,
            trace,
            coverage: Coverage::new(),
            claims: Vec::new(),
            turn: 0,
            addresses: (1..10).map(account).collect(),
            senders,
            held: None,
            held_at: BTreeSet::new(),
            lying: false,
            failing: false,
            stale: None,
        };
        let network = &seed.rig.rules.network;
        let told = format!(
            "{:?}, window {}, range {}, {:?}, tolerance {}, {:?}",
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
        self.trace.lock().unwrap().push(format!("{:3} {}", self.turn, line.into()));
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
        for _ in 0..DEEDS {
            self.turn += 1;
            match self.dice.weighted(&[22, 40, 13, 5, 7, 7, 4, 4, 3]) {
                0 => self.mine(),
                1 => self.step().await,
                2 => self.open().await,
                3 => self.touch().await,
                4 => self.reorganise(),
                5 => self.fault(),
                6 => self.hold_or_let_go().await,
                7 => self.crash().await,
                _ => self.take_over().await,
            }
        }
        self.calm().await;
        self.verdict().await;
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
        self.rig.one.heal();
        self.rig.two.heal();
        self.rig.restart().await;
        let time = self.latest + 301;
        self.mined_at(time, Vec::new());
        let Finality::Confirmations(depth) = self.rig.rules.network.finality else { return };
        let missing = (self.highest + 1).saturating_sub(self.rig.world.head().block.number.0);
        for n in 1..=depth + missing + 1 {
            self.mined_at(time + n, Vec::new());
        }
        self.say("calm");
        self.rig.settle().await;
        // Who lost invented money only now waits as many blocks for it.
        for n in 1..=depth + 1 {
            self.mined_at(time + depth + missing + 1 + n, Vec::new());
        }
        self.rig.settle().await;
    }

    /// Chain time that no branch was ever beyond.
    pub(crate) fn now(&self) -> u64 {
        self.latest
    }
}
