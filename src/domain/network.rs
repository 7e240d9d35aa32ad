//! What names a network and how its blocks become final. Not for its endpoints' addresses, which are secrets of
//! [`crate::settings`].

/// EIP-155 chain id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId(pub u64);

impl std::fmt::Display for ChainId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Chains whose money is play money: they are `testnet = true`, and that is not to be unset.
/// anvil and hardhat, sepolia, holesky, hoodi, amoy, base sepolia, optimism sepolia, arbitrum sepolia, bnb testnet.
pub const TESTNET_CHAIN_IDS: [ChainId; 9] = [
    ChainId(31_337),
    ChainId(11_155_111),
    ChainId(17_000),
    ChainId(560_048),
    ChainId(80_002),
    ChainId(84_532),
    ChainId(11_155_420),
    ChainId(421_614),
    ChainId(97),
];

/// Chains whose money is known to be real: none of them is ever `testnet = true`, and nothing is simulated there.
/// All that have a preset, and others that a configuration might be mistaken for.
pub const MAINNET_CHAIN_IDS: [ChainId; 28] = [
    ChainId(1),       // Ethereum
    ChainId(10),      // OP Mainnet
    ChainId(25),      // Cronos
    ChainId(56),      // BNB Smart Chain
    ChainId(100),     // Gnosis
    ChainId(130),     // Unichain
    ChainId(137),     // Polygon PoS
    ChainId(146),     // Sonic
    ChainId(204),     // opBNB
    ChainId(250),     // Fantom
    ChainId(324),     // zkSync Era
    ChainId(480),     // World Chain
    ChainId(1_088),   // Metis Andromeda
    ChainId(1_101),   // Polygon zkEVM
    ChainId(1_284),   // Moonbeam
    ChainId(1_868),   // Soneium
    ChainId(5_000),   // Mantle
    ChainId(8_217),   // Kaia
    ChainId(8_453),   // Base
    ChainId(34_443),  // Mode
    ChainId(42_161),  // Arbitrum One
    ChainId(42_170),  // Arbitrum Nova
    ChainId(42_220),  // Celo
    ChainId(43_114),  // Avalanche C-Chain
    ChainId(57_073),  // Ink
    ChainId(59_144),  // Linea
    ChainId(81_457),  // Blast
    ChainId(534_352), // Scroll
];

/// Why a text is no key of a configuration map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not 1 to 64 characters of a-z, 0-9 and single underscores")]
pub struct SlugError;

macro_rules! map_key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Reads a key: `[a-z0-9_]{1,64}` without `__`, which separates levels in environment variables.
            pub fn parse(text: &str) -> Result<Self, SlugError> {
                let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
                let valid = (1..=64).contains(&text.len()) && text.bytes().all(legal) && !text.contains("__");
                if valid { Ok(Self(text.to_owned())) } else { Err(SlugError) }
            }

            /// The key as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(crate) use map_key;

map_key! {
    /// A network's name: its key below `[networks]`.
    Slug
}

map_key! {
    /// An endpoint's name: its key below `[networks.SLUG.rpc]`. All that logs and metrics ever say of an endpoint.
    EndpointKey
}

/// When a block is deep enough for the second look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finality {
    /// `cursor − block + 1 ≥ N` on our own committed chain; N is at least 1.
    Confirmations(u64),
    /// The chain's `safe` tag has passed it.
    Safe,
    /// The chain's `finalized` tag has passed it.
    Finalized,
}
