//! What a scripted node answers to each method, from its view of the world.

use std::sync::Arc;

use alloy::primitives::{Address, B256, Bytes, U256};
use serde_json::{Value, json};

use super::node::{Behaviour, Lie};
use super::{Block, DecimalsAnswer, Log, Served, State, shape};

type Outcome = Result<Value, (i64, String)>;

pub(super) fn answer(state: &mut State, node: usize, view: &[Arc<Block>], method: &str, params: &Value) -> Outcome {
    let is = state.nodes[node].is.clone();
    match method {
        "eth_chainId" => Ok(hex(is.chain_id.unwrap_or(state.chain_id))),
        "eth_blockNumber" => Ok(hex(view.last().unwrap().number)),
        "eth_getBlockByNumber" => block_by_number(state, node, view, params[0].as_str().unwrap(), &is),
        "eth_getBlockByHash" => block_by_hash(state, node, view, &params[0], &is),
        "eth_getLogs" => logs(state, node, view, &params[0], &is),
        "eth_getBlockReceipts" if !is.no_receipts => receipts(state, node, view, &params[0], &is),
        "eth_getTransactionReceipt" if !is.no_single_receipts => receipt(view, &params[0], &is),
        "eth_call" => decimals(state, &params[0]),
        other => Err((-32601, format!("the method {other} does not exist/is not available"))),
    }
}

fn hex(number: u64) -> Value {
    json!(format!("{number:#x}"))
}

fn read_hex(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

fn served(state: &mut State, node: usize, block: &Block, logs: bool) {
    let node = state.nodes[node].name.clone();
    state.served.push(Served { node, block: block.header().block, logs });
}

fn block_by_number(state: &mut State, node: usize, view: &[Arc<Block>], at: &str, is: &Behaviour) -> Outcome {
    let head = view.last().unwrap().number;
    let number = match at {
        "latest" => Some(head),
        "earliest" => Some(0),
        "safe" => is.tags.unwrap_or(state.safe.map(|number| number.min(head))),
        "finalized" => is.tags.unwrap_or(state.finalized.map(|number| number.min(head))),
        _ => Some(read_hex(&json!(at))),
    };
    let Some(number) = number else {
        return if is.null_tags { Ok(Value::Null) } else { Err((-39001, "Unknown block".to_owned())) };
    };
    // A tag of its own may be said to stand above its head.
    let beyond = if at.starts_with("0x") { 0 } else { number.saturating_sub(head) };
    let Some(block) = view.get((number - beyond) as usize) else { return Ok(Value::Null) };
    served(state, node, block, false);
    Ok(header_json(block, is, if at == "latest" { is.boast } else { beyond }))
}

fn block_by_hash(state: &mut State, node: usize, view: &[Arc<Block>], hash: &Value, is: &Behaviour) -> Outcome {
    let hash: B256 = serde_json::from_value(hash.clone()).unwrap();
    let Some(block) = view.iter().find(|block| block.hash == hash) else { return Ok(Value::Null) };
    served(state, node, block, false);
    Ok(header_json(block, is, 0))
}

/// Every field that the hash covers, and some that nobody knows; of a block that is said to stand `boast` higher.
fn header_json(block: &Block, is: &Behaviour, boast: u64) -> Value {
    let number = block.number;
    let hash = is.genesis.filter(|_| number == 0).unwrap_or(block.hash);
    let number = block.number.saturating_sub(u64::from(is.wrong_number)) + boast;
    let mut json = serde_json::to_value(&block.head).unwrap();
    let txs: Vec<B256> = block.txs.iter().map(|tx| tx.hash).collect();
    let more = json!({
        "number": hex(number), "hash": hash, "timestamp": hex(dated(block, is) + 2 * boast), "uncles": [],
        "transactions": txs, "l1BlockNumber": "0x1",
    });
    json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    if is.odd_headers {
        json["withdrawalsRoot"] = json!(B256::repeat_byte(9));
    }
    json
}

/// A block's time as this node tells it.
fn dated(block: &Block, is: &Behaviour) -> u64 {
    is.times.iter().find(|(hash, _)| *hash == block.hash).map_or(block.time, |(_, time)| *time)
}

/// A block's logs as this node tells them, lies included: (index, transaction, log).
fn told(block: &Block, is: &Behaviour) -> Vec<(u64, B256, Log)> {
    let mut logs: Vec<_> =
        block.logs().enumerate().map(|(index, (tx, log))| (index as u64, tx.hash, log.clone())).collect();
    let honest = logs.len() as u64;
    for lie in &is.lies {
        match lie {
            Lie::Drop(hash, index) if *hash == block.hash => logs.retain(|(at, _, _)| at != index),
            Lie::Invent(hash, log) if *hash == block.hash => {
                let tx = B256::repeat_byte(0xbe);
                let added = logs.len() as u64;
                logs.push((honest.max(added), tx, log.clone()));
            }
            Lie::Alter(hash, index, told) if *hash == block.hash => {
                logs.iter_mut().filter(|(at, _, _)| at == index).for_each(|(_, _, log)| *log = told.clone());
            }
            Lie::Drop(..) | Lie::Invent(..) | Lie::Alter(..) => {}
        }
    }
    logs
}

fn log_json(block: &Block, index: u64, tx: B256, log: &Log, is: &Behaviour) -> Value {
    let mut json = json!({
        "address": log.address, "topics": log.topics, "data": log.data,
        "blockHash": block.hash, "blockNumber": hex(block.number), "blockTimestamp": hex(is.log_time.unwrap_or(dated(block, is))),
        "transactionHash": tx, "transactionIndex": "0x0", "logIndex": hex(index), "removed": false,
    });
    if is.no_log_time {
        json.as_object_mut().unwrap().remove("blockTimestamp");
    }
    json
}

fn logs(state: &mut State, node: usize, view: &[Arc<Block>], filter: &Value, is: &Behaviour) -> Outcome {
    let blocks: Vec<Arc<Block>> = match filter.get("blockHash") {
        Some(hash) => {
            let hash: B256 = serde_json::from_value(hash.clone()).unwrap();
            match view.iter().find(|block| block.hash == hash) {
                Some(block) => vec![block.clone()],
                None if is.unknown_is_empty => vec![],
                None => return Err((-32000, "unknown block".to_owned())),
            }
        }
        None => {
            let (from, to) = (read_hex(&filter["fromBlock"]), read_hex(&filter["toBlock"]));
            if let Some(refused) = is.range_limit((to + 1).saturating_sub(from)) {
                return Err(refused);
            }
            view.iter().filter(|block| (from..=to).contains(&block.number)).cloned().collect()
        }
    };
    if is.empty_logs {
        return Ok(json!([]));
    }
    let wanted = |log: &Log| {
        let addresses = filter["address"].as_array().unwrap();
        let addressed = addresses.iter().any(|address| json!(log.address) == *address);
        addressed && log.topics.first().is_some_and(|topic| json!(topic) == filter["topics"][0])
    };
    let mut found = Vec::new();
    for block in &blocks {
        let told = told(block, is).into_iter().filter(|(_, _, log)| wanted(log));
        found.extend(told.map(|(index, tx, log)| log_json(block, index, tx, &log, is)));
    }
    if let Some(refused) = is.result_limit(found.len()) {
        return Err(refused);
    }
    blocks.iter().for_each(|block| served(state, node, block, true));
    let copies = if is.twice { found.clone() } else { vec![] };
    found.extend(copies);
    Ok(json!(found))
}

fn receipts(state: &mut State, node: usize, view: &[Arc<Block>], hash: &Value, is: &Behaviour) -> Outcome {
    let hash: B256 = serde_json::from_value(hash.clone()).unwrap();
    let block = view.iter().chain(&is.aside).find(|block| block.hash == hash);
    let Some(block) = block else { return Ok(Value::Null) };
    served(state, node, block, true);
    Ok(json!(receipts_of(block, is)))
}

/// The receipt of a transaction, wherever it is mined.
fn receipt(view: &[Arc<Block>], hash: &Value, is: &Behaviour) -> Outcome {
    let of =
        |block: &Arc<Block>| receipts_of(block, is).into_iter().find(|receipt| receipt["transactionHash"] == *hash);
    Ok(view.iter().rev().find_map(of).unwrap_or_default())
}

fn receipts_of(block: &Block, is: &Behaviour) -> Vec<Value> {
    let told = told(block, is);
    let mut hashes: Vec<B256> = block.txs.iter().map(|tx| tx.hash).collect();
    hashes.extend(told.iter().map(|(_, tx, _)| *tx));
    let mut seen = std::collections::HashSet::new();
    hashes.retain(|hash| seen.insert(*hash));
    let receipt = |(place, hash): (usize, &B256)| {
        let logs = told.iter().filter(|(_, tx, _)| tx == hash);
        let logs: Vec<Value> = logs.map(|(index, tx, log)| log_json(block, *index, *tx, log, is)).collect();
        let bloom = block.txs.iter().find(|tx| tx.hash == *hash).map(shape::bloom).unwrap_or_default();
        json!({
            "blockHash": block.hash, "blockNumber": hex(block.number), "transactionHash": hash,
            "transactionIndex": hex(place as u64), "status": "0x1", "type": shape::KIND, "logs": logs,
            "logsBloom": bloom, "cumulativeGasUsed": hex(shape::gas(place)), "gasUsed": "0x5208",
            "contractAddress": null, "effectiveGasPrice": "0x7",
        })
    };
    hashes.iter().enumerate().map(receipt).collect()
}

fn decimals(state: &State, call: &Value) -> Outcome {
    let to: Address = serde_json::from_value(call["to"].clone()).unwrap();
    match state.decimals.get(&to) {
        None => Ok(json!("0x")),
        Some(DecimalsAnswer::Is(decimals)) => Ok(json!(Bytes::from(U256::from(*decimals).to_be_bytes::<32>()))),
        Some(DecimalsAnswer::Bytes(bytes)) => Ok(json!(bytes)),
        Some(DecimalsAnswer::Revert) => Err((3, "execution reverted".to_owned())),
    }
}
