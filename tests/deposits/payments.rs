//! Payments by link: made once, opened in time, chosen once, given up. Times are moved in the rows: the database's clock
//! is the only one that counts.

use deposit_watcher::deposits::{Metadatum, NewWidget, PaymentRequest, Refusal, Widget};
use deposit_watcher::domain::{Secret, WidgetId};
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
    rig.widget_of("default", only_usd).await
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

#[tokio::test]
async fn the_same_id_with_another_request_is_refused_and_with_another_business_is_another() {
    let rig = Rig::new().await;
    let widget = usd(&rig).await;
    let token = make(&rig, &widget, &request()).await.unwrap();
    let equal = but(|request| {
        request.deposit_id = ID.to_uppercase();
        request.amount = Some("5.00".to_owned());
    });
    assert_eq!(make(&rig, &widget, &equal).await.unwrap(), token);
    let others: [fn(&mut PaymentRequest); 4] = [
        |request| request.amount = None,
        |request| request.return_url.push('/'),
        |request| request.reason = Some("x".to_owned()),
        |request| request.metadata = vec![field("a", "b", true)],
    ];
    for change in others {
        assert!(matches!(make(&rig, &widget, &but(change)).await, Err(Refusal::DepositIdReused)));
    }
    let theirs = rig.widget_of("other", |new| new.allowed_deposit_addresses = texts(&[OTHER])).await;
    assert_ne!(make(&rig, &theirs, &request()).await.unwrap(), token);
    assert_eq!(rig.count("SELECT count(*) FROM payments").await, 2);
}

#[tokio::test]
async fn an_answer_stays_though_rules_and_sealing_key_change() {
    let rig = Rig::new().await;
    let widget = usd(&rig).await;
    let token = make(&rig, &widget, &request()).await.unwrap();
    let stricter = Widget { min_amount: Some("6".to_owned()), ..widget.clone() };
    assert_eq!(make(&rig, &stricter, &request()).await.unwrap(), token);
    let new = but(|request| request.deposit_id = ID.replace("3f", "40"));
    let refused = crate::rig::faults(make(&rig, &stricter, &new).await.unwrap_err());
    assert_eq!((refused[0].field.as_str(), refused[0].message.as_str()), ("amount", "must be at least 6"));
    let (old, next) = (Secret::new([7; 32]), Secret::new([8; 32]));
    let rotated = Keyring::new(&next, Some(&old));
    assert_eq!(*rig.office.create_payment(&rotated, &widget, &request()).await.unwrap().expose(), token);
    // Neither link nor request is known again without the key.
    let lost = rig.office.create_payment(&Keyring::new(&next, None), &widget, &request()).await;
    assert!(matches!(lost, Err(Refusal::DepositIdReused)));
    rig.office.visit(&token).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_chooses_and_gives_up_at_once_has_given_up() {
    let rig = Rig::new().await;
    let widget = any(&rig).await;
    for round in 0..20 {
        let asked = but(|request| request.deposit_id = format!("{round:08x}{}", &ID[8..]));
        let token = make(&rig, &widget, &asked).await.unwrap();
        let (chosen, given_up) =
            tokio::join!(rig.office.choose(&token, DOLLAR, None), rig.office.cancel_payment(&token));
        given_up.unwrap();
        let visit = rig.office.visit(&token).await.unwrap();
        match (chosen, visit.session) {
            (Ok(()), Some(session)) => assert!(session.closed && session.cancelled_at.is_some(), "{session:?}"),
            (Err(Refusal::Faults(_)), None) => assert!(visit.payment.cancelled_at.is_some()),
            neither => panic!("{round}: {neither:?}"),
        }
    }
    assert_eq!(rig.count("SELECT count(*) FROM deposit_sessions WHERE closed_at IS NULL").await, 0);
    assert_eq!(rig.books().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_widget_with_one_amount_asks_nobody_for_it() {
    let rig = Rig::new().await;
    let fixed = |new: &mut NewWidget| {
        only_usd(new);
        new.mode = "FIXED_AMOUNT".to_owned();
        (new.min_amount, new.max_amount) = (Some("25.5".to_owned()), Some("25.5".to_owned()));
    };
    let widget = rig.widget_of("default", fixed).await;
    let refused = crate::rig::faults(make(&rig, &widget, &request()).await.unwrap_err());
    assert_eq!(refused[0].message, "must be 25.5, the widget's amount");
    let token = make(&rig, &widget, &but(|request| request.amount = None)).await.unwrap();
    let visit = rig.office.visit(&token).await.unwrap();
    assert_eq!(visit.payment.amount.as_deref(), Some("25.5"));
    assert_eq!(visit.session.unwrap().amount, "25.5");
}

#[tokio::test]
async fn who_is_asked_for_an_amount_says_one_within_the_limits() {
    let rig = Rig::new().await;
    let bounded = |new: &mut NewWidget| {
        new.allowed_deposit_addresses = texts(&[SHOP]);
        (new.min_amount, new.max_amount) = (Some("2".to_owned()), Some("9".to_owned()));
    };
    let widget = rig.widget_of("default", bounded).await;
    let token = make(&rig, &widget, &but(|request| request.amount = None)).await.unwrap();
    let visit = rig.office.visit(&token).await.unwrap();
    assert_eq!((visit.payment.least.as_deref(), visit.payment.most.as_deref()), (Some("2"), Some("9")));
    for (choice, amount, fields) in [
        (DOLLAR, None, &["amount"][..]),
        (DOLLAR, Some("1.99"), &["amount"]),
        (DOLLAR, Some("9.01"), &["amount"]),
        (DOLLAR, Some("2.0000001"), &["amount"]),
        // As fine as a business may ask, though the token is finer.
        (DOLLAR, Some("3.255"), &["amount"]),
        (DOLLAR, Some("03"), &["amount"]),
        (DOLLAR, Some("-3"), &["amount"]),
        ("closed:0x00000000000000000000000000000000000000ee", Some("3"), &["choice"]),
        ("anvil:0x00000000000000000000000000000000000000ef", Some("3"), &["choice"]),
        ("", Some("x"), &["choice", "amount"]),
    ] {
        let refused = crate::rig::faults(rig.office.choose(&token, choice, amount).await.unwrap_err());
        let named: Vec<&str> = refused.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(named, fields, "{choice} {amount:?}");
    }
    assert_eq!(rig.count("SELECT count(*) FROM deposit_sessions").await, 0);
    rig.office.choose(&token, DOLLAR, Some("3.25")).await.unwrap();
    assert_eq!(rig.office.visit(&token).await.unwrap().session.unwrap().requested_amount, "3.25");
    // An amount that was given is not the customer's to change.
    let given = but(|request| request.deposit_id = ID.replace("3f", "40"));
    let token = make(&rig, &widget, &given).await.unwrap();
    rig.office.choose(&token, DOLLAR, Some("2")).await.unwrap();
    assert_eq!(rig.office.visit(&token).await.unwrap().session.unwrap().requested_amount, "5");
}

#[tokio::test]
async fn an_amount_is_apart_from_others_or_refused_where_that_is_wanted() {
    for (clash, told) in [("bump", "5.000001"), ("reject", "")] {
        let rig = Rig::with(&format!("[sessions]\namount_clash = \"{clash}\"")).await;
        let widget = usd(&rig).await;
        make(&rig, &widget, &request()).await.unwrap();
        let second = make(&rig, &widget, &but(|request| request.deposit_id = ID.replace("3f", "40"))).await;
        match second {
            Ok(token) => assert_eq!(rig.office.visit(&token).await.unwrap().session.unwrap().amount, told),
            Err(refusal) => assert!(told.is_empty() && matches!(refusal, Refusal::AmountClash), "{refusal:?}"),
        }
        assert_eq!(rig.count("SELECT count(*) FROM payments WHERE session_id IS NULL").await, 0);
    }
}

#[tokio::test]
async fn what_is_over_is_not_chosen_and_what_was_seen_is_not_given_up() {
    let rig = Rig::new().await;
    let widget = any(&rig).await;
    let token = make(&rig, &widget, &request()).await.unwrap();
    rig.office.visit(&token).await.unwrap();
    rig.run("UPDATE payments SET expires_at = clock_timestamp()").await;
    let over = crate::rig::faults(rig.office.choose(&token, DOLLAR, None).await.unwrap_err());
    assert_eq!(over[0].field, "");
    assert!(matches!(rig.office.cancel_payment(&token).await, Err(Refusal::CannotCancel)));
    rig.run("UPDATE payments SET expires_at = clock_timestamp() + interval '1 minute'").await;
    rig.office.choose(&token, DOLLAR, None).await.unwrap();
    rig.run(
        "SET LOCAL deposit_watcher.writer = 'on';
         UPDATE deposit_sessions SET payment_status = 'PENDING', tx_id = '0x01'",
    )
    .await;
    assert!(matches!(rig.office.cancel_payment(&token).await, Err(Refusal::CannotCancel)));
    assert_eq!(rig.count("SELECT count(*) FROM payments WHERE cancelled_at IS NULL").await, 1);
    let second = make(&rig, &widget, &but(|request| request.deposit_id = ID.replace("3f", "40"))).await.unwrap();
    rig.office.cancel_payment(&second).await.unwrap();
    assert!(rig.office.choose(&second, DOLLAR, None).await.is_err());
    assert_eq!(rig.count("SELECT count(*) FROM deposit_sessions").await, 1);
}

#[tokio::test]
async fn of_a_closed_business_nothing_is_shown_and_a_closed_widget_offers_nothing() {
    let rig = Rig::new().await;
    let widget = any(&rig).await;
    let token = make(&rig, &widget, &request()).await.unwrap();
    rig.office.set_widget_disabled(&widget.id, true).await.unwrap();
    assert!(rig.office.visit(&token).await.unwrap().choices.is_empty());
    assert_eq!(crate::rig::faults(rig.office.choose(&token, DOLLAR, None).await.unwrap_err())[0].field, "choice");
    rig.office.set_business_disabled(&widget.business_id, true).await.unwrap();
    for refused in [rig.office.visit(&token).await.err(), rig.office.choose(&token, DOLLAR, None).await.err()] {
        assert!(matches!(refused, Some(Refusal::NotFound)), "{refused:?}");
    }
}

#[tokio::test]
async fn only_what_can_carry_the_amount_is_offered_and_the_only_one_is_chosen() {
    let rig = Rig::new().await;
    let fine = |new: &mut NewWidget| {
        new.allowed_deposit_addresses = texts(&[SHOP]);
        new.mode = "FIXED_AMOUNT".to_owned();
        (new.min_amount, new.max_amount) = (Some("0.00000001".to_owned()), Some("0.00000001".to_owned()));
    };
    let widget = rig.widget_of("default", fine).await;
    let token = make(&rig, &widget, &but(|request| request.amount = None)).await.unwrap();
    let session = rig.office.visit(&token).await.unwrap().session.unwrap();
    assert_eq!((session.currency.as_str(), session.amount.as_str()), ("FINE", "0.00000001"));
}

#[tokio::test]
async fn a_key_is_bound_to_a_widget_of_its_own_business() {
    use deposit_watcher::deposits::Signer;
    let rig = Rig::new().await;
    let (ours, theirs) = (any(&rig).await, rig.widget_of("other", |_| {}).await);
    let (shop, keyring) = (ours.business_id.clone(), keyring());
    let bind = async |widget: &WidgetId| {
        rig.office.create_bound_api_key(&shop, "payments", Some(widget), Signer::Secret(&keyring)).await
    };
    for widget in [theirs.id.clone(), crate::rig::widget_id("wid_none"), crate::rig::widget_id("\0")] {
        assert_eq!(crate::rig::faults(bind(&widget).await.unwrap_err())[0].field, "widget", "{widget}");
    }
    let (key, _) = bind(&ours.id).await.unwrap();
    assert_eq!(key.widget_id.as_ref(), Some(&ours.id));
    assert_eq!(rig.office.bound_widget(&key.id).await.unwrap().id, ours.id);
    let (rotated, _) = rig.office.rotate_api_key(&key.id, Signer::Secret(&keyring)).await.unwrap();
    assert_eq!(rotated.widget_id.as_ref(), Some(&ours.id));
    let (unbound, _) = rig.office.create_api_key(&shop, "plain", Signer::Secret(&keyring)).await.unwrap();
    assert!(matches!(rig.office.bound_widget(&unbound.id).await, Err(Refusal::NotBound(_))));
    // Of a widget that is disabled nothing new is made; what was made is answered as it was.
    let link = make(&rig, &ours, &request()).await.unwrap();
    rig.office.set_widget_disabled(&ours.id, true).await.unwrap();
    let shut = rig.office.bound_widget(&key.id).await.unwrap();
    assert_eq!(make(&rig, &shut, &request()).await.unwrap(), link);
    let other = but(|request| request.reason = Some("other".to_owned()));
    assert!(matches!(make(&rig, &shut, &other).await, Err(Refusal::DepositIdReused)));
    let new = but(|request| request.deposit_id = ID.replace("3f0c", "4f0c"));
    assert!(matches!(make(&rig, &shut, &new).await, Err(Refusal::NotBound(_))));
    // The database holds it too, whatever program writes.
    let stray = sqlx::query("UPDATE api_keys SET widget_id = $1").bind(&theirs.id.0).execute(&rig.pool).await;
    assert!(stray.unwrap_err().to_string().contains("api_keys_widget"));
}
