//! `watch` and `run` as processes: they start without a chain, say so, hand over, and end when told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use sqlx::Executor;

use super::program::{MIGRATIONS, Program};
use super::support::{self, Database};

/// A running watcher and the lines of its log.
pub(super) struct Watcher {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStderr>>,
}

impl Watcher {
    pub(super) fn start(program: &Program, arguments: &[&str]) -> Watcher {
        let mut child = program.command(arguments).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Watcher { child, lines }
    }

    /// Reads the log until this message.
    pub(super) fn until(&mut self, message: &str) -> serde_json::Value {
        let parsed = self.lines.by_ref().map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap());
        let mut seen = Vec::new();
        for line in parsed {
            if line["message"] == message {
                return line;
            }
            seen.push(line);
        }
        panic!("never said {message:?}: {seen:#?}");
    }

    pub(super) fn admin(&mut self) -> String {
        let line = self.until("watching");
        let url = line["admin"].as_str().unwrap();
        url.trim_start_matches("http://").trim_end_matches("/metrics").to_owned()
    }

    /// What it says until it ends.
    pub(super) fn rest(&mut self) -> Vec<String> {
        self.lines.by_ref().map(Result::unwrap).collect()
    }

    pub(super) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([format!("-{name}"), pid]).status().unwrap().success());
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `run` and `api` need one.
pub(super) const KEY: &str = "api.sealing_key=0707070707070707070707070707070707070707070707070707070707070707";

pub(super) fn ask(at: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn a_watcher_without_a_chain_starts_says_so_and_ends_when_told() {
    let database = Database::create(&MIGRATIONS).await;
    let program = Program::at(&database.url());
    let mut watcher = Watcher::start(&program, &["run", "--set", "http.listen=127.0.0.1:0", "--set", KEY]);
    let admin = watcher.admin();
    let trouble = watcher.until("a step could not do its work");
    assert!(trouble["reason"].as_str().unwrap().starts_with("no endpoint is usable: local is down"), "{trouble}");
    assert!(ask(&admin, "/livez").starts_with("HTTP/1.1 200"));
    let ready = ask(&admin, "/readyz?verbose");
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("ok database\nfail network anvil: "), "{ready}");
    let metrics = ask(&admin, "/metrics");
    assert!(metrics.contains("\ndeposit_watcher_lock_held{network=\"anvil\"} 1\n"), "{metrics}");
    assert!(
        metrics.contains("\ndeposit_watcher_rpc_endpoint_up{network=\"anvil\",endpoint=\"local\"} 0\n"),
        "{metrics}"
    );
    assert_eq!(program.json(&["status"])[0]["state"], "blind");
    let told = Instant::now();
    watcher.signal("TERM");
    watcher.until("drained");
    assert_eq!(watcher.child.wait().unwrap().code(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(10), "{:?}", told.elapsed());
    assert_eq!(program.json(&["status"])[0]["holder"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_standby_takes_over_from_who_drains_and_from_who_is_killed() {
    let database = Database::create(&MIGRATIONS).await;
    let program = Program::at(&database.url());
    let mut first = Watcher::start(&program, &["watch"]);
    assert_eq!(first.until("working the network")["fence"], 1);
    let mut second = Watcher::start(&program, &["watch"]);
    second.until("standing by");
    first.signal("INT");
    first.until("drained");
    assert_eq!(second.until("working the network")["fence"], 2);
    let mut third = Watcher::start(&program, &["watch"]);
    third.until("standing by");
    let killed = Instant::now();
    second.signal("KILL");
    assert_eq!(third.until("working the network")["fence"], 3);
    assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
}

#[tokio::test]
async fn who_works_with_other_rules_gets_no_network() {
    let database = Database::create(&MIGRATIONS).await;
    let program = Program::at(&database.url());
    let mut first = Watcher::start(&program, &["watch"]);
    first.until("working the network");
    let mut other = Watcher::start(&program, &["watch", "--set", "networks.polygon.enabled=true"]);
    other.until("standing by");
    other.until("standing by");
    std::thread::sleep(Duration::from_secs(2));
    other.signal("TERM");
    let rest: Vec<String> = other.lines.by_ref().map(Result::unwrap).collect();
    assert!(!rest.iter().any(|line| line.contains("working the network")), "{rest:?}");
    assert_eq!(program.json(&["status"])[1]["holder"], serde_json::Value::Null);
}

#[tokio::test]
async fn an_admin_address_in_use_is_told_with_its_cure() {
    let database = Database::create(&MIGRATIONS).await;
    let program = Program::at(&database.url());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    let ended = program.run(&["watch", "--set", &format!("admin.listen={at}")]);
    let reason = ended.reason(1);
    assert!(reason.contains(&format!("{at} is in use")) && reason.contains("Set admin.listen"), "{reason}");
}

#[tokio::test]
async fn requests_are_carried_out_by_who_works_the_network() {
    let database = Database::create(&MIGRATIONS).await;
    let program = Program::at(&database.url());
    let anvil = support::anvil(&["--block-time", "1"]);
    let rpc = format!("networks.anvil.rpc.local.url={}", anvil.url());
    let asked = |arguments: &[&str]| program.run(&[arguments, &["--set", &rpc]].concat());
    let rescan = ["rescan", "--network", "anvil", "--from", "1", "--to", "1"];
    assert!(asked(&rescan).reason(1).contains("was never worked"));
    let mut watcher = Watcher::start(&program, &["watch", "--set", &rpc]);
    watcher.until("network starts above this block");
    // A block a second: until the first is scanned it lies above.
    let done = (0..60).find_map(|_| {
        let ended = asked(&rescan);
        std::thread::sleep(Duration::from_millis(if ended.code == 2 { 500 } else { 0 }));
        (ended.code != 2).then_some(ended)
    });
    assert_eq!(done.unwrap().stdout, "rescan 1 of anvil is done: 0 transfers added\n");
    assert!(asked(&["rescan", "--network", "anvil", "--from", "1", "--to", "9999"]).reason(2).contains("lies above"));
    assert!(asked(&["rescan", "--network", "anvil", "--resume"]).reason(1).contains("is not halted"));
    database.pool().await.execute("UPDATE networks SET halted_reason = 'a test', halted_at = now()").await.unwrap();
    assert_eq!(watcher.until("the network is halted")["why"], "a test");
    let asked_first = asked(&["rescan", "--network", "anvil", "--resume"]);
    assert!(asked_first.stdout.contains("0 confirmed transfers above it are reverted"), "{asked_first:?}");
    assert!(asked_first.reason(1).contains("--resume --yes"));
    let done = asked(&["rescan", "--network", "anvil", "--resume", "--yes"]);
    assert!(done.code == 0 && done.stdout.ends_with("network anvil goes on\n"), "{done:?}");
    watcher.signal("TERM");
    watcher.until("drained");
    assert!(asked(&rescan).stdout.ends_with("it will be carried out when a watcher works anvil\n"));
}
