//! The pool lends no connection that is inside somebody else's transaction, died while it rested, or fell silent; and none
//! keeps its place when it does.
//!
//! sqlx 0.9 hands back a connection inside an open transaction when `begin` is dropped during its round trip (sqlx
//! #4385, #4393); an acknowledged write of the next borrower was rolled back then. So no `begin` is ever dropped, whoever is.

use std::time::{Duration, Instant};

use deposit_watcher::domain::{ChainId, Secret, Slug};
use deposit_watcher::settings::Database as DatabaseSettings;
use deposit_watcher::store::{MIGRATIONS, Store};
use sqlx::postgres::PgPool;
use tokio::time::{sleep, timeout};

use crate::support::line::Line;
use crate::support::{self, Database};

/// A store of so many connections at the end of a line, and the test's own.
async fn store(connections: u32) -> (Line, Store, PgPool) {
    store_by(connections, false).await
}

/// The same as if pgBouncer led there, or not.
async fn store_by(connections: u32, pgbouncer: bool) -> (Line, Store, PgPool) {
    let database = Database::create(&MIGRATIONS).await;
    let line = Line::to(support::postgres().port()).await;
    let settings = DatabaseSettings {
        url: Secret::new(line.along(&database.url()).parse().unwrap()),
        max_connections: connections,
        connect_timeout: Duration::from_secs(5),
        pgbouncer,
    };
    (line, Store::new(&settings).unwrap(), database.pool().await)
}

/// Writes a row that must be there afterwards.
async fn writes(store: &Store, sql: &PgPool, name: &str) {
    let slug = Slug::parse(name).unwrap();
    store.introduce_network(&slug, ChainId(1), false).await.unwrap();
    let kept: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM networks WHERE slug = $1)")
        .bind(slug.as_str())
        .fetch_one(sql)
        .await
        .unwrap();
    assert!(kept, "{name} was acknowledged and lost");
}

#[tokio::test]
async fn a_begin_that_is_dropped_costs_no_later_write() {
    let (line, store, sql) = store(1).await;
    store.ping().await.unwrap();
    line.slow(Duration::from_millis(3));
    let mut cut = 0;
    for wait in 0..42 {
        let dropped = timeout(Duration::from_millis(wait * 2), store.unit()).await.is_err();
        cut += u32::from(dropped);
        writes(&store, &sql, &format!("n{wait}")).await;
    }
    assert!((5..42).contains(&cut), "{cut} of the units were cut while they began");
}

/// Through pgBouncer a lone statement is a transaction of its own: dropped between its BEGIN and its COMMIT, it must not
/// rest inside of it, with its locks, until somebody else commits it.
#[tokio::test]
async fn a_lone_statement_that_is_dropped_leaves_no_transaction_open() {
    let (line, store, sql) = store_by(1, true).await;
    let within = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                  AND application_name = 'deposit-watcher' AND xact_start IS NOT NULL";
    line.slow(Duration::from_millis(1));
    let mut cut = 0;
    for wait in 0..24 {
        store.ping().await.unwrap();
        let slug = Slug::parse(&format!("dropped{wait}")).unwrap();
        let writing = store.introduce_network(&slug, ChainId(1), false);
        cut += u32::from(timeout(Duration::from_millis(wait * 12), writing).await.is_err());
        let begun = Instant::now();
        while sqlx::query_scalar::<_, i64>(within).fetch_one(&sql).await.unwrap() > 0 {
            assert!(begun.elapsed() < Duration::from_secs(1), "cut after {} ms, it is still open", wait * 12);
            sleep(Duration::from_millis(5)).await;
        }
        writes(&store, &sql, &format!("n{wait}")).await;
    }
    assert!((3..24).contains(&cut), "{cut} of the statements were cut");
}

#[tokio::test]
async fn what_was_begun_and_dropped_leaves_nothing_behind() {
    let (_line, store, sql) = store(1).await;
    for name in ["one", "two", "three"] {
        drop(store.unit().await.unwrap());
        writes(&store, &sql, name).await;
    }
}

#[tokio::test]
async fn a_connection_that_died_while_it_rested_is_not_lent() {
    let (_line, store, sql) = store(2).await;
    for _ in 0..5 {
        store.ping().await.unwrap();
        // Longer than one is lent without a look.
        sleep(Duration::from_millis(150)).await;
        let ended = "SELECT count(pg_terminate_backend(pid, 1000)) FROM pg_stat_activity \
                     WHERE datname = current_database() AND application_name = 'deposit-watcher'";
        assert!(sqlx::query_scalar::<_, i64>(ended).fetch_one(&sql).await.unwrap() > 0);
        store.ping().await.unwrap();
    }
}

#[tokio::test]
async fn connections_that_fell_silent_are_replaced_and_keep_no_place() {
    let (line, store, sql) = store(2).await;
    for round in 0..4 {
        // One rests, one is asked just now.
        drop(tokio::join!(store.ping(), store.ping()));
        sleep(Duration::from_millis(150)).await;
        line.forget();
        let begun = Instant::now();
        writes(&store, &sql, &format!("round_{round}")).await;
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    }
    // Asked and given up, again and again: the place of each is free again after a while.
    for _ in 0..4 {
        store.ping().await.unwrap();
        line.freeze();
        assert!(timeout(Duration::from_millis(500), store.network(&Slug::parse("round_0").unwrap())).await.is_err());
        line.thaw();
        line.close();
    }
    line.freeze();
    for asked in 0..2 {
        let begun = Instant::now();
        assert!(store.unit().await.is_err(), "unit {asked}");
        assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    }
    line.thaw();
    line.close();
    sleep(Duration::from_millis(150)).await;
    writes(&store, &sql, "afterwards").await;
}
