//! README's section about the API, carried out as it is printed: every shell block by bash with curl, against the real
//! binary and a real PostgreSQL, and what it prints compared with what README says it prints. Every other command that
//! documents and `--help` print is run by `commands`, and their SQL by `statements`.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "tests may panic, and say why"
)]

#[path = "../support/mod.rs"]
mod support;

#[allow(dead_code, unused_imports, reason = "the end-to-end tests use all of it")]
#[path = "../e2e/rig/mod.rs"]
mod rig;

mod commands;
mod debian;
mod documents;
mod exceptions;
mod pages;
mod server;
mod statements;
mod system;
mod tokens;
mod watching;

use std::process::{Command, Stdio};

use pages::{Block, blocks, fits};
use serde_json::Value;
use server::Server;
use support::Database;

const SECTION: &str = "The API in five minutes";
/// Where README says that the server listens.
const PRINTED: &str = "127.0.0.1:8080";

/// Prints a line that no block prints, between the blocks.
const CUT: &str = "-- the next block --";

fn readme() -> Vec<Block> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let blocks = blocks(&std::fs::read_to_string(path).unwrap(), SECTION);
    let told = blocks.iter().filter(|block| block.prints.is_some()).count();
    assert!(
        blocks.len() >= 6 && told >= 4,
        "{} shell blocks in README's section, {told} with what they print",
        blocks.len()
    );
    blocks
}

#[tokio::test]
async fn every_command_of_the_section_does_what_it_says() {
    let database = Database::create(&deposit_watcher::store::MIGRATIONS).await;
    let server = Server::start(&database, "").await;
    let blocks = readme();
    let script: String = blocks.iter().map(|block| format!("{}\necho '{CUT}'\n", block.commands)).collect();
    assert!(script.contains(PRINTED), "nothing is asked at {PRINTED}");
    let script = format!("set -euo pipefail\n{}", script.replace(PRINTED, &server.at.to_string()));
    let mut bash = Command::new("bash");
    bash.env_clear().envs(server.environment()).current_dir(server.folder()).args(["-c", &script]).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || bash.output().unwrap()).await.unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{}\n{stdout}\n{stderr}\n{}", output.status, server.log());
    let printed: Vec<&str> = stdout.split(&format!("{CUT}\n")).collect();
    assert_eq!(printed.len(), blocks.len() + 1, "{stdout}");
    for (block, printed) in blocks.iter().zip(printed) {
        let Some(expected) = &block.prints else { continue };
        assert!(fits(expected, printed), "{}\nprints\n{printed}\nand README says\n{expected}", block.commands);
    }
}

/// Every word that a schema allows, in whichever way it says so.
fn words(schema: &Value) -> Vec<String> {
    let Some(object) = schema.as_object() else { return Vec::new() };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    let word = |key: &str, value: Value| match key {
        "const" | "enum" => value.as_str().map(|word| vec![word.to_owned()]).unwrap_or_default(),
        _ => words(&value),
    };
    object
        .iter()
        .flat_map(|(key, value)| list(value).into_iter().flat_map(|one| word(key, one)).collect::<Vec<_>>())
        .collect()
}

/// Routes and codes that the server's own description has and the page about the API has not.
fn untold(described: &Value, page: &str) -> Vec<String> {
    let told = |path: &String| {
        // Routes that differ in their last word share a row.
        let (above, last) = path.rsplit_once('/').unwrap();
        page.contains(path.as_str()) || (page.contains(above) && page.contains(&format!("`{last}`")))
    };
    let paths = described["paths"].as_object().unwrap().keys().cloned();
    let codes = words(&described["components"]["schemas"]["Code"])
        .into_iter()
        .filter(|code| !page.contains(&format!("`{code}`")));
    paths.filter(|path| !told(path)).chain(codes).collect()
}

/// References of a description that lead nowhere in it.
fn dangling(described: &Value, at: &Value) -> Vec<String> {
    let inside: Vec<&Value> = match at {
        Value::Object(object) => object.values().collect(),
        Value::Array(list) => list.iter().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    let named = at["$ref"].as_str().map(|named| named.trim_start_matches('#'));
    let here = named.filter(|path| described.pointer(path).is_none()).map(str::to_owned);
    here.into_iter().chain(inside.into_iter().flat_map(|one| dangling(described, one))).collect()
}

#[tokio::test]
async fn the_description_is_whole_and_all_of_it_is_on_the_page_about_the_api() {
    let database = Database::create(&deposit_watcher::store::MIGRATIONS).await;
    let server = Server::start(&database, "").await;
    let mut curl = Command::new("curl");
    curl.args(["-sSf", &format!("http://{}/openapi.json", server.at)]);
    let output = tokio::task::spawn_blocking(move || curl.output().unwrap()).await.unwrap();
    let described: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(dangling(&described, &described), Vec::<String>::new());
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/API.md")).unwrap();
    assert_eq!(untold(&described, &page), Vec::<String>::new());
    assert!(untold(&described, "").len() > 30, "{}", described["components"]["schemas"]["Code"]);
    assert_eq!(dangling(&Value::Null, &serde_json::json!({"a": [{"$ref": "#/b"}]})), ["/b"]);
}

/// README promises no more than curl and Node.js.
#[test]
fn the_section_uses_what_readers_have() {
    let known = [
        "deposit-watcher",
        "curl",
        "echo",
        "node",
        "export",
        "wait",
        "field",
        "field()",
        "token()",
        "token)",
        "API=http://127.0.0.1:8080",
    ];
    for block in readme() {
        for line in block.commands.lines().filter(|line| !line.starts_with([' ', '#', '}'])) {
            let word = line.split_whitespace().next().unwrap_or_default();
            let assigned = word.split_once("=$(").map_or(word, |(_, command)| command);
            assert!(word.is_empty() || known.contains(&assigned), "{assigned:?} in {line:?}");
        }
    }
}
