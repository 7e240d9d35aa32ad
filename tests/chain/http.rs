//! HTTP endpoints that redirect, trickle, flood, refuse and talk nonsense.

use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::primitives::address;
use deposit_watcher::chain::{Endpoint, EndpointState, Error, Limits, Pool, RangeAsk};
use deposit_watcher::domain::BlockNumber;

use super::network::{CHAIN, network};
use super::servers::{Pieces, Server, header, honest, http, ok, whole};

fn quick() -> Limits {
    Limits {
        connect: Duration::from_millis(500),
        total: Duration::from_millis(800),
        idle: Duration::from_millis(400),
        bytes: 4_000,
        ..Limits::default()
    }
}

async fn pool_of(server: &Server) -> Pool {
    let url = format!("http://{}/v2/canary0123456789", server.addr);
    Pool::connect_within(&network(&[("one", &url, "us")]), quick()).unwrap()
}

async fn against(answer: impl Fn() -> Pieces + Send + Sync + 'static) -> (Pool, Arc<Endpoint>, Server) {
    let server = http(move |_| answer()).await;
    let pool = pool_of(&server).await;
    let endpoint = pool.endpoints()[0].clone();
    (pool, endpoint, server)
}

fn reason(error: Error) -> String {
    let text = error.to_string();
    assert!(!text.contains("canary") && !text.contains("127.0.0.1") && !text.contains("://"), "{text}");
    text
}

#[tokio::test]
async fn an_honest_node_is_found_and_read() {
    let server = http(|asked| ok(&honest(CHAIN, &asked))).await;
    let pool = pool_of(&server).await;
    let endpoint = pool.first().await.unwrap();
    assert_eq!(endpoint.latest().await.unwrap().block.number, BlockNumber(9));
    assert_eq!(server.hits(), 2);
}

#[tokio::test]
async fn another_chain_is_refused_by_name() {
    let server = http(|asked| ok(&honest(1, &asked))).await;
    let pool = pool_of(&server).await;
    let error = pool.first().await.unwrap_err();
    assert!(matches!(error, Error::WrongChain { found, .. } if found.0 == 1), "{error}");
    assert_eq!(pool.report()[0].state, EndpointState::WrongChain);
    assert!(pool.healthy().is_empty());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = http(|asked| ok(&honest(CHAIN, &asked))).await;
    let location = format!("location: http://{}/\r\n", elsewhere.addr);
    for status in ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let location = location.clone();
        let (_pool, endpoint, _server) = against(move || whole(status, &location, "")).await;
        let text = reason(endpoint.latest().await.unwrap_err());
        assert!(text.contains("HTTP status 30"), "{text}");
    }
    assert_eq!(elsewhere.hits(), 0);
}

#[tokio::test]
async fn a_flood_is_cut_off_and_counts_as_too_wide() {
    let (_pool, endpoint, _server) = against(|| {
        let head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"jsonrpc\":\"2.0\",\"result\":[".to_vec();
        let flood = (0..1_000).map(|_| (Duration::ZERO, vec![b' '; 1_000]));
        std::iter::once((Duration::ZERO, head)).chain(flood).collect()
    })
    .await;
    let before = endpoint.range();
    let tokens = vec![address!("00000000000000000000000000000000000000ee")];
    let ask = RangeAsk { from: BlockNumber(1), to: BlockNumber(before), headers: vec![], tokens };
    let error = endpoint.range_logs(&ask).await.unwrap_err();
    assert!(matches!(error, Error::TooWide { .. }), "{error}");
    assert!(endpoint.range() < before);
    assert!(matches!(endpoint.latest().await, Err(Error::Misbehaving { .. })));
}

#[tokio::test]
async fn a_slow_body_hits_the_deadline() {
    let trickle = || {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n".to_vec();
        let drops = (0..100).map(|_| (Duration::from_millis(100), b" ".to_vec()));
        std::iter::once((Duration::ZERO, head)).chain(drops).collect()
    };
    let silence = || vec![(Duration::from_secs(30), b"HTTP/1.1 200 OK\r\n\r\n".to_vec())];
    for answer in [trickle as fn() -> Pieces, silence] {
        let (_pool, endpoint, _server) = against(answer).await;
        let started = Instant::now();
        let text = reason(endpoint.latest().await.unwrap_err());
        assert!(started.elapsed() < Duration::from_secs(3));
        assert!(text.contains("no answer in time"), "{text}");
    }
}

#[tokio::test]
async fn retry_after_is_obeyed_beside_any_body() {
    let json = r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32005,"message":"slow down at https://x.example/canary"}}"#;
    for body in ["", "<html>no</html>", json] {
        let (pool, endpoint, _server) =
            against(move || whole("429 Too Many Requests", "retry-after: 42\r\n", body)).await;
        let error = endpoint.latest().await.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(42)), "{error}");
        reason(error);
        assert_eq!(pool.report()[0].state, EndpointState::RateLimited);
        let nobody = pool.first().await.unwrap_err();
        assert!(nobody.retry_after().unwrap() > Duration::from_secs(40), "{nobody}");
    }
}

#[tokio::test]
async fn an_error_body_is_read_before_the_status() {
    let body =
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32005,"message":"query returned more than 10000 results"}}"#;
    for status in ["200 OK", "400 Bad Request", "500 Internal Server Error"] {
        let (_pool, endpoint, _server) = against(move || whole(status, "", body)).await;
        let tokens = vec![address!("00000000000000000000000000000000000000ee")];
        let ask = RangeAsk { from: BlockNumber(1), to: BlockNumber(16), headers: vec![BlockNumber(16)], tokens };
        let error = endpoint.range_logs(&ask).await.unwrap_err();
        assert!(matches!(error, Error::TooWide { .. }), "{status}: {error}");
    }
}

#[tokio::test]
async fn nonsense_is_an_outage_not_an_answer() {
    let cut = r#"{"jsonrpc":"2.0","id":0,"resu"#;
    let both = format!(r#"{{"jsonrpc":"2.0","id":0,"error":null,"result":{}}}"#, header(9));
    let bodies = ["<html>502</html>".to_owned(), cut.to_owned(), both, String::new(), "[]".to_owned()];
    for body in bodies {
        let said = body.clone();
        let (pool, endpoint, _server) = against(move || whole("200 OK", "", &said)).await;
        let error = endpoint.latest().await.unwrap_err();
        assert!(matches!(error, Error::Transient { .. }), "{body}: {error}");
        assert_eq!(pool.report()[0].state, EndpointState::Down);
    }
    let short = || vec![(Duration::ZERO, b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{".to_vec())];
    let (_pool, endpoint, _server) = against(short).await;
    assert!(reason(endpoint.latest().await.unwrap_err()).contains("broke off"));
    let (_pool, endpoint, _server) = against(|| whole("502 Bad Gateway", "", "<html>canary</html>")).await;
    assert!(reason(endpoint.latest().await.unwrap_err()).contains("HTTP status 502"));
}

#[tokio::test]
async fn nobody_listens() {
    let network = network(&[("one", "http://127.0.0.1:9/canary0123456789", "us")]);
    let pool = Pool::connect_within(&network, quick()).unwrap();
    let text = reason(pool.first().await.unwrap_err());
    assert!(text.contains("cannot be connected to"), "{text}");
}

/// A batch is judged call by call: one without an answer, or with another's, condemns it.
#[tokio::test]
async fn a_batch_with_a_member_missing_or_mixed_up_is_no_answer() {
    type Spoil = fn(&mut Vec<serde_json::Value>);
    let missing: Spoil = |answers| drop(answers.pop());
    let swapped: Spoil = |answers| {
        let ids: Vec<_> = answers.iter().map(|answer| answer["id"].clone()).rev().collect();
        answers.iter_mut().zip(ids).for_each(|(answer, id)| answer["id"] = id);
    };
    for (spoil, expected) in [(missing, "unanswered"), (swapped, "gave block 2 when asked for 1")] {
        let server = http(move |asked| {
            let calls = asked.as_array().cloned().unwrap_or_default();
            let answer = |call: &serde_json::Value| {
                let hex = call["params"][0].as_str().unwrap().trim_start_matches("0x").to_owned();
                let result = header(u64::from_str_radix(&hex, 16).unwrap());
                serde_json::json!({ "jsonrpc": "2.0", "id": call["id"], "result": result })
            };
            let mut answers: Vec<_> = calls.iter().map(answer).collect();
            spoil(&mut answers);
            ok(&answers.into())
        })
        .await;
        let pool = pool_of(&server).await;
        let error = pool.endpoints()[0].headers(&[BlockNumber(1), BlockNumber(2)]).await.unwrap_err();
        assert!(matches!(error, Error::Misbehaving { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(pool.report()[0].state, EndpointState::Lying);
    }
}
