//! Chains that turn round, and what may and may not halt a network.

use deposit_watcher::domain::Finality;

use crate::house::{House, tokens};

/// The newest recorded block may lie below the safe one: that is no broken promise while the safe one stands.
#[tokio::test]
async fn a_reorganisation_above_the_safe_block_does_not_halt() {
    let mut house = House::with(1, |network, _| {
        network.finality = Finality::Safe;
        network.reorg_window = 1_024;
    })
    .await;
    house.settle().await;
    house.open("a", 100).await;
    house.world.mine(vec![house.pay(tokens(100))]);
    house.world.mine_empty(9);
    let safe = house.world.head().block.number.0 - 5;
    house.world.set_tags(Some(safe), None);
    house.settle().await;
    assert_eq!(house.text("SELECT final_number::text FROM networks").await, Some(safe.to_string()));
    house.world.reorg(3, vec![vec![], vec![], vec![], vec![]]);
    house.steps(6).await;
    assert_eq!(house.text("SELECT halted_reason FROM networks").await, None);
    assert_eq!(house.scanned().await, house.world.head().block.number.0);
}

/// One that takes the safe block itself does.
#[tokio::test]
async fn a_reorganisation_of_the_safe_block_halts() {
    let mut house = House::with(1, |network, _| network.finality = Finality::Safe).await;
    house.settle().await;
    house.open("a", 100).await;
    house.world.mine(vec![house.pay(tokens(100))]);
    house.world.mine_empty(9);
    house.world.set_tags(Some(house.world.head().block.number.0 - 5), None);
    house.settle().await;
    house.world.reorg(6, vec![vec![]; 7]);
    house.steps(6).await;
    let reason = house.text("SELECT halted_reason FROM networks").await.unwrap();
    assert!(reason.contains("finality violation"), "{reason}");
}

/// A key written anew for the same contract is told, not run into again and again.
#[tokio::test]
async fn a_token_under_another_key_halts_with_its_reason() {
    let mut house = House::new(1).await;
    house.settle().await;
    house.network.tokens[0].key = deposit_watcher::domain::TokenKey::parse("usd_new").unwrap();
    house.restart().await;
    let step = house.step().await.unwrap();
    assert!(step.halted.unwrap().contains("keep that key"));
}

/// In time by the grace, though closed before the horizon of what shares the address.
#[tokio::test]
async fn what_came_within_the_grace_and_is_seen_late_brings_its_session_back() {
    let mut house = House::with(2, |_, sessions| {
        sessions.amount_reuse_after = std::time::Duration::ZERO;
        sessions.expiry_grace = std::time::Duration::from_secs(60);
    })
    .await;
    house.settle().await;
    house.open("a", 100).await;
    house.run("UPDATE deposit_sessions SET expires_at = now() + interval '10 seconds'").await;
    let now = house.world.head().time.timestamp().unsigned_abs();
    house.nodes[0].set(|is| is.empty_logs = true);
    house.world.mine_at(now + 40, vec![house.pay(tokens(100))]);
    house.world.mine_at(now + 400, vec![]);
    house.step().await.unwrap();
    assert_eq!(house.status("a").await, "EXPIRED");
    house.world.mine_at(now + 402, vec![]);
    house.settle().await;
    assert_eq!(house.status("a").await, "CONFIRMED");
}

/// A node dates a block two hours ahead: it is neither head nor chain time, nothing expires by it, and the work goes on
/// when the clock has come near.
#[tokio::test]
async fn a_block_dated_too_far_ahead_is_neither_head_nor_chain_time() {
    let minutes = |count: u64| std::time::Duration::from_secs(60 * count);
    let mut house = House::with(1, |network, _| network.max_clock_drift = Some(minutes(15))).await;
    house.settle().await;
    house.open("a", 100).await;
    let (now, scanned) = (house.world.head().time.timestamp().unsigned_abs(), house.scanned().await);
    house.world.mine_at(now + 7_200, vec![]);
    let refused = house.step().await.unwrap_err().to_string();
    assert!(refused.contains("max_clock_drift"), "{refused}");
    assert_eq!((house.status("a").await.as_str(), house.scanned().await), ("CREATED", scanned));
    house.world.reorg_at(1, vec![(now + 600, vec![])]);
    house.settle().await;
    assert_eq!((house.status("a").await.as_str(), house.scanned().await), ("CREATED", scanned + 1));
}
