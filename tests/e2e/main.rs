//! The real binary against a real anvil and a real PostgreSQL: payments of every kind, reorganisations, kill -9, outages,
//! several networks and several processes, bad input. Each test has its own chain, database, folder and processes; all
//! of it ends with the test. Not for rules that a faster test can hold: those are beside the code and in the storm.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests may panic, and say why"
)]

#[path = "../support/mod.rs"]
mod support;

mod rig;

mod agreement;
mod catch_up;
mod commits;
mod database;
mod debian;
mod faults;
mod halts;
mod kill;
mod kinds;
mod memory;
mod merchant;
mod month;
mod networks;
mod odd;
mod outage;
mod pair;
mod prometheus;
mod proofs;
mod reconcile;
mod reorganisations;
mod restart;
mod restore;
mod secrets;
mod settled;
mod simulation;
mod socket;
mod story;
mod takeover;
mod traces;
