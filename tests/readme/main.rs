//! README's section about the API, carried out as it is printed: every shell block by bash with curl, against the real
//! binary and a real PostgreSQL, and what it prints compared with what README says it prints.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic, and say why"
)]

#[path = "../support/mod.rs"]
mod support;

mod pages;
mod server;
mod tokens;

use std::process::{Command, Stdio};

use pages::{Block, blocks, fits};
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

/// Words of the page about the API that the server's own description has and the page has not.
fn untold(described: &serde_json::Value, page: &str) -> Vec<String> {
    let paths = described["paths"].as_object().unwrap().keys().cloned();
    let codes = described["components"]["schemas"]["Code"]["enum"].as_array().unwrap();
    let codes = codes.iter().map(|code| format!("`{}`", code.as_str().unwrap()));
    // Routes that differ in their last word share a row of the page.
    let told = |word: &String| {
        page.contains(word) || page.contains(word.rsplit_once('/').map_or(word.as_str(), |(_, last)| last))
    };
    let whole = |path: &String| told(path) && path.rsplit_once('/').is_none_or(|(above, _)| page.contains(above));
    paths.filter(|path| !whole(path)).chain(codes.filter(|code| !page.contains(code))).collect()
}

#[tokio::test]
async fn every_route_and_code_is_on_the_page_about_the_api() {
    let database = Database::create(&deposit_watcher::store::MIGRATIONS).await;
    let server = Server::start(&database, "").await;
    let mut curl = Command::new("curl");
    curl.args(["-sSf", &format!("http://{}/openapi.json", server.at)]);
    let output = tokio::task::spawn_blocking(move || curl.output().unwrap()).await.unwrap();
    let described = serde_json::from_slice(&output.stdout).unwrap();
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/API.md")).unwrap();
    assert_eq!(untold(&described, &page), Vec::<String>::new());
    assert!(untold(&described, "").len() > 25);
}

/// README promises no more than curl and Node.js.
#[test]
fn the_section_uses_what_readers_have() {
    let known =
        ["deposit-watcher", "curl", "echo", "node", "export", "wait", "field", "field()", "API=http://127.0.0.1:8080"];
    for block in readme() {
        for line in block.commands.lines().filter(|line| !line.starts_with([' ', '#', '}'])) {
            let word = line.split_whitespace().next().unwrap_or_default();
            let assigned = word.split_once("=$(").map_or(word, |(_, command)| command);
            assert!(word.is_empty() || known.contains(&assigned), "{assigned:?} in {line:?}");
        }
    }
}
