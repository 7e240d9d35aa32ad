//! Too much from one address, with one credential, or with wrong ones: 429, and nobody else feels it.

use std::time::{Duration, Instant};

use crate::asking::{Answer, Ask, Line};
use crate::credentials::Owner;
use crate::server::Server;

const TO: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

/// Asks from this address: the test plays the proxy that is trusted.
fn from(ask: Ask, address: &str) -> Ask {
    ask.with("X-Forwarded-For", address)
}

fn is_limited(answer: &Answer) {
    assert_eq!((answer.status, answer.problem().as_str()), (429, "rate_limited"), "{answer:?}");
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=61).contains(&seconds), "{answer:?}");
}

#[tokio::test]
async fn ten_thousand_wrong_secrets_are_401_then_429_and_nobody_else_waits() {
    let server = Server::with("[limits]\nrequests_per_address = 1000000\nrequests_per_credential = 1000000\n").await;
    let shop = Owner::settle(&server, "shop", TO).await;
    let config = Ask::get(&format!("/api/v1/widgets/{}/config", shop.widget));
    let crowd = (0..8).map(|worker| {
        let (at, config) = (server.at, config.clone());
        tokio::spawn(async move {
            let mut line = Line::open(at).await;
            let mut statuses = Vec::new();
            for number in 0..1_250 {
                let ask = config.clone().with("X-Client-Secret", &format!("ws_{worker}_{number}"));
                // Another address each time, but for those who believe what stands left of our proxy's word.
                let forged = format!("198.51.100.{}, 203.0.113.7", number % 250);
                statuses.push(line.ask(&from(ask, &forged)).await.status);
            }
            statuses
        })
    });
    let crowd: Vec<_> = crowd.collect();
    let calm = from(config.clone().with("Authorization", &shop.bearer()), "203.0.113.8");
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let begun = Instant::now();
        assert_eq!(calm.at(server.at).await.status, 200);
        slowest = slowest.max(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut statuses = Vec::new();
    for worker in crowd {
        statuses.extend(worker.await.unwrap());
    }
    let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!(count(401) + count(429), 10_000, "{statuses:?}");
    // 60 a minute; those that were under way at the same moment may be a few more, and a slow machine sees two minutes.
    assert!((60..=150).contains(&count(401)), "{} were looked at", count(401));
    assert!(slowest < Duration::from_secs(3), "another address waited {slowest:?}");
    // It is shut whatever it offers now, and others are not.
    is_limited(&from(config.clone().with("Authorization", &shop.bearer()), "203.0.113.7").at(server.at).await);
    assert_eq!(
        from(config.with("X-Client-Secret", &shop.widget_secret), "203.0.113.8").at(server.at).await.status,
        200
    );
    server.is_content();
}

#[tokio::test]
async fn an_address_and_a_credential_have_an_allowance_each() {
    let server = Server::with("[limits]\nrequests_per_address = 2\nrequests_per_credential = 1\n").await;
    let shop = Owner::settle(&server, "shop", TO).await;
    let rival = Owner::settle(&server, "rival", "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC").await;
    // Each settled with one request by its key, from 127.0.0.1.
    let statuses = async |ask: Ask, count: u32, address: fn(u32) -> String| {
        let (mut statuses, mut last) = (Vec::new(), None);
        for number in 0..count {
            let answer = from(ask.clone(), &address(number)).at(server.at).await;
            statuses.push(answer.status);
            last = Some(answer);
        }
        (statuses, last.unwrap())
    };
    let config = |owner: &Owner| {
        Ask::get(&format!("/api/v1/widgets/{}/config", owner.widget)).with("Authorization", &owner.bearer())
    };
    let (got, last) = statuses(config(&shop), 40, |number| format!("203.0.113.{number}")).await;
    is_limited(&last);
    let good = got.iter().filter(|status| **status == 200).count();
    assert!((9..=20).contains(&good), "ten at once and one a second: {got:?}");
    let (got, _) = statuses(config(&rival), 3, |number| format!("203.0.113.{number}")).await;
    assert_eq!(got, [200; 3], "another key has its own allowance");
    let (got, last) = statuses(Ask::get("/api/v1/nothing"), 60, |_| "203.0.114.1".to_owned()).await;
    is_limited(&last);
    let good = got.iter().filter(|status| **status == 404).count();
    assert!((20..=40).contains(&good), "twenty at once and two a second: {got:?}");
    // A /64 is one address.
    let (_, last) = statuses(Ask::get("/api/v1/nothing"), 60, |number| format!("2001:db8:1:2::{number:x}")).await;
    is_limited(&last);
    assert_eq!(from(Ask::get("/api/v1/nothing"), "2001:db8:1:3::1").at(server.at).await.status, 404);
    // Without a credential nothing was tried.
    let (got, _) = statuses(Ask::get(&format!("/api/v1/widgets/{}/config", shop.widget)), 100, |number| {
        format!("203.0.115.{number}")
    })
    .await;
    assert_eq!(got, [401; 100]);
}
