//! `deposit-watcher api` on a database of its own, with two businesses that have everything and a third that is closed.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use deposit_watcher::deposits::Office;
use deposit_watcher::keys::Keyring;
use deposit_watcher::settings::{self, Settings};
use deposit_watcher::store::{MIGRATIONS, Store};
use deposit_watcher::webhooks::Desk;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::Database;

pub(crate) const USDC: &str = "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359";
const KEY: &str = "c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4";
/// No limit but the one a test is about.
const WIDE: &str =
    "[limits]\nrequests_per_address = 1000000\nrequests_per_credential = 1000000\nfailures_per_address = 1000000\n";

/// A running API. It falls when this is dropped.
pub(crate) struct Server {
    child: Child,
    folder: tempfile::TempDir,
    pub(crate) at: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) pool: PgPool,
    pub(crate) office: Office,
    pub(crate) desk: Desk,
    pub(crate) keyring: Arc<Keyring>,
}

impl Server {
    /// Without limits that a test could meet by accident.
    pub(crate) async fn start() -> Server {
        Server::with(WIDE).await
    }

    /// With these lines in the configuration.
    pub(crate) async fn with(lines: &str) -> Server {
        let database = Database::create(&MIGRATIONS).await;
        Server::on(&database.url(), database.pool().await, lines).await
    }

    /// On this database, which is migrated.
    pub(crate) async fn on(url: &str, pool: PgPool, lines: &str) -> Server {
        // As if a watcher had followed the token.
        let followed = "INSERT INTO networks (slug, chain_id, testnet) VALUES ('polygon', 137, false); \
            INSERT INTO tokens (network, key, address, symbol, decimals, followed) \
            VALUES ('polygon', 'usdc', '0x3c499c542cef5e3811e1192ce70d8cc03d5c3359', 'USDC', 6, true)";
        sqlx::raw_sql(followed).execute(&pool).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("networks.toml");
        fs::write(&file, configuration(url, lines)).unwrap();
        let settings = settings::load(&[file], std::iter::empty(), &[]).unwrap_or_else(|faults| panic!("{faults:?}"));
        let (office, desk, keyring) = rooms(settings);
        let log = File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_deposit-watcher"));
        command.arg("api").env_clear().env("RUST_LOG", "debug,sqlx=warn").current_dir(folder.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Server { child, folder, at: nowhere, admin: nowhere, pool, office, desk, keyring };
        server.admin = server.said("starting", "admin").await;
        server.at = server.said("serving the API", "api").await;
        server
    }

    /// An address that it says it listens at.
    async fn said(&mut self, message: &str, key: &str) -> SocketAddr {
        let begun = Instant::now();
        loop {
            let line = self.lines().into_iter().find(|line| line["message"] == message);
            if let Some(url) = line.as_ref().and_then(|line| line[key].as_str()) {
                return url.trim_start_matches("http://").trim_end_matches("/metrics").parse().unwrap();
            }
            let runs = self.child.try_wait().unwrap().is_none();
            assert!(runs && begun.elapsed() < Duration::from_secs(60), "it never said {message:?}:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path()).unwrap_or_default()
    }

    pub(crate) fn lines(&self) -> Vec<Value> {
        self.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Asserts that nothing went wrong by its own word.
    pub(crate) fn is_content(&self) {
        let loud: Vec<Value> = self.lines().into_iter().filter(|line| line["level"] == "ERROR").collect();
        assert!(loud.is_empty(), "{loud:#?}");
    }

    pub(crate) fn terminate(&self) {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
    }

    /// Waits for its end.
    pub(crate) async fn exit(&mut self, patience: Duration) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(begun.elapsed() < patience, "it does not end:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How many rows there are of whatever a request could make.
    pub(crate) async fn rows(&self) -> i64 {
        let count = "SELECT (SELECT count(*) FROM deposit_sessions) + (SELECT count(*) FROM widgets) + (SELECT count(*) FROM events) \
            + (SELECT count(*) FROM webhook_endpoints) + (SELECT count(*) FROM idempotency_keys) + (SELECT count(*) FROM event_tickets) \
            + (SELECT count(*) FROM payments)";
        sqlx::query_scalar(count).fetch_one(&self.pool).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let skip = log.chars().count().saturating_sub(4_000);
            eprintln!("the server's last words:\n{}", log.chars().skip(skip).collect::<String>());
        }
    }
}

fn rooms(settings: Settings) -> (Office, Desk, Arc<Keyring>) {
    let store = Store::new(&settings.database).unwrap();
    let keyring = Arc::new(Keyring::new(settings.api.sealing_key.as_ref().unwrap(), None));
    let desk = Desk::new(&settings, store.clone(), Some(keyring.clone()));
    (Office::new(Arc::new(settings), store), desk, keyring)
}

/// polygon, whose endpoint nobody asks. Whoever comes from 127.0.0.1 may say for whom.
fn configuration(url: &str, lines: &str) -> String {
    format!(
        r#"
[database]
url = "{url}"

[http]
listen = "127.0.0.1:0"

[admin]
api_listen = "127.0.0.1:0"

[api]
sealing_key = "{KEY}"
trusted_proxies = ["127.0.0.1"]

{lines}

[networks.polygon]
chain_id = 137
finality = "finalized"
rpc.one.url = "http://127.0.0.1:1"
tokens.usdc = {{ symbol = "USDC", address = "{USDC}", decimals = 6 }}
"#
    )
}

/// A session that a widget of ours takes.
pub(crate) fn wish(amount: &str) -> Value {
    json!({ "amount": amount, "currency": "USDC", "network": "polygon", "currencyAddress": USDC,
        "depositAddress": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8" })
}
