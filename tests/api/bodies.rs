//! Bad input of every kind: a clear 4xx, nothing stored, nothing leaked, and never our mistake.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::asking::{Ask, Line};
use crate::credentials::Owner;
use crate::server::{Server, wish};

const TO: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const JSON: &str = "application/json";

/// What no answer may hold: words of the insides.
const INSIDES: [&str; 9] =
    ["postgres", "sqlx", "panick", "/src/", ".rs", "select ", "insert ", "constraint", "deposit_sessions"];

struct Scene {
    server: Server,
    shop: Owner,
    create: Ask,
    before: i64,
}

async fn scene() -> Scene {
    let server = Server::start().await;
    let shop = Owner::settle(&server, "shop", TO).await;
    let create = Ask::post(&format!("/api/v1/widgets/{}/create-session", shop.widget));
    let create = create.with("Authorization", &shop.bearer());
    let before = server.rows().await;
    Scene { server, shop, create, before }
}

impl Scene {
    /// This answer comes to this request, and nothing else comes of it.
    async fn refuses(&self, what: &str, ask: &Ask, status: u16, code: &str) -> Vec<String> {
        let answer = ask.at(self.server.at).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, code), "{what}: {answer:?}");
        let told = format!("{}{}", answer.head, answer.body).to_lowercase();
        INSIDES.iter().for_each(|word| assert!(!told.contains(word), "{what} tells of {word}: {answer:?}"));
        answer.fields()
    }

    async fn nothing_came_of_it(&self) {
        assert_eq!(self.server.rows().await, self.before, "something was stored");
        self.server.is_content();
    }
}

/// A wish with one field in another way, or without it.
fn but(field: &str, value: Option<Value>) -> Value {
    let mut body = wish("10");
    let fields = body.as_object_mut().unwrap();
    match value {
        Some(value) => drop(fields.insert(field.to_owned(), value)),
        None => drop(fields.remove(field)),
    }
    body
}

#[tokio::test]
async fn what_is_not_json_of_its_type_is_not_read() {
    let scene = scene().await;
    let good = wish("10").to_string();
    for kind in [
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "*/*",
        "json",
    ] {
        let ask = scene.create.clone().body(kind, good.clone());
        scene.refuses(kind, &ask, 415, "unsupported_media_type").await;
    }
    let mut untyped = scene.create.clone();
    untyped.body = Some(good.clone().into_bytes());
    scene.refuses("no type", &untyped, 415, "unsupported_media_type").await;
    let deep = |levels: usize| {
        good.replacen('}', &format!(",\"metadata\":{}1{}}}", "{\"a\":".repeat(levels), "}".repeat(levels)), 1)
    };
    for (what, body) in [
        ("nothing", String::new()),
        ("half", good[..good.len() / 2].to_owned()),
        ("twice", format!("{good}{good}")),
        ("a comma", good.replacen('}', ",}", 1)),
        ("a comment", format!("/* x */{good}")),
        ("a byte order mark", format!("\u{feff}{good}")),
        ("single quotes", good.replace('"', "'")),
        ("a key twice", good.replacen('{', "{\"amount\":\"1\",", 1)),
        ("a key twice, escaped", good.replacen('{', "{\"\\u0061mount\":\"1\",", 1)),
        ("a key twice, deeper", good.replacen('}', ",\"metadata\":{\"a\":1,\"a\":2}}", 1)),
        ("half a character", good.replacen("USDC", "\\ud800", 1)),
        ("a bare line feed", good.replacen("USDC", "US\nDC", 1)),
        ("infinity", good.replacen("\"10\"", "1e999", 1)),
        ("not a number", good.replacen("\"10\"", "NaN", 1)),
        ("far too deep", deep(5_000)),
        ("brackets", "[".repeat(60_000)),
    ] {
        scene.refuses(what, &scene.create.clone().body(JSON, body), 400, "malformed_json").await;
    }
    let latin = scene.create.clone().body(JSON, good.replacen("USDC", "\u{e9}", 1).replace('\u{e9}', "?").into_bytes());
    let mut latin = latin;
    latin.body.as_mut().unwrap().iter_mut().filter(|byte| **byte == b'?').for_each(|byte| *byte = 0xe9);
    scene.refuses("latin-1", &latin, 400, "malformed_json").await;
    let deepest = scene.create.clone().body(JSON, deep(100));
    assert_eq!(scene.refuses("too deep for metadata", &deepest, 400, "validation_failed").await, ["metadata"]);
    for body in ["[]", "null", "1", "\"x\"", "true"] {
        let ask = scene.create.clone().body(JSON, body);
        assert_eq!(scene.refuses(body, &ask, 400, "validation_failed").await, [""]);
    }
    scene.nothing_came_of_it().await;
    assert_eq!(
        scene.create.clone().body("Application/JSON; charset=utf-8", good).at(scene.server.at).await.status,
        201
    );
}

#[tokio::test]
async fn every_wrong_field_is_named_and_all_of_them_at_once() {
    let scene = scene().await;
    let odd = [
        "'; DROP TABLE deposit_sessions; --",
        "=HYPERLINK(\"http://x\")",
        "\u{202e}x",
        "a\u{0}b",
        "a\r\nX-Evil: 1",
        "\u{7f}",
    ];
    for field in ["amount", "currency", "network", "currencyAddress", "depositAddress"] {
        let odd = odd.map(|text| json!(text));
        let kinds =
            [json!(1), json!(1.5), json!(null), json!(true), json!([]), json!({}), json!(""), json!("x".repeat(5_000))];
        for value in kinds.into_iter().chain(odd).map(Some).chain([None]) {
            let ask = scene.create.clone().json(&but(field, value.clone()));
            let fields = scene.refuses(&format!("{field} {value:?}"), &ask, 400, "validation_failed").await;
            assert!(fields.contains(&field.to_owned()), "{field} {value:?} {fields:?}");
        }
    }
    for (field, value) in [
        ("amount", json!("-1")),
        ("amount", json!("0")),
        ("amount", json!("0.0")),
        ("amount", json!("1e3")),
        ("amount", json!("1,5")),
        ("amount", json!("+1")),
        ("amount", json!(" 1")),
        ("amount", json!("١")),
        ("amount", json!("1.0000001")),
        ("amount", json!("9".repeat(33))),
        ("currencyAddress", json!("0x0000000000000000000000000000000000000000")),
        ("currencyAddress", json!("0x3C499c542cEF5E3811e1192ce70d8cC03d5c3359")),
        ("depositAddress", json!("0x0000000000000000000000000000000000000000")),
        ("depositAddress", json!("0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359")),
        ("depositAddress", json!("0x90F79bf6EB2c4f870365E785982E1f101E93b906")),
        ("network", json!("ethereum")),
        ("currency", json!("usdc")),
        ("currency", json!("WETH")),
        ("customerEmail", json!(7)),
        ("customerEmail", json!("x")),
        ("customerEmail", json!("a@b\r\nBcc: all@x")),
        ("customerReference", json!("")),
        ("customerReference", json!("a\u{0}b")),
        ("customerReference", json!(["x"])),
        ("customerReference", json!("x".repeat(129))),
        ("metadata", json!("x")),
        ("metadata", json!([1])),
        ("metadata", json!({ "a": "x".repeat(2_048) })),
        ("metadata", json!({ "a": "\u{0}" })),
        ("metadata", json!({ "\u{0}": 1 })),
        ("id", json!("dep_mine")),
        ("business_id", json!("rival")),
        ("expiresAt", json!("2099-01-01T00:00:00Z")),
        ("__proto__", json!({})),
    ] {
        let ask = scene.create.clone().json(&but(field, Some(value.clone())));
        assert_eq!(
            scene.refuses(&format!("{field} {value}"), &ask, 400, "validation_failed").await,
            [field],
            "{value}"
        );
    }
    let all = json!({ "amount": 1, "network": "nowhere", "currencyAddress": "", "depositAddress": TO, "extra": 1 });
    let mut fields = scene.refuses("all at once", &scene.create.clone().json(&all), 400, "validation_failed").await;
    fields.sort_unstable();
    assert_eq!(fields, ["amount", "currency", "currencyAddress", "extra", "network"]);
    for key in ["", " ", "a b", "é", &"x".repeat(256)] {
        let ask = scene.create.clone().with("Idempotency-Key", key).json(&wish("10"));
        assert_eq!(scene.refuses(key, &ask, 400, "validation_failed").await, ["Idempotency-Key"]);
    }
    scene.nothing_came_of_it().await;
}

#[tokio::test]
async fn widgets_endpoints_and_lists_name_their_faults_too() {
    let scene = scene().await;
    let ask = |path: &str| Ask::post(path).with("Authorization", &scene.shop.bearer());
    let widget = json!({ "name": 1, "mode": "FREE", "minAmount": "-1", "allowedNetworks": "polygon", "allowedCurrencies": [1],
        "allowedDomains": ["https://x"], "successUrl": "javascript:alert(1)", "metadataSchema": [], "owner": "rival" });
    let create = ask("/api/v1/businesses/shop/widgets/create-widget").json(&widget);
    let mut fields = scene.refuses("widget", &create, 400, "validation_failed").await;
    fields.sort_unstable();
    let expected = [
        "allowedCurrencies",
        "allowedDomains.0",
        "allowedNetworks",
        "metadataSchema",
        "minAmount",
        "mode",
        "name",
        "owner",
        "successUrl",
    ];
    assert_eq!(fields, expected);
    for url in [
        "",
        "x",
        "http://shop.example.com/",
        "https://u:p@shop.example.com/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest",
        "ftp://shop.example.com/",
        "https://shop.example.com/\r\nX: 1",
    ] {
        let create =
            ask("/api/v1/businesses/shop/webhook-endpoints").json(&json!({ "url": url, "events": ["deposit.x"] }));
        let fields = scene.refuses(url, &create, 400, "validation_failed").await;
        assert!(fields.contains(&"url".to_owned()) && fields.contains(&"events".to_owned()), "{url:?} {fields:?}");
    }
    let (widget, shop) = (&scene.shop.widget, "/api/v1/businesses/shop/webhook-deliveries");
    let list = format!("/api/v1/widgets/{widget}/deposit-sessions");
    for (path, fields) in [
        (format!("{list}?limit=0"), "limit"),
        (format!("{list}?limit=101"), "limit"),
        (format!("{list}?limit=1.5"), "limit"),
        (format!("{list}?limit=99999999999999999999"), "limit"),
        (format!("{list}?limit=%00"), "limit"),
        (format!("{list}?limit=1&limit=2"), "limit"),
        (format!("{list}?status=PAID"), "status"),
        (format!("{list}?status=%00"), "status"),
        (format!("{list}?cursor=x"), "cursor"),
        (format!("{list}?cursor=%00"), "cursor"),
        (format!("{list}?customerReference=%00"), "customerReference"),
        (format!("{list}?customerReference=%ff%00"), "customerReference"),
        (format!("{list}?statsu=CREATED"), "statsu"),
        (format!("{shop}?state=LOST"), "state"),
        (format!("{shop}?limit=0"), "limit"),
        (format!("{shop}?cursor='%20OR%201=1"), "cursor"),
        (format!("{shop}?sort=asc"), "sort"),
    ] {
        let ask = Ask::get(&path).with("Authorization", &scene.shop.bearer());
        assert_eq!(scene.refuses(&path, &ask, 400, "validation_failed").await, [fields], "{path}");
    }
    for odd in ["%00", "%ff", "x'%20OR%20'1'='1"] {
        let ask = Ask::get(&format!("{shop}?endpointId={odd}")).with("Authorization", &scene.shop.bearer());
        assert_eq!(ask.at(scene.server.at).await.json()["items"], json!([]), "{odd}");
    }
    scene.nothing_came_of_it().await;
}

#[tokio::test]
async fn a_body_is_neither_long_nor_slow() {
    let scene = scene().await;
    let padded = |bytes: usize| {
        let body = wish("10").to_string();
        format!("{body}{}", " ".repeat(bytes - body.len()))
    };
    assert_eq!(scene.create.clone().body(JSON, padded(65_536)).at(scene.server.at).await.status, 201);
    let before = scene.server.rows().await;
    scene.refuses("a byte too long", &scene.create.clone().body(JSON, padded(65_537)), 413, "payload_too_large").await;

    // Announced: refused before any of it is sent.
    let head = String::from_utf8(scene.create.clone().with("Content-Type", JSON).bytes()).unwrap();
    let with = |header: &str| head.replacen("\r\n\r\n", &format!("\r\n{header}\r\n\r\n"), 1);
    for length in ["10485760", "4294967296", "9223372036854775807"] {
        let mut line = Line::open(scene.server.at).await;
        line.send(with(&format!("Content-Length: {length}")).as_bytes()).await.unwrap();
        assert_eq!(line.answer(false).await.status, 413, "{length}");
    }
    // Not announced: refused long before its end.
    let mut line = Line::open(scene.server.at).await;
    line.send(with("Transfer-Encoding: chunked").as_bytes()).await.unwrap();
    let chunk = format!("4000\r\n{}\r\n", " ".repeat(0x4000));
    let mut sent = 0;
    while sent < 10_485_760 && line.send(chunk.as_bytes()).await.is_ok() {
        sent += chunk.len();
    }
    assert!(sent < 10_485_760, "all of it was read");
    assert_eq!(line.answer(false).await.status, 413);

    // Slow: given up.
    let begun = Instant::now();
    let mut line = Line::open(scene.server.at).await;
    line.send(with("Content-Length: 100").as_bytes()).await.unwrap();
    line.send(b"{").await.unwrap();
    let answer = line.answer(false).await;
    assert_eq!((answer.status, answer.problem().as_str()), (408, "request_timeout"), "{answer:?}");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    // Broken off: nobody is left to answer, and nothing happens.
    let mut line = Line::open(scene.server.at).await;
    line.send(with("Content-Length: 100").as_bytes()).await.unwrap();
    drop(line);
    // A head that never ends is cut off without an answer.
    let mut line = Line::open(scene.server.at).await;
    line.send(b"GET /livez HTTP/1.1\r\nHost: x\r\nX: ").await.unwrap();
    assert!(!line.rest().await.contains("200 OK"));
    assert_eq!(scene.server.rows().await, before);
    scene.server.is_content();
}

#[tokio::test]
async fn what_is_odd_and_allowed_comes_back_as_it_was() {
    let scene = scene().await;
    let reference = "=1+1 <b>\u{1f600}</b> '; DROP TABLE deposit_sessions; -- \u{202e}%00";
    let mut body = but("customerReference", Some(json!(reference)));
    body["customerEmail"] = json!(null);
    body["metadata"] = json!({ "__proto__": { "x": 1 }, "é": [null, 1.5, "\u{1f600}"] });
    let answer = scene.create.clone().json(&body).at(scene.server.at).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let read = Ask::get(&format!("/api/v1/widgets/deposit-sessions/{id}")).with("Authorization", &scene.shop.bearer());
    assert_eq!(read.at(scene.server.at).await.json()["customerReference"], reference);
    let kept: Value = sqlx::query_scalar("SELECT metadata FROM deposit_sessions WHERE id = $1")
        .bind(&id)
        .fetch_one(&scene.server.pool)
        .await
        .unwrap();
    assert_eq!(kept, body["metadata"]);
}
