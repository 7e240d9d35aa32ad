//! What we would wait for on the chains we know, and why. Advice only: `check` finds what is less, nothing forbids it.

use std::time::Duration;

use crate::domain::{ChainId, Finality};

/// The least finality that we recommend on one chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// The chain; one with real money.
    pub chain_id: ChainId,
    /// What to wait for.
    pub finality: Finality,
    /// How old a block must be besides.
    pub min_age: Duration,
    /// Why.
    pub reason: &'static str,
}

const MINUTE: Duration = Duration::from_secs(60);

const ETHEREUM: &str = "undoing a finalized block costs a third of all stake; it takes about 13 minutes";
const OPTIMISM: &str = "until a block is `safe`, the sequencer alone can take it back; `safe` is derived from Ethereum, \
                        and a minute outlives Ethereum's usual reorganisations";
const BNBCHAIN: &str = "validators vote for every block, so that `finalized` is seconds behind the head; \
                        counting blocks is slower and weaker";
const POLYGON: &str = "157 blocks have been reorganised at once, more than most people wait for; \
                       `finalized` is a milestone of all validators and usually seconds behind the head";
const ARBITRUM: &str = "until a block is `safe`, the sequencer alone can take it back; `safe` is posted on Ethereum, \
                        and a minute outlives Ethereum's usual reorganisations";

/// All presets, by chain id.
pub const PRESETS: [Preset; 6] = [
    preset(1, Finality::Finalized, Duration::ZERO, ETHEREUM),
    preset(10, Finality::Safe, MINUTE, OPTIMISM),
    preset(56, Finality::Finalized, Duration::ZERO, BNBCHAIN),
    preset(137, Finality::Finalized, Duration::ZERO, POLYGON),
    preset(8_453, Finality::Safe, MINUTE, OPTIMISM),
    preset(42_161, Finality::Safe, MINUTE, ARBITRUM),
];

const fn preset(chain_id: u64, finality: Finality, min_age: Duration, reason: &'static str) -> Preset {
    Preset { chain_id: ChainId(chain_id), finality, min_age, reason }
}

/// The preset of a chain, where we know it.
pub fn of(chain_id: ChainId) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.chain_id == chain_id)
}

impl Preset {
    /// Whether waiting for `finality` and `min_age` is at least what is recommended. No number of confirmations is: it
    /// counts what a reorganisation can replace.
    pub fn is_met_by(&self, finality: Finality, min_age: Duration) -> bool {
        use Finality::{Confirmations, Finalized, Safe};
        match (self.finality, finality) {
            (Finalized, Finalized) | (Safe, Safe) => min_age >= self.min_age,
            (Safe | Confirmations(_), Finalized) | (Confirmations(_), Safe) => true,
            (Finalized, Safe | Confirmations(_)) | (Safe, Confirmations(_)) => false,
            (Confirmations(least), Confirmations(given)) => given >= least && min_age >= self.min_age,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{MAINNET_CHAIN_IDS, TESTNET_CHAIN_IDS};

    #[test]
    fn more_than_recommended_will_do_and_less_will_not() {
        let [polygon, base] = [137, 8_453].map(|id| of(ChainId(id)).unwrap());
        for (preset, finality, min_age, met) in [
            (polygon, Finality::Finalized, Duration::ZERO, true),
            (polygon, Finality::Safe, MINUTE, false),
            (polygon, Finality::Confirmations(1_000), MINUTE, false),
            (base, Finality::Finalized, Duration::ZERO, true),
            (base, Finality::Safe, MINUTE, true),
            (base, Finality::Safe, Duration::from_secs(59), false),
            (base, Finality::Confirmations(1_000), MINUTE, false),
        ] {
            assert_eq!(preset.is_met_by(finality, min_age), met, "{} {finality:?} {min_age:?}", preset.chain_id);
        }
    }

    #[test]
    fn a_chain_with_a_preset_carries_real_money() {
        assert!(PRESETS.iter().all(|preset| MAINNET_CHAIN_IDS.contains(&preset.chain_id)));
        assert!(TESTNET_CHAIN_IDS.iter().all(|chain_id| !MAINNET_CHAIN_IDS.contains(chain_id)));
    }
}
