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
    /// Where its programs are.
    bin: String,
    /// What is set besides.
    settings: Vec<String>,
    port: u16,
}

impl Postgres {
    /// The cluster's user.
    pub const USER: &'static str = "deposit_watcher";

    /// Makes a cluster and starts it; blocks for about half a second. PostgreSQL refuses root, so root runs it as `postgres`
    /// or, where there is no such user, as `nobody`.
    pub fn start(tools: &Tools) -> anyhow::Result<Postgres> {
        Postgres::start_with(tools, &[])
    }

    /// The same with these settings, `name=value` without blanks.
    pub fn start_with(tools: &Tools, settings: &[&str]) -> anyhow::Result<Postgres> {
        let mut postgres = Postgres::lay(tools, settings)?;
        let user = Postgres::USER;
        let initdb = format!(
            "{}/initdb -D data -A trust -E UTF8 --no-locale --no-sync --no-instructions -U {user}",
            postgres.bin
        );
        postgres.guard.run(&initdb.split(' ').collect::<Vec<_>>()).context("cannot make a PostgreSQL cluster")?;
        postgres.start_on_a_free_port()?;
        Ok(postgres)
    }

    /// A standby that follows this one, which must have been started with `wal_level=replica` and some `max_wal_senders`.
    /// Needs an installed PostgreSQL: ours from npm has no `pg_basebackup`.
    pub fn standby(&self, tools: &Tools) -> anyhow::Result<Postgres> {
        let settings: Vec<&str> = self.settings.iter().map(String::as_str).collect();
        let mut standby = Postgres::lay(tools, &settings)?;
        let from = format!("-h 127.0.0.1 -p {} -U {}", self.port, Postgres::USER);
        let copy = format!("{}/pg_basebackup -D data -R -X stream -c fast -N {from}", standby.bin);
        standby.guard.run(&copy.split(' ').collect::<Vec<_>>()).context("cannot copy the cluster")?;
        standby.start_on_a_free_port()?;
        Ok(standby)
    }

    /// A folder with nothing in it but what it takes to make a cluster.
    fn lay(tools: &Tools, settings: &[&str]) -> anyhow::Result<Postgres> {
        let user = other_user()?;
        // A folder named by TMPDIR may be closed to the other user.
        let parent = if user.is_some() { PathBuf::from("/tmp") } else { std::env::temp_dir() };
        let bin = match tools.installed_postgres() {
            Some(bin) => bin.display().to_string(),
            None => "pg/bin".to_owned(),
        };
        let native = if tools.installed_postgres().is_none() { Some(tools.postgres()?) } else { None };
        let guard = Guard::new(&parent, user, "QUIT")?;
        if let Some(native) = native {
            copy_postgres(&native, &guard.folder().join("pg"), user)?;
        }
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        Ok(Postgres { guard, bin, settings, port: 0 })
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
        let postgres = format!("{}/postgres", self.bin);
        let mut words = vec![postgres.as_str(), "-D", "data", "-p", &port];
        // The last one counts.
        let settings = SPEED.iter().copied().chain(self.settings.iter().map(String::as_str));
        words.extend(settings.flat_map(|setting| ["-c", setting]));
        let pid = self.guard.start(&words)?.to_string();
        self.guard.wait(|guard| {
            // What pg_ctl waits for: line 1 the process id, line 8 the state.
            let file = fs::read_to_string(guard.folder().join("data/postmaster.pid")).ok()?;
            let ours = file.lines().next()?.trim() == pid;
            (ours && ["ready", "standby"].contains(&file.lines().nth(7)?.trim())).then_some(())
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

/// Whom to run what refuses root as when we are root.
pub fn other_user() -> anyhow::Result<Option<User>> {
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
