//! Attacks what the other tests and the demo stand on: servers that start, stop and never outlive us; tokens and their logs;
//! what anvil does in a reorganisation. Not for the watcher.
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, reason = "tests may panic")]

#[path = "../support/mod.rs"]
mod support;

mod chain;
mod line;
mod servers;
