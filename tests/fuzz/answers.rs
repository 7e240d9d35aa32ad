//! Answers to what the watcher asks: logs of a range, of a block, receipts, headers. Whatever comes through was asked for.

use alloy::primitives::{Address, B256, address, b256};
use deposit_watcher::chain::{Logs, RangeAsk, Tag};
use deposit_watcher::domain::{BlockNumber, BlockRef, Header, time_from_unix};
use proptest::prelude::*;

use crate::damage::{cases, damaged, damages};
use crate::node::{asked, endpoint};

const TOKEN: Address = address!("00000000000000000000000000000000000000ee");
const HASH: B256 = b256!("1111111111111111111111111111111111111111111111111111111111111111");

/// One log; `place` is what follows its data.
fn log(block: &str, hash: &str, index: &str) -> String {
    format!(
        r#"{{"address":"0x00000000000000000000000000000000000000ee","topics":["0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef","0x00000000000000000000000000000000000000000000000000000000000000aa","0x00000000000000000000000000000000000000000000000000000000000000bb"],"data":"0x0000000000000000000000000000000000000000000000000000000005f5e100","blockNumber":"{block}","blockHash":"{hash}","transactionHash":"0x3333333333333333333333333333333333333333333333333333333333333333","transactionIndex":"0x0","logIndex":"{index}","blockTimestamp":"0x6553f100","removed":false}}"#
    )
}

fn header(number: &str) -> String {
    format!(
        r#"{{"number":"{number}","hash":"{HASH}","parentHash":"0x2222222222222222222222222222222222222222222222222222222222222222","timestamp":"0x6553f100","transactions":[],"uncles":[]}}"#
    )
}

fn block() -> BlockRef {
    BlockRef { number: BlockNumber(9), hash: HASH }
}

/// Headers 9 and logs of 7 to 9, as one batch.
fn range() -> String {
    let other = "0x4444444444444444444444444444444444444444444444444444444444444444";
    let logs = [log("0x7", other, "0x0"), log("0x9", &HASH.to_string(), "0x0"), log("0x9", &HASH.to_string(), "0x1")];
    format!(
        r#"[{{"jsonrpc":"2.0","id":0,"result":{}}},{{"jsonrpc":"2.0","id":1,"result":[{}]}}]"#,
        header("0x9"),
        logs.join(",")
    )
}

fn single(result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":0,"result":{result}}}"#)
}

/// What any set of logs must be, wherever it came from.
fn sound(logs: &Logs, from: u64, to: u64) {
    for transfer in &logs.transfers {
        assert_eq!(transfer.token, TOKEN);
        assert!((from..=to).contains(&transfer.block.number.0), "{transfer:?}");
        assert!(!transfer.tx_hash.is_zero());
    }
    for pair in logs.transfers.windows(2) {
        let place = |at: usize| (pair[at].block.number, pair[at].log_index);
        assert!(place(0) < place(1), "in order, each once: {pair:?}");
        assert!(pair[0].block.number != pair[1].block.number || pair[0].block.hash == pair[1].block.hash);
    }
    assert!(logs.invalid.keys().all(|token| *token == TOKEN));
}

#[test]
fn the_examples_are_good() {
    let ask = RangeAsk { from: BlockNumber(7), to: BlockNumber(9), headers: vec![BlockNumber(9)], tokens: vec![TOKEN] };
    let answer = asked(endpoint(range().into_bytes()).range_logs(&ask)).unwrap();
    assert_eq!((answer.headers.len(), answer.logs.transfers.len()), (1, 3));
    sound(&answer.logs, 7, 9);
    let receipts = single(&receipts());
    let logs = asked(endpoint(receipts.into_bytes()).receipts(block(), &[TOKEN])).unwrap().unwrap();
    assert_eq!(logs.transfers.len(), 1);
}

fn receipts() -> String {
    format!(
        r#"[{{"blockHash":"{HASH}","blockNumber":"0x9","transactionHash":"0x3333333333333333333333333333333333333333333333333333333333333333","transactionIndex":"0x0","status":"0x1","type":"0x2","cumulativeGasUsed":"0x5208","logsBloom":"0x","logs":[{}]}}]"#,
        log("0x9", &HASH.to_string(), "0x0")
    )
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn a_range(damages in damages()) {
        let ask = RangeAsk { from: BlockNumber(7), to: BlockNumber(9), headers: vec![BlockNumber(9)], tokens: vec![TOKEN] };
        let endpoint = endpoint(damaged(&range(), &damages));
        if let Ok(answer) = asked(endpoint.range_logs(&ask)) {
            sound(&answer.logs, 7, 9);
            prop_assert_eq!(answer.headers.len(), 1);
            let header = answer.headers[0];
            prop_assert!(header.is_none_or(|header| header.block.number == BlockNumber(9)));
            // One answer tells of one branch.
            let of_nine = answer.logs.transfers.iter().filter(|transfer| transfer.block.number == BlockNumber(9));
            if let Some(header) = header {
                prop_assert!(of_nine.into_iter().all(|transfer| transfer.block.hash == header.block.hash));
            }
        }
    }

    #[test]
    fn a_block(damages in damages()) {
        let logs = [log("0x9", &HASH.to_string(), "0x0"), log("0x9", &HASH.to_string(), "0x1")].join(",");
        let endpoint = endpoint(damaged(&single(&format!("[{logs}]")), &damages));
        let header = Header { block: block(), parent: B256::ZERO, time: time_from_unix(1_700_000_000).unwrap() };
        if let Ok(logs) = asked(endpoint.block_logs(&header, &[TOKEN])) {
            sound(&logs, 9, 9);
            prop_assert!(logs.transfers.iter().all(|transfer| transfer.block == block()));
        }
    }

    #[test]
    fn receipts_of_a_block(damages in damages()) {
        let endpoint = endpoint(damaged(&single(&receipts()), &damages));
        if let Ok(Some(logs)) = asked(endpoint.receipts(block(), &[TOKEN])) {
            sound(&logs, 9, 9);
            prop_assert!(logs.transfers.iter().all(|transfer| transfer.block == block()));
        }
    }

    #[test]
    fn headers_and_tags(damages in damages()) {
        let bytes = damaged(&single(&header("0x9")), &damages);
        if let Ok(Some(header)) = asked(endpoint(bytes.clone()).header(BlockNumber(9))) {
            prop_assert_eq!(header.block.number, BlockNumber(9));
        }
        // A tag is a block or nothing; nothing is never block 0.
        let said = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
        if let Ok(Some(block)) = asked(endpoint(bytes).tagged(Tag::Finalized)) {
            let number = said.map(|said| said["result"]["number"].to_string()).unwrap_or_default();
            let zero = number.chars().any(|c| c == '0') && number.chars().all(|c| "\"0x".contains(c));
            prop_assert!(block.number != BlockNumber(0) || zero, "{number} was taken for block 0");
        }
    }
}
