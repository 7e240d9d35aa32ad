//! A block with more transfers than any node gives at once: a stranger can fill one, and it must not stop the network.

use crate::house::{House, tokens};
use crate::scripted::{Limit, PAYER, TOKEN, Tx, account};

/// Nodes that give no more than 20 logs at once, and a session that waits.
async fn narrow(nodes: usize) -> House {
    let mut house = House::new(nodes).await;
    house.settle().await;
    let limit = Limit::new(20, -32005, "query returned more than 20 results");
    house.nodes.iter().for_each(|node| node.set(|is| is.max_results = Some(limit.clone())));
    house.open("a", 100).await;
    house
}

/// Thirty transfers, one of them to the shop.
fn crowd(house: &House) -> Vec<Tx> {
    let strangers = (200..229).map(|n| house.world.pay(TOKEN, PAYER, account(n), tokens(1)));
    strangers.chain([house.pay(tokens(100))]).collect()
}

async fn confirmed(house: &House) {
    assert_eq!(house.status("a").await, "CONFIRMED");
    assert_eq!(
        house.text("SELECT count(*)::text FROM transfers").await.as_deref(),
        Some("1"),
        "strangers' are not kept"
    );
    assert_eq!(house.books().await, Vec::<String>::new());
}

/// At the head, asked for by its hash; the second look finds it by its number, at another operator.
#[tokio::test]
async fn a_full_block_at_the_head_is_read_by_both_looks() {
    let mut house = narrow(2).await;
    house.world.mine(crowd(&house));
    house.settle().await;
    assert_eq!(house.status("a").await, "PENDING");
    house.world.mine_empty(5);
    house.settle().await;
    confirmed(&house).await;
}

/// In a catch-up, asked for by number by both looks, between others; the only node gives no receipts of blocks.
#[tokio::test]
async fn a_full_block_in_a_catch_up_is_read_by_both_looks() {
    let mut house = narrow(1).await;
    house.nodes[0].set(|is| is.no_receipts = true);
    house.world.mine_empty(3);
    house.world.mine(crowd(&house));
    house.world.mine_empty(6);
    house.settle().await;
    confirmed(&house).await;
}

/// The first look reads block after block, each of which the same node gives easily, while the second comes to the full one.
#[tokio::test]
async fn a_full_block_is_confirmed_while_the_chain_goes_on() {
    let mut house = narrow(1).await;
    house.world.mine_empty(30);
    house.settle().await;
    house.world.mine(crowd(&house));
    for _ in 0..12 {
        house.world.mine_empty(1);
        _ = house.step().await.unwrap();
    }
    confirmed(&house).await;
}

/// What is read again because a person asked, or a token was added.
#[tokio::test]
async fn a_full_block_is_read_by_a_rescan() {
    let mut house = narrow(2).await;
    let block = house.world.mine(crowd(&house)).block;
    house.world.mine_empty(6);
    house.nodes.iter().for_each(|node| node.set(|is| is.empty_logs = true));
    house.settle().await;
    assert_eq!(house.status("a").await, "CREATED", "nobody told of it");
    house.nodes.iter().for_each(|node| node.set(|is| is.empty_logs = false));
    assert_eq!(block.number.0, 21);
    let ask = "INSERT INTO rescans (network, from_block, to_block, reason, next_first, next_second)
               VALUES ('net', 19, 22, 'operator', 19, 19)";
    house.run(ask).await;
    house.settle().await;
    confirmed(&house).await;
}

/// Where no node gives it in any way it is told, nothing is skipped, and it goes on when one does.
#[tokio::test]
async fn a_full_block_that_nobody_gives_is_told_and_waited_for() {
    let mut house = narrow(2).await;
    house.nodes.iter().for_each(|node| node.set(|is| (is.no_receipts, is.no_single_receipts) = (true, true)));
    let before = house.scanned().await;
    house.world.mine(crowd(&house));
    for _ in 0..3 {
        let told = house.step().await.unwrap_err().to_string();
        assert!(
            told.contains("cannot be read there, neither its logs (error -32005: query returned more than 20"),
            "{told}"
        );
    }
    assert_eq!(house.scanned().await, before);
    house.nodes[1].set(|is| is.no_single_receipts = false);
    house.nodes[0].set(|is| is.down = Some(crate::scripted::Down::Refused));
    house.world.mine_empty(5);
    house.steps(8).await;
    house.settle().await;
    confirmed(&house).await;
}
