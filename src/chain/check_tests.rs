//! Answers that must be refused, each with the one thing that is wrong with it.

#![allow(clippy::arithmetic_side_effects)]

use alloy::primitives::{B256, Bytes, U256, address};

use super::*;
use crate::chain::json::Quantity;

const TOKEN: Address = address!("00000000000000000000000000000000000000ee");

fn block(number: u64) -> BlockRef {
    BlockRef { number: BlockNumber(number), hash: B256::with_last_byte(u8::try_from(number).unwrap()) }
}

fn log(number: u64, index: u64) -> LogJson {
    let someone = address!("00000000000000000000000000000000000000aa").into_word();
    LogJson {
        address: TOKEN,
        topics: vec![decode::TRANSFER, someone, someone],
        data: Bytes::from(U256::from(index).to_be_bytes::<32>()),
        block_hash: Some(block(number).hash),
        block_number: Some(Quantity(number)),
        block_timestamp: Some(Quantity(1_000 + number)),
        transaction_hash: Some(B256::repeat_byte(7)),
        log_index: Some(Quantity(index)),
        removed: Some(false),
    }
}

fn in_range(raw: Vec<LogJson>) -> Checked<Logs> {
    logs(raw, &[TOKEN], Bounds::Range(BlockNumber(10), BlockNumber(20)))
}

fn spoiled(spoil: impl FnOnce(&mut LogJson)) -> Checked<Logs> {
    let mut bad = log(12, 3);
    spoil(&mut bad);
    in_range(vec![log(11, 1), bad])
}

#[test]
fn transfers_come_in_order_and_once() {
    let answer = in_range(vec![log(12, 1), log(11, 9), log(12, 0), log(12, 1)]).unwrap();
    let places: Vec<_> = answer.transfers.iter().map(|t| (t.block.number.0, t.log_index)).collect();
    assert_eq!(places, [(11, 9), (12, 0), (12, 1)]);
    assert_eq!(answer.transfers[0].time, time_from_unix(1_011));
    assert_eq!(in_range(Vec::new()), Ok(Logs::default()));
}

#[test]
fn odd_logs_are_counted_and_nothing_else_is_lost() {
    let (mut nft, mut nobody) = (log(12, 1), log(12, 2));
    nft.topics.push(B256::ZERO);
    nobody.transaction_hash = Some(B256::ZERO);
    let answer = in_range(vec![log(12, 0), nft, nobody, log(12, 3)]).unwrap();
    assert_eq!((answer.transfers.len(), answer.invalid), (2, BTreeMap::from([(TOKEN, 2)])));
}

#[test]
fn what_was_not_asked_for_condemns_the_answer() {
    let misbehaves = |answer: Checked<Logs>| matches!(answer, Err(Fault::Misbehaving(_)));
    assert!(misbehaves(spoiled(|log| log.address = Address::ZERO)));
    assert!(misbehaves(spoiled(|log| log.topics[0] = B256::ZERO)));
    assert!(misbehaves(spoiled(|log| log.topics.clear())));
    assert!(misbehaves(spoiled(|log| log.removed = Some(true))));
    assert!(misbehaves(spoiled(|log| log.block_hash = None)));
    assert!(misbehaves(spoiled(|log| log.block_number = None)));
    assert!(misbehaves(spoiled(|log| log.log_index = None)));
    assert!(misbehaves(spoiled(|log| log.transaction_hash = None)));
    assert!(misbehaves(spoiled(|log| log.block_number = Some(Quantity(21)))));
    assert!(misbehaves(spoiled(|log| log.block_number = Some(Quantity(9)))));
    assert!(misbehaves(in_range(vec![log(12, 1), LogJson { data: Bytes::from(vec![1; 32]), ..log(12, 1) }])));
    assert!(misbehaves(in_range(vec![log(12, 1), LogJson { block_hash: Some(B256::repeat_byte(8)), ..log(12, 2) }])));
    assert!(!misbehaves(spoiled(|log| log.removed = None)));
    let of_block = |raw| logs(raw, &[TOKEN], Bounds::Block(block(12)));
    assert!(misbehaves(of_block(vec![log(11, 0)])));
    assert!(misbehaves(of_block(vec![LogJson { block_hash: Some(B256::repeat_byte(8)), ..log(12, 0) }])));
    assert!(!misbehaves(of_block(vec![log(12, 0)])));
}

fn receipt(spoil: impl FnOnce(&mut ReceiptJson)) -> Checked<Logs> {
    let mut receipt = ReceiptJson {
        block_hash: Some(block(12).hash),
        block_number: Some(Quantity(12)),
        transaction_hash: B256::repeat_byte(7),
        status: Some(Quantity(1)),
        logs: vec![LogJson { address: Address::ZERO, topics: Vec::new(), ..log(12, 0) }, log(12, 1)],
    };
    spoil(&mut receipt);
    receipts(vec![receipt], &[TOKEN], block(12))
}

#[test]
fn receipts_give_our_transfers_of_transactions_that_succeeded() {
    assert_eq!(receipt(|_| ()).unwrap().transfers.len(), 1);
    assert!(receipt(|receipt| receipt.status = Some(Quantity(0))).is_err());
    assert!(receipt(|receipt| receipt.status = None).is_err());
    assert!(receipt(|receipt| receipt.block_hash = Some(B256::ZERO)).is_err());
    assert!(receipt(|receipt| receipt.block_number = Some(Quantity(13))).is_err());
    assert!(receipt(|receipt| receipt.transaction_hash = B256::ZERO).is_err());
    assert!(receipt(|receipt| receipt.logs = vec![log(13, 0)]).is_err());
    let failed_without_ours = receipt(|receipt| (receipt.status, receipt.logs) = (Some(Quantity(0)), Vec::new()));
    assert_eq!(failed_without_ours, Ok(Logs::default()));
}

fn header(number: u64) -> Header {
    Header { block: block(number), parent: block(number - 1).hash, time: time_from_unix(number).unwrap() }
}

#[test]
fn one_answer_tells_of_one_branch() {
    let numbers = [BlockNumber(11), BlockNumber(12)];
    let ask = RangeAsk { from: numbers[0], to: numbers[1], headers: numbers.to_vec(), tokens: vec![TOKEN] };
    let logs = in_range(vec![log(11, 0), log(12, 0)]).unwrap();
    let judge = |a: Option<Header>, b: Option<Header>| one_branch(&ask, &[a, b], &logs);
    assert_eq!(judge(Some(header(11)), Some(header(12))), Ok(()));
    let mut other = header(12);
    other.block.hash = B256::repeat_byte(9);
    assert!(judge(Some(header(11)), Some(other)).is_err());
    let orphan = Header { parent: B256::repeat_byte(9), ..header(12) };
    assert!(judge(Some(header(11)), Some(orphan)).is_err());
    assert!(judge(None, Some(header(12))).is_err());
    let empty = one_branch(&ask, &[Some(header(11)), None], &Logs::default());
    assert_eq!(empty, Ok(()), "it is behind: that is for the caller to see");
    assert!(judge(Some(header(11)), None).is_err(), "logs of a block that it says it lacks");
}
