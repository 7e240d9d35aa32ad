//! The providers' own words, each with what it must mean. Not for anything else.

#![allow(clippy::wildcard_enum_match_arm)]

use super::*;

fn wide(blocks: Option<u64>, results: Option<u64>, suggested: Option<u64>) -> Limit {
    Limit { blocks, results, suggested }
}

#[test]
fn every_wording_of_a_limit_is_one() {
    let rows: &[(i64, &str, Limit)] = &[
        (
            -32005,
            "query returned more than 10000 results. Try with this block range [0x10, 0x1F].",
            wide(None, Some(10_000), Some(16)),
        ),
        (-32602, "range 1000000 exceeds limit of 10000", wide(Some(10_000), None, None)),
        (
            -32602,
            "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on the response size, or you can request any block range with a cap of 10K logs in the response. Based on your parameters and the response size limit, this block range should work: [0x0, 0x63]",
            wide(None, None, Some(100)),
        ),
        (
            -32600,
            "You can make eth_getLogs requests with up to a 500 block range. Based on your parameters, this block range should work: [0x1, 0x1f4]",
            wide(Some(500), None, Some(500)),
        ),
        (-32614, "eth_getLogs is limited to a 10,000 range", wide(Some(10_000), None, None)),
        (-32614, "eth_getLogs is limited to a 5 range", wide(Some(5), None, None)),
        (-32600, "block range is too wide", wide(None, None, None)),
        (-32600, "You can make eth_getLogs requests with up to a 2K block range", wide(Some(2_000), None, None)),
        (-32600, "query exceeds max results 20000", wide(None, Some(20_000), None)),
        (-32000, "maximum [from, to] blocks distance: 2000", wide(Some(2_000), None, None)),
        (-32000, "exceed maximum block range: 50000", wide(Some(50_000), None, None)),
        (-32000, "exceed maximum block range: 5000", wide(Some(5_000), None, None)),
        (-32047, "Max range: 800", wide(Some(800), None, None)),
        (-32602, "query exceeds max block range 100000", wide(Some(100_000), None, None)),
        (-32602, "query exceeds max block range", wide(None, None, None)),
        (-32602, "length limit exceeded", wide(None, None, None)),
        (-32000, "requested too many blocks from 1 to 99999, maximum is set to 2048", wide(Some(2_048), None, None)),
        (-32000, "ranges over 10000 blocks are not supported on freetier", wide(Some(10_000), None, None)),
        (-32000, "Block range limit exceeded.", wide(None, None, None)),
        (-32000, "eth_getLogs is limited to a 1000 blocks range", wide(Some(1_000), None, None)),
        (-32000, "response size should not greater than 10000000 bytes", wide(None, None, None)),
        (-32000, "block range too large", wide(None, None, None)),
        (-32000, "Block range is too large", wide(None, None, None)),
        (-32000, "backend response too large", wide(None, None, None)),
        (-32000, "logs matched by query exceeds limit of 10000", wide(None, Some(10_000), None)),
        (-32000, "please limit the query to at most 1000 blocks", wide(Some(1_000), None, None)),
        (-32000, "Maximum allowed number of requested blocks is 3500", wide(Some(3_500), None, None)),
        (-32000, "Query timeout exceeded. Try with this block range [0x1, 0x2].", wide(None, None, Some(2))),
        (-32000, "exceed max block range: 5000", wide(Some(5_000), None, None)),
        (-32002, "request timed out", wide(None, None, None)),
        (-32002, "408 Request Timeout", wide(None, None, None)),
        (-32000, "context deadline exceeded", wide(None, None, None)),
        (-32003, "response too large", wide(None, None, None)),
        (-32099, "something nobody has seen before", wide(None, None, None)),
    ];
    for (code, message, limit) in rows {
        let expected = Fault::TooWide { reason: format!("error {code}: {message}"), limit: *limit };
        assert_eq!(classify(*code, message, 500), expected, "{message}");
    }
}

#[test]
fn an_unknown_error_on_one_block_or_none_is_no_limit() {
    for blocks in [0, 1] {
        assert!(matches!(classify(-32099, "something nobody has seen before", blocks), Fault::Refused(_)));
    }
    assert!(matches!(classify(-32000, "response too large", 0), Fault::Refused(_)));
    assert!(matches!(classify(-32000, "response too large", 1), Fault::TooWide { .. }));
}

#[test]
fn too_fast_is_not_too_wide() {
    for (code, message) in [
        (-32005, "project ID request rate exceeded"),
        (-32005, "daily request count exceeded, request rate limited"),
        (429, "Your app has exceeded its compute units per second capacity"),
        (-32007, "100/second request limit reached - reduce calls per second or upgrade your account"),
        (-32012, "credits limited to 6000/sec"),
        (-32016, "over rate limit"),
        (-32055, "unknown"),
        (1008, "too many concurrent requests"),
    ] {
        assert!(matches!(classify(code, message, 500), Fault::RateLimited { .. }), "{message}");
    }
}

#[test]
fn what_fewer_blocks_would_not_cure_is_not_too_wide() {
    for (code, message) in [
        (4444, "pruned history unavailable"),
        (-32000, "no backend is currently healthy to serve traffic"),
        (-32000, "Receipt not available for block"),
        (-32602, "exceed max addresses or topics per search position"),
        (-32000, "Must be authenticated!"),
    ] {
        assert!(matches!(classify(code, message, 500), Fault::Refused(_)), "{message}");
    }
    for (code, message) in [
        (-32000, "unknown block"),
        (-39001, "Unknown block"),
        (-32000, "header not found"),
        (-32602, "invalid block range"),
        (-32000, "One of the blocks specified in filter (fromBlock, toBlock or blockHash) cannot be found."),
        (-32602, "block range extends beyond current head block"),
    ] {
        assert!(matches!(classify(code, message, 500), Fault::Missing(_)), "{message}");
    }
    for (code, message) in [
        (-32601, "the method eth_getBlockReceipts does not exist/is not available"),
        (-32601, "rpc method is not whitelisted"),
        (-32601, ""),
    ] {
        assert!(matches!(classify(code, message, 0), Fault::Unsupported(_)), "{message}");
    }
}

#[test]
fn a_batch_limit_is_read() {
    let limit = |message| match classify(-32600, message, 500) {
        Fault::Batch { limit, .. } => limit,
        other => panic!("{other:?}"),
    };
    assert_eq!(limit("Batch of more than 3 requests are not allowed on free tier"), Some(3));
    assert_eq!(limit("batch too large"), None);
    assert_eq!(limit("batch requests are disabled"), None);
}
