//! `make bench`: what the API reaches on this machine, each figure with its comparison beside it. Opening and reading
//! sessions over HTTP against the same SQL by pgbench with as many connections; a thousand viewers of a hundred sessions.
//! Prints and judges nothing: a benchmark is no test.
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

use std::time::{Duration, Instant};

use client::{Client, Shop};
use server::Server;
use support::Database;

/// Connections, of both sides.
const CONNECTIONS: usize = 8;
/// How long each figure is measured.
const LASTS: Duration = Duration::from_secs(10);
/// Limits that nobody reaches.
const LIMITS: &str = "[limits]\nrequests_per_address = 1000000\nrequests_per_credential = 1000000\n";

#[tokio::main]
async fn main() {
    let database = Database::create(&deposit_watcher::store::MIGRATIONS).await;
    let server = Server::start(&database, LIMITS).await;
    let shop = Shop::found(&server);
    println!("{CONNECTIONS} connections, {} s each\n", LASTS.as_secs());
    println!("| | by HTTP, a second | by pgbench, a second | ratio |\n|---|---|---|---|");
    let opened = measured(|n| shop.opening(n), &server).await;
    compare("opening a session", opened, sql::opening(&database, CONNECTIONS, LASTS));
    let ids = sql::sessions(&database).await;
    let read = measured(|n| shop.reading(&ids[n % ids.len()]), &server).await;
    compare("reading one by its id", read, sql::reading(&database, CONNECTIONS, LASTS));
    viewers::measure(&server, &shop, &database).await;
    page::measure(&server, &shop, &database).await;
}

fn compare(what: &str, http: f64, sql: f64) {
    println!("| {what} | {http:.0} | {sql:.0} | {:.0} % |", 100.0 * http / sql);
}

/// Requests a second over all connections; every one must succeed.
async fn measured(request: impl Fn(usize) -> String + Clone + Send + Sync, server: &Server) -> f64 {
    let begun = Instant::now();
    let connection = |number: usize| {
        let request = request.clone();
        async move {
            let mut client = Client::connect(server.at).await;
            let mut done = 0_usize;
            while begun.elapsed() < LASTS {
                let status = client.send(&request(number + CONNECTIONS * done)).await;
                assert!((200..300).contains(&status), "answered {status}:\n{}", server.log());
                done += 1;
            }
            done
        }
    };
    let done: usize = futures_util::future::join_all((0..CONNECTIONS).map(connection)).await.into_iter().sum();
    done as f64 / begun.elapsed().as_secs_f64()
}
