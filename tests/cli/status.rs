//! `status`: the screen that refreshes, and why a network gives no heads.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command};
use std::time::{Duration, Instant};

use sqlx::Executor;

use super::program::{MIGRATIONS, Program};
use super::support::Database;
use super::support::line::Line;
use super::watching::Watcher;

/// `status --watch`, and what it prints.
struct Screen {
    child: Child,
    lines: Option<Lines<BufReader<ChildStdout>>>,
}

impl Screen {
    fn start(program: &Program) -> Screen {
        let mut child = program.command(&["status", "--watch", "--interval", "100ms"]).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Screen { child, lines: Some(lines) }
    }

    /// Reads on until a line that holds this.
    fn until(&mut self, words: &str) {
        let lines = self.lines.as_mut().unwrap().map(Result::unwrap);
        let mut seen = Vec::new();
        for line in lines.take(2_000) {
            if line.contains(words) {
                return;
            }
            seen.push(line);
        }
        panic!("never said {words:?}: {:?}", seen.iter().rev().take(20).collect::<Vec<_>>());
    }

    fn code(&mut self) -> Option<i32> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(20) {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it does not end");
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_screen_refreshes_until_its_reader_goes_or_says_so() {
    let database = Database::create(&MIGRATIONS).await;
    let program = Program::at(&database.url());
    let mut screen = Screen::start(&program);
    screen.until(", every 100ms");
    screen.until("NETWORK  STATE ");
    screen.until(", every 100ms");
    let halt = "INSERT INTO networks (slug, chain_id, testnet, halted_at, halted_reason) VALUES ('anvil', 31337, true, now(), 'a test')";
    database.pool().await.execute(halt).await.unwrap();
    screen.until("anvil is halted: a test");
    // Whoever read it has seen enough.
    drop(screen.lines.take());
    assert_eq!(screen.code(), Some(0));

    let mut screen = Screen::start(&program);
    screen.until("anvil is halted: a test");
    let pid = screen.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(screen.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_is_told_and_waited_for() {
    let database = Database::create(&MIGRATIONS).await;
    let port = url::Url::parse(&database.url()).unwrap().port().unwrap();
    let line = Line::to(port).await;
    let program = Program::at(&line.along(&database.url()));
    let mut screen = Screen::start(&program);
    screen.until("NETWORK  STATE ");
    // Nobody listens there.
    line.leads_to(1);
    line.close();
    screen.until("the database gives no answer: ");
    // What it said last stands there still.
    screen.until("NETWORK  STATE ");
    screen.until("the database gives no answer: ");
    line.leads_to(port);
    let lines = screen.lines.as_mut().unwrap().map(Result::unwrap);
    assert!(is_well(lines.take(2_000)), "it never recovered");
}

/// Whether a whole screen comes without a word of trouble.
fn is_well(lines: impl Iterator<Item = String>) -> bool {
    let (mut begun, mut troubled) = (false, false);
    for line in lines {
        if line.contains(", every 100ms") {
            if begun && !troubled {
                return true;
            }
            (begun, troubled) = (true, false);
        }
        troubled |= line.contains("gives no answer");
    }
    false
}

#[test]
fn watching_is_for_people() {
    let program = Program::at("postgres://127.0.0.1:1/shop");
    for output in ["json", "csv"] {
        let reason = program.run(&["status", "--watch", "--output", output]).reason(2);
        assert!(reason.contains("--watch is for people"), "{reason}");
    }
    assert_eq!(program.run(&["status", "--interval", "1s"]).code, 2);
    assert_eq!(program.run(&["status", "--watch", "--interval", "1ms"]).code, 2);
}

#[tokio::test]
async fn a_blind_network_says_why_as_its_holder_found() {
    let database = Database::create(&MIGRATIONS).await;
    let program = Program::at(&database.url());
    let mut watcher = Watcher::start(&program, &["watch"]);
    watcher.until("a step could not do its work");
    let begun = Instant::now();
    let line = loop {
        let line = program.json(&["status"])[0].clone();
        if line["why"].is_string() {
            break line;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{line}");
    };
    let why = line["why"].as_str().unwrap();
    assert_eq!(line["state"], "blind");
    assert!(why.starts_with("no endpoint is usable: local is down"), "{why}");
    let text = program.ok(&["status"]);
    assert!(text.contains(&format!("anvil gives its holder no heads: {why}; `deposit-watcher check`")), "{text}");
    assert!(program.ok(&["status", "--output", "csv"]).lines().next().unwrap().ends_with(",overpaid,why"));
    // With its holder the reason goes.
    watcher.signal("TERM");
    watcher.until("drained");
    assert_eq!(program.json(&["status"])[0]["why"], serde_json::Value::Null);
}
