//! A demo that runs: its output line by line, what it started, and whether anything of that is left.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What is started ends within ten seconds or is killed by its guard.
const GONE_WITHIN: Duration = Duration::from_secs(20);

/// A database that must not be touched.
pub(crate) const NOBODYS: &str = "postgres://nobody@127.0.0.1:1/of_somebody_else";

/// A running `deposit-watcher demo`.
pub(crate) struct Demo {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    /// Everything read so far.
    pub(crate) told: Vec<String>,
}

/// What a demo started: folders, and the processes that their `pid` files name.
pub(crate) struct Started {
    folders: Vec<PathBuf>,
    pids: Vec<String>,
}

/// The binary with these arguments, in an environment that names [`NOBODYS`].
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deposit-watcher"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.env("DATABASE_URL", NOBODYS);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Demo {
    pub(crate) fn start(arguments: &[&str]) -> Demo {
        let mut child = program(&[&["demo"], arguments].concat()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Demo { child, lines, told: Vec::new() }
    }

    /// Reads on until a line holds `text`, which is returned.
    pub(crate) fn until(&mut self, text: &str) -> String {
        loop {
            let Some(line) = self.lines.next() else { panic!("{text:?} was not told: {:#?}", self.told) };
            self.told.push(line.unwrap());
            let last = self.told.last().unwrap();
            if last.contains(text) {
                return last.clone();
            }
        }
    }

    /// Sends a signal by its name without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        kill(name, &self.child.id().to_string());
    }

    /// Reads to the end: how it ended and what it said on stderr.
    pub(crate) fn end(mut self) -> (ExitStatus, Vec<String>, String) {
        self.told.extend(self.lines.by_ref().map_while(Result::ok));
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        (self.child.wait().unwrap(), std::mem::take(&mut self.told), errors)
    }

    /// PostgreSQL, anvil and the watcher, each in a folder that the demo's process id is a part of.
    pub(crate) fn started(&self) -> Started {
        let mark = format!("deposit-watcher-ground-{}-", self.child.id());
        let within = |parent: &Path| -> Vec<PathBuf> {
            let entries = fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path());
            entries
                .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&mark)))
                .collect()
        };
        // Where root runs PostgreSQL as another user, its folder lies in /tmp in any case.
        let mut folders = [within(&std::env::temp_dir()), within(Path::new("/tmp"))].concat();
        folders.sort();
        folders.dedup();
        let pid = |folder: &PathBuf| Some(fs::read_to_string(folder.join("pid")).ok()?.trim().to_owned());
        let pids = folders.iter().filter_map(pid).collect();
        Started { folders, pids }
    }
}

/// A test that fails leaves none running either.
impl Drop for Demo {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Started {
    /// How many processes there are; all of them run.
    pub(crate) fn running(&self) -> usize {
        assert!(self.pids.iter().all(|pid| runs(pid)), "{:?}", self.pids);
        self.pids.len()
    }

    /// The watcher's process id.
    pub(crate) fn watcher(&self) -> String {
        let folder = self.folders.iter().find(|folder| folder.join("networks.toml").exists()).unwrap();
        fs::read_to_string(folder.join("pid")).unwrap().trim().to_owned()
    }

    /// Waits until no process and no folder is left.
    pub(crate) fn is_gone(&self) {
        let begun = Instant::now();
        while self.folders.iter().any(|folder| folder.exists()) || self.pids.iter().any(|pid| runs(pid)) {
            assert!(begun.elapsed() < GONE_WITHIN, "{:?} {:?} outlive the demo", self.folders, self.pids);
            sleep(Duration::from_millis(20));
        }
    }
}

/// Sends a signal to a process.
pub(crate) fn kill(signal: &str, pid: &str) {
    assert!(Command::new("kill").args(["-s", signal, pid]).status().unwrap().success());
}

fn runs(pid: &str) -> bool {
    Command::new("kill").args(["-0", pid]).stderr(Stdio::null()).status().unwrap().success()
}
