//! A token transfer as wallets are asked for it: the link of EIP-681 and the calldata of `transfer`. Plain integers
//! always: what a machine reads is never rounded, grouped or written with an exponent.

use crate::domain::{Address, Units, parse_address};

/// The first four bytes of the hash of `transfer(address,uint256)`.
const TRANSFER: &str = "a9059cbb";

/// A transfer to be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transfer {
    token: Address,
    chain_id: u64,
    to: Address,
    units: Units,
}

impl Transfer {
    /// Of so many whole tokens. Nothing where that is none that a wallet could send.
    pub(super) fn read(token: &str, chain_id: u64, decimals: u8, to: &str, amount: &str) -> Option<Transfer> {
        let (token, to) = (parse_address(token).ok()?, parse_address(to).ok()?);
        let units = Units::parse(amount, decimals).ok().filter(|units| !units.is_zero())?;
        Some(Transfer { token, chain_id, to, units })
    }

    /// The link of EIP-681, with the chain always named.
    pub(super) fn link(&self) -> String {
        let Transfer { token, chain_id, to, units } = self;
        let (token, to) = (token.to_checksum(None), to.to_checksum(None));
        format!("ethereum:{token}@{chain_id}/transfer?address={to}&uint256={units}")
    }

    /// What the token contract is called with.
    pub(super) fn calldata(&self) -> String {
        let to = self.to.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        format!("0x{TRANSFER}{to:0>64}{:064x}", self.units.0)
    }
}

/// A chain as `wallet_switchEthereumChain` names it.
pub(super) fn chain(id: u64) -> String {
    format!("{id:#x}")
}

/// What `received` is more than `amount`, in whole tokens.
pub(super) fn excess(received: &str, amount: &str) -> String {
    let decimals = |text: &str| text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let finest = u8::try_from(decimals(received).max(decimals(amount))).unwrap_or(u8::MAX);
    match (Units::parse(received, finest), Units::parse(amount, finest)) {
        (Ok(received), Ok(amount)) => received.saturating_sub(amount).to_decimal(finest),
        // Amounts that are too large to be compared to the last digit: then nothing is claimed.
        (Err(_), _) | (_, Err(_)) => "0".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USDC: &str = "0x3c499c542cef5e3811e1192ce70d8cc03d5c3359";
    const TO: &str = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8";

    #[test]
    fn links_are_those_of_the_standard() {
        let link = |amount, decimals| Transfer::read(USDC, 137, decimals, TO, amount).map(|transfer| transfer.link());
        let start = "ethereum:0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359@137/transfer?address=0x70997970C51812dc3A010C7d01b50e0d17dc79C8&uint256=";
        assert_eq!(link("1234.5", 6), Some(format!("{start}1234500000")));
        assert_eq!(link("0.000000000000000001", 18), Some(format!("{start}1")));
        assert_eq!(link("123456789012345678.01", 18), Some(format!("{start}123456789012345678010000000000000000")));
        assert_eq!(link("5", 0), Some(format!("{start}5")));
        for (amount, decimals) in [("0", 6), ("0.0000001", 6), ("", 6), ("1e6", 6), ("-1", 6)] {
            assert_eq!(link(amount, decimals), None, "{amount}");
        }
        // The example of the standard, in its own order of words.
        let unicorn = Transfer::read(
            "0x89205A3A3b2A69De6Dbf7f01ED13B2108B2c43e7",
            1,
            0,
            "0x8e23ee67d1332ad560396262c48ffbb01f93d052",
            "1",
        );
        assert_eq!(
            unicorn.unwrap().link(),
            "ethereum:0x89205A3A3b2A69De6Dbf7f01ED13B2108B2c43e7@1/transfer?address=0x8e23Ee67d1332aD560396262C48ffbB01F93D052&uint256=1"
        );
    }

    #[test]
    fn calldata_is_what_the_abi_makes_of_it() {
        let made = Transfer::read(USDC, 137, 6, TO, "1234.5").unwrap().calldata();
        let expected = "0xa9059cbb\
            00000000000000000000000070997970c51812dc3a010c7d01b50e0d17dc79c8\
            000000000000000000000000000000000000000000000000000000004994f9a0";
        assert_eq!(made, expected);
        let most = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
        let most = Transfer::read(USDC, 137, 0, TO, most).unwrap().calldata();
        assert!(most.ends_with(&"f".repeat(64)) && most.len() == 138, "{most}");
        assert_eq!((chain(137), chain(31_337)), ("0x89".to_owned(), "0x7a69".to_owned()));
    }

    #[test]
    fn the_excess_is_exact() {
        assert_eq!(excess("100.000001", "100"), "0.000001");
        assert_eq!(excess("100", "100.5"), "0");
        assert_eq!(excess("7", "3"), "4");
    }
}
