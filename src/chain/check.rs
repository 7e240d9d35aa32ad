//! Holds an answer against what was asked before anyone believes it. Pure. Not for comparing two endpoints: that is the
//! second look's work.

use std::collections::{BTreeMap, HashSet};

use super::ask::{Logs, RangeAsk};
use super::decode;
use super::error::Fault;
use super::json::{LogJson, ReceiptJson};
use crate::domain::{Address, BlockHash, BlockNumber, BlockRef, Header, Transfer, TxHash, time_from_unix};

/// What logs were asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bounds {
    /// One block by its hash.
    Block(BlockRef),
    /// Blocks by number, both ends included.
    Range(BlockNumber, BlockNumber),
}

impl Bounds {
    fn hold(self, block: BlockRef) -> bool {
        match self {
            Bounds::Block(asked) => block == asked,
            Bounds::Range(from, to) => (from..=to).contains(&block.number),
        }
    }
}

/// A log whose place is known.
struct Placed {
    block: BlockRef,
    index: u64,
    tx: TxHash,
    log: LogJson,
}

type Checked<T> = Result<T, Fault>;

fn wrong<T>(what: impl Into<String>) -> Checked<T> {
    Err(Fault::Misbehaving(what.into()))
}

/// The logs of an `eth_getLogs` answer; each must be one that was asked for.
pub(super) fn logs(raw: Vec<LogJson>, tokens: &[Address], bounds: Bounds) -> Checked<Logs> {
    let tokens: HashSet<Address> = tokens.iter().copied().collect();
    if raw.iter().any(|log| !tokens.contains(&log.address)) {
        return wrong("sent a log of a contract that was not asked for");
    }
    if raw.iter().any(|log| log.topics.first() != Some(&decode::TRANSFER)) {
        return wrong("sent a log of an event that was not asked for");
    }
    let placed = raw.into_iter().map(|log| place(log, bounds)).collect::<Checked<Vec<_>>>()?;
    Ok(decoded(in_order(placed)?))
}

/// Our logs among a block's receipts, each of which must be of that block and, where it holds one of ours, of success.
pub(super) fn receipts(raw: Vec<ReceiptJson>, tokens: &[Address], block: BlockRef) -> Checked<Logs> {
    let tokens: HashSet<Address> = tokens.iter().copied().collect();
    let mut placed = Vec::new();
    for receipt in raw {
        let number = receipt.block_number.map(|number| BlockNumber(number.0));
        if receipt.block_hash != Some(block.hash) || number != Some(block.number) {
            return wrong("sent a receipt of another block");
        }
        let ours = |log: &LogJson| tokens.contains(&log.address) && log.topics.first() == Some(&decode::TRANSFER);
        let logs: Vec<LogJson> = receipt.logs.into_iter().filter(ours).collect();
        if !logs.is_empty() && receipt.status.map(|status| status.0) != Some(1) {
            return wrong("sent logs of a transaction that did not succeed");
        }
        for log in logs {
            let log = place(log, Bounds::Block(block))?;
            if log.tx != receipt.transaction_hash {
                return wrong("sent a log of another transaction within a receipt");
            }
            placed.push(log);
        }
    }
    Ok(decoded(in_order(placed)?))
}

fn place(log: LogJson, bounds: Bounds) -> Checked<Placed> {
    if log.removed == Some(true) {
        return wrong("sent a removed log");
    }
    let (Some(number), Some(hash), Some(index), Some(tx)) =
        (log.block_number, log.block_hash, log.log_index, log.transaction_hash)
    else {
        return wrong("sent a log without its place (a pending one)");
    };
    let block = BlockRef { number: BlockNumber(number.0), hash };
    if !bounds.hold(block) {
        return wrong(format!("sent a log of block {}, which was not asked for", block.number));
    }
    if i64::try_from(index.0).is_err() {
        return wrong("sent a log with an impossible index");
    }
    Ok(Placed { block, index: index.0, tx, log })
}

/// By number and index, each once; a number has one hash, and an index one log.
fn in_order(mut placed: Vec<Placed>) -> Checked<Vec<Placed>> {
    placed.sort_by_key(|log| (log.block.number, log.index));
    for pair in placed.windows(2) {
        let [a, b] = pair else { continue };
        if a.block.number != b.block.number {
            continue;
        }
        if a.block.hash != b.block.hash {
            return wrong(format!("sent logs of two blocks with number {}", a.block.number));
        }
        if a.index == b.index && a.log != b.log {
            return wrong(format!("sent two different logs with index {} of block {}", a.index, a.block.number));
        }
    }
    placed.dedup_by_key(|log| (log.block.number, log.index));
    Ok(placed)
}

fn decoded(placed: Vec<Placed>) -> Logs {
    let mut logs = Logs { transfers: Vec::with_capacity(placed.len()), invalid: BTreeMap::new() };
    for Placed { block, index, tx, log } in placed {
        // A zero transaction hash is a log that no transaction emitted (state sync of some chains).
        let movement = decode::transfer(&log.topics, &log.data).filter(|_| !tx.is_zero());
        match movement {
            Some(decode::Movement { from, to, units }) => logs.transfers.push(Transfer {
                block,
                time: log.block_timestamp.and_then(|seconds| time_from_unix(seconds.0)),
                tx_hash: tx,
                log_index: index,
                token: log.address,
                from,
                to,
                units,
            }),
            None => {
                let count = logs.invalid.entry(log.address).or_default();
                *count = count.saturating_add(1);
            }
        }
    }
    logs
}

/// The header that was asked for by number, not another one.
pub(super) fn numbered(header: Header, asked: BlockNumber) -> Checked<Header> {
    if header.block.number == asked {
        Ok(header)
    } else {
        wrong(format!("gave block {} when asked for {asked}", header.block.number))
    }
}

/// One answer tells of one branch. A node that imports a block, or a balancer that asks two nodes, while it answers is
/// no liar: it is asked again.
pub(super) fn one_branch(ask: &RangeAsk, headers: &[Option<Header>], logs: &Logs) -> Checked<()> {
    let moved = |number: BlockNumber| {
        Err(Fault::Refused(format!("gave two hashes for block {number}: its chain moved while it answered")))
    };
    let mut known: BTreeMap<BlockNumber, BlockHash> = BTreeMap::new();
    let blocks = headers.iter().flatten().map(|header| header.block);
    for block in blocks.chain(logs.transfers.iter().map(|transfer| transfer.block)) {
        if *known.entry(block.number).or_insert(block.hash) != block.hash {
            return moved(block.number);
        }
    }
    for header in headers.iter().flatten() {
        let below = header.block.number.0.checked_sub(1).map(BlockNumber);
        if below.and_then(|number| known.get(&number)).is_some_and(|hash| *hash != header.parent) {
            return moved(header.block.number);
        }
    }
    let gone = ask
        .headers
        .iter()
        .zip(headers)
        .find(|(number, header)| header.is_none() && known.range(**number..).next().is_some());
    match gone {
        Some((number, _)) => Err(Fault::Refused(format!("has blocks above {number} but not that one"))),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
