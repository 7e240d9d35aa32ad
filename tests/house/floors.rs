//! Holds the floors: a room names only rooms below it, and each outside crate lives in its room.

use std::fs;
use std::path::Path;

use super::source::named;

/// Rooms by floor, the ground first. On one floor they do not know each other, except on the roof.
const FLOORS: [&[&str]; 6] = [
    &["domain"],
    &["settings", "telemetry", "keys"],
    &["chain", "store"],
    &["watcher", "webhooks", "deposits"],
    &["http", "cli"],
    &["app", "demo", "main", "lib"],
];

/// What lives only below certain folders or in certain files of `src/`.
const TENANTS: [(&str, &[&str]); 35] = [
    ("alloy::consensus", &["chain/"]),
    ("alloy::providers", &["chain/"]),
    ("alloy::rlp", &["chain/"]),
    ("alloy::rpc", &["chain/"]),
    ("alloy::transports", &["chain/"]),
    ("tokio_tungstenite", &["chain/"]),
    ("backoff", &["chain/retry.rs"]),
    ("reqwest", &["chain/", "telemetry/", "webhooks/", "demo/"]),
    ("sqlx", &["store/"]),
    ("chrono_tz", &["domain/calendar.rs"]),
    ("ring", &["keys/"]),
    ("subtle", &["keys/"]),
    ("jsonwebtoken", &["keys/"]),
    ("jsonschema", &["deposits/"]),
    ("phonenumber", &["deposits/"]),
    ("isocountry", &["deposits/"]),
    ("axum", &["http/"]),
    ("hyper", &["http/"]),
    ("hyper_util", &["http/"]),
    ("governor", &["http/"]),
    ("askama", &["http/page/"]),
    ("fluent_bundle", &["http/page/"]),
    ("unic_langid", &["http/page/"]),
    ("qrcode", &["http/page/"]),
    ("metrics_exporter_prometheus", &["telemetry/"]),
    ("opentelemetry", &["telemetry/"]),
    ("opentelemetry_http", &["telemetry/"]),
    ("opentelemetry_otlp", &["telemetry/"]),
    ("opentelemetry_sdk", &["telemetry/"]),
    ("tracing_opentelemetry", &["telemetry/"]),
    ("tracing_subscriber", &["telemetry/"]),
    ("config", &["settings/"]),
    ("rustix", &["settings/kill.rs", "cli/person.rs", "app/house.rs"]),
    // The demo starts other people's programs, which need a PATH and a temporary directory.
    ("std::env", &["settings/", "cli/", "demo/", "main.rs"]),
    ("anyhow", &["main.rs", "app/", "demo/", "cli/", "http/"]),
];

/// Names that say nothing.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "common", "types", "helpers", "helper"];

/// More is two files.
const LINES: usize = 400;

/// Every breach in a tree of (path below `src/`, text).
fn breaches(tree: &[(String, String)]) -> Vec<String> {
    tree.iter().flat_map(|(path, text)| [form(path, text), rooms(path, text), tenants(path, text)].concat()).collect()
}

fn form(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//!") {
        found.push(format!("{path}: does not open with //!, what it is for and what it is not"));
    }
    if text.lines().count() > LINES {
        found.push(format!("{path}: has more than {LINES} lines"));
    }
    if path.trim_end_matches(".rs").split('/').any(|name| EMPTY_NAMES.contains(&name)) {
        found.push(format!("{path}: has a name that says nothing"));
    }
    found
}

fn room(path: &str) -> &str {
    path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// How many modules deep a file is: `domain/mod.rs` 1, `domain/block.rs` 2.
fn depth(path: &str) -> usize {
    path.trim_end_matches(".rs").trim_end_matches("/mod").split('/').count()
}

fn rooms(path: &str, text: &str) -> Vec<String> {
    let here = room(path);
    let Some(floor_here) = floor(here) else { return vec![format!("{path}: {here} is no room of the house")] };
    let roof = floor_here == FLOORS.len() - 1;
    let allowed = |there: &str| {
        there == here
            || floor(there).is_some_and(|floor_there| floor_there < floor_here || (roof && floor_there == floor_here))
    };
    let names = named(text).into_iter().filter_map(|named| Some((named.line, there(path, &named.path)?)));
    let wrong = names.filter(|(_, there)| !allowed(there));
    wrong.map(|(line, there)| format!("{path}:{line}: {here} must not know {there}")).collect()
}

/// The room that a path in a file leads to, from the house's door or up out of the room.
fn there(file: &str, path: &[String]) -> Option<String> {
    let ups = path.iter().take_while(|segment| *segment == "super").count();
    let first = path.first().map(String::as_str);
    let inside = match first {
        Some("crate" | "deposit_watcher") => path.get(1),
        Some("super") if ups >= depth(file) => path.get(ups).filter(|name| floor(name).is_some()),
        _ => None,
    };
    inside.cloned()
}

fn tenants(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for named in named(text) {
        let name = named.path.join("::");
        let of = |tenant: &str| name == tenant || name.starts_with(&format!("{tenant}::"));
        for (tenant, homes) in TENANTS.iter().filter(|(tenant, _)| of(tenant)) {
            if !homes.iter().any(|home| path.starts_with(home)) {
                found.push(format!("{path}:{}: {tenant} lives in {}", named.line, homes.join(", ")));
            }
        }
    }
    found
}

/// True when a manifest's release profile checks for overflow.
fn checks_overflow(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[profile.release]").skip(1);
    lines.by_ref().take_while(|line| !line.starts_with('[')).any(|line| line.replace(' ', "") == "overflow-checks=true")
}

fn read(folder: &Path, below: &str, tree: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{below}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            read(&entry.path(), &format!("{name}/"), tree);
        } else if name.ends_with(".rs") {
            tree.push((name, fs::read_to_string(entry.path()).unwrap()));
        }
    }
}

#[test]
fn the_house_keeps_its_floors() {
    let mut tree = Vec::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut tree);
    assert!(tree.len() > 10, "src/ was not read");
    let found = breaches(&tree);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// A `begin` that is dropped in its round trip costs a later write (sqlx #4385), and sqlx waits for a silent server for
/// ever: connections are taken in one place, which bounds what is asked on them, and transactions begin by its words.
#[test]
fn only_lines_take_connections_and_begin_transactions() {
    let mut tree = Vec::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut tree);
    let places = |words: &[&str]| -> Vec<&str> {
        let holds = |text: &str| words.iter().any(|word| text.contains(word));
        let found = tree.iter().filter(|(path, text)| path.starts_with("store/") && holds(text));
        let mut found: Vec<&str> = found.map(|(path, _)| path.as_str()).collect();
        found.sort_unstable();
        found
    };
    assert_eq!(places(&[".begin()", ".begin_with(", ".try_begin"]), Vec::<&str>::new());
    let pools = ["store/lines.rs", "store/mod.rs", "store/schema.rs"];
    assert_eq!(places(&["pool.acquire()", "pool.try_acquire()", ".unbounded()"]), pools);
    assert_eq!(places(&["opening!("]), ["store/errand.rs", "store/lines.rs", "store/unit.rs"]);
}

/// Tests kill debug builds at every point of a step. Users' builds must have no such points, or a variable could.
#[test]
fn the_release_has_no_points_to_die_at() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    assert!(!manifest.contains("debug-assertions"), "a profile decides about debug assertions itself");
    let kill = fs::read_to_string(root.join("src/settings/kill.rs")).unwrap();
    assert!(kill.contains("const BUILT_IN: bool = cfg!(debug_assertions);"));
    let open: Vec<&str> = kill.split("\npub ").skip(1).filter(|item| item.contains("fn ")).collect();
    let doors = open.iter().filter(|item| !item.starts_with("enum"));
    for door in doors {
        let body = door.split_once("{\n").unwrap().1.trim_start();
        assert!(body.starts_with("if BUILT_IN &&") || body.starts_with("if !BUILT_IN {"), "{door}");
    }
}

#[test]
fn the_release_checks_for_overflow() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    assert!(checks_overflow(&manifest));
    assert!(!checks_overflow("[profile.dev]\noverflow-checks = true\n"));
    assert!(!checks_overflow("[profile.release]\nlto = true\n[profile.bench]\noverflow-checks = true\n"));
}

/// What is found in a file of this path and code.
fn planted(path: &str, code: &str) -> Vec<String> {
    breaches(&[(path.to_owned(), format!("//! Planted.\n{code}\n"))])
}

#[test]
fn what_is_allowed_is_not_a_breach() {
    for (path, code) in [
        ("store/mod.rs", "use sqlx::PgPool; use crate::domain::Slug; use crate::telemetry; use crate::store::lock;"),
        ("store/lock.rs", "//! not [`crate::http`]\nuse super::super::domain::Slug; use super::sessions;"),
        ("chain/retry.rs", "use backoff::ExponentialBackoff; use alloy::rpc::types::Log;"),
        ("watcher/plan.rs", "use alloy::primitives::{Address, U256}; let backoff = 1; let text = \"crate::app\";"),
        ("http/deposits.rs", "use super::webhooks; use crate::deposits::open;"),
        ("app/mod.rs", "use crate::{cli, demo::run, watcher};"),
        ("main.rs", "use deposit_watcher::app; std::env::args();"),
    ] {
        assert_eq!(planted(path, code), Vec::<String>::new(), "{path}");
    }
}

#[test]
fn planted_breaches_are_found() {
    for (path, code, expected) in [
        ("domain/block.rs", "use crate::store::Pool;", "domain/block.rs:2: domain must not know store"),
        ("settings/file.rs", "use crate::telemetry;", "settings/file.rs:2: settings must not know telemetry"),
        ("chain/pool.rs", "\nuse crate::{\n domain::Slug,\n store,\n};", "chain/pool.rs:5: chain must not know store"),
        ("chain/pool.rs", "fn f() { super::super::store::g() }", "chain/pool.rs:2: chain must not know store"),
        ("chain/mod.rs", "use super::watcher;", "chain/mod.rs:2: chain must not know watcher"),
        ("watcher/plan.rs", "use crate::webhooks::Courier;", "watcher/plan.rs:2: watcher must not know webhooks"),
        ("http/mod.rs", "use crate::cli;", "http/mod.rs:2: http must not know cli"),
        ("cli/watch.rs", "use crate::app;", "cli/watch.rs:2: cli must not know app"),
        ("store/mod.rs", "use crate::*;", "store/mod.rs:2: store must not know *"),
        ("attic.rs", "", "attic.rs: attic is no room of the house"),
        ("watcher/step.rs", "use sqlx::query;", "watcher/step.rs:2: sqlx lives in store/"),
        ("watcher/step.rs", "#[derive(sqlx::Type)]", "watcher/step.rs:2: sqlx lives in store/"),
        ("app/mod.rs", "use sqlx as s;", "app/mod.rs:2: sqlx lives in store/"),
        (
            "store/logs.rs",
            "use alloy::{primitives::U256, rpc::types::Log};",
            "store/logs.rs:2: alloy::rpc lives in chain/",
        ),
        ("chain/pool.rs", "backoff::retry();", "chain/pool.rs:2: backoff lives in chain/retry.rs"),
        ("cli/api.rs", "use axum::Router;", "cli/api.rs:2: axum lives in http/"),
        ("app/work.rs", "use governor::Quota;", "app/work.rs:2: governor lives in http/"),
        ("http/api/mod.rs", "use askama::Template;", "http/api/mod.rs:2: askama lives in http/page/"),
        (
            "http/mod.rs",
            "let c: reqwest::Client;",
            "http/mod.rs:2: reqwest lives in chain/, telemetry/, webhooks/, demo/",
        ),
        ("chain/mod.rs", "use std::{env, fs};", "chain/mod.rs:2: std::env lives in settings/, cli/, demo/, main.rs"),
        ("store/utils.rs", "", "store/utils.rs: has a name that says nothing"),
        ("store/types/row.rs", "", "store/types/row.rs: has a name that says nothing"),
    ] {
        assert_eq!(planted(path, code), [expected], "{path}");
    }
    assert_eq!(planted("store/mod.rs", &"\n".repeat(400)), ["store/mod.rs: has more than 400 lines"]);
    let silent = breaches(&[("store/mod.rs".to_owned(), "// A comment.\n".to_owned())]);
    assert_eq!(silent, ["store/mod.rs: does not open with //!, what it is for and what it is not"]);
}
