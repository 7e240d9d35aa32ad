//! `anvil_reorg`: a payment that moves to another block, one that is gone for good, one that was confirmed already.

use deposit_watcher::demo::Remined;

use crate::rig::{Chain, Rig, until};

#[tokio::test]
async fn a_seen_payment_is_mined_again_elsewhere() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    let shop = chain.address();
    rig.open("dep_moved", "5", &chain.usdc, shop).await;
    let mut process = rig.run().await;
    let paid = chain.pay(1, shop, 5).await;
    chain.evm.mine(1).await.unwrap();
    rig.becomes("dep_moved", "PENDING").await;
    rig.scanned("anvil", &chain).await;

    let raw = chain.evm.raw(paid.hash).await.unwrap();
    chain.evm.reorganise(2, &[(Remined::Again(raw), 1)]).await.unwrap();
    rig.scanned("anvil", &chain).await;
    let states = |transfers: Vec<(String, Option<String>)>| transfers.into_iter().map(|t| t.0).collect::<Vec<_>>();
    until("the transfer moved", async || {
        (states(rig.transfers(paid.hash).await) == ["ORPHANED", "SEEN"]).then_some(())
    })
    .await;
    let shown = rig.shown("dep_moved").await;
    assert_eq!((shown.status.as_str(), shown.tx), ("PENDING", Some(paid.hash.to_string())));
    chain.bury().await;
    assert_eq!(rig.becomes("dep_moved", "CONFIRMED").await.confirmed, "5");
    assert_eq!(states(rig.transfers(paid.hash).await), ["ORPHANED", "CONFIRMED"]);
    let metrics = process.metrics().await;
    assert_eq!((metrics.count("reorgs_total", &[]), metrics.count("reverted_total", &[])), (1, 0));
    rig.books_are_right().await;
    process.terminate().await;
}

#[tokio::test]
async fn a_seen_payment_is_gone_for_good() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    let shop = chain.address();
    rig.open("dep_gone", "5", &chain.usdc, shop).await;
    rig.expires_in("dep_gone", 1_200.0).await;
    let mut process = rig.run().await;
    let paid = chain.pay(1, shop, 5).await;
    rig.becomes("dep_gone", "PENDING").await;

    chain.evm.reorganise(1, &[]).await.unwrap();
    let shown =
        until("the payment is gone", async || Some(rig.shown("dep_gone").await).filter(|shown| shown.tx.is_none()))
            .await;
    assert_eq!((shown.status.as_str(), shown.received.as_str()), ("PENDING", "0"));
    assert_eq!(rig.events("dep_gone").await, ["created", "pending", "pending"]);
    let told = rig.texts("SELECT coalesce(data ->> 'txHash', 'none') FROM events ORDER BY position").await;
    assert_eq!(told, ["none".to_owned(), paid.hash.to_string(), "none".to_owned()]);

    // It expires by chain time, though not before the payer had N blocks more.
    chain.evm.increase_time(1_800).await.unwrap();
    chain.evm.mine(1).await.unwrap();
    rig.scanned("anvil", &chain).await;
    process.goes_round("anvil").await;
    assert_eq!(rig.shown("dep_gone").await.status, "PENDING");
    chain.evm.mine(4).await.unwrap();
    rig.becomes("dep_gone", "EXPIRED").await;
    rig.books_are_right().await;
    process.terminate().await;
}

#[tokio::test]
async fn a_confirmed_payment_is_reverted_and_paid_again() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    let shop = chain.address();
    rig.open("dep_reverted", "5", &chain.usdc, shop).await;
    let mut process = rig.run().await;
    chain.pay(1, shop, 5).await;
    chain.evm.mine(4).await.unwrap();
    rig.becomes("dep_reverted", "CONFIRMED").await;
    rig.scanned("anvil", &chain).await;

    chain.evm.reorganise(5, &[]).await.unwrap();
    let shown = rig.becomes("dep_reverted", "PENDING").await;
    assert_eq!((shown.received.as_str(), shown.confirmed.as_str(), shown.tx), ("0", "0", None));
    assert_eq!(rig.events("dep_reverted").await, ["created", "pending", "confirmed", "reverted"]);
    until("it is counted", async || (process.metrics().await.count("reverted_total", &[]) == 1).then_some(())).await;
    assert!(!process.said("ERROR", "left the chain").is_empty(), "{}", process.stderr());
    let booked = rig.texts("SELECT kind || ' ' || amount FROM ledger ORDER BY id").await;
    assert_eq!(booked, ["confirm 5", "revert -5"]);

    let again = chain.pay(2, shop, 5).await;
    chain.bury().await;
    assert_eq!(rig.becomes("dep_reverted", "CONFIRMED").await.tx, Some(again.hash.to_string()));
    let events = ["created", "pending", "confirmed", "reverted", "pending", "confirmed"];
    assert_eq!(rig.events("dep_reverted").await, events);
    rig.books_are_right().await;
    process.terminate().await;
}
