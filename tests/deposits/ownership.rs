//! An address is its first business's, and what is another's is told to nobody.

use deposit_watcher::deposits::{ListFilter, Refusal};
use futures_util::future::join;

use crate::rig::{OTHER, Rig, SHOP, but, faults, opening, texts};

/// Refused like an address that the widget does not list: word by word.
#[tokio::test]
async fn another_s_address_is_refused_like_one_that_is_not_allowed() {
    for clash in ["bump", "reject"] {
        let rig = Rig::with(&format!("[sessions]\namount_clash = \"{clash}\"")).await;
        let (ours, theirs) = (rig.widget().await, rig.widget_of("other", |_| {}).await);
        rig.office.open(&ours, &opening(), None).await.unwrap();
        let listing = rig.widget_of("other", |new| new.allowed_deposit_addresses = texts(&[OTHER])).await;
        let not_allowed = faults(rig.office.open(&listing, &opening(), None).await.unwrap_err());
        // The amount is taken there, which is nobody's business either.
        for amount in ["5", "6"] {
            let asked = but(|o| (o.amount, o.deposit_address) = (amount.into(), SHOP.to_lowercase()));
            assert_eq!(
                faults(rig.office.open(&theirs, &asked, None).await.unwrap_err()),
                not_allowed,
                "{clash} {amount}"
            );
        }
        assert_eq!(rig.count("SELECT count(*) FROM deposit_sessions").await, 1);
        assert_eq!(rig.count("SELECT count(*) FROM amount_claims").await, 1);
        rig.office
            .open(&ours, &opening(), None)
            .await
            .map(drop)
            .or_else(|why| if clash == "reject" { Ok(()) } else { Err(why) })
            .unwrap();
    }
}

#[tokio::test]
async fn an_outside_program_owns_what_it_used_first() {
    let rig = Rig::new().await;
    let (ours, theirs) = (rig.widget().await, rig.widget_of("other", |_| {}).await);
    let insert =
        "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address, business_id)
                  VALUES ($1, 5, 'USD', 'anvil', '0x00000000000000000000000000000000000000ee', $2, $3)";
    for (id, to, business) in [("a", SHOP, Some("other")), ("b", OTHER, None)] {
        sqlx::query(insert).bind(id).bind(to).bind(business).execute(&rig.pool).await.unwrap();
    }
    assert_eq!(rig.at_fault(&ours, &opening()).await, ["depositAddress"]);
    assert_eq!(rig.at_fault(&theirs, &opening()).await, [""; 0]);
    let elsewhere = but(|o| o.deposit_address = OTHER.into());
    assert_eq!(rig.at_fault(&ours, &elsewhere).await, [""; 0]);
    assert_eq!(rig.at_fault(&theirs, &elsewhere).await, ["depositAddress"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_race_for_an_address_one_gets_it() {
    for clash in ["bump", "reject"] {
        let rig = Rig::with(&format!("[sessions]\namount_clash = \"{clash}\"")).await;
        let (ours, theirs) = (rig.widget().await, rig.widget_of("other", |_| {}).await);
        for round in 1..=40_u32 {
            let asked = but(|o| o.deposit_address = format!("0x{round:040x}"));
            let (one, other) = join(rig.office.open(&ours, &asked, None), rig.office.open(&theirs, &asked, None)).await;
            assert_ne!(one.is_ok(), other.is_ok(), "round {round}: {one:?} {other:?}");
            let refused = faults(if one.is_ok() { other } else { one }.unwrap_err());
            assert_eq!((refused.len(), refused[0].field.as_str()), (1, "depositAddress"), "round {round}");
        }
        assert_eq!(rig.count("SELECT count(*) FROM deposit_sessions").await, 40);
        let strays = "SELECT count(*) FROM deposit_sessions s JOIN deposit_addresses a ON a.address = s.to_address WHERE a.business_id <> s.business_id";
        assert_eq!(rig.count(strays).await, 0);
        assert_eq!(rig.books().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_list_shows_its_own_widget_s_sessions_only() {
    let rig = Rig::new().await;
    let (ours, second, theirs) = (rig.widget().await, rig.widget().await, rig.widget_of("other", |_| {}).await);
    rig.office.open(&ours, &but(|o| o.customer_reference = Some("r".into())), None).await.unwrap();
    rig.office.open(&second, &but(|o| o.customer_reference = Some("r".into())), None).await.unwrap();
    let elsewhere = but(|o| (o.deposit_address, o.customer_reference) = (OTHER.into(), Some("r".into())));
    rig.office.open(&theirs, &elsewhere, None).await.unwrap();
    for widget in [&ours, &second, &theirs] {
        for customer_reference in [None, Some("r".to_owned())] {
            let page =
                rig.office.list(&widget.id, &ListFilter { customer_reference, ..ListFilter::default() }).await.unwrap();
            assert_eq!(page.items.len(), 1);
            assert_eq!(
                (&page.items[0].business, page.items[0].widget.as_ref()),
                (&widget.business_id, Some(&widget.id))
            );
        }
    }
    let (own, their_widgets) = (
        rig.office.widgets(Some(&ours.business_id)).await.unwrap(),
        rig.office.widgets(Some(&theirs.business_id)).await.unwrap(),
    );
    assert_eq!((own.len(), their_widgets.len()), (2, 1));
    let made =
        rig.office.create_widget(&deposit_watcher::domain::BusinessId("nobody".into()), &crate::rig::checkout()).await;
    assert!(matches!(made, Err(Refusal::NotFound)), "{made:?}");
}
