//! What the desk keeps and shows: endpoints, their number, pages of deliveries.

use std::collections::BTreeSet;

use deposit_watcher::domain::{BusinessId, WebhookId};
use deposit_watcher::webhooks::{DeliveryFilter, DeliveryState, Desk, MOST_ENDPOINTS, NewEndpoint, Refusal};

use super::rig::{LOCAL, Rig, shop};

fn url(n: u32) -> NewEndpoint {
    NewEndpoint { url: format!("https://shop.example/{n}"), events: Vec::new() }
}

#[tokio::test]
async fn a_business_has_ten_active_endpoints_and_no_more_however_it_asks() {
    let rig = Rig::new(LOCAL).await;
    let mut asking = tokio::task::JoinSet::new();
    for n in 0..20 {
        let desk = rig.desk.clone();
        asking.spawn(async move { desk.create(&shop(), &url(n)).await.map(|(endpoint, _)| endpoint.id) });
    }
    let answers = asking.join_all().await;
    let made: Vec<&String> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
    assert_eq!(made.len(), 10, "{answers:?}");
    assert!(
        answers
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .all(|refusal| matches!(refusal, Refusal::TooMany(MOST_ENDPOINTS)))
    );
    let first = WebhookId(made[0].clone());
    rig.desk.disable(&first).await.unwrap();
    rig.desk.create(&shop(), &url(99)).await.unwrap();
    assert!(matches!(rig.desk.enable(&first).await, Err(Refusal::TooMany(_))));
    rig.desk.create(&BusinessId("other".to_owned()), &url(1)).await.unwrap();
    assert_eq!(rig.desk.list(&shop()).await.unwrap().len(), 11);
}

#[tokio::test]
async fn secrets_are_shown_once_and_kept_sealed() {
    let rig = Rig::new(LOCAL).await;
    let (id, secret) = rig.endpoint("https://shop.example/", &[]).await;
    assert!(secret.starts_with("whsec_") && secret.len() == 6 + 44);
    let kept: Vec<u8> = sqlx::query_scalar("SELECT sealed FROM webhook_secrets").fetch_one(&rig.pool).await.unwrap();
    assert_eq!(kept.len(), 12 + 32 + 16);
    let shown = format!(
        "{:?} {}",
        rig.desk.get(&id).await.unwrap(),
        serde_json::to_string(&rig.desk.list_all().await.unwrap()).unwrap()
    );
    assert!(!shown.contains("whsec_"));
    let keyless = Desk::new(&rig.settings, rig.store.clone(), None);
    assert!(matches!(keyless.create(&shop(), &url(1)).await, Err(Refusal::NoSealingKey)));
    assert!(matches!(keyless.rotate(&id).await, Err(Refusal::NoSealingKey)));
    assert_eq!(keyless.list(&shop()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn unknown_ids_are_not_found() {
    let rig = Rig::new(LOCAL).await;
    let nobody = BusinessId("nobody".to_owned());
    assert!(matches!(rig.desk.create(&nobody, &url(1)).await, Err(Refusal::NotFound)));
    let id = WebhookId("we_'; DROP TABLE events; --".to_owned());
    assert!(rig.desk.get(&id).await.unwrap().is_none());
    assert!(matches!(rig.desk.disable(&id).await, Err(Refusal::NotFound)));
    assert!(matches!(rig.desk.enable(&id).await, Err(Refusal::NotFound)));
    assert!(matches!(rig.desk.rotate(&id).await, Err(Refusal::NotFound)));
    assert_eq!(rig.desk.list(&nobody).await.unwrap(), []);
}

#[tokio::test]
async fn pages_show_each_delivery_once() {
    let rig = Rig::new(LOCAL).await;
    let (id, _) = rig.endpoint("https://shop.example/", &["deposit.created"]).await;
    rig.endpoint_of(&BusinessId("other".to_owned()), "https://other.example/", &[]).await;
    for n in 0..25 {
        rig.open(&format!("dep_{n}")).await;
        rig.open_of(Some("other"), &format!("dep_other_{n}")).await;
    }
    rig.store.sequence_events(1_000).await.unwrap();
    let mut filter =
        DeliveryFilter { limit: Some(10), endpoint: Some(id), state: Some(DeliveryState::Waiting), cursor: None };
    let (mut seen, mut pages) = (Vec::new(), Vec::new());
    loop {
        let page = rig.desk.deliveries(&shop(), &filter).await.unwrap();
        pages.push(page.items.len());
        seen.extend(page.items);
        match page.next_cursor {
            Some(next) => filter.cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(pages, [10, 10, 5]);
    assert_eq!(seen.iter().map(|line| line.id.clone()).collect::<BTreeSet<_>>().len(), 25);
    assert!(
        seen.iter()
            .all(|line| line.business_id == "default"
                && line.session_id.as_ref().is_some_and(|id| !id.contains("other")))
    );
    filter.state = Some(DeliveryState::Dead);
    filter.cursor = None;
    assert_eq!(rig.desk.deliveries(&shop(), &filter).await.unwrap().items, []);
    let bent = DeliveryFilter { limit: Some(0), cursor: Some("bent".to_owned()), ..DeliveryFilter::default() };
    let Err(Refusal::Faults(faults)) = rig.desk.deliveries(&shop(), &bent).await else { panic!("was listed") };
    assert_eq!(faults.len(), 2);
}

/// A sequencer that saw the endpoint active lays out deliveries for it; disabling waits for that, and ends them too.
#[tokio::test]
async fn disabling_waits_for_a_sequencer_at_work() {
    let rig = Rig::new(LOCAL).await;
    let (id, _) = rig.endpoint("https://shop.example/", &[]).await;
    rig.open("dep_1").await;
    let mut sequencer = rig.pool.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock($1, 1)").bind(0x6465_7077_i32).execute(&mut *sequencer).await.unwrap();
    sqlx::query(
        "INSERT INTO webhook_deliveries (endpoint_id, event_id, business_id, sequence) SELECT $1, id, business_id, 1 FROM events",
    )
    .bind(&id.0)
    .execute(&mut *sequencer)
    .await
    .unwrap();
    let (desk, disabled) = (rig.desk.clone(), id.clone());
    let disabling = tokio::spawn(async move { desk.disable(&disabled).await });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(!disabling.is_finished());
    sequencer.commit().await.unwrap();
    disabling.await.unwrap().unwrap();
    let states: Vec<String> =
        sqlx::query_scalar("SELECT state FROM webhook_deliveries").fetch_all(&rig.pool).await.unwrap();
    assert_eq!(states, ["DEAD"]);
}
