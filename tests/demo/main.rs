//! The built binary's `demo`: it tells the whole story, agrees with itself wherever one looks, and leaves nothing behind,
//! however it ends. Not for the watcher's rules, which have tests of their own.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

mod reader;
mod stage;
mod story;
