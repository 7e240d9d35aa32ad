//! A node of the scripted world: its own view, its faults, its counters, and the transport that reaches it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use alloy::primitives::{B256, keccak256};
use alloy::rpc::json_rpc::{ErrorPayload, RequestPacket, Response, ResponsePacket, ResponsePayload, SerializedRequest};
use alloy::transports::{BoxTransport, TransportError, TransportErrorKind, TransportFut};
use serde_json::Value;
use tower::Service;

use super::view::{self, Branch, Own, Pruned};
use super::{Block, Counts, Log, State, World, answer};

/// How a node fails as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Down {
    /// No connection.
    Refused,
    /// No answer, ever.
    Hangs,
    /// An HTTP status without JSON-RPC, with `Retry-After` where one is given.
    Status(u16, Option<Duration>),
    /// A JSON-RPC error to everything.
    Error(i64, String),
}

/// What a node tells wrongly; blocks are named by hash, so a lie dies with its block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lie {
    /// It leaves out the log with this index.
    Drop(B256, u64),
    /// It adds this log at the end of the block.
    Invent(B256, Log),
    /// It tells this log in place of the one with this index.
    Alter(B256, u64, Log),
}

/// A limit and the words in which it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    pub most: u64,
    pub code: i64,
    pub message: String,
}

impl Limit {
    pub fn new(most: u64, code: i64, message: &str) -> Limit {
        Limit { most, code, message: message.to_owned() }
    }

    fn exceeded(this: &Option<Limit>, count: u64) -> Option<(i64, String)> {
        this.as_ref().filter(|limit| count > limit.most).map(|limit| (limit.code, limit.message.clone()))
    }
}

/// Faults by probability, 0 to 1, drawn from the node's seed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Chances {
    /// The whole request is refused.
    pub refuse: f64,
    /// One call is answered by an error that says nothing.
    pub error: f64,
    /// Logs are answered by `[]`.
    pub empty: f64,
    /// One of the logs is missing.
    pub partial: f64,
    /// The request is answered as of 1 to 3 blocks earlier.
    pub lag: f64,
    /// The request is one too many: 429 with or without `Retry-After`, or -32005.
    pub limit: f64,
    /// The newest block is answered by `null`.
    pub null: f64,
}

/// What is wrong with a node; nothing by default.
#[derive(Debug, Clone, Default)]
pub struct Behaviour {
    pub lag: u64,
    pub down: Option<Down>,
    pub chain_id: Option<u64>,
    pub genesis: Option<B256>,
    pub lies: Vec<Lie>,
    /// Every question for logs gets `[]`.
    pub empty_logs: bool,
    /// Logs of a block that it lacks are `[]` (reth #7371), not an error.
    pub unknown_is_empty: bool,
    /// `latest` comes with a number so much too high, and a time to match.
    pub boast: u64,
    /// Blocks come with the number below theirs.
    pub wrong_number: bool,
    /// Every log twice.
    pub twice: bool,
    pub max_range: Option<Limit>,
    pub max_results: Option<Limit>,
    pub max_batch: Option<Limit>,
    /// Logs carry no `blockTimestamp`.
    pub no_log_time: bool,
    /// Logs carry this `blockTimestamp`, whatever their block's is.
    pub log_time: Option<u64>,
    /// Blocks that it dates otherwise than they are, in headers and logs.
    pub times: Vec<(B256, u64)>,
    /// It has no `eth_getBlockReceipts`.
    pub no_receipts: bool,
    /// It has no `eth_getTransactionReceipt`.
    pub no_single_receipts: bool,
    /// A batch of more calls is answered, each by this: its answer as a whole would be too long.
    pub max_batch_size: Option<Limit>,
    /// Its headers hold what their hash does not cover, as those of chains that are not Ethereum's shape.
    pub odd_headers: bool,
    /// Blocks that it has in place of the real ones at their heights, right in themselves.
    pub forged: Vec<Arc<Block>>,
    /// Blocks that it has besides its chain, and gives the receipts of where they are asked for by their hash.
    pub aside: Vec<Arc<Block>>,
    /// `safe` and `finalized` are null, not an error.
    pub null_tags: bool,
    /// Where its own `safe` and `finalized` stand, whatever the others say; `Some(None)`: it has none.
    pub tags: Option<Option<u64>>,
    /// It lacks what is old.
    pub pruned: Option<Pruned>,
    /// Blocks by number that it answers by `null`, and how often yet.
    pub null_at: BTreeMap<u64, u64>,
    pub chances: Chances,
}

pub(crate) struct NodeState {
    pub(crate) name: String,
    pub(crate) is: Behaviour,
    pub(crate) counts: Counts,
    pub(super) own: Own,
    /// How often each thing went wrong by chance since the last time somebody looked.
    pub(super) wrongs: Wrongs,
    pub(super) pruned: u64,
    seed: u64,
}

/// How often what a node does by chance happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wrongs {
    pub limited: u64,
    pub backwards: u64,
    pub nulls: u64,
    pub balanced: u64,
    pub pruned: u64,
    pub spoiled: u64,
}

impl NodeState {
    pub(super) fn new(name: &str) -> NodeState {
        let seed = u64::from_be_bytes(keccak256(name)[..8].try_into().unwrap());
        NodeState {
            name: name.to_owned(),
            is: Behaviour::default(),
            counts: Counts::default(),
            own: Own::default(),
            wrongs: Wrongs::default(),
            pruned: 0,
            seed: seed | 1,
        }
    }

    fn draw(&mut self) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed
    }

    fn chance(&mut self, of: f64) -> bool {
        of > 0.0 && (self.draw() >> 11) as f64 / (1u64 << 53) as f64 <= of
    }

    pub(super) fn null(&mut self) -> bool {
        let null = self.chance(self.is.chances.null);
        self.wrongs.nulls += u64::from(null);
        null
    }
}

/// One node; clones are the same one.
#[derive(Clone)]
pub struct Node {
    world: World,
    index: usize,
}

impl Node {
    pub(super) fn new(world: World, index: usize) -> Node {
        Node { world, index }
    }

    /// What a pool is built over.
    pub fn transport(&self) -> BoxTransport {
        BoxTransport::new(self.clone())
    }

    /// Changes what is wrong with it.
    pub fn set(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.world.state().nodes[self.index].is);
    }

    /// Nothing is wrong with it any more, and it follows the chain.
    pub fn heal(&self) {
        self.set(|is| *is = Behaviour::default());
        self.thaw();
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }

    pub(super) fn state_of<T>(&self, act: impl FnOnce(&mut NodeState) -> T) -> T {
        act(&mut self.world.state().nodes[self.index])
    }

    /// How often what it does by chance happened since the last time this was asked.
    pub fn wrongs(&self) -> Wrongs {
        self.state_of(|node| Wrongs { pruned: std::mem::take(&mut node.pruned), ..std::mem::take(&mut node.wrongs) })
    }

    /// Where its randomness starts.
    pub fn seed(&self, seed: u64) {
        self.world.state().nodes[self.index].seed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    }

    /// What reached it since the last [`Node::reset`].
    pub fn counts(&self) -> Counts {
        self.world.state().nodes[self.index].counts.clone()
    }

    /// Starts counting anew.
    pub fn reset(&self) {
        self.world.state().nodes[self.index].counts = Counts::default();
    }
}

impl Service<RequestPacket> for Node {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, packet: RequestPacket) -> Self::Future {
        match receive(&mut self.world.state(), self.index, &packet) {
            Some(answer) => Box::pin(std::future::ready(answer)),
            None => Box::pin(std::future::pending()),
        }
    }
}

/// A request and its answer; `None`: never.
fn receive(state: &mut State, index: usize, packet: &RequestPacket) -> Option<Result<ResponsePacket, TransportError>> {
    let node = &mut state.nodes[index];
    node.counts.packets += 1;
    for method in packet.method_names() {
        *node.counts.calls.entry(method.to_owned()).or_default() += 1;
    }
    let refuse = node.is.chances.refuse;
    match node.is.down.clone().or_else(|| node.chance(refuse).then_some(Down::Refused)) {
        Some(Down::Hangs) => return None,
        Some(Down::Refused) => return Some(Err(TransportErrorKind::custom_str("connection refused"))),
        Some(Down::Status(status, retry_after)) => {
            let error = TransportErrorKind::http_error_with_retry_after(status, "<html>".to_owned(), retry_after);
            return Some(Err(error));
        }
        Some(Down::Error(code, message)) => return Some(Err(error_response(code, message))),
        None => {}
    }
    if node.chance(node.is.chances.limit) {
        return Some(Err(limited(node)));
    }
    if let Some((code, message)) = Limit::exceeded(&node.is.max_batch, packet.len() as u64) {
        return Some(Err(error_response(code, message)));
    }
    let too_long = Limit::exceeded(&node.is.max_batch_size, packet.len() as u64);
    if let (Some((code, message)), RequestPacket::Batch(requests)) = (too_long, packet) {
        let error = ErrorPayload { code, message: message.into(), data: None };
        let respond = |request: &SerializedRequest| Response {
            id: request.id().clone(),
            payload: ResponsePayload::Failure(error.clone()),
        };
        return Some(Ok(ResponsePacket::Batch(requests.iter().map(respond).collect())));
    }
    let view = view(state, index);
    let mut respond = |request: &SerializedRequest| respond(state, index, &view, request);
    Some(Ok(match packet {
        RequestPacket::Single(request) => ResponsePacket::Single(respond(request)),
        RequestPacket::Batch(requests) => ResponsePacket::Batch(requests.iter().map(respond).collect()),
    }))
}

fn error_response(code: i64, message: String) -> TransportError {
    TransportError::ErrorResp(ErrorPayload { code, message: message.into(), data: None })
}

/// Too many requests, in one of the ways in which that is said.
fn limited(node: &mut NodeState) -> TransportError {
    node.wrongs.limited += 1;
    match node.draw() % 3 {
        0 => TransportErrorKind::http_error_with_retry_after(429, String::new(), Some(Duration::from_secs(7))),
        1 => TransportErrorKind::http_error_with_retry_after(429, "<html>slow down</html>".to_owned(), None),
        _ => error_response(-32005, "project rate limit exceeded".to_owned()),
    }
}

/// The chain as the node has it during one request.
fn view(state: &mut State, index: usize) -> Branch {
    let node = &mut state.nodes[index];
    let lag = node.is.chances.lag;
    let extra = if node.chance(lag) { 1 + node.draw() % 3 } else { 0 };
    let behind = (node.is.lag + extra) as usize;
    node.wrongs.backwards += u64::from(extra > 0);
    let pick = if node.own.several() { node.draw() } else { 0 };
    node.wrongs.balanced += u64::from(node.own.several());
    let mut view = node.own.pick(&state.canonical, pick);
    view.truncate(view.len().saturating_sub(behind).max(1));
    for forged in &node.is.forged {
        view.get_mut(forged.number as usize).into_iter().for_each(|block| *block = forged.clone());
    }
    view
}

fn respond(state: &mut State, index: usize, view: &Branch, request: &SerializedRequest) -> Response {
    let mut asked: Value = serde_json::from_str(request.serialized().get()).unwrap();
    let id = request.id().clone();
    let node = &mut state.nodes[index];
    let chances = node.is.chances;
    let outcome = if node.chance(chances.error) {
        Err((-32603, "internal error".to_owned()))
    } else if let Some(outcome) = view::beyond(state, index, view, request, &mut asked["params"]) {
        outcome
    } else {
        answer::answer(state, index, view, request.method(), &asked["params"])
    };
    let payload = match outcome {
        Ok(result) => ResponsePayload::Success(serde_json::value::to_raw_value(&spoil(state, index, result)).unwrap()),
        Err((code, message)) => ResponsePayload::Failure(ErrorPayload { code, message: message.into(), data: None }),
    };
    Response { id, payload }
}

/// Lists of logs lose some, by chance.
fn spoil(state: &mut State, index: usize, mut result: Value) -> Value {
    let node = &mut state.nodes[index];
    let chances = node.is.chances;
    if let Some(logs) = result.as_array_mut().filter(|logs| logs.iter().all(|log| log.get("topics").is_some())) {
        let before = logs.len();
        if node.chance(chances.empty) {
            logs.clear();
        }
        if !logs.is_empty() && node.chance(chances.partial) {
            let at = node.draw() as usize % logs.len();
            logs.remove(at);
        }
        node.wrongs.spoiled += u64::from(logs.len() < before);
    }
    result
}

impl Behaviour {
    pub(super) fn range_limit(&self, blocks: u64) -> Option<(i64, String)> {
        Limit::exceeded(&self.max_range, blocks)
    }

    pub(super) fn result_limit(&self, logs: usize) -> Option<(i64, String)> {
        Limit::exceeded(&self.max_results, logs as u64)
    }
}
