//! The JSON of nodes, as little of it as is needed, so that no chain's extras can break it. Not for what is plausible:
//! `check` and `decode` say that.

use std::fmt;

use alloy::primitives::{Address, B256, Bytes};
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};

use super::error::Fault;
use crate::domain::{BlockNumber, BlockRef, Header, time_from_unix};

/// A JSON-RPC quantity: `"0x1f"`; decimal text and plain numbers are read as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quantity(pub(super) u64);

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Quantity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity of 64 bits")
            }

            fn visit_u64<E>(self, value: u64) -> Result<Quantity, E> {
                Ok(Quantity(value))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Quantity, E> {
                let value = match text.strip_prefix("0x") {
                    Some(hex) => u64::from_str_radix(hex, 16),
                    None => text.parse(),
                };
                value.map(Quantity).map_err(|_| E::custom("is no quantity of 64 bits"))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// A block as `eth_getBlockByNumber` and `newHeads` give it.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HeaderJson {
    number: Option<Quantity>,
    hash: Option<B256>,
    parent_hash: B256,
    timestamp: Quantity,
}

impl HeaderJson {
    /// The header of a mined block; a pending one has no hash.
    pub(super) fn mined(self) -> Result<Header, Fault> {
        let (Some(number), Some(hash)) = (self.number, self.hash) else {
            return Err(Fault::Misbehaving("gave a block without number or hash".to_owned()));
        };
        let time = time_from_unix(self.timestamp.0)
            .ok_or_else(|| Fault::Misbehaving("gave a block with an impossible timestamp".to_owned()))?;
        if i64::try_from(number.0).is_err() {
            return Err(Fault::Misbehaving("gave a block with an impossible number".to_owned()));
        }
        Ok(Header { block: BlockRef { number: BlockNumber(number.0), hash }, parent: self.parent_hash, time })
    }
}

/// A log as `eth_getLogs` and receipts give it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogJson {
    pub(super) address: Address,
    pub(super) topics: Vec<B256>,
    pub(super) data: Bytes,
    pub(super) block_hash: Option<B256>,
    pub(super) block_number: Option<Quantity>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) block_timestamp: Option<Quantity>,
    pub(super) transaction_hash: Option<B256>,
    pub(super) log_index: Option<Quantity>,
    #[serde(default)]
    pub(super) removed: Option<bool>,
}

/// A receipt as `eth_getBlockReceipts` gives it.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReceiptJson {
    pub(super) block_hash: Option<B256>,
    pub(super) block_number: Option<Quantity>,
    pub(super) transaction_hash: B256,
    pub(super) status: Option<Quantity>,
    pub(super) logs: Vec<LogJson>,
}

/// What a block says of its transactions, as `eth_getBlockByHash` gives it.
#[derive(Debug, serde::Deserialize)]
pub(super) struct TransactionsJson {
    pub(super) hash: Option<B256>,
    pub(super) transactions: Vec<B256>,
}

/// A field that is a courtesy: what cannot be read is as good as absent.
fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Quantity>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer).map_err(D::Error::custom)?;
    Ok(serde_json::from_value(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0x1111111111111111111111111111111111111111111111111111111111111111";

    fn header(number: &str, hash: &str, timestamp: &str) -> Result<Header, Fault> {
        let text = format!(
            r#"{{"number":{number},"hash":{hash},"parentHash":"{HASH}","timestamp":{timestamp},"l1BlockNumber":"0x1","x":[{{}}]}}"#
        );
        serde_json::from_str::<HeaderJson>(&text).map_err(|e| Fault::Refused(e.to_string()))?.mined()
    }

    #[test]
    fn a_header_is_read_whatever_else_the_chain_adds() {
        let read = header("\"0x1f\"", &format!("\"{HASH}\""), "\"0x65\"").unwrap();
        assert_eq!((read.block.number, read.time.timestamp()), (BlockNumber(31), 101));
    }

    #[test]
    fn a_pending_or_impossible_header_is_none() {
        let hash = format!("\"{HASH}\"");
        assert!(matches!(header("\"0x1\"", "null", "\"0x1\""), Err(Fault::Misbehaving(_))));
        assert!(matches!(header("null", &hash, "\"0x1\""), Err(Fault::Misbehaving(_))));
        assert!(matches!(header("\"0x1\"", &hash, "\"0xffffffffffffffff\""), Err(Fault::Misbehaving(_))));
        assert!(matches!(header("\"0x8000000000000000\"", &hash, "\"0x1\""), Err(Fault::Misbehaving(_))));
        assert!(matches!(header("\"0x1ffffffffffffffff\"", &hash, "\"0x1\""), Err(Fault::Refused(_))));
        assert!(matches!(header("\"\"", &hash, "\"0x1\""), Err(Fault::Refused(_))));
    }

    #[test]
    fn an_odd_block_timestamp_is_as_good_as_none() {
        for (field, expected) in [
            (r#","blockTimestamp":"0x65""#, Some(Quantity(101))),
            (r#","blockTimestamp":null"#, None),
            (r#","blockTimestamp":"soon""#, None),
            ("", None),
        ] {
            let text = format!(
                r#"{{"address":"0x2222222222222222222222222222222222222222","topics":[],"data":"0x","blockHash":"{HASH}","blockNumber":"0x1","transactionHash":"{HASH}","logIndex":"0x0"{field}}}"#
            );
            assert_eq!(serde_json::from_str::<LogJson>(&text).unwrap().block_timestamp, expected);
        }
    }
}
