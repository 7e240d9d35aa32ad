//! Sessions as they are read: what was given, what came, how sure it is. Not lists.

use deposit_watcher::deposits::{Refusal, View};
use serde_json::json;

use crate::rig::{FINE, OTHER, Rig, but, metadata, opening, session};

#[tokio::test]
async fn a_session_is_read_as_it_was_given() {
    let rig = Rig::new().await;
    let widget = rig.widget().await;
    let asked = but(|o| {
        o.customer_email = Some("ann@example.com".into());
        o.customer_reference = Some("order 7".into());
        o.metadata = metadata(json!({ "order": 7 }));
    });
    let opened = rig.office.open(&widget, &asked, None).await.unwrap();
    let view = rig.office.read(&session(&opened.id)).await.unwrap();
    assert_eq!((&view.business, view.widget.as_ref()), (&widget.business_id, Some(&widget.id)));
    assert_eq!(
        (view.customer_email.as_deref(), view.metadata.clone()),
        (Some("ann@example.com"), Some(json!({ "order": 7 })))
    );
    assert_eq!((view.missing_amount.as_str(), view.received_amount.as_str()), ("5", "0"));
    assert_eq!((view.confirmations, view.required_confirmations, &view.tx_id), (None, Some(3), &None));
    // Whoever holds the session's secret is not told what the business wrote down for itself.
    let shown = serde_json::to_string(&view).unwrap();
    assert!(!shown.contains("ann@") && !shown.contains("metadata") && !shown.contains("default"), "{shown}");
}

#[tokio::test]
async fn many_are_read_at_once_and_unknown_ones_are_left_out() {
    let rig = Rig::new().await;
    let (ours, theirs) = (rig.widget().await, rig.widget_of("other", |_| {}).await);
    let one = rig.office.open(&ours, &opening(), None).await.unwrap();
    let elsewhere = but(|o| {
        o.deposit_address = OTHER.into();
        (o.network, o.currency, o.currency_address) = ("fine".into(), "FINE".into(), FINE.into());
    });
    let two = rig.office.open(&theirs, &elsewhere, None).await.unwrap();
    let ids = [session("dep_none"), session(&two.id), session("a\0b"), session(&one.id)];
    let mut read: Vec<View> = rig.office.read_many(&ids).await.unwrap();
    read.sort_by_key(|view| view.id != one.id);
    assert_eq!(read.iter().map(|view| view.id.as_str()).collect::<Vec<_>>(), [one.id.as_str(), two.id.as_str()]);
    assert_eq!((read[0].livemode, read[1].livemode), (false, true));
    assert!(rig.office.read_many(&[]).await.unwrap().is_empty());
    assert!(matches!(rig.office.read(&session("dep_none")).await, Err(Refusal::NotFound)));
}

/// The chain's own finality needs no number of blocks; a network that is no longer configured has none to tell.
#[tokio::test]
async fn confirmations_are_required_by_number_or_not_at_all() {
    let rig = Rig::with(
        "[networks.tagged]\nchain_id = 31340\nfinality = \"finalized\"\nrpc.local.url = \"http://127.0.0.1:1\"",
    )
    .await;
    let insert = "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address)
                  SELECT network, 1, 'USD', network, '0x00000000000000000000000000000000000000ee', '0x' || repeat('7', 40)
                    FROM unnest(ARRAY['anvil', 'tagged', 'gone']) network";
    sqlx::query(insert).execute(&rig.pool).await.unwrap();
    for (id, required) in [("anvil", Some(3)), ("tagged", None), ("gone", None)] {
        let view = rig.office.read(&session(id)).await.unwrap();
        assert_eq!((view.required_confirmations, view.business.0.as_str()), (required, "default"), "{id}");
    }
}
