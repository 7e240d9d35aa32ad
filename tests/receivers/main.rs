//! The receivers that we hand out (deploy/examples), each run as it is: against deliveries made by hand, good and bad, and
//! against real ones. Node.js and Rust here; Python by `make test-all`.
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

mod made;
mod real;
mod receiver;
