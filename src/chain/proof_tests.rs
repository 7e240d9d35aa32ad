//! Blocks as alloy's own consensus types commit to them, told as nodes tell them, and told falsely in every way.
#![allow(clippy::arithmetic_side_effects)]

use alloy::consensus::proofs::calculate_receipt_root;
use alloy::consensus::{Header as FullHeader, Receipt, ReceiptEnvelope, ReceiptWithBloom, TxReceipt};
use alloy::primitives::{Address, B256, Bytes, Log, LogData, U256, address, hex, keccak256};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::{BlockNumber, Units};

const TOKEN: Address = address!("00000000000000000000000000000000000000ee");
const OTHER: Address = address!("00000000000000000000000000000000000000ef");
const NUMBER: u64 = 21;

/// A transaction: its type, whether it succeeded, and the transfers it emitted (whether of our token, how much).
type Made = (u8, bool, Vec<(bool, u64)>);

/// A block as a node tells it.
#[derive(Debug, Clone)]
struct Told {
    hash: B256,
    header: Value,
    receipts: Vec<Value>,
}

fn log(ours: bool, units: u64) -> Log {
    let account = |n: u64| Address::from_word(keccak256(n.to_be_bytes())).into_word();
    let data = Bytes::from(U256::from(units).to_be_bytes::<32>());
    let topics = vec![TRANSFER, account(units), account(units + 1)];
    Log { address: if ours { TOKEN } else { OTHER }, data: LogData::new_unchecked(topics, data) }
}

fn envelope((kind, succeeded, logs): &Made, cumulative_gas_used: u64) -> ReceiptEnvelope {
    let logs = if *succeeded { logs.iter().map(|(ours, units)| log(*ours, *units)).collect() } else { Vec::new() };
    let receipt: ReceiptWithBloom<Receipt> =
        Receipt { status: (*succeeded).into(), cumulative_gas_used, logs }.with_bloom();
    match kind {
        0 => ReceiptEnvelope::Legacy(receipt),
        1 => ReceiptEnvelope::Eip2930(receipt),
        2 => ReceiptEnvelope::Eip1559(receipt),
        3 => ReceiptEnvelope::Eip4844(receipt),
        _ => ReceiptEnvelope::Eip7702(receipt),
    }
}

fn told(made: &[Made]) -> Told {
    let gas = |at: usize| 21_000 * (u64::try_from(at).unwrap() + 1);
    let envelopes: Vec<ReceiptEnvelope> = made.iter().enumerate().map(|(at, made)| envelope(made, gas(at))).collect();
    let header = FullHeader {
        number: NUMBER,
        timestamp: 1_700_000_000,
        parent_hash: B256::repeat_byte(7),
        receipts_root: calculate_receipt_root(&envelopes),
        logs_bloom: envelopes.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom()),
        base_fee_per_gas: Some(7),
        withdrawals_root: Some(B256::repeat_byte(8)),
        ..FullHeader::default()
    };
    let mut index = 0_u64;
    let receipts = envelopes.iter().zip(made).enumerate().map(|(at, (receipt, (kind, succeeded, _)))| {
        let tx = B256::repeat_byte(u8::try_from(at).unwrap() + 1);
        let logs = receipt.logs().iter().map(|log| {
            let place = json!({ "blockHash": header.hash_slow(), "blockNumber": format!("{NUMBER:#x}"),
                "transactionHash": tx, "logIndex": format!("{index:#x}"), "removed": false });
            index += 1;
            let mut log = json!({ "address": log.address, "topics": log.topics(), "data": log.data.data });
            log.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
            log
        });
        json!({ "type": format!("{kind:#x}"), "transactionHash": tx, "status": format!("{:#x}", u8::from(*succeeded)),
            "cumulativeGasUsed": format!("{:#x}", gas(at)), "logsBloom": receipt.bloom(),
            "logs": logs.collect::<Vec<_>>(), "effectiveGasPrice": "0x1", "contractAddress": null })
    });
    let receipts = receipts.collect();
    Told { hash: header.hash_slow(), header: serde_json::to_value(&header).unwrap(), receipts }
}

fn proven(told: &Told) -> Result<Proof, Unproven> {
    let block = BlockRef { number: BlockNumber(NUMBER), hash: told.hash };
    let header = serde_json::from_value(told.header.clone()).map_err(|e| Unproven::Header(e.to_string()))?;
    let receipts = serde_json::from_value(Value::Array(told.receipts.clone()));
    prove(block, &header, receipts.map_err(|e| Unproven::Receipts(e.to_string()))?, &[TOKEN])
}

/// The same block told with one thing wrong, in every way that a field or an order can be.
fn falsehoods(honest: &Told) -> Vec<(String, Told)> {
    let mut all = Vec::new();
    let mut add = |what: String, change: &dyn Fn(&mut Told)| {
        let mut told = honest.clone();
        change(&mut told);
        all.push((what, told));
    };
    for field in honest.header.as_object().unwrap().keys() {
        add(format!("header's {field}"), &|told| flip(&mut told.header[&field]));
    }
    add("another base fee than none".to_owned(), &|told| {
        told.header.as_object_mut().unwrap().remove("baseFeePerGas");
    });
    let last = honest.receipts.len() - 1;
    for at in 0..honest.receipts.len() {
        add(format!("receipt {at} is dropped"), &|told| drop(told.receipts.remove(at)));
        add(format!("receipt {at} is told twice"), &|told| told.receipts.push(honest.receipts[at].clone()));
        for field in ["status", "cumulativeGasUsed", "logsBloom", "type"] {
            add(format!("{field} of receipt {at}"), &|told| flip(&mut told.receipts[at][field]));
        }
        add(format!("no status of receipt {at}"), &|told| told.receipts[at]["status"] = Value::Null);
        if at != last && content(&honest.receipts[at]) != content(&honest.receipts[last]) {
            add(format!("receipts {at} and {last} are swapped"), &|told| told.receipts.swap(at, last));
        }
        for log in 0..honest.receipts[at]["logs"].as_array().unwrap().len() {
            for field in ["address", "data", "logIndex", "transactionHash", "blockHash", "blockNumber"] {
                let ours = honest.receipts[at]["logs"][log]["address"] == json!(TOKEN);
                // Where a log of another contract is said to stand is nobody's business.
                if ours || !["blockHash", "blockNumber"].contains(&field) {
                    add(format!("{field} of log {log} of receipt {at}"), &|told| {
                        flip(&mut told.receipts[at]["logs"][log][field]);
                    });
                }
            }
            add(format!("log {log} of receipt {at} is dropped"), &|told| {
                told.receipts[at]["logs"].as_array_mut().unwrap().remove(log);
            });
            add(format!("recipient of log {log} of receipt {at}"), &|told| {
                flip(&mut told.receipts[at]["logs"][log]["topics"][2]);
            });
        }
    }
    all
}

/// What the root covers, gas aside.
fn content(receipt: &Value) -> [&Value; 4] {
    ["type", "status", "cumulativeGasUsed", "logs"].map(|field| &receipt[field])
}

/// Another value of the same form: its last digit changes.
fn flip(value: &mut Value) {
    let text = value.as_str().unwrap_or("0x").to_owned();
    let (rest, last) = text.split_at(text.len().saturating_sub(1));
    *value = match last {
        "x" => json!("0x01"),
        "0" => json!(format!("{rest}1")),
        _ => json!(format!("{rest}0")),
    };
}

fn blocks() -> impl Strategy<Value = Vec<Made>> {
    let logs = prop::collection::vec((any::<bool>(), 1_u64..1_000_000), 0..4);
    prop::collection::vec((0_u8..5, prop::bool::weighted(0.8), logs), 1..7)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What alloy's consensus types commit to is proven, whatever kinds of transactions the block holds.
    #[test]
    fn an_honest_block_is_proven_with_its_transfers(made in blocks()) {
        let proof = proven(&told(&made)).unwrap();
        let logs: Vec<(bool, u64)> =
            made.iter().filter(|(_, succeeded, _)| *succeeded).flat_map(|(_, _, logs)| logs.clone()).collect();
        let expected: Vec<(u64, Units)> = (0_u64..).zip(&logs).filter(|(_, (ours, _))| *ours)
            .map(|(index, (_, units))| (index, Units(U256::from(*units)))).collect();
        let found: Vec<(u64, Units)> = proof.logs.transfers.iter().map(|t| (t.log_index, t.units)).collect();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(proof.receipts, made.len());
        prop_assert_eq!(proof.header.time.timestamp(), 1_700_000_000);
        prop_assert!(proof.logs.transfers.iter().all(|t| t.time == Some(proof.header.time)));
    }

    /// No falsehood is, be it in the header, in a receipt, in a log or in their order.
    #[test]
    fn a_block_with_one_falsehood_is_not(made in blocks()) {
        let honest = told(&made);
        for (what, told) in falsehoods(&honest) {
            prop_assert!(proven(&told).is_err(), "{}", what);
        }
    }
}

/// More receipts than one branch of a trie holds, across the change in how indexes are written (127, 128).
#[test]
fn a_block_of_three_hundred_transactions_is_proven() {
    let made: Vec<Made> = (0..250).map(|n| (u8::try_from(n % 5).unwrap(), true, vec![(n % 3 == 0, n + 1)])).collect();
    let proof = proven(&told(&made)).unwrap();
    assert_eq!((proof.receipts, proof.logs.transfers.len()), (250, 84));
}

#[test]
fn an_empty_block_is_proven_to_hold_nothing() {
    let told = told(&[]);
    let proof = proven(&told).unwrap();
    assert_eq!((proof.receipts, proof.logs), (0, Logs::default()));
    let forged = self::told(&[(2, true, vec![(true, 5)])]);
    assert!(matches!(proven(&Told { receipts: forged.receipts, ..told }), Err(Unproven::Receipts(_))));
}

/// A header that is right in itself, of another block: the hash asked for decides.
#[test]
fn another_block_proves_nothing_of_this_one() {
    let (asked, other) = (told(&[(2, true, vec![(true, 5)])]), told(&[(2, true, vec![(true, 500)])]));
    let refused = proven(&Told { hash: asked.hash, ..other }).unwrap_err();
    assert!(matches!(&refused, Unproven::Header(_)), "{refused}");
}

/// The bytes of a deposit's receipt since Canyon, and before, written down by hand from its definition.
#[test]
fn the_receipt_of_a_deposit_ends_with_its_nonce_and_version() {
    let receipt = |version: Option<u64>| FullReceipt {
        kind: Some(Quantity(0x7e)),
        transaction_hash: B256::ZERO,
        status: Some(Quantity(1)),
        cumulative_gas_used: Quantity(0xb741),
        logs_bloom: Bloom::ZERO,
        logs: Vec::new(),
        deposit_nonce: Some(Quantity(0x3d_3bbf)),
        deposit_receipt_version: version.map(Quantity),
    };
    let expected = |length: &[u8], tail: &[u8]| {
        let (head, middle) = (hex!("7ef901"), hex!("0182b741b90100"));
        [&head[..], length, &middle[..], &[0; 256], &[0xc0], tail].concat()
    };
    assert_eq!(encode(&receipt(Some(1))).unwrap(), expected(&[0x0d], &hex!("833d3bbf01")));
    assert_eq!(encode(&receipt(None)).unwrap(), expected(&[0x08], &[]));
}
