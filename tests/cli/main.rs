//! The built binary as a person or a script meets it: exit codes, what goes to which stream, and what it does to a real
//! database. Not for what a watcher does with a chain.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod config;
mod database;
mod keeping;
mod program;
mod prune;
mod report;
mod sessions;
mod settling;
mod status;
mod usage;
mod watching;
mod webhooks;
