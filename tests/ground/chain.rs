//! Every test token on a real anvil, and what anvil does: the facts that `demo::evm` names.

use std::time::Duration;

use alloy::primitives::U256;
use deposit_watcher::demo::tokens::OddLog;
use deposit_watcher::demo::{Anvil, Call, Contract, Evm, Remined};
use deposit_watcher::domain::{Address, BlockNumber, Units};
use serde_json::{Value, json};

use crate::support;

const TRANSFER: &str = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";

fn units(count: u64) -> Units {
    Units(U256::from(count))
}

async fn world(args: &[&str]) -> (Anvil, Evm, Address, Address) {
    let anvil = support::anvil(args);
    let evm = Evm::new(anvil.url()).unwrap();
    let (payer, shop) = (evm.account(0).await.unwrap(), evm.account(1).await.unwrap());
    (anvil, evm, payer, shop)
}

/// (topics, bytes of data)
fn shape(log: &Value) -> (usize, usize) {
    assert_eq!(log["topics"][0], TRANSFER);
    (log["topics"].as_array().unwrap().len(), (log["data"].as_str().unwrap().len() - 2) / 2)
}

#[tokio::test]
async fn plain_tokens_move_money() {
    let (_anvil, evm, payer, shop) = world(&[]).await;
    for contract in [Contract::Plain6, Contract::Plain18, Contract::Many, Contract::Odd] {
        let token = evm.deploy(payer, contract).await.unwrap();
        evm.pay(payer, token, &Call::Mint(payer, units(1_000))).await.unwrap();
        let receipt = evm.pay(payer, token, &Call::Transfer(shop, units(7))).await.unwrap();
        assert_eq!(receipt.logs.iter().map(shape).collect::<Vec<_>>(), [(3, 32)], "{contract:?}");
        assert_eq!(evm.balance(token, shop).await.unwrap(), units(7));
        evm.pay(payer, token, &Call::Transfer(shop, units(1_000))).await.unwrap_err();

        let logs = evm.logs(json!({ "blockHash": receipt.block.hash, "topics": [TRANSFER] })).await.unwrap();
        assert_eq!(logs, receipt.logs);
        assert!(logs[0]["blockTimestamp"].is_string());
    }
}

#[tokio::test]
async fn many_pays_many_in_one_transaction() {
    let (_anvil, evm, payer, shop) = world(&[]).await;
    let token = evm.deploy(payer, Contract::Many).await.unwrap();
    evm.pay(payer, token, &Call::Mint(payer, units(1_000_000))).await.unwrap();
    let payments = (1..=200).map(|count| (shop, units(count))).collect();
    let receipt = evm.pay(payer, token, &Call::Many(payments)).await.unwrap();
    assert_eq!(receipt.logs.len(), 200);
    assert_eq!(evm.balance(token, shop).await.unwrap(), units(20_100));
}

#[tokio::test]
async fn odd_logs_have_their_shapes() {
    let (_anvil, evm, payer, shop) = world(&[]).await;
    let nft = evm.deploy(payer, Contract::Nft).await.unwrap();
    let receipt = evm.pay(payer, nft, &Call::Mint(shop, units(9))).await.unwrap();
    assert_eq!(shape(&receipt.logs[0]), (4, 0));

    let odd = evm.deploy(payer, Contract::Odd).await.unwrap();
    for log in OddLog::ALL {
        let receipt = evm.pay(payer, odd, &Call::Odd(log, shop, units(9))).await.unwrap();
        let expected = match log {
            OddLog::LongData => (3, 64),
            OddLog::ShortData => (3, 31),
            OddLog::NoData => (3, 0),
            OddLog::DirtyTo | OddLog::DirtyFrom => (3, 32),
            OddLog::Unindexed => (1, 96),
            OddLog::HalfIndexed => (2, 64),
            OddLog::FourTopics => (4, 0),
        };
        assert_eq!(receipt.logs.iter().map(shape).collect::<Vec<_>>(), [expected], "{log:?}");
        let dirty =
            |topic: usize| receipt.logs[0]["topics"][topic].as_str().is_some_and(|word| !word[2..26].ends_with('0'));
        assert_eq!(dirty(1), log == OddLog::DirtyFrom);
        assert_eq!(receipt.logs[0]["topics"].get(2).is_some() && dirty(2), log == OddLog::DirtyTo);
    }
    let most = Units(U256::MAX);
    for call in [Call::Zero(payer, shop), Call::ToSelf(shop, units(5)), Call::Claim(payer, shop, most)] {
        let receipt = evm.pay(payer, odd, &call).await.unwrap();
        assert_eq!(shape(&receipt.logs[0]), (3, 32), "{call:?}");
    }
}

#[tokio::test]
async fn a_reorganisation_drops_what_is_not_mined_again() {
    let (_anvil, evm, payer, shop) = world(&[]).await;
    let token = evm.deploy(payer, Contract::Plain6).await.unwrap();
    evm.pay(payer, token, &Call::Mint(payer, units(1_000))).await.unwrap();
    let first = evm.pay(payer, token, &Call::Transfer(shop, units(7))).await.unwrap();
    let (hash, raw) = (first.hash, evm.raw(first.hash).await.unwrap());
    evm.mine(2).await.unwrap();
    let head = evm.head().await.unwrap();

    // Dropped for good: nowhere, not even pending.
    evm.reorganise(3, &[]).await.unwrap();
    assert_eq!(evm.receipt(hash).await.unwrap(), None);
    assert_eq!(evm.balance(token, shop).await.unwrap(), Units::ZERO);
    let other = evm.head().await.unwrap();
    assert_eq!(other.block.number, head.block.number);
    assert_ne!(other.block.hash, head.block.hash);
    let error = evm.logs(json!({ "blockHash": first.block.hash })).await.unwrap_err().to_string();
    assert!(error.contains("-32000") && error.contains("unknown block"), "{error}");

    // Mined again: the same transaction in another block.
    evm.reorganise(3, &[(Remined::Again(raw), 1)]).await.unwrap();
    let again = evm.receipt(hash).await.unwrap().unwrap();
    assert_eq!(again.block.number, first.block.number.plus(1));
    assert_eq!(evm.balance(token, shop).await.unwrap(), units(7));

    // Another one instead: the payer took it back.
    evm.reorganise(3, &[(Remined::Other(payer, token, Call::Transfer(payer, units(7))), 0)]).await.unwrap();
    assert_eq!(evm.receipt(hash).await.unwrap(), None);
    assert_eq!(evm.balance(token, shop).await.unwrap(), Units::ZERO);

    // A shorter chain.
    evm.rollback(2).await.unwrap();
    assert_eq!(evm.head().await.unwrap().block.number, first.block.number);
    assert_eq!(evm.receipt(hash).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_mined_again_needs_its_nonce() {
    let (_anvil, evm, payer, shop) = world(&[]).await;
    let token = evm.deploy(payer, Contract::Plain6).await.unwrap();
    evm.pay(payer, token, &Call::Mint(payer, units(1_000))).await.unwrap();
    evm.pay(payer, token, &Call::Transfer(shop, units(1))).await.unwrap();
    let second = evm.pay(payer, token, &Call::Transfer(shop, units(2))).await.unwrap();
    let raw = evm.raw(second.hash).await.unwrap();
    evm.reorganise(2, &[(Remined::Again(raw), 0)]).await.unwrap();
    assert_eq!(evm.receipt(second.hash).await.unwrap(), None, "dropped without a word");
}

#[tokio::test]
async fn empty_blocks_are_replaced_too() {
    let (_anvil, evm, ..) = world(&[]).await;
    evm.mine(3).await.unwrap();
    let before = evm.head().await.unwrap();
    evm.reorganise(2, &[]).await.unwrap();
    let after = evm.head().await.unwrap();
    assert_eq!(after.block.number, before.block.number);
    assert_ne!(after.block.hash, before.block.hash);
    assert_ne!(after.parent, before.parent);
}

#[tokio::test]
async fn ranges_and_tags_answer_as_written() {
    let (_anvil, evm, payer, _) = world(&["--slots-in-an-epoch", "4"]).await;
    let token = evm.deploy(payer, Contract::Plain6).await.unwrap();
    evm.pay(payer, token, &Call::Mint(payer, units(1))).await.unwrap();
    evm.mine(18).await.unwrap();
    assert_eq!(evm.header("safe").await.unwrap().unwrap().block.number, BlockNumber(16));
    assert_eq!(evm.header("finalized").await.unwrap().unwrap().block.number, BlockNumber(12));
    assert_eq!(evm.header("0x1000").await.unwrap(), None);

    let range = |from: &str, to: &str| evm.logs(json!({ "fromBlock": from, "toBlock": to, "address": token }));
    assert_eq!(range("0x0", "0x1000").await.unwrap().len(), 1);
    assert_eq!(range("0x9", "0x0").await.unwrap().len(), 0);
    let error = range("0x1000", "0x1001").await.unwrap_err().to_string();
    assert!(error.contains("-32602") && error.contains("BlockOutOfRangeError"), "{error}");
    assert_eq!(evm.request("eth_getBlockReceipts", json!(["0x2"])).await.unwrap().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn time_and_mining_obey() {
    let (_anvil, evm, payer, shop) = world(&["--no-mining"]).await;
    let token = evm.deploy(payer, Contract::Plain6).await.unwrap();
    let start = evm.head().await.unwrap();
    let due = u64::try_from(start.time.timestamp()).unwrap() + 1_000;
    let hash = evm.send(payer, token, &Call::Mint(shop, units(1))).await.unwrap();
    assert_eq!(evm.receipt(hash).await.unwrap(), None);
    evm.set_next_time(due).await.unwrap();
    evm.mine(1).await.unwrap();
    assert!(evm.receipt(hash).await.unwrap().unwrap().success);
    assert_eq!(evm.head().await.unwrap().time, start.time + Duration::from_secs(1_000));
    evm.set_next_time(due - 1).await.unwrap_err();
    evm.mine_apart(3, 12).await.unwrap();
    assert!(evm.head().await.unwrap().time >= start.time + Duration::from_secs(1_024));

    let snapshot = evm.snapshot().await.unwrap();
    let hash = evm.send(payer, token, &Call::Mint(shop, units(1))).await.unwrap();
    evm.forget(hash).await.unwrap();
    evm.set_automine(true).await.unwrap();
    evm.pay(payer, token, &Call::Mint(shop, units(5))).await.unwrap();
    assert_eq!(evm.balance(token, shop).await.unwrap(), units(6));
    evm.revert(snapshot).await.unwrap();
    assert_eq!(evm.balance(token, shop).await.unwrap(), units(1));
}
