//! An opening that is right, and each rule broken alone and all together. Not for what the database decides.

use serde_json::json;

use super::super::ground::{SHOP, TOKEN, settings, widget};
use super::*;

fn opening() -> Opening {
    Opening {
        amount: "12.50".to_owned(),
        currency: "USDC".to_owned(),
        network: "anvil".to_owned(),
        currency_address: TOKEN.to_owned(),
        deposit_address: SHOP.to_owned(),
        customer_email: Some("ann@example.com".to_owned()),
        customer_reference: Some("order 7".to_owned()),
        metadata: json!({ "order": 7 }).as_object().cloned(),
        origin: Some("https://shop.example.com".to_owned()),
        opened_by: OpenedBy::Server,
    }
}

fn faults(widget: &Widget, opening: &Opening) -> Vec<String> {
    let faults = examine(&settings(), widget, opening).err().unwrap_or_default();
    faults.into_iter().map(|fault| format!("{} {}", fault.field, fault.message)).collect()
}

/// What is found in an opening that was changed, at a widget that was changed.
fn changed(change: impl FnOnce(&mut Opening, &mut Widget)) -> Vec<String> {
    let (mut opening, mut widget) = (opening(), widget());
    change(&mut opening, &mut widget);
    faults(&widget, &opening)
}

#[test]
fn what_is_right_is_read() {
    let (settings, widget, opening) = (settings(), widget(), opening());
    let examined = examine(&settings, &widget, &opening).unwrap();
    assert_eq!(examined.amount.to_decimal(6), "12.5");
    assert_eq!((examined.network.slug.as_str(), examined.token.symbol.as_str()), ("anvil", "USDC"));
    assert_eq!(examined.to.to_checksum(None), SHOP);
    for (text, read) in [("0.000001", "0.000001"), ("1.500000000", "1.5"), (&"0".repeat(31), ""), ("00012", "12")] {
        let opening = Opening { amount: text.to_owned(), ..self::opening() };
        let examined = examine(&settings, &widget, &opening).map(|examined| examined.amount.to_decimal(6));
        assert_eq!(examined.ok().unwrap_or_default(), read, "{text}");
    }
    let lower = Opening { currency_address: TOKEN.to_lowercase(), deposit_address: SHOP.to_lowercase(), ..opening };
    assert!(examine(&settings, &widget, &lower).is_ok());
}

type Text = fn(&mut Opening) -> &mut String;

#[test]
fn each_field_is_held_to_its_limits() {
    let long = "9".repeat(33);
    let field: [(&str, Text, &[&str]); 5] = [
        (
            "amount",
            |o| &mut o.amount,
            &[
                "",
                "0",
                "0.0",
                ".",
                "-1",
                "+1",
                "1e3",
                "1,5",
                " 1",
                "1 ",
                "1.2.3",
                "0x1",
                "NaN",
                "Infinity",
                "\u{661}",
                "1\0",
                "0.0000001",
                &long,
                "1'; DROP TABLE deposit_sessions; --",
                "\u{202e}1",
            ],
        ),
        (
            "currency",
            |o| &mut o.currency,
            &["", "U", "usdc", "USDCUSDCU", "US C", "USDC\n", "USDC\0", "ÜSDC", "USDT", "=1+1"],
        ),
        (
            "network",
            |o| &mut o.network,
            &[
                "",
                "abc",
                "anvil ",
                "ANVIL",
                "dark",
                "nowhere",
                "anvil\0",
                &"a".repeat(67),
                "../../etc",
                "a\r\nX-Evil: 1",
            ],
        ),
        (
            "currencyAddress",
            |o| &mut o.currency_address,
            &[
                "",
                "0x",
                "0x12",
                SHOP,
                "5FbDB2315678afecb367f032d93F642f64180aa3",
                "0x5FbDB2315678afecb367f032d93F642f64180aA3",
                "0x5FbDB2315678afecb367f032d93F642f64180aa3\0",
                "0xg",
                &"0".repeat(67),
            ],
        ),
        (
            "depositAddress",
            |o| &mut o.deposit_address,
            &[
                "",
                "x",
                TOKEN,
                "0x0000000000000000000000000000000000000000",
                "0x70997970C51812dc3A010C7d01b50e0d17dc79c8",
                "0x70997970C51812dc3A010C7d01b50e0d17dc79C8 ",
                &"0".repeat(129),
                "\u{202e}0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
            ],
        ),
    ];
    for (name, field, values) in field {
        for value in values {
            let found = changed(|opening, _| *field(opening) = (*value).to_owned());
            assert!(found.len() == 1 && found[0].starts_with(&format!("{name} ")), "{name} {value:?}: {found:?}");
        }
    }
    let native = changed(|opening, _| opening.currency_address.clear());
    assert!(native[0].contains("not supported yet"), "{native:?}");
}

#[test]
fn what_customers_are_is_text() {
    for bad in ["", "x".repeat(129).as_str(), "a\nb", "a\0b", "\u{1b}[2J", "a\u{85}"] {
        let found = changed(|opening, _| opening.customer_reference = Some(bad.to_owned()));
        assert!(found.len() == 1 && found[0].starts_with("customerReference "), "{bad:?}: {found:?}");
    }
    for good in ["x".repeat(128).as_str(), "=1+1", "\u{202e}'; --", "\u{1f600}"] {
        assert_eq!(changed(|opening, _| opening.customer_reference = Some(good.to_owned())), [""; 0], "{good}");
    }
    for bad in [
        "",
        "ann",
        "@",
        "ann@",
        "@example.com",
        "a@b@c",
        "a b@c",
        "a@b c",
        "a@b\r\nBcc: x@y",
        &format!("{}@b", "a".repeat(127)),
    ] {
        let found = changed(|opening, _| opening.customer_email = Some(bad.to_owned()));
        assert!(found.len() == 1 && found[0].starts_with("customerEmail "), "{bad:?}: {found:?}");
    }
    for metadata in [json!({ "a": "x".repeat(2_048) }), json!({ "a\u{0}": 1 })] {
        let found = changed(|opening, _| opening.metadata = metadata.as_object().cloned());
        assert!(found.len() == 1 && found[0].starts_with("metadata "), "{found:?}");
    }
    let none = changed(|opening, _| {
        (opening.customer_email, opening.customer_reference, opening.metadata) = (None, None, None)
    });
    assert_eq!(none, [""; 0]);
}

type Change = fn(&mut Opening, &mut Widget);

#[test]
fn a_widget_s_rules_are_kept() {
    let rules: [(&str, Change); 10] = [
        ("network ", |_, widget| widget.allowed_networks = vec!["other".to_owned()]),
        ("currency ", |_, widget| widget.allowed_currencies = vec!["USDT".to_owned()]),
        ("depositAddress ", |_, widget| widget.allowed_deposit_addresses = vec![TOKEN.to_lowercase()]),
        ("amount must be at least 12.500001", |_, widget| widget.min_amount = Some("12.500001".to_owned())),
        ("amount must be at least 12.50000001", |_, widget| widget.min_amount = Some("12.50000001".to_owned())),
        ("amount must be at most 12.499999", |_, widget| widget.max_amount = Some("12.499999".to_owned())),
        ("amount must be 12.51, the widget's amount", |_, widget| {
            widget.mode = "FIXED_AMOUNT".to_owned();
            (widget.min_amount, widget.max_amount) = (Some("12.51".to_owned()), Some("12.51".to_owned()));
        }),
        ("metadata does not match", |_, widget| widget.metadata_schema = Some(json!({ "required": ["x"] }))),
        (" this widget is not active", |_, widget| widget.disabled_at = Some(crate::domain::Time::default())),
        ("metadata does not match", |opening, widget| {
            opening.metadata = None;
            widget.metadata_schema = Some(json!({ "required": ["x"] }));
        }),
    ];
    for (expected, change) in rules {
        let found = changed(change);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{expected}: {found:?}");
    }
    let allowed: [Change; 5] = [
        |_, widget| widget.allowed_networks = vec!["anvil".to_owned()],
        |_, widget| widget.allowed_currencies = vec!["USDC".to_owned()],
        |_, widget| widget.allowed_deposit_addresses = vec![SHOP.to_lowercase()],
        |_, widget| (widget.min_amount, widget.max_amount) = (Some("12.5".to_owned()), Some("12.500".to_owned())),
        |_, widget| {
            widget.mode = "FIXED_AMOUNT".to_owned();
            (widget.min_amount, widget.max_amount) = (Some("12.5".to_owned()), Some("12.5".to_owned()));
        },
    ];
    for change in allowed {
        assert_eq!(changed(change), [""; 0]);
    }
}

#[test]
fn whose_word_it_is_decides_about_addresses_and_origins() {
    let free: Change = |opening, _| opening.opened_by = OpenedBy::Widget;
    assert_eq!(changed(free), [format!("depositAddress {NOT_ALLOWED}")]);
    let domains = |opened_by: OpenedBy, origin: Option<&str>| {
        changed(|opening, widget| {
            (opening.opened_by, opening.origin) = (opened_by, origin.map(str::to_owned));
            widget.allowed_domains = vec!["shop.example.com".to_owned()];
            widget.allowed_deposit_addresses = vec![SHOP.to_lowercase()];
        })
    };
    let refused = ["origin is no domain that this widget allows"];
    for by in [OpenedBy::Server, OpenedBy::Widget] {
        for origin in ["https://shop.example.com", "https://shop.example.com:8443", "http://SHOP.example.com"] {
            assert_eq!(domains(by, Some(origin)), [""; 0], "{by:?} {origin}");
        }
        for origin in [
            "https://evil.example",
            "https://evil.shop.example.com",
            "https://shop.example.com.evil.example",
            "null",
            "",
            "shop.example.com",
            "file://shop.example.com",
            "https://shop.example.com@evil.example",
        ] {
            assert_eq!(domains(by, Some(origin)), refused, "{by:?} {origin}");
        }
    }
    assert_eq!(domains(OpenedBy::Widget, None), refused);
    assert_eq!(domains(OpenedBy::Server, None), [""; 0]);
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let wrong = |network: &str| {
        changed(|opening, widget| {
            opening.network = network.to_owned();
            (opening.amount, opening.currency) = ("-1".to_owned(), "usd".to_owned());
            (opening.currency_address, opening.deposit_address) = ("0x1".to_owned(), String::new());
            (opening.customer_email, opening.customer_reference) = (Some("x".to_owned()), Some(String::new()));
            opening.metadata = json!({ "a": "\u{0}" }).as_object().cloned();
            widget.allowed_domains = vec!["other.example".to_owned()];
            widget.disabled_at = Some(crate::domain::Time::default());
        })
    };
    let fields =
        |found: Vec<String>| found.iter().map(|fault| fault.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>();
    let all = [
        "network",
        "currencyAddress",
        "currency",
        "amount",
        "depositAddress",
        "customerEmail",
        "customerReference",
        "metadata",
        "origin",
        "",
    ];
    assert_eq!(fields(wrong("nowhere")), all);
    assert_eq!(fields(wrong("anvil")), all[1..]);
}
