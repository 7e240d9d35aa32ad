//! A PostgreSQL of our own: a fresh cluster in a temporary folder on a free loopback port, gone when dropped or when we die.
//!
//! Only for demo and tests: it trusts everybody on this machine and does not survive a power cut. Not for connecting to
//! it: that is the store's work.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use super::guard::{Guard, User};
use super::tools::{Tools, copy_postgres};

/// How often another free port is tried when somebody else took the one found.
const PORTS_TRIED: u32 = 5;
/// Commits stay synchronous: without that, [`Stop::Immediate`] loses what was acknowledged (measured), and a test that
/// looks for lost writes would find ours. Without fsync they cost nothing.
const SPEED: [&str; 9] = [
    "fsync=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_connections=300",
    "shared_buffers=64MB",
    "jit=off",
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
];

/// How to stop it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Open transactions are rolled back, the cluster is shut down in order.
    Fast,
    /// As if it had crashed: no goodbye, recovery at the next start.
    Immediate,
}

/// A running cluster with the one user `deposit_watcher`, a superuser who needs no password.
#[derive(Debug)]
pub struct Postgres {
    guard: Guard,
    port: u16,
}

impl Postgres {
    /// The cluster's user.
    pub const USER: &'static str = "deposit_watcher";

    /// Makes a cluster and starts it; blocks for about half a second. PostgreSQL refuses root, so root runs it as `postgres`
    /// or, where there is no such user, as `nobody`.
    pub fn start(tools: &Tools) -> anyhow::Result<Postgres> {
        let native = tools.postgres()?;
        let user = other_user()?;
        // A folder named by TMPDIR may be closed to the other user.
        let parent = if user.is_some() { PathBuf::from("/tmp") } else { std::env::temp_dir() };
        let mut guard = Guard::new(&parent, user, "QUIT")?;
        copy_postgres(&native, &guard.folder().join("pg"), user)?;
        let initdb = "pg/bin/initdb -D data -A trust -E UTF8 --no-locale --no-sync --no-instructions -U";
        let mut words: Vec<&str> = initdb.split(' ').collect();
        words.push(Postgres::USER);
        guard.run(&words).context("cannot make a PostgreSQL cluster")?;
        let mut postgres = Postgres { guard, port: 0 };
        postgres.start_on_a_free_port()?;
        Ok(postgres)
    }

    /// `postgres://…` of a database, which need not exist; `postgres` always does.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{}@127.0.0.1:{}/{database}", Postgres::USER, self.port)
    }

    /// The temporary folder, with the server's `log` and its process id in `pid`.
    pub fn folder(&self) -> &Path {
        self.guard.folder()
    }

    /// The loopback port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops it; data and port stay. Blocks until it is gone.
    pub fn stop(&mut self, how: Stop) -> anyhow::Result<()> {
        self.guard.stop(match how {
            Stop::Fast => "INT",
            Stop::Immediate => "QUIT",
        })
    }

    /// Starts it again on the same data and the same port. Blocks until it answers.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        let port = self.port.to_string();
        let mut words = vec!["pg/bin/postgres", "-D", "data", "-p", &port];
        words.extend(SPEED.iter().flat_map(|setting| ["-c", setting]));
        let pid = self.guard.start(&words)?.to_string();
        self.guard.wait(|guard| {
            // What pg_ctl waits for: line 1 the process id, line 8 the state.
            let file = fs::read_to_string(guard.folder().join("data/postmaster.pid")).ok()?;
            let ours = file.lines().next()?.trim() == pid;
            (ours && file.lines().nth(7)?.trim() == "ready").then_some(())
        })
    }

    fn start_on_a_free_port(&mut self) -> anyhow::Result<()> {
        let mut tried = 0;
        loop {
            tried = u32::saturating_add(tried, 1);
            self.port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            match self.start_again() {
                Err(_) if tried < PORTS_TRIED && self.guard.log().contains("could not bind") => {}
                result => return result.context("cannot start PostgreSQL"),
            }
        }
    }
}

/// Whom to run as when we are root.
fn other_user() -> anyhow::Result<Option<User>> {
    if id(&["-u"]) != Some(0) {
        return Ok(None);
    }
    for name in ["postgres", "_postgres", "nobody"] {
        if let (Some(uid), Some(gid)) = (id(&["-u", name]), id(&["-g", name])) {
            return Ok(Some(User { uid, gid }));
        }
    }
    bail!("PostgreSQL refuses to run as root and there is neither a user postgres nor nobody to run it as")
}

fn id(args: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(args).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
