//! Lists: every session once, page by page, whatever comes meanwhile.

use std::collections::BTreeSet;

use deposit_watcher::deposits::{ListFilter, Refusal, Widget};

use crate::rig::{Rig, but, opening};
use crate::support::Database;

async fn open(rig: &Rig, widget: &Widget, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(rig.office.open(widget, &opening(), None).await.unwrap().id);
    }
    ids
}

#[tokio::test]
async fn pages_show_every_session_once_while_new_ones_come() {
    let rig = Rig::new().await;
    let widget = rig.widget().await;
    let before: BTreeSet<String> = open(&rig, &widget, 23).await.into_iter().collect();
    // Some of the same moment: the id decides between them.
    sqlx::raw_sql("ALTER TABLE deposit_sessions DISABLE TRIGGER USER; UPDATE deposit_sessions SET created_at = date_trunc('minute', created_at); ALTER TABLE deposit_sessions ENABLE TRIGGER USER")
        .execute(&rig.pool).await.unwrap();
    let mut seen = Vec::new();
    let mut filter = ListFilter { limit: Some(5), ..ListFilter::default() };
    loop {
        let page = rig.office.list(&widget.id, &filter).await.unwrap();
        assert!(page.items.len() <= 5);
        seen.extend(page.items.into_iter().map(|view| view.id));
        open(&rig, &widget, 2).await;
        match page.next_cursor {
            Some(cursor) => filter.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(seen.len(), 23);
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), before);
    let newest = rig.office.list(&widget.id, &ListFilter::default()).await.unwrap();
    assert_eq!(newest.items.len(), 33);
    assert!(newest.next_cursor.is_none() && newest.items.windows(2).all(|two| two[0].created_at >= two[1].created_at));
}

/// Ids of other programs, of one moment, where the database orders them otherwise than their bytes.
#[tokio::test]
async fn pages_are_in_the_order_of_the_database() {
    let rig = Rig::founded(&Database::in_english(&sqlx::migrate!("./migrations")).await, "").await;
    let widget = rig.widget().await;
    let insert =
        "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address, widget_id)
        SELECT unnest(ARRAY['dep_a', 'dep_B', 'dep_c', 'dep_D']), 5, 'USD', 'anvil',
               '0x00000000000000000000000000000000000000ee', '0x00000000000000000000000000000000000000aa', $1";
    sqlx::query(insert).bind(&widget.id.0).execute(&rig.pool).await.unwrap();
    let filter = |cursor| ListFilter { limit: Some(2), cursor, ..ListFilter::default() };
    let first = rig.office.list(&widget.id, &filter(None)).await.unwrap();
    let second = rig.office.list(&widget.id, &filter(first.next_cursor)).await.unwrap();
    let ids: Vec<String> = first.items.into_iter().chain(second.items).map(|view| view.id).collect();
    assert_eq!(ids, ["dep_D", "dep_c", "dep_B", "dep_a"]);
    assert_eq!(second.next_cursor, None);
}

#[tokio::test]
async fn a_last_page_that_is_full_has_no_next() {
    let rig = Rig::new().await;
    let widget = rig.widget().await;
    open(&rig, &widget, 4).await;
    let filter = |limit, cursor| ListFilter { limit: Some(limit), cursor, ..ListFilter::default() };
    assert!(rig.office.list(&widget.id, &filter(4, None)).await.unwrap().next_cursor.is_none());
    let first = rig.office.list(&widget.id, &filter(2, None)).await.unwrap();
    let second = rig.office.list(&widget.id, &filter(2, first.next_cursor)).await.unwrap();
    assert_eq!((second.items.len(), second.next_cursor), (2, None));
}

#[tokio::test]
async fn filters_keep_what_fits() {
    let rig = Rig::new().await;
    let widget = rig.widget().await;
    for reference in ["a", "a", "b"] {
        rig.office.open(&widget, &but(|o| o.customer_reference = Some(reference.into())), None).await.unwrap();
    }
    let cancelled = open(&rig, &widget, 1).await;
    rig.office.cancel(&crate::rig::session(&cancelled[0])).await.unwrap();
    let count = async |status: Option<&str>, reference: Option<&str>| {
        let filter = ListFilter {
            status: status.map(str::to_owned),
            customer_reference: reference.map(str::to_owned),
            ..ListFilter::default()
        };
        rig.office.list(&widget.id, &filter).await.map(|page| page.items.len())
    };
    for (status, reference, found) in [
        (None, None, 4),
        (None, Some("a"), 2),
        (None, Some("A"), 0),
        (None, Some("%"), 0),
        (Some("EXPIRED"), None, 1),
        (Some("CREATED"), Some("b"), 1),
        (Some("CONFIRMED"), None, 0),
    ] {
        assert_eq!(count(status, reference).await.unwrap(), found, "{status:?} {reference:?}");
    }
    assert!(matches!(count(Some("created"), None).await, Err(Refusal::Faults(_))));
}

#[tokio::test]
async fn a_session_that_another_business_wrote_beside_a_widget_is_not_in_its_list() {
    let rig = Rig::new().await;
    let widget = rig.widget().await;
    let own = open(&rig, &widget, 1).await;
    let insert = "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address, business_id, widget_id) \
                  VALUES ('dep_theirs', 1, 'USD', 'anvil', $1, '0x' || repeat('ab', 20), 'other', $2)";
    sqlx::query(insert).bind(crate::rig::USD).bind(&widget.id.0).execute(&rig.pool).await.unwrap();
    let listed = rig.office.list(&widget.id, &ListFilter::default()).await.unwrap();
    assert_eq!(listed.items.into_iter().map(|view| view.id).collect::<Vec<_>>(), own);
}
