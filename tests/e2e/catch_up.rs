//! `kill -9` in mid catch-up, and the database crashing in it, several times at random moments: afterwards each transfer is
//! there exactly once.

use std::collections::BTreeMap;
use std::time::Duration;

use deposit_watcher::demo::{Call, Postgres, Stop};
use deposit_watcher::domain::Address;
use serde_json::json;
use sqlx::Row;
use sqlx::postgres::PgPoolOptions;

use crate::rig::{Chain, Process, Rig, units, until};
use crate::support;

const SESSIONS: usize = 60;
/// Blocks with payments; nine empty ones follow each.
const ROUNDS: usize = 200;
const BLOWS: usize = 4;

#[tokio::test]
async fn killed_in_mid_catch_up_nothing_is_lost_or_doubled() {
    let rig = Rig::new(&[]).await;
    let world = World::new(rig).await;
    for blow in 0..BLOWS {
        let mut process = world.rig.run().await;
        world.some_way_on(blow).await;
        process.kill().await;
        assert!(world.behind().await > 0, "kill {blow} came after the end");
        // What a dead holder's lease takes to run out is another test's subject.
        let expire = "UPDATE leases SET expires_at = '-infinity'";
        sqlx::query(expire).execute(&world.rig.pool).await.unwrap();
    }
    let mut process = world.rig.run().await;
    world.each_transfer_is_there_once(&process).await;
    process.terminate().await;
}

#[tokio::test]
async fn the_database_crashing_in_mid_catch_up_nothing_is_lost_or_doubled() {
    let mut postgres = Postgres::start(&support::tools()).unwrap();
    let admin = PgPoolOptions::new().max_connections(1).connect(&postgres.url("postgres")).await.unwrap();
    sqlx::raw_sql("CREATE DATABASE dw_test_crashes").execute(&admin).await.unwrap();
    admin.close().await;
    let url = postgres.url("dw_test_crashes");
    let pool = PgPoolOptions::new().max_connections(2).connect(&url).await.unwrap();
    deposit_watcher::store::MIGRATIONS.run(&pool).await.unwrap();
    let world = World::new(Rig::on(pool, &url, &[])).await;
    let mut process = world.rig.run().await;
    for blow in 0..BLOWS {
        world.some_way_on(blow).await;
        let metrics = process.metrics().await;
        assert!(metrics.count("lag_blocks", &["network=\"anvil\""]) > 0, "{blow}");
        postgres.stop(Stop::Immediate).unwrap();
        postgres.start_again().unwrap();
        assert!(world.behind().await > 0, "crash {blow} came after the end");
    }
    world.each_transfer_is_there_once(&process).await;
    process.terminate().await;
}

/// Two thousand blocks with hundreds of transfers, none of them looked at, and a database that begins below them.
struct World {
    rig: Rig,
    chain: Chain,
    shops: Vec<Address>,
    paid: BTreeMap<Address, u64>,
    first: u64,
}

impl World {
    async fn new(rig: Rig) -> World {
        let chain = Chain::start().await;
        // Narrow ranges make them last for hundreds of steps.
        rig.configure(&[chain.section().with("max_block_range = 10")]);
        let shops: Vec<Address> = (0..SESSIONS).map(|_| chain.address()).collect();
        for (number, shop) in shops.iter().enumerate() {
            // The first payment pays it, the others are too much.
            rig.open(&format!("dep_{number}"), &(number + 1).to_string(), &chain.usdc, *shop).await;
        }
        let mut process = rig.run().await;
        rig.scanned("anvil", &chain).await;
        process.terminate().await;
        let first = chain.evm.head().await.unwrap().block.number.0 + 1;
        let paid = history(&chain, &shops).await;
        World { rig, chain, shops, paid, first }
    }

    /// Waits until it works, then for a moment: any will do, of a step that takes some milliseconds.
    async fn some_way_on(&self, blow: usize) {
        let cursor = self.scanned().await;
        until(&format!("it catches up after {blow} blows"), async || (self.scanned().await > cursor).then_some(()))
            .await;
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..150))).await;
    }

    async fn scanned(&self) -> i64 {
        self.rig.number("SELECT coalesce(max(scanned_number), 0) FROM networks").await
    }

    async fn behind(&self) -> i64 {
        i64::try_from(self.chain.evm.head().await.unwrap().block.number.0).unwrap() - self.scanned().await
    }

    async fn each_transfer_is_there_once(&self, process: &Process) {
        let World { rig, chain, shops, paid, first } = self;
        rig.scanned("anvil", chain).await;
        for number in 0..SESSIONS {
            let id = format!("dep_{number}");
            let shown = rig.becomes(&id, "CONFIRMED").await;
            assert_eq!(shown.confirmed, (number + 1).to_string());
            assert_eq!(rig.events(&id).await, ["created", "pending", "confirmed"], "{id}");
        }
        until("all is confirmed", async || {
            (rig.number("SELECT count(*) FROM transfers WHERE state <> 'CONFIRMED'").await == 0).then_some(())
        })
        .await;
        assert_eq!(stored(rig).await, on_chain(chain, *first, shops).await);
        for (shop, sum) in paid {
            assert_eq!(chain.evm.balance(chain.usdc.address, *shop).await.unwrap(), units(*sum));
        }
        process.is_ready().await;
        rig.books_are_right().await;
    }
}

/// Pays each shop several times, one of them in every tenth block, and says what each got.
async fn history(chain: &Chain, shops: &[Address]) -> BTreeMap<Address, u64> {
    let mut sums = BTreeMap::new();
    chain.evm.set_automine(false).await.unwrap();
    for round in 0..ROUNDS {
        let number = round % shops.len();
        let amount = u64::try_from(number + 1).unwrap();
        // One to a shop, one to a stranger.
        let payments = vec![(shops[number], units(amount)), (chain.address(), units(3))];
        chain.evm.send(chain.payers[round % 10], chain.usdc.address, &Call::Many(payments)).await.unwrap();
        chain.evm.mine(10).await.unwrap();
        *sums.entry(shops[number]).or_default() += amount;
    }
    chain.evm.mine(3).await.unwrap();
    sums
}

/// (transaction, log index, recipient, base units) of every transfer, sorted.
async fn stored(rig: &Rig) -> Vec<(String, i64, String, String)> {
    let select = "SELECT tx_hash, log_index, to_address, amount_units::text FROM transfers ORDER BY 1, 2";
    let rows = sqlx::query(select).fetch_all(&rig.pool).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect()
}

/// The same, of what the chain says went to these addresses.
async fn on_chain(chain: &Chain, from: u64, shops: &[Address]) -> Vec<(String, i64, String, String)> {
    let words: Vec<_> = shops.iter().map(|shop| shop.into_word()).collect();
    let from = format!("{from:#x}");
    let filter =
        json!({ "fromBlock": from, "toBlock": "latest", "address": chain.usdc.address, "topics": [null, null, words] });
    let logs = chain.evm.logs(filter).await.unwrap();
    let number = |hex: &str| alloy::primitives::U256::from_str_radix(hex.trim_start_matches("0x"), 16).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let line = |log: &serde_json::Value| {
        let to = format!("0x{}", &text(&log["topics"][2])[26..]);
        let index = number(&text(&log["logIndex"])).to::<i64>();
        (text(&log["transactionHash"]), index, to, number(&text(&log["data"])).to_string())
    };
    let mut lines: Vec<_> = logs.iter().map(line).collect();
    lines.sort();
    lines
}
