//! Which endpoint is asked: order, failover and back, and who is never asked.

use std::time::Duration;

use alloy::primitives::{B256, U256};
use deposit_watcher::chain::{EndpointState, Error, Pool};

use super::network::{CHAIN, pool};
use super::scripted::{Down, Lie, Log, Node, PAYER, TOKEN, World, account};

fn three(world: &World) -> (Node, Node, Node, Pool) {
    world.mine_empty(100);
    let (a, b, c) = (world.node("a"), world.node("b"), world.node("c"));
    let pool = pool(&[("a", "us", a.transport()), ("b", "us", b.transport()), ("c", "them", c.transport())]);
    (a, b, c, pool)
}

async fn first(pool: &Pool) -> String {
    pool.first().await.unwrap().key().to_string()
}

fn states(pool: &Pool) -> Vec<EndpointState> {
    pool.report().into_iter().map(|report| report.state).collect()
}

#[tokio::test]
async fn the_first_question_inspects_everyone_once() {
    let world = World::new(CHAIN);
    let (a, b, c, pool) = three(&world);
    assert_eq!(states(&pool), [EndpointState::Unchecked; 3]);
    assert!(pool.healthy().is_empty());
    assert_eq!((first(&pool).await, first(&pool).await), ("a".to_owned(), "a".to_owned()));
    assert_eq!([a, b, c].map(|node| node.counts().packets), [1, 1, 1]);
    assert_eq!(pool.healthy().len(), 3);
}

#[tokio::test]
async fn the_second_is_of_another_operator_where_there_is_one() {
    let world = World::new(CHAIN);
    let (_, _, c, pool) = three(&world);
    let first = pool.first().await.unwrap();
    assert_eq!(pool.second(&first).await.unwrap().key().as_str(), "c");
    c.set(|is| is.down = Some(Down::Refused));
    pool.inspect(None).await;
    assert_eq!(pool.second(&first).await.unwrap().key().as_str(), "b");
}

#[tokio::test]
async fn it_falls_over_to_the_next_and_returns_to_the_better() {
    let world = World::new(CHAIN);
    let (a, b, _, pool) = three(&world);
    let endpoint = pool.first().await.unwrap();
    a.set(|is| is.down = Some(Down::Refused));
    assert!(endpoint.latest().await.is_err());
    assert_eq!(first(&pool).await, "b");
    b.set(|is| is.down = Some(Down::Status(502, None)));
    assert!(pool.first().await.unwrap().latest().await.is_err());
    assert_eq!(first(&pool).await, "c");
    a.heal();
    a.reset();
    pool.forgive();
    assert_eq!(first(&pool).await, "a");
    assert_eq!(a.counts().calls["eth_chainId"], 1, "inspected again before it is read from");
}

#[tokio::test]
async fn its_pause_ends_by_itself() {
    let world = World::new(CHAIN);
    let node = world.node("a");
    let pool = pool(&[("a", "us", node.transport())]);
    let endpoint = pool.first().await.unwrap();
    node.set(|is| is.down = Some(Down::Refused));
    assert!(endpoint.latest().await.is_err());
    node.heal();
    let error = pool.first().await.unwrap_err();
    let wait = error.retry_after().unwrap();
    assert!(wait <= Duration::from_millis(400) && error.endpoint().is_none(), "{error}");
    tokio::time::sleep(wait).await;
    assert_eq!(first(&pool).await, "a");
}

#[tokio::test]
async fn a_wrong_chain_is_never_read_from() {
    let world = World::new(CHAIN);
    let (a, b, c, pool) = three(&world);
    a.set(|is| is.chain_id = Some(1));
    b.set(|is| is.genesis = Some(B256::repeat_byte(7)));
    pool.inspect(Some(world.block(0).unwrap().hash)).await;
    assert_eq!(first(&pool).await, "c");
    assert_eq!(states(&pool), [EndpointState::WrongChain, EndpointState::WrongChain, EndpointState::Alive]);
    c.set(|is| is.down = Some(Down::Refused));
    pool.inspect(None).await;
    assert!(matches!(pool.first().await, Err(Error::Transient { endpoint: None, .. })));
    c.heal();
    c.set(|is| is.chain_id = Some(5));
    pool.inspect(None).await;
    assert!(matches!(pool.first().await, Err(Error::WrongChain { .. })));
    a.heal();
    pool.inspect(None).await;
    assert_eq!(first(&pool).await, "a");
}

#[tokio::test]
async fn one_that_turns_into_another_chain_during_an_outage_is_caught() {
    let world = World::new(CHAIN);
    let (a, _, _, pool) = three(&world);
    let endpoint = pool.first().await.unwrap();
    a.set(|is| is.down = Some(Down::Refused));
    assert!(endpoint.latest().await.is_err());
    a.heal();
    a.set(|is| is.chain_id = Some(1));
    pool.forgive();
    assert_eq!(first(&pool).await, "b");
    assert_eq!(states(&pool)[0], EndpointState::WrongChain);
}

#[tokio::test]
async fn one_that_is_behind_is_the_last_resort() {
    let world = World::new(CHAIN);
    let (a, b, c, pool) = three(&world);
    a.set(|is| is.lag = 20);
    b.set(|is| is.lag = 3);
    pool.inspect(None).await;
    assert_eq!(states(&pool), [EndpointState::Behind, EndpointState::Alive, EndpointState::Alive]);
    let one = pool.first().await.unwrap();
    assert_eq!(one.key().as_str(), "b");
    for node in [&b, &c] {
        node.set(|is| is.down = Some(Down::Refused));
    }
    assert!(one.latest().await.is_err() && pool.second(&one).await.unwrap().latest().await.is_err());
    assert_eq!(first(&pool).await, "a");
    assert!(pool.healthy().is_empty());
}

#[tokio::test]
async fn rate_limits_are_obeyed_and_inspections_wait_too() {
    let world = World::new(CHAIN);
    let (a, _, _, pool) = three(&world);
    let endpoint = pool.first().await.unwrap();
    a.set(|is| is.down = Some(Down::Status(429, Some(Duration::from_secs(30)))));
    assert_eq!(endpoint.latest().await.unwrap_err().retry_after(), Some(Duration::from_secs(30)));
    a.heal();
    a.reset();
    pool.inspect(None).await;
    assert_eq!((a.counts().packets, first(&pool).await), (0, "b".to_owned()));
    assert_eq!(states(&pool)[0], EndpointState::RateLimited);
}

#[tokio::test]
async fn one_that_says_what_cannot_be_is_set_aside() {
    let world = World::new(CHAIN);
    let (a, _, _, pool) = three(&world);
    let head = world.mine(vec![world.pay(TOKEN, PAYER, account(1), U256::from(1))]);
    let endpoint = pool.first().await.unwrap();
    let invented = Log::transfer(TOKEN, PAYER, account(2), U256::from(9));
    a.set(|is| is.lies = vec![Lie::Invent(head.block.hash, invented)]);
    assert_eq!(endpoint.block_logs(&head, &[TOKEN]).await.unwrap().transfers.len(), 2, "a plausible lie passes");
    a.set(|is| is.wrong_number = true);
    assert!(matches!(endpoint.header(head.block.number).await, Err(Error::Misbehaving { .. })));
    assert_eq!(first(&pool).await, "b");
    a.heal();
    pool.inspect(None).await;
    assert_eq!(states(&pool)[0], EndpointState::SetAside, "an inspection does not end its rest");
}
