//! The API as strangers meet it: the real binary on a real PostgreSQL, asked over TCP. Every route with every credential,
//! bad input of every kind, too much of everything, and its end. What a session or a widget may be is tested in its room.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "tests may panic, and say why"
)]

#[path = "../support/mod.rs"]
mod support;

mod asking;
mod bodies;
mod credentials;
mod description;
mod ending;
mod headers;
mod page;
mod payments;
mod rates;
mod server;
mod sessions;
mod streams;
mod walk;
