//! Errors of providers: whatever a node says instead of an answer, the next question is not wider than the last, never
//! nothing, and the error tells no address.

use alloy::primitives::address;
use deposit_watcher::chain::RangeAsk;
use deposit_watcher::domain::BlockNumber;
use proptest::prelude::*;

use crate::damage::{cases, damaged, damages};
use crate::node::{SECRET, asked, endpoint};

/// What providers say, numbers and all.
const SAID: [(i64, &str); 16] = [
    (-32_005, "query returned more than 10000 results. Try with this block range [0x1, 0x10]."),
    (-32_602, "range 1000000 exceeds limit of 10000"),
    (-32_602, "Log response size exceeded. this block range should work: [0x1, 0x10]"),
    (-32_600, "You can make eth_getLogs requests with up to a 500 block range."),
    (-32_614, "eth_getLogs is limited to a 10,000 range"),
    (-32_000, "exceed maximum block range: 50000"),
    (-32_000, "requested too many blocks from 1 to 9, maximum is set to 2048"),
    (-32_000, "logs matched by query exceeds limit of 10000"),
    (-32_000, "ranges over 10000 blocks are not supported on freetier"),
    (-32_002, "request timed out"),
    (-32_005, "daily request count exceeded, request rate limited"),
    (429, "Too Many Requests, see http://127.0.0.1:1/kQ9vZ3wTxLmB"),
    (4_444, "pruned history unavailable"),
    (-32_000, "header not found"),
    (-32_601, "the method eth_getLogs does not exist/is not available"),
    (-32_603, "batch of more than 3 requests are not allowed on free tier"),
];

/// An error as it travels.
fn answer(code: i64, message: &str) -> String {
    serde_json::json!({ "jsonrpc": "2.0", "id": 0, "error": { "code": code, "message": message, "data": { "to": "0x10" } } })
        .to_string()
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn an_error_narrows_or_waits_and_tells_no_address(
        said in 0..SAID.len(),
        code in prop_oneof![3 => Just(None), 1 => any::<i64>().prop_map(Some)],
        damages in damages(),
    ) {
        let (usual, message) = SAID[said];
        let endpoint = endpoint(damaged(&answer(code.unwrap_or(usual), message), &damages));
        let before = endpoint.range();
        let to = BlockNumber(before);
        let tokens = vec![address!("00000000000000000000000000000000000000ee")];
        let ask = RangeAsk { from: BlockNumber(1), to, headers: vec![], tokens };
        match asked(endpoint.range_logs(&ask)) {
            Ok(answer) => prop_assert!(answer.logs.transfers.is_empty(), "an error was taken for logs"),
            Err(error) => {
                let after = endpoint.range();
                prop_assert!((1..=before).contains(&after), "{before} blocks, then {after}: {error}");
                let told = format!("{error} {error:?} {endpoint:?}");
                prop_assert!(!told.contains(SECRET), "{told}");
            }
        }
    }
}
