//! A month of payments on a clock that goes from day to day: sessions that are paid, paid late, in parts or not at all,
//! and reorganisations that take confirmed money back, also of a month that is closed. `reconcile` runs every night; the
//! month is closed by `report`, and comes to what the chain holds, to the base unit. Run by `tests/debian/month.sh`, which
//! gives the clock to the watcher, to PostgreSQL and to us.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{I256, U256};
use chrono::{DateTime, Duration, NaiveDate, TimeDelta, Utc};
use chrono_tz::Europe::Berlin;
use deposit_watcher::demo::{Call, Remined};
use deposit_watcher::domain::{Address, Units};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use super::agreement::{came, odd};
use crate::rig::{Chain, Rig, until};

/// Of which each day's payments are confirmed before the next begins.
const DAYS_BEFORE: i64 = 2;
/// March has an hour less there, on the 28th.
const MONTH: (&str, &str) = ("2027-03-01", "2027-04-01");
const REPORTS: [(&str, &str); 5] = [
    ("ledger", "amount_units"),
    ("daily", "net_units"),
    ("deposits", "amount_units"),
    ("sessions", "confirmed_in_period_units"),
    ("unmatched", "unmatched_in_period_units"),
];

/// The clock of everybody but the chain, which has an offset of its own.
struct Clock {
    file: std::path::PathBuf,
    offset: TimeDelta,
}

impl Clock {
    /// By the script.
    fn given() -> Clock {
        let file = std::env::var_os("FAKETIME_TIMESTAMP_FILE").expect("FAKETIME_TIMESTAMP_FILE: tests/debian/month.sh");
        Clock { file: file.into(), offset: TimeDelta::zero() }
    }

    /// Puts it to this time or up to a second later; whoever asks sees it at once.
    fn to(&mut self, time: DateTime<Utc>) {
        self.offset = TimeDelta::seconds((self.offset + (time - Utc::now())).num_seconds() + 1);
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{:+}\n", self.offset.num_seconds())).unwrap();
        std::fs::rename(&new, &self.file).unwrap();
        assert!((time - Utc::now()).abs() < Duration::seconds(30), "the clock stands at {}, not {time}", Utc::now());
    }
}

/// A day's hour in Berlin.
fn at(day: NaiveDate, hour: u32) -> DateTime<Utc> {
    day.and_hms_opt(hour, 0, 0).unwrap().and_local_timezone(Berlin).unwrap().to_utc()
}

/// A merchant's month.
struct Shop {
    chain: Chain,
    rig: Rig,
    dice: StdRng,
    /// Whom customers pay, and how much.
    sessions: Vec<(Address, u64)>,
    payments: usize,
}

impl Shop {
    async fn pays(&mut self, to: Address, units: u64) {
        self.payments += 1;
        let payer = self.chain.payers[self.payments % self.chain.payers.len()];
        let call = Call::Transfer(to, Units(U256::from(units)));
        self.chain.evm.pay(payer, self.chain.usdc.address, &call).await.unwrap();
    }

    /// Puts every clock forward.
    async fn goes_on(&self, clock: &mut Clock, to: DateTime<Utc>) {
        clock.to(to);
        self.chain_is_on_time().await;
    }

    /// The chain's clock goes on from the block that was mined last, whatever the time is.
    async fn chain_is_on_time(&self) {
        let head = self.chain.evm.head().await.unwrap().time;
        let next = Utc::now().max(head + Duration::seconds(1)).timestamp();
        self.chain.evm.set_next_time(next.unsigned_abs()).await.unwrap();
    }

    async fn confirmed(&self) {
        self.chain.bury().await;
        self.rig.scanned("anvil", &self.chain).await;
        until("all is confirmed", async || {
            (self.rig.number("SELECT count(*) FROM transfers WHERE state = 'SEEN'").await == 0).then_some(())
        })
        .await;
    }

    /// Sessions, of which one is paid, one in parts or too much, one not at all; somebody pays for an older one.
    async fn day(&mut self) {
        for part in 0..3 {
            let (to, amount) = (self.chain.address(), odd(&mut self.dice));
            let whole = Units(U256::from(amount)).to_decimal(6);
            self.rig.open(&format!("dep_{}", self.sessions.len()), &whole, &self.chain.usdc, to).await;
            self.sessions.push((to, amount));
            match part {
                0 => self.pays(to, amount).await,
                1 => {
                    let first = self.dice.random_range(1..2 * amount);
                    self.pays(to, first).await;
                    if first < amount {
                        self.pays(to, amount - first).await;
                    }
                }
                _ => {}
            }
        }
        // Not older than late_window: what comes there later is seen by nobody.
        let ago = self.dice.random_range(1..=self.sessions.len().min(60));
        let (old, units) = (self.sessions.len() - ago, odd(&mut self.dice));
        self.pays(self.sessions[old].0, units).await;
        self.confirmed().await;
    }

    /// The newest blocks go, with confirmed money; the newest payment comes again or does not.
    async fn reorganisation(&mut self) {
        let newest =
            "SELECT tx_hash FROM transfers WHERE state = 'CONFIRMED' ORDER BY block_number DESC, log_index LIMIT 1";
        let hash = self.rig.texts(newest).await[0].parse().unwrap();
        let again = match self.dice.random_range(0..2) {
            // A block later: in its old place it could be the very same block.
            0 => vec![(Remined::Again(self.chain.evm.raw(hash).await.unwrap()), 1)],
            _ => Vec::new(),
        };
        let before = self.reverts().await;
        let newest = "SELECT max(block_number) FROM transfers WHERE state = 'CONFIRMED'";
        let above = self.chain.evm.head().await.unwrap().block.number.0 - self.rig.number(newest).await.unsigned_abs();
        let depth = above + self.dice.random_range(1..5);
        self.chain.evm.reorganise(depth, &again).await.unwrap();
        self.chain_is_on_time().await;
        // Other money is on it than was.
        self.pays(self.sessions[self.sessions.len() - 1].0, 1).await;
        until("money is taken back", async || (self.reverts().await > before).then_some(())).await;
        self.confirmed().await;
    }

    async fn reverts(&self) -> i64 {
        self.rig.number("SELECT count(*) FROM ledger WHERE kind = 'revert'").await
    }

    /// The night's run finds nothing.
    async fn night(&self) {
        let ended = self.rig.command(&["reconcile", "--network", "anvil"]).await;
        assert_eq!(ended.code, 0, "{ended:?}");
    }

    async fn on_chain(&self) -> I256 {
        let shops = self.sessions.iter().map(|(to, _)| *to).collect::<BTreeSet<_>>();
        I256::from_raw(came(&self.chain, &shops).await)
    }

    async fn report(&self, name: &str, (from, to): (&str, &str)) -> String {
        let asked = ["report", name, "--from", from, "--to", to, "--tz", "Europe/Berlin", "--format", "json"];
        let ended = self.rig.command(&asked).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.stdout
    }

    /// Every report of a period.
    async fn books(&self, period: (&str, &str)) -> BTreeMap<&'static str, String> {
        let mut books = BTreeMap::new();
        for (name, _) in REPORTS {
            books.insert(name, self.report(name, period).await);
        }
        books
    }
}

/// What the column comes to that the report is summed up by.
fn sum(books: &BTreeMap<&'static str, String>, name: &str) -> I256 {
    let column = REPORTS.iter().find(|(report, _)| *report == name).unwrap().1;
    let lines: Vec<Value> = serde_json::from_str(&books[name]).unwrap();
    lines.iter().fold(I256::ZERO, |sum, line| sum + I256::from_dec_str(line[column].as_str().unwrap()).unwrap())
}

fn days(books: &BTreeMap<&'static str, String>, name: &str) -> BTreeSet<String> {
    let lines: Vec<Value> = serde_json::from_str(&books[name]).unwrap();
    lines.iter().map(|line| line["day"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
#[ignore = "needs a clock that can be put forward: tests/debian/month.sh"]
async fn a_month_with_reorganisations_is_closed_to_the_base_unit() {
    let seed = std::env::var("MONTH_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("MONTH_SEED={seed}");
    let mut clock = Clock::given();
    let first: NaiveDate = MONTH.0.parse().unwrap();
    let end: NaiveDate = MONTH.1.parse().unwrap();
    clock.to(at(first - Duration::days(DAYS_BEFORE), 9));
    let chain = Chain::start_with(&["--timestamp", &Utc::now().timestamp().to_string()]).await;
    // No reorganisation takes back what the payers own.
    chain.evm.mine(10).await.unwrap();
    let rig = Rig::new(&[chain.section().with("reorg_window = 64")]).await;
    let mut process = rig.run().await;
    rig.scanned("anvil", &chain).await;
    let mut shop = Shop { chain, rig, dice: StdRng::seed_from_u64(seed), sessions: Vec::new(), payments: 0 };

    let mut opening = I256::ZERO;
    let mut today = first - Duration::days(DAYS_BEFORE);
    while today < end {
        if today == first {
            opening = shop.on_chain().await;
        }
        shop.day().await;
        if shop.dice.random_range(0..3) == 0 || today.succ_opt() == Some(end) {
            shop.reorganisation().await;
        }
        shop.night().await;
        today = today.succ_opt().unwrap();
        let hour = shop.dice.random_range(0..24);
        // An hour that is none in spring is the next one.
        let next = if hour == 2 { at(today, 3) } else { at(today, hour) };
        shop.goes_on(&mut clock, next).await;
    }
    shop.goes_on(&mut clock, Utc::now() + Duration::hours(6)).await;
    until("the last evening's sessions are expired", async || {
        let open = "SELECT count(*) FROM deposit_sessions WHERE payment_status IN ('CREATED', 'PENDING')";
        shop.chain.evm.mine(1).await.unwrap();
        (shop.rig.number(open).await == 0).then_some(())
    })
    .await;

    let closed = shop.books(MONTH).await;
    let march = sum(&closed, "ledger");
    assert!(opening > I256::ZERO && march > I256::ZERO);
    assert_eq!(opening + march, shop.on_chain().await, "what the chain holds at the end");
    assert_eq!(sum(&closed, "daily"), march);
    assert_eq!(sum(&closed, "deposits") + sum(&closed, "unmatched"), march);
    assert_eq!(sum(&closed, "sessions"), sum(&closed, "deposits"));
    assert!(sum(&closed, "unmatched") > I256::ZERO);
    assert!(closed["ledger"].matches("\"revert\"").count() > 5, "reversals");
    let expected: BTreeSet<String> =
        first.iter_days().take_while(|day| *day < end).map(|day| day.to_string()).collect();
    assert_eq!(days(&closed, "ledger"), expected);
    assert_eq!(days(&closed, "daily"), expected);

    // Money of March goes in April: March stays as it was closed, April has the reversal.
    shop.reorganisation().await;
    shop.night().await;
    assert_eq!(shop.books(MONTH).await, closed);
    let next = shop.books((MONTH.1, "2027-05-01")).await;
    assert!(next["ledger"].contains("\"revert\""), "{}", next["ledger"]);
    let both = shop.books((MONTH.0, "2027-05-01")).await;
    for (name, _) in REPORTS {
        assert_eq!(sum(&closed, name) + sum(&next, name), sum(&both, name), "{name}");
    }
    assert_eq!(opening + sum(&both, "ledger"), shop.on_chain().await);
    let first = shop.rig.number("SELECT first_number + 1 FROM networks").await.to_string();
    let asked = ["reconcile", "--network", "anvil", "--from", &first, "--balances", "--output", "json"];
    let ended = shop.rig.command(&asked).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(told["tokens"][0]["ledger_units"], shop.on_chain().await.to_string(), "{told}");
    shop.rig.books_are_right().await;
    process.terminate().await;
}
