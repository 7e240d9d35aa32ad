//! Callers that go away midway: what they asked for is done or not begun, and nothing stays behind.

use std::time::{Duration, Instant};

use deposit_watcher::deposits::Refusal;
use deposit_watcher::domain::BusinessId;
use futures_util::future::join_all;

use crate::rig::{Rig, but, key, opening, session};

/// Transactions that are open in this test's database, this question's own left out.
const OPEN: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                       AND pid <> pg_backend_pid() AND xact_start IS NOT NULL";

/// Waits until a query that gives one number gives 0.
async fn none_left(rig: &Rig, sql: &'static str) {
    for _ in 0..200 {
        if rig.count(sql).await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("something stayed behind: {sql}");
}

/// Dropped after every so many microseconds of its life, asked again with the same key: always one session, whose answer
/// the key keeps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_away_midway_finds_one_session_when_asking_again() {
    const CALLERS: u64 = 150;
    let rig = Rig::new().await;
    let widget = rig.widget().await;
    for caller in 0..CALLERS {
        let asked = key("default", "k", &caller.to_string(), 1);
        let patience = Duration::from_micros(50 * caller);
        _ = tokio::time::timeout(patience, rig.office.open(&widget, &opening(), Some(&asked))).await;
    }
    none_left(&rig, OPEN).await;
    let begun = rig.count("SELECT count(*) FROM deposit_sessions").await;
    assert!(begun > 0, "nobody's request was begun");
    for caller in 0..CALLERS {
        rig.office.open(&widget, &opening(), Some(&key("default", "k", &caller.to_string(), 1))).await.unwrap();
    }
    let kept = "SELECT count(*) FROM idempotency_keys k JOIN deposit_sessions s ON s.id = k.answer ->> 'id'";
    let expected = i64::try_from(CALLERS).unwrap();
    assert_eq!(rig.count("SELECT count(*) FROM deposit_sessions").await, expected);
    assert_eq!(rig.count(kept).await, expected);
    assert_eq!(rig.books().await, Vec::<String>::new());
}

/// What was begun is carried to its end though its caller is gone: the answer waits under the key.
#[tokio::test]
async fn what_was_begun_is_done_though_nobody_waits() {
    let rig = Rig::new().await;
    let widget = rig.widget().await;
    let mut blocker = rig.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE deposit_addresses IN ACCESS EXCLUSIVE MODE").execute(&mut *blocker).await.unwrap();
    let asked = key("default", "k", "x", 1);
    let patience = Duration::from_millis(500);
    assert!(tokio::time::timeout(patience, rig.office.open(&widget, &opening(), Some(&asked))).await.is_err());
    assert!(matches!(rig.office.open(&widget, &opening(), Some(&asked)).await, Err(Refusal::KeyBusy)));
    blocker.rollback().await.unwrap();
    none_left(&rig, OPEN).await;
    assert_eq!(rig.count("SELECT count(*) FROM deposit_sessions").await, 1);
    let other = key("default", "k", "x", 2);
    assert!(matches!(rig.office.open(&widget, &opening(), Some(&other)).await, Err(Refusal::KeyReused)));
}

/// Somebody else's lock delays a request, for a bounded time; then the client may try again.
#[tokio::test]
async fn a_lock_of_others_is_waited_for_a_while_only() {
    let rig = Rig::new().await;
    let widget = rig.widget().await;
    let mut blocker = rig.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE deposit_addresses IN ACCESS EXCLUSIVE MODE").execute(&mut *blocker).await.unwrap();
    let asked = key("default", "k", "x", 1);
    let begun = Instant::now();
    let refused = rig.office.open(&widget, &but(|o| o.amount = "7".into()), Some(&asked)).await;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!(matches!(refused, Err(Refusal::Store(deposit_watcher::store::Error::Unavailable(_)))), "{refused:?}");
    blocker.rollback().await.unwrap();
    rig.office.open(&widget, &but(|o| o.amount = "7".into()), Some(&asked)).await.unwrap();
}

/// What fails midway ends with its connection: nobody is lent one inside a failed transaction.
#[tokio::test]
async fn what_fails_midway_costs_nobody_who_comes_next() {
    let rig = Rig::new().await;
    let widget = rig.widget().await;
    let id = session(&rig.office.open(&widget, &opening(), None).await.unwrap().id);
    let mut blocker = rig.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM deposit_sessions FOR UPDATE").execute(&mut *blocker).await.unwrap();
    let refused = rig.office.cancel(&id).await;
    assert!(matches!(refused, Err(Refusal::Store(deposit_watcher::store::Error::Unavailable(_)))), "{refused:?}");
    // Time to come back to the pool, and too little to be probed.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let business = BusinessId("default".to_owned());
    for next in join_all((0..25).map(|_| rig.office.business(&business))).await {
        next.unwrap();
    }
    blocker.rollback().await.unwrap();
    rig.office.cancel(&id).await.unwrap();
    none_left(&rig, OPEN).await;
}
