//! Many at once: amounts, addresses, widgets.

use std::collections::BTreeSet;

use deposit_watcher::deposits::{Opened, Refusal};
use deposit_watcher::domain::BusinessId;
use futures_util::future::join_all;

use crate::rig::{Rig, checkout, opening};

const MANY: usize = 200;

async fn rush(rig: &Rig) -> Vec<Result<Opened, Refusal>> {
    let widget = rig.widget().await;
    let one = || {
        let (office, widget) = (rig.office.clone(), widget.clone());
        async move { tokio::spawn(async move { office.open(&widget, &opening(), None).await }).await.unwrap() }
    };
    join_all((0..MANY).map(|_| one())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_ask_for_one_amount_and_each_gets_its_own() {
    for clash in ["bump", "tag"] {
        let rig = Rig::with(&format!("[sessions]\namount_clash = \"{clash}\"")).await;
        let opened: Vec<Opened> = rush(&rig).await.into_iter().map(Result::unwrap).collect();
        let amounts: BTreeSet<&str> = opened.iter().map(|one| one.amount.as_str()).collect();
        assert_eq!(amounts.len(), MANY, "{clash}");
        assert!(opened.iter().all(|one| one.requested_amount == "5"), "{clash}");
        assert_eq!(rig.count("SELECT count(DISTINCT amount) FROM deposit_sessions").await, 200, "{clash}");
        assert_eq!(rig.count("SELECT count(*) FROM amount_claims").await, 200, "{clash}");
        assert_eq!(rig.books().await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_clashes_are_rejected_one_of_two_hundred_gets_it() {
    let rig = Rig::with("[sessions]\namount_clash = \"reject\"").await;
    let (opened, refused): (Vec<_>, Vec<_>) = rush(&rig).await.into_iter().partition(Result::is_ok);
    assert_eq!(opened.len(), 1);
    assert!(refused.iter().all(|why| matches!(why, Err(Refusal::AmountClash))), "{refused:?}");
    assert_eq!(rig.count("SELECT count(*) FROM deposit_sessions").await, 1);
    assert_eq!(rig.books().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_widgets_at_once_are_ten() {
    let rig = Rig::new().await;
    let (shop, new) = (BusinessId("default".to_owned()), checkout());
    let made = join_all((0..20).map(|_| rig.office.create_widget(&shop, &new))).await;
    let (made, refused): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 10);
    assert!(refused.iter().all(|why| matches!(why, Err(Refusal::TooManyWidgets(10)))), "{refused:?}");
    assert_eq!(rig.count("SELECT count(*) FROM widgets").await, 10);
    assert_eq!(rig.count("SELECT count(*) FROM widget_secrets").await, 10);
}
