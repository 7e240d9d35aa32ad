//! `Watcher::step` turned by hand over a scripted chain and a real PostgreSQL: a module a rule that was once broken.
//! Not a storm: each test says what happens, step by step.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

#[path = "../support/scripted.rs"]
mod scripted;
#[path = "../support/mod.rs"]
mod support;

mod chains;
mod content;
mod heads;
mod house;
mod pool;
mod proofs;
mod quorum;
mod rescans;
mod reverts;
mod rows;
mod single;
mod start;
mod strangers;
mod wide;
mod witnesses;
