//! Payments by link as a business asks for them: every fault with its own word, once for each `depositId`, and nothing
//! personal where it was not asked for.

use std::collections::BTreeSet;

use deposit_watcher::deposits::{NewWidget, Signer};
use deposit_watcher::domain::BusinessId;
use deposit_watcher::keys::hmac_sha256;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::asking::{Answer, Ask};
use crate::credentials::{Owner, deposit_id, head, now, payment, token};
use crate::server::Server;

const TO: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const PHONE: &str = "33612345678";
const PERSON: &str = "Ada Canary";

async fn scene() -> (Server, Owner) {
    let server = Server::start().await;
    let shop = Owner::settle(&server, "shop", TO).await;
    (server, shop)
}

fn but(change: impl FnOnce(&mut Value)) -> Value {
    let mut body = payment(&deposit_id());
    change(&mut body);
    body
}

async fn post(server: &Server, bearer: &str, body: &Value) -> Answer {
    Ask::post("/v1/widget/sessions").with("Authorization", bearer).json(body).at(server.at).await
}

async fn read(server: &Server, bearer: &str, what: &str) -> Answer {
    Ask::get(&format!("/v1/deposits/{what}")).with("Authorization", bearer).at(server.at).await
}

fn message(answer: &Answer) -> String {
    answer.json()["errorMessage"].as_str().unwrap().to_owned()
}

/// A bearer's token by a key of `shop` that is bound to a widget with this change, or to none.
async fn bearer_of(server: &Server, change: Option<fn(&mut NewWidget)>) -> String {
    let business = BusinessId("shop".to_owned());
    let mut bound = None;
    if let Some(change) = change {
        let mut new = NewWidget {
            name: "x".to_owned(),
            mode: "CUSTOMER_AMOUNT".to_owned(),
            allowed_deposit_addresses: vec![TO.to_owned()],
            ..NewWidget::default()
        };
        change(&mut new);
        bound = Some(server.office.create_widget(&business, &new).await.unwrap().0.id);
    }
    let signer = Signer::Secret(&server.keyring);
    let (key, secret) = server.office.create_bound_api_key(&business, "x", bound.as_ref(), signer).await.unwrap();
    let secret = secret.unwrap();
    let sign = |text: &[u8]| hmac_sha256(secret.expose().as_bytes(), &[text]).to_vec();
    token(&head("HS256", &key.id.0), &json!({ "exp": now() + 60 }), sign)
}

#[tokio::test]
async fn every_fault_is_told_in_words_and_nothing_comes_of_it() {
    let (server, shop) = scene().await;
    let before = server.rows().await;
    for (field, value, told) in [
        ("depositId", json!("x"), "depositId must be a UUID of version 4 with its hyphens"),
        ("depositId", json!(null), "depositId must be a string"),
        ("returnUrl", json!("javascript:alert(1)"), "returnUrl must be an http or https URL"),
        ("returnUrl", json!("https://u:p@h/"), "returnUrl must not hold a user or a password"),
        (
            "statementDescription",
            json!("a!b?"),
            "statementDescription must have 4 to 22 characters of A-Z, a-z, 0-9 and space",
        ),
        ("amount", json!("5."), "amount must have a digit behind its point, or no point"),
        ("amount", json!("5.555"), "amount must have at most 2 digits behind its point"),
        ("amount", json!("5555555555555555555"), "amount must have at most 18 digits before its point"),
        ("amount", json!(".5"), "amount must have a digit before its point"),
        ("amount", json!("-5.5"), "amount must be ASCII digits with at most one point"),
        ("amount", json!("00.5"), "amount must not begin with a zero before other digits"),
        ("amount", json!("00.00"), "amount must not begin with a zero before other digits"),
        ("amount", json!("00001.32"), "amount must not begin with a zero before other digits"),
        ("amount", json!(5), "amount must be a string"),
        ("msisdn", json!("0612345678"), "msisdn must begin with a country's calling code, not with 0"),
        (
            "msisdn",
            json!("+33612345678"),
            "msisdn must be 1 to 15 digits, the country's calling code first, without + and spaces",
        ),
        ("msisdn", json!("3361234567"), "msisdn has not as many digits as a number of its country has"),
        ("msisdn", json!("99912345678"), "msisdn begins with no country's calling code"),
        ("language", json!("DE"), "language must be EN or FR"),
        ("country", json!("FR"), "country must be an ISO 3166-1 alpha-3 code such as FRA"),
        ("reason", json!("x".repeat(51)), "reason must have 1 to 50 characters"),
        ("reason", json!("a\u{202e}b"), "reason must not hold marks that turn the direction of writing"),
        ("reason", json!("a\u{0}b"), "reason must not hold control characters"),
        ("reason", json!("\u{1f600}".repeat(2_500)), "reason must have 1 to 50 characters"),
        ("metadata", json!({}), "metadata must be a list of objects"),
        ("metadata", json!([1]), "metadata.0 must be an object"),
        ("metadata", json!([{ "fieldName": "a" }]), "metadata.0.fieldValue is required"),
        (
            "metadata",
            json!([{ "fieldName": "a", "fieldValue": "b", "isPII": "yes" }]),
            "metadata.0.isPII must be true or false",
        ),
        (
            "metadata",
            json!([{ "fieldName": "a", "fieldValue": "b", "x": 1 }]),
            "metadata.0.x is no field of this request",
        ),
        (
            "metadata",
            json!(vec![json!({ "fieldName": "a", "fieldValue": "b" }); 11]),
            "metadata must have at most 10 fields",
        ),
        (
            "metadata",
            json!(vec![json!({ "fieldName": "a", "fieldValue": "b" }); 2]),
            "metadata.1.fieldName must not stand twice",
        ),
        (
            "metadata",
            json!([{ "fieldName": "a", "fieldValue": "\u{1f600}".repeat(2_500) }]),
            "metadata must have at most 2048 bytes in its names and values",
        ),
        ("extra", json!(1), "extra is no field of this request"),
    ] {
        let answer = post(&server, &shop.bearer(), &but(|body| body[field] = value.clone())).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, "validation_failed"), "{field} {value:.40}");
        assert_eq!(message(&answer), format!("The request has faults: {told}"), "{value:.40}");
    }
    let all = json!({ "amount": "5.", "language": "x", "country": "GBR", "msisdn": PHONE });
    let answer = post(&server, &shop.bearer(), &all).await;
    let told = "The request has faults: depositId is required; returnUrl is required; amount must have a digit behind its point, \
        or no point; msisdn is no number of GBR, the country; language must be EN or FR";
    assert_eq!(message(&answer), told);
    for (kind, body, status, code) in [
        ("application/json", "{".to_owned(), 400, "malformed_json"),
        ("application/json", "{\"depositId\":\"a\",\"depositId\":\"b\"}".to_owned(), 400, "malformed_json"),
        ("text/plain", "{}".to_owned(), 415, "unsupported_media_type"),
        ("application/json", "x".repeat(65 * 1_024), 413, "payload_too_large"),
    ] {
        let ask = Ask::post("/v1/widget/sessions").with("Authorization", &shop.bearer()).body(kind, body);
        let answer = ask.at(server.at).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, code));
    }
    assert_eq!(server.rows().await, before, "something was stored");
    server.is_content();
}

#[tokio::test]
async fn what_is_right_is_taken() {
    let (server, shop) = scene().await;
    for amount in ["5", "5.0", "5.00", "5.5", "5.55", "5555555", "0.5"] {
        let answer = post(&server, &shop.bearer(), &but(|body| body["amount"] = json!(amount))).await;
        assert_eq!(answer.status, 200, "{amount} {answer:?}");
    }
    let whole = but(|body| {
        body["depositId"] = json!(deposit_id().to_uppercase());
        body["statementDescription"] = json!("Shop 17");
        body["msisdn"] = json!(PHONE);
        body["language"] = json!("FR");
        body["country"] = json!("FRA");
        body["reason"] = json!("<b>Order</b> \u{1f600}");
        body["metadata"] = json!([{ "fieldName": "a", "fieldValue": "<script>", "isPII": false }]);
        body["amount"] = json!(null);
    });
    let answer = post(&server, &shop.bearer(), &whole).await;
    let url = answer.json()["redirectUrl"].as_str().unwrap().to_owned();
    assert!(url.starts_with("http://127.0.0.1:8080/pay/") && url.rsplit('/').next().unwrap().len() == 22, "{url}");
    let id = whole["depositId"].as_str().unwrap();
    let shown = read(&server, &shop.bearer(), id).await.json();
    assert_eq!(shown[0]["depositId"], id.to_lowercase());
    assert_eq!(shown[0]["status"], "ACCEPTED");
    assert_eq!((&shown[0]["reason"], &shown[0]["amount"]), (&whole["reason"], &json!(null)));
    server.is_content();
}

#[tokio::test]
async fn one_deposit_id_is_one_payment() {
    let (server, shop) = scene().await;
    let rival = Owner::settle(&server, "rival", "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC").await;
    let (body, bearer) = (but(|_| {}), shop.bearer());
    let answers = join_all((0..20).map(|_| post(&server, &bearer, &body))).await;
    let told: BTreeSet<String> = answers.iter().map(|answer| format!("{} {}", answer.status, answer.body)).collect();
    assert!(told.len() == 1 && told.iter().all(|told| told.starts_with("200 ")), "{told:?}");
    let again = post(&server, &bearer, &{
        let mut body = body.clone();
        body["amount"] = json!("7.50");
        body
    })
    .await;
    assert_eq!(again.body, answers[0].body);
    let mut other = body.clone();
    other["amount"] = json!("7.51");
    let refused = post(&server, &bearer, &other).await;
    assert_eq!((refused.status, refused.problem().as_str()), (400, "deposit_id_reused"));
    let theirs = post(&server, &rival.bearer(), &other).await;
    assert!(theirs.status == 200 && theirs.body != answers[0].body, "{theirs:?}");
    let id = body["depositId"].as_str().unwrap();
    assert_eq!(read(&server, &bearer, id).await.json()[0]["requestedAmount"], "7.5");
    assert_eq!(read(&server, &rival.bearer(), id).await.json()[0]["requestedAmount"], "7.51");
    server.is_content();
}

#[tokio::test]
async fn a_key_says_where_the_money_goes_or_nothing_is_made() {
    let (server, shop) = scene().await;
    let nowhere: fn(&mut NewWidget) = |new| new.allowed_deposit_addresses.clear();
    for (why, change) in [("is bound to no widget", None), ("names no single deposit address", Some(nowhere))] {
        let bearer = bearer_of(&server, change).await;
        let answer = post(&server, &bearer, &but(|_| {})).await;
        assert_eq!((answer.status, answer.problem().as_str()), (403, "not_bound"), "{answer:?}");
        assert!(message(&answer).contains(why), "{answer:?}");
        assert_eq!(read(&server, &bearer, &shop.deposit).await.json()[0]["depositId"], shop.deposit.as_str());
    }
    let bounded = bearer_of(
        &server,
        Some(|new| {
            new.min_amount = Some("5".to_owned());
            new.max_amount = Some("10".to_owned());
            new.allowed_domains = vec!["shop.example.com".to_owned()];
        }),
    )
    .await;
    for (field, value, told) in [
        ("amount", "4.99", "amount must be at least 5"),
        ("amount", "10.01", "amount must be at most 10"),
        ("returnUrl", "https://evil.example/", "returnUrl must be on one of the widget's domains"),
        ("returnUrl", "https://shop.example.com.evil.example/", "returnUrl must be on one of the widget's domains"),
        ("returnUrl", "https://evil.example\\\\shop.example.com/", "returnUrl must be on one of the widget's domains"),
    ] {
        let answer = post(&server, &bounded, &but(|body| body[field] = json!(value))).await;
        assert_eq!(message(&answer), format!("The request has faults: {told}"));
    }
    assert_eq!(post(&server, &bounded, &but(|_| {})).await.status, 200);
    server.is_content();
}

#[tokio::test]
async fn what_is_personal_is_shown_to_who_asks_for_it_and_nowhere_else() {
    let (server, shop) = scene().await;
    let body = but(|body| {
        body["msisdn"] = json!(PHONE);
        body["metadata"] = json!([{ "fieldName": "name", "fieldValue": PERSON, "isPII": true }, { "fieldName": "order", "fieldValue": "17" }]);
    });
    assert_eq!(post(&server, &shop.bearer(), &body).await.status, 200);
    let twice = {
        let mut twice = body.clone();
        twice["metadata"] = json!([{ "fieldName": PERSON, "fieldValue": PHONE, "isPII": 7 }]);
        twice
    };
    let refused = post(&server, &shop.bearer(), &twice).await;
    assert!(refused.status == 400 && !refused.body.contains(PHONE), "{refused:?}");
    let id = body["depositId"].as_str().unwrap();
    for plain in [id.to_owned(), format!("{id}?pii=false")] {
        let shown = read(&server, &shop.bearer(), &plain).await;
        assert_eq!(shown.json()[0]["metadata"], json!([{ "fieldName": "order", "fieldValue": "17", "isPII": false }]));
        assert!(!shown.body.contains(PHONE) && !shown.body.contains(PERSON) && shown.json()[0].get("msisdn").is_none());
    }
    let shown = read(&server, &shop.bearer(), &format!("{id}?pii=true")).await.json();
    assert_eq!(shown[0]["msisdn"], PHONE);
    assert_eq!(shown[0]["metadata"][1], json!({ "fieldName": "name", "fieldValue": PERSON, "isPII": true }));
    for bad in ["?pii=1", "?pii=true&pii=true", "?x=1"] {
        assert_eq!(read(&server, &shop.bearer(), &format!("{id}{bad}")).await.problem(), "validation_failed", "{bad}");
    }
    let session = shown[0]["sessionId"].as_str().unwrap();
    let seen = Ask::get(&format!("/api/v1/widgets/deposit-sessions/{session}")).with("Authorization", &shop.bearer());
    let mut everywhere = vec![seen.at(server.at).await.body, server.log()];
    for rows in [
        "SELECT p::text FROM payments p",
        "SELECT s::text FROM deposit_sessions s",
        "SELECT e::text FROM events e",
        "SELECT d::text FROM webhook_deliveries d",
        "SELECT k::text FROM idempotency_keys k",
    ] {
        everywhere.extend(sqlx::query_scalar::<_, String>(rows).fetch_all(&server.pool).await.unwrap());
    }
    assert!(everywhere.iter().any(|text| text.contains("order")), "the session's metadata was not looked at");
    for text in everywhere {
        assert!(!text.contains(PHONE) && !text.contains(PERSON), "{text}");
        // Bytes print as hexadecimal digits.
        let hex = |word: &str| word.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert!(!text.contains(&hex(PHONE)) && !text.contains(&hex(PERSON)), "{text}");
    }
    server.is_content();
}
