//! A person settles money without an owner: gives it to a session, closes it, books that it was sent back, and undoes.

use alloy::primitives::{Address, U256};
use deposit_watcher::domain::{Deed, LogId, SessionId, Units};
use deposit_watcher::store::{Destination, Matter, Money};
use sqlx::Row;

use super::HUNDRED;
use crate::rig::{Rig, Rules};
use crate::scripted::{Down, Lie, Log, OTHER_TOKEN, PAYER, TOKEN, Tx, account};

const OTHER: &str = "refused: another log stands in its place: ";

fn to(session: &str) -> Deed {
    Deed::Assign(SessionId(session.to_owned()))
}

fn sent_back() -> Deed {
    Deed::Refund([7; 32].into())
}

/// The canonical transfers in chain order.
async fn logs(rig: &Rig) -> Vec<LogId> {
    let rows = sqlx::query(
        "SELECT block_hash, log_index FROM transfers WHERE state <> 'ORPHANED' ORDER BY block_number, log_index",
    )
    .fetch_all(&rig.outside)
    .await
    .unwrap();
    let log = |row: &sqlx::postgres::PgRow| LogId {
        block_hash: row.get::<String, _>(0).parse().unwrap(),
        log_index: row.get::<i64, _>(1).unsigned_abs(),
    };
    rows.iter().map(log).collect()
}

async fn ask_for(rig: &Rig, matter: &Matter, deed: &Deed) -> i64 {
    rig.store.ask_settlement(&rig.rules.network.slug, matter, deed, "as the customer says", "anna").await.unwrap()
}

async fn ask_about(rig: &Rig, log: LogId, deed: &Deed) -> i64 {
    ask_for(rig, &rig.matter(log).await, deed).await
}

/// Asks about the transfer at this place of the chain.
async fn ask(rig: &Rig, place: usize, deed: &Deed) -> i64 {
    ask_about(rig, logs(rig).await[place], deed).await
}

/// What became of it: `outcome answer`, or `waits`.
async fn answer(rig: &Rig, id: i64) -> String {
    sqlx::query_scalar("SELECT coalesce(outcome || ': ' || answer, 'waits') FROM settlements WHERE id = $1")
        .bind(id)
        .fetch_one(&rig.outside)
        .await
        .unwrap()
}

/// Asks, lets the holder step, and gives the answer.
async fn settled(rig: &mut Rig, place: usize, deed: Deed) -> String {
    let id = ask(rig, place, &deed).await;
    rig.settle().await;
    rig.assert_books().await;
    answer(rig, id).await
}

/// `kind session units` of the ledger, in order.
async fn booked(rig: &Rig) -> Vec<String> {
    sqlx::query_scalar("SELECT concat_ws(' ', kind, session_id, trim_scale(amount)) FROM ledger ORDER BY id")
        .fetch_all(&rig.outside)
        .await
        .unwrap()
}

/// How the canonical transfers are settled, in chain order.
async fn held_by(rig: &Rig) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT concat_ws(' ', coalesce(settled, 'open'), session_id, reason, state) FROM transfers WHERE state <> 'ORPHANED'
          ORDER BY block_number, log_index",
    )
    .fetch_all(&rig.outside)
    .await
    .unwrap()
}

async fn unmatched(rig: &Rig) -> u64 {
    rig.store.unmatched_counts().await.unwrap().iter().map(|line| line.count).sum()
}

/// Another branch instead of the newest blocks, in whose time what came too late comes too late as well.
fn replaced(rig: &Rig, depth: u64, blocks: Vec<Vec<Tx>>) {
    let late = rig.time().unsigned_abs() + 100;
    rig.world.reorg_at(depth, (late..).zip(blocks).collect());
}

/// `dep_a` asked for 100 and is EXPIRED; its 100 came a minute after that and are confirmed.
async fn too_late(rules: Rules) -> Rig {
    let mut rig = Rig::with(rules).await;
    rig.open("dep_a", account(1), "100", 10).await;
    let late = rig.time().unsigned_abs() + 70;
    rig.world.mine_at(late, vec![rig.pay(account(1), HUNDRED)]);
    rig.deeper(3).await;
    assert_eq!(
        (rig.session("dep_a").await, rig.owners().await),
        ("EXPIRED 0 0".to_owned(), vec!["late CONFIRMED".to_owned()])
    );
    rig
}

#[tokio::test]
async fn what_came_too_late_pays_when_a_person_says_so() {
    let mut rig = too_late(Rules::default()).await;
    assert_eq!(unmatched(&rig).await, 1);
    assert_eq!(settled(&mut rig, 0, to("dep_a")).await, "done: it is assigned to session dep_a");
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    assert_eq!(rig.told("dep_a").await, "created expired confirmed");
    assert_eq!(rig.owners().await, ["dep_a CONFIRMED"]);
    assert_eq!(unmatched(&rig).await, 0);
    assert_eq!(booked(&rig).await, ["confirm 100", "release -100", "assign dep_a 100"]);
    let audit: String = sqlx::query_scalar(
        "SELECT concat_ws('|', kind, session_id, note, os_user, database_user = session_user, asked_at <= answered_at) FROM settlements",
    )
    .fetch_one(&rig.outside)
    .await
    .unwrap();
    assert_eq!(audit, "assign|dep_a|as the customer says|anna|t|t");
    rig.conclude().await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    rig.assert_books().await;
}

#[tokio::test]
async fn a_release_undoes_all_of_it_and_the_rules_say_again_whose_it_is() {
    let mut rig = too_late(Rules::default()).await;
    settled(&mut rig, 0, to("dep_a")).await;
    assert_eq!(
        settled(&mut rig, 0, Deed::Release).await,
        "done: its decision is undone; by the rules it pays nobody (late)"
    );
    assert_eq!(rig.session("dep_a").await, "EXPIRED 0 0");
    assert_eq!(rig.told("dep_a").await, "created expired confirmed reverted expired");
    assert_eq!(held_by(&rig).await, ["open late CONFIRMED"]);
    assert_eq!(
        booked(&rig).await,
        ["confirm 100", "release -100", "assign dep_a 100", "release dep_a -100", "assign 100"]
    );
    assert_eq!(unmatched(&rig).await, 1);
    assert_eq!(settled(&mut rig, 0, Deed::Release).await, "nothing: no decision holds for it");
    assert_eq!(settled(&mut rig, 0, to("dep_a")).await, "done: it is assigned to session dep_a");
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    rig.conclude().await;
    rig.assert_books().await;
}

/// Mined again in time it is still nobody's, as a person said; when he takes that back, he hears whose it is.
#[tokio::test]
async fn a_release_tells_whom_the_rules_give_it_to() {
    let mut rig = too_late(Rules::default()).await;
    settled(&mut rig, 0, Deed::Ignore).await;
    let paid = rig.world.recent_txs(4).remove(0);
    rig.world.reorg(4, vec![vec![], paid, vec![], vec![], vec![]]);
    rig.conclude().await;
    assert_eq!(held_by(&rig).await, ["ignored late CONFIRMED"]);
    let told = settled(&mut rig, 0, Deed::Release).await;
    assert_eq!(told, "done: its decision is undone; by the rules it pays session dep_a");
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
}

/// What is only seen proves nothing, whoever says whose it is.
#[tokio::test]
async fn a_seen_transfer_that_is_given_waits_for_its_depth() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 10).await;
    let late = rig.time().unsigned_abs() + 70;
    rig.world.mine_at(late, vec![rig.pay(account(1), HUNDRED)]);
    rig.settle().await;
    settled(&mut rig, 0, to("dep_a")).await;
    assert_eq!(rig.session("dep_a").await, "PENDING 100 0");
    rig.deeper(1).await;
    assert_eq!(rig.session("dep_a").await, "PENDING 100 0");
    rig.deeper(1).await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    assert_eq!(booked(&rig).await, ["confirm dep_a 100"]);
    assert_eq!(rig.told("dep_a").await, "created expired pending confirmed");
    rig.assert_books().await;
}

/// Days lie between the session's end and its money: more than any rule looks back.
#[tokio::test]
async fn a_session_that_ended_long_ago_is_paid_and_loses_it_again() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 10).await;
    let late = rig.time().unsigned_abs() + 20 * 86_400;
    rig.world.mine_at(late, vec![rig.pay(account(1), HUNDRED)]);
    rig.settle().await;
    settled(&mut rig, 0, to("dep_a")).await;
    assert_eq!(rig.session("dep_a").await, "PENDING 100 0");
    rig.deeper(3).await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    rig.assert_books().await;
    settled(&mut rig, 0, Deed::Release).await;
    assert_eq!(rig.session("dep_a").await, "EXPIRED 0 0");
    settled(&mut rig, 0, to("dep_a")).await;
    rig.world.reorg(4, vec![vec![]; 5]);
    rig.conclude().await;
    assert_eq!(rig.session("dep_a").await, "EXPIRED 0 0");
    assert_eq!(rig.owners().await, Vec::<String>::new());
    rig.assert_books().await;
}

#[tokio::test]
async fn what_is_ignored_before_it_is_confirmed_is_confirmed_all_the_same() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 10).await;
    let late = rig.time().unsigned_abs() + 70;
    rig.world.mine_at(late, vec![rig.pay(account(1), HUNDRED)]);
    rig.settle().await;
    assert_eq!(settled(&mut rig, 0, Deed::Ignore).await, "done: it is ignored");
    assert_eq!((held_by(&rig).await, unmatched(&rig).await), (vec!["ignored late SEEN".to_owned()], 0));
    rig.conclude().await;
    assert_eq!(held_by(&rig).await, ["ignored late CONFIRMED"]);
    assert_eq!(booked(&rig).await, ["confirm 100"]);
    let told: i64 = sqlx::query_scalar("SELECT count(*) FROM events WHERE type = 'deposit.unmatched'")
        .fetch_one(&rig.outside)
        .await
        .unwrap();
    assert_eq!(told, 0, "somebody has looked");
    assert_eq!(
        settled(&mut rig, 0, Deed::Release).await,
        "done: its decision is undone; by the rules it pays nobody (late)"
    );
    assert_eq!((held_by(&rig).await, unmatched(&rig).await), (vec!["open late CONFIRMED".to_owned()], 1));
    rig.assert_books().await;
}

#[tokio::test]
async fn a_refund_is_booked_once_and_taken_back_by_its_release() {
    let mut rig = too_late(Rules::default()).await;
    let done = settled(&mut rig, 0, sent_back()).await;
    assert_eq!(done, format!("done: it was sent back by 0x{}", "07".repeat(32)));
    assert_eq!(booked(&rig).await, ["confirm 100", "refund -100"]);
    // Its block is replaced and it is mined again: what was sent back once is not sent back twice.
    let paid = rig.world.recent_txs(4).remove(0);
    replaced(&rig, 4, vec![vec![], paid, vec![], vec![], vec![]]);
    rig.conclude().await;
    assert_eq!(held_by(&rig).await, ["refunded late CONFIRMED"]);
    assert_eq!(booked(&rig).await, ["confirm 100", "refund -100", "revert -100", "confirm 100"]);
    rig.assert_books().await;
    settled(&mut rig, 0, Deed::Release).await;
    assert_eq!(booked(&rig).await[4..], ["refund 100"]);
    assert_eq!(held_by(&rig).await, ["open late CONFIRMED"]);
}

#[tokio::test]
async fn an_assigned_transfer_that_is_mined_again_returns_to_its_session() {
    let mut rig = too_late(Rules::default()).await;
    settled(&mut rig, 0, to("dep_a")).await;
    let paid = rig.world.recent_txs(4).remove(0);
    replaced(&rig, 4, vec![vec![], vec![]]);
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await.split(' ').nth(1), Some("0"));
    rig.world.mine(paid);
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "PENDING 100 0");
    assert_eq!(held_by(&rig).await, ["assigned dep_a SEEN"]);
    rig.conclude().await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    rig.assert_books().await;
    // As often as the chain likes; and the release is about where it stands now.
    let paid = rig.world.recent_txs(6).remove(0);
    replaced(&rig, 6, vec![vec![], paid, vec![], vec![], vec![], vec![], vec![]]);
    rig.conclude().await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    assert_eq!(
        settled(&mut rig, 0, Deed::Release).await,
        "done: its decision is undone; by the rules it pays nobody (late)"
    );
    assert_eq!(held_by(&rig).await, ["open late CONFIRMED"]);
}

/// The old block itself may come back, after the transfer was seen in another one.
#[tokio::test]
async fn a_decision_follows_its_transfer_to_a_block_and_back() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 10).await;
    rig.deeper(4).await;
    let late = rig.time().unsigned_abs() + 70;
    rig.world.mine_at(late, vec![rig.pay(account(1), HUNDRED)]);
    rig.settle().await;
    let id = ask(&rig, 0, &to("dep_a")).await;
    rig.settle().await;
    let first = logs(&rig).await[0];
    rig.two.freeze();
    let paid = rig.world.recent_txs(1).remove(0);
    replaced(&rig, 1, vec![vec![], paid]);
    rig.settle().await;
    let second = logs(&rig).await[0];
    assert_ne!(first, second);
    assert_eq!(held_by(&rig).await, ["assigned dep_a SEEN"]);
    // The branch that was left is the only one that can be read.
    rig.one.set(|is| is.down = Some(Down::Refused));
    rig.world.mine_empty(1);
    for _ in 0..4 {
        drop(rig.step().await);
    }
    assert_eq!((held_by(&rig).await, logs(&rig).await), (vec!["assigned dep_a SEEN".to_owned()], vec![first]));
    rig.two.thaw();
    rig.one.heal();
    rig.conclude().await;
    assert_eq!((held_by(&rig).await, logs(&rig).await), (vec!["assigned dep_a CONFIRMED".to_owned()], vec![second]));
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    let homes: Vec<i64> = sqlx::query_scalar("SELECT settlement FROM transfers WHERE settlement IS NOT NULL")
        .fetch_all(&rig.outside)
        .await
        .unwrap();
    assert_eq!(homes, [id], "a decision holds for one transfer");
    rig.assert_books().await;
}

/// The block comes back after its session, of long ago, has ended once more: the session is found all the same.
#[tokio::test]
async fn the_old_block_comes_back_to_a_session_that_has_ended_again() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 10).await;
    rig.deeper(4).await;
    let late = rig.time().unsigned_abs() + 20 * 86_400;
    rig.world.mine_at(late, vec![rig.pay(account(1), HUNDRED)]);
    rig.settle().await;
    settled(&mut rig, 0, to("dep_a")).await;
    let first = logs(&rig).await;
    rig.two.freeze();
    replaced(&rig, 1, vec![vec![]; 6]);
    // The other one lacks these blocks: the second look waits.
    for _ in 0..6 {
        drop(rig.step().await);
    }
    assert_eq!(rig.session("dep_a").await, "EXPIRED 0 0");
    rig.one.set(|is| is.down = Some(Down::Refused));
    for _ in 0..6 {
        drop(rig.step().await);
    }
    assert_eq!((held_by(&rig).await, logs(&rig).await), (vec!["assigned dep_a SEEN".to_owned()], first));
    assert_eq!(rig.session("dep_a").await, "PENDING 100 0");
    rig.assert_books().await;
}

/// Whoever holds the session's row delays what returns to it, and nothing else.
#[tokio::test]
async fn what_returns_to_a_session_that_is_held_waits_for_it() {
    let mut rig = too_late(Rules::default()).await;
    settled(&mut rig, 0, to("dep_a")).await;
    let paid = rig.world.recent_txs(4).remove(0);
    replaced(&rig, 4, vec![vec![]; 2]);
    rig.settle().await;
    let mut outside = rig.outside.begin().await.unwrap();
    sqlx::query("SELECT FROM deposit_sessions WHERE id = 'dep_a' FOR UPDATE").execute(&mut *outside).await.unwrap();
    let scanned = rig.cursor().await.0;
    rig.world.mine(paid);
    for _ in 0..3 {
        rig.step().await.unwrap();
    }
    assert_eq!(rig.cursor().await.0, scanned + 1);
    outside.rollback().await.unwrap();
    rig.settle().await;
    assert_eq!(held_by(&rig).await, ["assigned dep_a SEEN"]);
    rig.conclude().await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    rig.assert_books().await;
}

#[tokio::test]
async fn a_release_while_it_is_off_the_chain_is_remembered_when_it_returns() {
    let mut rig = too_late(Rules::default()).await;
    settled(&mut rig, 0, to("dep_a")).await;
    let old = logs(&rig).await[0];
    let paid = rig.world.recent_txs(4).remove(0);
    // Twice, so that there are two old blocks that it was assigned in.
    replaced(&rig, 4, vec![vec![], paid.clone(), vec![]]);
    rig.settle().await;
    let newer = logs(&rig).await[0];
    replaced(&rig, 2, vec![vec![], vec![], vec![]]);
    rig.settle().await;
    assert_eq!(rig.owners().await, Vec::<String>::new());
    let stale = ask_about(&rig, old, &Deed::Release).await;
    let home = ask_about(&rig, newer, &Deed::Release).await;
    rig.settle().await;
    assert_eq!(answer(&rig, stale).await, "nothing: no decision holds for it");
    assert_eq!(answer(&rig, home).await, "done: its decision is undone; it is not on the chain");
    rig.world.mine(paid);
    rig.conclude().await;
    assert_eq!(held_by(&rig).await, ["open late CONFIRMED"]);
    assert_eq!(rig.session("dep_a").await, "EXPIRED 0 0");
    rig.assert_books().await;
}

/// Whom a person had given it to is no session that it had by the rules: it does not return there once he took it back.
#[tokio::test]
async fn what_was_given_and_taken_back_is_not_remembered() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 100_000).await;
    rig.open("dep_b", account(1), "70", 100_000).await;
    rig.mined(vec![rig.pay(account(1), HUNDRED / 2)]).await;
    assert_eq!(held_by(&rig).await, ["open amount_mismatch SEEN"]);
    settled(&mut rig, 0, to("dep_b")).await;
    let paid = rig.world.recent_txs(1).remove(0);
    rig.world.reorg(1, vec![vec![], paid.clone()]);
    rig.settle().await;
    assert_eq!(held_by(&rig).await, ["assigned dep_b SEEN"]);
    settled(&mut rig, 0, Deed::Release).await;
    assert_eq!(held_by(&rig).await, ["open amount_mismatch SEEN"]);
    rig.world.reorg(1, vec![vec![], paid.clone()]);
    rig.settle().await;
    assert_eq!(held_by(&rig).await, ["open amount_mismatch SEEN"]);
    rig.world.reorg(1, vec![vec![], paid]);
    rig.conclude().await;
    assert_eq!(held_by(&rig).await, ["open amount_mismatch CONFIRMED"]);
    assert_eq!(rig.session("dep_b").await, "PENDING 0 0");
    rig.assert_books().await;
}

/// Two equal logs of one transaction: a decision about one of them is not one about both.
#[tokio::test]
async fn of_equal_transfers_of_a_transaction_one_returns_to_the_session() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 10).await;
    let late = rig.time().unsigned_abs() + 70;
    let log = Log::transfer(TOKEN, PAYER, account(1), U256::from(HUNDRED));
    let tx = rig.world.tx(vec![log.clone(), log]);
    rig.world.mine_at(late, vec![tx]);
    rig.settle().await;
    settled(&mut rig, 1, to("dep_a")).await;
    let paid = rig.world.recent_txs(1).remove(0);
    replaced(&rig, 1, vec![vec![], paid]);
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "PENDING 100 0", "one of the two");
    rig.conclude().await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    let mut held = held_by(&rig).await;
    held.sort();
    assert_eq!(held, ["assigned dep_a CONFIRMED", "open late CONFIRMED"]);
    rig.assert_books().await;
}

#[tokio::test]
async fn a_person_unties_and_the_next_one_goes_to_the_other() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 100_000).await;
    rig.open("dep_b", account(1), "100", 100_000).await;
    rig.mined(vec![rig.pay(account(1), HUNDRED)]).await;
    rig.deeper(3).await;
    assert_eq!(rig.owners().await, ["ambiguous CONFIRMED"]);
    settled(&mut rig, 0, to("dep_b")).await;
    rig.mined(vec![rig.pay(account(1), HUNDRED)]).await;
    rig.deeper(3).await;
    assert_eq!(rig.owners().await, ["dep_b CONFIRMED", "dep_a CONFIRMED"]);
    // Undone it is in doubt again, as it was: the other is paid, and one of the two that asked is not.
    settled(&mut rig, 0, Deed::Release).await;
    assert_eq!(held_by(&rig).await, ["open ambiguous CONFIRMED", "open dep_a CONFIRMED"]);
    rig.conclude().await;
    rig.assert_books().await;
}

/// What a person gave is not proven by his word: what the second look may refute holds up what is told by it.
#[tokio::test]
async fn what_is_told_by_an_unproven_gift_waits_for_it() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 10).await;
    rig.open("dep_b", account(1), "70", 100_000).await;
    let late = rig.time().unsigned_abs() + 70;
    rig.world.mine_at(late, vec![rig.pay(account(1), 60_000_000)]);
    rig.settle().await;
    assert_eq!(rig.owners().await, ["amount_mismatch SEEN"]);
    settled(&mut rig, 0, to("dep_b")).await;
    assert_eq!(rig.session("dep_b").await, "PENDING 60 0");
    // It leaves the chain: what came after pays in full, as if it had never been.
    rig.world.reorg(1, vec![vec![rig.pay(account(1), 70_000_000)], vec![]]);
    rig.conclude().await;
    assert_eq!(rig.session("dep_b").await, "CONFIRMED 70 70");
    rig.assert_books().await;
}

#[tokio::test]
async fn what_may_not_be_is_refused_and_changes_nothing() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 100_000).await;
    rig.open("dep_b", account(1), "70", 100_000).await;
    rig.open("dep_elsewhere", account(2), "100", 100_000).await;
    rig.open_for("dep_eur", OTHER_TOKEN, "EUR", account(1), "100", 100_000).await;
    rig.open_for("dep_odd", TOKEN, "GBP", account(1), "100", 100_000).await;
    let (zero, treasury) = (rig.pay(account(1), 0), Address::repeat_byte(0x77));
    let other = rig.world.pay(TOKEN, treasury, account(1), U256::from(33_000_000));
    rig.mined(vec![rig.pay(account(1), HUNDRED), zero, other]).await;
    assert_eq!(rig.owners().await, ["dep_a SEEN", "zero SEEN", "amount_mismatch SEEN"]);
    let own: String =
        sqlx::query_scalar("SELECT tx_hash FROM transfers WHERE log_index = 2").fetch_one(&rig.outside).await.unwrap();
    let before = (held_by(&rig).await, booked(&rig).await, rig.session("dep_a").await, rig.session("dep_b").await);
    for (place, deed, told) in [
        (0, to("dep_b"), "it pays session dep_a already"),
        (0, to("dep_a"), "it pays session dep_a already"),
        (0, Deed::Ignore, "it pays session dep_a already"),
        (0, sent_back(), "it pays session dep_a already"),
        (0, Deed::Release, "it pays session dep_a by the rules, not by a person's decision"),
        (1, to("dep_b"), "it brought nothing (zero)"),
        (2, to("dep_a"), "session dep_a has all its money (100 of 100, PENDING)"),
        (2, to("dep_elsewhere"), "session dep_elsewhere names address"),
        (2, to("dep_eur"), "session dep_eur asks for token"),
        (2, to("dep_odd"), "its row is unusable (currency_mismatch)"),
        (2, sent_back(), "it is not confirmed yet"),
    ] {
        let answer = settled(&mut rig, place, deed.clone()).await;
        assert!(answer.starts_with("refused: ") && answer.contains(told), "{deed:?}: {answer}");
    }
    let after = (held_by(&rig).await, booked(&rig).await, rig.session("dep_a").await, rig.session("dep_b").await);
    assert_eq!(before, after);
    rig.conclude().await;
    let answer = settled(&mut rig, 2, Deed::Refund(own.parse().unwrap())).await;
    assert!(answer.contains("that is the transfer itself"), "{answer}");
    settled(&mut rig, 2, Deed::Ignore).await;
    let answer = settled(&mut rig, 2, to("dep_b")).await;
    assert!(
        answer.starts_with("refused: it is ignored already, by settlement ") && answer.ends_with("release it first"),
        "{answer}"
    );
    let answer = settled(&mut rig, 2, Deed::Ignore).await;
    assert!(answer.starts_with("nothing: it is ignored already"), "{answer}");
}

/// Who asks about a block that has left the chain is told so: another transfer may stand at that place by now.
#[tokio::test]
async fn what_left_the_chain_meanwhile_is_not_settled() {
    let mut rig = too_late(Rules::default()).await;
    let log = logs(&rig).await[0];
    let paid = rig.world.recent_txs(4).remove(0);
    replaced(&rig, 4, vec![vec![], paid, vec![], vec![], vec![]]);
    rig.settle().await;
    let id = ask_about(&rig, log, &to("dep_a")).await;
    rig.conclude().await;
    assert!(answer(&rig, id).await.starts_with("refused: it is not on the chain"));
    assert_eq!(rig.session("dep_a").await, "EXPIRED 0 0");
}

#[tokio::test]
async fn asking_twice_is_asking_once() {
    let rig = too_late(Rules::default()).await;
    let first = ask(&rig, 0, &to("dep_a")).await;
    assert_eq!(ask(&rig, 0, &to("dep_a")).await, first, "it waits already");
    assert_ne!(ask(&rig, 0, &Deed::Ignore).await, first);
}

/// What waits is withdrawn by a release, and never carried out; asked for once more after that, it is.
#[tokio::test]
async fn a_decision_that_waits_is_withdrawn_by_a_release() {
    let mut rig = too_late(Rules::default()).await;
    let waits = ask(&rig, 0, &to("dep_a")).await;
    let release = ask(&rig, 0, &Deed::Release).await;
    rig.conclude().await;
    assert_eq!(answer(&rig, waits).await, format!("nothing: withdrawn by settlement {release}"));
    assert_eq!(answer(&rig, release).await, "nothing: no decision holds for it");
    assert_eq!(rig.session("dep_a").await, "EXPIRED 0 0");
    let first = ask(&rig, 0, &to("dep_a")).await;
    ask(&rig, 0, &Deed::Release).await;
    let again = ask(&rig, 0, &to("dep_a")).await;
    assert_ne!(again, first, "after the release it is another one");
    rig.conclude().await;
    assert!(answer(&rig, again).await.starts_with("done: "), "{}", answer(&rig, again).await);
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    rig.assert_books().await;
}

/// A decision about money that never was does not go over to the same money beside it, which has an owner.
#[tokio::test]
async fn a_decision_about_an_invented_twin_ends_with_it() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 100_000).await;
    rig.open("dep_b", account(1), "170", 100_000).await;
    rig.settle().await;
    let mut paid = rig.pay(account(1), HUNDRED);
    let real = paid.logs[0].clone();
    paid.logs.push(Log::transfer(TOKEN, PAYER, account(9), U256::from(1)));
    let block = rig.world.mine(vec![paid]).block;
    rig.one.set(|is| is.lies = vec![Lie::Alter(block.hash, 1, real)]);
    rig.settle().await;
    assert_eq!(rig.owners().await, ["dep_a SEEN", "already_paid SEEN"]);
    assert!(settled(&mut rig, 1, to("dep_b")).await.starts_with("done: "));
    rig.one.heal();
    rig.conclude().await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    assert_eq!(rig.session("dep_b").await, "PENDING 0 0");
    rig.assert_books().await;
}

/// Nor is one that waits carried out on the log that is there in truth, nor one taken back for it.
#[tokio::test]
async fn a_decision_that_waits_ends_with_the_invented_log_it_is_about() {
    for (held, release) in [("dep_far", false), ("dep_a", true)] {
        let mut rig = Rig::new().await;
        rig.open("dep_a", account(1), "100", 100_000).await;
        rig.open("dep_far", account(9), "100", 100_000).await;
        rig.settle().await;
        let mut paid = rig.pay(account(1), HUNDRED);
        let invented = Log::transfer(TOKEN, PAYER, account(1), U256::from(7));
        paid.logs.push(Log::transfer(TOKEN, PAYER, account(9), U256::from(1)));
        let block = rig.world.mine(vec![paid]).block;
        rig.one.set(|is| is.lies = vec![Lie::Alter(block.hash, 1, invented)]);
        rig.settle().await;
        assert_eq!(rig.owners().await, ["dep_a SEEN", "already_paid SEEN"]);
        if release {
            assert!(settled(&mut rig, 1, Deed::Ignore).await.starts_with("done: "));
        }
        let mut outside = rig.outside.begin().await.unwrap();
        let hold = "SELECT FROM deposit_sessions WHERE id = $1 FOR NO KEY UPDATE";
        sqlx::query(hold).bind(held).execute(&mut *outside).await.unwrap();
        let id = ask(&rig, 1, &if release { Deed::Release } else { to("dep_far") }).await;
        rig.step().await.unwrap();
        assert_eq!(answer(&rig, id).await, "waits");
        rig.one.heal();
        rig.deeper(6).await;
        outside.rollback().await.unwrap();
        rig.conclude().await;
        assert!(answer(&rig, id).await.starts_with(OTHER));
        assert_eq!(rig.owners().await, ["dep_a CONFIRMED", "dust CONFIRMED"]);
        assert_eq!(rig.session("dep_far").await, "CREATED 0 0");
        rig.assert_books().await;
    }
}

/// The same where the block left meanwhile and comes back with its true log.
#[tokio::test]
async fn a_decision_that_waits_ends_with_the_invented_log_of_a_block_that_comes_back() {
    let mut rig = Rig::new().await;
    rig.open("dep_far", account(9), "100", 100_000).await;
    rig.settle().await;
    let paid = rig.pay(account(9), 1);
    let block = rig.world.mine(vec![paid]).block;
    rig.one.set(|is| is.lies = vec![Lie::Alter(block.hash, 0, Log::transfer(TOKEN, PAYER, account(9), U256::from(7)))]);
    rig.settle().await;
    let mut outside = rig.outside.begin().await.unwrap();
    let hold = "SELECT FROM deposit_sessions WHERE id = 'dep_far' FOR NO KEY UPDATE";
    sqlx::query(hold).execute(&mut *outside).await.unwrap();
    let id = ask(&rig, 0, &to("dep_far")).await;
    rig.two.freeze();
    replaced(&rig, 1, vec![vec![]; 6]);
    for _ in 0..6 {
        drop(rig.step().await);
    }
    assert_eq!((logs(&rig).await, answer(&rig, id).await), (vec![], "waits".to_owned()));
    rig.one.set(|is| is.down = Some(Down::Refused));
    for _ in 0..6 {
        drop(rig.step().await);
    }
    outside.rollback().await.unwrap();
    drop(rig.step().await);
    assert!(answer(&rig, id).await.starts_with(OTHER));
    assert_eq!(held_by(&rig).await, ["open dust SEEN"]);
    rig.assert_books().await;
}

/// Between being judged and being asked for a transfer may become another one: in any of its parts.
#[tokio::test]
async fn nothing_is_done_to_other_money_than_was_judged() {
    let mut rig = too_late(Rules::default()).await;
    let judged = rig.matter(logs(&rig).await[0]).await;
    let Money { destination, .. } = judged.money;
    let others = [
        Money { from: account(7), ..judged.money.clone() },
        Money { tx_hash: [7; 32].into(), ..judged.money.clone() },
        Money { units: Units(U256::from(7)), ..judged.money.clone() },
        Money { destination: Destination { to: account(7), ..destination }, ..judged.money.clone() },
        Money { destination: Destination { token: OTHER_TOKEN, ..destination }, ..judged.money.clone() },
    ];
    for money in others {
        let other = Matter { money, ..judged.clone() };
        let right = ask_for(&rig, &judged, &Deed::Ignore).await;
        let id = ask_for(&rig, &other, &Deed::Ignore).await;
        assert_ne!(id, right, "it is not the same: {other:?}");
        // This withdraws the one that is about the same money.
        let release = ask_for(&rig, &judged, &Deed::Release).await;
        rig.settle().await;
        assert_eq!(answer(&rig, right).await, format!("nothing: withdrawn by settlement {release}"));
        assert!(answer(&rig, id).await.starts_with(OTHER), "{other:?}");
    }
    assert_eq!(held_by(&rig).await, ["open late CONFIRMED"]);
}

#[tokio::test]
async fn a_session_that_is_held_delays_its_own_decision_alone() {
    let mut rig = too_late(Rules::default()).await;
    rig.open("dep_near", account(1), "7", 100_000).await;
    for held in ["dep_a", "dep_near"] {
        let mut outside = rig.outside.begin().await.unwrap();
        sqlx::query("SELECT FROM deposit_sessions WHERE id = $1 FOR NO KEY UPDATE")
            .bind(held)
            .execute(&mut *outside)
            .await
            .unwrap();
        let id = ask(&rig, 0, &to("dep_a")).await;
        let scanned = rig.cursor().await.0;
        rig.deeper(1).await;
        assert_eq!((rig.cursor().await.0, answer(&rig, id).await), (scanned + 1, "waits".to_owned()), "{held} is held");
        assert_eq!(rig.session("dep_a").await, "EXPIRED 0 0");
        outside.rollback().await.unwrap();
        rig.settle().await;
        assert_eq!(answer(&rig, id).await, "done: it is assigned to session dep_a");
        assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
        settled(&mut rig, 0, Deed::Release).await;
    }
}

#[tokio::test]
async fn only_the_holder_carries_it_out() {
    let mut rig = too_late(Rules::default()).await;
    let mut old = rig.take_over().await;
    let id = ask(&rig, 0, &to("dep_a")).await;
    drop(old.step().await);
    assert_eq!((answer(&rig, id).await, rig.session("dep_a").await), ("waits".to_owned(), "EXPIRED 0 0".to_owned()));
    rig.step().await.unwrap();
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
}

/// It needs no chain, but a halted network is one in which nothing is decided.
#[tokio::test]
async fn a_halted_network_settles_nothing_and_a_dark_one_does() {
    let mut rig = too_late(Rules::default()).await;
    sqlx::query("UPDATE networks SET halted_reason = 'a test', halted_at = now()").execute(&rig.outside).await.unwrap();
    let id = ask(&rig, 0, &to("dep_a")).await;
    drop(rig.step().await);
    assert_eq!(answer(&rig, id).await, "waits");
    sqlx::query("UPDATE networks SET halted_reason = NULL, halted_at = NULL").execute(&rig.outside).await.unwrap();
    for node in [&rig.one, &rig.two] {
        node.set(|is| is.down = Some(Down::Refused));
    }
    drop(rig.step().await);
    assert_eq!(
        (answer(&rig, id).await.as_str(), rig.session("dep_a").await.as_str()),
        ("done: it is assigned to session dep_a", "CONFIRMED 100 100")
    );
}

/// A rule of the database that nobody thought of costs the decision, not the network.
#[tokio::test]
async fn what_the_database_refuses_does_not_stop_the_network() {
    let mut rig = too_late(Rules::default()).await;
    sqlx::query("ALTER TABLE transfers ADD CONSTRAINT none_is_ignored CHECK (settled <> 'ignored')")
        .execute(&rig.outside)
        .await
        .unwrap();
    assert_eq!(settled(&mut rig, 0, Deed::Ignore).await, "refused: the database refuses it (none_is_ignored)");
    assert_eq!(settled(&mut rig, 0, to("dep_a")).await, "done: it is assigned to session dep_a");
    rig.deeper(1).await;
}

/// Seen whole or not at all: the answer, the transfer and the session.
#[tokio::test]
async fn no_crash_shows_a_decision_by_halves() {
    let mut rig = too_late(Rules::default()).await;
    let (mut crashes, mut ends) = (0, 0);
    for polls in 1..=120 {
        let deed = if rig.session("dep_a").await == "EXPIRED 0 0" { to("dep_a") } else { Deed::Release };
        let id = ask(&rig, 0, &deed).await;
        let ended = rig.step_cut_short(polls).await.is_some();
        let whole: bool = sqlx::query_scalar(
            "SELECT (d.outcome IS NOT NULL) = CASE d.kind WHEN 'assign' THEN t.session_id IS NOT NULL AND s.payment_status = 'CONFIRMED'
                                                          ELSE t.session_id IS NULL AND s.payment_status = 'EXPIRED' END
               FROM settlements d, transfers t, deposit_sessions s WHERE d.id = $1",
        )
        .bind(id)
        .fetch_one(&rig.outside)
        .await
        .unwrap();
        assert!(whole, "{polls} polls");
        // What the dead one locked is free once the database has noticed.
        for _ in 0..100 {
            rig.settle().await;
            if answer(&rig, id).await != "waits" {
                break;
            }
        }
        assert!(answer(&rig, id).await.starts_with("done"), "{polls} polls: {}", answer(&rig, id).await);
        crashes += u32::from(!ended);
        ends += u32::from(ended);
        if ends == 3 {
            break;
        }
    }
    assert!(crashes > 10 && ends == 3, "{crashes} crashes, {ends} whole steps");
    rig.assert_books().await;
}
