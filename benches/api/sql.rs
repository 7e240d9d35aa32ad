//! The same SQL by pgbench, and what the benchmark reads and writes besides.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use sqlx::{Executor, Row};

use super::support::Database;

const OPENING: &str = "\
\\set n random(1, 1000000000000000)
BEGIN;
INSERT INTO deposit_sessions (id, amount, requested_amount, currency, network, currency_address, deposit_address, expires_at, business_id, widget_id, opened_by)
VALUES ('dep_' || replace(gen_random_uuid()::text, '-', ''),
        deposit_watcher_reserve('polygon', '0x3c499c542cef5e3811e1192ce70d8cc03d5c3359', '0x' || lpad(to_hex(:n::bigint), 40, 'f'), 100, 'bump', interval '24 hours'),
        100, 'USDC', 'polygon', '0x3c499c542cef5e3811e1192ce70d8cc03d5c3359', '0x' || lpad(to_hex(:n::bigint), 40, 'f'),
        now() + interval '30 minutes', 'shop', 'wid_bench', 'server')
RETURNING amount, expires_at;
SELECT business_id FROM deposit_addresses WHERE address = '0x' || lpad(to_hex(:n::bigint), 40, 'f');
COMMIT;
";

/// How the API names the sessions and the keys that it reads, and how pgbench names one of each.
const SESSION: [&str; 2] = [
    "s.id = ANY (ARRAY(SELECT unnest($1::text[])))",
    "s.id = ANY (ARRAY[(SELECT id FROM bench_ids WHERE n = :n::bigint)])",
];
const KEY: [&str; 2] =
    ["k.id = ANY (ARRAY(SELECT unnest($1::text[])))", "k.id = ANY (ARRAY[(SELECT id FROM api_keys)])"];

/// What of the SQL of a request that reads a session is compared with.
#[derive(Clone, Copy)]
pub(crate) enum Reading {
    /// The session's SELECT.
    Session,
    /// That of the token's key as well: no session is shown without it.
    KeyAndSession,
}

impl Reading {
    /// A script of the API's own SELECTs.
    fn script(self) -> String {
        let selects = match self {
            Reading::Session => kept(SESSION),
            Reading::KeyAndSession => kept(KEY) + &kept(SESSION),
        };
        format!("\\set n random(1, 1000)\n{selects}")
    }
}

/// The only SELECT with these words that sqlx keeps, with others in their place.
fn kept([words, others]: [&str; 2]) -> String {
    let kept = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.sqlx")).unwrap();
    let texts = kept.map(|file| {
        let query: Value = serde_json::from_str(&std::fs::read_to_string(file.unwrap().path()).unwrap()).unwrap();
        query["query"].as_str().unwrap().to_owned()
    });
    let selects: Vec<String> = texts.filter(|text| text.contains(words)).collect();
    let [select] = selects.as_slice() else { panic!("which of them is it? {selects:#?}") };
    format!("{};\n", select.replace(words, others))
}

/// Where PostgreSQL's packages put it, or in the PATH.
fn pgbench() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let installed = versions.map(|version| version.path().join("bin/pgbench")).find(|path| path.exists());
    installed.unwrap_or_else(|| PathBuf::from("pgbench"))
}

/// Transactions a second.
fn measured(database: &Database, script: &str, connections: usize, lasts: Duration) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script.sql");
    std::fs::write(&file, script).unwrap();
    let mut command = Command::new(pgbench());
    command.args([
        "-n",
        "-M",
        "prepared",
        "-c",
        &connections.to_string(),
        "-j",
        "2",
        "-T",
        &lasts.as_secs().to_string(),
    ]);
    let output = command.arg("-f").arg(&file).arg(database.url()).output().expect("pgbench, of PostgreSQL's packages");
    let text = String::from_utf8(output.stdout).unwrap();
    let tps = text.lines().find_map(|line| line.strip_prefix("tps = "));
    let tps = tps.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    tps.split_whitespace().next().unwrap().parse().unwrap()
}

/// Sessions opened a second.
pub(crate) fn opening(database: &Database, connections: usize, lasts: Duration) -> f64 {
    measured(database, OPENING, connections, lasts)
}

/// Sessions read a second, of those that [`sessions`] chose.
pub(crate) fn reading(database: &Database, what: Reading, connections: usize, lasts: Duration) -> f64 {
    measured(database, &what.script(), connections, lasts)
}

/// A thousand sessions of the shop.
pub(crate) async fn sessions(database: &Database) -> Vec<String> {
    let pool = database.pool().await;
    pool.execute(
        "CREATE TABLE bench_ids AS SELECT row_number() OVER () AS n, id FROM (SELECT id FROM deposit_sessions LIMIT 1000) AS s; \
         CREATE INDEX ON bench_ids (n); ANALYZE",
    )
    .await
    .unwrap();
    let rows = pool.fetch_all("SELECT id FROM bench_ids").await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}
