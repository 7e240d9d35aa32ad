//! What a block's header proves of its receipts. Pure: no question is asked here.
//!
//! A header's hash covers its receipts root, and that root every receipt with its logs, their order and whether its
//! transaction succeeded. So who knows the hash needs to believe nobody about the rest: a header that hashes to another
//! value, or receipts that build another root, are no proof. Not covered, because receipts do not hold them, are the
//! hashes of the transactions; and that the block is on the chain at all, only agreement about its hash can say.

use alloy::consensus::Header as FullHeader;
use alloy::consensus::proofs::ordered_trie_root_encoded;
use alloy::primitives::{B256, Bloom, Log, LogData};
use alloy::rlp::{Encodable, Header as RlpHeader};

use super::ask::Logs;
use super::check::{self, Bounds};
use super::decode::TRANSFER;
use super::json::{LogJson, Quantity};
use crate::domain::{Address, BlockRef, Header, time_from_unix};

/// A deposit of the OP Stack: since Canyon its receipt ends with the nonce and the version that nodes tell of it
/// (`EncodeIndex` in ethereum-optimism/op-geth, core/types/receipt.go).
const DEPOSIT: u8 = 0x7e;

/// A block as `eth_getBlockByHash` gives it: every field that its hash covers.
#[derive(Debug, Clone, serde::Deserialize)]
pub(super) struct FullBlock {
    #[serde(flatten)]
    pub(super) header: FullHeader,
}

/// A receipt with every field that the receipts root covers.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FullReceipt {
    #[serde(rename = "type")]
    pub(super) kind: Option<Quantity>,
    pub(super) transaction_hash: B256,
    pub(super) status: Option<Quantity>,
    pub(super) cumulative_gas_used: Quantity,
    pub(super) logs_bloom: Bloom,
    pub(super) logs: Vec<LogJson>,
    pub(super) deposit_nonce: Option<Quantity>,
    pub(super) deposit_receipt_version: Option<Quantity>,
}

/// Transfers that a block's header proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The header, whose hash was recomputed.
    pub header: Header,
    /// All transfers of the tokens asked for, with the block's own time.
    pub logs: Logs,
    /// How many receipts the block has.
    pub receipts: usize,
}

/// Why there is no proof. It says nothing about what the block holds: nothing follows from it but to wait and to tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// The endpoint has no such block, or not its receipts.
    #[error("it does not have the block or its receipts")]
    Absent,
    /// It lacks `eth_getBlockReceipts`.
    #[error("it has no eth_getBlockReceipts")]
    NoMethod,
    /// It does not give the block or its receipts, for a reason of its own.
    #[error("it does not give the block and its receipts ({0})")]
    Refused(String),
    /// The header does not hash to the block's hash.
    #[error(
        "its header does not hash to the block's hash ({0}): it is forged, or this chain does not hash its headers as \
         Ethereum does and verify = \"receipts\" can confirm nothing on it"
    )]
    Header(String),
    /// The receipts do not build the header's receipts root.
    #[error(
        "its receipts are not those that the block's header commits to ({0}): one is forged or missing, or this chain \
         does not encode receipts as Ethereum does"
    )]
    Receipts(String),
}

/// The transfers of `tokens` in a block of which the hash is known.
pub(super) fn prove(
    block: BlockRef,
    told: &FullBlock,
    receipts: Vec<FullReceipt>,
    tokens: &[Address],
) -> Result<Proof, Unproven> {
    let header = proven_header(block, &told.header)?;
    let encoded = receipts.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
    let root = ordered_trie_root_encoded(&encoded);
    if root != told.header.receipts_root {
        let (found, count) = (told.header.receipts_root, receipts.len());
        return Err(Unproven::Receipts(format!("the root of {count} receipts is {root}, the header says {found}")));
    }
    let count = receipts.len();
    let ours = in_place(receipts)?.into_iter().filter(|log| is_ours(log, tokens)).collect();
    let checked = check::logs(ours, tokens, Bounds::Block(block));
    let mut logs = checked.map_err(|fault| Unproven::Receipts(format!("it {}", fault.reason())))?;
    logs.transfers.iter_mut().for_each(|transfer| transfer.time = Some(header.time));
    Ok(Proof { header, logs, receipts: count })
}

fn is_ours(log: &LogJson, tokens: &[Address]) -> bool {
    tokens.contains(&log.address) && log.topics.first() == Some(&TRANSFER)
}

/// The header as the house knows it, once its fields hash to what they must.
fn proven_header(block: BlockRef, full: &FullHeader) -> Result<Header, Unproven> {
    let hash = full.hash_slow();
    if hash != block.hash {
        return Err(Unproven::Header(format!("{hash} instead of {}", block.hash)));
    }
    if full.number != block.number.0 {
        return Err(Unproven::Header(format!("it is of height {} instead of {}", full.number, block.number)));
    }
    match time_from_unix(full.timestamp) {
        Some(time) => Ok(Header { block, parent: full.parent_hash, time }),
        None => Err(Unproven::Header("its time is in no calendar".to_owned())),
    }
}

/// The bytes that the receipts root covers: a type and a list, of legacy transactions the list alone (EIP-2718).
fn encode(receipt: &FullReceipt) -> Result<Vec<u8>, Unproven> {
    let malformed = |what: &str| Unproven::Receipts(format!("that of {} has {what}", receipt.transaction_hash));
    let succeeded = match receipt.status {
        Some(Quantity(1)) => true,
        Some(Quantity(0)) => false,
        Some(_) | None => return Err(malformed("no status")),
    };
    let kind = receipt.kind.map_or(Ok(0), |kind| u8::try_from(kind.0)).map_err(|_| malformed("an impossible type"))?;
    let mut list = Vec::new();
    succeeded.encode(&mut list);
    receipt.cumulative_gas_used.0.encode(&mut list);
    receipt.logs_bloom.encode(&mut list);
    receipt.logs.iter().map(as_logged).collect::<Vec<_>>().encode(&mut list);
    if let (DEPOSIT, Some(version)) = (kind, receipt.deposit_receipt_version) {
        receipt.deposit_nonce.map_or(0, |nonce| nonce.0).encode(&mut list);
        version.0.encode(&mut list);
    }
    let mut bytes = if kind == 0 { Vec::new() } else { vec![kind] };
    RlpHeader { list: true, payload_length: list.len() }.encode(&mut bytes);
    bytes.append(&mut list);
    Ok(bytes)
}

fn as_logged(log: &LogJson) -> Log {
    Log { address: log.address, data: LogData::new_unchecked(log.topics.clone(), log.data.clone()) }
}

/// All logs, each saying of itself where it stands: counted through the block, in its receipt's transaction. Nothing
/// proves those words but their order, and a log is identified by its index.
fn in_place(receipts: Vec<FullReceipt>) -> Result<Vec<LogJson>, Unproven> {
    let mut placed = Vec::new();
    for receipt in receipts {
        for log in receipt.logs {
            let index = u64::try_from(placed.len()).unwrap_or(u64::MAX);
            if log.log_index != Some(Quantity(index)) {
                return Err(Unproven::Receipts(format!("log {index} of the block is not numbered so")));
            }
            if log.transaction_hash != Some(receipt.transaction_hash) {
                return Err(Unproven::Receipts(format!("log {index} is said to be of another transaction")));
            }
            if receipt.status != Some(Quantity(1)) {
                return Err(Unproven::Receipts(format!("log {index} is of a transaction that did not succeed")));
            }
            placed.push(log);
        }
    }
    Ok(placed)
}

#[cfg(test)]
#[path = "proof_tests.rs"]
mod tests;
