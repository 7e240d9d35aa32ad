//! A proof as an endpoint gives it: two calls in one batch, and what is no proof costs the endpoint nothing.

use alloy::consensus::Header as FullHeader;
use alloy::primitives::{B256, U256};
use deposit_watcher::chain::{EndpointState, Pool, Unproven};
use deposit_watcher::domain::{BlockNumber, BlockRef};
use serde_json::{Value, json};

use super::network::{CHAIN, network, pool};
use super::scripted::{Log, PAYER, TOKEN, World, account};
use super::servers::{honest, http, ok};

/// Both in one request, from a node that has the block.
#[tokio::test]
async fn header_and_receipts_come_in_one_request() {
    let world = World::new(CHAIN);
    let paid = world.mine(vec![world.tx(vec![Log::noise(TOKEN)]), world.pay(TOKEN, PAYER, account(1), U256::from(5))]);
    let node = world.node("one");
    let endpoint = pool(&[("one", "us", node.transport())]).first().await.unwrap();
    node.reset();
    let proof = endpoint.proof(paid.block, &[TOKEN]).await.unwrap().unwrap();
    assert_eq!(node.counts().packets, 1);
    assert_eq!((proof.header, proof.receipts), (paid, 2));
    let transfers: Vec<_> = proof.logs.transfers.iter().map(|t| (t.log_index, t.to, t.time)).collect();
    assert_eq!(transfers, [(1, account(1), Some(paid.time))]);
    let unknown = BlockRef { number: paid.block.number, hash: B256::repeat_byte(1) };
    assert_eq!(endpoint.proof(unknown, &[TOKEN]).await.unwrap(), Err(Unproven::Absent));
}

/// What it says instead of receipts; and the header, where it is not a whole one.
async fn told(receipts: Value, header: Value) -> (Unproven, EndpointState) {
    let server = http(move |asked| {
        let calls = asked.as_array().cloned().unwrap_or_else(|| vec![asked.clone()]);
        let answer = calls.iter().map(|call| {
            let mut answer = honest(CHAIN, call);
            match call["method"].as_str() {
                Some("eth_getBlockByHash") => answer["result"] = header.clone(),
                Some("eth_getBlockReceipts") => {
                    answer.as_object_mut().unwrap().remove("result");
                    answer.as_object_mut().unwrap().extend(receipts.as_object().unwrap().clone());
                }
                _ => {}
            }
            answer
        });
        let answers: Vec<Value> = answer.collect();
        ok(&if asked.is_array() { json!(answers) } else { answers[0].clone() })
    });
    let url = format!("http://{}/v2/secretsecretsecret", server.await.addr);
    let pool = Pool::connect(&network(&[("one", &url, "us")])).unwrap();
    let endpoint = pool.first().await.unwrap();
    let block = BlockRef { number: BlockNumber(0), hash: FullHeader::default().hash_slow() };
    let why = endpoint.proof(block, &[TOKEN]).await.unwrap().unwrap_err();
    let report = pool.report().remove(0);
    assert!(report.last_error.unwrap().0.contains("proves nothing of block 0"));
    assert!(!why.to_string().contains("secretsecretsecret"), "{why}");
    pool.first().await.unwrap();
    (why, report.state)
}

/// A plan without the method, a block that is too large, a header of another shape: the endpoint serves on.
#[tokio::test]
async fn an_endpoint_that_proves_nothing_goes_on_serving() {
    let header = serde_json::to_value(FullHeader::default()).unwrap();
    let error = |code: i64, text: &str| json!({ "error": { "code": code, "message": text } });
    let (why, state) = told(error(-32_601, "the method eth_getBlockReceipts does not exist"), header.clone()).await;
    assert_eq!((why, state), (Unproven::NoMethod, EndpointState::Alive));
    let (why, state) = told(error(-32_000, "not with /v2/secretsecretsecret"), header.clone()).await;
    assert!(matches!(why, Unproven::Refused(_)), "{why}");
    assert_eq!(state, EndpointState::Alive);
    let odd = json!({ "number": "0x0", "hash": B256::ZERO, "timestamp": "/v2/secretsecretsecret" });
    let (why, state) = told(json!({ "result": [] }), odd).await;
    assert!(matches!(why, Unproven::Header(_)), "{why}");
    assert_eq!(state, EndpointState::Alive);
    let (why, state) = told(json!({ "result": [{ "status": "0x1" }] }), header).await;
    assert!(matches!(why, Unproven::Receipts(_)), "{why}");
    assert_eq!(state, EndpointState::Alive);
}
