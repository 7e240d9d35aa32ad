//! What an endpoint makes of the scripted chain's answers, honest and not.

use std::collections::BTreeMap;

use alloy::primitives::{B256, U256};
use deposit_watcher::chain::{Decimals, Endpoint, Error, RangeAsk, Tag};
use deposit_watcher::domain::{BlockNumber, Units};

use super::network::{CHAIN, pool};
use super::scripted::{DecimalsAnswer, Limit, Log, Node, OTHER_TOKEN, PAYER, TOKEN, World, account};
use std::sync::Arc;

async fn alone(world: &World) -> (Node, Arc<Endpoint>) {
    let node = world.node("one");
    let pool = pool(&[("one", "us", node.transport())]);
    let endpoint = pool.first().await.unwrap();
    node.reset();
    (node, endpoint)
}

fn units(n: u64) -> U256 {
    U256::from(n)
}

fn ask(from: u64, to: u64, headers: &[u64]) -> RangeAsk {
    let headers = headers.iter().copied().map(BlockNumber).collect();
    RangeAsk { from: BlockNumber(from), to: BlockNumber(to), headers, tokens: vec![TOKEN] }
}

#[tokio::test]
async fn a_range_is_one_request_with_its_headers() {
    let world = World::new(CHAIN);
    let both = world.tx(vec![
        Log::noise(OTHER_TOKEN),
        Log::transfer(TOKEN, PAYER, account(1), units(5)),
        Log::erc721(TOKEN, PAYER, account(1), units(7)),
        Log::odd(TOKEN, PAYER, account(1)),
        Log::transfer(OTHER_TOKEN, PAYER, account(1), units(9)),
        Log::transfer(TOKEN, PAYER, account(2), U256::MAX),
    ]);
    let first = world.mine(vec![both.clone()]);
    world.mine(vec![world.pay(TOKEN, PAYER, account(1), units(6))]);
    let (node, endpoint) = alone(&world).await;
    let answer = endpoint.range_logs(&ask(1, 2, &[2, 0, 9, 1])).await.unwrap();
    let paid: Vec<_> = answer.logs.transfers.iter().map(|t| (t.block.number.0, t.log_index, t.units)).collect();
    assert_eq!(paid, [(1, 1, Units(units(5))), (1, 5, Units(U256::MAX)), (2, 0, Units(units(6)))]);
    assert_eq!(answer.logs.invalid, BTreeMap::from([(TOKEN, 2)]));
    assert_eq!(answer.logs.transfers[0].tx_hash, both.hash);
    assert_eq!(answer.logs.transfers[0].time, Some(first.time));
    let headers: Vec<_> = answer.headers.iter().map(|h| h.map(|h| h.block.number.0)).collect();
    assert_eq!(headers, [Some(2), Some(0), None, Some(1)]);
    assert_eq!(answer.headers[3], Some(first));
    assert_eq!((node.counts().packets, node.counts().calls["eth_getLogs"]), (1, 1));
}

#[tokio::test]
async fn without_tokens_no_logs_are_asked_for() {
    let world = World::new(CHAIN);
    let head = world.mine(vec![world.pay(TOKEN, PAYER, account(1), units(6))]);
    let (node, endpoint) = alone(&world).await;
    let ask = RangeAsk { tokens: vec![], ..ask(1, 1, &[1]) };
    assert_eq!(endpoint.range_logs(&ask).await.unwrap().headers, [Some(head)]);
    assert_eq!(endpoint.block_logs(&head, &[]).await.unwrap().transfers, []);
    assert_eq!(node.counts().calls.get("eth_getLogs"), None);
}

#[tokio::test]
async fn a_block_is_asked_for_by_its_hash_and_an_unknown_one_is_an_error() {
    let world = World::new(CHAIN);
    let old = world.mine(vec![world.pay(TOKEN, PAYER, account(1), units(6))]);
    let (node, endpoint) = alone(&world).await;
    assert_eq!(endpoint.block_logs(&old, &[TOKEN]).await.unwrap().transfers.len(), 1);
    assert_eq!(node.counts().packets, 1);
    world.reorg(1, vec![vec![]]);
    assert!(matches!(endpoint.block_logs(&old, &[TOKEN]).await, Err(Error::Transient { .. })));
    assert_eq!(endpoint.receipts(old.block, &[TOKEN]).await, Ok(None));
}

#[tokio::test]
async fn receipts_tell_the_same_as_logs() {
    let world = World::new(CHAIN);
    let txs = vec![world.pay(TOKEN, PAYER, account(1), units(6)), world.pay(OTHER_TOKEN, PAYER, account(1), units(7))];
    let head = world.mine(txs);
    let (node, endpoint) = alone(&world).await;
    let logs = endpoint.block_logs(&head, &[TOKEN]).await.unwrap();
    assert_eq!(endpoint.receipts(head.block, &[TOKEN]).await, Ok(Some(logs)));
    node.set(|is| is.no_receipts = true);
    let missing = endpoint.receipts(head.block, &[TOKEN]).await;
    assert!(matches!(missing, Err(Error::Transient { retry_after: None, .. })), "{missing:?}");
}

#[tokio::test]
async fn identical_duplicates_are_one() {
    let world = World::new(CHAIN);
    let head = world.mine(vec![world.pay(TOKEN, PAYER, account(1), units(6))]);
    let (node, endpoint) = alone(&world).await;
    node.set(|is| is.twice = true);
    assert_eq!(endpoint.block_logs(&head, &[TOKEN]).await.unwrap().transfers.len(), 1);
}

#[tokio::test]
async fn headers_latest_and_tags() {
    let world = World::new(CHAIN);
    world.mine_empty(9);
    let (node, endpoint) = alone(&world).await;
    assert_eq!(endpoint.latest().await.unwrap(), world.head());
    assert_eq!(endpoint.header(BlockNumber(10)).await, Ok(None));
    let headers = endpoint.headers(&[BlockNumber(3), BlockNumber(12)]).await.unwrap();
    assert_eq!(headers, [Some(world.block(3).unwrap().header()), None]);
    assert_eq!(endpoint.tagged(Tag::Safe).await, Ok(None));
    node.set(|is| is.null_tags = true);
    assert_eq!(endpoint.tagged(Tag::Finalized).await, Ok(None));
    world.set_tags(Some(7), Some(4));
    assert_eq!(endpoint.tagged(Tag::Safe).await, Ok(Some(world.block(7).unwrap().header().block)));
    assert_eq!(endpoint.tagged(Tag::Finalized).await, Ok(Some(world.block(4).unwrap().header().block)));
    assert_eq!(node.counts().packets, 7);
}

#[tokio::test]
async fn decimals_are_read_or_said_to_be_unknown() {
    let world = World::new(CHAIN);
    let (_, endpoint) = alone(&world).await;
    assert_eq!(endpoint.decimals(TOKEN).await, Ok(Decimals::NoContract));
    world.set_decimals(TOKEN, DecimalsAnswer::Is(18));
    assert_eq!(endpoint.decimals(TOKEN).await, Ok(Decimals::Is(18)));
    for odd in
        [DecimalsAnswer::Revert, DecimalsAnswer::Bytes(B256::repeat_byte(1).into()), DecimalsAnswer::Bytes([1].into())]
    {
        world.set_decimals(TOKEN, odd);
        assert!(matches!(endpoint.decimals(TOKEN).await, Ok(Decimals::Unanswered(_))));
    }
}

#[tokio::test]
async fn a_node_that_takes_small_batches_or_none_is_still_read() {
    let world = World::new(CHAIN);
    world.mine_empty(20);
    let (node, endpoint) = alone(&world).await;
    let numbers: Vec<_> = (0..10).map(BlockNumber).collect();
    node.set(|is| is.max_batch = Some(Limit::new(3, -32600, "Batch of more than 3 requests are not allowed")));
    assert!(endpoint.headers(&numbers).await.unwrap().iter().all(Option::is_some));
    assert_eq!(node.counts().packets, 1 + 4);
    node.set(|is| is.max_batch = Some(Limit::new(1, -32600, "batch requests are disabled")));
    assert!(endpoint.headers(&numbers).await.unwrap().iter().all(Option::is_some));
    node.reset();
    endpoint.headers(&numbers).await.unwrap();
    assert_eq!(node.counts().packets, 10);
}

#[tokio::test]
async fn which_chain_it_is() {
    let world = World::new(CHAIN);
    let (_, endpoint) = alone(&world).await;
    let (chain, genesis) = endpoint.genesis_and_chain().await.unwrap();
    assert_eq!((chain.0, genesis), (CHAIN, world.block(0).unwrap().hash));
}
