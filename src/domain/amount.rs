//! Exact token amounts: [`Units`] (a uint256 of base units) and their decimal text in whole tokens.
//!
//! Nothing rounds: a text that is finer than the token is an error. Not for bounded figures of configuration, which are
//! `rust_decimal` in [`crate::settings`].

use alloy::primitives::U256;

/// An amount in a token's smallest unit, 0 to 2^256−1, as the ERC-20 `Transfer` event carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Units(pub U256);

/// Why a decimal text is no amount of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not ASCII digits with at most one point.
    #[error("is not a decimal number")]
    Malformed,
    /// More significant decimals than the token has.
    #[error("has more decimals than the token")]
    TooManyDecimals,
    /// Beyond 2^256−1 base units.
    #[error("is beyond 2^256-1 base units")]
    TooLarge,
}

impl Units {
    /// No money.
    pub const ZERO: Units = Units(U256::ZERO);

    /// Reads whole tokens ("100", "0.000001", ".5", "1.500") as base units of a token with `decimals`.
    ///
    /// Trailing zeros behind the point do not count as decimals. Signs, exponents, `NaN` and spaces are malformed.
    pub fn parse(text: &str, decimals: u8) -> Result<Units, AmountError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits_only = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.len().saturating_add(fraction.len()) == 0 || !digits_only(whole) || !digits_only(fraction) {
            return Err(AmountError::Malformed);
        }
        let fraction = fraction.trim_end_matches('0');
        let missing = usize::from(decimals).checked_sub(fraction.len()).ok_or(AmountError::TooManyDecimals)?;
        let digits = [whole, fraction].concat();
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Ok(Units::ZERO);
        }
        let padded = format!("{digits}{}", "0".repeat(missing));
        U256::from_str_radix(&padded, 10).map(Units).map_err(|_| AmountError::TooLarge)
    }

    /// Reads base units from digits, as `numeric(78,0)::text` gives them.
    pub fn parse_base(text: &str) -> Result<Units, AmountError> {
        Units::parse(text, 0)
    }

    /// Whole tokens as shortest decimal text: `Units(1_500_000)` of a token with 6 decimals is "1.5".
    pub fn to_decimal(self, decimals: u8) -> String {
        format_decimal(&self.0.to_string(), decimals)
    }

    /// Sum, or `None` beyond 2^256−1.
    pub fn checked_add(self, other: Units) -> Option<Units> {
        self.0.checked_add(other.0).map(Units)
    }

    /// Sum that stays at 2^256−1.
    pub fn saturating_add(self, other: Units) -> Units {
        Units(self.0.saturating_add(other.0))
    }

    /// Difference that stays at 0.
    pub fn saturating_sub(self, other: Units) -> Units {
        Units(self.0.saturating_sub(other.0))
    }

    /// True for no money.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl std::fmt::Display for Units {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Moves the decimal point of a run of digits `decimals` to the left and drops zeros that say nothing.
pub fn format_decimal(digits: &str, decimals: u8) -> String {
    let places = usize::from(decimals);
    let padded = format!("{digits:0>width$}", width = places.saturating_add(1));
    let (whole, fraction) = padded.split_at(padded.len().saturating_sub(places));
    match fraction.trim_end_matches('0') {
        "" => whole.to_owned(),
        fraction => format!("{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        for (text, decimals, base) in [
            ("100", 6, "100000000"),
            ("0.000001", 6, "1"),
            ("1.500000000", 6, "1500000"),
            (".5", 1, "5"),
            ("5.", 0, "5"),
            ("000", 18, "0"),
            ("0.000000000000000001", 18, "1"),
        ] {
            assert_eq!(Units::parse(text, decimals), Units::parse_base(base), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_amount() {
        for text in ["", ".", "-1", "+1", "1e3", "NaN", "Infinity", " 1", "1 ", "1,5", "1.2.3", "٣"] {
            assert_eq!(Units::parse(text, 18), Err(AmountError::Malformed), "{text}");
        }
    }

    #[test]
    fn refuses_finer_than_the_token_and_larger_than_uint256() {
        assert_eq!(Units::parse("0.0000001", 6), Err(AmountError::TooManyDecimals));
        let max = U256::MAX.to_string();
        assert_eq!(Units::parse(&max, 0), Ok(Units(U256::MAX)));
        assert_eq!(Units::parse(&max, 1), Err(AmountError::TooLarge));
        assert_eq!(Units::parse(&format!("1{}", "0".repeat(78)), 0), Err(AmountError::TooLarge));
    }

    proptest! {
        #[test]
        fn text_and_units_are_one(bytes: [u8; 32], decimals in 0u8..=77) {
            let units = Units(U256::from_be_bytes(bytes));
            prop_assert_eq!(Units::parse(&units.to_decimal(decimals), decimals), Ok(units));
        }
    }
}
