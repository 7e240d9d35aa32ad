//! Base units with a sign: what a report adds up, where money that was taken back counts against money that came. Not for
//! transfers, which are [`super::Units`].

use alloy::primitives::aliases::I512;

use super::amount::format_decimal;

/// A sum of base units, negative where more was taken back than came. 511 bits: no number of transfers fills them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Balance(I512);

impl Balance {
    /// Reads digits, after a minus where it is negative, as `numeric::text` gives them.
    pub fn parse(text: &str) -> Option<Balance> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let valid = (1..=150).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if valid { I512::from_dec_str(text).ok().map(Balance) } else { None }
    }

    /// Sum, or `None` beyond 511 bits.
    pub fn checked_add(self, other: Balance) -> Option<Balance> {
        self.0.checked_add(other.0).map(Balance)
    }

    /// Whole tokens as shortest decimal text: `-1500000` of a token with 6 decimals is "-1.5".
    pub fn to_decimal(self, decimals: u8) -> String {
        let sign = if self.0.is_negative() { "-" } else { "" };
        format!("{sign}{}", format_decimal(&self.0.unsigned_abs().to_string(), decimals))
    }
}

impl std::fmt::Display for Balance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_decimal(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::U256;
    use proptest::prelude::*;

    fn balance(text: &str) -> Balance {
        Balance::parse(text).unwrap()
    }

    #[test]
    fn signs_points_and_zeros() {
        for (text, decimals, expected) in [
            ("-1500000", 6, "-1.5"),
            ("1500000", 6, "1.5"),
            ("-1", 18, "-0.000000000000000001"),
            ("0", 6, "0"),
            ("-0", 6, "0"),
            ("-100", 0, "-100"),
        ] {
            assert_eq!(balance(text).to_decimal(decimals), expected, "{text}");
        }
        for text in ["", "-", "+1", "1.0", " 1", "--1", "1e3", &"9".repeat(151), &"9".repeat(200)] {
            assert_eq!(Balance::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_million_of_the_largest_transfers_fit() {
        let most = balance(&U256::MAX.to_string());
        let sum = (0..1_000_000).try_fold(Balance::default(), |sum, _| sum.checked_add(most)).unwrap();
        assert_eq!(sum.to_decimal(6), U256::MAX.to_string());
    }

    proptest! {
        #[test]
        fn what_is_added_and_taken_back_is_gone(bytes: [u8; 32], other: [u8; 32]) {
            let (a, b) = (U256::from_be_bytes(bytes).to_string(), U256::from_be_bytes(other).to_string());
            let sum = balance(&a).checked_add(balance(&b)).unwrap();
            prop_assert_eq!(sum.checked_add(balance(&format!("-{b}"))), Some(balance(&a)));
            prop_assert_eq!(balance(&sum.to_string()), sum);
        }
    }
}
