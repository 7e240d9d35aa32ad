//! The end of the house with streams open, and a database that goes away and comes back.

use std::time::{Duration, Instant};

use deposit_watcher::demo::{Postgres, Stop};
use deposit_watcher::store::MIGRATIONS;
use sqlx::postgres::PgPoolOptions;

use crate::asking::{Ask, Line};
use crate::credentials::Owner;
use crate::server::{Server, wish};
use crate::support;

const TO: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

#[tokio::test]
async fn streams_are_ended_and_requests_answered_before_it_ends() {
    let mut server = Server::start().await;
    let shop = Owner::settle(&server, "shop", TO).await;
    let path = format!("/api/v1/widgets/deposit-sessions/{}/events", shop.session);
    let mut lines = Vec::new();
    for _ in 0..50 {
        let mut line = Line::open(server.at).await;
        assert_eq!(line.ask(&Ask::get(&path).with("X-Client-Secret", &shop.session_secret)).await.status, 200);
        lines.push(line);
    }
    // A request whose body is not there yet.
    let body = wish("5").to_string();
    let create =
        Ask::post(&format!("/api/v1/widgets/{}/create-session", shop.widget)).with("Authorization", &shop.bearer());
    let bytes = create.body("application/json", body.clone()).bytes();
    let mut slow = Line::open(server.at).await;
    slow.send(&bytes[..bytes.len() - 5]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;

    let told = Instant::now();
    server.terminate();
    tokio::time::sleep(Duration::from_millis(200)).await;
    slow.send(&bytes[bytes.len() - 5..]).await.unwrap();
    assert_eq!(slow.answer(false).await.status, 201, "it was under way");
    for mut line in lines {
        let rest = line.rest().await;
        assert!(rest.contains("data: {"), "{rest}");
        assert!(rest.contains(": closing") && rest.ends_with("0\r\n\r\n"), "it broke off: {rest}");
    }
    assert_eq!(server.exit(Duration::from_secs(10)).await, Some(0));
    assert!(told.elapsed() < Duration::from_secs(10), "{:?}", told.elapsed());
    assert!(server.log().contains("drained"), "{}", server.log());
    server.is_content();
}

#[tokio::test]
async fn without_its_database_it_says_so_and_goes_on_when_it_is_back() {
    let mut postgres = Postgres::start(&support::tools()).unwrap();
    let admin = PgPoolOptions::new().max_connections(1).connect(&postgres.url("postgres")).await.unwrap();
    sqlx::raw_sql("CREATE DATABASE dw_test_away").execute(&admin).await.unwrap();
    admin.close().await;
    let url = postgres.url("dw_test_away");
    let pool = PgPoolOptions::new().max_connections(2).connect(&url).await.unwrap();
    MIGRATIONS.run(&pool).await.unwrap();
    let server = Server::on(&url, pool, "").await;
    let shop = Owner::settle(&server, "shop", TO).await;
    let read = Ask::get(&format!("/api/v1/widgets/deposit-sessions/{}", shop.session));
    let read = read.with("X-Client-Secret", &shop.session_secret);
    assert_eq!(read.at(server.at).await.status, 200);
    let mut line = Line::open(server.at).await;
    let watch = Ask::get(&format!("/api/v1/widgets/deposit-sessions/{}/events", shop.session));
    assert_eq!(line.ask(&watch.with("X-Client-Secret", &shop.session_secret)).await.status, 200);
    line.until(b"data: {").await;

    postgres.stop(Stop::Immediate).unwrap();
    for ask in [
        read.clone(),
        Ask::get(&format!("/api/v1/widgets/{}/config", shop.widget)).with("X-Client-Secret", &shop.widget_secret),
        Ask::post(&format!("/api/v1/widgets/{}/create-session", shop.widget))
            .with("Authorization", &shop.bearer())
            .json(&wish("5")),
    ] {
        let answer = ask.at(server.at).await;
        assert_eq!((answer.status, answer.problem().as_str()), (503, "unavailable"), "{answer:?}");
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
        assert!(!answer.body.contains("refused") && !answer.body.contains("127.0.0.1"), "{answer:?}");
    }
    assert_eq!(Ask::get("/livez").at(server.at).await.status, 200);
    let begun = Instant::now();
    while Ask::get("/readyz").at(server.at).await.status != 503 {
        assert!(begun.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    postgres.start_again().unwrap();
    let begun = Instant::now();
    while read.at(server.at).await.status != 200 || Ask::get("/readyz").at(server.at).await.status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not come back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The stream has lived through it.
    let cancel = Ask::post(&format!("/api/v1/widgets/deposit-sessions/{}/cancel-session", shop.session));
    assert_eq!(cancel.with("X-Client-Secret", &shop.session_secret).at(server.at).await.status, 200);
    line.until(b"\"cancelledAt\":\"").await;
}
