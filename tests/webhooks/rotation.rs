//! A secret is changed without a delivery that cannot be verified.

use std::time::Duration;

use tokio::time::sleep;

use deposit_watcher::keys::hmac_sha256;

use super::receiver::{Manner, Receiver};
use super::rig::{LOCAL, Rig};

#[tokio::test]
async fn both_secrets_sign_for_a_while_and_then_only_the_new_one() {
    let rig = Rig::new(&format!("{LOCAL}secret_overlap = \"2s\"\n")).await;
    let receiver = Receiver::new(Manner::Says(200, "")).await;
    let (id, old) = rig.endpoint(&receiver.url(), &[]).await;
    let courier = rig.courier();
    rig.open("dep_1").await;
    let first = receiver.sees(1).await.remove(0);
    let (_, new) = rig.desk.rotate(&id).await.unwrap();
    let new = new.expose().clone();
    assert_ne!(old, new);
    rig.open("dep_2").await;
    let during = receiver.sees(2).await.remove(1);
    sleep(Duration::from_millis(2_100)).await;
    rig.open("dep_3").await;
    let after = receiver.sees(3).await.remove(2);
    courier.end().await;
    let verified = [&first, &during, &after].map(|one| (one.is_signed_with(&old), one.is_signed_with(&new)));
    assert_eq!(verified, [(true, false), (true, true), (false, true)]);
    let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(during.header("x-platform-signature"), hex(hmac_sha256(new.as_bytes(), &[&during.body])), "the newest");
}

#[tokio::test]
async fn of_three_secrets_two_sign() {
    let rig = Rig::new(LOCAL).await;
    let receiver = Receiver::new(Manner::Says(200, "")).await;
    let (id, oldest) = rig.endpoint(&receiver.url(), &[]).await;
    let (_, older) = rig.desk.rotate(&id).await.unwrap();
    let (_, newest) = rig.desk.rotate(&id).await.unwrap();
    let courier = rig.courier();
    rig.open("dep_1").await;
    let sent = receiver.sees(1).await.remove(0);
    courier.end().await;
    assert!(sent.is_signed_with(newest.expose()) && sent.is_signed_with(older.expose()));
    assert!(!sent.is_signed_with(&oldest));
    assert_eq!(sent.header("webhook-signature").split(' ').count(), 2);
}

#[tokio::test]
async fn a_secret_that_cannot_be_opened_sends_nothing_and_loses_nothing() {
    let rig = Rig::new(&LOCAL.replace("300ms", "1h")).await;
    let receiver = Receiver::new(Manner::Says(200, "")).await;
    rig.endpoint(&receiver.url(), &[]).await;
    sqlx::query("UPDATE webhook_secrets SET sealed = sealed || 'x'::bytea").execute(&rig.pool).await.unwrap();
    let courier = rig.courier();
    rig.open("dep_1").await;
    let line = super::rig::until("an attempt", || async {
        rig.deliveries().await.pop().filter(|line| line.last_error.is_some())
    })
    .await;
    courier.end().await;
    assert_eq!((line.state.as_str(), receiver.connections()), ("WAITING", 0));
    assert!(line.last_error.unwrap().contains("api.sealing_key"));
}
