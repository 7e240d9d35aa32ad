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

/// Link to return, in both languages, with and without JavaScript.
#[tokio::test]
async fn a_payment_from_link_to_return() {
    flow("paying").await;
}

/// Screens x themes x languages x widths, by picture and by axe.
#[tokio::test]
async fn every_screen_fits_and_is_accessible() {
    flow("screens").await;
}

#[tokio::test]
async fn codes_say_what_a_wallet_must_know() {
    flow("codes").await;
}

#[tokio::test]
async fn the_keyboard_is_enough() {
    flow("keyboard").await;
}

#[tokio::test]
async fn the_page_goes_with_the_world() {
    flow("together").await;
}

#[tokio::test]
async fn nothing_on_the_page_can_be_turned_against_the_customer() {
    flow("safety").await;
}

#[tokio::test]
async fn a_browser_that_is_not_there_is_named() {
    let said = driver::complaint("DEPOSIT_WATCHER_CHROMIUM", "no/such/browser").await;
    assert!(said.contains("DEPOSIT_WATCHER_CHROMIUM names no/such/browser, where nothing is"), "{said}");
    let said = driver::complaint("DEPOSIT_WATCHER_TOOLS", "no/such/folder").await;
    assert!(said.contains("make tools"), "{said}");
}

/// EIP-6963.
#[tokio::test]
async fn wallets_of_the_browser_send_what_the_page_asks_for() {
    flow("wallet").await;
}

#[tokio::test]
async fn the_test_tools_lead_to_every_state() {
    flow("tools").await;
}
