//! Money without an owner that a person gives to a session: on a real chain it counts like any other, through a
//! reorganisation as well, and is taken back only by a person. Not for what is refused: that is `tests/cli`.

use deposit_watcher::demo::Remined;
use serde_json::Value;

use crate::rig::{Chain, Output, Rig, until};

/// `transfers DEED` about the only transfer of a transaction; what it printed as JSON.
async fn decide(rig: &Rig, deed: &str, tx: &str, more: &[&str]) -> Value {
    let listed = rig.command(&["transfers", "show", tx, "--output", "json"]).await;
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let standing = listed.as_array().unwrap().iter().find(|line| line["state"] != "ORPHANED").unwrap();
    let index = standing["log_index"].to_string();
    let words =
        [&["transfers", deed, "anvil", tx, &index], more, &["--note", "ticket 812", "--output", "json"]].concat();
    let Output { code, stdout, stderr } = rig.command(&words).await;
    assert_eq!(code, 0, "{words:?}: {stderr}");
    serde_json::from_str(&stdout).unwrap()
}

async fn sum(rig: &Rig, whose: &'static str) -> i64 {
    rig.number(whose).await
}

#[tokio::test]
async fn an_assigned_transfer_pays_goes_through_a_reorganisation_and_is_released() {
    const OF_SESSION: &str = "SELECT coalesce(sum(amount), 0)::bigint FROM ledger WHERE session_id = 'dep_wanted'";
    const OF_NOBODY: &str = "SELECT coalesce(sum(amount), 0)::bigint FROM ledger WHERE session_id IS NULL";
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    let shop = chain.address();
    rig.open("dep_first", "5", &chain.usdc, shop).await;
    let mut process = rig.run().await;
    rig.scanned("anvil", &chain).await;
    chain.pay(1, shop, 5).await;
    let stray = chain.pay(2, shop, 7).await;
    let tx = stray.hash.to_string();
    rig.settles(&tx, "SEEN", Some("already_paid")).await;
    rig.open("dep_wanted", "7", &chain.usdc, shop).await;

    // Given while it is only seen: it pays, and is not confirmed by a person's word.
    let done = decide(&rig, "assign", &tx, &["dep_wanted"]).await;
    assert_eq!((&done[0]["kind"], &done[0]["outcome"]), (&"assign".into(), &"done".into()), "{done}");
    let seen = rig.becomes("dep_wanted", "PENDING").await;
    assert_eq!((seen.tx.as_deref(), seen.received.as_str(), seen.confirmed.as_str()), (Some(tx.as_str()), "7", "0"));

    // Its block leaves, it is mined again in the next: the decision holds there.
    chain.evm.mine(1).await.unwrap();
    rig.scanned("anvil", &chain).await;
    let raw = chain.evm.raw(stray.hash).await.unwrap();
    chain.evm.reorganise(2, &[(Remined::Again(raw), 1)]).await.unwrap();
    rig.scanned("anvil", &chain).await;
    until("the transfer is another row", async || {
        let mut states: Vec<String> = rig.transfers(&tx).await.into_iter().map(|(state, _)| state).collect();
        states.sort();
        (states == ["ORPHANED", "SEEN"]).then_some(())
    })
    .await;
    assert_eq!(rig.becomes("dep_wanted", "PENDING").await.tx.as_deref(), Some(tx.as_str()));
    chain.bury().await;
    assert_eq!(rig.becomes("dep_wanted", "CONFIRMED").await.confirmed, "7");
    assert_eq!((sum(&rig, OF_SESSION).await, sum(&rig, OF_NOBODY).await), (7, 0));
    assert_eq!(rig.events("dep_wanted").await.last().map(String::as_str), Some("confirmed"));
    let compared = rig.command(&["reconcile", "--network", "anvil"]).await;
    assert_eq!(compared.code, 0, "{compared:?}");
    rig.books_are_right().await;

    decide(&rig, "release", &tx, &[]).await;
    rig.becomes("dep_wanted", "PENDING").await;
    assert_eq!((sum(&rig, OF_SESSION).await, sum(&rig, OF_NOBODY).await), (0, 7));
    assert_eq!(rig.shown("dep_first").await.confirmed, "5");
    rig.books_are_right().await;
    process.terminate().await;
}
