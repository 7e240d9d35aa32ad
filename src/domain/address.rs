//! 20-byte account addresses and 32-byte transaction hashes, and how their text is read. Not for what an address means.

pub use alloy::primitives::Address;

/// Hash of a transaction, 32 bytes.
pub type TxHash = alloy::primitives::B256;

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not `0x` and 40 hexadecimal digits.
    #[error("is not 0x followed by 40 hexadecimal digits")]
    Malformed,
    /// Mixed case that is not the EIP-55 checksum: a digit was mistyped.
    #[error("has mixed case that does not fit its EIP-55 checksum: a character was mistyped")]
    Checksum,
}

/// Reads an address in lower, upper or EIP-55 case; the prefix may be `0x` or `0X`.
///
/// Mixed case must be the EIP-55 checksum (<https://eips.ethereum.org/EIPS/eip-55>): anything else is a typing error
/// and would send money to nobody.
pub fn parse_address(text: &str) -> Result<Address, AddressError> {
    let digits = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .filter(|digits| digits.len() == 40)
        .ok_or(AddressError::Malformed)?;
    let address: Address = digits.parse().map_err(|_| AddressError::Malformed)?;
    let one_case = !digits.bytes().any(|b| b.is_ascii_lowercase()) || !digits.bytes().any(|b| b.is_ascii_uppercase());
    if one_case || address.to_checksum(None).get(2..) == Some(digits) {
        Ok(address)
    } else {
        Err(AddressError::Checksum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USDC: &str = "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359";

    #[test]
    fn any_single_case_and_the_checksum_read_the_same() {
        let expected = parse_address(USDC).unwrap();
        assert_eq!(parse_address(&USDC.to_lowercase()), Ok(expected));
        assert_eq!(parse_address(&USDC.to_uppercase()), Ok(expected));
        assert_eq!(parse_address(&USDC.to_uppercase().replace("0X", "0x")), Ok(expected));
    }

    #[test]
    fn one_wrong_letter_case_is_a_checksum_error() {
        let wrong = USDC.replace("cEF5", "CEF5");
        assert_eq!(parse_address(&wrong), Err(AddressError::Checksum));
    }

    #[test]
    fn other_texts_are_malformed() {
        for text in
            ["", "0x", &USDC[2..], &USDC[..41], &format!("{USDC}0"), &USDC.replace('3', "g"), &format!(" {USDC}")]
        {
            assert_eq!(parse_address(text), Err(AddressError::Malformed), "{text}");
        }
    }
}
