//! Which endpoint is asked: order, failover and back, and who is never asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use alloy::primitives::{B256, U256};
use alloy::rpc::json_rpc::{RequestPacket, ResponsePacket};
use alloy::transports::{BoxTransport, TransportError, TransportFut};
use deposit_watcher::chain::{EndpointState, Error, Pool, RangeAsk, of_the_past};
use deposit_watcher::domain::{BlockNumber, EndpointKey, Slug};
use deposit_watcher::telemetry::{self, Labels, NetworkLabels};
use tower::Service;

use super::network::{CHAIN, pool};
use super::scripted::{Down, Lie, Log, Node, PAYER, Pruned, TOKEN, World, account};

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
async fn one_that_says_what_cannot_be_is_lying() {
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
    let report = &pool.report()[0];
    assert_eq!(report.state, EndpointState::Lying, "an inspection does not end its rest");
    let (why, _) = report.lied.clone().unwrap();
    assert_eq!(why, format!("gave block {} when asked for {}", head.block.number.minus(1), head.block.number));
}

/// What it dropped it may refuse, or say that it lacks it; too fast is too fast whatever was asked.
#[tokio::test]
async fn one_that_refuses_what_is_old_is_paused_only_where_the_looks_ask_for_it() {
    let world = World::new(CHAIN);
    let (a, b, pool) = two(&world);
    let endpoint = pool.first().await.unwrap();
    let other = pool.second(&endpoint).await.unwrap();
    let lacking = world.forge(20, vec![]).header();
    let ask = RangeAsk { from: BlockNumber(10), to: BlockNumber(20), headers: vec![], tokens: vec![TOKEN] };
    a.set(|is| is.pruned = Some(Pruned::Errors(50)));
    for refused in [
        of_the_past(endpoint.range_logs(&ask)).await.map(drop),
        of_the_past(endpoint.header(BlockNumber(20))).await.map(drop),
        of_the_past(other.block_logs(&lacking, &[TOKEN])).await.map(drop),
    ] {
        assert!(matches!(refused, Err(Error::Refuses { .. })), "{refused:?}");
    }
    assert_eq!(states(&pool), [EndpointState::Alive; 2]);
    assert!(pool.report()[0].last_error.clone().unwrap().0.contains("pruned history unavailable"));
    b.set(|is| is.down = Some(Down::Error(-32005, "project ID request rate exceeded".to_owned())));
    assert!(of_the_past(other.range_logs(&ask)).await.is_err());
    assert!(matches!(endpoint.range_logs(&ask).await, Err(Error::Transient { retry_after: Some(_), .. })));
    assert_eq!(states(&pool), [EndpointState::Down, EndpointState::RateLimited]);
}

/// The states of `a` in what `/metrics` would show.
fn shown(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.starts_with("deposit_watcher_rpc_endpoint_state{"));
    lines
        .filter_map(|line| line.strip_suffix(" 1")?.split_once("state=\"")?.1.strip_suffix("\"}"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_metric_has_one_state_at_a_time() {
    let (recorder, exposition) = telemetry::recorder().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        let endpoints = vec![EndpointKey::parse("a").unwrap()];
        let test = NetworkLabels { slug: Slug::parse("test").unwrap(), tokens: vec![], endpoints };
        telemetry::initialise(Labels { networks: vec![test], ..Labels::default() });
        assert_eq!(exposition.render().matches("deposit_watcher_rpc_endpoint_state{").count(), 8);
        assert!(shown(&exposition.render()).is_empty());
        let world = World::new(CHAIN);
        let node = world.node("a");
        let pool = pool(&[("a", "us", node.transport())]);
        assert_eq!(shown(&exposition.render()), ["unchecked"]);
        runtime.block_on(pool.inspect(None));
        assert_eq!(shown(&exposition.render()), ["alive"]);
        node.set(|is| is.chain_id = Some(1));
        runtime.block_on(pool.inspect(None));
        assert_eq!(shown(&exposition.render()), ["wrong_chain"]);
    });
}

/// Two endpoints of two operators, the first of them a liar about its head.
fn two(world: &World) -> (Node, Node, Pool) {
    world.mine_empty(100);
    let (a, b) = (world.node("a"), world.node("b"));
    let pool = pool(&[("a", "us", a.transport()), ("b", "them", b.transport())]);
    (a, b, pool)
}

#[tokio::test]
async fn one_operator_alone_must_show_the_head_that_leaves_another_behind() {
    let world = World::new(CHAIN);
    let (a, b, pool) = two(&world);
    b.set(|is| is.lag = 20);
    pool.inspect(None).await;
    assert_eq!(states(&pool), [EndpointState::Alive, EndpointState::Behind]);
    assert_eq!(a.counts().packets, 2, "its head, and what lies between");
    b.heal();
    a.set(|is| is.lag = 20);
    pool.inspect(None).await;
    assert_eq!(states(&pool), [EndpointState::Behind, EndpointState::Alive]);
    assert_eq!(first(&pool).await, "b");
}

#[tokio::test]
async fn a_head_far_ahead_that_nobody_can_show_makes_nobody_behind() {
    let world = World::new(CHAIN);
    let (a, b, pool) = two(&world);
    a.set(|is| is.boast = 1_000);
    pool.inspect(None).await;
    assert_eq!(states(&pool), [EndpointState::Lying, EndpointState::Alive]);
    let (why, _) = pool.report()[0].lied.clone().unwrap();
    assert_eq!(why, "says that its head is 1100 and does not have that chain");
    assert_eq!(first(&pool).await, "b");
    a.heal();
    b.set(|is| is.boast = 1_000);
    pool.forgive();
    pool.inspect(None).await;
    assert_eq!(states(&pool), [EndpointState::Alive, EndpointState::Lying], "nor does one of less priority");
}

#[tokio::test]
async fn one_against_two_makes_nobody_behind() {
    let world = World::new(CHAIN);
    world.mine_empty(100);
    let (a, b, c) = (world.node("a"), world.node("b"), world.node("c"));
    let pool = pool(&[("a", "us", a.transport()), ("b", "them", b.transport()), ("c", "others", c.transport())]);
    for node in [&b, &c] {
        node.set(|is| is.lag = 20);
    }
    pool.inspect(None).await;
    assert_eq!(states(&pool), [EndpointState::Alive; 3]);
    c.set(|is| is.lag = 0);
    pool.inspect(None).await;
    assert_eq!(states(&pool), [EndpointState::Alive, EndpointState::Behind, EndpointState::Alive]);
}

#[tokio::test]
async fn a_head_dated_too_far_ahead_is_no_measure_and_no_head() {
    let world = World::new(CHAIN);
    world.mine_empty(100);
    let (a, b) = (world.node("a"), world.node("b"));
    let mut settings =
        super::network::network(&[("a", "http://127.0.0.1:1/", "us"), ("b", "http://127.0.0.1:1/", "them")]);
    settings.max_clock_drift = Some(Duration::from_secs(900));
    let transports = vec![(super::network::key("a"), a.transport()), (super::network::key("b"), b.transport())];
    let pool = Pool::with_transports(&settings, transports);
    b.freeze();
    let now = u64::try_from(chrono::Utc::now().timestamp()).unwrap();
    (0..5).for_each(|at| _ = world.mine_at(now + 3_600 + at, vec![]));
    pool.inspect(None).await;
    assert_eq!(states(&pool), [EndpointState::Lying, EndpointState::Alive]);
    assert!(pool.report()[0].lied.clone().unwrap().0.contains("ahead of the clock"));
    b.thaw();
    pool.forgive();
    pool.inspect(None).await;
    assert_eq!(states(&pool), [EndpointState::Alive; 2], "where all say so it may be our clock");
}

#[tokio::test]
async fn a_head_that_goes_backwards_is_told_and_is_no_reorganisation() {
    let world = World::new(CHAIN);
    let (a, _, pool) = two(&world);
    let endpoint = pool.first().await.unwrap();
    assert_eq!(endpoint.latest().await.unwrap().block.number, BlockNumber(100));
    a.set(|is| is.lag = 2);
    assert_eq!(endpoint.latest().await.unwrap().block.number, BlockNumber(98));
    let report = pool.report().remove(0);
    assert_eq!(report.state, EndpointState::Alive);
    assert_eq!(report.last_error.unwrap().0, "its head went backwards, from 100 to 98");
}

#[tokio::test(start_paused = true)]
async fn one_that_stands_still_while_others_move_is_the_last_resort() {
    let world = World::new(CHAIN);
    let (a, _, pool) = two(&world);
    pool.inspect(None).await;
    world.mine_empty(2);
    pool.inspect(None).await;
    a.freeze();
    world.mine_empty(30);
    pool.inspect(None).await;
    assert_eq!(states(&pool), [EndpointState::Behind, EndpointState::Alive]);
    tokio::time::advance(Duration::from_secs(60)).await;
    world.mine_empty(30);
    pool.inspect(None).await;
    assert_eq!(states(&pool), [EndpointState::Stalled, EndpointState::Alive]);
    assert_eq!((first(&pool).await.as_str(), pool.healthy().len()), ("b", 1));
    assert!(pool.report()[0].last_error.clone().unwrap().0.contains("stands still while others move"));
    a.thaw();
    pool.inspect(None).await;
    assert_eq!((states(&pool)[0], first(&pool).await.as_str()), (EndpointState::Alive, "a"));
}

#[tokio::test(start_paused = true)]
async fn a_chain_at_rest_stays_in_use() {
    let world = World::new(CHAIN);
    world.mine_empty(3);
    let node = world.node("a");
    let pool = pool(&[("a", "us", node.transport())]);
    pool.inspect(None).await;
    tokio::time::advance(Duration::from_secs(3_600)).await;
    pool.inspect(None).await;
    assert_eq!(states(&pool), [EndpointState::Stalled]);
    let endpoint = pool.first().await.unwrap();
    assert_eq!(pool.healthy().len(), 1, "both looks may come from it");
    world.mine_empty(1);
    endpoint.latest().await.unwrap();
    assert_eq!(states(&pool), [EndpointState::Alive]);
}

#[tokio::test(start_paused = true)]
async fn after_a_long_outage_the_only_one_is_asked_again_soon() {
    let world = World::new(CHAIN);
    let node = world.node("a");
    let pool = pool(&[("a", "us", node.transport())]);
    pool.inspect(None).await;
    node.set(|is| is.down = Some(Down::Refused));
    let mut waits = Vec::new();
    for _ in 0..14 {
        pool.inspect(None).await;
        let wait = pool.first().await.unwrap_err().retry_after().unwrap();
        waits.push(wait);
        tokio::time::advance(wait).await;
    }
    assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(15)), "{waits:?}");
    assert!(waits.last() >= Some(&Duration::from_secs(14)), "{waits:?}");
    node.set(|is| is.down = Some(Down::Status(429, Some(Duration::from_secs(120)))));
    assert!(
        pool.first().await.unwrap_err().retry_after() > Some(Duration::from_secs(100)),
        "what was asked for is obeyed"
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_asked_to_be_slower_is_asked_more_slowly() {
    let world = World::new(CHAIN);
    let node = world.node("a");
    let pool = pool(&[("a", "us", node.transport())]);
    let endpoint = pool.first().await.unwrap();
    for _ in 0..39 {
        endpoint.latest().await.unwrap();
    }
    node.set(|is| is.down = Some(Down::Error(-32005, "project ID request rate exceeded".to_owned())));
    endpoint.latest().await.unwrap_err();
    assert_eq!(pool.report()[0].pace, Some(20), "half of what was sent in that second");
    node.heal();
    tokio::time::advance(Duration::from_secs(2)).await;
    let started = tokio::time::Instant::now();
    for _ in 0..40 {
        endpoint.latest().await.unwrap();
    }
    let took = started.elapsed();
    assert!((1_900..2_100).contains(&took.as_millis()), "{took:?}");
    for _ in 0..30 {
        tokio::time::advance(Duration::from_secs(10)).await;
        endpoint.latest().await.unwrap();
    }
    assert!(pool.report()[0].pace >= Some(45), "it grows again: {:?}", pool.report()[0].pace);
}

/// A node that tells who it is and nothing else, ever; it counts what it leaves unanswered.
#[derive(Clone)]
struct Mute(Node, Arc<AtomicUsize>);

impl Service<RequestPacket> for Mute {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, packet: RequestPacket) -> Self::Future {
        if packet.method_names().any(|method| method == "eth_chainId") {
            return self.0.call(packet);
        }
        self.1.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::pending())
    }
}

/// The step waits for an inspection.
#[tokio::test(start_paused = true)]
async fn one_that_claims_a_chain_and_does_not_show_it_is_asked_once() {
    let world = World::new(CHAIN);
    world.mine_empty(100);
    let names = ["a", "b", "c", "d"];
    let others: Vec<Node> = names.iter().map(|name| world.node(name)).collect();
    others.iter().for_each(Node::freeze);
    world.mine_empty(40);
    let left = Arc::new(AtomicUsize::new(0));
    let mute = BoxTransport::new(Mute(world.node("e"), left.clone()));
    let mut endpoints: Vec<_> =
        names.iter().zip(&others).map(|(name, node)| (*name, *name, node.transport())).collect();
    endpoints.push(("e", "e", mute));
    let pool = pool(&endpoints);
    let started = tokio::time::Instant::now();
    pool.inspect(None).await;
    assert!(started.elapsed() <= Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(left.load(Ordering::Relaxed), 1);
    let down = EndpointState::Down;
    let alive = EndpointState::Alive;
    assert_eq!(states(&pool), [alive, alive, alive, alive, down], "nobody is behind what is not shown");
}
