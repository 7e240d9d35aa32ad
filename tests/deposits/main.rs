//! What the office does and refuses, over a real PostgreSQL: every rule of an opening, races for amounts, keys and
//! addresses, cancelling while money comes, widgets and lists. What is pure is tested beside the code.
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

mod cancelling;
mod departed;
mod fields;
mod keys;
mod lists;
mod ownership;
mod payments;
mod races;
mod rig;
mod rules;
mod views;
mod widgets;
