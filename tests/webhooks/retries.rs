//! What fails is sent again as the schedule says, then it is dead, and a person can send it again.

use std::time::Duration;

use deposit_watcher::domain::DeliveryId;
use deposit_watcher::webhooks::{DeliveryState, Refusal};

use super::receiver::{Manner, Receiver};
use super::rig::{LOCAL, Rig, until};

#[tokio::test]
async fn a_delivery_dies_after_its_last_pause_and_lives_again_with_the_same_id_and_bytes() {
    let rig = Rig::new(LOCAL).await;
    let receiver = Receiver::new(Manner::SaysInTurn(vec![500, 503, 404, 200])).await;
    let (_, secret) = rig.endpoint(&receiver.url(), &[]).await;
    let courier = rig.courier();
    rig.open("dep_1").await;
    let lines = rig.finished().await;
    assert_eq!((lines[0].state.as_str(), lines[0].attempts, lines[0].last_status), ("DEAD", 3, Some(404)));
    assert_eq!(lines[0].last_error.as_deref(), Some("answered with HTTP status 404"));
    let seen = receiver.seen();
    assert_eq!(seen.len(), 3, "two pauses make three attempts");
    for pair in seen.windows(2) {
        let pause = pair[1].at.duration_since(pair[0].at);
        assert!(pause >= Duration::from_millis(300) && pause < Duration::from_millis(1_500), "{pause:?}");
    }
    let id = DeliveryId(lines[0].id.clone());
    let again = rig.desk.retry(&id).await.unwrap();
    assert_eq!((again.line.state.as_str(), again.line.attempts), (DeliveryState::Waiting.as_str(), 0));
    let lines = rig.finished().await;
    courier.end().await;
    assert_eq!((lines[0].state.as_str(), lines[0].attempts, lines[0].last_error.clone()), ("DELIVERED", 1, None));
    let seen = receiver.seen();
    assert_eq!(seen.len(), 4);
    for one in &seen {
        assert_eq!((one.header("webhook-id"), &one.body), (seen[0].header("webhook-id"), &seen[0].body));
        assert!(one.is_signed_with(&secret));
    }
    let log = rig.desk.delivery(&id).await.unwrap().unwrap().log;
    assert_eq!(log.iter().map(|one| one.status).collect::<Vec<_>>(), [Some(500), Some(503), Some(404), Some(200)]);
}

#[tokio::test]
async fn what_was_delivered_can_be_sent_again() {
    let rig = Rig::new(LOCAL).await;
    let receiver = Receiver::new(Manner::Says(200, "")).await;
    rig.endpoint(&receiver.url(), &[]).await;
    let courier = rig.courier();
    rig.open("dep_1").await;
    let lines = rig.finished().await;
    rig.desk.retry(&DeliveryId(lines[0].id.clone())).await.unwrap();
    let seen = receiver.sees(2).await;
    courier.end().await;
    assert_eq!((seen[0].header("webhook-id"), &seen[0].body), (seen[1].header("webhook-id"), &seen[1].body));
    let unknown = rig.desk.retry(&DeliveryId("whd_unknown".to_owned())).await;
    assert!(matches!(unknown, Err(Refusal::NotFound)), "{unknown:?}");
}

#[tokio::test]
async fn a_receiver_may_ask_for_more_time() {
    let rig = Rig::new(LOCAL).await;
    let receiver = Receiver::new(Manner::Says(503, "retry-after: 120\r\n")).await;
    rig.endpoint(&receiver.url(), &[]).await;
    let courier = rig.courier();
    rig.open("dep_1").await;
    let line =
        until("an attempt", || async { rig.deliveries().await.pop().filter(|line| line.last_status.is_some()) }).await;
    courier.end().await;
    let wait = line.next_attempt_at.unwrap().signed_duration_since(chrono::Utc::now()).num_seconds();
    assert!((100..=121).contains(&wait), "{wait}");
    assert_eq!(receiver.seen().len(), 1);
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_disabled_and_nothing_waits_for_it() {
    let rig = Rig::new(LOCAL).await;
    let receiver = Receiver::new(Manner::Says(410, "")).await;
    let (id, _) = rig.endpoint(&receiver.url(), &[]).await;
    for n in 0..20 {
        rig.open(&format!("dep_{n}")).await;
    }
    let courier = rig.courier();
    let lines = rig.finished().await;
    assert!(lines.iter().all(|line| line.state == "DEAD"), "{lines:?}");
    let endpoint = rig.desk.get(&id).await.unwrap().unwrap();
    assert_eq!(endpoint.disabled_reason.as_deref(), Some("gone"));
    assert!(lines.iter().any(|line| line.last_error.as_deref() == Some("endpoint_disabled")), "{lines:?}");
    let asked = receiver.seen().len();
    assert!(asked <= 8, "{asked}");
    rig.open("dep_after").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    courier.end().await;
    assert_eq!(receiver.seen().len(), asked);
    assert_eq!(rig.deliveries().await.len(), 20, "nothing is laid out for a disabled endpoint");
}

#[tokio::test]
async fn what_waits_for_a_disabled_endpoint_is_dead_and_waits_again_only_once_it_is_enabled() {
    let rig = Rig::new(&LOCAL.replace("300ms", "1h")).await;
    let receiver = Receiver::new(Manner::SaysInTurn(vec![500, 200])).await;
    let (id, _) = rig.endpoint(&receiver.url(), &[]).await;
    let courier = rig.courier();
    rig.open("dep_1").await;
    until("an attempt", || async { rig.deliveries().await.pop().filter(|line| line.last_status.is_some()) }).await;
    let endpoint = rig.desk.disable(&id).await.unwrap();
    assert_eq!(endpoint.disabled_reason.as_deref(), Some("asked"));
    let line = rig.deliveries().await.remove(0);
    assert_eq!((line.state.as_str(), line.last_error.as_deref()), ("DEAD", Some("endpoint_disabled")));
    let delivery = DeliveryId(line.id);
    assert!(matches!(rig.desk.retry(&delivery).await, Err(Refusal::EndpointDisabled)));
    rig.desk.enable(&id).await.unwrap();
    rig.desk.retry(&delivery).await.unwrap();
    receiver.sees(2).await;
    assert_eq!(rig.finished().await[0].state, "DELIVERED");
    courier.end().await;
}

#[tokio::test]
async fn what_arrives_while_its_endpoint_is_disabled_has_arrived() {
    let rig = Rig::new(LOCAL).await;
    let receiver = Receiver::new(Manner::Slow(Duration::from_millis(600))).await;
    let (id, _) = rig.endpoint(&receiver.url(), &[]).await;
    let courier = rig.courier();
    rig.open("dep_1").await;
    receiver.sees(1).await;
    rig.desk.disable(&id).await.unwrap();
    assert_eq!(rig.deliveries().await[0].state, "DEAD");
    until("it has arrived", || async { (rig.deliveries().await[0].state == "DELIVERED").then_some(()) }).await;
    courier.end().await;
}

/// Lays out deliveries that wait for an hour: of one endpoint, a copy of the one that is there for each new event.
async fn backlog(rig: &Rig, count: i32) {
    sqlx::query(
        "WITH told AS (INSERT INTO events (type, session_id, business_id, network, data, sequence)
                       SELECT e.type, e.session_id, e.business_id, e.network, e.data, e.sequence + n
                         FROM events e, generate_series(1, $1) AS n WHERE e.sequence = 1 RETURNING id, sequence),
              counted AS (UPDATE event_sequences SET last = last + $1)
         INSERT INTO webhook_deliveries (endpoint_id, event_id, business_id, session_id, sequence, attempts, next_attempt_at)
         SELECT d.endpoint_id, t.id, d.business_id, d.session_id, t.sequence, 1, now() + interval '1 hour'
           FROM told t, webhook_deliveries d",
    )
    .bind(count)
    .execute(&rig.pool)
    .await
    .unwrap();
}

async fn waiting(rig: &Rig) -> i64 {
    let count = "SELECT count(*) FROM webhook_deliveries WHERE state = 'WAITING'";
    sqlx::query_scalar(count).fetch_one(&rig.pool).await.unwrap()
}

#[tokio::test]
async fn however_much_waits_for_an_endpoint_that_is_disabled_all_of_it_is_dead() {
    for gone in [false, true] {
        let rig = Rig::new(&LOCAL.replace("300ms", "1h")).await;
        let receiver = Receiver::new(Manner::SaysInTurn(vec![500, 410])).await;
        let (id, _) = rig.endpoint(&receiver.url(), &[]).await;
        let courier = rig.courier();
        rig.open("dep_1").await;
        let tried = || async { rig.deliveries().await.pop().filter(|line| line.last_status.is_some()) };
        let line = until("an attempt", tried).await;
        backlog(&rig, 2_500).await;
        assert_eq!(waiting(&rig).await, 2_501);
        match gone {
            true => drop(rig.desk.retry(&DeliveryId(line.id)).await.unwrap()),
            false => drop(rig.desk.disable(&id).await.unwrap()),
        }
        until("nothing waits", || async { Some(waiting(&rig).await).filter(|waiting| *waiting == 0) }).await;
        assert!(rig.desk.get(&id).await.unwrap().unwrap().disabled_at.is_some());
        rig.desk.enable(&id).await.unwrap();
        // Who answered 410 is disabled once, not again after a person has enabled it.
        tokio::time::sleep(Duration::from_millis(500)).await;
        courier.end().await;
        assert!(rig.desk.get(&id).await.unwrap().unwrap().disabled_at.is_none());
    }
}

#[tokio::test]
async fn a_disabling_that_cannot_be_ended_holds_up_nobody() {
    let rig = Rig::new(&LOCAL.replace("300ms", "1h")).await;
    let receiver = Receiver::new(Manner::SaysInTurn(vec![500, 410])).await;
    let (id, _) = rig.endpoint(&receiver.url(), &["deposit.created"]).await;
    let courier = rig.courier();
    rig.open("dep_1").await;
    let tried = || async { rig.deliveries().await.pop().filter(|line| line.last_status.is_some()) };
    let line = until("an attempt", tried).await;
    backlog(&rig, 1).await;
    let mut held = rig.pool.begin().await.unwrap();
    sqlx::query("SELECT id FROM webhook_deliveries WHERE sequence = 2 FOR UPDATE").execute(&mut *held).await.unwrap();
    rig.desk.retry(&DeliveryId(line.id)).await.unwrap();
    let disabled = || async { rig.desk.get(&id).await.unwrap().unwrap().disabled_at };
    until("it is disabled", disabled).await;
    let good = Receiver::new(Manner::Says(200, "")).await;
    rig.endpoint(&good.url(), &["deposit.pending"]).await;
    rig.begin("dep_1").await;
    good.sees(1).await;
    let held_still = "SELECT count(*) FROM webhook_deliveries WHERE state = 'WAITING' AND sequence = 2";
    assert_eq!(sqlx::query_scalar::<_, i64>(held_still).fetch_one(&rig.pool).await.unwrap(), 1);
    held.rollback().await.unwrap();
    until("nothing waits", || async { Some(waiting(&rig).await).filter(|waiting| *waiting == 0) }).await;
    courier.end().await;
}

#[tokio::test]
async fn a_disabled_business_is_sent_nothing_until_it_is_enabled() {
    let rig = Rig::new(LOCAL).await;
    let receiver = Receiver::new(Manner::Says(200, "")).await;
    rig.endpoint(&receiver.url(), &[]).await;
    let set = async |to: &str| {
        let update = format!("UPDATE businesses SET disabled_at = {to} WHERE id = 'default'");
        sqlx::raw_sql(sqlx::AssertSqlSafe(update)).execute(&rig.pool).await.unwrap();
    };
    set("now()").await;
    let courier = rig.courier();
    rig.open("dep_1").await;
    until("it is laid out", || async { rig.deliveries().await.pop() }).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(receiver.seen().len(), 0);
    set("NULL").await;
    receiver.sees(1).await;
    courier.end().await;
}
