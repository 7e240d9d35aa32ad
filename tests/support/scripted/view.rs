//! What part of the world one request to a node sees: a branch of its own, another one each time, less than there is.

use std::sync::Arc;

use alloy::rpc::json_rpc::SerializedRequest;
use serde_json::{Value, json};

use super::{Block, Node, State, Tx, World};

/// A chain as a node has it: genesis first.
pub type Branch = Vec<Arc<Block>>;

/// Blocks that a node no longer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruned {
    /// Questions about blocks below this one get an error.
    Errors(u64),
    /// They get `null`, and no logs.
    Empty(u64),
}

/// Where a node's chain is another one than the world's.
#[derive(Default)]
pub(crate) struct Own {
    /// The chains behind this node; each request is answered from one of them, picked at random. Empty: the world's.
    branches: Vec<Branch>,
    /// Besides them, the world's own chain is one.
    and_the_worlds: bool,
    /// The tags as they stood when it left the world's chain.
    tags: (Option<u64>, Option<u64>),
}

impl Own {
    pub(super) fn pick(&self, canonical: &Branch, draw: u64) -> Branch {
        let all = self.branches.len() + usize::from(self.and_the_worlds || self.branches.is_empty());
        self.branches.get(draw as usize % all).unwrap_or(canonical).clone()
    }

    /// How many chains stand behind the node.
    pub(super) fn several(&self) -> bool {
        self.branches.len() + usize::from(self.and_the_worlds) > 1
    }
}

impl World {
    /// A branch that leaves the chain `depth` blocks below its head; the world's own chain stays as it is.
    pub fn branch(&self, depth: u64, blocks: Vec<(u64, Vec<Tx>)>) -> Branch {
        let mut state = self.state();
        let canonical = state.canonical.clone();
        let keep = canonical.len().saturating_sub(depth as usize).max(1);
        state.canonical.truncate(keep);
        for (time, txs) in blocks {
            state.mine(time, txs);
        }
        std::mem::replace(&mut state.canonical, canonical)
    }
}

impl Node {
    /// Stays on the branch and height of this moment.
    pub fn freeze(&self) {
        let canonical = self.world().canonical();
        let base = canonical.len() as u64;
        self.own(vec![canonical], false, base);
    }

    /// Serves this branch, and this one only.
    pub fn serve(&self, branch: Branch) {
        let base = self.parting(&branch);
        self.own(vec![branch], false, base);
    }

    /// Each request is answered as of the world's chain or one of these, picked at random: nodes behind one address.
    pub fn balance(&self, branches: Vec<Branch>) {
        let base = branches.iter().map(|branch| self.parting(branch)).min().unwrap_or_default();
        self.own(branches, true, base);
    }

    /// Follows the chain again.
    pub fn thaw(&self) {
        self.state_of(|node| node.own = Own::default());
    }

    /// The height of the first block that the world's chain does not share.
    fn parting(&self, branch: &Branch) -> u64 {
        let canonical = self.world().canonical();
        canonical.iter().zip(branch).take_while(|(ours, theirs)| ours.hash == theirs.hash).count() as u64
    }

    fn own(&self, branches: Vec<Branch>, and_the_worlds: bool, parting: u64) {
        let (safe, finalized) = self.world().tags();
        let below = |tag: Option<u64>| tag.map(|tag| tag.min(parting.saturating_sub(1)));
        let tags = (below(safe), below(finalized));
        self.state_of(|node| node.own = Own { branches, and_the_worlds, tags });
    }
}

/// What a node says without looking at its chain: to questions about blocks it no longer has, and about tags where it
/// left the world's chain. `None`: it looks.
pub(super) fn beyond(
    state: &mut State,
    index: usize,
    view: &Branch,
    request: &SerializedRequest,
    params: &mut Value,
) -> Option<Result<Value, (i64, String)>> {
    let node = &mut state.nodes[index];
    let about_a_block = request.method() == "eth_getBlockByNumber";
    let asked = params[0].as_str().unwrap_or_default().to_owned();
    if about_a_block && asked == "latest" && node.null() {
        return Some(Ok(Value::Null));
    }
    if about_a_block && let Some(left @ 1..) = height(&params[0]).and_then(|number| node.is.null_at.get_mut(&number)) {
        *left -= 1;
        return Some(Ok(Value::Null));
    }
    let of_a_tag = ["safe", "finalized"].contains(&asked.as_str()) && node.is.tags.is_none();
    if about_a_block && !node.own.branches.is_empty() && of_a_tag {
        let (safe, finalized) = node.own.tags;
        match if asked == "safe" { safe } else { finalized } {
            Some(tag) => params[0] = json!(format!("{tag:#x}")),
            None => return Some(Err((-39001, "Unknown block".to_owned()))),
        }
    }
    let (Pruned::Errors(floor) | Pruned::Empty(floor)) = node.is.pruned?;
    let by_hash = |hash: &Value| view.iter().find(|block| json!(block.hash) == *hash).map(|block| block.number);
    let lowest = match request.method() {
        // Whatever a node drops, it keeps the block that tells its chain.
        "eth_getBlockByNumber" => height(&params[0]).filter(|number| *number > 0),
        "eth_getBlockReceipts" => by_hash(&params[0]),
        "eth_getLogs" => height(&params[0]["fromBlock"]).or_else(|| by_hash(&params[0]["blockHash"])),
        _ => None,
    };
    if lowest.is_none_or(|lowest| lowest >= floor) {
        return None;
    }
    node.pruned += 1;
    Some(match (node.is.pruned, request.method()) {
        (Some(Pruned::Errors(_)), _) => Err((4444, "pruned history unavailable".to_owned())),
        (_, "eth_getLogs") => Ok(json!([])),
        _ => Ok(Value::Null),
    })
}

fn height(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}
