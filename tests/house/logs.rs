//! The log goes to stderr as JSON where that is no terminal, and a reader that went away harms nobody.
//!
//! Logging is the process' own, so each test runs this binary again and looks at that.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use deposit_watcher::telemetry::logs;

/// The part that runs in the child: waits for a line, then logs.
#[test]
#[ignore = "runs as the child of the others"]
fn child() {
    logs::install().unwrap();
    std::io::stdin().read_line(&mut String::new()).unwrap();
    for number in 0..100 {
        tracing::info!(number, "hello");
    }
    tracing::debug!("not by default");
}

/// Runs the child, lets `read` have its stderr before it logs, and gives what `read` gave and whether it ended well.
fn run<T>(rust_log: &str, read: impl FnOnce(std::process::ChildStderr, &mut dyn FnMut()) -> T) -> (T, bool) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "logs::child", "--nocapture"])
        .env("RUST_LOG", rust_log)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take();
    let stderr = child.stderr.take().unwrap();
    let result = read(stderr, &mut || stdin.take().unwrap().write_all(b"go\n").unwrap());
    (result, child.wait().unwrap().success())
}

fn logged(rust_log: &str) -> Vec<serde_json::Value> {
    let (text, well) = run(rust_log, |mut stderr, go| {
        go();
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    assert!(well);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn lines_are_json_at_info_unless_rust_log_says_otherwise() {
    let lines = logged("");
    assert_eq!(lines.len(), 100);
    assert_eq!(
        (&lines[7]["message"], &lines[7]["number"], &lines[7]["level"]),
        (&"hello".into(), &7.into(), &"INFO".into())
    );
    assert_eq!(logged("debug").len(), 101);
    assert_eq!(logged("warn").len(), 0);
}

#[test]
fn an_unreadable_rust_log_is_said_and_info_it_is() {
    let lines = logged("a=b=c");
    assert_eq!(lines.len(), 101);
    assert_eq!(lines[0]["level"], "WARN");
}

#[test]
fn a_reader_that_went_away_stops_nothing() {
    let ((), well) = run("", |stderr, go| {
        drop(stderr);
        go();
    });
    assert!(well);
}
