//! `make bench`: what the API reaches on this machine, each figure with its comparison beside it. Opening and reading
//! sessions over HTTP against the same SQL by pgbench with as many connections, in turns, for the machine may have other
//! work; a thousand viewers of a hundred sessions. Prints and judges nothing: a benchmark is no test.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark may panic, and says why"
)]

#[path = "../../tests/support/mod.rs"]
mod support;

mod client;
mod page;
#[path = "../../tests/readme/server.rs"]
mod server;
mod sql;
mod viewers;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use client::{Caller, Shop};
use server::Server;
use support::Database;

/// Connections, of both sides.
const CONNECTIONS: usize = 8;
/// How long each figure is measured at a time.
const LASTS: Duration = Duration::from_secs(5);
/// How often each side has its turn.
const ROUNDS: usize = 3;
/// Limits that nobody reaches.
const LIMITS: &str = "[limits]\nrequests_per_address = 1000000\nrequests_per_credential = 1000000\n";

#[tokio::main]
async fn main() {
    let database = Database::create(&deposit_watcher::store::MIGRATIONS).await;
    let server = Server::start(&database, LIMITS).await;
    let shop = Shop::found(&server);
    println!("{CONNECTIONS} connections, {} s each, {ROUNDS} times in turns\n", LASTS.as_secs());
    println!("| | by HTTP, a second | by pgbench, a second | ratio |\n|---|---|---|---|");
    let opening = |n| shop.opening(n);
    compare("opening a session", &server, opening, || sql::opening(&database, CONNECTIONS, LASTS));
    let ids = sql::sessions(&database).await;
    let reading = |n: usize| shop.reading(&ids[n % ids.len()]);
    compare("reading one by its id", &server, reading, || sql::reading(&database, CONNECTIONS, LASTS));
    viewers::measure(&server, &shop, &database).await;
    page::measure(&server, &shop, &database).await;
}

/// Both sides in turns; then the ratio in the middle.
fn compare(what: &str, server: &Server, request: impl Fn(usize) -> String + Sync, sql: impl Fn() -> f64) {
    let next = AtomicUsize::new(0);
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let (http, sql) = (measured(&request, &next, server), sql());
        ratios.push(100.0 * http / sql);
        println!("| {what} | {http:.0} | {sql:.0} | {:.0} % |", 100.0 * http / sql);
    }
    ratios.sort_by(f64::total_cmp);
    println!("| {what}, in the middle | | | {:.0} % |", ratios[ROUNDS / 2]);
}

/// Requests a second over all connections; every one must succeed, and none is sent twice.
fn measured(request: impl Fn(usize) -> String + Sync, next: &AtomicUsize, server: &Server) -> f64 {
    let begun = Instant::now();
    let connection = || {
        let mut caller = Caller::connect(server.at);
        let mut done = 0_usize;
        while begun.elapsed() < LASTS {
            let status = caller.send(&request(next.fetch_add(1, Ordering::Relaxed)));
            assert!((200..300).contains(&status), "answered {status}:\n{}", server.log());
            done += 1;
        }
        done
    };
    let done: usize = std::thread::scope(|scope| {
        let connections: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(connection)).collect();
        connections.into_iter().map(|connection| connection.join().unwrap()).sum()
    });
    done as f64 / begun.elapsed().as_secs_f64()
}
