//! A scripted chain: one world in memory that a test mines, reorganises and lies with, and nodes that serve it to the
//! watcher as in-process transports. Deterministic: no clock, no threads, no randomness but a node's seed.
//!
//! Included by test binaries with `#[path]`. Not a node: it knows just what the watcher asks.
//!
//! ```ignore
//! let world = World::new(31_337);
//! let node = world.node("one");
//! let paid = world.pay(token, payer, shop, U256::from(5));
//! world.mine(vec![paid.clone()]);
//! world.reorg(1, vec![vec![], vec![paid]]);
//! let pool = Pool::with_transports(&network, vec![(key, node.transport())]);
//! ```

#![allow(dead_code, missing_docs, unreachable_pub, unused_imports)]
#![allow(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::wildcard_enum_match_arm)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "scripted/answer.rs"]
mod answer;
#[path = "scripted/node.rs"]
mod node;
#[path = "scripted/shape.rs"]
mod shape;
#[path = "scripted/view.rs"]
mod view;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use alloy::primitives::{Address, B256, Bytes, U256, address, keccak256};
use deposit_watcher::domain::{BlockNumber, BlockRef, Header, time_from_unix};

pub use node::{Behaviour, Chances, Down, Lie, Limit, Node, Wrongs};
pub use view::{Branch, Pruned};

/// The timestamp of block 0.
pub const GENESIS_TIME: u64 = 1_700_000_000;
/// Seconds between blocks where nothing else is said.
pub const SPACING: u64 = 2;

/// `keccak256("Transfer(address,address,uint256)")`
pub fn transfer_topic() -> B256 {
    keccak256("Transfer(address,address,uint256)")
}

/// A log before it has a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub address: Address,
    pub topics: Vec<B256>,
    pub data: Bytes,
}

impl Log {
    /// A well-formed ERC-20 transfer.
    pub fn transfer(token: Address, from: Address, to: Address, units: U256) -> Log {
        let topics = vec![transfer_topic(), from.into_word(), to.into_word()];
        Log { address: token, topics, data: Bytes::from(units.to_be_bytes::<32>()) }
    }

    /// An ERC-721 transfer: the same topic, a fourth one, no data.
    pub fn erc721(token: Address, from: Address, to: Address, id: U256) -> Log {
        let topics = vec![transfer_topic(), from.into_word(), to.into_word(), B256::from(id)];
        Log { address: token, topics, data: Bytes::new() }
    }

    /// A transfer with data that is no uint256.
    pub fn odd(token: Address, from: Address, to: Address) -> Log {
        Log { data: Bytes::from(vec![1, 2, 3]), ..Log::transfer(token, from, to, U256::ZERO) }
    }

    /// An event that nobody asked for.
    pub fn noise(contract: Address) -> Log {
        Log { address: contract, topics: vec![keccak256("Noise()")], data: Bytes::new() }
    }
}

/// A transaction; mined again after a reorganisation it keeps its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tx {
    pub hash: B256,
    pub logs: Vec<Log>,
}

/// A block of some branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub number: u64,
    pub hash: B256,
    pub parent: B256,
    pub time: u64,
    pub txs: Vec<Tx>,
    /// All of its header: what it hashes to is its hash.
    pub head: alloy::consensus::Header,
}

impl Block {
    fn new(parent: B256, number: u64, time: u64, txs: Vec<Tx>, salt: u64) -> Block {
        let head = shape::header(parent, number, time, &txs, salt);
        Block { number, hash: head.hash_slow(), parent, time, txs, head }
    }

    /// As the watcher knows it.
    pub fn header(&self) -> Header {
        let block = BlockRef { number: BlockNumber(self.number), hash: self.hash };
        Header { block, parent: self.parent, time: time_from_unix(self.time).unwrap() }
    }

    /// Its logs with their transaction, in order: the position is the log index.
    pub fn logs(&self) -> impl Iterator<Item = (&Tx, &Log)> {
        self.txs.iter().flat_map(|tx| tx.logs.iter().map(move |log| (tx, log)))
    }
}

/// What a contract answers to `decimals()`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecimalsAnswer {
    Is(u8),
    Bytes(Bytes),
    Revert,
}

/// That a node showed a block, to be held against what the watcher knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    pub node: String,
    pub block: BlockRef,
    /// True when its logs were served, false for its header only.
    pub logs: bool,
}

/// Requests that reached a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// HTTP requests: a batch is one.
    pub packets: u64,
    /// JSON-RPC calls by method.
    pub calls: BTreeMap<String, u64>,
}

pub(crate) struct State {
    pub(crate) chain_id: u64,
    pub(crate) canonical: Vec<Arc<Block>>,
    /// Every block that ever was, orphans included.
    pub(crate) known: HashMap<B256, Arc<Block>>,
    pub(crate) safe: Option<u64>,
    pub(crate) finalized: Option<u64>,
    pub(crate) decimals: HashMap<Address, DecimalsAnswer>,
    pub(crate) nodes: Vec<node::NodeState>,
    pub(crate) served: Vec<Served>,
    salt: u64,
}

/// The world; clones are the same one.
#[derive(Clone)]
pub struct World(Arc<Mutex<State>>);

impl World {
    /// A chain with its genesis block.
    pub fn new(chain_id: u64) -> World {
        let genesis = Arc::new(Block::new(B256::ZERO, 0, GENESIS_TIME, vec![], chain_id));
        let hash = genesis.hash;
        World(Arc::new(Mutex::new(State {
            chain_id,
            canonical: vec![genesis.clone()],
            known: HashMap::from([(hash, genesis)]),
            safe: None,
            finalized: None,
            decimals: HashMap::new(),
            nodes: vec![],
            served: vec![],
            salt: 0,
        })))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// A node that shows this world, honest until told otherwise.
    pub fn node(&self, name: &str) -> Node {
        let mut state = self.state();
        state.nodes.push(node::NodeState::new(name));
        Node::new(self.clone(), state.nodes.len() - 1)
    }

    /// A transaction of these logs, with a hash of its own.
    pub fn tx(&self, logs: Vec<Log>) -> Tx {
        let mut state = self.state();
        state.salt += 1;
        Tx { hash: keccak256(format!("transaction {}", state.salt)), logs }
    }

    /// A transaction with one transfer.
    pub fn pay(&self, token: Address, from: Address, to: Address, units: U256) -> Tx {
        self.tx(vec![Log::transfer(token, from, to, units)])
    }

    /// The next block, [`SPACING`] seconds on.
    pub fn mine(&self, txs: Vec<Tx>) -> Header {
        let time = self.head().time.timestamp() as u64 + SPACING;
        self.mine_at(time, txs)
    }

    /// The next block, at a time of choice.
    pub fn mine_at(&self, time: u64, txs: Vec<Tx>) -> Header {
        self.state().mine(time, txs)
    }

    /// So many empty blocks.
    pub fn mine_empty(&self, count: u64) {
        (0..count).for_each(|_| _ = self.mine(vec![]));
    }

    /// Drops the last `depth` blocks and mines these instead: fewer, as many or more. Their hashes are new even where
    /// their content is not. What is not mined again is dropped.
    pub fn reorg(&self, depth: u64, blocks: Vec<Vec<Tx>>) {
        self.rewind(depth);
        blocks.into_iter().for_each(|txs| _ = self.mine(txs));
    }

    /// The same with timestamps.
    pub fn reorg_at(&self, depth: u64, blocks: Vec<(u64, Vec<Tx>)>) {
        self.rewind(depth);
        blocks.into_iter().for_each(|(time, txs)| _ = self.mine_at(time, txs));
    }

    /// Drops the last `depth` blocks, never genesis.
    pub fn rewind(&self, depth: u64) {
        let mut state = self.state();
        let keep = state.canonical.len().saturating_sub(depth as usize).max(1);
        state.canonical.truncate(keep);
    }

    /// Another block for a height that is mined, on the same parent, which nobody has until a node is told to.
    pub fn forge(&self, number: u64, txs: Vec<Tx>) -> Arc<Block> {
        let real = self.block(number).unwrap();
        Arc::new(Block::new(real.parent, number, real.time, txs, u64::MAX))
    }

    /// The newest block.
    pub fn head(&self) -> Header {
        self.state().canonical.last().unwrap().header()
    }

    /// The canonical block at a height.
    pub fn block(&self, number: u64) -> Option<Arc<Block>> {
        self.state().canonical.get(number as usize).cloned()
    }

    /// A block of any branch that ever was.
    pub fn known(&self, hash: B256) -> Option<Arc<Block>> {
        self.state().known.get(&hash).cloned()
    }

    /// The canonical chain, from genesis.
    pub fn canonical(&self) -> Vec<Arc<Block>> {
        self.state().canonical.clone()
    }

    /// Transactions of the last `depth` blocks, to be mined again.
    pub fn recent_txs(&self, depth: u64) -> Vec<Vec<Tx>> {
        let state = self.state();
        let from = state.canonical.len().saturating_sub(depth as usize).max(1);
        state.canonical[from..].iter().map(|block| block.txs.clone()).collect()
    }

    /// Where the tags stand; `None`: the nodes have no such tag.
    pub fn set_tags(&self, safe: Option<u64>, finalized: Option<u64>) {
        let mut state = self.state();
        (state.safe, state.finalized) = (safe, finalized);
    }

    /// Where they stand: (safe, finalized).
    pub fn tags(&self) -> (Option<u64>, Option<u64>) {
        let state = self.state();
        (state.safe, state.finalized)
    }

    /// What a token answers to `decimals()`; without, there is no contract.
    pub fn set_decimals(&self, token: Address, answer: DecimalsAnswer) {
        self.state().decimals.insert(token, answer);
    }

    /// Every block that any node showed, in order.
    pub fn served(&self) -> Vec<Served> {
        self.state().served.clone()
    }

    /// Whether any node showed this block's logs.
    pub fn served_logs(&self, hash: B256) -> bool {
        self.state().served.iter().any(|served| served.logs && served.block.hash == hash)
    }
}

impl State {
    fn mine(&mut self, time: u64, txs: Vec<Tx>) -> Header {
        let parent = self.canonical.last().unwrap().clone();
        self.salt += 1;
        let block = Arc::new(Block::new(parent.hash, parent.number + 1, time, txs, self.salt));
        self.known.insert(block.hash, block.clone());
        self.canonical.push(block.clone());
        block.header()
    }
}

/// The token of most tests.
pub const TOKEN: Address = address!("00000000000000000000000000000000000000ee");
/// Another one.
pub const OTHER_TOKEN: Address = address!("00000000000000000000000000000000000000ef");
/// Who pays in most tests.
pub const PAYER: Address = address!("00000000000000000000000000000000000000aa");

/// An address that differs for each number.
pub fn account(number: u64) -> Address {
    Address::from_word(keccak256(format!("account {number}")))
}
