//! What a database does to whoever uses it: connections ended, servers restarted, locks held, deadlocks, writes refused,
//! no connection to be had. A step that fails is done again; nothing is lost or doubled, readiness says why.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use deposit_watcher::demo::{Postgres, Stop};
use sqlx::postgres::{PgConnection, PgPool, PgPoolOptions};
use sqlx::{Connection, Executor};

use crate::rig::{Chain, Process, Rig, get, until};
use crate::support::{self, Database};

/// Ends every connection of the watcher.
const TERMINATE: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                         WHERE datname = current_database() AND application_name = 'deposit-watcher'";
/// Statements of the watcher that wait for a lock which somebody else holds.
const WAITING: &str = "SELECT query FROM pg_stat_activity WHERE datname = current_database() \
                       AND application_name = 'deposit-watcher' AND wait_event_type = 'Lock'";

/// Up to so many milliseconds.
async fn a_while(millis: u64) {
    tokio::time::sleep(Duration::from_millis(rand::random_range(0..millis))).await;
}

/// A cluster of its own, with an empty database that `run` migrates. Its own connections may write whatever others may.
async fn own_cluster(chain: &Chain) -> (Postgres, Rig) {
    let postgres = Postgres::start(&support::tools()).unwrap();
    let mut admin = PgConnection::connect(&postgres.url("postgres")).await.unwrap();
    admin.execute("CREATE DATABASE dw_test_own").await.unwrap();
    let url = postgres.url("dw_test_own");
    let writing = PgPoolOptions::new().max_connections(2).after_connect(|connection, _| {
        Box::pin(async move { connection.execute("SET default_transaction_read_only = off").await.map(drop) })
    });
    let rig = Rig::on(writing.connect(&url).await.unwrap(), &url, &[chain.section()]);
    (postgres, rig)
}

#[tokio::test]
async fn connections_ended_again_and_again_cost_nothing() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    let mut process = rig.run().await;
    process.is_ready().await;
    let mut ended = 0;
    let mut ids = Vec::new();
    for payment in 0..15 {
        let id = format!("dep_{payment}");
        rig.paid(&chain, &id).await;
        ids.push(id);
        for _ in 0..4 {
            a_while(60).await;
            ended += rig.number(TERMINATE).await;
        }
    }
    rig.all_confirmed_once(&chain, &ids).await;
    process.is_ready().await;
    println!("{ended} connections were ended");
    assert!(ended >= 15, "{ended}");
    process.terminate().await;
}

#[tokio::test]
async fn a_server_that_crashes_again_and_again_loses_nothing_of_ours() {
    let chain = Chain::start().await;
    let (mut postgres, rig) = own_cluster(&chain).await;
    let mut process = rig.run().await;
    process.is_ready().await;
    let mut ids = Vec::new();
    for payment in 0..6 {
        let id = format!("dep_{payment}");
        rig.paid(&chain, &id).await;
        ids.push(id);
        a_while(150).await;
        postgres.stop(Stop::Immediate).unwrap();
        postgres.start_again().unwrap();
        until("it answers", async || sqlx::query("SELECT 1").execute(&rig.pool).await.ok()).await;
    }
    rig.all_confirmed_once(&chain, &ids).await;
    process.is_ready().await;
    process.terminate().await;
}

/// A connection that is not the watcher's, in a transaction.
async fn outsider(rig: &Rig) -> PgConnection {
    let mut outsider = rig.pool.acquire().await.unwrap().detach();
    outsider.execute("BEGIN; SET LOCAL deadlock_timeout = '10s'").await.unwrap();
    outsider
}

/// Sets something for all connections that are opened from now on, and has the watcher open new ones.
#[allow(clippy::disallowed_types, reason = "a database's name cannot be bound; these are our own")]
async fn from_now_on(pool: &PgPool, setting: &str) {
    let name: String = sqlx::query_scalar("SELECT current_database()").fetch_one(pool).await.unwrap();
    pool.execute(sqlx::AssertSqlSafe(format!("ALTER DATABASE {name} SET {setting}"))).await.unwrap();
    sqlx::query(TERMINATE).execute(pool).await.unwrap();
}

/// The watcher's own words about a step that failed so.
async fn says(process: &Process, code: &str) {
    until(&format!("it says {code}"), async || (!process.said("WARN", code).is_empty()).then_some(())).await;
}

#[tokio::test]
async fn a_lock_a_deadlock_a_conflict_and_a_slow_statement_are_waited_for_and_done_again() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    let mut process = rig.run().await;
    process.is_ready().await;
    rig.scanned("anvil", &chain).await;
    let ids: Vec<String> = ["lock", "deadlock", "conflict", "slow"].map(|why| format!("dep_{why}")).to_vec();
    let waits = async |words: &str| {
        until(&format!("the watcher waits with {words}"), async || {
            let waiting: Vec<String> = sqlx::query_scalar(WAITING).fetch_all(&rig.pool).await.unwrap();
            waiting.iter().any(|query| query.contains(words)).then_some(())
        })
        .await;
    };

    // lock_timeout: the row that every unit ends with is held by somebody else.
    let mut other = outsider(&rig).await;
    other.execute("SELECT FROM networks FOR UPDATE").await.unwrap();
    rig.paid(&chain, &ids[0]).await;
    says(&process, "55P03").await;
    assert_eq!(rig.shown(&ids[0]).await.status, "CREATED");
    other.execute("COMMIT").await.unwrap();
    rig.becomes(&ids[0], "PENDING").await;

    // Deadlock: two tables locked in the order opposite to a unit's. Who waited first looks first whether it is one.
    from_now_on(&rig.pool, "deadlock_timeout = '400ms'").await;
    process.is_ready().await;
    other.execute("BEGIN; SET LOCAL deadlock_timeout = '10s'; LOCK TABLE transfers IN SHARE MODE").await.unwrap();
    rig.paid(&chain, &ids[1]).await;
    waits("WITH incoming").await;
    other.execute("LOCK TABLE blocks IN SHARE MODE").await.unwrap();
    says(&process, "40P01").await;
    other.execute("COMMIT").await.unwrap();
    rig.becomes(&ids[1], "PENDING").await;

    // Serialization: somebody commits a change to the row that the unit was about to write.
    from_now_on(&rig.pool, "default_transaction_isolation = 'repeatable read'").await;
    process.is_ready().await;
    other.execute("BEGIN; UPDATE networks SET head_seen_at = now()").await.unwrap();
    rig.paid(&chain, &ids[2]).await;
    waits("UPDATE networks").await;
    other.execute("COMMIT").await.unwrap();
    says(&process, "40001").await;
    rig.becomes(&ids[2], "PENDING").await;

    // statement_timeout: nobody can even read.
    from_now_on(&rig.pool, "statement_timeout = '200ms'").await;
    process.is_ready().await;
    let to = chain.address();
    rig.open(&ids[3], "5", &chain.usdc, to).await;
    other
        .execute("BEGIN; SET LOCAL statement_timeout = '20s'; LOCK TABLE networks IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    chain.pay(1, to, 5).await;
    says(&process, "57014").await;
    other.execute("COMMIT").await.unwrap();

    rig.all_confirmed_once(&chain, &ids).await;
    process.is_ready().await;
    process.terminate().await;
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_not_worked_on_until_it_does() {
    let chain = Chain::start().await;
    let (_postgres, rig) = own_cluster(&chain).await;
    let mut process = rig.run().await;
    process.is_ready().await;
    let mut ids = vec!["dep_before".to_owned()];
    rig.paid(&chain, &ids[0]).await;
    rig.becomes(&ids[0], "PENDING").await;

    // For connections that are open as well: what a failover by hand does.
    rig.pool.execute("ALTER SYSTEM SET default_transaction_read_only = on").await.unwrap();
    rig.pool.execute("SELECT pg_reload_conf()").await.unwrap();
    process.is_not_ready("fail database: ").await;
    process.is_not_ready("this server takes no writes").await;
    assert_eq!(get(process.admin().await, "/livez").await.unwrap().0, 200);
    let (status, body) = get(process.api().await, "/readyz?verbose").await.unwrap();
    assert!(status == 503 && body.contains("this server takes no writes"), "the API says so, too: {body}");
    rig.paid(&chain, "dep_meanwhile").await;
    ids.push("dep_meanwhile".to_owned());
    until("the lease runs out", async || {
        let held = rig.number("SELECT count(*) FROM leases WHERE expires_at > clock_timestamp()").await;
        (held == 0).then_some(())
    })
    .await;
    assert_eq!(rig.shown("dep_meanwhile").await.status, "CREATED");

    rig.pool.execute("ALTER SYSTEM RESET default_transaction_read_only").await.unwrap();
    rig.pool.execute("SELECT pg_reload_conf()").await.unwrap();
    let begun = Instant::now();
    process.is_ready().await;
    println!("ready {:?} after the server takes writes again", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(15));
    rig.all_confirmed_once(&chain, &ids).await;
    process.terminate().await;
}

/// Two connections each, and this many for all.
const LIMIT: i64 = 3;

#[tokio::test]
async fn with_hardly_a_connection_to_be_had_everything_goes_on() {
    let chain = Chain::start().await;
    let database = Database::empty().await;
    let pool = database.pool().await;
    let name: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&pool).await.unwrap();
    // No superuser: for those no limit holds.
    for statement in [
        format!("CREATE ROLE {name}_few LOGIN CREATEROLE CONNECTION LIMIT {LIMIT}"),
        format!("ALTER DATABASE {name} OWNER TO {name}_few"),
        format!("GRANT ALL ON SCHEMA public TO {name}_few"),
    ] {
        #[allow(clippy::disallowed_types, reason = "names cannot be bound; these are our own")]
        pool.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    }
    let url = database.url().replacen(Postgres::USER, &format!("{name}_few"), 1);
    let rig = Rig::on(pool, &url, &[chain.section()]);
    rig.with_database("max_connections = 2");
    let mut process = rig.run().await;
    process.is_ready().await;

    // Customers who reload a page that is not there.
    let api = process.api().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let answered = asked.clone();
    let load = tokio::spawn(async move {
        let ask = async || get(api, &format!("/pay/{}", "A".repeat(43))).await.is_some();
        let end = Instant::now() + Duration::from_secs(600);
        while Instant::now() < end {
            let (a, b, c, d) = tokio::join!(ask(), ask(), ask(), ask());
            answered.fetch_add([a, b, c, d].into_iter().filter(|a| *a).count(), Ordering::Relaxed);
        }
    });
    let mut ids = Vec::new();
    for payment in 0..8 {
        let id = format!("dep_{payment}");
        rig.paid(&chain, &id).await;
        rig.becomes(&id, "PENDING").await;
        ids.push(id);
        let open = "SELECT count(*) FROM pg_stat_activity WHERE usename = current_database() || '_few'";
        assert!(rig.number(open).await <= LIMIT);
        // Whoever comes first has the places: others are refused (53300).
        rig.number(TERMINATE).await;
    }
    rig.all_confirmed_once(&chain, &ids).await;
    let so_far = asked.load(Ordering::Relaxed);
    until("the load goes on", async || (asked.load(Ordering::Relaxed) > so_far).then_some(())).await;
    load.abort();
    println!("{so_far} answers meanwhile");
    process.is_ready().await;
    process.terminate().await;
}
