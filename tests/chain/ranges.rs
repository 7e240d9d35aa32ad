//! Ranges against nodes with limits: what is read is complete, and what it costs is counted.

use std::sync::Arc;

use alloy::primitives::U256;
use deposit_watcher::chain::{Endpoint, Error, RangeAsk};
use deposit_watcher::domain::BlockNumber;

use super::network::{CHAIN, pool};
use super::scripted::{Behaviour, Down, Limit, Log, Node, PAYER, TOKEN, World, account};

/// A chain of `blocks` blocks with `each` transfers.
fn world(blocks: u64, each: u64) -> World {
    let world = World::new(CHAIN);
    for block in 0..blocks {
        let logs = (0..each).map(|i| Log::transfer(TOKEN, PAYER, account(i % 7), U256::from(block * each + i)));
        world.mine(vec![world.tx(logs.collect())]);
    }
    world
}

async fn endpoint(world: &World, is: impl FnOnce(&mut Behaviour)) -> (Node, Arc<Endpoint>) {
    let node = world.node("one");
    let endpoint = pool(&[("one", "us", node.transport())]).first().await.unwrap();
    node.set(is);
    node.reset();
    (node, endpoint)
}

/// Reads everything as a catch-up does; how many transfers and requests it took.
async fn catch_up(node: &Node, endpoint: &Endpoint, last: u64) -> (usize, u64) {
    let (mut next, mut found, mut asks) = (1, 0, 0);
    while next <= last {
        let to = last.min(next + endpoint.range() - 1);
        let headers = vec![BlockNumber(next - 1), BlockNumber(to)];
        let ask = RangeAsk { from: BlockNumber(next), to: BlockNumber(to), headers, tokens: vec![TOKEN] };
        asks += 1;
        assert!(asks < 1_000, "stuck at {next}");
        match endpoint.range_logs(&ask).await {
            Ok(answer) => {
                found += answer.logs.transfers.len();
                next = to + 1;
            }
            Err(Error::TooWide { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    (found, node.counts().packets)
}

#[tokio::test]
async fn a_limit_on_logs_costs_next_to_nothing() {
    let world = world(160, 125);
    let limit = Limit::new(2_000, -32005, "query returned more than 2000 results");
    let (node, endpoint) = endpoint(&world, |is| is.max_results = Some(limit)).await;
    let (found, requests) = catch_up(&node, &endpoint, 160).await;
    assert_eq!(found, 20_000);
    assert!(requests <= 13, "{requests} requests, 10 is the least");
}

#[tokio::test]
async fn every_wording_gets_through() {
    let world = world(300, 2);
    let results = [
        (50, -32005, "query returned more than 50 results. Try with this block range [0x1, 0x10]."),
        (50, -32602, "Log response size exceeded. this block range should work: [0x1, 0x10]"),
        (50, -32000, "logs matched by query exceeds limit of 50"),
        (50, -32602, "query exceeds max results 50"),
        (50, -32000, "backend response too large"),
        (50, -32002, "request timed out"),
        (50, -32999, "words that nobody knows"),
    ];
    for (most, code, message) in results {
        let limit = Limit::new(most, code, message);
        let (node, endpoint) = endpoint(&world, |is| is.max_results = Some(limit)).await;
        let (found, requests) = catch_up(&node, &endpoint, 300).await;
        assert_eq!(found, 600, "{message}");
        assert!(requests <= 40, "{message}: {requests} requests, 12 is the least");
    }
    let ranges = [
        (20, -32600, "You can make eth_getLogs requests with up to a 20 block range."),
        (20, -32614, "eth_getLogs is limited to a 20 range"),
        (20, -32602, "range 300 exceeds limit of 20"),
        (20, -32000, "requested too many blocks from 1 to 300, maximum is set to 20"),
        (20, -32000, "block range is too wide"),
        (20, -32999, "words that nobody knows"),
    ];
    for (most, code, message) in ranges {
        let limit = Limit::new(most, code, message);
        let (node, endpoint) = endpoint(&world, |is| is.max_range = Some(limit)).await;
        let (found, requests) = catch_up(&node, &endpoint, 300).await;
        assert_eq!(found, 600, "{message}");
        assert!(requests <= 24, "{message}: {requests} requests, 15 is the least");
    }
}

/// What is wrong with a node besides, and how to make it so.
type Way = (&'static str, fn(&mut Behaviour));

/// In whatever words it is said: by hash and by number, at once or transaction by transaction, in pieces that fit.
#[tokio::test]
async fn one_block_that_is_too_much_is_read_by_its_receipts() {
    let world = World::new(CHAIN);
    let pay = |n| world.pay(TOKEN, PAYER, account(n), U256::from(n));
    world.mine((0..30).map(pay).collect());
    world.mine_empty(1);
    let block = world.block(1).unwrap().header();
    let headers = vec![BlockNumber(0), BlockNumber(2), BlockNumber(7)];
    let ask = RangeAsk { from: BlockNumber(1), to: BlockNumber(1), headers, tokens: vec![TOKEN] };
    for words in ["query returned more than 20 results", "words that nobody knows"] {
        let limit = Limit::new(20, -32005, words);
        let (node, endpoint) = endpoint(&world, |is| is.max_results = Some(limit)).await;
        let ways: [Way; 3] = [
            ("receipts", |_| ()),
            ("no receipts of blocks", |is| is.no_receipts = true),
            ("not so many receipts at once", |is| {
                is.no_receipts = true;
                is.max_batch_size = Some(Limit::new(4, -32003, "response too large"));
            }),
        ];
        for (way, change) in ways {
            node.set(change);
            let logs = endpoint.block_logs(&block, &[TOKEN]).await.unwrap();
            assert_eq!(
                logs.transfers.iter().map(|t| t.log_index).collect::<Vec<_>>(),
                (0..30).collect::<Vec<_>>(),
                "{way}"
            );
            let answer = endpoint.range_logs(&ask).await.unwrap();
            assert_eq!(answer.logs, logs, "{way}");
            let told: Vec<_> = answer.headers.iter().flatten().map(|header| header.block.number.0).collect();
            assert_eq!((answer.headers.len(), told), (3, vec![0, 2]), "{way}");
        }
    }
}

/// Nothing is made of it: what the block holds is not known.
#[tokio::test]
async fn one_block_that_nothing_gives_is_an_error_that_says_so() {
    let world = world(3, 30);
    let limit = Limit::new(20, -32005, "query returned more than 20 results");
    let (node, endpoint) = endpoint(&world, |is| is.max_results = Some(limit)).await;
    node.set(|is| (is.no_receipts, is.no_single_receipts) = (true, true));
    let block = world.block(2).unwrap().header();
    let ask = RangeAsk { from: BlockNumber(2), to: BlockNumber(2), headers: vec![], tokens: vec![TOKEN] };
    for error in
        [endpoint.range_logs(&ask).await.unwrap_err(), endpoint.block_logs(&block, &[TOKEN]).await.unwrap_err()]
    {
        assert!(matches!(error, Error::Transient { retry_after: Some(_), .. }), "{error:?}");
        let told = error.to_string();
        for part in ["block 2 cannot be read", "more than 20 results", "eth_getBlockReceipts", "nor one by one"] {
            assert!(told.contains(part), "{told}");
        }
    }
}

#[tokio::test]
async fn a_rate_limit_with_infuras_code_does_not_shrink_the_range() {
    let world = world(3, 1);
    let (node, endpoint) = endpoint(&world, |_| ()).await;
    let before = endpoint.range();
    node.set(|is| is.down = Some(Down::Error(-32005, "project ID request rate exceeded".to_owned())));
    let ask = RangeAsk { from: BlockNumber(1), to: BlockNumber(3), headers: vec![BlockNumber(3)], tokens: vec![TOKEN] };
    assert!(matches!(endpoint.range_logs(&ask).await, Err(Error::Transient { retry_after: Some(_), .. })));
    assert_eq!(endpoint.range(), before);
}
