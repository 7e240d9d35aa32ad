//! The live view on a real PostgreSQL: tickets, and what viewers hear of rows that change. The board and its poller, which
//! need no database, are tested beside the code.
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

mod streams;
mod tickets;

use deposit_watcher::settings::{self, Settings};
use deposit_watcher::store::Store;

/// The configuration of a house on this database that watches polygon.
fn settings(url: &str) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("networks.toml");
    let lines = "[networks.polygon]\nchain_id = 137\nfinality = \"finalized\"\nrpc.one.url = \"http://127.0.0.1:1\"\n\
        tokens.usdc = { symbol = \"USDC\", address = \"0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359\", decimals = 6 }\n";
    std::fs::write(&file, format!("[database]\nurl = \"{url}\"\n{lines}")).unwrap();
    settings::load(&[file], std::iter::empty(), &[]).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn store(url: &str) -> Store {
    Store::new(&settings(url).database).unwrap()
}
