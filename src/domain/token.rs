//! A configured ERC-20 token. Its address identifies it; its symbol never does.

use alloy::primitives::U256;

use super::network::{SlugError, map_key};
use super::{Address, Units};

map_key! {
    /// A token's name: its key below `[networks.SLUG.tokens]`.
    TokenKey
}

/// A share in millionths: `1%` is `Percent(10_000)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub u32);

impl Percent {
    /// This share of `units`, rounded up to a whole base unit; exact in 512 bits.
    pub fn of(self, units: Units) -> Units {
        const MILLION: u64 = 1_000_000;
        let whole = units.0.checked_div(U256::from(MILLION)).unwrap_or_default();
        let rest = units.0.checked_rem(U256::from(MILLION)).unwrap_or_default();
        let share = U256::from(self.0);
        let rest = rest.saturating_mul(share).div_ceil(U256::from(MILLION));
        Units(whole.saturating_mul(share).saturating_add(rest))
    }
}

/// A token as configured, its amounts already in base units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its key in the configuration: the label of its metrics.
    pub key: TokenKey,
    /// `[A-Z0-9]{2,8}`, unique in its network.
    pub symbol: String,
    /// The contract.
    pub address: Address,
    /// 0 to 77.
    pub decimals: u8,
    /// How much less than the amount due still counts as paid in full, on an exclusive address: of a session whose first
    /// money comes now.
    pub tolerance: Units,
    /// The least share of a session's amount that part-pays it.
    pub min_partial: Percent,
}

impl Token {
    /// The tolerance for a session of `amount`: never more than 1 % of it.
    pub fn tolerance_for(&self, amount: Units) -> Units {
        let one_percent = Units(amount.0.checked_div(U256::from(100)).unwrap_or_default());
        self.tolerance.min(one_percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(n: u64) -> Units {
        Units(U256::from(n))
    }

    #[test]
    fn a_share_rounds_up_and_never_overflows() {
        assert_eq!(Percent(10_000).of(units(100_000_000)), units(1_000_000));
        assert_eq!(Percent(10_000).of(units(1)), units(1));
        assert_eq!(Percent(10_000).of(Units::ZERO), Units::ZERO);
        assert_eq!(Percent(1_000_000).of(Units(U256::MAX)), Units(U256::MAX));
    }
}
