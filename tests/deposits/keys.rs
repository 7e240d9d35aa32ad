//! Idempotency keys: the same request opens one session, however often it comes.

use deposit_watcher::deposits::{Refusal, RequestKey};
use futures_util::future::join_all;

use crate::rig::{Rig, but, key, opening};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_at_once_open_one_session() {
    let rig = Rig::new().await;
    let widget = rig.widget().await;
    let asked = key("default", "k", "order 7", 1);
    let one = || {
        let (office, widget, asked) = (rig.office.clone(), widget.clone(), asked.clone());
        async move { tokio::spawn(async move { office.open(&widget, &opening(), Some(&asked)).await }).await.unwrap() }
    };
    let answers = join_all((0..50).map(|_| one())).await;
    let first = rig.office.open(&widget, &opening(), Some(&asked)).await.unwrap();
    assert!(answers.iter().any(Result::is_ok));
    for answer in answers {
        match answer {
            Ok(opened) => assert_eq!(opened, first),
            Err(why) => assert!(matches!(why, Refusal::KeyBusy), "{why:?}"),
        }
    }
    assert_eq!(rig.count("SELECT count(*) FROM deposit_sessions").await, 1);
    assert_eq!(rig.count("SELECT count(*) FROM amount_claims").await, 1);
}

#[tokio::test]
async fn a_key_is_one_request_of_one_credential_of_one_business_on_one_route() {
    let rig = Rig::new().await;
    let widget = rig.widget().await;
    let first = rig.office.open(&widget, &opening(), Some(&key("default", "k", "x", 1))).await.unwrap();
    let other_body =
        rig.office.open(&widget, &but(|o| o.amount = "6".into()), Some(&key("default", "k", "x", 2))).await;
    assert!(matches!(other_body, Err(Refusal::KeyReused)), "{other_body:?}");
    let others = [
        key("default", "other", "x", 1),
        key("other", "k", "x", 1),
        key("default", "k", "X", 1),
        RequestKey { route: "elsewhere", ..key("default", "k", "x", 1) },
    ];
    let mut seen = vec![first.id.clone()];
    for other in others {
        let opened = rig.office.open(&widget, &opening(), Some(&other)).await.unwrap();
        assert!(!seen.contains(&opened.id), "{other:?}");
        seen.push(opened.id);
    }
    assert_eq!(rig.office.open(&widget, &opening(), Some(&key("default", "k", "x", 1))).await.unwrap(), first);
}

/// A client that lost the answer asks again: the rules may have changed since, the answer has not.
#[tokio::test]
async fn the_answer_is_the_same_though_the_widget_was_closed_since() {
    let rig = Rig::new().await;
    let widget = rig.widget().await;
    let asked = key("default", "k", "x", 1);
    let first = rig.office.open(&widget, &opening(), Some(&asked)).await.unwrap();
    let closed = rig.office.set_widget_disabled(&widget.id, true).await.unwrap();
    assert_eq!(rig.office.open(&closed, &opening(), Some(&asked)).await.unwrap(), first);
    let new = rig.office.open(&closed, &opening(), Some(&key("default", "k", "y", 1))).await;
    assert!(matches!(new, Err(Refusal::Faults(_))), "{new:?}");
}

#[tokio::test]
async fn after_a_day_a_key_is_new() {
    let rig = Rig::new().await;
    let widget = rig.widget().await;
    let asked = key("default", "k", "x", 1);
    let first = rig.office.open(&widget, &opening(), Some(&asked)).await.unwrap();
    let age = |hours: &'static str| {
        sqlx::query("UPDATE idempotency_keys SET created_at = now() - $1::text::interval").bind(hours)
    };
    age("23 hours 59 minutes").execute(&rig.pool).await.unwrap();
    assert_eq!(rig.office.open(&widget, &opening(), Some(&asked)).await.unwrap(), first);
    age("24 hours 1 minute").execute(&rig.pool).await.unwrap();
    let other_body = key("default", "k", "x", 2);
    let second = rig.office.open(&widget, &opening(), Some(&other_body)).await.unwrap();
    assert_ne!(second.id, first.id);
    assert_eq!(rig.office.open(&widget, &opening(), Some(&other_body)).await.unwrap(), second);
    assert!(matches!(rig.office.open(&widget, &opening(), Some(&asked)).await, Err(Refusal::KeyReused)));
}

/// What was refused is not kept: the same key may be used once it is right.
#[tokio::test]
async fn a_refusal_keeps_no_key() {
    let rig = Rig::with("[sessions]\namount_clash = \"reject\"").await;
    let widget = rig.widget().await;
    rig.office.open(&widget, &opening(), None).await.unwrap();
    let asked = key("default", "k", "x", 1);
    assert!(matches!(rig.office.open(&widget, &opening(), Some(&asked)).await, Err(Refusal::AmountClash)));
    assert_eq!(rig.count("SELECT count(*) FROM idempotency_keys").await, 0);
    let other = key("default", "k", "x", 2);
    rig.office.open(&widget, &but(|o| o.amount = "6".into()), Some(&other)).await.unwrap();
}

#[tokio::test]
async fn old_keys_are_forgotten_and_young_ones_kept() {
    let rig = Rig::new().await;
    let widget = rig.widget().await;
    for (name, hours) in [("old", 25), ("young", 23)] {
        rig.office.open(&widget, &opening(), Some(&key("default", "k", name, 1))).await.unwrap();
        let age = "UPDATE idempotency_keys SET created_at = now() - make_interval(hours => $1) WHERE key = $2";
        sqlx::query(age).bind(hours).bind(name).execute(&rig.pool).await.unwrap();
    }
    assert_eq!(rig.store.purge_requests(100).await.unwrap(), 1);
    assert_eq!(rig.count("SELECT count(*) FROM idempotency_keys WHERE key = 'young'").await, 1);
}
