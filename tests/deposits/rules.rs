//! The widget's rules, one by one.

use deposit_watcher::deposits::OpenedBy;
use serde_json::json;

use crate::rig::{FINE, OTHER, Rig, SHOP, but, metadata, opening, texts};

#[tokio::test]
async fn amounts_stay_within_their_bounds_however_fine() {
    let rig = Rig::new().await;
    // Finer than the token, which has 6 decimals.
    let widget = rig
        .widget_of("default", |new| {
            new.min_amount = Some("1.0000005".into());
            new.max_amount = Some("2.0000005".into());
        })
        .await;
    for (amount, fits) in [
        ("1", false),
        ("1.000000", false),
        ("1.000001", true),
        ("2", true),
        ("2.000001", false),
        ("3", false),
        (&"9".repeat(32), false),
    ] {
        let found = rig.at_fault(&widget, &but(|o| o.amount = amount.into())).await;
        assert_eq!(found.is_empty(), fits, "{amount} {found:?}");
        assert!(fits || found == ["amount"]);
    }
}

#[tokio::test]
async fn a_fixed_amount_is_that_amount() {
    let rig = Rig::new().await;
    let fixed = |amount: &'static str| {
        move |new: &mut deposit_watcher::deposits::NewWidget| {
            new.mode = "FIXED_AMOUNT".into();
            (new.min_amount, new.max_amount) = (Some(amount.into()), Some(format!("{amount}0")));
        }
    };
    let widget = rig.widget_of("default", fixed("25.5")).await;
    for (amount, fits) in
        [("25.5", true), ("25.500000", true), ("25.500001", false), ("25.499999", false), ("25", false)]
    {
        assert_eq!(rig.at_fault(&widget, &but(|o| o.amount = amount.into())).await.is_empty(), fits, "{amount}");
    }
    let finer = rig.widget_of("default", fixed("1.0000005")).await;
    for amount in ["1", "1.000001", "1.000000"] {
        assert_eq!(rig.at_fault(&finer, &but(|o| o.amount = amount.into())).await, ["amount"], "{amount}");
    }
}

#[tokio::test]
async fn networks_and_currencies_are_those_allowed() {
    let rig = Rig::new().await;
    let fine = but(|o| (o.network, o.currency, o.currency_address) = ("fine".into(), "FINE".into(), FINE.into()));
    let widget = rig.widget_of("default", |new| new.allowed_networks = texts(&["anvil"])).await;
    assert_eq!(rig.at_fault(&widget, &fine).await, ["network"]);
    assert_eq!(rig.at_fault(&widget, &opening()).await, [""; 0]);
    let widget = rig.widget_of("default", |new| new.allowed_currencies = texts(&["FINE"])).await;
    assert_eq!(rig.at_fault(&widget, &opening()).await, ["currency"]);
    assert_eq!(rig.at_fault(&widget, &fine).await, [""; 0]);
}

/// Whoever holds the widget's secret may be anybody.
#[tokio::test]
async fn an_empty_list_of_addresses_allows_nothing_to_a_browser_and_anything_to_a_server() {
    let rig = Rig::new().await;
    let by = |by, to: &str| {
        let to = to.to_owned();
        but(move |o| (o.opened_by, o.deposit_address) = (by, to))
    };
    let open = rig.widget().await;
    assert_eq!(rig.at_fault(&open, &by(OpenedBy::Widget, SHOP)).await, ["depositAddress"]);
    assert_eq!(rig.at_fault(&open, &by(OpenedBy::Server, SHOP)).await, [""; 0]);
    let listed = rig.widget_of("default", |new| new.allowed_deposit_addresses = texts(&[SHOP])).await;
    for opened_by in [OpenedBy::Widget, OpenedBy::Server] {
        assert_eq!(rig.at_fault(&listed, &by(opened_by, &SHOP.to_lowercase())).await, [""; 0], "{opened_by:?}");
        assert_eq!(rig.at_fault(&listed, &by(opened_by, OTHER)).await, ["depositAddress"], "{opened_by:?}");
    }
    let words = "SELECT count(*) FROM deposit_sessions WHERE opened_by = 'widget'";
    assert_eq!(rig.count(words).await, 1);
}

#[tokio::test]
async fn browsers_come_from_allowed_domains() {
    let rig = Rig::new().await;
    let widget = rig
        .widget_of("default", |new| {
            new.allowed_domains = texts(&["Shop.Example.com", "büro.example"]);
            new.allowed_deposit_addresses = texts(&[SHOP]);
        })
        .await;
    let ask = |origin: Option<&str>, by| {
        let origin = origin.map(str::to_owned);
        but(move |o| (o.origin, o.opened_by) = (origin, by))
    };
    for (origin, fits) in [
        (Some("https://shop.example.com"), true),
        (Some("http://shop.example.com:8080"), true),
        (Some("https://xn--bro-hoa.example"), true),
        (Some("https://www.shop.example.com"), false),
        (Some("https://shop.example.com.evil.example"), false),
        (Some("https://evil-shop.example.com"), false),
        (Some("https://evil.example/shop.example.com"), false),
        (Some("https://shop.example.com@evil.example"), false),
        (Some("null"), false),
        (Some(""), false),
        (Some("file://shop.example.com"), false),
        (None, false),
    ] {
        let found = rig.at_fault(&widget, &ask(origin, OpenedBy::Widget)).await;
        assert_eq!(found, if fits { vec![] } else { vec!["origin"] }, "{origin:?}");
    }
    assert_eq!(rig.at_fault(&widget, &ask(None, OpenedBy::Server)).await, [""; 0]);
    assert_eq!(rig.at_fault(&widget, &ask(Some("https://evil.example"), OpenedBy::Server)).await, ["origin"]);
}

#[tokio::test]
async fn metadata_matches_the_widget_s_schema() {
    let rig = Rig::new().await;
    let schema = json!({ "type": "object", "required": ["order"], "properties": { "order": { "type": "string" } } });
    let widget = rig.widget_of("default", |new| new.metadata_schema = Some(schema)).await;
    for (given, fits) in [
        (None, false),
        (Some(json!({})), false),
        (Some(json!({ "order": 1 })), false),
        (Some(json!({ "order": "A-1" })), true),
        (Some(json!({ "order": "A-1", "more": [1, 2] })), true),
    ] {
        let asked = but(|o| o.metadata = given.clone().and_then(metadata));
        assert_eq!(rig.at_fault(&widget, &asked).await.is_empty(), fits, "{given:?}");
    }
}

#[tokio::test]
async fn nothing_is_opened_through_a_closed_widget_or_for_a_closed_business() {
    let rig = Rig::new().await;
    let widget = rig.widget().await;
    let closed = rig.office.set_widget_disabled(&widget.id, true).await.unwrap();
    assert_eq!(rig.at_fault(&closed, &opening()).await, [""]);
    let open = rig.office.set_widget_disabled(&widget.id, false).await.unwrap();
    assert_eq!(open.disabled_at, None);
    rig.office.set_business_disabled(&widget.business_id, true).await.unwrap();
    assert_eq!(rig.at_fault(&rig.office.widget(&widget.id).await.unwrap(), &opening()).await, [""]);
    rig.office.set_business_disabled(&widget.business_id, false).await.unwrap();
    assert_eq!(rig.at_fault(&rig.office.widget(&widget.id).await.unwrap(), &opening()).await, [""; 0]);
}

/// A token that the configuration names and no watcher has ever followed.
#[tokio::test]
async fn what_nobody_follows_yet_is_told() {
    let rig = Rig::new().await;
    sqlx::query("DELETE FROM tokens WHERE network = 'fine'").execute(&rig.pool).await.unwrap();
    let widget = rig.widget().await;
    let fine = but(|o| (o.network, o.currency, o.currency_address) = ("fine".into(), "FINE".into(), FINE.into()));
    assert_eq!(rig.at_fault(&widget, &fine).await, ["currencyAddress"]);
}

/// The chain says that the token is coarser than configured: the database knows before the configuration is mended.
#[tokio::test]
async fn what_is_finer_than_the_followed_token_is_told() {
    let rig = Rig::new().await;
    let widget = rig.widget().await;
    sqlx::query("UPDATE tokens SET decimals = 2").execute(&rig.pool).await.unwrap();
    assert_eq!(rig.at_fault(&widget, &but(|o| o.amount = "5.123".into())).await, ["amount"]);
    assert_eq!(rig.at_fault(&widget, &but(|o| o.amount = "5.12".into())).await, [""; 0]);
}
