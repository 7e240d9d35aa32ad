//! Widgets as they are made, their secrets, and the keys of businesses.

use std::time::Duration;

use deposit_watcher::deposits::{NewWidget, Refusal, Signer};
use deposit_watcher::domain::{ApiKeyId, BusinessId, Secret};
use deposit_watcher::keys::Keyring;
use deposit_watcher::store::{KeyMaterial, Named, SigningKey};
use serde_json::json;

use crate::rig::{FINE, OTHER, Rig, SHOP, USD, checkout, faults, session, texts, widget_id};

fn shop() -> BusinessId {
    BusinessId("default".to_owned())
}

#[tokio::test]
async fn every_field_of_a_widget_is_held_against_the_others() {
    let rig = Rig::new().await;
    type Change = fn(&mut NewWidget);
    let broken: &[(&str, Change)] = &[
        ("name", |n| n.name = String::new()),
        ("name", |n| n.name = "x".repeat(129)),
        ("name", |n| n.name = "a\0".into()),
        ("mode", |n| n.mode = "ANY".into()),
        ("minAmount", |n| n.min_amount = Some("0".into())),
        ("minAmount", |n| n.min_amount = Some("Infinity".into())),
        ("maxAmount", |n| n.max_amount = Some("x".into())),
        ("maxAmount", |n| (n.min_amount, n.max_amount) = (Some("2".into()), Some("1".into()))),
        ("minAmount", |n| n.mode = "FIXED_AMOUNT".into()),
        ("minAmount", |n| {
            (n.mode, n.min_amount, n.max_amount) = ("FIXED_AMOUNT".into(), Some("1".into()), Some("2".into()))
        }),
        ("allowedNetworks.1", |n| n.allowed_networks = texts(&["anvil", "closed"])),
        ("allowedNetworks", |n| n.allowed_networks = vec!["anvil".into(); 101]),
        ("allowedCurrencies.0", |n| n.allowed_currencies = texts(&["usd"])),
        ("allowedDepositAddresses.0", |n| n.allowed_deposit_addresses = texts(&[USD])),
        ("allowedDepositAddresses.1", |n| n.allowed_deposit_addresses = vec![SHOP.into(), SHOP.replace('C', "c")]),
        ("allowedDomains.0", |n| n.allowed_domains = texts(&["https://shop.example"])),
        ("successUrl", |n| n.success_url = Some("javascript:alert(1)".into())),
        ("cancelUrl", |n| n.cancel_url = Some("/relative".into())),
        ("defaultNetwork", |n| n.default_network = Some("closed".into())),
        ("defaultNetwork", |n| (n.allowed_networks, n.default_network) = (texts(&["anvil"]), Some("fine".into()))),
        ("defaultCurrency", |n| (n.allowed_currencies, n.default_currency) = (texts(&["USD"]), Some("FINE".into()))),
        ("defaultCurrency", |n| n.default_currency = Some("NOPE".into())),
        ("defaultCurrencyAddress", |n| n.default_currency_address = Some(USD.into())),
        ("defaultCurrencyAddress", |n| {
            (n.default_network, n.default_currency) = (Some("anvil".into()), Some("USD".into()));
            n.default_currency_address = Some(FINE.into());
        }),
        ("defaultDepositAddress", |n| {
            (n.allowed_deposit_addresses, n.default_deposit_address) = (texts(&[SHOP]), Some(OTHER.into()));
        }),
        ("metadataSchema", |n| n.metadata_schema = Some(json!({ "type": "no such" }))),
        ("metadataSchema", |n| n.metadata_schema = Some(json!({ "$ref": "http://127.0.0.1:1/x" }))),
    ];
    for (at, (field, change)) in broken.iter().enumerate() {
        let mut new = checkout();
        change(&mut new);
        let found = faults(rig.office.create_widget(&shop(), &new).await.expect_err(&format!("line {at} {new:?}")));
        let fields: Vec<&str> = found.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, [*field], "line {at}");
    }
    assert_eq!(rig.count("SELECT count(*) FROM widgets").await, 0);
}

#[tokio::test]
async fn a_widget_is_kept_as_it_was_asked_for() {
    let rig = Rig::new().await;
    let new = NewWidget {
        min_amount: Some("1.50".into()),
        max_amount: Some("99".into()),
        allowed_networks: texts(&["fine", "anvil", "anvil"]),
        allowed_currencies: texts(&["USD"]),
        allowed_deposit_addresses: texts(&[SHOP, OTHER]),
        allowed_domains: texts(&["Shop.Example"]),
        success_url: Some("https://shop.example/thanks".into()),
        cancel_url: Some("https://shop.example/back".into()),
        default_currency: Some("USD".into()),
        default_currency_address: Some(USD.into()),
        default_network: Some("anvil".into()),
        default_deposit_address: Some(SHOP.into()),
        metadata_schema: Some(json!({ "type": "object" })),
        ..checkout()
    };
    let (widget, secret) = rig.office.create_widget(&shop(), &new).await.unwrap();
    assert_eq!(rig.office.widget(&widget.id).await.unwrap(), widget);
    assert_eq!((widget.min_amount.as_deref(), widget.max_amount.as_deref()), (Some("1.5"), Some("99")));
    assert_eq!(widget.allowed_networks, ["anvil", "fine"]);
    assert!(widget.allowed_deposit_addresses.contains(&SHOP.to_lowercase()));
    assert_eq!((widget.allowed_domains, widget.metadata_schema), (texts(&["shop.example"]), new.metadata_schema));
    assert!(widget.id.0.len() == 36 && secret.expose().starts_with("ws_") && secret.expose().len() == 46);
}

#[tokio::test]
async fn disabled_widgets_make_room_and_those_that_come_back_find_it_taken() {
    let rig = Rig::new().await;
    let first = rig.widget().await;
    for _ in 1..10 {
        rig.widget().await;
    }
    let eleventh = rig.office.create_widget(&shop(), &checkout()).await;
    assert!(matches!(eleventh, Err(Refusal::TooManyWidgets(10))), "{eleventh:?}");
    rig.widget_of("other", |_| {}).await;
    rig.office.set_widget_disabled(&first.id, true).await.unwrap();
    rig.widget().await;
    let back = rig.office.set_widget_disabled(&first.id, false).await;
    assert!(matches!(back, Err(Refusal::TooManyWidgets(10))), "{back:?}");
    let active = "SELECT count(*) FROM widgets WHERE business_id = 'default' AND disabled_at IS NULL";
    assert_eq!(rig.count(active).await, 10);
}

#[tokio::test]
async fn a_rotated_secret_is_good_for_the_overlap_and_no_longer() {
    let rig = Rig::with("[webhooks]\nsecret_overlap = \"2s\"").await;
    let (widget, first) = rig.office.create_widget(&shop(), &checkout()).await.unwrap();
    let other = rig.widget().await;
    let second = rig.office.rotate_widget(&widget.id).await.unwrap();
    let knows = async |secret: &str| rig.office.knows_widget_secret(&widget.id, secret).await.unwrap();
    assert!(knows(first.expose()).await && knows(second.expose()).await);
    assert!(!knows("").await && !knows("ws_").await && !knows(&first.expose()[..45]).await);
    assert!(!rig.office.knows_widget_secret(&other.id, first.expose()).await.unwrap());
    assert!(!rig.office.knows_widget_secret(&widget_id("wid_none"), first.expose()).await.unwrap());
    // A second rotation does not prolong the first secret's life.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let third = rig.office.rotate_widget(&widget.id).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert!(!knows(first.expose()).await && knows(second.expose()).await && knows(third.expose()).await);
    assert!(matches!(rig.office.rotate_widget(&widget_id("wid_none")).await, Err(Refusal::NotFound)));
}

/// What verifies tokens of this key now.
async fn key_of(rig: &Rig, id: &ApiKeyId) -> Option<SigningKey> {
    rig.store.look_up(Named { key: Some(id.clone()), ..Named::default() }).await.unwrap().key
}

#[tokio::test]
async fn keys_are_made_replaced_and_ended() {
    let rig = Rig::with("[webhooks]\nsecret_overlap = \"1s\"").await;
    let keyring = Keyring::new(&Secret::new([7; 32]), None);
    let (key, secret) = rig.office.create_api_key(&shop(), "server", Signer::Secret(&keyring)).await.unwrap();
    let secret = secret.unwrap();
    assert!(secret.expose().starts_with("sk_") && key.algorithm == "HS256" && key.id.0.len() == 36);
    let good = async |id: &ApiKeyId| key_of(&rig, id).await;
    let Some((business, KeyMaterial::Sealed(sealed))) = good(&key.id).await else { panic!("no key") };
    assert_eq!(
        (business, keyring.open(&key.id.0, &sealed).unwrap().expose().as_slice()),
        (shop(), secret.expose().as_bytes())
    );
    let (next, new_secret) = rig.office.rotate_api_key(&key.id, Signer::Secret(&keyring)).await.unwrap();
    assert_eq!((next.name.as_str(), &next.business_id), ("server", &shop()));
    assert_ne!(new_secret.unwrap().expose(), secret.expose());
    assert!(good(&key.id).await.is_some() && good(&next.id).await.is_some());
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert!(good(&key.id).await.is_none() && good(&next.id).await.is_some());
    let late = faults(rig.office.rotate_api_key(&key.id, Signer::Secret(&keyring)).await.unwrap_err());
    assert!(late[0].message.contains("disabled or expired"));
    let wrong = faults(rig.office.rotate_api_key(&next.id, Signer::Public([1; 32])).await.unwrap_err());
    assert_eq!(wrong[0].field, "publicKey");
    rig.office.disable_api_key(&next.id).await.unwrap();
    assert!(good(&next.id).await.is_none());
    let (public, none) = rig.office.create_api_key(&shop(), "eddsa", Signer::Public([9; 32])).await.unwrap();
    assert!(none.is_none() && good(&public.id).await == Some((shop(), KeyMaterial::Public(vec![9; 32]))));
    rig.office.set_business_disabled(&shop(), true).await.unwrap();
    assert!(good(&public.id).await.is_none());
    let nobody = rig.office.create_api_key(&BusinessId("x".into()), "n", Signer::Public([9; 32])).await;
    assert!(matches!(nobody, Err(Refusal::NotFound)));
}

/// Everything in every table as text: no secret is among it, whole or in part.
#[tokio::test]
#[allow(clippy::disallowed_types, reason = "names of tables are the schema's")]
async fn no_secret_can_be_read_in_the_database() {
    let rig = Rig::new().await;
    let keyring = Keyring::new(&Secret::new([7; 32]), None);
    let (widget, first) = rig.office.create_widget(&shop(), &checkout()).await.unwrap();
    let second = rig.office.rotate_widget(&widget.id).await.unwrap();
    let (key, third) = rig.office.create_api_key(&shop(), "server", Signer::Secret(&keyring)).await.unwrap();
    let asked = crate::rig::key("default", "k", "x", 1);
    let opened = rig.office.open(&widget, &crate::rig::opening(), Some(&asked)).await.unwrap();
    let fourth = keyring.session_secret(&session(&opened.id));
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'",
    )
    .fetch_all(&rig.pool)
    .await
    .unwrap();
    assert!(tables.len() > 15);
    let mut dump = String::new();
    for table in tables {
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT t::text FROM {table} t")))
            .fetch_all(&rig.pool)
            .await
            .unwrap();
        dump += &rows.join("\n");
    }
    assert!(dump.contains(&widget.id.0) && dump.contains(&key.id.0) && dump.contains(&opened.id));
    for secret in [first, second, third.unwrap(), fourth] {
        let text = secret.expose();
        let bare = text.split_once('_').unwrap().1;
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        for form in [bare, &bare[..16], &hex[6..40]] {
            assert!(!dump.contains(form), "{} is readable", &text[..3]);
        }
    }
}

#[tokio::test]
async fn names_that_no_database_holds_are_not_found() {
    let rig = Rig::new().await;
    for id in ["", "x", "a\0b", "'; DROP TABLE widgets; --", "\u{202e}", &"x".repeat(100_000)] {
        assert!(matches!(rig.office.read(&session(id)).await, Err(Refusal::NotFound)), "{id:?}");
        assert!(matches!(rig.office.cancel(&session(id)).await, Err(Refusal::NotFound)), "{id:?}");
        assert!(matches!(rig.office.widget(&widget_id(id)).await, Err(Refusal::NotFound)), "{id:?}");
        assert!(!rig.office.knows_widget_secret(&widget_id(id), "ws_x").await.unwrap(), "{id:?}");
        assert!(rig.office.list(&widget_id(id), &Default::default()).await.unwrap().items.is_empty(), "{id:?}");
        assert!(key_of(&rig, &ApiKeyId(id.to_owned())).await.is_none(), "{id:?}");
    }
}
