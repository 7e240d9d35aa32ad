//! Webhooks from a committed row to a receiver and back, over a real PostgreSQL and receivers of every bad manner on this
//! machine. What is pure is tested beside the code.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

#[path = "../support/mod.rs"]
mod support;

mod couriers;
mod delivery;
mod endpoints;
mod guarding;
mod isolation;
mod receiver;
mod retries;
mod rig;
mod rotation;
mod sequencing;
