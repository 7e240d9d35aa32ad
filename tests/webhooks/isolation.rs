//! One bad receiver delays no other.

use std::time::{Duration, Instant};

use deposit_watcher::domain::WebhookId;
use deposit_watcher::webhooks::{DeliveryFilter, DeliveryLine};

use super::receiver::{Manner, Receiver};
use super::rig::{LOCAL, Rig, shop, until};

async fn of(rig: &Rig, endpoint: &WebhookId) -> Vec<DeliveryLine> {
    let filter = DeliveryFilter { endpoint: Some(endpoint.clone()), limit: Some(100), ..DeliveryFilter::default() };
    rig.desk.deliveries(&shop(), &filter).await.unwrap().items
}

#[tokio::test]
async fn nine_evil_receivers_delay_no_good_one() {
    let rig = Rig::new(&LOCAL.replace("300ms", "1h")).await;
    let good = Receiver::new(Manner::Says(200, "")).await;
    rig.endpoint(&good.url(), &[]).await;
    let victim = Receiver::new(Manner::Says(200, "")).await;
    let manners = [
        ("timeout", Manner::Hangs),
        ("timeout", Manner::DripsHead),
        ("delivered", Manner::DripsBody),
        ("delivered", Manner::Endless),
        ("other", Manner::HangsUp),
        ("refused_status", Manner::Says(500, "")),
        ("redirect", Manner::Says(307, "location: http://127.0.0.9:9/secret\r\n")),
        ("gone", Manner::Says(410, "")),
        ("timeout", Manner::Dead),
    ];
    let mut evil = Vec::new();
    for (outcome, manner) in manners {
        let receiver = Receiver::new(manner.clone()).await;
        // A TLS handshake that never comes about.
        let url =
            if matches!(manner, Manner::Dead) { receiver.url().replace("http:", "https:") } else { receiver.url() };
        let (id, _) = rig.endpoint(&url, &[]).await;
        evil.push((outcome, id, receiver));
    }
    let courier = rig.courier();
    // More than once, so that the evil ones have shown what they are and still delay nobody.
    for round in 0..4 {
        let began = Instant::now();
        for n in 0..10 {
            rig.open(&format!("dep_{round}_{n}")).await;
        }
        let seen = good.sees((round + 1) * 10).await;
        let last = seen.last().unwrap().at.duration_since(began);
        assert!(last < Duration::from_secs(1), "round {round}: the good one waited {last:?}");
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    for (outcome, id, _) in &evil {
        let line = until(&format!("an attempt that is {outcome}"), || async {
            let ended = |line: &DeliveryLine| {
                line.last_status.is_some() || line.last_error.as_deref().is_some_and(|why| why != "endpoint_disabled")
            };
            of(&rig, id).await.into_iter().rfind(ended)
        })
        .await;
        let delivery = rig.desk.delivery(&deposit_watcher::domain::DeliveryId(line.id)).await.unwrap().unwrap();
        assert_eq!(delivery.log.last().map(|one| one.outcome.as_str()), Some(*outcome), "{delivery:?}");
    }
    courier.end().await;
    assert_eq!(victim.connections(), 0);
    let unique: std::collections::BTreeSet<String> =
        good.seen().iter().map(|request| request.header("webhook-id").to_owned()).collect();
    assert_eq!((unique.len(), good.seen().len()), (40, 40));
}

#[tokio::test]
async fn a_receiver_gets_few_at_once_and_one_while_it_fails() {
    let rig = Rig::new(&LOCAL.replace("300ms", "1h")).await;
    let hangs = Receiver::new(Manner::Hangs).await;
    let (id, _) = rig.endpoint(&hangs.url(), &[]).await;
    for n in 0..30 {
        rig.open(&format!("dep_{n}")).await;
    }
    let courier = rig.courier();
    hangs.sees(8).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(hangs.seen().len(), 8, "more than eight at once");
    // The eight time out after 1.5 s; from then on it is one at a time.
    until("it fails", || async { rig.desk.get(&id).await.unwrap().unwrap().failing_since }).await;
    hangs.sees(9).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(hangs.seen().len(), 9, "more than one at once to a receiver that fails");
    courier.end().await;
}

#[tokio::test]
async fn a_receiver_that_is_well_again_gets_the_rest_at_full_speed() {
    let rig = Rig::new(LOCAL).await;
    let receiver = Receiver::new(Manner::HangsFirst(8)).await;
    let (id, _) = rig.endpoint(&receiver.url(), &[]).await;
    for n in 0..40 {
        rig.open(&format!("dep_{n:02}")).await;
    }
    let courier = rig.courier();
    rig.finished().await;
    courier.end().await;
    assert_eq!(rig.desk.get(&id).await.unwrap().unwrap().failing_since, None);
    let first: Vec<i64> = receiver.seen().iter().take(8).map(|one| one.json()["sequence"].as_i64().unwrap()).collect();
    assert_eq!(first.iter().max(), Some(&8), "the oldest go first: {first:?}");
}
