//! `sequence`: gapless per business, in the order of commits, whoever numbers and however many.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deposit_watcher::store::Store;
use sqlx::{Connection, PgConnection, PgPool};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::rig::{LOCAL, Rig};

async fn sequence_of(pool: &PgPool, session: &str) -> Option<i64> {
    sqlx::query_scalar("SELECT sequence FROM events WHERE session_id = $1").bind(session).fetch_one(pool).await.unwrap()
}

const OPEN: &str =
    "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address, business_id)
    VALUES ($1, 1, 'USDC', 'net', '0xcc', '0xab', $2)";

#[tokio::test]
async fn what_is_seen_first_has_the_smaller_number_whenever_it_was_written() {
    let rig = Rig::new(LOCAL).await;
    let mut early = rig.pool.begin().await.unwrap();
    sqlx::query(OPEN).bind("dep_slow").bind(None::<&str>).execute(&mut *early).await.unwrap();
    rig.open("dep_fast").await;
    assert_eq!(rig.store.sequence_events(1_000).await.unwrap(), 1);
    early.commit().await.unwrap();
    assert_eq!(rig.store.sequence_events(1_000).await.unwrap(), 1);
    assert_eq!(sequence_of(&rig.pool, "dep_fast").await, Some(1));
    assert_eq!(sequence_of(&rig.pool, "dep_slow").await, Some(2));
    assert_eq!(rig.store.sequence_events(1_000).await.unwrap(), 0);
}

#[tokio::test]
async fn a_sequencer_that_finds_another_at_work_does_not_wait() {
    let rig = Rig::new(LOCAL).await;
    rig.open("dep_1").await;
    let mut other = rig.pool.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock($1, 1)").bind(0x6465_7077_i32).execute(&mut *other).await.unwrap();
    let began = std::time::Instant::now();
    assert_eq!(rig.store.sequence_events(1_000).await.unwrap(), 0);
    assert!(began.elapsed() < Duration::from_millis(500));
    other.rollback().await.unwrap();
    assert_eq!(rig.store.sequence_events(1_000).await.unwrap(), 1);
}

#[tokio::test]
async fn many_old_events_are_numbered_in_batches() {
    let rig = Rig::new(LOCAL).await;
    let many = "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address, business_id)
        SELECT 'dep_' || n, 1, 'USDC', 'net', '0xcc', '0xab', CASE WHEN n % 3 = 0 THEN 'other' END FROM generate_series(1, 2500) n";
    sqlx::query(many).execute(&rig.pool).await.unwrap();
    let mut batches = Vec::new();
    loop {
        match rig.store.sequence_events(1_000).await.unwrap() {
            0 => break,
            numbered => batches.push(numbered),
        }
    }
    assert_eq!(batches, [1_000, 1_000, 500]);
    assert_eq!(rig.store.books(10).await.unwrap(), []);
    let last: Vec<(String, i64)> =
        sqlx::query_as("SELECT business_id, last FROM event_sequences ORDER BY 1").fetch_all(&rig.pool).await.unwrap();
    assert_eq!(last, [("default".to_owned(), 1_667), ("other".to_owned(), 833)]);
    let in_order: bool = sqlx::query_scalar(
        "SELECT bool_and(ordered) FROM (SELECT sequence > coalesce(lag(sequence) OVER (PARTITION BY business_id ORDER BY position), 0) AS ordered FROM events) o",
    )
    .fetch_one(&rig.pool)
    .await
    .unwrap();
    assert!(in_order, "one transaction's events keep the order in which they were written");
}

/// Opens, begins and cancels sessions of two businesses, committing out of order with the other writers.
async fn write(url: String, writer: usize) {
    let mut connection = PgConnection::connect(&url).await.unwrap();
    for n in 0..25 {
        let id = format!("dep_{writer}_{n}");
        let business = (n % 2 == 0).then_some("other");
        let mut opening = connection.begin().await.unwrap();
        sqlx::query(OPEN).bind(&id).bind(business).execute(&mut *opening).await.unwrap();
        sleep(Duration::from_millis(rand::random_range(0..12))).await;
        opening.commit().await.unwrap();
        let begin = "UPDATE deposit_sessions SET payment_status = 'PENDING' WHERE id = $1";
        sqlx::query(begin).bind(&id).execute(&mut connection).await.unwrap();
        let mut ending = connection.begin().await.unwrap();
        let cancel = "UPDATE deposit_sessions SET cancelled_at = now() WHERE id = $1";
        sqlx::query(cancel).bind(&id).execute(&mut *ending).await.unwrap();
        sleep(Duration::from_millis(rand::random_range(0..6))).await;
        ending.commit().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_writers_and_four_sequencers_leave_no_gap_and_no_disorder() {
    let rig = Rig::new(LOCAL).await;
    let written = Arc::new(AtomicBool::new(false));
    let mut sequencers = JoinSet::new();
    for _ in 0..4 {
        let (store, written) = (Store::new(&rig.settings.database).unwrap(), written.clone());
        sequencers.spawn(async move {
            loop {
                let all = written.load(Ordering::SeqCst);
                if store.sequence_events(7).await.unwrap() == 0 {
                    if all && !store.webhook_work().await.unwrap().unsequenced {
                        return;
                    }
                    sleep(Duration::from_millis(1)).await;
                }
            }
        });
    }
    let mut writers = JoinSet::new();
    (0..8).for_each(|writer| drop(writers.spawn(write(rig.database.url(), writer))));
    // What a reader has seen stays: nothing is ever numbered below it.
    let mut highest = 0;
    let mut seen = 0;
    while !writers.is_empty() {
        while writers.try_join_next().is_some() {}
        let (count, last): (i64, Option<i64>) = sqlx::query_as(
            "SELECT count(*), max(sequence) FROM events WHERE business_id = 'other' AND sequence IS NOT NULL",
        )
        .fetch_one(&rig.pool)
        .await
        .unwrap();
        assert_eq!(count, last.unwrap_or_default(), "a reader saw a gap");
        assert!(count >= seen && last.unwrap_or_default() >= highest);
        (seen, highest) = (count, last.unwrap_or_default());
        sleep(Duration::from_millis(3)).await;
    }
    written.store(true, Ordering::SeqCst);
    while let Some(ended) = sequencers.join_next().await {
        ended.unwrap();
    }
    let (numbered, all): (i64, i64) =
        sqlx::query_as("SELECT count(sequence), count(*) FROM events").fetch_one(&rig.pool).await.unwrap();
    assert_eq!((numbered, all), (600, 600));
    assert_eq!(rig.store.books(10).await.unwrap(), []);
    let disorder: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM events a JOIN events b ON a.session_id = b.session_id AND a.position < b.position AND a.sequence > b.sequence",
    )
    .fetch_one(&rig.pool)
    .await
    .unwrap();
    assert_eq!(disorder, 0);
}
