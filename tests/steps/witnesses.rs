//! Who is asked in the second look, and whose word counts.

use crate::house::{House, SHOP, tokens};
use crate::scripted::{Lie, Log, PAYER, TOKEN, account};

fn logs_asked(house: &House, node: usize) -> u64 {
    house.nodes[node].counts().calls.get("eth_getLogs").copied().unwrap_or_default()
}

/// What the first look missed is told by two witnesses, one with the block's time in its logs and one without.
#[tokio::test]
async fn what_two_witnesses_tell_is_added_once() {
    let mut house = House::with(3, |network, _| network.quorum = 2).await;
    house.nodes[2].set(|is| is.no_log_time = true);
    house.settle().await;
    house.open("a", 100).await;
    house.nodes[0].set(|is| is.empty_logs = true);
    house.world.mine(vec![house.pay(tokens(100))]);
    house.world.mine_empty(60);
    house.settle().await;
    assert_eq!(house.status("a").await, "CONFIRMED");
    assert_eq!(house.books().await, Vec::<String>::new());
}

/// With as many operators as must agree besides the first look's own, it is not asked to agree with itself.
#[tokio::test]
async fn the_first_looks_operator_is_the_last_to_agree() {
    let mut house = House::with(3, |network, _| network.quorum = 2).await;
    house.settle().await;
    house.open("a", 100).await;
    house.world.mine(vec![house.pay(tokens(100))]);
    house.settle().await;
    house.nodes.iter().for_each(|node| node.reset());
    house.world.mine_empty(2);
    house.settle().await;
    assert_eq!(house.status("a").await, "CONFIRMED");
    assert!(logs_asked(&house, 1) > 0 && logs_asked(&house, 2) > 0);
}

/// Where two operators must agree, one operator's receipts alone add no money.
#[tokio::test]
async fn one_operators_receipts_do_not_make_a_quorum() {
    let mut house = House::with(2, |network, _| network.quorum = 2).await;
    house.settle().await;
    house.open("a", 100).await;
    let honest = house.world.mine(vec![]);
    let invented = Log::transfer(TOKEN, PAYER, account(SHOP), tokens(100));
    house.nodes[0].set(|is| is.no_receipts = true);
    house.nodes[1].set(|is| is.lies = vec![Lie::Invent(honest.block.hash, invented)]);
    house.world.mine_empty(60);
    house.steps(6).await;
    assert_eq!(house.status("a").await, "CREATED");
    assert!(house.confirmed().await < honest.block.number);
    house.nodes[1].heal();
    house.settle().await;
    assert_eq!(house.status("a").await, "CREATED");
    assert!(house.confirmed().await > honest.block.number);
}
