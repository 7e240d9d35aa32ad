//! A widget that is right, and each rule broken alone and all together. Not for how many there may be.

use serde_json::json;

use super::super::ground::{SHOP, TOKEN, settings};
use super::*;

fn whole() -> NewWidget {
    let some = |text: &str| Some(text.to_owned());
    NewWidget {
        name: "shop".to_owned(),
        mode: "CUSTOMER_AMOUNT".to_owned(),
        min_amount: some("1"),
        max_amount: some("100.50"),
        allowed_networks: vec!["anvil".to_owned()],
        allowed_currencies: vec!["USDC".to_owned()],
        allowed_deposit_addresses: vec![SHOP.to_owned(), SHOP.to_lowercase()],
        allowed_domains: vec!["Shop.example.com".to_owned(), "büro.example".to_owned()],
        success_url: some("https://shop.example.com/thanks"),
        cancel_url: some("http://shop.example.com/"),
        default_currency: some("USDC"),
        default_currency_address: some(TOKEN),
        default_network: some("anvil"),
        default_deposit_address: some(SHOP),
        metadata_schema: Some(json!({ "type": "object" })),
    }
}

fn checked(new: &NewWidget) -> Result<Widget, Vec<String>> {
    let read = examine(&settings(), &BusinessId("default".to_owned()), new);
    read.map_err(|faults| faults.into_iter().map(|fault| format!("{} {}", fault.field, fault.message)).collect())
}

#[test]
fn what_is_right_is_kept_in_one_form() {
    let widget = checked(&whole()).unwrap();
    assert_eq!(widget.allowed_deposit_addresses, [SHOP.to_lowercase()]);
    assert_eq!(widget.allowed_domains, ["shop.example.com", "xn--bro-hoa.example"]);
    assert!(widget.id.0.starts_with("wid_") && widget.id.0.len() == 36);
    assert!(
        checked(&NewWidget { name: "x".to_owned(), mode: "CUSTOMER_AMOUNT".to_owned(), ..NewWidget::default() })
            .is_ok()
    );
    let fixed = NewWidget {
        mode: "FIXED_AMOUNT".to_owned(),
        min_amount: Some("5.0".to_owned()),
        max_amount: Some("5".to_owned()),
        ..whole()
    };
    assert!(checked(&fixed).is_ok());
}

type Change = fn(&mut NewWidget);

#[test]
fn each_rule_is_kept_alone() {
    let rules: [(&str, Change); 32] = [
        ("name", |new| new.name.clear()),
        ("name", |new| new.name = "x".repeat(129)),
        ("name", |new| new.name = "a\0".to_owned()),
        ("mode", |new| new.mode = "fixed_amount".to_owned()),
        ("minAmount", |new| new.mode = "FIXED_AMOUNT".to_owned()),
        ("minAmount", |new| (new.mode, new.min_amount, new.max_amount) = ("FIXED_AMOUNT".to_owned(), None, None)),
        ("minAmount", |new| new.min_amount = Some("0".to_owned())),
        ("minAmount", |new| new.min_amount = Some("-1".to_owned())),
        ("maxAmount", |new| new.max_amount = Some("1e9".to_owned())),
        ("maxAmount", |new| new.max_amount = Some("9".repeat(33))),
        ("maxAmount", |new| new.max_amount = Some("0.5".to_owned())),
        ("allowedNetworks.0", |new| {
            (new.allowed_networks, new.default_network, new.default_currency_address) =
                (vec!["dark".to_owned()], None, None)
        }),
        ("allowedNetworks.1", |new| new.allowed_networks.push("x\0".to_owned())),
        ("allowedNetworks", |new| {
            (new.allowed_networks, new.default_network, new.default_currency_address) =
                (vec!["anvil".to_owned(); 101], None, None)
        }),
        ("allowedCurrencies.1", |new| new.allowed_currencies.push("USDT".to_owned())),
        ("allowedDepositAddresses.2", |new| new.allowed_deposit_addresses.push(TOKEN.to_owned())),
        ("allowedDepositAddresses.2", |new| new.allowed_deposit_addresses.push(SHOP.replace("C8", "c8"))),
        ("allowedDomains.2", |new| new.allowed_domains.push("https://shop.example.com".to_owned())),
        ("allowedDomains.2", |new| new.allowed_domains.push("*.example.com".to_owned())),
        ("successUrl", |new| new.success_url = Some("javascript:alert(1)".to_owned())),
        ("successUrl", |new| new.success_url = Some(format!("https://x/{}", "y".repeat(2_048)))),
        ("cancelUrl", |new| new.cancel_url = Some("https://user:secret@x/".to_owned())),
        ("cancelUrl", |new| new.cancel_url = Some("https://x/\r\nX-Evil: 1".to_owned())),
        ("metadataSchema", |new| new.metadata_schema = Some(json!({ "type": 7 }))),
        ("defaultNetwork", |new| (new.default_network, new.default_currency_address) = (Some("dark".to_owned()), None)),
        ("defaultCurrency", |new| {
            (new.default_currency, new.default_currency_address) = (Some("USDT".to_owned()), None)
        }),
        ("defaultCurrency", |new| {
            (new.default_currency, new.default_currency_address) = (Some("\0".to_owned()), None);
            new.allowed_currencies.clear();
        }),
        ("defaultCurrencyAddress", |new| new.default_currency_address = Some(SHOP.to_owned())),
        ("defaultCurrencyAddress", |new| new.default_currency = None),
        ("defaultCurrencyAddress", |new| new.default_network = None),
        ("defaultDepositAddress", |new| new.default_deposit_address = Some(format!("0x{}", "12".repeat(20)))),
        ("defaultDepositAddress", |new| new.default_deposit_address = Some("here".to_owned())),
    ];
    for (at, (field, change)) in rules.into_iter().enumerate() {
        let mut new = whole();
        change(&mut new);
        let found = checked(&new).err().unwrap_or_default();
        assert!(found.len() == 1 && found[0].starts_with(&format!("{field} ")), "{at} {field}: {found:?}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let wrong = Some("\0".to_owned());
    let new = NewWidget {
        name: String::new(),
        mode: String::new(),
        min_amount: wrong.clone(),
        max_amount: wrong.clone(),
        allowed_networks: vec![String::new()],
        allowed_currencies: vec![String::new()],
        allowed_deposit_addresses: vec![String::new()],
        allowed_domains: vec![String::new()],
        success_url: wrong.clone(),
        cancel_url: wrong.clone(),
        default_currency: wrong.clone(),
        default_currency_address: wrong.clone(),
        default_network: wrong.clone(),
        default_deposit_address: wrong,
        metadata_schema: Some(json!([])),
    };
    assert_eq!(checked(&new).unwrap_err().len(), 15);
}
