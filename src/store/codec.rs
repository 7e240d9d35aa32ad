//! How the house's values stand in rows: hashes and addresses as lower-case 0x text, heights as bigint, amounts as
//! digits that Postgres reads as numeric. Nothing passes a float or a 96-bit decimal.

use alloy::primitives::B256;

use super::Error;
use crate::domain::{Address, BlockNumber, BlockRef, LogId, Units};

pub(super) fn hash_text(hash: B256) -> String {
    format!("{hash:#x}")
}

pub(super) fn hash(text: &str) -> Result<B256, Error> {
    text.parse().map_err(|_| Error::Unreadable(format!("{text:?} is no hash")))
}

pub(super) fn address_text(address: Address) -> String {
    format!("{address:#x}")
}

pub(super) fn address(text: &str) -> Result<Address, Error> {
    text.parse().map_err(|_| Error::Unreadable(format!("{text:?} is no address")))
}

pub(super) fn height(number: BlockNumber) -> i64 {
    i64::try_from(number.0).unwrap_or(i64::MAX)
}

pub(super) fn number(height: i64) -> Result<BlockNumber, Error> {
    u64::try_from(height).map(BlockNumber).map_err(|_| Error::Unreadable(format!("{height} is no block number")))
}

pub(super) fn block(height: i64, hash_text: &str) -> Result<BlockRef, Error> {
    Ok(BlockRef { number: number(height)?, hash: hash(hash_text)? })
}

pub(super) fn index(log_index: u64) -> i64 {
    i64::try_from(log_index).unwrap_or(i64::MAX)
}

/// Logs as two columns.
pub(super) fn logs(ids: &[LogId]) -> (Vec<String>, Vec<i64>) {
    ids.iter().map(|id| (hash_text(id.block_hash), index(id.log_index))).unzip()
}

pub(super) fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or_default()
}

pub(super) fn units(text: &str) -> Result<Units, Error> {
    Units::parse_base(text).map_err(|error| Error::Unreadable(format!("{text:?} {error}")))
}

/// What to look a row up by that somebody named. PostgreSQL holds no U+0000, and no row has the empty name that stands for
/// whatever has one.
pub(super) fn name(text: &str) -> &str {
    if text.contains('\0') { "" } else { text }
}
