//! What each test stands on: a folder, a database, chains, a configuration, and the binary run against them.
//!
//! Every text that leaves the binary passes through [`discreet`]: the database's and the endpoints' addresses hold a
//! canary, which may be read nowhere.

mod bouncer;
mod chain;
mod collector;
mod config;
mod http;
mod process;
mod shop;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use deposit_watcher::domain::Address;
use serde_json::Value;
use sqlx::postgres::PgPool;
use sqlx::{FromRow, Row};
use tempfile::TempDir;

use bouncer::Bouncer;
pub(crate) use chain::{Chain, units};
pub(crate) use collector::{Collector, Manner, Span};
pub(crate) use config::{Section, Token};
pub(crate) use http::{Metrics, get};
pub(crate) use process::{Output, Process};
pub(crate) use shop::Shop;

use crate::support::Database;

/// How long a condition may take on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Part of every secret that a test's binary is given.
pub(crate) const CANARY: &str = "canary";
/// The same as a header of HTTP Basic authentication would begin.
const CANARY_BASE64: &str = "Y2FuYXJ5";

/// Secrets that the binary itself made, or that are no canary: from now on it may not tell them either.
static SECRETS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Adds a secret to what [`discreet`] looks for.
pub(crate) fn keep_secret(secret: &str) {
    assert!(secret.len() >= 16, "so short a text may be somewhere by chance: {secret}");
    SECRETS.lock().unwrap_or_else(PoisonError::into_inner).push(secret.to_owned());
}

/// Asserts that no secret is in what was heard from the binary.
pub(crate) fn discreet(text: &str) {
    let lower = text.to_lowercase();
    let secrets = SECRETS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let made = || secrets.iter().find_map(|secret| text.find(secret.as_str()));
    let told = lower.find(CANARY).or_else(|| text.find(CANARY_BASE64)).or_else(made);
    if let Some(at) = told {
        let around: String = lower.chars().skip(at.saturating_sub(200)).take(400).collect();
        panic!("a secret was told: {around}");
    }
}

/// Looks until there is something to see, for [`PATIENCE`] at most.
pub(crate) async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, look).await
}

/// The same for another time.
pub(crate) async fn within<T>(patience: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(begun.elapsed() < patience, "not within {patience:?}: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A folder, a database and a configuration.
pub(crate) struct Rig {
    folder: TempDir,
    /// The test's own connections.
    pub(crate) pool: PgPool,
    database: String,
    bouncer: Option<Bouncer>,
}

/// A session as SQL shows it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct Shown {
    pub(crate) status: String,
    pub(crate) received: String,
    pub(crate) confirmed: String,
    pub(crate) tx: Option<String>,
}

impl Rig {
    /// A migrated database in this binary's cluster; its networks are those of `sections`.
    pub(crate) async fn new(sections: &[Section]) -> Rig {
        let database = Database::create(&deposit_watcher::store::MIGRATIONS).await;
        Rig::on(database.pool().await, &database.url(), sections)
    }

    /// The same on an empty database; one that pgBouncer leads to is migrated, for that goes not through it.
    pub(crate) async fn empty(sections: &[Section]) -> Rig {
        if bouncer::named().is_some() {
            return Rig::new(sections).await;
        }
        let database = Database::empty().await;
        Rig::on(database.pool().await, &database.url(), sections)
    }

    /// The same on another database.
    pub(crate) fn on(pool: PgPool, url: &str, sections: &[Section]) -> Rig {
        let port = url::Url::parse(url).unwrap().port().unwrap();
        let bouncer = bouncer::named().map(|program| Bouncer::start(&program, port));
        let url = bouncer.as_ref().map_or_else(|| url.to_owned(), |bouncer| bouncer.along(url));
        // The cluster trusts everybody: it asks for no password and does not mind one.
        let database = url.replacen('@', &format!(":{CANARY}-of-the-database@"), 1);
        let rig = Rig { folder: tempfile::tempdir().unwrap(), pool, database, bouncer };
        rig.configure(sections);
        keep_secret(&config::sealing_key());
        rig
    }

    /// Writes the configuration anew; it counts at the next start.
    pub(crate) fn configure(&self, sections: &[Section]) {
        std::fs::write(self.config(), config::text(&self.database, sections)).unwrap();
        if self.bouncer.is_some() {
            self.with_database("pgbouncer = true");
        }
    }

    /// With another line about the database.
    pub(crate) fn with_database(&self, line: &str) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        std::fs::write(self.config(), text.replacen("[database]\n", &format!("[database]\n{line}\n"), 1)).unwrap();
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("networks.toml")
    }

    /// Starts `run`.
    pub(crate) async fn run(&self) -> Process {
        self.run_logging("info").await
    }

    /// The same with another `RUST_LOG`.
    pub(crate) async fn run_logging(&self, log: &str) -> Process {
        self.start(log, &[]).await
    }

    /// The same with these variables in its environment.
    pub(crate) async fn run_with(&self, log: &str, variables: &[(&str, &str)]) -> Process {
        self.start(log, variables).await
    }

    /// The same that kills itself at this point, where one is given; see `settings::kill`.
    pub(crate) async fn run_killing_itself(&self, at: Option<&str>) -> Process {
        let variables = at.map(|at| ("DEPOSIT_WATCHER_KILL_AT", at));
        self.start("info", variables.as_slice()).await
    }

    async fn start(&self, log: &str, variables: &[(&str, &str)]) -> Process {
        let config = self.config();
        Process::start(self.folder.path(), &["run", "--config", config.to_str().unwrap()], log, variables).await
    }

    /// Runs a command that ends by itself.
    pub(crate) async fn command(&self, words: &[&str]) -> Output {
        self.command_logging("info", words).await
    }

    /// The same with another `RUST_LOG`.
    pub(crate) async fn command_logging(&self, log: &str, words: &[&str]) -> Output {
        self.command_with(log, &[], words).await
    }

    /// The same with these variables in its environment.
    pub(crate) async fn command_with(&self, log: &str, variables: &[(&str, &str)], words: &[&str]) -> Output {
        let config = self.config();
        process::finish(&[words, &["--config", config.to_str().unwrap()]].concat(), log, variables).await
    }

    /// `status --output json`: its line of a network.
    pub(crate) async fn status(&self, network: &str) -> Value {
        let output = self.command(&["status", "--output", "json"]).await;
        assert_eq!(output.code, 0, "{}", output.stderr);
        let lines: Vec<Value> = serde_json::from_str(&output.stdout).unwrap();
        lines.into_iter().find(|line| line["network"] == network).unwrap()
    }

    /// Opens a session as an outside API may: by the least that a row needs.
    pub(crate) async fn open(&self, id: &str, amount: &str, token: &Token, to: Address) {
        self.open_at(id, amount, token, &to.to_string()).await;
    }

    /// The same with an address in any spelling.
    pub(crate) async fn open_at(&self, id: &str, amount: &str, token: &Token, to: &str) {
        let insert = "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address) \
                      VALUES ($1, $2::text::numeric, $3, $4, $5, $6)";
        let query = sqlx::query(insert).bind(id).bind(amount).bind(&token.symbol).bind(&token.network);
        query.bind(token.address.to_string()).bind(to).execute(&self.pool).await.unwrap();
    }

    /// Opens a session of five tokens and pays it.
    pub(crate) async fn paid(&self, chain: &Chain, id: &str) {
        let to = chain.address();
        self.open(id, "5", &chain.usdc, to).await;
        chain.pay(1, to, 5).await;
    }

    /// Asserts that what was so [paid](Self::paid) is confirmed, each once and nothing else.
    pub(crate) async fn all_confirmed_once(&self, chain: &Chain, ids: &[impl AsRef<str>]) {
        chain.bury().await;
        for id in ids.iter().map(AsRef::as_ref) {
            assert_eq!(self.becomes(id, "CONFIRMED").await.confirmed, "5", "{id}");
            assert_eq!(self.events(id).await, ["created", "pending", "confirmed"], "{id}");
        }
        let count = i64::try_from(ids.len()).unwrap();
        assert_eq!(self.number("SELECT count(*) FROM transfers").await, count);
        assert_eq!(self.number("SELECT count(*) FROM ledger").await, count);
        self.books_are_right().await;
    }

    /// Moves a session's expiry to so many seconds from now.
    pub(crate) async fn expires_in(&self, id: &str, seconds: f64) {
        let update =
            "UPDATE deposit_sessions SET expires_at = clock_timestamp() + make_interval(secs => $2) WHERE id = $1";
        sqlx::query(update).bind(id).bind(seconds).execute(&self.pool).await.unwrap();
    }

    /// Waits until the wall clock is so many seconds past a session's expiry.
    pub(crate) async fn expiry_is_past(&self, id: &str, seconds: f64) {
        until("the wall clock passes the expiry", async || {
            let select =
                "SELECT clock_timestamp() > expires_at + make_interval(secs => $2) FROM deposit_sessions WHERE id = $1";
            let row = sqlx::query(select).bind(id).bind(seconds).fetch_one(&self.pool).await.unwrap();
            row.get::<bool, _>(0).then_some(())
        })
        .await;
    }

    /// A session now.
    pub(crate) async fn shown(&self, id: &str) -> Shown {
        let select = "SELECT payment_status AS status, trim_scale(received_amount)::text AS received, \
                      trim_scale(confirmed_amount)::text AS confirmed, tx_id AS tx FROM deposit_sessions WHERE id = $1";
        sqlx::query_as(select).bind(id).fetch_one(&self.pool).await.unwrap()
    }

    /// Waits for a session's status.
    pub(crate) async fn becomes(&self, id: &str, status: &str) -> Shown {
        until(&format!("{id} is {status}"), async || Some(self.shown(id).await).filter(|shown| shown.status == status))
            .await
    }

    /// One value of one row.
    pub(crate) async fn number(&self, select: &'static str) -> i64 {
        sqlx::query(select).fetch_one(&self.pool).await.unwrap().get(0)
    }

    /// The first column of every row.
    pub(crate) async fn texts(&self, select: &'static str) -> Vec<String> {
        let rows = sqlx::query(select).fetch_all(&self.pool).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Types of a session's events, in order.
    pub(crate) async fn events(&self, id: &str) -> Vec<String> {
        let select = "SELECT replace(type, 'deposit.', '') FROM events WHERE session_id = $1 ORDER BY position";
        let rows = sqlx::query(select).bind(id).fetch_all(&self.pool).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// State and reason of a transaction's transfers, in the order they were seen.
    pub(crate) async fn transfers(&self, tx: impl ToString) -> Vec<(String, Option<String>)> {
        let select = "SELECT state, reason FROM transfers WHERE tx_hash = $1 ORDER BY seen_at, log_index";
        sqlx::query_as(select).bind(tx.to_string()).fetch_all(&self.pool).await.unwrap()
    }

    /// Waits until a transaction's only transfer has this state and reason.
    pub(crate) async fn settles(&self, tx: impl ToString, state: &str, reason: Option<&str>) {
        let (tx, expected) = (tx.to_string(), vec![(state.to_owned(), reason.map(str::to_owned))]);
        until(&format!("{tx} is {expected:?}"), async || (self.transfers(&tx).await == expected).then_some(())).await;
    }

    /// Waits until everything up to the chain's head is scanned.
    pub(crate) async fn scanned(&self, network: &str, chain: &Chain) {
        until("the head is scanned", async || {
            let head = chain.evm.head().await.unwrap().block.hash.to_string();
            let select = "SELECT scanned_hash FROM networks WHERE slug = $1";
            let row = sqlx::query(select).bind(network).fetch_optional(&self.pool).await.unwrap()?;
            (row.get::<Option<String>, _>(0)? == head).then_some(())
        })
        .await;
    }

    /// Asserts that the books are right.
    pub(crate) async fn books_are_right(&self) {
        let findings = self.texts("SELECT rule || ': ' || subject || ': ' || detail FROM deposit_watcher_books").await;
        assert!(findings.is_empty(), "{findings:#?}");
    }
}
