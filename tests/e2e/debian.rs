//! What needs more than PostgreSQL and anvil from npm: run by the scripts in `tests/debian`, in `make test-all`.

use std::time::{Duration, Instant};

use deposit_watcher::demo::{Call, Postgres, Stop};
use sqlx::postgres::{PgConnection, PgPool, PgPoolOptions};
use sqlx::{Connection, Executor};

use crate::rig::{Chain, Process, Rig, units, until};
use crate::support::line::Line;
use crate::support::{self, Database};

async fn connected(postgres: &Postgres) -> PgPool {
    PgPoolOptions::new().max_connections(3).connect(&postgres.url("dw_test_own")).await.unwrap()
}

#[tokio::test]
#[ignore = "needs PostgreSQL 15: tests/debian/postgres15.sh"]
async fn this_is_postgresql_15() {
    let pool = Database::empty().await.pool().await;
    let version: String = sqlx::query_scalar("SHOW server_version").fetch_one(&pool).await.unwrap();
    assert!(version.starts_with("15."), "{version}");
}

#[tokio::test]
#[ignore = "needs pgBouncer: tests/debian/pgbouncer.sh"]
async fn migrations_are_refused_through_pgbouncer_and_nothing_is_half_done() {
    let chain = Chain::start().await;
    let database = Database::empty().await;
    let rig = Rig::on(database.pool().await, &database.url(), &[chain.section()]);
    for command in ["migrate", "run"] {
        let output = rig.command(&[command]).await;
        assert!(output.code != 0 && output.stderr.contains("database.pgbouncer = false"), "{command}: {output:?}");
    }
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(rig.number(tables).await, 0);
}

/// The whole way of a failover: the primary is gone, its standby promoted, and the old one comes back and is behind.
#[tokio::test]
#[ignore = "needs pg_basebackup of PostgreSQL 15: tests/debian/failover.sh"]
async fn a_failover_is_survived_and_a_standby_neither_written_nor_trusted() {
    let chain = Chain::start().await;
    let settings = ["wal_level=replica", "max_wal_senders=5", "hot_standby=on"];
    let mut old = Postgres::start_with(&support::tools(), &settings).unwrap();
    let mut admin = PgConnection::connect(&old.url("postgres")).await.unwrap();
    admin.execute("CREATE DATABASE dw_test_own").await.unwrap();
    let new = old.standby(&support::tools()).unwrap();
    // From now on a commit is acknowledged when both have it.
    admin.execute("ALTER SYSTEM SET synchronous_standby_names = '*'").await.unwrap();
    admin.execute("SELECT pg_reload_conf()").await.unwrap();
    until("the standby is synchronous", async || {
        let state: Option<String> =
            sqlx::query_scalar("SELECT sync_state FROM pg_stat_replication").fetch_optional(&mut admin).await.unwrap();
        (state.as_deref() == Some("sync")).then_some(())
    })
    .await;
    drop(admin);
    let line = Line::to(old.port()).await;
    let sections = [chain.section()];
    let along = line.along(&old.url("dw_test_own"));
    let before = Rig::on(connected(&old).await, &along, &sections);
    let mut process = before.run().await;
    process.is_ready().await;
    before.paid(&chain, "dep_before").await;
    before.becomes("dep_before", "PENDING").await;

    // Gone without a word, while money comes.
    old.stop(Stop::Immediate).unwrap();
    chain.evm.mine(1).await.unwrap();
    process.is_not_ready("fail database: ").await;
    // The address leads to the standby before anybody has promoted it: it answers, and is not worked on.
    line.leads_to(new.port());
    line.close();
    process.is_not_ready("this server is a standby").await;
    let promoted = PgPoolOptions::new().max_connections(3).connect_lazy(&new.url("dw_test_own")).unwrap();
    sqlx::query("SELECT pg_promote()").execute(&promoted).await.unwrap();
    let begun = Instant::now();
    let after = Rig::on(promoted, &along, &sections);
    process.is_ready().await;
    println!("ready {:?} after the standby was promoted", begun.elapsed());
    after.paid(&chain, "dep_after").await;
    after.all_confirmed_once(&chain, &["dep_before", "dep_after"]).await;

    // The old one is back, as a standby that follows nobody: whoever is led there by mistake is refused.
    std::fs::write(old.folder().join("data/standby.signal"), "").unwrap();
    old.start_again().unwrap();
    let stale = connected(&old).await;
    let select = "SELECT scanned_number FROM networks";
    let stood: i64 = sqlx::query_scalar(select).fetch_one(&stale).await.unwrap();
    line.leads_to(old.port());
    line.close();
    process.is_not_ready("this server is a standby").await;
    after.paid(&chain, "dep_meanwhile").await;
    assert_eq!(
        sqlx::query_scalar::<_, i64>(select).fetch_one(&stale).await.unwrap(),
        stood,
        "nothing was written there"
    );
    line.leads_to(new.port());
    line.close();
    process.is_ready().await;
    after.all_confirmed_once(&chain, &["dep_before", "dep_after", "dep_meanwhile"]).await;
    process.terminate().await;
}

/// Fills a folder to the last byte.
fn fill(folder: &std::path::Path) -> std::path::PathBuf {
    use std::io::Write;
    let path = folder.join("filler");
    let mut file = std::fs::File::create(&path).unwrap();
    for size in [1 << 16, 1 << 12, 1 << 8, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    path
}

async fn says(process: &Process, words: &str) {
    until(&format!("it says {words}"), async || (!process.said("WARN", words).is_empty()).then_some(())).await;
}

#[tokio::test]
#[ignore = "needs a small file system: tests/debian/disk.sh"]
async fn a_full_disk_stops_the_work_and_room_lets_it_go_on() {
    const MANY: usize = 400;
    let disk = std::path::PathBuf::from(std::env::var_os("DEPOSIT_WATCHER_SMALL_DISK").expect("a small file system"));
    let chain = Chain::start().await;
    let postgres = Postgres::start(&support::tools()).unwrap();
    let mut admin = PgConnection::connect(&postgres.url("postgres")).await.unwrap();
    #[allow(clippy::disallowed_types, reason = "a path cannot be bound; this one is our own")]
    let tablespace = sqlx::AssertSqlSafe(format!("CREATE TABLESPACE small LOCATION '{}'", disk.display()));
    admin.execute(tablespace).await.unwrap();
    admin.execute("CREATE DATABASE dw_test_own TABLESPACE small").await.unwrap();
    let section = chain.section().with("max_lag = \"2s\"");
    let rig = Rig::on(connected(&postgres).await, &postgres.url("dw_test_own"), &[section]);
    let mut process = rig.run().await;
    process.is_ready().await;
    let shops: Vec<_> = (0..MANY).map(|_| chain.address()).collect();
    for (number, shop) in shops.iter().enumerate() {
        rig.open(&format!("dep_{number}"), "5", &chain.usdc, *shop).await;
    }
    rig.scanned("anvil", &chain).await;

    let filler = fill(&disk);
    let all = shops.iter().map(|shop| (*shop, units(5))).collect();
    let paid = chain.evm.pay(chain.payers[1], chain.usdc.address, &Call::Many(all)).await.unwrap();
    says(&process, "53100").await;
    process.is_not_ready("fail ").await;
    assert!(process.runs());
    assert_eq!(rig.transfers(paid.hash).await.len(), 0, "nothing is half written");
    assert_eq!(rig.number("SELECT count(*) FROM deposit_sessions WHERE payment_status <> 'CREATED'").await, 0);

    std::fs::remove_file(filler).unwrap();
    let begun = Instant::now();
    chain.bury().await;
    until("all are confirmed", async || {
        let confirmed =
            "SELECT count(*) FROM deposit_sessions WHERE payment_status = 'CONFIRMED' AND confirmed_amount = 5";
        (rig.number(confirmed).await == i64::try_from(MANY).unwrap()).then_some(())
    })
    .await;
    println!("confirmed {:?} after there was room again", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(rig.transfers(paid.hash).await.len(), MANY);
    assert_eq!(rig.number("SELECT count(*) FROM events").await, i64::try_from(MANY * 3).unwrap());
    process.is_ready().await;
    rig.books_are_right().await;
    process.terminate().await;
}
