//! A thousand streams of a hundred sessions: what they weigh, what they ask of the database, how soon they hear.

use std::time::{Duration, Instant};

use sqlx::postgres::PgPool;
use sqlx::{Executor, Row};

use super::client::{Shop, Viewer};
use super::server::Server;
use super::support::Database;

const VIEWERS: usize = 1_000;
const SESSIONS: usize = 100;

/// Resident memory of a process, in KiB.
fn resident(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Transactions in the database so far.
async fn transactions(pool: &PgPool) -> i64 {
    let sql = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
    pool.fetch_one(sql).await.unwrap().get(0)
}

/// Reads up to the end of the next state.
async fn state(client: &mut Viewer) {
    while !client.line().await.starts_with("data:") {}
}

pub(crate) async fn measure(server: &Server, shop: &Shop, database: &Database) {
    let pool = database.pool().await;
    let sql = format!("SELECT id FROM deposit_sessions WHERE closed_at IS NULL LIMIT {SESSIONS}");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&pool).await.unwrap();
    let ids: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let before = resident(server.pid());
    let mut viewers = Vec::new();
    for id in ids.iter().cycle().take(VIEWERS) {
        let mut client = Viewer::connect(server.at).await;
        client.ask(&shop.watching(id)).await;
        viewers.push(client);
    }
    for viewer in &mut viewers {
        state(viewer).await;
    }
    let after = resident(server.pid());
    println!(
        "\n{VIEWERS} viewers of {SESSIONS} sessions: {} KiB resident more ({before} to {after})",
        after.saturating_sub(before)
    );
    // Idle connections tell of their last transactions after 10 s.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let (begun, first) = (Instant::now(), transactions(&pool).await);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let asked = (transactions(&pool).await - first) as f64 / begun.elapsed().as_secs_f64();
    println!("{asked:.1} transactions a second while nothing changes; a look is two, the pool's probe and the query");
    let begun = Instant::now();
    sqlx::query("UPDATE deposit_sessions SET payment_status = 'PENDING' WHERE id = ANY ($1)")
        .bind(&ids)
        .execute(&pool)
        .await
        .unwrap();
    for viewer in &mut viewers {
        state(viewer).await;
    }
    println!("all of them heard of a change of every session within {} ms", begun.elapsed().as_millis());
}
