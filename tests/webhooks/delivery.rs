//! An event that was committed reaches whoever asked for it: once, signed twice, and nobody else.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use deposit_watcher::domain::BusinessId;
use deposit_watcher::keys::hmac_sha256;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::receiver::{Manner, Receiver, Request};
use super::rig::{LOCAL, Rig};
use crate::support;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_session_that_anybody_inserts_is_told_once_and_signed_twice() {
    let rig = Rig::new(LOCAL).await;
    let receiver = Receiver::new(Manner::Says(204, "")).await;
    let (_, secret) = rig.endpoint(&receiver.url(), &[]).await;
    let courier = rig.courier();
    rig.open("dep_1").await;
    let sent = receiver.sees(1).await.remove(0);
    let lines = rig.finished().await;
    sleep(Duration::from_millis(700)).await;
    assert_eq!(receiver.seen().len(), 1, "sent again though it was taken");
    courier.end().await;

    assert_eq!(sent.line, "POST /hooks HTTP/1.1");
    assert_eq!(sent.header("content-type"), "application/json");
    assert!(sent.header("user-agent").starts_with("deposit-watcher/"));
    let body = sent.json();
    assert_eq!(sent.header("webhook-id"), body["id"]);
    for (field, expected) in [
        ("type", json!("deposit.created")),
        ("sequence", json!(1)),
        ("businessId", json!("default")),
        ("widgetId", Value::Null),
        ("livemode", json!(true)),
        ("final", json!(false)),
    ] {
        assert_eq!(body[field], expected, "{field}");
    }
    let data = body["data"].as_object().unwrap();
    let fields: Vec<&str> =
        "amount chainId confirmations confirmedAmount currency currencyAddress customerEmail customerReference \
        depositAddress metadata network openedBy receivedAmount requestedAmount sessionId status txHash"
            .split_whitespace()
            .collect();
    let mut have: Vec<&str> = data.keys().map(String::as_str).collect();
    have.sort_unstable();
    assert_eq!(have, fields);
    assert_eq!((&data["sessionId"], &data["amount"], &data["txHash"]), (&json!("dep_1"), &json!("12.5"), &Value::Null));

    assert!(sent.is_signed_with(&secret));
    assert_eq!(sent.header("x-platform-signature"), hex(&hmac_sha256(secret.as_bytes(), &[&sent.body])));
    assert!(!Request { body: b"{}".to_vec(), ..sent.clone() }.is_signed_with(&secret));

    assert_eq!(lines.len(), 1);
    assert_eq!((lines[0].state.as_str(), lines[0].attempts, lines[0].last_status), ("DELIVERED", 1, Some(204)));
    let delivery = rig.desk.delivery(&deposit_watcher::domain::DeliveryId(lines[0].id.clone())).await.unwrap().unwrap();
    assert_eq!(delivery.log.iter().map(|one| one.outcome.as_str()).collect::<Vec<_>>(), ["delivered"]);
}

/// `DEPOSIT_WATCHER_WEBHOOK_OUT=FILE` keeps the delivery there, for other languages' libraries.
#[tokio::test]
async fn the_library_for_node_takes_what_we_send() {
    let rig = Rig::new(LOCAL).await;
    let receiver = Receiver::new(Manner::Says(200, "")).await;
    let (_, secret) = rig.endpoint(&receiver.url(), &[]).await;
    let courier = rig.courier();
    rig.open("dep_ü\u{1f4b6}").await;
    let sent = receiver.sees(1).await.remove(0);
    courier.end().await;
    let delivery = json!({
        "secret": secret,
        "headers": sent.headers,
        "body": String::from_utf8(sent.body.clone()).unwrap(),
    });
    if let Some(file) = std::env::var_os("DEPOSIT_WATCHER_WEBHOOK_OUT") {
        std::fs::write(file, delivery.to_string()).unwrap();
    }
    let modules = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/node_modules");
    assert!(modules.join("standardwebhooks").exists(), "standardwebhooks is missing: run `make tools`");
    let _ = support::tools();
    let mut node = Command::new("node")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/webhooks/verify.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    node.stdin.take().unwrap().write_all(delivery.to_string().as_bytes()).unwrap();
    let ended = node.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
    assert_eq!(said.trim(), "taken, and refused once bent");
}

#[tokio::test]
async fn an_endpoint_gets_its_types_and_its_business_only() {
    let rig = Rig::new(LOCAL).await;
    let (all, some, theirs) = (
        Receiver::new(Manner::Says(200, "")).await,
        Receiver::new(Manner::Says(200, "")).await,
        Receiver::new(Manner::Says(200, "")).await,
    );
    rig.endpoint(&all.url(), &[]).await;
    rig.endpoint(&some.url(), &["deposit.expired"]).await;
    let other = BusinessId("other".to_owned());
    rig.endpoint_of(&other, &theirs.url(), &[]).await;
    let courier = rig.courier();
    rig.open_of(None, "dep_ours").await;
    rig.open_of(Some("other"), "dep_theirs").await;
    rig.open_of(Some("nobody"), "dep_nobody").await;
    rig.begin("dep_ours").await;
    rig.cancel("dep_ours").await;
    let sessions = |seen: &[Request]| -> Vec<(String, String)> {
        let of = |one: &Request| {
            let json = one.json();
            (json["data"]["sessionId"].as_str().unwrap().to_owned(), json["type"].as_str().unwrap().to_owned())
        };
        seen.iter().map(of).collect()
    };
    let pair = |id: &str, kind: &str| (id.to_owned(), kind.to_owned());
    all.sees(3).await;
    some.sees(1).await;
    theirs.sees(1).await;
    sleep(Duration::from_millis(300)).await;
    courier.end().await;
    let ours =
        [pair("dep_ours", "deposit.created"), pair("dep_ours", "deposit.pending"), pair("dep_ours", "deposit.expired")];
    assert_eq!(sessions(&all.seen()), ours, "a session's events come in their order");
    assert_eq!(sessions(&some.seen()), ours[2..]);
    assert_eq!(sessions(&theirs.seen()), [pair("dep_theirs", "deposit.created")]);
    assert_eq!(theirs.seen()[0].json()["businessId"], "other");
    assert_eq!(theirs.seen()[0].json()["sequence"], 1);
    let last = &all.seen()[2].json();
    assert_eq!((&last["final"], &last["sequence"]), (&json!(true), &json!(3)));
    assert_eq!(rig.store.books(10).await.unwrap(), []);
}

#[tokio::test]
async fn what_happened_before_an_endpoint_was_made_is_not_sent_to_it() {
    let rig = Rig::new(LOCAL).await;
    rig.open("dep_before").await;
    let receiver = Receiver::new(Manner::Says(200, "")).await;
    let (id, _) = rig.endpoint(&receiver.url(), &[]).await;
    let courier = rig.courier();
    rig.open("dep_after").await;
    assert_eq!(receiver.sees(1).await[0].json()["data"]["sessionId"], "dep_after");
    rig.desk.disable(&id).await.unwrap();
    rig.open("dep_meanwhile").await;
    crate::rig::until("it is numbered", || async {
        (!rig.store.webhook_work().await.unwrap().unsequenced).then_some(())
    })
    .await;
    rig.desk.enable(&id).await.unwrap();
    rig.open("dep_again").await;
    let seen = receiver.sees(2).await;
    sleep(Duration::from_millis(200)).await;
    courier.end().await;
    assert_eq!(seen.len(), receiver.seen().len());
    assert_eq!((&seen[1].json()["data"]["sessionId"], &seen[1].json()["sequence"]), (&json!("dep_again"), &json!(4)));
}
