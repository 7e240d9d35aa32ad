//! Payments by link: made once, opened in time, chosen once, given up. Times are moved in the rows: the database's clock
//! is the only one that counts.

use deposit_watcher::deposits::{Metadatum, NewWidget, PaymentRequest, Refusal, Widget};
use deposit_watcher::domain::Secret;
use deposit_watcher::keys::Keyring;
use futures_util::future::join_all;
use sqlx::Executor;

use crate::rig::{OTHER, Rig, SHOP, session, texts};

const ID: &str = "3f0c6a52-7d1e-4c7b-9a53-0d2f6b8e1a44";

fn keyring() -> Keyring {
    Keyring::new(&Secret::new([7; 32]), None)
}

fn request() -> PaymentRequest {
    PaymentRequest {
        deposit_id: ID.to_owned(),
        return_url: "https://shop.example.com/back".to_owned(),
        amount: Some("5".to_owned()),
        ..PaymentRequest::default()
    }
}

fn but(change: impl FnOnce(&mut PaymentRequest)) -> PaymentRequest {
    let mut request = request();
    change(&mut request);
    request
}

fn field(name: &str, value: &str, pii: bool) -> Metadatum {
    Metadatum { name: name.to_owned(), value: Secret::new(value.to_owned()), pii }
}

/// A widget that takes USD at the shop.
async fn usd(rig: &Rig) -> Widget {
    rig.widget_of("default", |new| only_usd(new)).await
}

fn only_usd(new: &mut NewWidget) {
    new.allowed_currencies = texts(&["USD"]);
    new.default_deposit_address = Some(SHOP.to_owned());
}

/// A widget that takes whatever is watched.
async fn any(rig: &Rig) -> Widget {
    rig.widget_of("default", |new| new.allowed_deposit_addresses = texts(&[SHOP])).await
}

async fn make(rig: &Rig, widget: &Widget, request: &PaymentRequest) -> Result<String, Refusal> {
    Ok(rig.office.create_payment(&keyring(), widget, request).await?.expose().clone())
}

impl Rig {
    async fn run(&self, sql: &'static str) {
        self.pool.execute(sql).await.unwrap();
    }
}

const DOLLAR: &str = "anvil:0x00000000000000000000000000000000000000ee";

#[tokio::test]
async fn one_choice_and_an_amount_open_the_session_at_once() {
    let rig = Rig::new().await;
    let widget = usd(&rig).await;
    let asked = but(|request| {
        request.metadata = vec![field("order", "17", false), field("name", "Ada Canary", true)];
        request.msisdn = Some(Secret::new("33612345678".to_owned()));
    });
    let token = make(&rig, &widget, &asked).await.unwrap();
    assert_eq!(token.len(), 22);
    let visit = rig.office.visit(&token).await.unwrap();
    let view = visit.session.unwrap();
    assert_eq!((view.amount.as_str(), view.currency.as_str(), view.deposit_address.as_str()), ("5", "USD", SHOP));
    assert_eq!(view.customer_reference.as_deref(), Some(ID));
    assert_eq!(view.metadata, Some(serde_json::json!({ "order": "17" })));
    assert_eq!(view.opened_by, "server");
    assert_eq!(view.expires_at, deposit_watcher::deposits::time(visit.payment.expires_at));
    assert_eq!(visit.payment.metadata, [("order".to_owned(), "17".to_owned())]);
    assert_eq!((visit.payment.expires_at - visit.payment.created_at).num_seconds(), 900);
    assert_eq!((visit.payment.opens_until - visit.payment.created_at).num_seconds(), 300);
    assert!(visit.choices.is_empty() && visit.payment.opened_at.is_some());
    let coin = rig.office.coin(&rig.office.read(&session(&view.id)).await.unwrap()).unwrap();
    assert_eq!((coin.key().as_str(), coin.chain_id, coin.decimals), (DOLLAR, 31337, 6));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_equal_requests_are_one_payment() {
    let rig = Rig::new().await;
    let widget = usd(&rig).await;
    let asked = request();
    let made = join_all((0..20).map(|_| make(&rig, &widget, &asked))).await;
    let links: std::collections::BTreeSet<String> = made.into_iter().map(Result::unwrap).collect();
    assert_eq!(links.len(), 1);
    assert_eq!(rig.count("SELECT count(*) FROM payments").await, 1);
    assert_eq!(rig.count("SELECT count(*) FROM deposit_sessions").await, 1);
    assert_eq!(rig.count("SELECT count(*) FROM amount_claims").await, 1);
    assert_eq!(rig.books().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tabs_that_choose_at_once_open_one_session() {
    let rig = Rig::new().await;
    let widget = any(&rig).await;
    let token = make(&rig, &widget, &request()).await.unwrap();
    let visit = rig.office.glance(&token).await.unwrap();
    assert!(visit.session.is_none() && visit.payment.opened_at.is_none());
    let keys: Vec<String> = visit.choices.iter().map(deposit_watcher::deposits::Choice::key).collect();
    assert_eq!(keys, [DOLLAR, "fine:0x00000000000000000000000000000000000000ef"]);
    let chosen = join_all((0..20).map(|at| rig.office.choose(&token, &keys[at % 2], None))).await;
    assert!(chosen.iter().all(Result::is_ok), "{chosen:?}");
    assert_eq!(rig.count("SELECT count(*) FROM deposit_sessions").await, 1);
    assert_eq!(rig.count("SELECT count(*) FROM amount_claims").await, 1);
    let visit = rig.office.visit(&token).await.unwrap();
    assert!(visit.choices.is_empty());
    let same = "SELECT count(*) FROM payments p JOIN deposit_sessions s ON s.id = p.session_id WHERE s.expires_at = p.expires_at";
    assert_eq!(rig.count(same).await, 1);
}

#[tokio::test]
async fn a_link_that_nobody_opened_in_time_is_dead_and_one_that_was_opened_is_not() {
    let rig = Rig::new().await;
    let widget = any(&rig).await;
    let token = make(&rig, &widget, &request()).await.unwrap();
    assert!(matches!(rig.office.visit("AAAAAAAAAAAAAAAAAAAAAA").await, Err(Refusal::NotFound)));
    rig.office.glance(&token).await.unwrap();
    rig.run(
        "UPDATE payments SET created_at = created_at - interval '301 s', opens_until = opens_until - interval '301 s'",
    )
    .await;
    for gone in [rig.office.visit(&token).await.err(), rig.office.glance(&token).await.err()] {
        assert!(matches!(gone, Some(Refusal::Gone)), "{gone:?}");
    }
    assert!(matches!(rig.office.choose(&token, DOLLAR, None).await, Err(Refusal::Gone)));
    assert!(matches!(rig.office.cancel_payment(&token).await, Err(Refusal::Gone)));
    assert_eq!(rig.count("SELECT count(*) FROM payments WHERE opened_at IS NOT NULL").await, 0);
    let second = but(|request| request.deposit_id = ID.replace("3f", "40"));
    let token = make(&rig, &widget, &second).await.unwrap();
    rig.office.visit(&token).await.unwrap();
    rig.run("UPDATE payments SET opens_until = opens_until - interval '301 s'").await;
    rig.office.visit(&token).await.unwrap();
    rig.office.choose(&token, DOLLAR, None).await.unwrap();
    assert!(rig.office.visit(&token).await.unwrap().session.is_some());
}

#[tokio::test]
async fn what_is_given_up_is_over() {
    let rig = Rig::new().await;
    let widget = any(&rig).await;
    let token = make(&rig, &widget, &request()).await.unwrap();
    rig.office.choose(&token, DOLLAR, None).await.unwrap();
    rig.office.cancel_payment(&token).await.unwrap();
    rig.office.cancel_payment(&token).await.unwrap();
    let visit = rig.office.visit(&token).await.unwrap();
    assert!(visit.payment.cancelled_at.is_some());
    assert_eq!(visit.session.unwrap().payment_status, "EXPIRED");
}

#[tokio::test]
async fn another_business_s_address_is_not_used() {
    let rig = Rig::new().await;
    let theirs = rig.widget_of("other", |new| new.allowed_deposit_addresses = texts(&[OTHER])).await;
    let token = make(&rig, &theirs, &request()).await.unwrap();
    rig.office.choose(&token, DOLLAR, None).await.unwrap();
    let ours = rig
        .widget_of("default", |new| {
            only_usd(new);
            new.default_deposit_address = Some(OTHER.to_owned());
        })
        .await;
    assert!(matches!(make(&rig, &ours, &request()).await, Err(Refusal::NotBound(_))));
    assert_eq!(rig.count("SELECT count(*) FROM payments").await, 1);
}
