//! The first start of a network that has sessions already, from nodes that lack blocks in between.

use crate::house::{House, tokens};

/// Thirty blocks, the third of which pays a session that is open; the two below it are older than the session.
async fn paid_before_the_start(nodes: usize) -> House {
    let house = House::new(nodes).await;
    let now = u64::try_from(chrono::Utc::now().timestamp()).unwrap();
    house.world.rewind(20);
    (1..=2).for_each(|n| _ = house.world.mine_at(now - 3_000 + n, vec![]));
    house.world.mine_at(now - 30, vec![house.pay(tokens(100))]);
    (4..=30).for_each(|n| _ = house.world.mine_at(now - 30 + n / 2, vec![]));
    house.open("a", 100).await;
    house
}

async fn is_paid(mut house: House) {
    house.settle().await;
    assert_eq!(house.status("a").await, "CONFIRMED");
    assert_eq!(house.books().await, Vec::<String>::new());
}

/// Another node behind the same address has no block yet at a height between the payment and the head.
#[tokio::test]
async fn a_block_that_is_missing_for_a_moment_is_not_pruned() {
    let mut house = paid_before_the_start(1).await;
    house.nodes[0].set(|is| is.null_at = (3..30).map(|number| (number, 1)).collect());
    house.step().await.unwrap();
    assert_eq!(house.scanned().await, 2, "just below the payment");
    house.nodes[0].heal();
    is_paid(house).await;
}

/// One that goes on missing above what is there is waited for.
#[tokio::test]
async fn a_block_that_stays_missing_above_others_is_waited_for() {
    let mut house = paid_before_the_start(1).await;
    house.nodes[0].set(|is| is.null_at = [(15, 1_000)].into());
    let told = house.step().await.unwrap_err().to_string();
    assert!(told.contains("has no block 15, and some below it"), "{told}");
    house.nodes[0].heal();
    is_paid(house).await;
}

/// What one lacks as if it were pruned another may have.
#[tokio::test]
async fn the_lowest_word_counts_where_several_can_be_asked() {
    let mut house = paid_before_the_start(2).await;
    house.nodes[0].set(|is| is.null_at = (4..=16).map(|number| (number, 1_000)).collect());
    house.step().await.unwrap();
    assert_eq!(house.scanned().await, 2, "just below the payment");
    house.nodes[0].heal();
    is_paid(house).await;
}

/// What is really gone is not waited for, and one block of what is there is enough to stand on.
#[tokio::test]
async fn where_everything_older_is_pruned_it_starts_above() {
    let mut house = paid_before_the_start(1).await;
    house.nodes[0].set(|is| is.null_at = (1..=20).map(|number| (number, 1_000)).collect());
    house.step().await.unwrap();
    assert_eq!(house.scanned().await, 21);
}
