//! `deposit-watcher api` as a reader of README has it running: a folder with `networks.toml`, a database in which a watcher
//! has followed the token, the program in the PATH.
#![allow(dead_code, reason = "the benchmark uses it, too")]

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::Executor;

use super::support::Database;

const BINARY: &str = env!("CARGO_BIN_EXE_deposit-watcher");
const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A running server; stopped when it is dropped.
pub(crate) struct Server {
    child: Child,
    folder: tempfile::TempDir,
    database: String,
    pub(crate) at: SocketAddr,
}

impl Server {
    /// On this database, migrated already, with further lines of configuration before the networks.
    pub(crate) async fn start(database: &Database, more: &str) -> Server {
        let followed = "INSERT INTO networks (slug, chain_id, testnet) VALUES ('polygon', 137, false); \
            INSERT INTO tokens (network, key, address, symbol, decimals, followed) \
            VALUES ('polygon', 'usdc', '0x3c499c542cef5e3811e1192ce70d8cc03d5c3359', 'USDC', 6, true)";
        database.pool().await.execute(followed).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        fs::write(folder.path().join("networks.toml"), configuration(at, more)).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let environment = environment(&database.url());
        let mut command = Command::new(BINARY);
        command.arg("api").env_clear().envs(environment).current_dir(folder.path()).stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut server = Server { child, folder, database: database.url(), at };
        let begun = Instant::now();
        while TcpStream::connect(at).is_err() {
            let runs = server.child.try_wait().unwrap().is_none();
            assert!(runs && begun.elapsed() < Duration::from_secs(60), "it does not listen:\n{}", server.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server
    }

    /// Where it was started.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What a reader's shell has.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        environment(&self.database)
    }

    /// The process's id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn environment(database: &str) -> Vec<(String, String)> {
    let mut path = std::env::var("PATH").unwrap();
    path.insert_str(0, &format!("{}:", PathBuf::from(BINARY).parent().unwrap().display()));
    let mut variables = vec![
        ("PATH", path),
        ("DATABASE_URL", database.to_owned()),
        ("DEPOSIT_WATCHER__API__SEALING_KEY", KEY.to_owned()),
    ];
    variables.extend(std::env::var("HOME").ok().map(|home| ("HOME", home)));
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// polygon, whose endpoint nobody asks: `api` watches nothing.
fn configuration(at: SocketAddr, more: &str) -> String {
    format!(
        r#"
[http]
listen = "{at}"

[admin]
listen = "127.0.0.1:0"
api_listen = "127.0.0.1:0"

{more}

[networks.polygon]
chain_id = 137
finality = "finalized"
rpc.one.url = "http://127.0.0.1:1"
tokens.usdc = {{ symbol = "USDC", address = "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359", decimals = 6 }}
"#
    )
}
