//! Every field of an opening: what is wrong is named, alone and all at once; the edges that are right are taken.

use serde_json::json;

use crate::rig::{FINE, Rig, SHOP, USD, but, metadata, opening, session};

type Change = fn(&mut deposit_watcher::deposits::Opening);

/// One rule broken each, with the field that is to be named.
const BROKEN: &[(&str, Change)] = &[
    ("amount", |o| o.amount = String::new()),
    ("amount", |o| o.amount = "0".into()),
    ("amount", |o| o.amount = "0.000000".into()),
    ("amount", |o| o.amount = "-1".into()),
    ("amount", |o| o.amount = "+1".into()),
    ("amount", |o| o.amount = "1e3".into()),
    ("amount", |o| o.amount = "1,5".into()),
    ("amount", |o| o.amount = "1.2.3".into()),
    ("amount", |o| o.amount = " 1".into()),
    ("amount", |o| o.amount = "0x10".into()),
    ("amount", |o| o.amount = "NaN".into()),
    ("amount", |o| o.amount = "Infinity".into()),
    ("amount", |o| o.amount = "\u{661}".into()),
    ("amount", |o| o.amount = "\u{ff11}".into()),
    ("amount", |o| o.amount = "1.0000001".into()),
    ("amount", |o| o.amount = "1".repeat(33)),
    ("amount", |o| o.amount = "1\0".into()),
    ("amount", |o| o.amount = "1'); DROP TABLE deposit_sessions; --".into()),
    ("currency", |o| o.currency = String::new()),
    ("currency", |o| o.currency = "usd".into()),
    ("currency", |o| o.currency = "U".into()),
    ("currency", |o| o.currency = "USDUSDUSD".into()),
    ("currency", |o| o.currency = "FINE".into()),
    ("currency", |o| o.currency = "US\u{202e}D".into()),
    ("currency", |o| o.currency = "USD\0".into()),
    ("network", |o| o.network = String::new()),
    ("network", |o| o.network = "abc".into()),
    ("network", |o| o.network = "x".repeat(67)),
    ("network", |o| o.network = "Anvil".into()),
    ("network", |o| o.network = "nowhere".into()),
    ("network", |o| o.network = "closed".into()),
    ("network", |o| o.network = "anvil\0".into()),
    ("network", |o| o.network = "anvil ".into()),
    ("currencyAddress", |o| o.currency_address = String::new()),
    ("currencyAddress", |o| o.currency_address = FINE.into()),
    ("currencyAddress", |o| o.currency_address = SHOP.into()),
    ("currencyAddress", |o| o.currency_address = "USD".into()),
    ("currencyAddress", |o| o.currency_address = format!("{USD}00")),
    ("currencyAddress", |o| o.currency_address = format!("0x{}", "0".repeat(64))),
    ("depositAddress", |o| o.deposit_address = String::new()),
    ("depositAddress", |o| o.deposit_address = "0x12".into()),
    ("depositAddress", |o| o.deposit_address = "0x0000000000000000000000000000000000000000".into()),
    ("depositAddress", |o| o.deposit_address = USD.into()),
    ("depositAddress", |o| o.deposit_address = SHOP.replace('C', "c")),
    ("depositAddress", |o| o.deposit_address = SHOP[2..].into()),
    ("depositAddress", |o| o.deposit_address = format!("{SHOP}\0")),
    ("depositAddress", |o| o.deposit_address = format!(" {SHOP}")),
    ("depositAddress", |o| o.deposit_address = "x".repeat(129)),
    ("depositAddress", |o| o.deposit_address = "vitalik.eth".into()),
    ("customerEmail", |o| o.customer_email = Some(String::new())),
    ("customerEmail", |o| o.customer_email = Some(format!("a@{}", "b".repeat(127)))),
    ("customerEmail", |o| o.customer_email = Some("no address".into())),
    ("customerEmail", |o| o.customer_email = Some("a@b@c".into())),
    ("customerEmail", |o| o.customer_email = Some("a@b\r\nBcc: x@y".into())),
    ("customerEmail", |o| o.customer_email = Some("a\0@b".into())),
    ("customerReference", |o| o.customer_reference = Some(String::new())),
    ("customerReference", |o| o.customer_reference = Some("\u{1f600}".repeat(129))),
    ("customerReference", |o| o.customer_reference = Some("a\0b".into())),
    ("customerReference", |o| o.customer_reference = Some("a\u{85}b".into())),
    ("customerReference", |o| o.customer_reference = Some("\u{1b}[2J".into())),
    ("metadata", |o| o.metadata = metadata(json!({ "k": "x".repeat(2_041) }))),
    ("metadata", |o| o.metadata = metadata(json!({ "k": "\u{0}" }))),
    ("metadata", |o| o.metadata = metadata(json!({ "k\u{0}": 1 }))),
];

#[tokio::test]
async fn each_rule_broken_alone_names_its_field() {
    let rig = Rig::new().await;
    let widget = rig.widget().await;
    for (at, (field, change)) in BROKEN.iter().enumerate() {
        assert_eq!(rig.at_fault(&widget, &but(change)).await, [*field], "line {at}: {:?}", but(change));
    }
    assert_eq!(rig.count("SELECT count(*) FROM deposit_sessions").await, 0);
    assert_eq!(rig.count("SELECT count(*) FROM amount_claims").await, 0);
    assert_eq!(rig.count("SELECT count(*) FROM deposit_addresses").await, 0);
}

#[tokio::test]
async fn all_faults_are_told_at_once() {
    let rig = Rig::new().await;
    let widget = rig.widget_of("default", |new| new.allowed_domains = vec!["shop.example".into()]).await;
    let worst = but(|o| {
        o.amount = "x".into();
        o.currency = "usd".into();
        o.currency_address = "y".into();
        o.deposit_address = "z".into();
        o.customer_email = Some("e".into());
        o.customer_reference = Some(String::new());
        o.metadata = metadata(json!({ "k": "\u{0}" }));
        o.origin = Some("https://evil.example".into());
    });
    let mut fields = rig.at_fault(&widget, &worst).await;
    fields.sort();
    let all = ["amount", "currency", "currencyAddress", "customerEmail", "customerReference", "depositAddress"];
    assert_eq!(fields, [&all[..], &["metadata", "origin"]].concat());
    let no_network = but(|o| {
        o.network = "nowhere".into();
        o.amount = "-".into();
        o.deposit_address = "0x".into();
    });
    let mut fields = rig.at_fault(&widget, &no_network).await;
    fields.sort();
    assert_eq!(fields, ["amount", "depositAddress", "network"]);
}

#[tokio::test]
async fn the_edges_are_taken_and_read_back_as_they_were() {
    let rig = Rig::new().await;
    let widget = rig.widget().await;
    let edges: &[Change] = &[
        |o| o.amount = "0.000001".into(),
        |o| o.amount = "7.100000".into(),
        |o| o.amount = format!("{}.5", "9".repeat(30)),
        |o| o.amount = format!("{}8", "0".repeat(31)),
        |o| o.currency_address = USD.to_uppercase().replace("0X", "0x"),
        |o| o.deposit_address = SHOP.to_lowercase(),
        |o| o.deposit_address = format!("0x{}", SHOP[2..].to_uppercase()),
        |o| o.customer_email = Some(format!("a@{}", "b".repeat(126))),
        |o| o.customer_email = Some("ü+tag@büro.example".into()),
        |o| o.customer_reference = Some("\u{1f600}".repeat(128)),
        |o| o.metadata = metadata(json!({})),
        |o| o.metadata = metadata(json!({ "k": "x".repeat(2_040) })),
        |o| o.origin = Some("null".into()),
    ];
    for change in edges {
        let asked = but(change);
        let opened = rig.office.open(&widget, &asked, None).await.unwrap_or_else(|why| panic!("{why:?} {asked:?}"));
        assert_eq!(opened.deposit_address, SHOP);
        assert_eq!((opened.payment_status.as_str(), opened.livemode), ("CREATED", false));
        let view = rig.office.read(&session(&opened.id)).await.unwrap();
        assert_eq!((&view.amount, &view.expires_at), (&opened.amount, &opened.expires_at));
        assert_eq!(view.customer_reference, asked.customer_reference);
    }
    let fine = but(|o| {
        (o.network, o.currency, o.currency_address) = ("fine".into(), "FINE".into(), FINE.into());
        o.amount = "0.000000000000000001".into();
    });
    let opened = rig.office.open(&widget, &fine, None).await.unwrap();
    assert!(opened.livemode && opened.amount == "0.000000000000000001");
}

/// What is text stays text, whatever it looks like.
#[tokio::test]
async fn strange_texts_come_back_as_they_went() {
    let rig = Rig::new().await;
    let widget = rig.widget().await;
    for text in [
        "'; DROP TABLE deposit_sessions; --",
        "\" OR 1=1 --",
        "<script>alert(1)</script>",
        "${jndi:ldap://x}",
        "%00%0a",
        "\\x00\\u0000",
        "\u{202e}txt.exe",
        "\u{200b}\u{feff}",
        "👩‍👩‍👧‍👦🇺🇳",
        "e\u{301}",
        "=1+1",
    ] {
        let asked = but(|o| {
            o.customer_reference = Some(text.into());
            o.metadata = metadata(json!({ text: [text, { text: text }] }));
        });
        let opened = rig.office.open(&widget, &asked, None).await.unwrap();
        assert_eq!(rig.office.read(&session(&opened.id)).await.unwrap().customer_reference.as_deref(), Some(text));
        let query = sqlx::query_scalar("SELECT metadata FROM deposit_sessions WHERE id = $1").bind(&opened.id);
        let kept: serde_json::Value = query.fetch_one(&rig.pool).await.unwrap();
        assert_eq!(kept, json!({ text: [text, { text: text }] }));
    }
}

#[tokio::test]
async fn an_opening_says_what_it_came_to() {
    let rig = Rig::new().await;
    let widget = rig.widget().await;
    let opened = serde_json::to_value(rig.office.open(&widget, &opening(), None).await.unwrap()).unwrap();
    let mut keys: Vec<&String> = opened.as_object().unwrap().keys().collect();
    keys.sort();
    let expected = [
        "amount",
        "currency",
        "currencyAddress",
        "depositAddress",
        "expiresAt",
        "id",
        "livemode",
        "network",
        "paymentStatus",
        "requestedAmount",
    ];
    assert_eq!(keys, expected);
    let expires = opened["expiresAt"].as_str().unwrap();
    assert!(expires.len() == 24 && expires.ends_with('Z'), "{expires}");
    let left = chrono::DateTime::parse_from_rfc3339(expires).unwrap().timestamp() - chrono::Utc::now().timestamp();
    assert!((1_790..=1_800).contains(&left), "{left}");
}
