//! One log to one transfer, or to "no ERC-20 transfer". Not for where the log stands: `check` has seen to that.

use alloy::primitives::{B256, Bytes};
use alloy::sol;
use alloy::sol_types::SolEvent;

use crate::domain::{Address, Units};

sol! {
    /// <https://eips.ethereum.org/EIPS/eip-20#transfer-1>
    event Transfer(address indexed from, address indexed to, uint256 value);
}

/// `keccak256("Transfer(address,address,uint256)")`: ERC-721 has the same one, with a fourth topic and no data.
pub(super) const TRANSFER: B256 = Transfer::SIGNATURE_HASH;

/// Who sent how much to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Movement {
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) units: Units,
}

/// The transfer that a log with the `Transfer` topic states; `None` unless it has exactly three topics, addresses
/// without dirt in their upper 12 bytes, and exactly 32 bytes of data.
pub(super) fn transfer(topics: &[B256], data: &Bytes) -> Option<Movement> {
    if topics.len() != 3 || data.len() != 32 {
        return None;
    }
    let event = Transfer::decode_raw_log_validate(topics.iter().copied(), data).ok()?;
    Some(Movement { from: event.from, to: event.to, units: Units(event.value) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::{U256, address};

    fn word(address: Address) -> B256 {
        address.into_word()
    }

    #[test]
    fn only_a_clean_erc20_transfer_is_one() {
        let (from, to) = (
            address!("00000000000000000000000000000000000000aa"),
            address!("00000000000000000000000000000000000000bb"),
        );
        let value = |units: U256| Bytes::from(units.to_be_bytes::<32>());
        let mut dirty = word(to);
        dirty.0[0] = 1;
        let (a, b, one) = (word(from), word(to), value(U256::from(1)));
        let good = |units| Some(Movement { from, to, units: Units(units) });
        let rows: Vec<(&str, Vec<B256>, Bytes, Option<Movement>)> = vec![
            ("plain", vec![TRANSFER, a, b], one.clone(), good(U256::from(1))),
            ("the largest", vec![TRANSFER, a, b], value(U256::MAX), good(U256::MAX)),
            ("nothing", vec![TRANSFER, a, b], value(U256::ZERO), good(U256::ZERO)),
            ("ERC-721", vec![TRANSFER, a, b, b], Bytes::new(), None),
            ("four topics and data", vec![TRANSFER, a, b, b], one.clone(), None),
            ("nothing indexed", vec![TRANSFER], Bytes::from(vec![0; 96]), None),
            ("one indexed", vec![TRANSFER, a], Bytes::from(vec![0; 64]), None),
            ("short data", vec![TRANSFER, a, b], Bytes::from(vec![0; 31]), None),
            ("long data", vec![TRANSFER, a, b], Bytes::from(vec![0; 33]), None),
            ("two words", vec![TRANSFER, a, b], Bytes::from(vec![0; 64]), None),
            ("no data", vec![TRANSFER, a, b], Bytes::new(), None),
            ("dirty recipient", vec![TRANSFER, a, dirty], one.clone(), None),
            ("dirty sender", vec![TRANSFER, dirty, b], one.clone(), None),
            ("another event", vec![word(to), a, b], one, None),
        ];
        for (name, topics, data, expected) in rows {
            assert_eq!(transfer(&topics, &data), expected, "{name}");
        }
    }
}
