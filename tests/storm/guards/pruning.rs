//! Old rows: what may go by the hand of who prunes, and what may not even so.

use std::time::Duration;

use deposit_watcher::domain::Slug;
use deposit_watcher::store::{Old, Store};
use sqlx::{Executor, PgPool};

use super::{Actor, attempt, world};
use crate::support::Database;

/// A session that ended long ago with three events, the first two overtaken, all numbered; a delivery of the second.
const PAST: &str = "
SET session_replication_role = replica;
UPDATE deposit_sessions SET closed_at = now() WHERE id = 'dep_open';
INSERT INTO events (id, type, session_id, business_id, network, data, created_at) VALUES
    ('evt_pending', 'deposit.pending', 'dep_open', 'default', 'net', '{}', now()),
    ('evt_last', 'deposit.expired', 'dep_open', 'default', 'net', '{}', now());
UPDATE events SET created_at = now() - interval '40 days';
INSERT INTO webhook_endpoints (id, business_id, url, created_at) VALUES ('we_1', 'default', 'https://shop.example', now());
SET session_replication_role = origin;
";

async fn store(database: &Database) -> Store {
    let settings = deposit_watcher::settings::Database {
        url: deposit_watcher::domain::Secret::new(database.url().parse().unwrap()),
        max_connections: 2,
        connect_timeout: Duration::from_secs(5),
        pgbouncer: false,
    };
    Store::new(&settings).unwrap()
}

async fn ids(pool: &PgPool) -> Vec<String> {
    let sql = "SELECT coalesce(session_id, '') || ' ' || type FROM events ORDER BY position";
    sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
}

async fn gone(store: &Store, old: &Old) -> u64 {
    let (mut rows, promised) = (0, store.prunable(std::slice::from_ref(old)).await.unwrap()[0]);
    loop {
        let piece = store.prune(old).await.unwrap();
        rows += piece.rows;
        if !piece.more {
            assert_eq!(rows, promised, "a dry run counts what goes");
            return rows;
        }
    }
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

#[tokio::test]
async fn events_go_when_they_are_overtaken_old_delivered_and_about_nothing_confirmed() {
    let (database, pool) = world().await;
    let store = store(&database).await;
    pool.execute(sqlx::raw_sql(PAST)).await.unwrap();
    // Not before they have a number.
    assert_eq!(gone(&store, &Old::Events(days(30))).await, 0);
    store.sequence_events(100).await.unwrap();
    pool.execute(
        "INSERT INTO webhook_deliveries (id, endpoint_id, event_id, business_id, sequence, created_at)
         SELECT 'whd_1', 'we_1', id, business_id, sequence, now() - interval '40 days' FROM events WHERE id = 'evt_pending'",
    )
    .await
    .unwrap();
    assert_eq!(gone(&store, &Old::Events(days(41))).await, 0);
    let all = ids(&pool).await;
    assert_eq!(all.len(), 5, "{all:?}");

    // Of a delivery that waits nothing goes, nor of one that ended lately.
    let deliveries = Old::Deliveries(days(30));
    assert_eq!(gone(&store, &deliveries).await, 0);
    pool.execute("UPDATE webhook_deliveries SET state = 'DEAD', finished_at = now()").await.unwrap();
    pool.execute("INSERT INTO webhook_attempts (delivery_id, outcome, duration_ms) VALUES ('whd_1', 'timeout', 1)")
        .await
        .unwrap();
    assert_eq!(gone(&store, &deliveries).await, 0);
    pool.execute("UPDATE webhook_deliveries SET finished_at = now() - interval '31 days'").await.unwrap();
    assert_eq!(gone(&store, &deliveries).await, 1);

    let before: Vec<String> = ids(&pool).await;
    assert!(before.contains(&"dep_open deposit.pending".to_owned()), "{before:?}");
    assert_eq!(gone(&store, &Old::Events(days(30))).await, 3);
    // What was created long ago went with what was overtaken; what was confirmed and the newest of each stay.
    assert_eq!(ids(&pool).await, ["dep_paid deposit.confirmed", "dep_open deposit.expired"]);
    let counted: (i64, i64) = sqlx::query_as("SELECT last, pruned FROM event_sequences WHERE business_id = 'default'")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(counted, (5, 3));
    let gap: i64 = sqlx::query_scalar("SELECT count(*) FROM deposit_watcher_books WHERE rule LIKE 'sequences_%'")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(gap, 0);
    // One that was lost and not counted is still found.
    let lose = "SET session_replication_role = replica; DELETE FROM events WHERE id = 'evt_last'; SET session_replication_role = origin";
    pool.execute(sqlx::raw_sql(lose)).await.unwrap();
    let gap: i64 = sqlx::query_scalar("SELECT count(*) FROM deposit_watcher_books WHERE rule LIKE 'sequences_%'")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!(gap > 0);
}

/// Twice the same was told with other news in between; when those are gone, that is no fault.
#[tokio::test]
async fn what_was_told_in_between_may_go_and_the_books_know() {
    const SAID: &str = r#"{"status": "PENDING", "receivedAmount": "0", "confirmedAmount": "0"}"#;
    let (database, pool) = world().await;
    let store = store(&database).await;
    let told = async |session: &str, kind: &str, data: &str| {
        let sql = format!(
            "INSERT INTO events (type, session_id, business_id, network, data) VALUES ('deposit.{kind}', '{session}', 'default', 'net', '{data}')"
        );
        attempt(&pool, Actor::Watcher, &sql).await.unwrap();
    };
    let twice = async || -> i64 {
        let sql = "SELECT count(*) FROM deposit_watcher_books WHERE rule = 'no_change_is_told_twice'";
        sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap()
    };
    for kind in ["reverted", "pending", "underpaid", "reverted", "expired"] {
        told("dep_open", kind, if kind == "reverted" { SAID } else { "{}" }).await;
    }
    told("dep_paid", "created", "{}").await;
    store.sequence_events(100).await.unwrap();
    // Has no number yet.
    told("dep_open", "reverted", SAID).await;
    pool.execute(sqlx::raw_sql(
        "SET session_replication_role = replica; UPDATE events SET created_at = now() - interval '40 days';
         UPDATE deposit_sessions SET closed_at = now() WHERE id = 'dep_open'; SET session_replication_role = origin",
    ))
    .await
    .unwrap();
    assert_eq!(twice().await, 0);
    assert!(gone(&store, &Old::Events(days(30))).await >= 3);
    let left = ids(&pool).await;
    assert_eq!(
        left.iter().filter(|line| line.starts_with("dep_open")).collect::<Vec<_>>(),
        ["dep_open deposit.reverted"; 3]
    );
    assert_eq!(twice().await, 0);
    store.sequence_events(100).await.unwrap();
    assert_eq!(twice().await, 0);
    // One that nothing ever stood in between is still found, with a number or without.
    told("dep_open", "reverted", SAID).await;
    assert_eq!(twice().await, 1);
    store.sequence_events(100).await.unwrap();
    assert_eq!(twice().await, 1);
}

#[tokio::test]
async fn nobody_else_deletes_events_and_who_prunes_not_every_one() {
    let (database, pool) = world().await;
    pool.execute(sqlx::raw_sql(PAST)).await.unwrap();
    store(&database).await.sequence_events(100).await.unwrap();
    let refused = async |prelude: &'static str, sql: &'static str| {
        let mut transaction = pool.begin().await.unwrap();
        transaction.execute(prelude).await.unwrap();
        let error = transaction.execute(sql).await.err();
        error.map(|error| error.as_database_error().unwrap().constraint().unwrap_or_default().to_owned())
    };
    const PRUNING: &str = "SET LOCAL deposit_watcher.pruning = 'on'";
    const OVERTAKEN: &str = "DELETE FROM events WHERE id = 'evt_pending'";
    let appending = Some("events_append_only".to_owned());
    assert_eq!(refused("SELECT 1", OVERTAKEN).await, appending);
    assert_eq!(refused("SET LOCAL deposit_watcher.writer = 'on'", OVERTAKEN).await, appending);
    assert_eq!(refused(PRUNING, OVERTAKEN).await, None);
    for kept in [
        "DELETE FROM events WHERE id = 'evt_last'",
        "DELETE FROM events WHERE type = 'deposit.confirmed'",
        "UPDATE events SET data = '{}' WHERE id = 'evt_pending'",
        "TRUNCATE events CASCADE",
    ] {
        assert_eq!(refused(PRUNING, kept).await, appending, "{kept}");
    }
    let open =
        "SET session_replication_role = replica; UPDATE deposit_sessions SET closed_at = NULL WHERE id = 'dep_open';
                SET session_replication_role = origin";
    pool.execute(sqlx::raw_sql(open)).await.unwrap();
    assert_eq!(refused(PRUNING, OVERTAKEN).await, appending, "an open session keeps its history");
    for sql in ["DELETE FROM transfers", "DELETE FROM ledger", "DELETE FROM deposit_sessions"] {
        assert!(refused(PRUNING, sql).await.is_some(), "{sql}");
    }
}

/// A block an hour for ten days, ending twenty days ago; two of them hold transfers, one is final.
#[tokio::test]
async fn blocks_go_when_nothing_stands_on_them() {
    let (database, pool) = world().await;
    let store = store(&database).await;
    pool.execute(sqlx::raw_sql(
        "SET session_replication_role = replica;
         INSERT INTO blocks (network, number, hash, parent_hash, time)
         SELECT 'net', n, '0x' || lpad(n::text, 64, 'a'), '0x' || lpad((n - 1)::text, 64, 'a'),
                date_trunc('day', now(), 'UTC') - interval '30 days' + n * interval '1 hour' FROM generate_series(10, 250) n;
         INSERT INTO blocks (network, number, hash, time, canonical, orphaned_at)
         SELECT 'net', 20, '0x' || lpad(n::text, 64, 'b'), now(), false, now() - n * interval '1 day' + interval '1 hour' FROM generate_series(1, 40) n;
         UPDATE networks SET scanned_number = 250, scanned_hash = '0x' || lpad('250', 64, 'a'), confirmed_number = 240, first_number = 10,
                final_number = 30, final_hash = '0x' || lpad('30', 64, 'a');
         UPDATE transfers SET block_hash = '0x' || lpad('40', 64, 'a'), block_number = 40 WHERE block_number = 2;
         SET session_replication_role = origin;",
    ))
    .await
    .unwrap();
    let slug = Slug::parse("net").unwrap();
    let numbers = async || -> Vec<i64> {
        let sql = "SELECT number FROM blocks WHERE canonical AND number >= 10 ORDER BY number";
        sqlx::query_scalar(sql).fetch_all(&pool).await.unwrap()
    };
    assert_eq!(gone(&store, &Old::Blocks(slug.clone(), 16, days(41))).await, 0);
    let rows = gone(&store, &Old::Blocks(slug.clone(), 16, days(25))).await;
    let left = numbers().await;
    // 25 days ago is behind block 120: older are the first of each day, those with transfers, the final one and the first.
    let old: Vec<i64> = left.iter().copied().filter(|number| *number < 120).collect();
    assert_eq!(old, [10, 24, 30, 40, 48, 72, 96], "{left:?}");
    assert!(left.iter().filter(|number| **number > 144).count() == 106, "{left:?}");
    let orphans: i64 =
        sqlx::query_scalar("SELECT count(*) FROM blocks WHERE NOT canonical").fetch_one(&pool).await.unwrap();
    assert_eq!(orphans, 25);
    assert_eq!(rows, 241 - left.len() as u64 + 15);
    // However old: what is not looked at twice, and what a reorganisation may still take, stays.
    gone(&store, &Old::Blocks(slug.clone(), 16, days(1))).await;
    assert_eq!(
        numbers().await.into_iter().filter(|number| *number > 216).collect::<Vec<_>>(),
        (234..=250).collect::<Vec<_>>()
    );
    pool.execute("UPDATE networks SET confirmed_number = 250").await.unwrap();
    gone(&store, &Old::Blocks(slug.clone(), 4, days(1))).await;
    let end: Vec<i64> = numbers().await.into_iter().filter(|number| *number > 216).collect();
    assert_eq!(end, [240, 246, 247, 248, 249, 250]);
}
