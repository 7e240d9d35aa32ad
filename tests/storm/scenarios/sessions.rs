//! Whose money is whose, and when a session ends.

use std::time::Duration;

use alloy::primitives::{Address, U256};
use deposit_watcher::domain::Units;

use super::HUNDRED;
use crate::rig::{Rig, Rules};
use crate::scripted::{TOKEN, Tx, account};

fn from(rig: &Rig, sender: u64, to: Address, millionths: u64) -> Tx {
    rig.world.pay(TOKEN, account(sender), to, U256::from(millionths))
}

#[tokio::test]
async fn only_chain_time_expires() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 10).await;
    let begin = rig.time().unsigned_abs();
    rig.settle().await;
    rig.world.mine_at(begin + 10, vec![]);
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "CREATED 0 0", "its last second is still its own");
    rig.world.mine_at(begin + 11, vec![]);
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "EXPIRED 0 0");
    assert_eq!(rig.told("dep_a").await, "created expired");
}

#[tokio::test]
async fn an_in_time_transfer_that_is_seen_late_revives_an_expired_session() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 10).await;
    let begin = rig.time().unsigned_abs();
    rig.settle().await;
    rig.one.set(|is| is.empty_logs = true);
    rig.world.mine_at(begin + 10, vec![rig.pay(account(1), HUNDRED)]);
    rig.world.mine_at(begin + 11, vec![]);
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "EXPIRED 0 0");
    rig.one.heal();
    rig.conclude().await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    rig.assert_books().await;
}

#[tokio::test]
async fn a_late_transfer_is_kept_as_late() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 10).await;
    let begin = rig.time().unsigned_abs();
    rig.settle().await;
    rig.world.mine_at(begin + 11, vec![rig.pay(account(1), HUNDRED)]);
    rig.conclude().await;
    assert_eq!(rig.owners().await, ["late CONFIRMED"]);
    assert_eq!(rig.session("dep_a").await, "EXPIRED 0 0");
}

#[tokio::test]
async fn cancelled_takes_what_was_mined_before() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 600).await;
    rig.open("dep_b", account(2), "100", 600).await;
    rig.settle().await;
    let (before, after) = (rig.pay(account(1), HUNDRED), rig.pay(account(2), HUNDRED));
    let when = rig.time().unsigned_abs() + 5;
    rig.world.mine_at(when, vec![before]);
    sqlx::query("UPDATE deposit_sessions SET cancelled_at = to_timestamp($1)")
        .bind(when.cast_signed())
        .execute(&rig.outside)
        .await
        .unwrap();
    assert_eq!(rig.session("dep_a").await, "EXPIRED 0 0", "at once, since nothing was seen");
    rig.world.mine_at(when + 1, vec![after]);
    rig.conclude().await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    assert_eq!(rig.session("dep_b").await, "EXPIRED 0 0");
    assert_eq!(rig.owners().await, ["dep_a CONFIRMED", "cancelled CONFIRMED"]);
    rig.assert_books().await;
}

#[tokio::test]
async fn a_part_payment_gives_time_once_and_a_top_up_completes_it() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 30).await;
    rig.settle().await;
    rig.mined(vec![rig.pay(account(1), 40_000_000)]).await;
    rig.deeper(2).await;
    assert_eq!(rig.session("dep_a").await, "UNDERPAID 40 40");
    let moved: i64 =
        sqlx::query_scalar("SELECT topup_seconds FROM deposit_sessions").fetch_one(&rig.outside).await.unwrap();
    assert_eq!(moved, 15 * 60);
    let later = rig.time().unsigned_abs() + 600;
    rig.world.mine_at(later, vec![rig.pay(account(1), 60_000_000)]);
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "PENDING 100 40");
    rig.deeper(2).await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    assert_eq!(rig.told("dep_a").await, "created pending underpaid pending confirmed");
    rig.mined(vec![rig.pay(account(1), 1_000_000)]).await;
    assert_eq!(rig.owners().await.last().map(String::as_str), Some("already_paid SEEN"));
    rig.conclude().await;
    rig.assert_books().await;
}

#[tokio::test]
async fn underpaid_at_its_end_says_that_it_is_final() {
    let mut rules = Rules::default();
    rules.sessions.topup_time = Duration::from_secs(20);
    let mut rig = Rig::with(rules).await;
    rig.open("dep_a", account(1), "100", 30).await;
    rig.settle().await;
    rig.mined(vec![rig.pay(account(1), 40_000_000)]).await;
    rig.conclude().await;
    let finals: Vec<bool> = sqlx::query_scalar(
        "SELECT (data ->> 'final')::boolean FROM events WHERE type = 'deposit.underpaid' ORDER BY position",
    )
    .fetch_all(&rig.outside)
    .await
    .unwrap();
    assert_eq!(finals, [false, true]);
}

#[tokio::test]
async fn overpaid_is_one_transfer_beyond_what_was_due() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 600).await;
    rig.mined(vec![rig.pay(account(1), HUNDRED + 1)]).await;
    rig.deeper(2).await;
    assert_eq!(rig.session("dep_a").await, "OVERPAID 100.000001 100.000001");
}

#[tokio::test]
async fn within_the_tolerance_it_is_paid_in_full() {
    let mut rules = Rules::default();
    rules.network.tokens[0].tolerance = Units(U256::from(500_000));
    let mut rig = Rig::with(rules).await;
    rig.open("dep_a", account(1), "100", 600).await;
    rig.open("dep_b", account(2), "100", 600).await;
    rig.open("dep_c", account(3), "10", 600).await;
    rig.settle().await;
    let pay = [(1, HUNDRED - 500_000), (2, HUNDRED - 500_001), (3, 10_000_000 - 100_001)];
    rig.mined(pay.map(|(shop, units)| rig.pay(account(shop), units)).to_vec()).await;
    rig.deeper(2).await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 99.5 99.5");
    assert_eq!(rig.session("dep_b").await, "UNDERPAID 99.499999 99.499999");
    assert_eq!(rig.session("dep_c").await, "UNDERPAID 9.899999 9.899999", "never more than a hundredth");
    rig.assert_books().await;
}

#[tokio::test]
async fn a_tie_is_held_until_as_many_senders_have_paid() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 600).await;
    rig.open("dep_b", account(1), "100", 600).await;
    rig.settle().await;
    rig.mined(vec![from(&rig, 50, account(1), HUNDRED)]).await;
    rig.mined(vec![from(&rig, 50, account(1), HUNDRED)]).await;
    rig.deeper(3).await;
    assert_eq!(rig.owners().await, ["ambiguous CONFIRMED", "ambiguous CONFIRMED"], "the same sender twice");
    rig.mined(vec![from(&rig, 51, account(1), HUNDRED)]).await;
    rig.deeper(3).await;
    assert_eq!(rig.owners().await, ["dep_a CONFIRMED", "already_paid CONFIRMED", "dep_b CONFIRMED"]);
    rig.conclude().await;
    rig.assert_books().await;
}

/// A thief opens a session of the same amount that soon ends; the payer pays again. The first money must not become his.
#[tokio::test]
async fn what_is_held_never_falls_to_the_session_that_is_left_over() {
    let mut rig = Rig::new().await;
    rig.open("dep_victim", account(1), "100", 100_000).await;
    rig.open("dep_thief", account(1), "100", 20).await;
    rig.settle().await;
    rig.mined(vec![from(&rig, 50, account(1), HUNDRED)]).await;
    let over = rig.time().unsigned_abs() + 60;
    rig.world.mine_at(over, vec![]);
    rig.deeper(3).await;
    rig.mined(vec![from(&rig, 50, account(1), HUNDRED)]).await;
    rig.deeper(3).await;
    rig.mined(vec![rig.pay(account(1), 1)]).await;
    rig.conclude().await;
    assert_eq!(rig.session("dep_thief").await, "EXPIRED 0 0");
    assert_eq!(rig.owners().await[..2], ["ambiguous CONFIRMED", "dep_victim CONFIRMED"]);
    rig.assert_books().await;
}

#[tokio::test]
async fn amounts_from_one_to_the_greatest_are_exact() {
    let mut rules = Rules::default();
    rules.network.tokens[1].decimals = 18;
    let mut rig = Rig::with(rules).await;
    let token = rig.rules.network.tokens[1].address;
    let most = Units(U256::MAX).to_decimal(18);
    rig.open_for("dep_least", token, "EUR", account(1), "0.000000000000000001", 600).await;
    rig.open_for("dep_most", token, "EUR", account(2), &most, 600).await;
    rig.settle().await;
    let least = rig.world.pay(token, account(50), account(1), U256::from(1));
    let greatest = rig.world.pay(token, account(50), account(2), U256::MAX);
    rig.mined(vec![least, greatest]).await;
    rig.deeper(2).await;
    assert_eq!(rig.session("dep_least").await, "CONFIRMED 0.000000000000000001 0.000000000000000001");
    assert_eq!(rig.session("dep_most").await, format!("CONFIRMED {most} {most}"));
    rig.assert_books().await;
}

#[tokio::test]
async fn a_transfer_stored_before_a_session_was_opened_never_pays_it() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "5", 600).await;
    rig.mined(vec![rig.pay(account(1), HUNDRED)]).await;
    rig.open("dep_thief", account(1), "100", 100).await;
    rig.conclude().await;
    assert_eq!(rig.session("dep_thief").await, "EXPIRED 0 0");
    rig.assert_books().await;
}
