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
use sql::Reading;
use support::Database;

/// Connections to the server and, beside them, of pgbench to the database: of each as many, then of pgbench as many as the
/// server itself may have by default. How many ask at once decides: of many, one look at the database answers several.
const CONNECTIONS: [(usize, usize); 4] = [(8, 8), (32, 32), (64, 64), (64, 10)];
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
    println!("{} s each, {ROUNDS} times in turns\n", LASTS.as_secs());
    println!("| | connections, of HTTP and of pgbench | by HTTP, a second | by pgbench, a second | ratio |");
    println!("|---|---|---|---|---|");
    let opening = |connections| sql::opening(&database, connections, LASTS);
    compare("opening a session", &server, |n| shop.opening(n), opening);
    let ids = sql::sessions(&database).await;
    let read = |n: usize| shop.reading(&ids[n % ids.len()]);
    let reading = |what| {
        let database = &database;
        move |connections| sql::reading(database, what, connections, LASTS)
    };
    compare("reading one by its id, beside its SELECT", &server, read, reading(Reading::Session));
    compare("reading one by its id, beside all that it asks", &server, read, reading(Reading::KeyAndSession));
    viewers::measure(&server, &shop, &database).await;
    page::measure(&server, &shop, &database).await;
}

/// Both sides in turns; then the ratio in the middle.
fn compare(what: &str, server: &Server, request: impl Fn(usize) -> String + Sync, sql: impl Fn(usize) -> f64) {
    let next = AtomicUsize::new(0);
    for (ours, theirs) in CONNECTIONS {
        let mut ratios = Vec::new();
        for _ in 0..ROUNDS {
            let (http, sql) = (measured(ours, &request, &next, server), sql(theirs));
            ratios.push(100.0 * http / sql);
            println!("| {what} | {ours}, {theirs} | {http:.0} | {sql:.0} | {:.0} % |", 100.0 * http / sql);
        }
        ratios.sort_by(f64::total_cmp);
        println!("| {what}, in the middle | {ours}, {theirs} | | | {:.0} % |", ratios[ROUNDS / 2]);
    }
}

/// Requests a second over all connections; every one must succeed, and none is sent twice.
fn measured(connections: usize, request: impl Fn(usize) -> String + Sync, next: &AtomicUsize, server: &Server) -> f64 {
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
        let connections: Vec<_> = (0..connections).map(|_| scope.spawn(connection)).collect();
        connections.into_iter().map(|connection| connection.join().unwrap()).sum()
    });
    done as f64 / begun.elapsed().as_secs_f64()
}
