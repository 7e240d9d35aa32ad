//! A backup taken while it works, restored when the chain has gone on and has lost blocks that the backup knew: run by
//! `tests/debian/restore.sh`, for `pg_dump` is not among the binaries from npm.

use std::path::PathBuf;
use std::process::Command;

use deposit_watcher::demo::Remined;
use deposit_watcher::domain::Address;

use crate::rig::{Chain, Rig};
use crate::support::Database;

/// Payments that go on while the dump is taken.
const MEANWHILE: usize = 8;

/// One of PostgreSQL's own programs, of the server's version.
fn tool(name: &str) -> Command {
    let bin = std::env::var_os("DEPOSIT_WATCHER_POSTGRES_BIN").expect("DEPOSIT_WATCHER_POSTGRES_BIN");
    let mut command = Command::new(PathBuf::from(bin).join(name));
    command.env_remove("PGPASSWORD");
    command
}

fn succeeds(mut command: Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Ids of a session's events, in order.
async fn event_ids(rig: &Rig, session: &str) -> Vec<String> {
    let select = "SELECT id FROM events WHERE session_id = $1 ORDER BY position";
    sqlx::query_scalar(select).bind(session).fetch_all(&rig.pool).await.unwrap()
}

async fn known(rig: &Rig) -> Vec<String> {
    rig.texts("SELECT id FROM deposit_sessions ORDER BY id").await
}

#[tokio::test]
#[ignore = "needs pg_dump of PostgreSQL 15: tests/debian/restore.sh"]
async fn a_dump_taken_in_mid_work_goes_on_where_it_was_and_doubles_nothing() {
    let chain = Chain::start().await;
    let database = Database::create(&deposit_watcher::store::MIGRATIONS).await;
    let before = Rig::on(database.pool().await, &database.url(), &[chain.section()]);
    let mut process = before.run().await;
    process.is_ready().await;
    before.paid(&chain, "dep_confirmed").await;
    chain.bury().await;
    before.becomes("dep_confirmed", "CONFIRMED").await;
    let later = chain.address();
    before.open("dep_open", "7", &chain.usdc, later).await;
    before.paid(&chain, "dep_seen").await;
    before.becomes("dep_seen", "PENDING").await;

    // The dump, while money comes.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deposit_watcher.dump");
    let mut dump = tool("pg_dump");
    dump.args(["--format=custom", "--file"]).arg(&file).arg(database.url());
    let dumping = tokio::task::spawn_blocking(move || succeeds(dump));
    for number in 0..MEANWHILE {
        before.paid(&chain, &format!("dep_meanwhile_{number}")).await;
    }
    dumping.await.unwrap();

    // What happened since: a payment, a session that the dump does not know, and blocks that it knew have gone.
    let lost: Address = chain.address();
    before.open("dep_lost", "9", &chain.usdc, lost).await;
    let paid = chain.pay(1, lost, 9).await;
    chain.pay(1, later, 7).await;
    chain.bury().await;
    before.becomes("dep_open", "CONFIRMED").await;
    before.becomes("dep_lost", "CONFIRMED").await;
    let told = event_ids(&before, "dep_open").await;
    process.terminate().await;

    let restored = Database::empty().await;
    let mut restore = tool("pg_restore");
    restore.args(["--no-owner", "--exit-on-error", "--dbname"]).arg(restored.url()).arg(&file);
    succeeds(restore);
    let after = Rig::on(restored.pool().await, &restored.url(), &[chain.section()]);
    after.books_are_right().await;
    assert_eq!(after.command(&["migrate", "--status"]).await.code, 0);
    let sessions = known(&after).await;
    assert!(!sessions.contains(&"dep_lost".to_owned()), "{sessions:?}");
    let cursors = "SELECT scanned_number FROM networks";
    assert!(after.number(cursors).await < before.number(cursors).await, "the cursor of the dump is behind");
    // The dump's newest block has left the chain meanwhile: all from there on is mined anew, in other blocks.
    let cursor = after.number(cursors).await;
    let select = "SELECT tx_hash, block_number FROM transfers WHERE block_number >= $1 ORDER BY block_number";
    let moved: Vec<(String, i64)> = sqlx::query_as(select).bind(cursor).fetch_all(&before.pool).await.unwrap();
    let head = i64::try_from(chain.evm.head().await.unwrap().block.number.0).unwrap();
    let mut again = Vec::new();
    for (hash, number) in moved {
        let raw = chain.evm.raw(hash.parse().unwrap()).await.unwrap();
        again.push((Remined::Again(raw), (number - cursor).unsigned_abs()));
    }
    chain.evm.reorganise((head - cursor + 1).unsigned_abs(), &again).await.unwrap();

    let mut process = after.run().await;
    chain.evm.mine(1).await.unwrap();
    process.is_ready().await;
    after.scanned("anvil", &chain).await;
    assert_eq!(process.metrics().await.count("reorgs_total", &[]), 1, "it went back before it went on");
    for id in &sessions {
        let shown = after.becomes(id, "CONFIRMED").await;
        assert_eq!(shown.confirmed, before.shown(id).await.confirmed, "{id}");
        let confirmed = after.events(id).await.into_iter().filter(|kind| kind == "confirmed").count();
        assert_eq!(confirmed, 1, "{id}");
    }
    let count = i64::try_from(sessions.len()).unwrap();
    assert_eq!(after.number("SELECT count(*) FROM transfers WHERE state <> 'ORPHANED'").await, count);
    assert_eq!(after.number("SELECT sum(CASE kind WHEN 'revert' THEN -1 ELSE 1 END) FROM ledger").await, count);
    after.books_are_right().await;

    // What was told before the dump keeps its ids; what happens again has others.
    assert_eq!(event_ids(&after, "dep_confirmed").await, event_ids(&before, "dep_confirmed").await);
    let again = event_ids(&after, "dep_open").await;
    assert_eq!(again.first(), told.first());
    assert!(again.last() != told.last(), "{again:?}");

    // A session that is inserted again, as if much later than its money came (the clocks may differ by a minute): a
    // rescan finds the money and leaves it to a person.
    let insert = "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address, created_at) \
                  VALUES ('dep_lost', 9, $1, $2, $3, $4, now() + interval '2 minutes')";
    let query = sqlx::query(insert).bind(&chain.usdc.symbol).bind(&chain.usdc.network);
    query.bind(chain.usdc.address.to_string()).bind(lost.to_string()).execute(&after.pool).await.unwrap();
    let block = paid.block.number.to_string();
    let rescan = after.command(&["rescan", "--network", "anvil", "--from", &block, "--to", &block]).await;
    assert_eq!(rescan.code, 0, "{rescan:?}");
    after.settles(paid.hash, "CONFIRMED", Some("early")).await;
    assert_eq!(after.shown("dep_lost").await.status, "CREATED");
    after.books_are_right().await;
    process.terminate().await;
}
