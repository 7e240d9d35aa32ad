//! Event streams over the wire: at once, resumed, by ticket, and counted. What viewers hear in which order is tested with
//! the live view itself.

use serde_json::Value;

use crate::asking::{Ask, Line};
use crate::credentials::Owner;
use crate::server::Server;

const TO: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

/// The next event's id and state.
async fn event(line: &mut Line) -> (String, Value) {
    loop {
        let text = line.until(b"\n\n").await;
        let field = |name: &str| text.lines().find_map(|field| field.strip_prefix(name)).map(str::to_owned);
        if let (Some(id), Some(data)) = (field("id: "), field("data: ")) {
            return (id, serde_json::from_str(&data).unwrap());
        }
    }
}

#[tokio::test]
async fn a_stream_tells_the_state_each_change_and_its_end() {
    let server = Server::start().await;
    let shop = Owner::settle(&server, "shop", TO).await;
    let path = format!("/api/v1/widgets/deposit-sessions/{}", shop.session);
    let mut line = Line::open(server.at).await;
    let head = line.ask(&Ask::get(&format!("{path}/events")).with("X-Client-Secret", &shop.session_secret)).await;
    assert_eq!(head.status, 200, "{head:?}");
    assert_eq!((head.header("cache-control"), head.header("x-accel-buffering")), (Some("no-store"), Some("no")));
    let (id, state) = event(&mut line).await;
    let read = Ask::get(&path).with("X-Client-Secret", &shop.session_secret).at(server.at).await;
    assert_eq!(state, read.json(), "what is sent is what is read");
    let mut back = Line::open(server.at).await;
    let again = Ask::get(&format!("{path}/events?ticket={}", shop.ticket(&server).await)).with("Last-Event-ID", &id);
    assert_eq!(back.ask(&again).await.status, 200);
    let metrics = Ask::get("/metrics").at(server.admin).await.body;
    assert!(metrics.contains("deposit_watcher_event_streams 2\n"), "{metrics}");

    let cancel = Ask::post(&format!("{path}/cancel-session")).with("X-Client-Secret", &shop.session_secret);
    assert_eq!(cancel.at(server.at).await.json()["status"], "cancelled");
    sqlx::query("UPDATE deposit_sessions SET cancelled_at = cancelled_at WHERE id = $1")
        .bind(&shop.session)
        .execute(&server.pool)
        .await
        .unwrap();
    for line in [&mut line, &mut back] {
        // Who had seen the first state hears of the second only.
        let (new, state) = event(line).await;
        assert!(new != id && state["cancelledAt"].is_string(), "{state}");
    }
    drop((line, back));
    assert_eq!(cancel.at(server.at).await.problem(), "cannot_cancel");
}

#[tokio::test]
async fn a_ticket_is_good_once_and_streams_are_bounded() {
    let server = Server::with("[limits]\nstreams = 2\n").await;
    let shop = Owner::settle(&server, "shop", TO).await;
    let path = format!("/api/v1/widgets/deposit-sessions/{}", shop.session);
    let asked = Ask::post(&format!("{path}/events-ticket")).with("X-Client-Secret", &shop.session_secret);
    let asked = asked.at(server.at).await;
    assert_eq!(asked.status, 201, "{asked:?}");
    let ticket = asked.json()["ticket"].as_str().unwrap().to_owned();
    let by_ticket = Ask::get(&format!("{path}/events?ticket={ticket}"));
    let mut one = Line::open(server.at).await;
    assert_eq!(one.ask(&by_ticket).await.status, 200);
    assert_eq!(by_ticket.at(server.at).await.status, 401, "it is used up");
    let watch = Ask::get(&format!("{path}/events")).with("Authorization", &shop.bearer());
    let mut two = Line::open(server.at).await;
    assert_eq!(two.ask(&watch).await.status, 200);
    let full = watch.at(server.at).await;
    assert!([429, 503].contains(&full.status) && full.header("retry-after").is_some(), "{full:?}");
    full.problem();
    drop(two);
    // Its place is free as soon as it is missed.
    let begun = std::time::Instant::now();
    while watch.at(server.at).await.status != 200 {
        assert!(begun.elapsed().as_secs() < 20, "a viewer who left keeps his place");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
