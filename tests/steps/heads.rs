//! A head that was pushed is a hint and no more.

use std::sync::Arc;

use alloy::rpc::json_rpc::{Id, Request, RequestPacket, ResponsePacket, SerializedRequest};
use deposit_watcher::chain::Pool;
use deposit_watcher::domain::Secret;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tower::Service;

use crate::house::House;
use crate::scripted::Node;

fn serialized(call: &Value) -> SerializedRequest {
    let method = call["method"].as_str().unwrap().to_owned();
    let id = Id::Number(call["id"].as_u64().unwrap());
    Request::new(method, id, call["params"].clone()).try_into().unwrap()
}

/// Gives the node's answers, and this head to whoever subscribes.
async fn serve(node: Node, head: Value) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, node.clone(), head.clone()));
        }
    });
    url
}

async fn converse(stream: TcpStream, mut node: Node, head: Value) {
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    while let Some(Ok(message)) = socket.next().await {
        let Ok(text) = message.to_text() else { continue };
        let Ok(asked) = serde_json::from_str::<Value>(text) else { continue };
        if asked["method"] == "eth_subscribe" {
            let subscribed = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": "0x1" });
            let told = json!({ "jsonrpc": "2.0", "method": "eth_subscription", "params": { "subscription": "0x1", "result": head } });
            for answer in [subscribed, told] {
                _ = socket.send(Message::text(answer.to_string())).await;
            }
            continue;
        }
        let packet = match asked.as_array() {
            Some(calls) => RequestPacket::Batch(calls.iter().map(serialized).collect()),
            None => RequestPacket::Single(serialized(&asked)),
        };
        let answer = match node.call(packet).await.unwrap() {
            ResponsePacket::Single(response) => serde_json::to_string(&response),
            ResponsePacket::Batch(responses) => serde_json::to_string(&responses),
        };
        _ = socket.send(Message::text(answer.unwrap())).await;
    }
}

/// Its block left the chain, nothing newer is pushed, and the node takes what it does not have for empty.
#[tokio::test]
async fn a_pushed_head_that_left_the_chain_is_taken_once() {
    let mut house = House::new(1).await;
    house.settle().await;
    let gone = house.world.mine(vec![]);
    let pushed = json!({ "number": format!("{:#x}", gone.block.number.0), "hash": gone.block.hash,
        "parentHash": gone.parent, "timestamp": format!("{:#x}", gone.time.timestamp()) });
    house.world.reorg(1, vec![vec![]]);
    house.nodes[0].set(|is| is.unknown_is_empty = true);
    let url = serve(house.nodes[0].clone(), pushed).await;
    house.network.endpoints[0].url = Secret::new(url.parse().unwrap());
    let pool = Arc::new(Pool::connect(&house.network).unwrap());
    pool.inspect(None).await;
    let mut heads = pool.heads();
    heads.changed().await.unwrap();
    house.hire(pool).await;
    house.settle().await;
    let scanned = house.text("SELECT scanned_hash FROM networks").await;
    assert_eq!(scanned, Some(format!("{:#x}", house.world.head().block.hash)));
}
