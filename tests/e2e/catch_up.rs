//! `kill -9` in mid catch-up, several times at random moments: afterwards each transfer is there exactly once.

use std::collections::BTreeMap;
use std::time::Duration;

use deposit_watcher::demo::Call;
use deposit_watcher::domain::Address;
use serde_json::json;
use sqlx::Row;

use crate::rig::{Chain, Process, Rig, units, until};

const SESSIONS: usize = 60;
/// Blocks with payments; nine empty ones follow each.
const ROUNDS: usize = 300;
const KILLS: usize = 4;

#[tokio::test]
async fn killed_in_mid_catch_up_nothing_is_lost_or_doubled() {
    let chain = Chain::start().await;
    // Narrow ranges make a few thousand blocks last for hundreds of steps.
    let rig = Rig::new(&[chain.section().with("max_block_range = 10")]).await;
    let shops: Vec<Address> = (0..SESSIONS).map(|_| chain.address()).collect();
    for (number, shop) in shops.iter().enumerate() {
        // The first payment pays it, the others are too much.
        rig.open(&format!("dep_{number}"), &(number + 1).to_string(), &chain.usdc, *shop).await;
    }
    // The first cursor stands below all of it, as after a long time away.
    let mut process = rig.run().await;
    rig.scanned("anvil", &chain).await;
    process.terminate().await;
    let first = chain.evm.head().await.unwrap().block.number;
    let paid = history(&chain, &shops).await;

    for kill in 0..KILLS {
        let mut process = rig.run().await;
        let cursor = scanned(&rig).await;
        until("it catches up", async || (scanned(&rig).await > cursor).then_some(())).await;
        // Any moment will do, of a step that takes some milliseconds.
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..150))).await;
        process.kill().await;
        assert!(behind(&rig, &chain).await > 0, "kill {kill} came after the end");
        // What a dead holder's lease takes to run out is another test's subject.
        let expire = "UPDATE leases SET expires_at = '-infinity'";
        sqlx::query(expire).execute(&rig.pool).await.unwrap();
    }
    let mut process = rig.run().await;
    finished(&rig, &chain, &process).await;

    assert_eq!(stored(&rig).await, on_chain(&chain, first.0 + 1, &shops).await);
    for (shop, sum) in &paid {
        assert_eq!(chain.evm.balance(chain.usdc.address, *shop).await.unwrap(), units(*sum));
    }
    for number in 0..SESSIONS {
        let id = format!("dep_{number}");
        let shown = rig.becomes(&id, "CONFIRMED").await;
        assert_eq!(shown.confirmed, (number + 1).to_string());
        let mut events = rig.events(&id).await;
        // Seen and confirmed in one step, or seen before a kill.
        events.dedup();
        assert_eq!(events, ["created", "pending", "confirmed"], "{id}");
    }
    assert_eq!(rig.number("SELECT count(*) FROM transfers WHERE state <> 'CONFIRMED'").await, 0);
    assert_eq!(rig.number("SELECT count(*) FROM events WHERE type = 'deposit.confirmed'").await, 60);
    rig.books_are_right().await;
    process.terminate().await;
}

/// Pays each shop five times, one of several in each block, and says what each got.
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

async fn scanned(rig: &Rig) -> i64 {
    rig.number("SELECT coalesce(max(scanned_number), 0) FROM networks").await
}

async fn behind(rig: &Rig, chain: &Chain) -> i64 {
    i64::try_from(chain.evm.head().await.unwrap().block.number.0).unwrap() - scanned(rig).await
}

/// Scanned to the head, and each transfer confirmed.
async fn finished(rig: &Rig, chain: &Chain, process: &Process) {
    process.is_ready().await;
    rig.scanned("anvil", chain).await;
    until("all is confirmed", async || {
        (rig.number("SELECT count(*) FROM transfers WHERE state = 'SEEN'").await == 0).then_some(())
    })
    .await;
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
