//! A session is judged by the tolerance that held when its first money was seen, whatever is configured later.

use alloy::primitives::U256;
use deposit_watcher::domain::{SessionId, Units};

use super::HUNDRED;
use crate::rig::{Rig, Rules};
use crate::scripted::account;

/// Half a token.
const HALF: u64 = 500_000;

async fn with(tolerance: u64) -> Rig {
    let mut rules = Rules::default();
    rules.network.tokens[0].tolerance = Units(U256::from(tolerance));
    Rig::with(rules).await
}

/// The operator writes another one and starts the watcher again.
async fn configured(rig: &mut Rig, tolerance: u64) {
    rig.rules.network.tokens[0].tolerance = Units(U256::from(tolerance));
    rig.restart().await;
    rig.settle().await;
}

/// Transfers that bring nothing, by which what these received is derived again.
async fn poisoned(rig: &mut Rig, shops: &[u64]) {
    let nothing = shops.iter().map(|&shop| rig.pay(account(shop), 0)).collect();
    rig.mined(nothing).await;
    rig.deeper(2).await;
}

async fn missing(rig: &Rig, id: &str) -> String {
    rig.store.view_sessions(&[SessionId(id.to_owned())]).await.unwrap().remove(0).missing
}

#[tokio::test]
async fn a_lower_one_takes_no_payment_back() {
    let mut rig = with(HALF).await;
    for (id, shop) in [("dep_paid", 1), ("dep_seen", 2), ("dep_open", 3)] {
        rig.open(id, account(shop), "100", 100_000).await;
    }
    rig.settle().await;
    rig.mined(vec![rig.pay(account(1), HUNDRED - HALF)]).await;
    rig.deeper(2).await;
    rig.mined(vec![rig.pay(account(2), HUNDRED - HALF)]).await;
    assert_eq!(rig.session("dep_paid").await, "CONFIRMED 99.5 99.5");
    assert_eq!(rig.session("dep_seen").await, "PENDING 99.5 0");
    configured(&mut rig, 0).await;
    let seen = rig.store.payee(&SessionId("dep_seen".to_owned())).await.unwrap().unwrap();
    assert!(seen.has_all, "nobody is to give it more");
    poisoned(&mut rig, &[1, 2]).await;
    for id in ["dep_paid", "dep_seen"] {
        assert_eq!(rig.session(id).await, "CONFIRMED 99.5 99.5", "{id}");
        assert_eq!(rig.told(id).await, "created pending confirmed", "{id}");
        assert_eq!(missing(&rig, id).await, "0", "{id}");
    }
    rig.mined(vec![rig.pay(account(1), HALF), rig.pay(account(3), HUNDRED - HALF)]).await;
    rig.deeper(2).await;
    assert_eq!(rig.session("dep_paid").await, "CONFIRMED 99.5 99.5", "it takes no more");
    assert_eq!(rig.session("dep_open").await, "UNDERPAID 99.5 99.5", "it had nothing before");
    rig.conclude().await;
    rig.assert_books().await;
}

#[tokio::test]
async fn a_higher_one_pays_nothing_that_was_too_little() {
    let mut rig = with(0).await;
    rig.open("dep_final", account(1), "100", 30).await;
    rig.open("dep_open", account(2), "100", 100_000).await;
    rig.settle().await;
    rig.mined([1, 2].map(|shop| rig.pay(account(shop), HUNDRED - HALF)).to_vec()).await;
    let over = rig.time().unsigned_abs() + 1_000;
    rig.world.mine_at(over, vec![]);
    rig.deeper(4).await;
    rig.deeper(1).await;
    assert_eq!(rig.told("dep_final").await, "created pending underpaid underpaid");
    configured(&mut rig, HALF).await;
    poisoned(&mut rig, &[1, 2]).await;
    for (id, told) in [("dep_final", "created pending underpaid underpaid"), ("dep_open", "created pending underpaid")]
    {
        assert_eq!(rig.session(id).await, "UNDERPAID 99.5 99.5", "{id}");
        assert_eq!(rig.told(id).await, told, "{id}");
        assert_eq!(missing(&rig, id).await, "0.5", "{id}");
    }
    rig.mined(vec![rig.pay(account(2), HALF)]).await;
    rig.deeper(2).await;
    assert_eq!(rig.session("dep_open").await, "CONFIRMED 100 100", "it takes what it lacks");
    rig.conclude().await;
    rig.assert_books().await;
}

#[tokio::test]
async fn it_is_kept_while_a_reorganisation_has_the_money() {
    let mut rig = with(HALF).await;
    rig.open("dep_a", account(1), "100", 100_000).await;
    rig.deeper(4).await;
    rig.mined(vec![rig.pay(account(1), HUNDRED - HALF)]).await;
    assert_eq!(missing(&rig, "dep_a").await, "0");
    let paid = rig.world.recent_txs(1).remove(0);
    configured(&mut rig, 0).await;
    rig.world.reorg(1, vec![vec![], vec![]]);
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "PENDING 0 0");
    assert_eq!(missing(&rig, "dep_a").await, "100");
    rig.mined(paid).await;
    rig.deeper(2).await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 99.5 99.5");
    rig.conclude().await;
    rig.assert_books().await;
}
