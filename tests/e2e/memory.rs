//! A long catch-up takes no more memory than a short one: what was read is committed and forgotten. Not for how fast it
//! is. anvil mines too slowly for so many blocks; a node of our own makes them up as they are asked for.

use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, B256, U256, address, keccak256};
use axum::{Json, Router, extract::State, routing::post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::rig::{Rig, Section, Token, within};

/// Blocks to catch up, unless `MEMORY_BLOCKS` says how many.
const BLOCKS: u64 = 12_000;
/// One in so many holds a payment; each holds some transfers of strangers.
const APART: u64 = 1_000;
const STRANGERS: u64 = 2;
/// What all of it may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// How much more may be resident later than after the first tenth, in kB: an allocator's own air.
const AIR: u64 = 8 * 1_024;
/// What a watcher may take in all, in kB.
const MOST: u64 = 64 * 1_024;
const TOKEN: Address = address!("00000000000000000000000000000000000000ee");
const STRANGER: Address = address!("00000000000000000000000000000000000000dd");

#[tokio::test]
async fn memory_stays_flat_in_a_long_catch_up() {
    let blocks = blocks();
    let world = World::start(blocks).await;
    let usdc = Token::new("USDC", TOKEN, 6);
    let section = Section::new(world.url.clone(), std::slice::from_ref(&usdc)).with("start_block = 1");
    let rig = Rig::new(&[section.with("reorg_window = 256").with("max_block_range = 500")]).await;
    for number in 0..blocks / APART {
        rig.open(&format!("dep_{number}"), "5", &usdc, shop(number)).await;
    }
    let mut process = rig.run().await;
    let mut seen: Vec<(u64, u64)> = Vec::new();
    within(PATIENCE, "all is scanned and paid", async || {
        let scanned = rig.number("SELECT coalesce(max(scanned_number), 0) FROM networks").await.unsigned_abs();
        let paid = rig.number("SELECT count(*) FROM deposit_sessions WHERE payment_status = 'CONFIRMED'").await;
        if seen.last().map_or(0, |(last, _)| *last) < scanned {
            seen.push((scanned, process.resident()));
        }
        (scanned >= blocks && paid.unsigned_abs() == blocks / APART).then_some(())
    })
    .await;
    let later: Vec<u64> = seen.iter().filter(|(at, _)| *at >= blocks / 10).map(|(_, kb)| *kb).collect();
    assert!(later.len() >= 10, "too few looks to tell: {seen:?}");
    let (early, most) = (later[0], later.iter().copied().max().unwrap_or_default());
    println!("{blocks} blocks: {early} kB after the first tenth, {most} kB at most, {} looks", later.len());
    assert!(most <= early + AIR, "{early} kB grew to {most} kB: {seen:?}");
    assert!(most <= MOST, "{most} kB");
    rig.books_are_right().await;
    process.terminate().await;
}

fn blocks() -> u64 {
    std::env::var("MEMORY_BLOCKS").map_or(BLOCKS, |text| text.parse().expect("MEMORY_BLOCKS is a number"))
}

fn shop(number: u64) -> Address {
    Address::from_word(keccak256(format!("shop {number}")))
}

fn hash(number: u64) -> B256 {
    keccak256(format!("block {number}"))
}

/// A chain without memory: everything in it follows from a block's number.
struct Chain {
    begun: u64,
    last: u64,
}

/// It, behind a port.
struct World {
    url: String,
    serving: JoinHandle<()>,
}

impl World {
    async fn start(blocks: u64) -> World {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let chain = Chain { begun: chrono::Utc::now().timestamp().unsigned_abs() + 1, last: blocks + 10 };
        let router = Router::new().fallback(post(answer)).with_state(Arc::new(chain));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        World { url, serving }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(chain): State<Arc<Chain>>, Json(asked): Json<Value>) -> Json<Value> {
    let one = |call: &Value| json!({ "jsonrpc": "2.0", "id": call["id"], "result": chain.result(call) });
    Json(match asked.as_array() {
        Some(calls) => calls.iter().map(one).collect(),
        None => one(&asked),
    })
}

impl Chain {
    fn number(&self, text: &Value) -> u64 {
        match text.as_str().unwrap() {
            "latest" => self.last,
            text => u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap(),
        }
    }

    fn result(&self, call: &Value) -> Value {
        let params = &call["params"];
        match call["method"].as_str().unwrap() {
            "eth_chainId" => json!("0x7a69"),
            "eth_call" => json!(B256::from(U256::from(6))),
            "eth_getBlockByNumber" => self.header(self.number(&params[0])),
            "eth_getLogs" => {
                let (from, to) = (self.number(&params[0]["fromBlock"]), self.number(&params[0]["toBlock"]));
                (from..=to.min(self.last)).flat_map(|at| self.logs(at)).collect()
            }
            _ => Value::Null,
        }
    }

    fn time(&self, number: u64) -> String {
        format!("{:#x}", self.begun + number / 200)
    }

    fn header(&self, number: u64) -> Value {
        if number > self.last {
            return Value::Null;
        }
        let parent = if number == 0 { B256::ZERO } else { hash(number - 1) };
        json!({
            "number": format!("{number:#x}"), "hash": hash(number), "parentHash": parent,
            "timestamp": self.time(number), "transactions": [], "uncles": [],
        })
    }

    /// Transfers of strangers, and in one block of many a payment.
    fn logs(&self, at: u64) -> Vec<Value> {
        let paid = (at % APART == APART / 2).then(|| shop(at / APART));
        let recipients = (0..STRANGERS).map(|_| STRANGER).chain(paid);
        let log = |(index, to): (usize, Address)| {
            json!({
                "address": TOKEN, "topics": [keccak256("Transfer(address,address,uint256)"), STRANGER.into_word(), to.into_word()],
                "data": B256::from(U256::from(5_000_000)), "blockNumber": format!("{at:#x}"), "blockHash": hash(at),
                "blockTimestamp": self.time(at), "transactionHash": keccak256(format!("{at} {index}")),
                "transactionIndex": "0x0", "logIndex": format!("{index:#x}"), "removed": false,
            })
        };
        recipients.enumerate().map(log).collect()
    }
}
