//! The test contracts of `tests/tokens/`, compiled, and what can be asked of them. Not for sending it: see [`super::evm`].

use alloy::primitives::{Bytes, U256};
use alloy::sol_types::SolCall;
use anyhow::Context;

use crate::chain::transfer_input;
use crate::domain::{Address, Units};

mod abi {
    #![allow(missing_docs, clippy::missing_docs_in_private_items)]
    alloy::sol! {
        function mint(address to, uint256 value);
        function many(address[] to, uint256[] amounts);
        function longData(address to, uint256 value);
        function shortData(address to, uint256 value);
        function noData(address to);
        function dirtyTo(address to, uint256 value);
        function dirtyFrom(address to, uint256 value);
        function unindexed(address to, uint256 value);
        function halfIndexed(address to, uint256 value);
        function fourTopics(address to, uint256 value);
        function zero(address from, address to);
        function toSelf(address who, uint256 value);
        function claim(address from, address to, uint256 value);
    }
}

/// A test contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Contract {
    /// ERC-20, 6 decimals.
    Plain6,
    /// ERC-20, 18 decimals.
    Plain18,
    /// ERC-20, 6 decimals, pays many in one transaction.
    Many,
    /// ERC-721.
    Nft,
    /// ERC-20, 6 decimals, also emits every malformed log.
    Odd,
}

impl Contract {
    /// All of them.
    pub const ALL: [Contract; 5] = [Contract::Plain6, Contract::Plain18, Contract::Many, Contract::Nft, Contract::Odd];

    /// Its name in `tests/tokens/artifacts.json`.
    pub fn name(self) -> &'static str {
        match self {
            Contract::Plain6 => "Plain6",
            Contract::Plain18 => "Plain18",
            Contract::Many => "Many",
            Contract::Nft => "Nft",
            Contract::Odd => "Odd",
        }
    }

    /// What creates it.
    pub fn bytecode(self) -> anyhow::Result<Bytes> {
        let artifacts: serde_json::Value = serde_json::from_str(include_str!("../../tests/tokens/artifacts.json"))?;
        let path = format!("/{}/bytecode", self.name());
        let hex = artifacts.pointer(&path).and_then(|value| value.as_str());
        Ok(hex.with_context(|| format!("tests/tokens/artifacts.json has no {path}"))?.parse()?)
    }
}

/// What a transaction asks of a test contract. Amounts are base units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// ERC-20: new money; ERC-721: the token of that number.
    Mint(Address, Units),
    /// ERC-20 transfer from the sender.
    Transfer(Address, Units),
    /// [`Contract::Many`]: one log each.
    Many(Vec<(Address, Units)>),
    /// [`Contract::Odd`]: one log of this shape, its recipient and amount.
    Odd(OddLog, Address, Units),
    /// [`Contract::Odd`]: a well-formed log of nothing, sender first.
    Zero(Address, Address),
    /// [`Contract::Odd`]: a well-formed log from an address to itself.
    ToSelf(Address, Units),
    /// [`Contract::Odd`]: a well-formed log without money behind it (sender, recipient), up to 2^256−1.
    Claim(Address, Address, Units),
}

/// A log with ERC-20's topic0 that is no ERC-20 transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OddLog {
    /// 64 bytes of data.
    LongData,
    /// 31 bytes of data.
    ShortData,
    /// No data.
    NoData,
    /// A bit above the 160 of the recipient's address.
    DirtyTo,
    /// A bit above the 160 of the sender's address.
    DirtyFrom,
    /// One topic, 96 bytes of data.
    Unindexed,
    /// Two topics, 64 bytes of data.
    HalfIndexed,
    /// Four topics, no data, as an ERC-721 has.
    FourTopics,
}

impl OddLog {
    /// All of them.
    pub const ALL: [OddLog; 8] = [
        OddLog::LongData,
        OddLog::ShortData,
        OddLog::NoData,
        OddLog::DirtyTo,
        OddLog::DirtyFrom,
        OddLog::Unindexed,
        OddLog::HalfIndexed,
        OddLog::FourTopics,
    ];

    fn encode(self, to: Address, value: U256) -> Vec<u8> {
        match self {
            OddLog::LongData => abi::longDataCall { to, value }.abi_encode(),
            OddLog::ShortData => abi::shortDataCall { to, value }.abi_encode(),
            OddLog::NoData => abi::noDataCall { to }.abi_encode(),
            OddLog::DirtyTo => abi::dirtyToCall { to, value }.abi_encode(),
            OddLog::DirtyFrom => abi::dirtyFromCall { to, value }.abi_encode(),
            OddLog::Unindexed => abi::unindexedCall { to, value }.abi_encode(),
            OddLog::HalfIndexed => abi::halfIndexedCall { to, value }.abi_encode(),
            OddLog::FourTopics => abi::fourTopicsCall { to, value }.abi_encode(),
        }
    }
}

impl Call {
    /// The transaction's input.
    pub fn encode(&self) -> Bytes {
        let bytes = match self {
            Call::Mint(to, units) => abi::mintCall { to: *to, value: units.0 }.abi_encode(),
            Call::Transfer(to, units) => return transfer_input(*to, *units),
            Call::Many(payments) => {
                let (to, amounts) = payments.iter().map(|(to, units)| (*to, units.0)).unzip();
                abi::manyCall { to, amounts }.abi_encode()
            }
            Call::Odd(log, to, units) => log.encode(*to, units.0),
            Call::Zero(from, to) => abi::zeroCall { from: *from, to: *to }.abi_encode(),
            Call::ToSelf(who, units) => abi::toSelfCall { who: *who, value: units.0 }.abi_encode(),
            Call::Claim(from, to, units) => abi::claimCall { from: *from, to: *to, value: units.0 }.abi_encode(),
        };
        bytes.into()
    }
}
