//! Which chains are known not to prove their receipts, and why: `verify = "receipts"` recomputes a header's hash and
//! rebuilds its receipts trie as Ethereum defines them. Known failures only: where nothing is known a proof is tried, and
//! told when it fails, because most chains are Ethereum-shaped and no list is complete.
//!
//! OP Stack chains (the nonce and version of a deposit's receipt are part of its encoding since Canyon) and Arbitrum
//! (own types in the usual encoding: EncodeIndex in OffchainLabs/go-ethereum core/types/receipt.go) can be proven.

use crate::domain::ChainId;

const STATE_SYNC: &str = "its nodes list receipts of state syncs that blocks before Madhugiri do not commit to, \
                          and later ones commit to in a form of their own";
const ZK_STACK: &str = "a block's hash covers number, time and transactions only, and its receiptsRoot is zero";
const COMET: &str = "a block's hash is its consensus engine's, not its header's";
const LACHESIS: &str = "a block's hash is that of a consensus event, not its header's";
const CORETH: &str = "headers carry fields of their own (extDataHash, blockGasCost)";
const FRONTIER: &str = "nodes show a base fee that headers do not hold";
const CELO: &str = "receipts of transactions that pay their fee in a token carry a field of their own";
const EMULATED: &str =
    "its blocks are emulated for Ethereum's tools: neither hash nor receiptsRoot is computed as there";
const KAIA: &str = "headers carry fields of their own (governance, votes) and none for uncles";

/// Chain id, and why a block of it cannot be proven.
const UNPROVABLE: [(u64, &str); 40] = [
    (137, STATE_SYNC),         // Polygon PoS
    (80_002, STATE_SYNC),      // Amoy
    (324, ZK_STACK),           // zkSync Era
    (300, ZK_STACK),           // zkSync Sepolia
    (2_741, ZK_STACK),         // Abstract
    (11_124, ZK_STACK),        // Abstract testnet
    (232, ZK_STACK),           // Lens
    (388, ZK_STACK),           // Cronos zkEVM
    (50_104, ZK_STACK),        // Sophon
    (61_166, ZK_STACK),        // Treasure
    (25, COMET),               // Cronos
    (338, COMET),              // Cronos testnet
    (9_001, COMET),            // Evmos
    (2_222, COMET),            // Kava
    (7_700, COMET),            // Canto
    (1_329, COMET),            // Sei
    (1_328, COMET),            // Sei testnet
    (1_776, COMET),            // Injective
    (7_000, COMET),            // ZetaChain
    (250, LACHESIS),           // Fantom
    (4_002, LACHESIS),         // Fantom testnet
    (43_114, CORETH),          // Avalanche C-Chain
    (43_113, CORETH),          // Fuji
    (1_284, FRONTIER),         // Moonbeam
    (1_285, FRONTIER),         // Moonriver
    (1_287, FRONTIER),         // Moonbase Alpha
    (592, FRONTIER),           // Astar
    (42_220, CELO),            // Celo
    (44_787, CELO),            // Alfajores
    (11_142_220, CELO),        // Celo Sepolia
    (314, EMULATED),           // Filecoin
    (314_159, EMULATED),       // Filecoin Calibration
    (295, EMULATED),           // Hedera
    (296, EMULATED),           // Hedera testnet
    (297, EMULATED),           // Hedera previewnet
    (728_126_428, EMULATED),   // Tron
    (2_494_104_990, EMULATED), // Tron Shasta
    (3_448_148_188, EMULATED), // Tron Nile
    (8_217, KAIA),             // Kaia
    (1_001, KAIA),             // Kaia Kairos
];

/// Why the receipts of this chain cannot be proven; `None` where they can, or where that is not known.
pub fn why_not(chain_id: ChainId) -> Option<&'static str> {
    UNPROVABLE.iter().find(|(id, _)| *id == chain_id.0).map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_chain_is_listed_once() {
        let mut ids: Vec<u64> = UNPROVABLE.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), UNPROVABLE.len());
    }

    #[test]
    fn ethereum_its_shape_and_the_unknown_are_not_refused() {
        for id in [1, 10, 56, 97, 8_453, 31_337, 42_161, 11_155_111, 999_999_999] {
            assert_eq!(why_not(ChainId(id)), None, "{id}");
        }
        for id in [137, 324, 25, 42_220, 295] {
            assert!(why_not(ChainId(id)).is_some(), "{id}");
        }
    }
}
