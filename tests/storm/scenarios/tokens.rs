//! Tokens that come later, and ranges that are read again.

use alloy::primitives::U256;
use deposit_watcher::domain::BlockNumber;

use super::HUNDRED;
use crate::rig::{Rig, Rules};
use crate::scripted::{DecimalsAnswer, Log, OTHER_TOKEN, account};

#[tokio::test]
async fn a_token_added_later_is_read_from_its_oldest_session() {
    let mut rules = Rules::default();
    let other = rules.network.tokens.pop().unwrap();
    let mut rig = Rig::with(rules).await;
    rig.world.set_decimals(OTHER_TOKEN, DecimalsAnswer::Is(18));
    rig.settle().await;
    rig.open_for("dep_b", OTHER_TOKEN, "EUR", account(1), "1", 20).await;
    let one = U256::from(10).pow(U256::from(18));
    rig.mined(vec![rig.world.pay(OTHER_TOKEN, account(50), account(1), one)]).await;
    let later = rig.time().unsigned_abs() + 1_000;
    rig.world.mine_at(later, vec![]);
    rig.deeper(5).await;
    assert_eq!(rig.session("dep_b").await, "CREATED 0 0", "nobody looks for its token: it does not expire");
    rig.rules.network.tokens.push(other);
    rig.restart().await;
    rig.world.mine_empty(1);
    rig.settle().await;
    assert_eq!(rig.session("dep_b").await, "CONFIRMED 1 1");
    assert_eq!(rig.told("dep_b").await, "created pending confirmed", "nor before its past is read");
    rig.conclude().await;
    rig.assert_books().await;
}

#[tokio::test]
async fn reading_a_range_again_changes_nothing() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 600).await;
    rig.mined(vec![rig.pay(account(1), HUNDRED)]).await;
    rig.deeper(5).await;
    let before = (rig.told("dep_a").await, rig.owners().await);
    for _ in 0..2 {
        let head = rig.world.head().block.number;
        let id = rig.store.request_rescan(&rig.rules.network.slug, BlockNumber(1), head).await.unwrap();
        rig.settle().await;
        let (added, finished) = rig.store.rescan_progress(id).await.unwrap().unwrap();
        assert_eq!((added, finished.is_some()), (0, true));
    }
    assert_eq!((rig.told("dep_a").await, rig.owners().await), before);
    rig.assert_books().await;
}

#[tokio::test]
async fn reading_again_finds_what_both_looks_were_not_told() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 100_000).await;
    rig.settle().await;
    rig.one.set(|is| is.empty_logs = true);
    rig.two.set(|is| is.empty_logs = true);
    rig.mined(vec![rig.pay(account(1), HUNDRED)]).await;
    rig.conclude().await;
    assert_eq!(rig.session("dep_a").await, "CREATED 0 0");
    rig.one.heal();
    rig.two.heal();
    let head = rig.world.head().block.number;
    let id = rig.store.request_rescan(&rig.rules.network.slug, BlockNumber(1), head).await.unwrap();
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    assert_eq!(rig.store.rescan_progress(id).await.unwrap().unwrap().0, 1);
    rig.assert_books().await;
}

#[tokio::test]
async fn odd_logs_cost_nothing_else_of_their_block() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 600).await;
    rig.settle().await;
    let (token, shop) = (crate::scripted::TOKEN, account(1));
    let odd = vec![
        Log::erc721(token, account(50), shop, U256::from(1)),
        Log::odd(token, account(50), shop),
        Log::noise(token),
        Log::transfer(token, account(50), shop, U256::from(HUNDRED)),
    ];
    rig.mined(vec![rig.world.tx(odd)]).await;
    rig.deeper(2).await;
    assert_eq!(rig.owners().await, ["dep_a CONFIRMED"]);
}

#[tokio::test]
async fn a_token_with_other_decimals_is_refused_alone() {
    let mut rig = Rig::new().await;
    rig.world.set_decimals(OTHER_TOKEN, DecimalsAnswer::Is(6));
    rig.open("dep_a", account(1), "100", 600).await;
    rig.open_for("dep_b", OTHER_TOKEN, "EUR", account(2), "1", 600).await;
    rig.settle().await;
    let other = rig.world.pay(OTHER_TOKEN, account(50), account(2), U256::from(1_000_000));
    rig.mined(vec![rig.pay(account(1), HUNDRED), other]).await;
    rig.deeper(2).await;
    assert_eq!(rig.owners().await, ["dep_a CONFIRMED"]);
}
