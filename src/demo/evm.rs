//! Drives anvil: contracts, money, blocks, time, reorganisations, and all that tests ask of it besides what
//! [`crate::chain::TestNode`] does for everybody. No key anywhere: anvil holds its own accounts unlocked. Not how the
//! watcher reads a chain: that is [`crate::chain::Pool`].
//!
//! What anvil 1.7.1 does, as `tests/ground` finds it:
//!
//! * Blocks mined within one second carry the same timestamp; `evm_setNextBlockTimestamp` refuses to go back.
//! * Logs and receipts' logs carry `blockTimestamp`. Consecutive log indexes start at 0 in every block.
//! * `eth_getLogs` by an unknown or orphaned `blockHash`: error -32000 "unknown block". A range that begins above the head:
//!   error -32602 "BlockOutOfRangeError: block height is N but requested was M". A range that only ends above it, and one
//!   whose ends are exchanged, are answered as if they were not.
//! * `eth_sendTransaction` may return before the block is there, where each transaction is mined at once too.
//! * `safe` is N and `finalized` 2N blocks below `latest`, N being `--slots-in-an-epoch` (32 unless told).
//! * `eth_getBlockReceipts` takes a number and a hash, and answers `null` for an unknown number.
//! * Unknown headers, receipts and transactions are `null`, orphaned ones too: anvil forgets the old branch.

use std::time::Duration;

use alloy::primitives::{Bytes, U64};
use anyhow::{Context, anyhow, bail};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::tokens::{Call, Contract};
use crate::chain::{Limits, TestNode};
use crate::domain::{Address, BlockNumber, BlockRef, Header, TxHash, Units};

const MINED_WITHIN: Duration = Duration::from_secs(30);

/// A JSON-RPC client of one anvil.
#[derive(Debug, Clone)]
pub struct Evm {
    node: TestNode,
}

/// A mined transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Its hash.
    pub hash: TxHash,
    /// Where it was mined.
    pub block: BlockRef,
    /// False: it was reverted and moved nothing.
    pub success: bool,
    /// The contract it created.
    pub created: Option<Address>,
    /// Its logs as the node gave them.
    pub logs: Vec<Value>,
}

/// What a reorganisation puts into its new blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remined {
    /// A transaction as [`Evm::raw`] gave it, under the hash it had. Where its sender's nonce no longer fits, as its
    /// sender's earlier one is not mined again, anvil drops it without an error: give each payment a payer of its own.
    Again(Bytes),
    /// Another one: sender, contract, call.
    Other(Address, Address, Call),
}

impl Remined {
    fn as_json(&self) -> Value {
        match self {
            Remined::Again(raw) => json!(raw),
            Remined::Other(from, contract, call) => transaction(*from, *contract, call),
        }
    }
}

impl Evm {
    /// A client of the node at this URL.
    pub fn new(url: impl Into<String>) -> anyhow::Result<Evm> {
        let limits = Limits { total: MINED_WITHIN, idle: MINED_WITHIN, ..Limits::default() };
        Ok(Evm { node: TestNode::at(url.into().parse()?, limits)? })
    }

    /// One request; what the node calls an error is one.
    pub async fn request(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        Ok(self.node.request(method, params).await?)
    }

    /// Ten funded, unlocked accounts.
    pub async fn accounts(&self) -> anyhow::Result<Vec<Address>> {
        Ok(self.node.accounts().await?)
    }

    /// One of them.
    pub async fn account(&self, index: usize) -> anyhow::Result<Address> {
        self.accounts().await?.get(index).copied().with_context(|| format!("anvil has no account {index}"))
    }

    /// Creates a contract and says where it lies. Mines a block if nobody else does.
    pub async fn deploy(&self, from: Address, contract: Contract) -> anyhow::Result<Address> {
        let hash = self.node.send(json!({ "from": from, "data": contract.bytecode()? })).await?;
        let receipt = self.mined(hash).await?;
        receipt.created.with_context(|| format!("{} was not created", contract.name()))
    }

    /// Sends a transaction and says its hash. Even where each is mined at once, its block may come a moment later: where
    /// that matters, use [`Evm::pay`].
    pub async fn send(&self, from: Address, contract: Address, call: &Call) -> anyhow::Result<TxHash> {
        Ok(self.node.send(transaction(from, contract, call)).await?)
    }

    /// Sends a transaction and waits for its block, mining one if nobody else does; reverted ones are an error.
    pub async fn pay(&self, from: Address, contract: Address, call: &Call) -> anyhow::Result<Receipt> {
        let hash = self.send(from, contract, call).await?;
        let receipt = self.mined(hash).await?;
        if receipt.success { Ok(receipt) } else { Err(anyhow!("{call:?} was reverted")) }
    }

    /// What became of a transaction: `None` while pending, unknown or orphaned.
    pub async fn receipt(&self, hash: TxHash) -> anyhow::Result<Option<Receipt>> {
        let value = self.request("eth_getTransactionReceipt", json!([hash])).await?;
        if value.is_null() { Ok(None) } else { receipt_from(value).map(Some) }
    }

    /// Base units of a token.
    pub async fn balance(&self, token: Address, owner: Address) -> anyhow::Result<Units> {
        Ok(self.node.balance(token, owner).await?)
    }

    /// The newest block.
    pub async fn head(&self) -> anyhow::Result<Header> {
        Ok(self.node.head().await?)
    }

    /// A block by `latest`, `safe`, `finalized` or its number as `0x…`; `None` when there is none.
    pub async fn header(&self, block: &str) -> anyhow::Result<Option<Header>> {
        Ok(self.node.header(block).await?)
    }

    /// Logs by a filter as `eth_getLogs` has it.
    pub async fn logs(&self, filter: Value) -> anyhow::Result<Vec<Value>> {
        parsed(self.request("eth_getLogs", json!([filter])).await?)
    }

    /// Mines blocks; pending transactions go into the first.
    pub async fn mine(&self, blocks: u64) -> anyhow::Result<()> {
        Ok(self.node.mine(blocks).await?)
    }

    /// Mines blocks that are `seconds` apart.
    pub async fn mine_apart(&self, blocks: u64, seconds: u64) -> anyhow::Result<()> {
        self.request("anvil_mine", json!([U64::from(blocks), U64::from(seconds)])).await.map(drop)
    }

    /// Whether a transaction is mined as soon as it is sent.
    pub async fn set_automine(&self, on: bool) -> anyhow::Result<()> {
        self.request("evm_setAutomine", json!([on])).await.map(drop)
    }

    /// The next block's timestamp; later ones go on from there. The past is refused.
    pub async fn set_next_time(&self, unix_seconds: u64) -> anyhow::Result<()> {
        self.request("evm_setNextBlockTimestamp", json!([unix_seconds])).await.map(drop)
    }

    /// Puts chain time forward.
    pub async fn increase_time(&self, seconds: u64) -> anyhow::Result<()> {
        Ok(self.node.advance(seconds).await?)
    }

    /// A mined or pending transaction as it was signed, to be mined again by [`Evm::reorganise`] under the same hash.
    pub async fn raw(&self, hash: TxHash) -> anyhow::Result<Bytes> {
        parsed(self.request("eth_getRawTransactionByHash", json!([hash])).await?)
    }

    /// Replaces the newest `depth` blocks by as many others, which hold `transactions` and nothing else: what was mined
    /// in the old ones is dropped, not put back into the pool. Each stands with the place of its block among the new ones,
    /// 0 being the lowest.
    ///
    /// The new blocks always have new hashes, empty ones too. Their timestamps are the fork's, whatever the time is now, or
    /// rise by `anvil_setBlockTimestampInterval` where that is set. A `newHeads` subscriber hears each new block.
    pub async fn reorganise(&self, depth: u64, transactions: &[(Remined, u64)]) -> anyhow::Result<()> {
        let listed: Vec<(Value, u64)> = transactions.iter().map(|(what, place)| (what.as_json(), *place)).collect();
        Ok(self.node.reorganise(depth, &listed).await?)
    }

    /// Takes the newest `depth` blocks and their transactions away: the chain is shorter until something is mined. A
    /// `newHeads` subscriber hears nothing of it.
    pub async fn rollback(&self, depth: u64) -> anyhow::Result<()> {
        self.request("anvil_rollback", json!([depth])).await.map(drop)
    }

    /// Drops a pending transaction.
    pub async fn forget(&self, hash: TxHash) -> anyhow::Result<()> {
        self.request("anvil_dropTransaction", json!([hash])).await.map(drop)
    }

    /// Remembers the whole chain; [`Evm::revert`] returns to it once.
    pub async fn snapshot(&self) -> anyhow::Result<Value> {
        self.request("evm_snapshot", json!([])).await
    }

    /// Returns to a snapshot.
    pub async fn revert(&self, snapshot: Value) -> anyhow::Result<()> {
        let answer = self.request("evm_revert", json!([snapshot])).await?;
        if answer == Value::Bool(true) { Ok(()) } else { bail!("evm_revert answered {answer}") }
    }

    async fn mined(&self, hash: TxHash) -> anyhow::Result<Receipt> {
        let by = Instant::now().checked_add(MINED_WITHIN).context("a clock at its end")?;
        self.node.mined(hash, by).await?;
        let receipt = self.receipt(hash).await?;
        receipt.with_context(|| format!("{hash} is not mined after {} s", MINED_WITHIN.as_secs()))
    }
}

fn transaction(from: Address, to: Address, call: &Call) -> Value {
    json!({ "from": from, "to": to, "data": call.encode() })
}

fn parsed<T: serde::de::DeserializeOwned>(value: Value) -> anyhow::Result<T> {
    let shown = value.to_string();
    serde_json::from_value(value).with_context(|| format!("anvil answered {shown}"))
}

fn field<T: serde::de::DeserializeOwned>(value: &Value, name: &str) -> anyhow::Result<T> {
    parsed(value.get(name).cloned().unwrap_or_default()).with_context(|| format!("no {name}"))
}

fn receipt_from(value: Value) -> anyhow::Result<Receipt> {
    let number: U64 = field(&value, "blockNumber")?;
    let status: U64 = field(&value, "status")?;
    Ok(Receipt {
        hash: field(&value, "transactionHash")?,
        block: BlockRef { number: BlockNumber(number.to()), hash: field(&value, "blockHash")? },
        success: status == U64::from(1),
        created: field(&value, "contractAddress")?,
        logs: field(&value, "logs")?,
    })
}
