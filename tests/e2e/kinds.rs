//! A session's life over HTTP polling, and every kind of payment.

use deposit_watcher::demo::Call;

use crate::rig::{Chain, Rig, Section, units};

#[tokio::test]
async fn created_pending_confirmed() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    let shop = chain.address();
    rig.open("dep_exact", "12.5", &chain.usdc, shop).await;
    let mut process = rig.run().await;
    rig.scanned("anvil", &chain).await;
    assert_eq!(rig.shown("dep_exact").await.status, "CREATED");

    let call = Call::Transfer(shop, deposit_watcher::domain::Units::parse("12.5", 6).unwrap());
    let paid = chain.evm.pay(chain.payers[1], chain.usdc.address, &call).await.unwrap();
    let seen = rig.becomes("dep_exact", "PENDING").await;
    assert_eq!(seen.tx, Some(paid.hash.to_string()));
    assert_eq!((seen.received.as_str(), seen.confirmed.as_str()), ("12.5", "0"));
    chain.evm.mine(1).await.unwrap();
    rig.scanned("anvil", &chain).await;
    process.goes_round("anvil").await;
    assert_eq!(rig.shown("dep_exact").await, seen, "two confirmations are not three");
    chain.evm.mine(1).await.unwrap();
    assert_eq!(rig.becomes("dep_exact", "CONFIRMED").await.confirmed, "12.5");
    assert_eq!(rig.events("dep_exact").await, ["created", "pending", "confirmed"]);
    rig.books_are_right().await;
    process.terminate().await;
}

#[tokio::test]
async fn confirmed_by_the_tags_of_the_chain() {
    // anvil's `safe` is four blocks below the head, its `finalized` eight.
    for (finality, depth) in [("\"safe\"", 4), ("\"finalized\"", 8)] {
        let chain = Chain::start_with(&["--slots-in-an-epoch", "4"]).await;
        let rig = Rig::new(&[Section { finality, ..chain.section() }]).await;
        let shop = chain.address();
        rig.open("dep_tagged", "5", &chain.usdc, shop).await;
        let mut process = rig.run().await;
        chain.pay(1, shop, 5).await;
        chain.evm.mine(depth - 1).await.unwrap();
        rig.scanned("anvil", &chain).await;
        process.goes_round("anvil").await;
        assert_eq!(rig.shown("dep_tagged").await.status, "PENDING", "{finality}");
        chain.evm.mine(1).await.unwrap();
        rig.becomes("dep_tagged", "CONFIRMED").await;
        rig.books_are_right().await;
        process.terminate().await;
    }
}

#[tokio::test]
async fn every_kind_of_payment() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    let [part, over, tie, cancelled, late, one, other, shared, never] = [(); 9].map(|()| chain.address());
    for (id, amount, to) in [
        ("dep_part", "100", part),
        ("dep_over", "100", over),
        ("dep_tie_1", "70", tie),
        ("dep_tie_2", "70", tie),
        ("dep_cancelled", "30", cancelled),
        ("dep_late", "40", late),
        ("dep_one", "1", one),
        ("dep_other", "2", other),
        ("dep_shared_8", "8", shared),
        ("dep_shared_9", "9", shared),
        ("dep_never", "1", never),
    ] {
        rig.open(id, amount, &chain.usdc, to).await;
        rig.expires_in(id, if id == "dep_late" || id == "dep_never" { 1_200.0 } else { 86_400.0 }).await;
    }
    let mut process = rig.run().await;
    let cancel = "UPDATE deposit_sessions SET cancelled_at = now() WHERE id = 'dep_cancelled'";
    sqlx::query(cancel).execute(&rig.pool).await.unwrap();

    // Block times are whole seconds: this one must be later than the cancelling.
    chain.evm.increase_time(2).await.unwrap();
    chain.pay(1, part, 40).await;
    chain.pay(2, over, 150).await;
    let first_of_tie = chain.pay(3, tie, 70).await;
    let too_late_to_cancel = chain.pay(4, cancelled, 30).await;
    let many = Call::Many(vec![(one, units(1)), (other, units(2)), (shared, units(9)), (shared, units(8))]);
    let many = chain.evm.pay(chain.payers[0], chain.usdc.address, &many).await.unwrap();
    chain.bury().await;
    assert_eq!(rig.becomes("dep_part", "UNDERPAID").await.confirmed, "40");
    assert_eq!(rig.becomes("dep_over", "OVERPAID").await.confirmed, "150");
    for id in ["dep_one", "dep_other", "dep_shared_8", "dep_shared_9"] {
        assert_eq!(rig.becomes(id, "CONFIRMED").await.tx, Some(many.hash.to_string()), "{id}");
    }
    rig.settles(too_late_to_cancel.hash, "CONFIRMED", Some("cancelled")).await;
    rig.settles(first_of_tie.hash, "CONFIRMED", Some("ambiguous")).await;
    assert_eq!(rig.shown("dep_cancelled").await.status, "EXPIRED");
    assert_eq!(rig.shown("dep_tie_1").await.status, "CREATED");

    let topped_up = chain.pay(5, part, 60).await;
    let second_of_tie = chain.pay(6, tie, 70).await;
    let too_much = chain.pay(7, over, 1).await;
    chain.bury().await;
    assert_eq!(rig.becomes("dep_part", "CONFIRMED").await.tx, Some(topped_up.hash.to_string()));
    assert_eq!(rig.becomes("dep_tie_1", "CONFIRMED").await.tx, Some(first_of_tie.hash.to_string()));
    assert_eq!(rig.becomes("dep_tie_2", "CONFIRMED").await.tx, Some(second_of_tie.hash.to_string()));
    rig.settles(too_much.hash, "CONFIRMED", Some("already_paid")).await;

    chain.evm.increase_time(1_800).await.unwrap();
    chain.evm.mine(1).await.unwrap();
    rig.becomes("dep_late", "EXPIRED").await;
    rig.becomes("dep_never", "EXPIRED").await;
    let too_late = chain.pay(8, late, 40).await;
    chain.bury().await;
    rig.settles(too_late.hash, "CONFIRMED", Some("late")).await;
    process.goes_round("anvil").await;
    assert_eq!(rig.shown("dep_late").await.status, "EXPIRED");
    assert_eq!(rig.events("dep_part").await, ["created", "pending", "underpaid", "pending", "confirmed"]);
    rig.books_are_right().await;
    let checked = rig.command(&["check", "--books"]).await;
    assert!(checked.stdout.contains("books"), "{}", checked.stdout);
    process.terminate().await;
}
