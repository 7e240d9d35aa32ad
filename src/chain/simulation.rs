//! A node of a test chain that does what it is told: pays from accounts that it holds unlocked, mines, lets time pass,
//! replaces blocks. No key anywhere. Not for reading a chain: that is the [`super::Pool`], which believes nothing.
//!
//! Nothing is sent before the node has said which chain it serves, and that it is the configured one and carries no real
//! money: an endpoint may be exchanged behind its name.

use std::time::Duration;

use alloy::primitives::{B256, Bytes, U64, U256};
use alloy::rpc::client::RpcClient;
use alloy::sol_types::SolCall;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use url::Url;

use super::call::fault;
use super::dial::Dialler;
use super::error::Fault;
use super::json::{HeaderJson, Quantity, ReceiptJson};
use super::pool::transport;
use super::redact::Redactor;
use super::wire::Limits;
use crate::domain::{
    Address, BlockNumber, BlockRef, ChainId, EndpointKey, Header, MAINNET_CHAIN_IDS, Secret, TxHash, Units,
};
use crate::settings;

/// Whoever waits for a deed is a person.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(3),
    total: Duration::from_secs(5),
    idle: Duration::from_secs(5),
    bytes: 4 << 20,
    silence: Duration::from_secs(60),
    rebuild: Duration::from_secs(1),
};
/// How often it is looked whether a transaction is mined.
const LOOK_EVERY: Duration = Duration::from_millis(5);

mod abi {
    #![allow(missing_docs, clippy::missing_docs_in_private_items)]
    alloy::sol! {
        function transfer(address to, uint256 value);
        function balanceOf(address owner) returns (uint256);
    }
}

/// Why a node did not do it. Names an endpoint by its key and never by its address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// It cannot be reached, or gave no answer in time: trying again later makes sense.
    #[error("{0}")]
    Unavailable(String),
    /// It lacks the method.
    #[error("{0}")]
    Unsupported(String),
    /// It will not, or must not be asked.
    #[error("{0}")]
    Refused(String),
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mined {
    /// Its hash.
    pub hash: TxHash,
    /// Where it was mined.
    pub block: BlockRef,
    /// False: it was reverted and moved nothing.
    pub success: bool,
}

/// One node of a test chain.
#[derive(Debug, Clone)]
pub struct TestNode {
    name: String,
    redactor: Redactor,
    client: RpcClient,
}

/// Input of an ERC-20 `transfer`.
pub fn transfer_input(to: Address, units: Units) -> Bytes {
    abi::transferCall { to, value: units.0 }.abi_encode().into()
}

impl TestNode {
    /// The first endpoint of a network that holds unlocked accounts. One that serves another chain, or one with real
    /// money, ends the search.
    pub async fn reach(network: &settings::Network) -> Result<TestNode, NodeError> {
        let mut why = None;
        for endpoint in &network.endpoints {
            let node = TestNode::of(Some(&endpoint.key), &endpoint.url, LIMITS)?;
            match node.has_accounts(network.chain_id).await {
                Ok(()) => return Ok(node),
                Err(error @ NodeError::Refused(_)) => return Err(error),
                Err(error) => why = why.or(Some(error)),
            }
        }
        Err(why.unwrap_or_else(|| NodeError::Refused(format!("network {} has no endpoint", network.slug))))
    }

    /// The node at a URL, which is asked for nothing yet.
    pub fn at(url: Url, limits: Limits) -> Result<TestNode, NodeError> {
        TestNode::of(None, &Secret::new(url), limits)
    }

    fn of(key: Option<&EndpointKey>, url: &Secret<Url>, limits: Limits) -> Result<TestNode, NodeError> {
        let name = key.map_or_else(|| "the node".to_owned(), |key| format!("endpoint {key}"));
        let transport = transport(&Dialler::new(url.clone(), limits))
            .map_err(|why| NodeError::Refused(format!("{name}: {why}")))?;
        Ok(TestNode { name, redactor: Redactor::new(url.expose()), client: RpcClient::new(transport, false) })
    }

    async fn has_accounts(&self, expected: ChainId) -> Result<(), NodeError> {
        let found = ChainId(self.call::<Quantity>("eth_chainId", json!([])).await?.0);
        self.belongs(found, expected).map_err(NodeError::Refused)?;
        let none = "has no unlocked accounts to pay from; simulate on a node that has some, such as anvil";
        match self.accounts().await {
            Ok(accounts) if accounts.is_empty() => Err(NodeError::Unsupported(format!("{} {none}", self.name))),
            Err(NodeError::Unsupported(_)) => Err(NodeError::Unsupported(format!("{} {none}", self.name))),
            Err(error) => Err(error),
            Ok(_) => Ok(()),
        }
    }

    /// Whether play money may be moved on the chain that a node says it serves.
    fn belongs(&self, found: ChainId, expected: ChainId) -> Result<(), String> {
        if MAINNET_CHAIN_IDS.contains(&found) {
            return Err(format!("{} serves chain {found}, which carries real money; nothing was sent", self.name));
        }
        if found != expected {
            return Err(format!("{} serves chain {found} instead of {expected}; nothing was sent", self.name));
        }
        Ok(())
    }

    /// Accounts that it signs for.
    pub async fn accounts(&self) -> Result<Vec<Address>, NodeError> {
        self.call("eth_accounts", json!([])).await
    }

    /// Base units of a token.
    pub async fn balance(&self, token: Address, owner: Address) -> Result<Units, NodeError> {
        let input = Bytes::from(abi::balanceOfCall { owner }.abi_encode());
        let word: B256 = self.call("eth_call", json!([{ "to": token, "data": input }, "latest"])).await?;
        Ok(Units(U256::from_be_bytes(word.0)))
    }

    /// Makes an account own just so many of a token.
    pub async fn deal(&self, token: Address, owner: Address, units: Units) -> Result<(), NodeError> {
        let cure = "has too few tokens on its accounts, and cannot make some: only anvil can (anvil_dealERC20)";
        let dealt = self.call::<Value>("anvil_dealERC20", json!([owner, token, units.0])).await;
        self.needs(dealt.map(drop), cure)
    }

    /// Sends tokens and says the transaction's hash; it may be mined later.
    pub async fn transfer(
        &self,
        from: Address,
        token: Address,
        to: Address,
        units: Units,
    ) -> Result<TxHash, NodeError> {
        self.send(json!({ "from": from, "to": token, "data": transfer_input(to, units) })).await
    }

    /// Sends a transaction of one of its accounts.
    pub async fn send(&self, transaction: Value) -> Result<TxHash, NodeError> {
        self.call("eth_sendTransaction", json!([transaction])).await
    }

    /// Waits for a transaction's block, mining one if nobody else does; `None` if it is not there by then.
    pub async fn mined(&self, hash: TxHash, by: Instant) -> Result<Option<Mined>, NodeError> {
        if !self.mines_itself().await? {
            self.mine(1).await?;
        }
        loop {
            let mined = self.receipt(hash).await?;
            if mined.is_some() || Instant::now() >= by {
                return Ok(mined);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// What became of a transaction: `None` while pending, unknown or orphaned.
    pub async fn receipt(&self, hash: TxHash) -> Result<Option<Mined>, NodeError> {
        let receipt: Option<ReceiptJson> = self.call("eth_getTransactionReceipt", json!([hash])).await?;
        let mined = |receipt: ReceiptJson| {
            let block = BlockRef { number: BlockNumber(receipt.block_number?.0), hash: receipt.block_hash? };
            Some(Mined { hash, block, success: receipt.status != Some(Quantity(0)) })
        };
        Ok(receipt.and_then(mined))
    }

    /// The newest block.
    pub async fn head(&self) -> Result<Header, NodeError> {
        let head = self.header("latest").await?;
        head.ok_or_else(|| NodeError::Refused(format!("{} has no block yet", self.name)))
    }

    /// A block by `latest`, `safe`, `finalized` or its number as `0x…`; `None` when there is none.
    pub async fn header(&self, block: &str) -> Result<Option<Header>, NodeError> {
        const METHOD: &str = "eth_getBlockByNumber";
        let header: Option<HeaderJson> = self.call(METHOD, json!([block, false])).await?;
        header.map(HeaderJson::mined).transpose().map_err(|fault| self.told(METHOD, fault))
    }

    /// Mines blocks; pending transactions go into the first.
    pub async fn mine(&self, blocks: u64) -> Result<(), NodeError> {
        match self.call::<Value>("anvil_mine", json!([U64::from(blocks)])).await {
            Err(NodeError::Unsupported(_)) => {}
            answer => return answer.map(drop),
        }
        for _ in 0..blocks {
            let mined = self.call::<Value>("evm_mine", json!([])).await;
            self.needs(mined.map(drop), "mines when it will: only test nodes such as anvil mine when told to")?;
        }
        Ok(())
    }

    /// Puts the chain's time forward; the next block has it.
    pub async fn advance(&self, seconds: u64) -> Result<(), NodeError> {
        let advanced = self.call::<Value>("evm_increaseTime", json!([seconds])).await;
        self.needs(advanced.map(drop), "keeps its own time: only test nodes such as anvil can put it forward")
    }

    /// Replaces the newest `depth` blocks by as many others with these transactions and nothing else: each stands with
    /// the place of its block among the new ones, 0 being the lowest. What was mined in the old ones is dropped.
    pub async fn reorganise(&self, depth: u64, transactions: &[(Value, u64)]) -> Result<(), NodeError> {
        let replaced = self.call::<Value>("anvil_reorg", json!([depth, transactions])).await;
        self.needs(replaced.map(drop), "cannot replace blocks: only anvil can (anvil_reorg)")
    }

    async fn mines_itself(&self) -> Result<bool, NodeError> {
        match self.call::<Value>("anvil_getAutomine", json!([])).await {
            Ok(Value::Bool(true)) => return Ok(true),
            // No test node: somebody mines it.
            Err(NodeError::Unsupported(_)) => return Ok(true),
            answer => drop(answer?),
        }
        let seconds: Value = self.call("anvil_getIntervalMining", json!([])).await?;
        Ok(seconds.as_u64().unwrap_or_default() > 0)
    }

    /// Any other request.
    pub async fn request(&self, method: &str, params: Value) -> Result<Value, NodeError> {
        self.call(method, params).await
    }

    async fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, NodeError> {
        let answer: Value =
            self.client.request(method.to_owned(), params).await.map_err(|error| self.told(method, fault(error, 0)))?;
        let unreadable = |error: serde_json::Error| {
            self.told(method, Fault::Misbehaving(format!("gave a result that cannot be read: {error}")))
        };
        serde_json::from_value(answer).map_err(unreadable)
    }

    /// In words, without any address.
    fn told(&self, method: &str, fault: Fault) -> NodeError {
        let text = format!("{}: {method}: {}", self.name, self.redactor.clean(fault.reason()));
        match fault {
            Fault::Timeout | Fault::Outage(_) | Fault::RateLimited { .. } => NodeError::Unavailable(text),
            Fault::Unsupported(_) => NodeError::Unsupported(text),
            Fault::TooWide { .. }
            | Fault::Refused(_)
            | Fault::Missing(_)
            | Fault::Misbehaving(_)
            | Fault::Batch { .. } => NodeError::Refused(text),
        }
    }

    /// Says what it cannot do instead of which method it lacks.
    fn needs(&self, answer: Result<(), NodeError>, lack: &str) -> Result<(), NodeError> {
        match answer {
            Err(NodeError::Unsupported(_)) => Err(NodeError::Unsupported(format!("{} {lack}", self.name))),
            answer @ (Ok(()) | Err(NodeError::Unavailable(_) | NodeError::Refused(_))) => answer,
        }
    }
}
