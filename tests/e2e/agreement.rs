//! After a storm of odd amounts and reorganisations chain, rows, ledger, metrics and `reconcile` agree to the base unit. The
//! sums of the chain are asked for here, by nobody else's code; the seed is told where they differ.

use std::collections::BTreeSet;

use alloy::primitives::{Address, B256, U256, keccak256};
use deposit_watcher::demo::{Call, Remined};
use deposit_watcher::domain::Units;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::rig::{Chain, Metrics, Rig, until};

const SESSIONS: usize = 24;
const ROUNDS: usize = 60;
/// Whole tokens have a million of these.
const MILLION: u64 = 1_000_000;

/// Base units that the chain's own logs say came to these.
pub(super) async fn came(chain: &Chain, shops: &BTreeSet<Address>) -> U256 {
    let topic = keccak256("Transfer(address,address,uint256)");
    let filter = json!({ "fromBlock": "0x0", "toBlock": "latest", "address": chain.usdc.address, "topics": [topic] });
    let to = |log: &Value| Address::from_word(log["topics"][2].as_str().unwrap().parse::<B256>().unwrap());
    let units = |log: &Value| log["data"].as_str().unwrap().parse::<U256>().unwrap();
    let logs = chain.evm.logs(filter).await.unwrap();
    logs.iter().filter(|log| shops.contains(&to(log))).map(units).sum()
}

/// So many base units, with digits down to the last.
pub(super) fn odd(dice: &mut StdRng) -> u64 {
    dice.random_range(1..5 * MILLION)
}

/// Pays at random and lets the chain go back at random, whatever is confirmed already.
async fn storm(chain: &Chain, rig: &Rig, dice: &mut StdRng, shops: &[Address], amounts: &[u64]) {
    let mut payer = 0;
    for _ in 0..ROUNDS {
        let which = dice.random_range(0..shops.len());
        let amount = match dice.random_range(0..10) {
            0..5 => amounts[which],
            5..7 => (amounts[which] / 3).max(1),
            _ => odd(dice),
        };
        payer = (payer + 1) % chain.payers.len();
        let call = Call::Transfer(shops[which], Units(U256::from(amount)));
        let paid = chain.evm.pay(chain.payers[payer], chain.usdc.address, &call).await.unwrap();
        chain.evm.mine(dice.random_range(0..3)).await.unwrap();
        if dice.random_range(0..4) == 0 {
            let head = chain.evm.head().await.unwrap().block.number.0;
            let depth = dice.random_range(1..7).min(head - 4);
            let within = paid.block.number.0 + depth > head;
            let again = if within && dice.random_range(0..2) == 0 {
                vec![(Remined::Again(chain.evm.raw(paid.hash).await.unwrap()), 0)]
            } else {
                Vec::new()
            };
            // What is deep enough is confirmed before it goes.
            rig.scanned("anvil", chain).await;
            until("what is deep is confirmed", async || {
                let deep = "SELECT count(*) FROM transfers t JOIN networks n ON n.slug = t.network
                             WHERE t.state = 'SEEN' AND t.block_number <= n.scanned_number - 2";
                (rig.number(deep).await == 0).then_some(())
            })
            .await;
            // Now and then anvil has forgotten the state of the block below, and refuses: then this one did not happen.
            let _ = chain.evm.reorganise(depth, &again).await;
            rig.scanned("anvil", chain).await;
        }
    }
}

/// Digits as SQL gives them.
async fn units(rig: &Rig, select: &'static str) -> U256 {
    rig.texts(select).await[0].parse().unwrap()
}

/// What a process counted since it began.
async fn counted(rig: &Rig, metrics: &Metrics, seed: u64) {
    let booked = "SELECT coalesce(sum(units), 0)::text FROM ledger WHERE kind = 'confirm' AND session_id IS NOT NULL";
    let whole = (units(rig, booked).await / U256::from(MILLION)).to::<u64>();
    let paid = metrics.count("confirmed_amount_total", &["token=\"usdc\""]);
    assert_eq!(paid, i64::try_from(whole).unwrap(), "seed {seed}: confirmed_amount_total");
    let reverted = rig.number("SELECT count(*) FROM ledger WHERE kind = 'revert'").await;
    assert_eq!(metrics.count("reverted_total", &[]), reverted, "seed {seed}: reverted_total");
    let paid = ["CONFIRMED", "OVERPAID", "UNDERPAID"]
        .iter()
        .map(|status| metrics.count("session_transitions_total", &[&format!("to=\"{status}\"")]));
    assert_eq!(
        metrics.count("confirmed_sessions_total", &[]),
        paid.sum::<i64>(),
        "seed {seed}: confirmed_sessions_total"
    );
    for (status, count) in rig
        .texts("SELECT payment_status || ' ' || count(*) FROM deposit_sessions GROUP BY payment_status")
        .await
        .iter()
        .map(|line| line.split_once(' ').unwrap())
    {
        let gauge = metrics.count("sessions", &["network=\"anvil\"", &format!("status=\"{status}\"")]);
        assert_eq!(gauge.to_string(), count, "seed {seed}: sessions {status}");
    }
}

#[tokio::test]
async fn chain_rows_ledger_metrics_and_reconcile_agree_to_the_base_unit() {
    let seed = std::env::var("AGREEMENT_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    let mut dice = StdRng::seed_from_u64(seed);
    let chain = Chain::start().await;
    // It is read again in many pieces.
    let rig = Rig::new(&[chain.section().with("reorg_window = 64").with("max_block_range = 7")]).await;
    let shops: Vec<Address> = (0..SESSIONS).map(|_| chain.address()).collect();
    let amounts: Vec<u64> = (0..SESSIONS).map(|_| odd(&mut dice)).collect();
    for (at, (shop, amount)) in shops.iter().zip(&amounts).enumerate() {
        let amount = Units(U256::from(*amount)).to_decimal(6);
        rig.open(&format!("dep_{at}"), &amount, &chain.usdc, *shop).await;
    }
    let mut process = rig.run().await;
    rig.scanned("anvil", &chain).await;
    storm(&chain, &rig, &mut dice, &shops, &amounts).await;
    chain.pay(0, shops[0], 1).await;
    chain.bury().await;
    rig.scanned("anvil", &chain).await;
    until("all is confirmed", async || {
        (rig.number("SELECT count(*) FROM transfers WHERE state = 'SEEN'").await == 0).then_some(())
    })
    .await;

    let chains = came(&chain, &shops.iter().copied().collect()).await;
    let reverted = rig.number("SELECT count(*) FROM ledger WHERE kind = 'revert'").await;
    assert!(!chains.is_zero() && reverted > 0, "seed {seed}: {chains} units, {reverted} reverted: a calm, no storm");
    for (what, select) in [
        ("canonical transfers", "SELECT sum(amount_units)::text FROM transfers WHERE state <> 'ORPHANED'"),
        ("confirmed transfers", "SELECT sum(amount_units)::text FROM transfers WHERE state = 'CONFIRMED'"),
        ("the ledger", "SELECT sum(units)::text FROM ledger"),
        (
            "sessions and what is nobody's",
            "SELECT trim_scale((SELECT sum(confirmed_amount) FROM deposit_sessions) * 1000000
                + (SELECT coalesce(sum(amount_units), 0) FROM transfers WHERE state <> 'ORPHANED' AND session_id IS NULL))::text",
        ),
    ] {
        assert_eq!(units(&rig, select).await, chains, "seed {seed}: {what}");
    }
    let asked = ["reconcile", "--network", "anvil", "--balances", "--output", "json"];
    let ended = rig.command(&asked).await;
    assert_eq!(ended.code, 0, "seed {seed}: {ended:?}");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    for sum in ["chain_units", "here_units", "confirmed_units", "ledger_units"] {
        assert_eq!(report["tokens"][0][sum], chains.to_string(), "seed {seed}: {sum}: {report}");
    }
    let balances = report["balances"].as_array().unwrap();
    assert!(balances.iter().all(|line| line["kind"] == "as_it_came"), "seed {seed}: {report}");
    let metrics = until("the sessions are counted", async || {
        let metrics = process.metrics().await;
        let all = metrics.count("sessions", &["network=\"anvil\""]);
        let at = metrics.count("reconcile_timestamp_seconds", &["network=\"anvil\""]);
        (all == i64::try_from(SESSIONS).unwrap() && at > 0).then_some(metrics)
    })
    .await;
    counted(&rig, &metrics, seed).await;
    rig.books_are_right().await;
    process.terminate().await;
}
