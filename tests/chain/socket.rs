//! WebSocket endpoints: requests and answers, peers that break the protocol or fall silent, and heads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use deposit_watcher::chain::{EndpointState, Error, Limits, Pool};
use deposit_watcher::domain::BlockNumber;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::network::{CHAIN, network};
use super::servers::{header, honest};

type Peer = WebSocketStream<TcpStream>;

/// What a test's peer does with the number of the connection and a request; `None`: nothing.
type Speak = dyn Fn(usize, &Value) -> Vec<Message> + Send + Sync;

struct Server {
    url: String,
    connections: Arc<AtomicUsize>,
}

impl Server {
    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(speak: impl Fn(usize, &Value) -> Vec<Message> + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/canary0123456789", listener.local_addr().unwrap());
    let connections: Arc<AtomicUsize> = Arc::default();
    let (counter, speak): (_, Arc<Speak>) = (connections.clone(), Arc::new(speak));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
            let speak = speak.clone();
            tokio::spawn(async move { converse(accept_async(stream).await.unwrap(), number, &*speak).await });
        }
    });
    Server { url, connections }
}

async fn converse(mut peer: Peer, number: usize, speak: &Speak) {
    while let Some(Ok(message)) = peer.next().await {
        let Message::Text(text) = message else { continue };
        let asked: Value = serde_json::from_str(&text).unwrap();
        for answer in speak(number, &asked) {
            if peer.send(answer).await.is_err() {
                return;
            }
        }
    }
}

fn text(value: &Value) -> Vec<Message> {
    vec![Message::text(value.to_string())]
}

fn pool_of(server: &Server) -> Pool {
    let limits = Limits {
        connect: Duration::from_millis(500),
        total: Duration::from_millis(600),
        bytes: 20_000,
        silence: Duration::from_millis(300),
        rebuild: Duration::from_millis(100),
        ..Limits::default()
    };
    Pool::connect_within(&network(&[("one", &server.url, "us")]), limits).unwrap()
}

fn clean(error: &Error) -> String {
    let text = error.to_string();
    assert!(!text.contains("canary") && !text.contains("127.0.0.1"), "{text}");
    text
}

#[tokio::test]
async fn calls_and_batches_share_one_socket() {
    let server = serve(|_, asked| text(&honest(CHAIN, asked))).await;
    let pool = pool_of(&server);
    assert_eq!(server.connections(), 0, "nothing is dialled before it is needed");
    let endpoint = pool.first().await.unwrap();
    let (a, b) = tokio::join!(endpoint.latest(), endpoint.latest());
    assert_eq!((a.unwrap().block.number, b.unwrap().block.number), (BlockNumber(9), BlockNumber(9)));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn answers_find_their_question_in_any_order() {
    let held: std::sync::Mutex<Vec<Value>> = std::sync::Mutex::default();
    let server = serve(move |_, asked| {
        let mut held = held.lock().unwrap();
        held.push(asked.clone());
        if held.len() < 2 {
            vec![]
        } else {
            held.drain(..).rev().flat_map(|asked| text(&honest(CHAIN, &asked))).collect()
        }
    })
    .await;
    let pool = pool_of(&server);
    let endpoint = &pool.endpoints()[0];
    let (latest, genesis) = tokio::join!(endpoint.latest(), endpoint.header(BlockNumber(0)));
    assert_eq!(latest.unwrap().block.number, BlockNumber(9));
    assert_eq!(genesis.unwrap().unwrap().block.number, BlockNumber(0));
}

#[tokio::test]
async fn a_violation_drops_the_socket_and_nothing_is_sent_twice() {
    let poison: [fn() -> Message; 6] = [
        || Message::text("{"),
        || Message::text(r#"{"jsonrpc":"2.0","id":77777,"result":null}"#),
        || Message::text(r#"{"jsonrpc":"2.0","id":0,"result":null,"error":null}"#),
        || Message::binary(vec![1, 2]),
        || Message::text(format!("\"{}\"", "x".repeat(30_000))),
        || Message::Close(None),
    ];
    for poison in poison {
        let server =
            serve(move |number, asked| if number == 1 { vec![poison()] } else { text(&honest(CHAIN, asked)) }).await;
        let pool = pool_of(&server);
        let endpoint = &pool.endpoints()[0];
        let (a, b) = tokio::join!(endpoint.latest(), endpoint.latest());
        clean(&a.unwrap_err());
        clean(&b.unwrap_err());
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!(server.connections(), 1, "nothing is replayed");
        assert!(endpoint.latest().await.is_ok());
        assert_eq!(server.connections(), 2);
    }
}

#[tokio::test]
async fn rebuilds_are_paced() {
    let server = serve(|_, _| vec![Message::text("{")]).await;
    let pool = pool_of(&server);
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(550) {
        let _ = pool.endpoints()[0].latest().await;
    }
    assert!((2..=7).contains(&server.connections()), "{}", server.connections());
}

#[tokio::test]
async fn a_silent_peer_fails_in_time_and_loses_its_socket() {
    let server = serve(|number, asked| if number == 1 { vec![] } else { text(&honest(CHAIN, asked)) }).await;
    let pool = pool_of(&server);
    let endpoint = &pool.endpoints()[0];
    let started = Instant::now();
    assert!(clean(&endpoint.latest().await.unwrap_err()).contains("no answer in time"));
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(pool.report()[0].state, EndpointState::Down);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(endpoint.latest().await.is_ok());
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_peer_that_never_shakes_hands_fails_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/canary0123456789", listener.local_addr().unwrap());
    let pool = pool_of(&Server { url, connections: Arc::default() });
    let started = Instant::now();
    clean(&pool.endpoints()[0].latest().await.unwrap_err());
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_batch_refused_whole_without_an_id_keeps_its_words() {
    let server = serve(|_, asked| match asked {
        Value::Array(_) => {
            text(&json!({ "id": null, "error": { "code": -32600, "message": "batch requests are disabled" } }))
        }
        call => text(&honest(CHAIN, call)),
    })
    .await;
    let pool = pool_of(&server);
    assert!(pool.first().await.is_ok(), "asked one by one instead");
    assert_eq!(server.connections(), 1);
}

fn head(number: u64) -> Message {
    let params = json!({ "subscription": "0x1", "result": header(number) });
    Message::text(json!({ "jsonrpc": "2.0", "method": "eth_subscription", "params": params }).to_string())
}

/// Answers calls; to a subscription it sends these heads (the connection's number times ten, and on) and is silent.
async fn heads_of(count: u64) -> Server {
    serve(move |number, asked| {
        if asked["method"] != "eth_subscribe" {
            return text(&honest(CHAIN, asked));
        }
        let early = head(number as u64 * 10);
        let mut said = vec![early, Message::text(json!({ "id": 1, "result": "0x1" }).to_string())];
        said.extend((1..count).map(|i| head(number as u64 * 10 + i)));
        said
    })
    .await
}

#[tokio::test]
async fn heads_are_told_and_a_silent_subscription_is_made_anew() {
    let server = heads_of(3).await;
    let pool = pool_of(&server);
    pool.first().await.unwrap();
    let mut heads = pool.heads();
    let mut seen = 0;
    let started = Instant::now();
    while seen < 42 && started.elapsed() < Duration::from_secs(5) {
        heads.changed().await.unwrap();
        seen = heads.borrow_and_update().unwrap().block.number.0;
    }
    assert!(seen >= 42, "{seen}");
    assert!(started.elapsed() > Duration::from_millis(600), "two silences");
}

#[tokio::test]
async fn heads_of_another_chain_are_not_passed_on() {
    let server =
        serve(
            |_, asked| {
                if asked["method"] == "eth_subscribe" { vec![head(5), head(6)] } else { text(&honest(1, asked)) }
            },
        )
        .await;
    let pool = pool_of(&server);
    assert!(matches!(pool.first().await, Err(Error::WrongChain { .. })));
    let heads = pool.heads();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(*heads.borrow(), None);
    assert!(server.connections() >= 2);
}

#[tokio::test]
async fn dropping_the_pool_ends_its_listeners() {
    let server = heads_of(1).await;
    let pool = pool_of(&server);
    let mut heads = pool.heads();
    drop(pool);
    assert!(heads.changed().await.is_err());
}

#[tokio::test]
async fn a_socket_closed_for_asking_too_much_is_a_rate_limit() {
    let server = serve(|_, _| {
        vec![Message::Close(Some(CloseFrame { code: CloseCode::Policy, reason: "too many requests".into() }))]
    })
    .await;
    let pool = pool_of(&server);
    let error = pool.endpoints()[0].latest().await.unwrap_err();
    assert!(error.retry_after() >= Some(Duration::from_secs(1)), "{error}");
    assert_eq!(pool.report()[0].state, EndpointState::RateLimited);
}

/// What an endpoint sees in a second and a half while heads are listened to and questions asked without a pause. The least
/// time between two rebuilds is a tenth of a second.
#[derive(Debug)]
struct Storm {
    connections: usize,
    /// Of those, in the last third.
    last: usize,
    /// The longest that a question was away: they are given up after 20 ms.
    still: Duration,
}

async fn storm(speak: impl Fn(usize, &Value) -> Vec<Message> + Send + Sync + 'static) -> Storm {
    let server = serve(speak).await;
    let pool = pool_of(&server);
    let _heads = pool.heads();
    let started = Instant::now();
    let (mut early, mut still) = (0, Duration::ZERO);
    while started.elapsed() < Duration::from_millis(1_500) {
        let asked = Instant::now();
        let _ = tokio::time::timeout(Duration::from_millis(20), pool.endpoints()[0].latest()).await;
        still = still.max(asked.elapsed());
        if started.elapsed() < Duration::from_millis(1_000) {
            early = server.connections();
        }
    }
    Storm { connections: server.connections(), last: server.connections() - early, still }
}

#[tokio::test]
async fn a_peer_that_breaks_every_socket_is_not_stormed() {
    let poison: [fn() -> Message; 3] = [
        || Message::Close(None),
        || Message::text("{"),
        || Message::text(r#"{"jsonrpc":"2.0","id":99,"error":null,"result":"0x1"}"#),
    ];
    for turn in 1..=5 {
        let storms = poison.map(|poison| storm(move |_, _| vec![poison()]));
        let storms = futures_util::future::join_all(storms).await;
        for Storm { connections, .. } in &storms {
            assert!(
                (4..=11).contains(connections),
                "{connections} connections: two, and then one in a tenth of a second at most, ever fewer"
            );
        }
        // A machine that stood still cannot tell which third a connection belongs to: it is asked again, whatever it saw.
        if turn < 5 && storms.iter().any(|storm| storm.still > Duration::from_millis(60)) {
            continue;
        }
        assert!(storms.iter().all(|storm| storm.last <= 3), "{storms:?}: pauses grow");
        return;
    }
}

/// A head each time, so that every subscription seems to work: pauses still are as long as they must be.
#[tokio::test]
async fn a_subscription_that_dies_after_each_head_is_not_stormed() {
    let heads = |number: usize, asked: &Value| match asked["method"] == "eth_subscribe" {
        true => vec![head(number as u64), Message::Close(None)],
        false => text(&honest(CHAIN, asked)),
    };
    let Storm { connections, .. } = storm(heads).await;
    assert!((3..=8).contains(&connections), "{connections}");
}

#[tokio::test]
async fn a_refused_subscription_is_asked_for_again() {
    let server = serve(|number, asked| match (asked["method"] == "eth_subscribe", number) {
        (true, 2) => vec![head(20), Message::Close(None)],
        (true, 3) => text(&json!({ "id": 1, "error": { "code": -32005, "message": "too many subscriptions" } })),
        (true, _) => vec![head(40)],
        (false, _) => text(&honest(CHAIN, asked)),
    })
    .await;
    let pool = pool_of(&server);
    pool.first().await.unwrap();
    let mut heads = pool.heads();
    let told = |number: u64| move |head: &Option<_>| matches!(head, Some(deposit_watcher::domain::Header { block, .. }) if block.number == BlockNumber(number));
    tokio::time::timeout(Duration::from_secs(5), heads.wait_for(told(40))).await.unwrap().unwrap();
    assert_eq!(server.connections(), 4, "requests, a subscription, one refused, and the one that works");
}

/// Pings, notices of other kinds and the same head again: the subscription is silent all the same.
#[tokio::test]
async fn chatter_does_not_hide_a_silent_subscription() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/canary0123456789", listener.local_addr().unwrap());
    let connections: Arc<AtomicUsize> = Arc::default();
    let counter = connections.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut peer = accept_async(stream).await.unwrap();
                let other = || Message::text(json!({ "jsonrpc": "2.0", "method": "eth_syncing" }).to_string());
                while peer.send(head(5)).await.is_ok() && peer.send(other()).await.is_ok() {
                    let _ = peer.send(Message::Ping(vec![1].into())).await;
                    tokio::time::sleep(Duration::from_millis(30)).await;
                }
            });
        }
    });
    let pool = pool_of(&Server { url, connections: connections.clone() });
    let _heads = pool.heads();
    let started = Instant::now();
    while connections.load(Ordering::SeqCst) < 3 && started.elapsed() < Duration::from_secs(5) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(connections.load(Ordering::SeqCst) >= 3);
    assert!(started.elapsed() > Duration::from_millis(600), "two silences");
}
