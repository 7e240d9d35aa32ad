//! `prune` and the task that does the same: nothing unless asked, and what a dry run promises. What may go is proven by
//! `tests/storm/guards`.

use std::time::{Duration, Instant};

use sqlx::{Executor, PgPool};

use super::program::{MIGRATIONS, Program};
use super::support::Database;
use super::watching::Watcher;

/// A network with a block an hour for ten days, long ago, and three sessions that ended as long ago, untold.
const PAST: &str = "
SET session_replication_role = replica;
INSERT INTO networks (slug, chain_id, testnet, scanned_number, scanned_hash, scanned_time, first_number, confirmed_number)
VALUES ('anvil', 31337, true, 4240, '0x' || lpad('4240', 64, 'a'), now() - interval '90 days', 4000, 4240);
INSERT INTO blocks (network, number, hash, parent_hash, time)
SELECT 'anvil', n, '0x' || lpad(n::text, 64, 'a'), '0x' || lpad((n - 1)::text, 64, 'a'),
       date_trunc('day', now(), 'UTC') - interval '100 days' + (n - 4000) * interval '1 hour' FROM generate_series(4000, 4240) n;
INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address, payment_status, closed_at)
SELECT 'dep_' || n, 1, 'USDC', 'anvil', '0x' || repeat('cc', 20), '0x' || repeat('aa', 20), 'EXPIRED', now() FROM generate_series(1, 3) n;
INSERT INTO events (type, session_id, business_id, network, data, created_at, sequence)
SELECT kind, 'dep_' || n, 'default', 'anvil', '{\"status\": \"EXPIRED\", \"receivedAmount\": \"0\"}', now() - interval '100 days',
       row_number() OVER (ORDER BY kind, n)
  FROM generate_series(1, 3) n, unnest(ARRAY['deposit.created', 'deposit.expired']) kind;
INSERT INTO event_sequences (business_id, last) VALUES ('default', 6);
INSERT INTO webhook_endpoints (id, business_id, url) VALUES ('we_1', 'default', 'https://shop.example');
INSERT INTO webhook_deliveries (endpoint_id, event_id, business_id, sequence, state, created_at, finished_at)
SELECT 'we_1', id, 'default', sequence, 'DELIVERED', created_at, now() - interval '95 days' FROM events WHERE sequence = 2;
SET session_replication_role = origin;
";

async fn counts(pool: &PgPool) -> (i64, i64) {
    let sql = "SELECT (SELECT count(*) FROM blocks), (SELECT count(*) FROM events)";
    sqlx::query_as(sql).fetch_one(pool).await.unwrap()
}

async fn world() -> (Database, PgPool, Program) {
    let database = Database::create(&MIGRATIONS).await;
    let pool = database.pool().await;
    pool.execute(sqlx::raw_sql(PAST)).await.unwrap();
    let program = Program::at(&database.url());
    (database, pool, program)
}

/// A window of 64 blocks; what is older than three months goes.
const ASKED: [&str; 8] = [
    "--set",
    "networks.anvil.reorg_window=64",
    "--set",
    "retention.blocks=30d",
    "--set",
    "retention.events=90d",
    "--set",
    "retention.deliveries=30d",
];

#[tokio::test]
async fn nothing_goes_unless_it_is_asked_and_then_what_was_promised() {
    let (_database, pool, program) = world().await;
    assert_eq!(program.ok(&["prune"]), "nothing is pruned: every key of [retention] is off\n");
    assert_eq!(program.json(&["prune"]), serde_json::json!([]));
    assert_eq!(counts(&pool).await, (241, 6));
    // Of blocks 4000 to 4175, one a day stays; of the events, the newest of each session. One goes because its delivery does.
    let promised = program.ok(&[&ASKED[..], &["prune", "--dry-run", "--output", "csv"]].concat());
    let expected = "kind,network,rows\r\nblocks,anvil,168\r\nblocks,polygon,0\r\ndeliveries,,1\r\nevents,,3\r\n";
    assert_eq!(promised, expected);
    assert_eq!(counts(&pool).await, (241, 6));
    assert_eq!(program.ok(&[&ASKED[..], &["prune", "--output", "csv"]].concat()), expected);
    assert_eq!(counts(&pool).await, (73, 3));
    let again = program.ok(&[&ASKED[..], &["prune", "--output", "csv"]].concat());
    assert_eq!(again, expected.replace("168", "0").replace(",1\r", ",0\r").replace(",3", ",0"));
    let broken: Vec<String> =
        sqlx::query_scalar("SELECT rule FROM deposit_watcher_books").fetch_all(&pool).await.unwrap();
    assert!(broken.is_empty(), "{broken:?}");
    // An unreasonable policy is a fault of the configuration.
    let wrong = program.run(&["prune", "--set", "retention.events=1h"]);
    assert!(wrong.reason(78).contains("fault") && wrong.stderr.contains("retention.events"), "{wrong:?}");
}

#[tokio::test]
async fn a_watcher_prunes_by_itself() {
    let (_database, pool, program) = world().await;
    let mut watcher = Watcher::start(&program, &[&ASKED[..], &["watch"]].concat());
    let begun = Instant::now();
    while counts(&pool).await != (73, 3) {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", counts(&pool).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let said = watcher.until("old rows removed");
    assert_eq!((&said["kind"], &said["rows"]), (&"blocks".into(), &168.into()));
    watcher.signal("TERM");
    watcher.until("drained");
}

/// Each alone: what a run with this policy removes is what its dry run told.
#[tokio::test]
async fn every_policy_promises_what_it_does() {
    for policy in [
        &["retention.events=90d"][..],
        &["retention.deliveries=90d"],
        &["retention.events=90d", "retention.deliveries=96d"],
        &["retention.events=10d", "retention.deliveries=90d"],
        &["retention.events=98d", "retention.deliveries=1d", "retention.blocks=92d"],
    ] {
        let (_database, pool, program) = world().await;
        let set: Vec<&str> = policy.iter().flat_map(|policy| ["--set", *policy]).collect();
        let line = |more: &[&'static str]| program.ok(&[&set[..], &["prune", "--output", "csv"], more].concat());
        let (before, promised) = (counts(&pool).await, line(&["--dry-run"]));
        assert_eq!(counts(&pool).await, before, "{policy:?}");
        assert_eq!(line(&[]), promised, "{policy:?}");
        assert_ne!(promised, line(&["--dry-run"]), "{policy:?}: nothing went");
    }
}
