//! What makes a scripted block a real one: a header whose hash is that of its fields, with the root and the bloom of its
//! receipts. Every transaction succeeds, of the type that most are, with 21,000 gas. Not for lies: a node tells those.

use alloy::consensus::proofs::calculate_receipt_root;
use alloy::consensus::{Header, Receipt, ReceiptEnvelope, TxReceipt};
use alloy::primitives::{B256, Bloom, Log as Logged, LogData};

use super::{Log, Tx};

/// Gas that each transaction uses.
const GAS: u64 = 21_000;
/// EIP-1559, as JSON has it.
pub(super) const KIND: &str = "0x2";

/// Cumulative gas of the receipt at this place.
pub(super) fn gas(place: usize) -> u64 {
    GAS * (place as u64 + 1)
}

/// A transaction's own bloom.
pub(super) fn bloom(tx: &Tx) -> Bloom {
    tx.logs.iter().map(logged).collect::<Vec<_>>().iter().collect()
}

/// The header of the next block; `salt` makes it differ from its twin with the same content.
pub(super) fn header(parent: B256, number: u64, time: u64, txs: &[Tx], salt: u64) -> Header {
    let mut header = Header {
        parent_hash: parent,
        number,
        timestamp: time,
        gas_limit: 30_000_000,
        gas_used: GAS * txs.len() as u64,
        mix_hash: B256::from(alloy::primitives::U256::from(salt)),
        base_fee_per_gas: Some(7),
        ..Header::default()
    };
    // The default of both is that of no transactions.
    if !txs.is_empty() {
        let receipts: Vec<ReceiptEnvelope> = txs.iter().enumerate().map(|(place, tx)| receipt(place, tx)).collect();
        header.receipts_root = calculate_receipt_root(&receipts);
        header.logs_bloom = receipts.iter().fold(Bloom::ZERO, |all, receipt| all | receipt.bloom());
    }
    header
}

fn receipt(place: usize, tx: &Tx) -> ReceiptEnvelope {
    let logs = tx.logs.iter().map(logged).collect();
    ReceiptEnvelope::Eip1559(Receipt { status: true.into(), cumulative_gas_used: gas(place), logs }.with_bloom())
}

fn logged(log: &Log) -> Logged {
    Logged { address: log.address, data: LogData::new_unchecked(log.topics.clone(), log.data.clone()) }
}
