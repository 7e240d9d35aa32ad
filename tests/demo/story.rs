//! The ways a demo goes: to its end, kept, stopped, killed, and with a watcher that dies.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::stage::{Demo, NOBODYS, kill, program};

/// Every session with its end, as the issue asks for it.
const ENDS: [&str; 15] = [
    "paid exactly          100 DUSD  CONFIRMED  100       3/3",
    "by a payment link     65 DUSD   CONFIRMED  65        3/3",
    "part, then the rest   80 DUSD   CONFIRMED  80        3/3    2 transfers",
    "too much              50 DUSD   OVERPAID   60        3/3",
    "one address, 1st      20 DUSD   CONFIRMED  20        3/3",
    "one address, 2nd      25 DUSD   CONFIRMED  25        3/3",
    "one transaction, 1st  40 DPAY   CONFIRMED  40        3/3",
    "one transaction, 2nd  60 DPAY   CONFIRMED  60        3/3",
    "dropped, mined again  70 DUSD   CONFIRMED  70        3/3    1 orphaned",
    "dropped for good      90 DUSD   EXPIRED    0                1 orphaned",
    "undone, paid again    110 DUSD  CONFIRMED  110       3/3    1 orphaned",
    "too little for good   120 DUSD  UNDERPAID  45        3/3    final",
    "never paid            10 DUSD   EXPIRED    0",
    "paid too late         15 DUSD   EXPIRED    0                kept: late",
    "cancelled, then paid  35 DUSD   EXPIRED    0                kept: cancelled",
];

/// The final table, without marks and addresses.
fn table(told: &[String]) -> Vec<String> {
    let rows = told.iter().filter_map(|line| line.strip_prefix("✓  "));
    let without_address = |row: &str| {
        let (before, rest) = row.split_once("0x").unwrap();
        format!("{before}{}", rest.split_once("  ").unwrap().1)
    };
    rows.map(without_address).collect()
}

#[test]
fn every_session_ends_as_it_must() {
    let mut demo = Demo::start(&[]);
    demo.until("sessions are opened");
    let started = demo.started();
    assert_eq!(started.running(), 3);
    let (status, told, errors) = demo.end();
    assert!(status.success(), "{told:#?}\n{errors}");
    assert_eq!(table(&told), ENDS);
    let heard = |text: &str| assert!(told.iter().any(|line| line.contains(text)), "{text:?} is not in {told:#?}");
    heard("books     right: no finding");
    heard("1 reverted");
    heard("every session ended as it must");
    started.is_gone();
}

#[test]
fn kept_it_tells_the_same_story_everywhere() {
    let mut demo = Demo::start(&["--keep"]);
    let metrics = demo.until("metrics ").split_once("http://").unwrap().1.to_owned();
    demo.until("left running until Ctrl-C");
    let invitation = demo.until("status --config");
    let started = demo.started();

    // As it is printed, and in the same environment: it must not go to the database that the environment names.
    let line = format!("{invitation} --output json");
    let status = Command::new("sh").args(["-c", &line]).env("DATABASE_URL", NOBODYS).output().unwrap();
    let status = String::from_utf8(status.stdout).unwrap();
    let lines: serde_json::Value = serde_json::from_str(&status).unwrap();
    let count = |name: &str| lines[0][name].as_u64().unwrap();
    let counts = ["created", "pending", "paid", "expired", "underpaid", "overpaid"].map(count);
    assert_eq!(counts, [0, 0, 9, 4, 1, 1], "{status}");
    let sessions = [("CONFIRMED", 9), ("EXPIRED", 4), ("UNDERPAID", 1), ("OVERPAID", 1), ("PENDING", 0)];
    let sample = |(name, count)| format!("\ndeposit_watcher_sessions{{network=\"anvil\",status=\"{name}\"}} {count}\n");
    let mut samples = sessions.map(sample).to_vec();
    samples.push("\ndeposit_watcher_reorgs_total{network=\"anvil\"} 3\n".to_owned());
    samples.push("\ndeposit_watcher_reorg_depth_blocks_sum{network=\"anvil\"} 7\n".to_owned());
    shows(&metrics, &samples);

    assert_eq!(started.running(), 3);
    demo.signal("INT");
    let (status, told, errors) = demo.end();
    assert!(status.success(), "{told:#?}\n{errors}");
    started.is_gone();
}

#[test]
fn stopped_midway_it_fails_and_leaves_nothing() {
    let mut demo = Demo::start(&[]);
    demo.until("customers pay");
    let started = demo.started();
    demo.signal("TERM");
    let (status, _, _) = demo.end();
    assert_eq!(status.code(), Some(1));
    started.is_gone();
}

#[test]
fn killed_midway_it_leaves_nothing() {
    let mut demo = Demo::start(&[]);
    demo.until("PENDING");
    let started = demo.started();
    assert_eq!(started.running(), 3);
    demo.signal("KILL");
    demo.end();
    started.is_gone();
}

#[test]
fn a_watcher_that_dies_is_told_with_its_last_words() {
    let mut demo = Demo::start(&[]);
    demo.until("PENDING");
    let started = demo.started();
    kill("KILL", &started.watcher());
    let (status, _, errors) = demo.end();
    assert_eq!(status.code(), Some(1));
    assert!(errors.contains("the watcher ended; its last words:") && errors.contains("session changed"), "{errors}");
    started.is_gone();
}

#[test]
fn without_tools_it_says_how_to_get_them() {
    let output = program(&["demo", "--tools", "no/such/folder"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("make tools"));
}

/// Gauges of sessions are counted now and then.
fn shows(metrics: &str, samples: &[String]) {
    let begun = Instant::now();
    loop {
        let text = get(metrics);
        let missing: Vec<_> = samples.iter().filter(|sample| !text.contains(*sample)).collect();
        if missing.is_empty() {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{missing:?} are not in\n{text}");
        sleep(Duration::from_millis(200));
    }
}

/// `host:port/path` over plain HTTP.
fn get(address: &str) -> String {
    let (host, path) = address.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
