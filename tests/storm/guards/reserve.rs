//! `deposit_watcher_reserve`: an amount at an address is one session's at a time, however many ask at once.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use sqlx::{Executor, PgPool};

use super::{Actor, all_allowed, all_refused, attempt, text, world};

const AT_ONCE: usize = 200;

/// Reserves 10 in a transaction of its own.
async fn reserve(pool: &PgPool, clash: &str) -> Result<String, String> {
    let reserved = sqlx::query_scalar(
        "SELECT deposit_watcher_reserve('net', '0x' || repeat('CC', 20), '0x' || repeat('AF', 20), 10, $1)::text",
    );
    reserved.bind(clash).fetch_one(pool).await.map_err(|error| {
        let error = error.into_database_error().expect("the database answers");
        error.constraint().unwrap_or_default().to_owned()
    })
}

async fn all_at_once(pool: &PgPool, clash: &str) -> Vec<Result<String, String>> {
    join_all((0..AT_ONCE).map(|_| reserve(pool, clash))).await
}

#[tokio::test]
async fn two_hundred_at_once_get_two_hundred_amounts() {
    let (_database, pool) = world().await;
    let amounts: BTreeSet<String> = all_at_once(&pool, "bump").await.into_iter().map(Result::unwrap).collect();
    assert_eq!(amounts.len(), AT_ONCE);
    // The smallest free step each: none is left out.
    assert_eq!(amounts.first().map(String::as_str), Some("10"));
    assert_eq!(amounts.last().map(String::as_str), Some("10.000199"));
}

#[tokio::test]
async fn tags_are_different_and_nobody_gets_the_round_amount() {
    let (_database, pool) = world().await;
    let amounts: BTreeSet<String> = all_at_once(&pool, "tag").await.into_iter().map(Result::unwrap).collect();
    assert_eq!(amounts.len(), AT_ONCE);
    assert!(!amounts.contains("10") && amounts.last().is_some_and(|most| most.as_str() <= "10.001"));
}

#[tokio::test]
async fn reject_gives_the_amount_to_one() {
    let (_database, pool) = world().await;
    let (given, refused): (Vec<_>, Vec<_>) = all_at_once(&pool, "reject").await.into_iter().partition(Result::is_ok);
    assert_eq!(given, [Ok("10".to_owned())]);
    assert!(refused.iter().all(|refusal| *refusal == Err("amount_claims_pkey".to_owned())), "{refused:?}");
}

#[tokio::test]
async fn a_thousand_steps_and_then_a_clash() {
    let (_database, pool) = world().await;
    let fill =
        "SELECT deposit_watcher_reserve('net', '0x' || repeat('cc', 20), '0xaf', 10) FROM generate_series(1, 1001)";
    all_allowed(&pool, Actor::Api, &[fill]).await;
    let one_more = "SELECT deposit_watcher_reserve('net', '0x' || repeat('cc', 20), '0xAF', 10.0)";
    all_refused(&pool, Actor::Api, &[("amount_claims_pkey", one_more)]).await;
}

#[tokio::test]
async fn allow_claims_nothing() {
    let (_database, pool) = world().await;
    let all = all_at_once(&pool, "allow").await;
    assert!(all.iter().all(|given| *given == Ok("10".to_owned())));
}

#[tokio::test]
async fn nonsense_is_refused() {
    let (_database, pool) = world().await;
    for arguments in [
        "'net', '0xdd', '0xaa', 10",
        "'other', '0x' || repeat('cc', 20), '0xaa', 10",
        "'net', '0x' || repeat('cc', 20), '0xaa', 0",
        "'net', '0x' || repeat('cc', 20), '0xaa', -1",
        "'net', '0x' || repeat('cc', 20), '0xaa', NULL",
        "'net', '0x' || repeat('cc', 20), '0xaa', 'NaN'",
        "'net', '0x' || repeat('cc', 20), '0xaa', 'Infinity'",
        "'net', '0x' || repeat('cc', 20), '0xaa', 0.0000001",
        "'net', '0x' || repeat('cc', 20), '0xaa', 10, 'whatever'",
    ] {
        all_refused(&pool, Actor::Api, &[("22023", &format!("SELECT deposit_watcher_reserve({arguments})"))]).await;
    }
}

/// The plain INSERT of an API that never reserves still takes its amount from those that do; closed long enough, it is free.
#[tokio::test]
async fn an_amount_is_taken_while_its_session_is_open_and_a_while_longer() {
    let (_database, pool) = world().await;
    let ask = |reuse: &str| {
        format!(
            "SELECT deposit_watcher_reserve('net', '0x' || repeat('cc', 20), '0x' || repeat('ab', 20), 50, 'reject', '{reuse}')"
        )
    };
    let refused = Err("amount_claims_pkey".to_owned());
    assert_eq!(attempt(&pool, Actor::Api, &ask("0")).await, refused, "open");
    pool.execute("UPDATE deposit_sessions SET cancelled_at = now() WHERE id = 'dep_open'").await.unwrap();
    assert_eq!(attempt(&pool, Actor::Api, &ask("1 hour")).await, refused, "just closed");
    assert_eq!(attempt(&pool, Actor::Api, &ask("0")).await, Ok(()), "closed long enough");
}

/// Inserts a session of just what [`reserve`] asks for.
const PLAIN: &str = "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address)
    VALUES ($1, 10, 'USD', 'net', '0x' || repeat('CC', 20), '0x' || repeat('AF', 20))";

/// Until so many wait for somebody's transaction.
async fn until_waiting(pool: &PgPool, count: &str) {
    let waiting =
        "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..100_000 {
        if text(pool, waiting).await.as_deref() == Some(count) {
            return;
        }
    }
    panic!("{count} never waited");
}

/// Whoever had to wait for a plain INSERT counts its session, though it was not there when he began.
#[tokio::test]
async fn an_amount_that_was_waited_for_is_its_inserters() {
    let (_database, pool) = world().await;
    let mut first = pool.begin().await.unwrap();
    sqlx::query(PLAIN).bind("dep_first").execute(&mut *first).await.unwrap();
    let (reserver, inserter) = (pool.clone(), pool.clone());
    let reserving = tokio::spawn(async move { reserve(&reserver, "bump").await });
    let inserting = tokio::spawn(async move { sqlx::query(PLAIN).bind("dep_second").execute(&inserter).await });
    until_waiting(&pool, "2").await;
    first.commit().await.unwrap();
    assert_eq!(reserving.await.unwrap(), Ok("10.000001".to_owned()));
    inserting.await.unwrap().unwrap();
    let owner = "SELECT session_id FROM amount_claims WHERE to_address = '0x' || repeat('af', 20) AND amount = 10";
    assert_eq!(text(&pool, owner).await.as_deref(), Some("dep_first"));
}

#[tokio::test]
async fn a_reservation_and_its_session_are_one_claim() {
    let (_database, pool) = world().await;
    let open = "INSERT INTO deposit_sessions (id, amount, requested_amount, currency, network, currency_address, deposit_address)
                SELECT 'dep_' || n, deposit_watcher_reserve('net', '0x' || repeat('cc', 20), '0x' || repeat('ab', 20), 50), 50, 'USD', 'net',
                       '0x' || repeat('cc', 20), '0x' || repeat('ab', 20) FROM generate_series(1, 3) n";
    all_allowed(&pool, Actor::Api, &[open]).await;
    let claims = "SELECT string_agg(trim_scale(amount) || ' ' || session_id, ', ' ORDER BY amount) FROM amount_claims
                   WHERE to_address = '0x' || repeat('ab', 20)";
    let expected = "50 dep_open, 50.000001 dep_1, 50.000002 dep_2, 50.000003 dep_3";
    assert_eq!(text(&pool, claims).await.as_deref(), Some(expected));
}
