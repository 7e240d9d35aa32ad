//! The payment page in a real browser: PostgreSQL, anvil, `deposit-watcher run` and a shop of our own, and Chromium looking
//! at it. What is looked at, clicked and read is written in the `.mjs` files beside; here is what they ask for. Not for
//! the rules behind the page (`tests/payments`), nor for what a request without a browser shows (`tests/page`).
//!
//! A test is a flow: a file of `flows/`, run by `drive.mjs` in a browser of its own. `BROWSER_ONLY=word` runs only the
//! scenarios whose name holds the word. Screenshots lie in `target/page/`.
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

#[allow(dead_code, unused_imports, reason = "the end-to-end tests use the rest")]
#[path = "../e2e/rig/mod.rs"]
mod rig;

mod driver;
mod stage;

use driver::Driver;
use stage::Stage;

/// Runs a flow on a stage of its own.
async fn flow(name: &str) {
    let mut stage = Stage::build().await;
    Driver::start(name).finish(&mut stage).await;
    stage.strike().await;
}

/// The harness on pages whose faults are known: what it cannot see, no other test here sees.
#[tokio::test]
async fn the_harness_sees_what_is_wrong() {
    Driver::start("harness").alone().await;
}
