//! Couriers die and come in numbers; events arrive all the same.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use deposit_watcher::domain::DeliveryId;
use deposit_watcher::store::{Reserved, Settlement};
use deposit_watcher::webhooks::client::System;
use tokio::time::sleep;

use super::receiver::{Manner, Receiver};
use super::rig::{LOCAL, PACE, Rig, until};

#[tokio::test]
async fn who_dies_between_reserving_and_settling_is_followed_with_the_same_id() {
    let rig = Rig::new(LOCAL).await;
    let receiver = Receiver::new(Manner::HangsFirst(1)).await;
    rig.endpoint(&receiver.url(), &[]).await;
    let first = rig.courier();
    rig.open("dep_1").await;
    receiver.sees(1).await;
    drop(first);
    let second = rig.courier();
    sleep(Duration::from_millis(800)).await;
    assert_eq!(receiver.seen().len(), 1, "the reservation of the dead one must hold until it is over");
    let seen = receiver.sees(2).await;
    let lines = rig.finished().await;
    second.end().await;
    assert!(seen[1].at.duration_since(seen[0].at) >= PACE.lease - Duration::from_millis(100));
    assert_eq!((seen[0].header("webhook-id"), &seen[0].body), (seen[1].header("webhook-id"), &seen[1].body));
    assert_eq!((lines[0].state.as_str(), lines[0].attempts), ("DELIVERED", 2));
}

#[tokio::test]
async fn three_couriers_send_each_event_once_and_a_session_s_in_order() {
    let rig = Rig::new(LOCAL).await;
    let receiver = Receiver::new(Manner::Says(200, "")).await;
    rig.endpoint(&receiver.url(), &[]).await;
    let couriers: Vec<_> = (0..3).map(|_| rig.courier()).collect();
    for n in 0..60 {
        rig.open(&format!("dep_{n}")).await;
        rig.begin(&format!("dep_{n}")).await;
        rig.cancel(&format!("dep_{n}")).await;
    }
    receiver.sees(180).await;
    until("all is settled", || async {
        (rig.store.webhook_queue().await.unwrap() == Default::default()).then_some(())
    })
    .await;
    sleep(Duration::from_millis(300)).await;
    for courier in couriers {
        courier.end().await;
    }
    let seen = receiver.seen();
    let ids: BTreeSet<&str> = seen.iter().map(|one| one.header("webhook-id")).collect();
    assert_eq!((ids.len(), seen.len()), (180, 180));
    let sequences: BTreeSet<i64> = seen.iter().map(|one| one.json()["sequence"].as_i64().unwrap()).collect();
    assert_eq!(sequences, (1..=180).collect());
    for n in 0..60 {
        let of = |one: &&super::receiver::Request| one.json()["data"]["sessionId"] == format!("dep_{n}");
        let kinds: Vec<_> = seen.iter().filter(of).map(|one| one.json()["type"].as_str().unwrap().to_owned()).collect();
        assert_eq!(kinds, ["deposit.created", "deposit.pending", "deposit.expired"]);
    }
}

#[tokio::test]
async fn shutdown_waits_for_what_is_on_its_way_and_reserves_nothing_more() {
    let rig = Rig::new(LOCAL).await;
    let receiver = Receiver::new(Manner::Slow(Duration::from_millis(700))).await;
    rig.endpoint(&receiver.url(), &[]).await;
    for n in 0..20 {
        rig.open(&format!("dep_{n}")).await;
    }
    let courier = rig.courier();
    receiver.sees(8).await;
    courier.end().await;
    let delivered = rig.deliveries().await.iter().filter(|line| line.state == "DELIVERED").count();
    assert_eq!((delivered, receiver.seen().len()), (8, 8));
}

#[tokio::test]
async fn shutdown_does_not_wait_for_ever() {
    let rig = Rig::new(LOCAL).await;
    let receiver = Receiver::new(Manner::HangsFirst(1)).await;
    rig.endpoint(&receiver.url(), &[]).await;
    let pace = deposit_watcher::webhooks::Pace { drain: Duration::from_millis(200), ..PACE };
    let courier = rig.courier_with(Arc::new(System), pace);
    rig.open("dep_1").await;
    receiver.sees(1).await;
    let began = std::time::Instant::now();
    courier.end().await;
    assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
    let courier = rig.courier();
    let seen = receiver.sees(2).await;
    courier.end().await;
    assert_eq!(seen[0].header("webhook-id"), seen[1].header("webhook-id"));
}

/// The database is away for a moment after an event was sent: it is settled when the database is back, not sent again.
#[tokio::test]
async fn a_database_that_is_busy_costs_no_second_delivery() {
    let rig = Rig::new(LOCAL).await;
    let receiver = Receiver::new(Manner::Slow(Duration::from_millis(300))).await;
    rig.endpoint(&receiver.url(), &[]).await;
    let courier = rig.courier();
    rig.open("dep_1").await;
    receiver.sees(1).await;
    let mut blocked = rig.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM webhook_deliveries FOR UPDATE").fetch_all(&mut *blocked).await.unwrap();
    // Settling fails by its lock timeout of a second.
    sleep(Duration::from_millis(1_800)).await;
    blocked.rollback().await.unwrap();
    let lines = rig.finished().await;
    courier.end().await;
    assert_eq!((lines[0].state.as_str(), lines[0].attempts, receiver.seen().len()), ("DELIVERED", 1, 1));
}

/// A courier that was frozen while another took its delivery over wakes up and settles.
#[tokio::test]
async fn who_comes_back_too_late_settles_nothing() {
    let rig = Rig::new(LOCAL).await;
    let (id, _) = rig.endpoint("https://shop.example/", &[]).await;
    rig.open("dep_1").await;
    rig.store.sequence_events(10).await.unwrap();
    let all = [(id.0.clone(), 8)];
    let first = rig.store.reserve_deliveries(&all, 0.05).await.unwrap().remove(0);
    assert!(rig.store.reserve_deliveries(&all, 30.0).await.unwrap().is_empty(), "reserved twice");
    sleep(Duration::from_millis(100)).await;
    let second = rig.store.reserve_deliveries(&all, 30.0).await.unwrap().remove(0);
    assert_eq!((first.attempt, second.attempt), (1, 2));
    let settle = |reserved: &Reserved, state| Settlement {
        id: reserved.id.clone(),
        endpoint: reserved.endpoint.clone(),
        attempt: reserved.attempt,
        lease: reserved.lease,
        state,
        pause: 3_600.0,
        outcome: "other",
        status: None,
        error: Some("broke off".to_owned()),
        millis: 1,
    };
    let shown = || async {
        let line = rig.deliveries().await.remove(0);
        (line.state, line.last_error)
    };
    rig.store.settle_deliveries(&[settle(&first, "DEAD")]).await.unwrap();
    assert_eq!(shown().await, ("WAITING".to_owned(), None), "another's reservation was settled");
    // Asked for again meanwhile, its attempts are counted anew: the number alone would not tell them apart.
    sqlx::query("UPDATE webhook_deliveries SET attempts = 0, next_attempt_at = now(), sending = false")
        .execute(&rig.pool)
        .await
        .unwrap();
    let third = rig.store.reserve_deliveries(&all, 30.0).await.unwrap().remove(0);
    assert_eq!(third.attempt, first.attempt);
    rig.store.settle_deliveries(&[settle(&first, "DEAD")]).await.unwrap();
    assert_eq!(shown().await, ("WAITING".to_owned(), None), "another's reservation was settled");
    rig.store.settle_deliveries(&[settle(&third, "DEAD")]).await.unwrap();
    assert_eq!(shown().await, ("DEAD".to_owned(), Some("broke off".to_owned())));
    let log = rig.desk.delivery(&DeliveryId(first.id)).await.unwrap().unwrap().log;
    assert_eq!(log.len(), 3, "what was tried is on record");
}
