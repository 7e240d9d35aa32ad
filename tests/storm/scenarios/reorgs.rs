//! The chain goes another way.

use super::HUNDRED;
use crate::rig::{Rig, Rules};
use crate::scripted::{Down, account};

async fn seen(rules: Rules) -> Rig {
    let mut rig = Rig::with(rules).await;
    rig.open("dep_a", account(1), "100", 100_000).await;
    rig.deeper(4).await;
    rig.mined(vec![rig.pay(account(1), HUNDRED)]).await;
    assert_eq!(rig.session("dep_a").await, "PENDING 100 0");
    rig
}

#[tokio::test]
async fn a_seen_payment_that_is_mined_again_stays() {
    let mut rig = seen(Rules::default()).await;
    let paid = rig.world.recent_txs(1).remove(0);
    rig.world.reorg(1, vec![vec![], paid]);
    rig.settle().await;
    assert_eq!(rig.owners().await, ["dep_a SEEN"]);
    rig.deeper(2).await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    rig.assert_books().await;
}

#[tokio::test]
async fn a_seen_payment_that_is_dropped_leaves_the_session_pending_without_it() {
    let mut rig = seen(Rules::default()).await;
    rig.world.reorg(1, vec![vec![], vec![]]);
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "PENDING 0 0");
    let tx: Option<String> =
        sqlx::query_scalar("SELECT tx_id FROM deposit_sessions").fetch_one(&rig.outside).await.unwrap();
    assert_eq!(tx, None);
    assert_eq!(rig.told("dep_a").await, "created pending pending");
    assert_eq!(rig.owners().await, Vec::<String>::new());
    rig.conclude().await;
    rig.assert_books().await;
}

/// It waits N blocks before it expires, and in a block of its old time it is in time.
#[tokio::test]
async fn a_session_that_lost_its_transaction_waits_for_it() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 10).await;
    rig.deeper(2).await;
    rig.mined(vec![rig.pay(account(1), HUNDRED)]).await;
    let paid = rig.world.recent_txs(1).remove(0);
    let late = rig.time().unsigned_abs() + 100;
    rig.world.reorg_at(1, vec![(late, vec![]), (late + 1, vec![])]);
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "PENDING 0 0", "its time is over, but its transaction may come back");
    rig.world.mine(paid);
    rig.deeper(3).await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100", "it was mined in time at first");
    rig.assert_books().await;
}

#[tokio::test]
async fn a_session_that_waited_in_vain_expires() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 10).await;
    rig.deeper(2).await;
    rig.mined(vec![rig.pay(account(1), HUNDRED)]).await;
    let late = rig.time().unsigned_abs() + 100;
    rig.world.reorg_at(1, vec![(late, vec![])]);
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "PENDING 0 0");
    rig.deeper(4).await;
    assert_eq!(rig.session("dep_a").await, "EXPIRED 0 0");
}

#[tokio::test]
async fn a_shorter_chain_is_followed_where_it_differs() {
    let mut rig = seen(Rules::default()).await;
    rig.deeper(1).await;
    let head = rig.world.head().block.number.0;
    rig.world.reorg(3, vec![vec![]]);
    rig.settle().await;
    assert_eq!(rig.cursor().await.0.unsigned_abs(), head - 2);
    assert_eq!(rig.session("dep_a").await, "PENDING 0 0");
    rig.conclude().await;
    rig.assert_books().await;
}

#[tokio::test]
async fn an_endpoint_that_is_merely_behind_is_no_reorganisation() {
    let mut rig = seen(Rules::default()).await;
    let before = rig.cursor().await;
    rig.one.set(|is| is.lag = 3);
    rig.two.set(|is| is.lag = 3);
    rig.settle().await;
    assert_eq!(rig.cursor().await, before);
    assert_eq!(rig.session("dep_a").await, "PENDING 100 0");
}

async fn confirmed(rules: Rules) -> Rig {
    let mut rig = seen(rules).await;
    rig.deeper(3).await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    rig
}

#[tokio::test]
async fn deeper_than_confirmations_reverts_a_confirmed_session() {
    let mut rig = confirmed(Rules::default()).await;
    rig.world.reorg(4, vec![vec![]; 5]);
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "PENDING 0 0");
    assert_eq!(rig.told("dep_a").await, "created pending confirmed reverted");
    let booked: Vec<String> =
        sqlx::query_scalar("SELECT kind FROM ledger ORDER BY id").fetch_all(&rig.outside).await.unwrap();
    assert_eq!(booked, ["confirm", "revert"]);
    rig.conclude().await;
    rig.assert_books().await;
}

#[tokio::test]
async fn a_confirmed_transfer_is_reverted_only_with_a_second_word() {
    let mut rig = confirmed(Rules::default()).await;
    rig.two.freeze();
    rig.world.reorg(4, vec![vec![]; 5]);
    for _ in 0..6 {
        drop(rig.step().await);
    }
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100", "the other endpoint still has it");
    rig.two.thaw();
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "PENDING 0 0");
}

#[tokio::test]
async fn a_single_endpoint_says_it_three_times() {
    let mut rig = Rig::with_one_endpoint(Rules::default()).await;
    rig.open("dep_a", account(1), "100", 100_000).await;
    rig.mined(vec![rig.pay(account(1), HUNDRED)]).await;
    rig.deeper(3).await;
    rig.world.reorg(4, vec![vec![]; 5]);
    for _ in 0..2 {
        assert!(rig.step().await.unwrap().trouble.is_some());
        assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    }
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "PENDING 0 0");
}

#[tokio::test]
async fn deeper_than_the_window_halts_and_a_restart_does_not_forget_it() {
    let mut rules = Rules::default();
    rules.network.reorg_window = 5;
    let mut rig = confirmed(rules).await;
    rig.deeper(6).await;
    rig.world.reorg(11, vec![vec![]; 14]);
    let mut halted = None;
    for _ in 0..6 {
        halted = rig.step().await.unwrap().halted.or(halted);
    }
    let reason = halted.expect("halted");
    assert!(reason.contains("reorg_window") && reason.contains("rescan --network net --resume"), "{reason}");
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100", "nothing is guessed");
    rig.restart().await;
    assert_eq!(rig.step().await.unwrap().halted, Some(reason));

    assert!(rig.store.request_resume(&rig.rules.network.slug).await.unwrap());
    rig.settle().await;
    assert_eq!(rig.told("dep_a").await, "created pending confirmed reverted");
    rig.conclude().await;
    rig.assert_books().await;
}

#[tokio::test]
async fn a_rewind_goes_to_the_newest_recorded_block_that_is_left() {
    let mut rules = Rules::default();
    rules.network.reorg_window = 640;
    let mut rig = Rig::with(rules).await;
    rig.world.mine_empty(100);
    rig.settle().await;
    let recorded: Vec<i64> =
        sqlx::query_scalar("SELECT number FROM blocks WHERE canonical ORDER BY number DESC LIMIT 3")
            .fetch_all(&rig.outside)
            .await
            .unwrap();
    assert_eq!(recorded, [101, 100, 90], "a tenth of the blocks, as 640/64 says");
    rig.world.reorg(5, vec![vec![]; 6]);
    rig.step().await.unwrap();
    assert_eq!(rig.cursor().await.0, 90);
    rig.settle().await;
    assert_eq!(rig.cursor().await.0, 102);
    rig.conclude().await;
    rig.assert_books().await;
}

#[tokio::test]
async fn the_same_blocks_may_return() {
    let mut rig = seen(Rules::default()).await;
    rig.two.freeze();
    rig.world.reorg(1, vec![vec![], vec![]]);
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "PENDING 0 0");
    // The branch that was left is the only one that can be read again: it is believed, its row lives again.
    rig.one.set(|is| is.down = Some(Down::Refused));
    rig.world.mine_empty(1);
    for _ in 0..4 {
        drop(rig.step().await);
    }
    rig.two.thaw();
    rig.one.heal();
    rig.conclude().await;
    assert_eq!(rig.session("dep_a").await, "PENDING 0 0");
    rig.assert_books().await;
}
