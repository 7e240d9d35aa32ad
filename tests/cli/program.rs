//! Starts the binary with nothing of this machine's environment and a configuration of its own.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use sqlx::migrate::Migrator;

pub(crate) static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// One test chain without real endpoints, one that is disabled.
const NETWORKS: &str = r#"
[database]
connect_timeout = "5s"

[admin]
listen = "127.0.0.1:0"

[networks.anvil]
chain_id = 31337
finality = "confirmations"
confirmations = 3
rpc.local.url = "http://127.0.0.1:1"
tokens.usdc = { symbol = "USDC", address = "0x5FbDB2315678afecb367f032d93F642f64180aa3", decimals = 6 }

[networks.polygon]
chain_id = 137
enabled = false
rpc.one.url = "http://127.0.0.1:1"
"#;

/// A program to be run, with its configuration's file.
pub(crate) struct Program {
    folder: tempfile::TempDir,
    url: String,
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Program {
    /// Against the database at this address.
    pub(crate) fn at(url: &str) -> Program {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("networks.toml"), NETWORKS).unwrap();
        Program { folder, url: url.to_owned() }
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A file of this name in its own folder, whether it is there or not.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// To be started in its own folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deposit-watcher"));
        command.env_clear().env("DATABASE_URL", &self.url).current_dir(self.folder.path());
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs to the end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::from(self.command(arguments).output().unwrap())
    }

    /// Runs to the end, which must be good, and gives what it printed.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?} {ended:?}");
        ended.stdout
    }

    /// The same as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.ok(&[arguments, &["--output", "json"]].concat())).unwrap()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ended {
    /// The reason: the last line on stderr, which is plain, with nothing on stdout.
    pub(crate) fn reason(&self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        let line = self.stderr.lines().last().unwrap_or_default();
        line.strip_prefix("deposit-watcher: ").unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}
