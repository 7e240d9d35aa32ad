//! What a log says is believed only as the second look reads it.

use crate::house::{House, SHOP, tokens};
use crate::scripted::{Lie, Log, PAYER, TOKEN, account};

#[tokio::test]
async fn an_honest_payment_confirms() {
    let mut house = House::new(2).await;
    house.settle().await;
    house.open("a", 100).await;
    house.world.mine(vec![house.pay(tokens(100))]);
    house.settle().await;
    assert_eq!(house.status("a").await, "PENDING");
    house.world.mine_empty(3);
    house.settle().await;
    assert_eq!(house.status("a").await, "CONFIRMED");
    assert_eq!(house.books().await, Vec::<String>::new());
}

/// An endpoint says 100 where the chain says 1. While it is asked and says so nothing is confirmed and nothing is taken away,
/// though it gives no receipts; afterwards what is at that place is the chain's, not its word.
#[tokio::test]
async fn a_log_told_wrongly_waits_and_is_replaced_by_the_right_one() {
    let mut house = House::new(2).await;
    house.settle().await;
    house.open("a", 100).await;
    let honest = house.world.mine(vec![house.pay(tokens(1))]);
    let lie = Log::transfer(TOKEN, PAYER, account(SHOP), tokens(100));
    house.nodes[0].set(|is| {
        is.lies = vec![Lie::Alter(honest.block.hash, 0, lie)];
        is.no_receipts = true;
    });
    house.settle().await;
    assert_eq!(house.status("a").await, "PENDING");
    house.world.mine_empty(3);
    house.steps(6).await;
    assert_eq!(house.status("a").await, "PENDING");
    let standing = "SELECT string_agg(state || ' ' || amount, ',') FROM transfers WHERE state <> 'ORPHANED'";
    assert_eq!(house.text(standing).await.as_deref(), Some("SEEN 100"));
    house.nodes[0].heal();
    house.settle().await;
    assert_eq!(house.text(standing).await.as_deref(), Some("CONFIRMED 1"));
    assert_eq!(house.status("a").await, "UNDERPAID");
    assert_eq!(house.books().await, Vec::<String>::new());
}

/// The same with the parts exchanged: who gives no receipts is honest, and the other one makes money up.
#[tokio::test]
async fn who_gives_no_receipts_contradicts_by_its_logs() {
    let mut house = House::new(2).await;
    house.settle().await;
    house.open("a", 100).await;
    let block = house.world.mine(vec![]);
    house.settle().await;
    let made_up = Log::transfer(TOKEN, PAYER, account(SHOP), tokens(100));
    house.nodes[0].set(|is| is.no_receipts = true);
    house.nodes[1].set(|is| is.lies = vec![Lie::Invent(block.block.hash, made_up)]);
    house.world.mine_empty(60);
    house.steps(8).await;
    assert_eq!(house.status("a").await, "CREATED");
    house.nodes[1].heal();
    house.settle().await;
    assert_eq!(house.status("a").await, "CREATED");
}

/// Some nodes fill `blockTimestamp` with zero: the range's own ends say that it cannot be.
#[tokio::test]
async fn a_time_outside_of_its_range_is_read_from_the_header() {
    let mut house = House::with(1, |network, _| network.reorg_window = 1_024).await;
    house.settle().await;
    house.open("a", 100).await;
    house.nodes[0].set(|is| is.log_time = Some(0));
    house.world.mine_empty(1);
    house.world.mine(vec![house.pay(tokens(100))]);
    house.world.mine_empty(9);
    house.settle().await;
    assert_eq!(house.status("a").await, "CONFIRMED");
    assert_eq!(house.books().await, Vec::<String>::new());
}
