//! Killed by signal 9 at every point of a step, and started again: the end is that of a story nobody disturbed.
//!
//! A story has acts. What the chain does in an act is done while no process runs; then one is started that kills itself
//! at a given point (`DEPOSIT_WATCHER_KILL_AT`, known to debug builds only), and after it one that does not. So a point
//! means the same place in every run. The points: before each poll of a step and after each that ends pending, which is
//! after and before every await, and around each BEGIN and COMMIT. `KILL_EVERY=1` takes all of them instead of some, 3
//! every third; `KILL_SEED` begins the random times.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alloy::primitives::Bytes;
use deposit_watcher::demo::Remined;
use deposit_watcher::domain::{Address, TxHash};
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep};

use crate::rig::{Chain, PATIENCE, Rig, Section, until};

/// What happens to the deposits, one after another.
const ACTS: [&str; 9] = [
    "the first start",
    "a confirmation",
    "too little and too much",
    "a top-up, and a payment that will move",
    "a reorganisation that moves it",
    "two confirmations",
    "a reorganisation that reverts one",
    "it is paid again, another expires",
    "a range is read again",
];
/// Stories told at once: a chain, a database and a process each.
const TOLD_AT_ONCE: usize = 3;
/// What a minute allows of each point, and how much later it is in the last act than in the first. The third transaction
/// of a process is the first one about the chain, after its lease and its tokens.
const SOME: [(&str, &[u64], u64); 6] = [
    ("poll", &[20, 40], 20),
    ("pending", &[30, 50], 20),
    ("begin", &[3], 0),
    ("begun", &[3], 0),
    ("commit", &[1, 3, 4], 0),
    ("committed", &[3, 4], 0),
];
const RANDOM_RUNS: u64 = 1;
/// A point has no more visits when nothing died at so many in a row: how many an act takes differs a little by the run.
const FRUITLESS: u64 = 5;

/// How a process ends in each act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// When the act is over.
    Undisturbed,
    /// At such a visit of a point, later by a part of the stride in each act so that it meets other places in each.
    At { point: &'static str, visit: u64, spread: u64 },
    /// After some milliseconds, drawn from a seed.
    Random(u64),
}

/// The world of one run.
struct Story {
    chain: Chain,
    rig: Rig,
    shops: BTreeMap<&'static str, Address>,
    moved: Option<(TxHash, Bytes)>,
}

impl Story {
    async fn new() -> Story {
        let chain = Chain::start().await;
        // The spare says at once that a confirmed payment left the chain.
        let section = Section { spare: Some(chain.anvil.ws_url()), poll_interval: "500ms", ..chain.section() };
        let rig = Rig::new(&[section]).await;
        let names = ["exact", "part", "over", "moved", "reverted", "never", "found"];
        let shops = names.map(|name| (name, chain.address())).into_iter().collect();
        Story { chain, rig, shops, moved: None }
    }

    async fn open(&self, name: &str, amount: &str, seconds: f64) {
        let id = format!("dep_{name}");
        self.rig.open(&id, amount, &self.chain.usdc, self.shops[name]).await;
        self.rig.expires_in(&id, seconds).await;
    }

    /// What happens while nobody watches.
    async fn play(&mut self, act: usize) {
        let (chain, day) = (&self.chain, 86_400.0);
        let mine = async |blocks| chain.evm.mine(blocks).await.unwrap();
        match act {
            0 => {
                for (name, amount) in
                    [("exact", "5"), ("part", "100"), ("over", "100"), ("moved", "7"), ("reverted", "9")]
                {
                    self.open(name, amount, day).await;
                }
                self.open("never", "1", 1_200.0).await;
                chain.pay(1, self.shops["exact"], 5).await;
            }
            1 => mine(2).await,
            2 => {
                chain.pay(2, self.shops["part"], 40).await;
                chain.pay(3, self.shops["over"], 150).await;
                mine(2).await;
            }
            3 => {
                chain.pay(4, self.shops["part"], 60).await;
                mine(2).await;
                let paid = chain.pay(5, self.shops["moved"], 7).await.hash;
                mine(1).await;
                self.moved = Some((paid, chain.evm.raw(paid).await.unwrap()));
            }
            4 => {
                let (_, raw) = self.moved.clone().unwrap();
                chain.evm.reorganise(2, &[(Remined::Again(raw), 1)]).await.unwrap();
            }
            5 => {
                mine(2).await;
                chain.pay(6, self.shops["reverted"], 9).await;
                mine(3).await;
            }
            6 => chain.evm.reorganise(4, &[]).await.unwrap(),
            7 => {
                chain.evm.increase_time(1_800).await.unwrap();
                chain.pay(7, self.shops["reverted"], 9).await;
                chain.pay(8, self.shops["found"], 3).await;
                mine(3).await;
            }
            _ => {
                // Nobody had named the address: only a second reading finds it.
                self.open("found", "3", day).await;
                let select = "INSERT INTO rescans (network, from_block, to_block, reason, next_first, next_second) \
                              SELECT slug, 1, scanned_number, 'operator', 1, 1 FROM networks";
                sqlx::query(select).execute(&self.rig.pool).await.unwrap();
            }
        }
    }

    /// Whether everything of an act is committed.
    async fn is_over(&self, act: usize) -> bool {
        let is = async |name: &str, status: &str| self.rig.shown(&format!("dep_{name}")).await.status == status;
        match act {
            0 => is("exact", "PENDING").await,
            1 => is("exact", "CONFIRMED").await,
            2 => is("part", "UNDERPAID").await && is("over", "OVERPAID").await,
            3 => is("part", "CONFIRMED").await && is("moved", "PENDING").await,
            4 => {
                let transfers = self.rig.transfers(self.moved.as_ref().unwrap().0).await;
                let mut states: Vec<&str> = transfers.iter().map(|(state, _)| state.as_str()).collect();
                // Both were first seen at the same time.
                states.sort_unstable();
                states == ["ORPHANED", "SEEN"]
            }
            5 => is("moved", "CONFIRMED").await && is("reverted", "CONFIRMED").await,
            6 => is("reverted", "PENDING").await && self.is_at_head().await,
            7 => is("reverted", "CONFIRMED").await && is("never", "EXPIRED").await,
            _ => {
                let open = "SELECT count(*) FROM rescans WHERE finished_at IS NULL";
                is("found", "CONFIRMED").await && self.rig.number(open).await == 0
            }
        }
    }

    async fn is_at_head(&self) -> bool {
        let head = self.chain.evm.head().await.unwrap().block.hash.to_string();
        self.rig.texts("SELECT scanned_hash FROM networks").await == [head]
    }

    /// Acts, with processes that end like this; how many killed themselves, by act.
    async fn tell(&mut self, end: End) -> Vec<usize> {
        let mut random = match end {
            End::Random(seed) => StdRng::seed_from_u64(seed),
            End::Undisturbed | End::At { .. } => StdRng::seed_from_u64(0),
        };
        let mut died = Vec::new();
        for act in 0..ACTS.len() {
            self.play(act).await;
            if end == End::Undisturbed || self.dies(act, end, &mut random).await {
                died.push(act);
                self.goes_on(act).await;
            }
            self.the_dead_are_gone().await;
        }
        died
    }

    /// One process; true when it was killed before the act was over.
    async fn dies(&self, act: usize, end: End, random: &mut StdRng) -> bool {
        let (at, kill_after) = match end {
            End::At { point, visit, spread } => {
                let visit = visit + u64::try_from(act).unwrap() * spread / u64::try_from(ACTS.len()).unwrap();
                (Some(format!("{point}:{visit}")), None)
            }
            End::Random(_) => (None, Some(Duration::from_millis(random.random_range(30..600)))),
            End::Undisturbed => (None, None),
        };
        let mut process = self.rig.run_killing_itself(at.as_deref()).await;
        let begun = Instant::now();
        loop {
            // Dropped, it is killed as well; it may be doing that itself just now.
            if kill_after.is_some_and(|after| begun.elapsed() >= after) {
                drop(process);
                return true;
            }
            if !process.runs() {
                assert_eq!(process.exit(PATIENCE).await, 137, "{}", process.stderr());
                return true;
            }
            if self.is_over(act).await {
                drop(process);
                return false;
            }
            assert!(begun.elapsed() < PATIENCE, "{} is not over: {}", ACTS[act], process.stderr());
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Another process, which nobody disturbs until the act is over.
    async fn goes_on(&self, act: usize) {
        self.the_dead_are_gone().await;
        let mut process = self.rig.run_killing_itself(None).await;
        until(&format!("{} is over", ACTS[act]), async || self.is_over(act).await.then_some(())).await;
        process.kill().await;
    }

    /// Its lease would run out within six seconds: other tests wait for that.
    async fn the_dead_are_gone(&self) {
        let connected = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'deposit-watcher'";
        until("its connections are gone", async || (self.rig.number(connected).await == 0).then_some(())).await;
        sqlx::query("UPDATE leases SET expires_at = '-infinity'").execute(&self.rig.pool).await.unwrap();
    }

    /// Everything that has to be the same, whatever came between.
    async fn ending(&self) -> Vec<String> {
        self.rig.books_are_right().await;
        let mut ending = Vec::new();
        for select in [
            "SELECT concat_ws(' ', id, payment_status, trim_scale(received_amount), trim_scale(confirmed_amount), tx_id IS NOT NULL, \
                    confirmed_at IS NOT NULL, closed_at IS NOT NULL) FROM deposit_sessions ORDER BY id",
            "SELECT concat_ws(' ', 'transfer', session_id, reason, trim_scale(amount), state, block_number, log_index) FROM transfers \
              ORDER BY block_number, log_index, state",
            "SELECT concat_ws(' ', session_id, string_agg(type, ' ' ORDER BY position)) FROM events GROUP BY session_id ORDER BY session_id",
            "SELECT concat_ws(' ', session_id, string_agg(kind || ' ' || trim_scale(amount), ' ' ORDER BY id)) FROM ledger \
              GROUP BY session_id ORDER BY session_id",
            "SELECT concat_ws(' ', 'ledger', trim_scale(sum(amount))) FROM ledger",
            "SELECT concat_ws(' ', slug, scanned_number, confirmed_number, halted_reason) FROM networks",
            "SELECT concat_ws(' ', 'rescan', from_block, to_block, finished_at IS NOT NULL) FROM rescans",
            "SELECT concat_ws(' ', 'derivations left', count(*)) FROM pending_derivations",
        ] {
            ending.extend(self.rig.texts(select).await);
        }
        ending
    }
}

/// What all runs came to.
#[derive(Default)]
struct Tally {
    /// Stories told.
    stories: u64,
    /// Deaths by point and act.
    deaths: BTreeMap<(&'static str, usize), u64>,
    /// Visits since the last one at which something died, by point.
    fruitless: BTreeMap<&'static str, u64>,
    /// The highest visit at which something died, by point.
    last: BTreeMap<&'static str, u64>,
    wrong: Vec<String>,
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

/// Which visits of which points.
fn ends() -> Vec<End> {
    if std::env::var_os("KILL_EVERY").is_none() {
        let some = SOME.iter().flat_map(|(point, visits, spread)| {
            visits.iter().map(|visit| End::At { point, visit: *visit, spread: *spread })
        });
        return some.collect();
    }
    // An act has ten transactions where it has a hundred awaits, and nothing dies at more visits than it has.
    let every = number("KILL_EVERY", 1);
    let few = every.div_ceil(10);
    let of = |point, stride: u64| {
        let visits = (1..=2_000).step_by(usize::try_from(stride).unwrap());
        visits.map(move |visit| End::At { point, visit, spread: stride }).collect::<Vec<_>>()
    };
    let all = [
        of("poll", every),
        of("pending", every),
        of("begin", few),
        of("begun", few),
        of("commit", few),
        of("committed", few),
    ];
    // The points take turns, so that each is given up before much more of it is tried.
    let longest = all.iter().map(Vec::len).max().unwrap();
    (0..longest).flat_map(|turn| all.iter().filter_map(move |ends| ends.get(turn).copied())).collect()
}

async fn sweep(ends: Vec<End>, reference: &[String]) -> Tally {
    let (next, tally) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    let teller = || async {
        while let Some(end) = ends.get(next.fetch_add(1, Ordering::SeqCst)).copied() {
            let point = match end {
                End::At { point, .. } => {
                    if tally.lock().unwrap().fruitless.get(point).is_some_and(|visits| *visits >= FRUITLESS) {
                        continue;
                    }
                    point
                }
                End::Random(_) | End::Undisturbed => "random",
            };
            let mut story = Story::new().await;
            let died = story.tell(end).await;
            let ending = story.ending().await;
            println!("{end:?}: died in {died:?}");
            let mut tally = tally.lock().unwrap();
            if ending != reference {
                tally.wrong.push(format!("{end:?}, died in {died:?}: {ending:#?}"));
            }
            if let End::At { visit, .. } = end {
                if died.is_empty() {
                    *tally.fruitless.entry(point).or_default() += 1;
                } else {
                    tally.fruitless.remove(point);
                    // Stories end in any order.
                    tally.last.entry(point).and_modify(|last| *last = visit.max(*last)).or_insert(visit);
                }
            }
            tally.stories += 1;
            for act in died {
                *tally.deaths.entry((point, act)).or_default() += 1;
            }
        }
    };
    join_all((0..TOLD_AT_ONCE).map(|_| teller())).await;
    tally.into_inner().unwrap()
}

#[tokio::test]
async fn killed_anywhere_it_ends_as_if_nothing_had_been() {
    let begun = Instant::now();
    let mut story = Story::new().await;
    story.tell(End::Undisturbed).await;
    let reference = story.ending().await;
    println!("undisturbed after {:?}: {reference:#?}", begun.elapsed());
    let statuses = reference.iter().filter(|line| line.starts_with("dep_") && line.contains(" t ")).count();
    assert!(statuses >= 5, "the story is not the one that was meant: {reference:#?}");

    let seed = number("KILL_SEED", 1);
    let random = (seed..seed + RANDOM_RUNS).map(End::Random);
    let tally = sweep(random.chain(ends()).collect(), &reference).await;

    let deaths: u64 = tally.deaths.values().sum();
    let Tally { stories, last, .. } = &tally;
    println!(
        "{deaths} deaths in {stories} stories, {:?}; the last visits at which any died: {last:?}",
        begun.elapsed()
    );
    for (act, name) in ACTS.iter().enumerate() {
        let of = |point| tally.deaths.get(&(point, act)).copied().unwrap_or_default();
        let all =
            ["poll", "pending", "begin", "begun", "commit", "committed", "random"].map(|point| (point, of(point)));
        println!("  {name}: {all:?}");
        // A random moment may come when the act is over.
        let mut placed = all.iter().filter(|(point, _)| *point != "random");
        assert!(placed.all(|(_, deaths)| *deaths > 0), "nothing died there: it proves nothing");
    }
    if std::env::var_os("KILL_EVERY").is_some() {
        let whole = ends().iter().all(|end| match end {
            End::At { point, .. } => tally.fruitless.get(point).is_some_and(|visits| *visits >= FRUITLESS),
            End::Undisturbed | End::Random(_) => true,
        });
        assert!(whole, "a point has visits beyond those that were tried: {:?}", tally.last);
    }
    let random = (0..ACTS.len()).filter(|act| tally.deaths.contains_key(&("random", *act))).count();
    assert!(2 * random >= ACTS.len(), "only {random} acts died at random");
    assert!(
        tally.wrong.is_empty(),
        "{} of the runs ended otherwise than {reference:#?}:\n{}",
        tally.wrong.len(),
        tally.wrong.join("\n")
    );
}
