//! The binary as a process. A shell whose stdin we hold keeps it: when we end, however we end, the pipe closes and the
//! shell kills it. Signals go to its own process id.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::timeout;

use super::{Metrics, PATIENCE, discreet, get, until, within};

const BINARY: &str = env!("CARGO_BIN_EXE_deposit-watcher");
/// $1 is the folder, the rest the command. Its exit code becomes the shell's.
const KEEPER: &str = r#"
folder=$1
shift
exec 3<&0
"$@" </dev/null >"$folder/stdout" 2>"$folder/stderr" 3<&- &
child=$!
echo "$child" >"$folder/pid.new" && mv "$folder/pid.new" "$folder/pid"
(read -r _ <&3; kill -s KILL "$child" 2>/dev/null) &
keeper=$!
exec 3<&-
wait "$child"
code=$?
kill -s KILL "$keeper" 2>/dev/null
exit "$code"
"#;

/// What a command that ended said.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The clock of a script that puts it forward (`tests/debian/month.sh`); nothing otherwise.
fn clock() -> impl Iterator<Item = (OsString, OsString)> {
    let ours = |name: &OsString| {
        name == "LD_PRELOAD" || name == "NO_FAKE_STAT" || name.to_string_lossy().starts_with("FAKETIME_")
    };
    std::env::vars_os().filter(move |(name, _)| ours(name))
}

/// Runs the binary to its end, with these variables in its environment.
pub(super) async fn finish(words: &[&str], log: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = tokio::process::Command::new(BINARY);
    command.args(words).env_clear().env("RUST_LOG", log).envs(variables.iter().copied()).envs(clock());
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.expect("the command ends").unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    discreet(&stdout);
    discreet(&stderr);
    Output { code: output.status.code().expect("the command is not killed"), stdout, stderr }
}

/// A running binary.
pub(crate) struct Process {
    shell: Child,
    folder: PathBuf,
    pid: String,
}

impl Process {
    /// Starts it, logging at this level, with these variables in its environment; its output goes to files in a folder of
    /// its own below `parent`.
    pub(crate) async fn start(parent: &Path, words: &[&str], log: &str, variables: &[(&str, &str)]) -> Process {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = parent.join(format!("process-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&folder).unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", KEEPER, "keeper"]).arg(&folder).arg(BINARY).args(words);
        command.env_clear().env("RUST_LOG", log).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.envs(variables.iter().copied()).envs(clock());
        let shell = command.process_group(0).spawn().unwrap();
        let pid = until("the process is started", async || fs::read_to_string(folder.join("pid")).ok()).await;
        Process { shell, folder, pid: pid.trim().to_owned() }
    }

    /// Sends it a signal by its name without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args(["-s", name, &self.pid]).status().unwrap().success(), "{name} was not sent");
    }

    /// Waits for its end and gives its exit code, 128 and the number where a signal killed it.
    pub(crate) async fn exit(&mut self, patience: Duration) -> i32 {
        let ended = within(patience, "the process ends", async || self.shell.try_wait().unwrap()).await;
        ended.code().unwrap()
    }

    /// Kills it by signal 9 and waits until it is gone.
    pub(crate) async fn kill(&mut self) {
        self.signal("KILL");
        assert_eq!(self.exit(PATIENCE).await, 137);
    }

    /// Ends it by SIGTERM, as the specification wants it: exit code 0 within 10 s.
    pub(crate) async fn terminate(&mut self) {
        self.signal("TERM");
        let code = self.exit(Duration::from_secs(10)).await;
        assert_eq!(code, 0, "{}", self.stderr());
    }

    /// False once it has ended.
    pub(crate) fn runs(&mut self) -> bool {
        self.shell.try_wait().unwrap().is_none()
    }

    /// The memory that is resident now, in kB, as Linux counts it.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a resident size");
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// The names of its threads; Linux keeps fifteen letters of each.
    pub(crate) fn threads(&self) -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid)).unwrap();
        tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok()).collect()
    }

    /// What it said on stderr until now.
    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(self.folder.join("stderr")).unwrap_or_default()
    }

    /// Its log lines, each with what it says under `message`.
    pub(crate) fn log(&self) -> Vec<Value> {
        self.stderr().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The log lines of a level that say this anywhere.
    pub(crate) fn said(&self, level: &str, words: &str) -> Vec<Value> {
        self.log().into_iter().filter(|line| line["level"] == level && line.to_string().contains(words)).collect()
    }

    /// Where its admin listener is, as it said itself.
    pub(crate) async fn admin(&self) -> SocketAddr {
        until("the process watches", async || {
            let line = self.log().into_iter().find(|line| line["message"] == "watching")?;
            line["admin"].as_str()?.strip_prefix("http://")?.strip_suffix("/metrics")?.parse().ok()
        })
        .await
    }

    /// Where its API is, as it said itself.
    pub(crate) async fn api(&self) -> SocketAddr {
        until("the process serves the API", async || {
            let line = self.log().into_iter().find(|line| line["message"] == "serving the API")?;
            line["api"].as_str()?.strip_prefix("http://")?.parse().ok()
        })
        .await
    }

    /// `/metrics`
    pub(crate) async fn metrics(&self) -> Metrics {
        let (status, body) = get(self.admin().await, "/metrics").await.expect("/metrics answers");
        assert_eq!(status, 200);
        Metrics(body)
    }

    /// Waits for two steps that began after now: what was due is done, and what was not will not be.
    pub(crate) async fn goes_round(&self, network: &str) {
        let network = format!("network=\"{network}\"");
        let steps = async || self.metrics().await.count("step_duration_seconds_count", &[&network]);
        let before = steps().await;
        // One may be under way.
        until("it goes round", async || (steps().await > before + 2).then_some(())).await;
    }

    /// `/readyz?verbose`: whether it is ready, and the parts.
    pub(crate) async fn readyz(&self) -> (bool, String) {
        let (status, body) = get(self.admin().await, "/readyz?verbose").await.expect("/readyz answers");
        assert!(status == 200 || status == 503, "{status}");
        (status == 200, body)
    }

    /// Waits until it is ready.
    pub(crate) async fn is_ready(&self) {
        let mut last = String::new();
        let looks = until("it is ready", async || {
            let (ready, parts) = self.readyz().await;
            last = parts;
            ready.then_some(())
        });
        looks.await;
    }

    /// Waits until it is not ready and says this of it.
    pub(crate) async fn is_not_ready(&self, why: &str) -> String {
        until(&format!("it is not ready: {why}"), async || {
            let (ready, parts) = self.readyz().await;
            (!ready && parts.contains(why)).then_some(parts)
        })
        .await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE && matches!(self.shell.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let said = self.stderr();
        if std::thread::panicking() {
            let skip = said.len().saturating_sub(6_000);
            eprintln!("the process's last words:\n{}", said.chars().skip(skip).collect::<String>());
        } else {
            discreet(&said);
            discreet(&fs::read_to_string(self.folder.join("stdout")).unwrap_or_default());
        }
    }
}
