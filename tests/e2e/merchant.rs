//! A merchant with nothing but curl: opens a session over HTTP, watches it, is paid on the chain, hears of it by signed
//! webhooks, each once, though the process is killed between commit and delivery, and hears of the money's vanishing.

use std::process::{Child, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use deposit_watcher::keys::hmac_sha256;
use serde_json::{Value, json};

use crate::rig::{Chain, Process, Rig, Shop, keep_secret, until};

/// Status and body of what curl was answered.
pub(crate) fn curl(args: &[&str]) -> (u16, Value) {
    let output = Command::new("curl").args(["-sS", "-m", "20", "-w", "\n%{http_code}"]).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
}

/// A bearer token as integrators mint it.
pub(crate) fn token(key: &str, secret: &str) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({ "exp": Utc::now().timestamp() + 600 });
    let text = format!("{}.{}", part(json!({ "alg": "HS256", "typ": "JWT", "kid": key })), part(claims));
    let mac = hmac_sha256(secret.as_bytes(), &[text.as_bytes()]);
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac))
}

/// Runs a command of ours that makes something; its JSON.
pub(crate) async fn made(rig: &Rig, words: &[&str]) -> Value {
    let output = rig.command(&[words, &["--output", "json"]].concat()).await;
    assert_eq!(output.code, 0, "{words:?}: {}", output.stderr);
    serde_json::from_str(&output.stdout).unwrap()
}

/// The states that a stream of Server-Sent Events has told.
struct Stream {
    child: Child,
    path: std::path::PathBuf,
}

impl Stream {
    fn open(rig: &Rig, url: &str) -> Stream {
        let path = rig.config().with_file_name("stream");
        let file = std::fs::File::create(&path).unwrap();
        let child = Command::new("curl").args(["-sN", "-m", "120", url]).stdout(file).stderr(Stdio::null()).spawn();
        Stream { child: child.unwrap(), path }
    }

    fn statuses(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.path).unwrap();
        let states = text.lines().filter_map(|line| line.strip_prefix("data: "));
        let mut statuses: Vec<String> = states
            .map(|state| serde_json::from_str::<Value>(state).unwrap()["paymentStatus"].as_str().unwrap().to_owned())
            .collect();
        statuses.dedup();
        statuses
    }

    async fn tells(&self, expected: &[&str]) {
        until(&format!("the stream tells {expected:?}"), async || (self.statuses() == expected).then_some(())).await;
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) async fn base(process: &Process) -> String {
    format!("http://{}/api/v1", process.api().await)
}

#[tokio::test]
async fn a_merchant_opens_is_paid_is_told_and_told_of_a_reversal() {
    let (chain, shop) = (Chain::start().await, Shop::open().await);
    let rig = Rig::new(&[chain.section()]).await;
    made(&rig, &["businesses", "create", "shop", "--name", "The shop"]).await;
    let key = made(&rig, &["api-keys", "create", "--business", "shop", "--name", "checkout"]).await;
    let widget = made(&rig, &["widgets", "create", "--business", "shop", "--name", "checkout"]).await;
    let endpoint = made(&rig, &["webhooks", "create", "--business", "shop", "--url", &shop.url()]).await;
    shop.trust(endpoint["secret"].as_str().unwrap());
    let text = |value: &Value, field: &str| value[field].as_str().unwrap().to_owned();
    let token = token(&text(&key, "id"), &text(&key, "secret"));
    let bearer = format!("Authorization: Bearer {token}");
    for secret in [&token, &text(&key, "secret"), &text(&widget, "secret"), &text(&endpoint, "secret")] {
        keep_secret(secret);
    }

    // Whatever it is given from here on, its log may tell nothing of it.
    let mut process = rig.run_logging("trace").await;
    process.is_ready().await;
    let to = chain.address();
    let order = json!({
        "amount": "5", "currency": "USDC", "network": "anvil", "currencyAddress": chain.usdc.address,
        "depositAddress": to, "customerReference": "order 7",
    });
    let order = order.to_string();
    let url = format!("{}/widgets/{}/create-session", base(&process).await, text(&widget, "id"));
    let headers = ["-H", &bearer, "-H", "Content-Type: application/json", "-H", "Idempotency-Key: order-7"];
    let create = [&headers[..], &["-d", &order, &url]].concat();
    let (status, session) = curl(&create);
    assert_eq!(status, 201, "{session}");
    assert_eq!(curl(&create), (201, session.clone()), "the same key, another answer");
    let id = text(&session, "id");
    keep_secret(&text(&session, "clientSecret"));
    let secret = format!("X-Client-Secret: {}", text(&session, "clientSecret"));
    let at = format!("{}/widgets/deposit-sessions/{id}", base(&process).await);
    let read = |at: &str| curl(&["-H", &secret, at]).1;
    assert_eq!(read(&at)["paymentStatus"], "CREATED");
    let (status, ticket) = curl(&["-X", "POST", "-H", &secret, &format!("{at}/events-ticket")]);
    assert_eq!(status, 201, "{ticket}");
    keep_secret(&text(&ticket, "ticket"));
    let stream = Stream::open(&rig, &format!("{at}/events?ticket={}", text(&ticket, "ticket")));
    stream.tells(&["CREATED"]).await;
    assert_eq!(shop.hears("deposit.created").await.json()["data"]["customerReference"], "order 7");

    shop.deaf_to(Some("deposit.confirmed"));
    let paid = chain.pay(1, to, 5).await;
    stream.tells(&["CREATED", "PENDING"]).await;
    assert_eq!(read(&at)["txId"], paid.hash.to_string());
    assert_eq!(shop.hears("deposit.pending").await.json()["data"]["txHash"], paid.hash.to_string());
    chain.bury().await;
    stream.tells(&["CREATED", "PENDING", "CONFIRMED"]).await;
    let shown = read(&at);
    assert_eq!((&shown["paymentStatus"], &shown["confirmedAmount"]), (&json!("CONFIRMED"), &json!("5")));

    // Committed, sent, not acknowledged: it comes again from whoever runs next, under the same id and as the same bytes.
    let swallowed = shop.swallows().await;
    process.kill().await;
    shop.deaf_to(None);
    let mut process = rig.run().await;
    process.is_ready().await;
    let confirmed = shop.hears("deposit.confirmed").await;
    assert_eq!((confirmed.id, confirmed.body), (swallowed.id, swallowed.body));
    assert_eq!(shop.accepted(), ["deposit.created", "deposit.pending", "deposit.confirmed"]);

    chain.evm.mine(2).await.unwrap();
    rig.scanned("anvil", &chain).await;
    chain.evm.reorganise(5, &[]).await.unwrap();
    let reverted = shop.hears("deposit.reverted").await.json();
    assert_eq!((&reverted["data"]["confirmedAmount"], &reverted["data"]["status"]), (&json!("0"), &json!("PENDING")));
    let at = format!("{}/widgets/deposit-sessions/{id}", base(&process).await);
    let shown = read(&at);
    assert_eq!((&shown["paymentStatus"], &shown["txId"]), (&json!("PENDING"), &Value::Null));
    let sequences: Vec<i64> = shop.all().iter().map(|event| event.json()["sequence"].as_i64().unwrap()).collect();
    assert_eq!(sequences, [1, 2, 3, 4]);
    rig.books_are_right().await;
    process.terminate().await;
}
