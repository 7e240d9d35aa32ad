//! The watcher under attack: a storm of random faults with an oracle that knows the right end, a scenario for each rule,
//! and the database's own guards attacked in plain SQL. A scripted chain, a real PostgreSQL, no sleeps.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests fail by panicking"
)]

#[path = "../support/scripted.rs"]
mod scripted;
#[path = "../support/mod.rs"]
mod support;

mod guards;
mod rig;
mod scenarios;
mod storm;
