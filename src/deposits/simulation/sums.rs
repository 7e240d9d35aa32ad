//! How much a deed pays, given what a session is missing. Pure.

use alloy::primitives::U256;

use super::{NotSimulated, Sum};
use crate::domain::{Fault, Percent, Token, Units};

const TENTH: Percent = Percent(100_000);

/// Base units. Nothing is paid where nothing is missing, unless an amount is said.
pub(super) fn how_much(sum: &Sum, missing: Units, token: &Token) -> Result<Units, NotSimulated> {
    if let Sum::Of(text) = sum {
        let wrong = |why: String| NotSimulated::Faults(vec![Fault::new("amount", why)]);
        let symbol = &token.symbol;
        let units = Units::parse(text, token.decimals)
            .map_err(|error| wrong(format!("{error} ({symbol} has {} decimals)", token.decimals)))?;
        return if units.is_zero() { Err(wrong("must be more than nothing".to_owned())) } else { Ok(units) };
    }
    if missing.is_zero() {
        let why = "the session has all its money: nothing is missing; pay an amount, or twice";
        return Err(NotSimulated::Impossible(why.to_owned()));
    }
    let half = Units(missing.0.checked_div(U256::from(2)).unwrap_or_default());
    match sum {
        Sum::Exact | Sum::Of(_) => Ok(missing),
        Sum::Less => Ok(half.max(Units(U256::from(1)))),
        Sum::More => Ok(missing.saturating_add(TENTH.of(missing))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Address, TokenKey};

    fn token(decimals: u8) -> Token {
        Token {
            key: TokenKey::parse("usdc").unwrap(),
            symbol: "USDC".to_owned(),
            address: Address::ZERO,
            decimals,
            tolerance: Units::ZERO,
            min_partial: TENTH,
        }
    }

    fn units(base: u64) -> Units {
        Units(U256::from(base))
    }

    #[test]
    fn amounts_follow_from_what_is_missing() {
        for (sum, missing, paid) in [
            (Sum::Exact, 100, 100),
            (Sum::Less, 100, 50),
            (Sum::Less, 101, 50),
            (Sum::Less, 1, 1),
            (Sum::More, 100, 110),
            (Sum::More, 101, 112),
            (Sum::More, 1, 2),
            (Sum::Of("2.5".to_owned()), 100, 2_500_000),
            (Sum::Of("0.000001".to_owned()), 0, 1),
        ] {
            assert_eq!(how_much(&sum, units(missing), &token(6)).unwrap(), units(paid), "{sum:?} of {missing}");
        }
    }

    #[test]
    fn where_nothing_is_missing_only_an_amount_is_paid() {
        for sum in [Sum::Exact, Sum::Less, Sum::More] {
            assert!(matches!(how_much(&sum, Units::ZERO, &token(6)), Err(NotSimulated::Impossible(_))), "{sum:?}");
        }
        for text in ["0", "", "-1", "1e3", "0.0000001", "0x10", "1,5", &"9".repeat(79)] {
            let refused = how_much(&Sum::Of(text.to_owned()), units(5), &token(6));
            assert!(matches!(refused, Err(NotSimulated::Faults(faults)) if faults[0].field == "amount"), "{text}");
        }
    }
}
