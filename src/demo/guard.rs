//! A child process that cannot outlive us: it is kept by a shell whose stdin is a pipe that we hold (`guard.sh`).
//!
//! Whatever happens to us, kill -9 included, the kernel closes our end; the shell then stops the server and removes its
//! folder. It stands in a process group of its own and ignores the terminal's signals, so Ctrl-C cannot orphan the server.
//! Not for what the server is: see [`super::postgres`] and [`super::anvil`].

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow, bail};

/// How long a server may take until it is ready.
pub const READY_WITHIN: Duration = Duration::from_secs(30);
/// The guard kills after ten seconds; this is when we stop waiting for the guard.
const GONE_WITHIN: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(10);
const LOG_TAIL: usize = 2_000;

/// Whose rights a server runs with, where they are not ours.
#[derive(Debug, Clone, Copy)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// One folder and at most one server in it; both end when this is dropped or we die.
#[derive(Debug)]
pub struct Guard {
    shell: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    folder: PathBuf,
}

impl Guard {
    /// A new folder below `parent`, owned by `user`, and no server yet. `signal` is how the server ends at the end.
    pub fn new(parent: &Path, user: Option<User>, signal: &str) -> anyhow::Result<Guard> {
        let folder = parent.join(folder_name());
        let mut command = Command::new("/bin/sh");
        command.args(["-c", include_str!("guard.sh"), "guard"]).arg(&folder).arg(signal);
        command.env_clear().env("HOME", &folder).env("LC_ALL", "C");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).current_dir("/").process_group(0);
        if let Some(user) = user {
            command.gid(user.gid).uid(user.uid);
        }
        let mut shell = command.spawn().context("cannot start /bin/sh")?;
        let orders = shell.stdin.take();
        let answers = BufReader::new(shell.stdout.take().context("the guard has no stdout")?);
        let mut guard = Guard { shell, orders, answers, folder };
        guard.answer().with_context(|| format!("cannot make the folder {}", guard.folder.display()))?;
        Ok(guard)
    }

    /// Where the server runs; every order's words are seen from here.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs a command to its end; its output goes to the log.
    pub fn run(&mut self, words: &[&str]) -> anyhow::Result<()> {
        match self.order("run", words)? {
            0 => Ok(()),
            code => bail!("{} ended with {code}; its last words:\n{}", words.first().unwrap_or(&""), self.log()),
        }
    }

    /// Starts the server and says its process id; one that still runs is killed before.
    pub fn start(&mut self, words: &[&str]) -> anyhow::Result<u32> {
        self.order("start", words)
    }

    /// Sends the server a signal by its name without `SIG`.
    pub fn signal(&mut self, name: &str) -> anyhow::Result<()> {
        match self.order("signal", &[name])? {
            0 => Ok(()),
            _ => bail!("the server is gone; its last words:\n{}", self.log()),
        }
    }

    /// Stops the server by a signal; the folder stays.
    pub fn stop(&mut self, signal: &str) -> anyhow::Result<()> {
        self.order("stop", &[signal]).map(drop)
    }

    /// True once the server that was started last is gone.
    pub fn exited(&self) -> bool {
        self.folder.join("exited").exists()
    }

    /// Waits until `ready` says so, for [`READY_WITHIN`] at most and not for a server that is gone.
    pub fn wait<T>(&self, mut ready: impl FnMut(&Guard) -> Option<T>) -> anyhow::Result<T> {
        let begun = Instant::now();
        while begun.elapsed() < READY_WITHIN {
            let gone = self.exited();
            if let Some(value) = ready(self) {
                return Ok(value);
            }
            if gone {
                bail!("the server ended at once; its last words:\n{}", self.log());
            }
            sleep(LOOK_EVERY);
        }
        bail!("the server is not ready after {} s; its last words:\n{}", READY_WITHIN.as_secs(), self.log())
    }

    /// What the server said last.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.folder.join("log")).unwrap_or_default();
        let tail = bytes.get(bytes.len().saturating_sub(LOG_TAIL)..).unwrap_or_default();
        String::from_utf8_lossy(tail).into_owned()
    }

    fn order(&mut self, verb: &str, words: &[&str]) -> anyhow::Result<u32> {
        if let Some(word) = words.iter().find(|word| word.contains(char::is_whitespace)) {
            bail!("a blank within a word of an order: {word:?}");
        }
        let line = format!("{verb} {}\n", words.join(" "));
        let orders = self.orders.as_mut().ok_or_else(|| anyhow!("the guard is gone"))?;
        orders.write_all(line.as_bytes()).context("the guard is gone")?;
        self.answer()
    }

    fn answer(&mut self) -> anyhow::Result<u32> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        line.trim().parse().with_context(|| format!("the guard answered {line:?}"))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.orders = None;
        let begun = Instant::now();
        while begun.elapsed() < GONE_WITHIN && matches!(self.shell.try_wait(), Ok(None)) {
            sleep(LOOK_EVERY);
        }
    }
}

/// A name that nothing else has: `deposit-watcher-ground-PID-COUNT-NANOS`.
fn folder_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    format!("deposit-watcher-ground-{}-{count}-{nanos}", std::process::id())
}
