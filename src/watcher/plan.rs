//! What to do next, decided from numbers and hashes alone. Pure.

use crate::domain::{BlockNumber, Finality, Header};
use crate::store::Cursor;

/// What the first look has to do, given the cursor and the chain's newest block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstLook {
    /// The cursor is the head.
    Idle,
    /// The head is a child of the cursor: one block, asked for by its hash.
    Next,
    /// Several blocks, asked for by number, with these headers besides the cursor's and the last block's.
    Range {
        /// The first block.
        from: BlockNumber,
        /// The last block.
        to: BlockNumber,
        /// Heights to record on the way, so that a rewind finds a place.
        checkpoints: Vec<BlockNumber>,
    },
    /// The head is below the cursor: the endpoint is behind, or the chain is shorter.
    Below,
    /// Another block stands at the cursor's height, or the child has another parent.
    Reorganised,
}

/// Plans the first look.
pub fn first_look(cursor: &Cursor, head: &Header, range: u64, reorg_window: u64) -> FirstLook {
    let at = cursor.block;
    match head.block.number.0.checked_sub(at.number.0) {
        None => FirstLook::Below,
        Some(0) if head.block.hash == at.hash => FirstLook::Idle,
        Some(0) => FirstLook::Reorganised,
        Some(1) if head.parent == at.hash => FirstLook::Next,
        Some(1) => FirstLook::Reorganised,
        Some(_) => {
            let from = at.number.plus(1);
            let to = at.number.plus(range.max(1)).min(head.block.number);
            FirstLook::Range { from, to, checkpoints: checkpoints(from, to, head.block.number, reorg_window) }
        }
    }
}

/// Heights of `from..to` to record: within the window of the head, no further apart than a 64th of it.
fn checkpoints(from: BlockNumber, to: BlockNumber, head: BlockNumber, reorg_window: u64) -> Vec<BlockNumber> {
    let apart = reorg_window.checked_div(64).unwrap_or(1).max(1);
    let first = from.max(head.minus(reorg_window));
    let aligned = first.0.div_ceil(apart).saturating_mul(apart);
    (aligned..to.0).step_by(usize::try_from(apart).unwrap_or(usize::MAX)).map(BlockNumber).collect()
}

/// The highest block that finality allows the second look to reach; `tag` is the kept safe or finalized block.
///
/// A block has cursor − block + 1 confirmations, counted on our own committed chain.
pub fn deep_enough(cursor: BlockNumber, finality: Finality, tag: Option<BlockNumber>) -> Option<BlockNumber> {
    match finality {
        Finality::Confirmations(n) => cursor.0.checked_add(1)?.checked_sub(n.max(1)).map(BlockNumber),
        Finality::Safe | Finality::Finalized => tag.map(|tag| tag.min(cursor)),
    }
}

/// The height at which a block must stand that buries `deep` as finality asks: [`deep_enough`] the other way round. A tag
/// says by itself how deep it is.
pub fn buried_by(deep: BlockNumber, finality: Finality) -> BlockNumber {
    match finality {
        Finality::Confirmations(n) => deep.plus(n.max(1).saturating_sub(1)),
        Finality::Safe | Finality::Finalized => deep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{BlockHash, BlockRef, time_from_unix};

    fn hash(n: u8) -> BlockHash {
        BlockHash::repeat_byte(n)
    }

    fn cursor(number: u64) -> Cursor {
        let block = BlockRef { number: BlockNumber(number), hash: hash(1) };
        Cursor { block, time: time_from_unix(0).unwrap(), confirmed: BlockNumber(0) }
    }

    fn head(number: u64, own: u8, parent: u8) -> Header {
        let block = BlockRef { number: BlockNumber(number), hash: hash(own) };
        Header { block, parent: hash(parent), time: time_from_unix(0).unwrap() }
    }

    #[test]
    fn the_head_decides() {
        let plan = |head: Header| first_look(&cursor(100), &head, 10, 64);
        assert_eq!(plan(head(100, 1, 0)), FirstLook::Idle);
        assert_eq!(plan(head(100, 2, 0)), FirstLook::Reorganised);
        assert_eq!(plan(head(101, 2, 1)), FirstLook::Next);
        assert_eq!(plan(head(101, 2, 3)), FirstLook::Reorganised);
        assert_eq!(plan(head(99, 1, 0)), FirstLook::Below);
    }

    #[test]
    fn ranges_stop_at_the_head_and_at_their_width() {
        let range = |head_number, width| {
            let plan = first_look(&cursor(100), &head(head_number, 2, 3), width, 64);
            let FirstLook::Range { from, to, .. } = plan else { panic!("{plan:?}") };
            (from.0, to.0)
        };
        assert_eq!(range(102, 10), (101, 102));
        assert_eq!(range(1_000, 10), (101, 110));
        assert_eq!(range(1_000, 0), (101, 101));
    }

    #[test]
    fn checkpoints_are_dense_within_the_window_only() {
        let at = |from, to, head, window| {
            checkpoints(BlockNumber(from), BlockNumber(to), BlockNumber(head), window)
                .iter()
                .map(|n| n.0)
                .collect::<Vec<_>>()
        };
        assert_eq!(at(101, 110, 110, 64), (101..110).collect::<Vec<_>>());
        assert_eq!(at(101, 160, 160, 1024), vec![112, 128, 144]);
        assert_eq!(at(101, 2_000, 10_000, 1024), Vec::<u64>::new());
        assert_eq!(at(9_000, 9_010, 10_000, 64), Vec::<u64>::new());
    }

    #[test]
    fn depth_counts_the_block_itself() {
        let deep = |cursor, n| deep_enough(BlockNumber(cursor), Finality::Confirmations(n), None).map(|b| b.0);
        assert_eq!(deep(100, 1), Some(100));
        assert_eq!(deep(100, 12), Some(89));
        assert_eq!(deep(10, 12), None);
        assert_eq!(deep(100, 0), Some(100));
        let tag = |tag| deep_enough(BlockNumber(100), Finality::Safe, tag).map(|b| b.0);
        assert_eq!(tag(None), None);
        assert_eq!(tag(Some(BlockNumber(90))), Some(90));
        assert_eq!(tag(Some(BlockNumber(110))), Some(100));
    }

    #[test]
    fn what_buries_a_block_makes_it_deep_enough() {
        for (deep, n, by) in [(100, 1, 100), (100, 12, 111), (100, 0, 100)] {
            assert_eq!(buried_by(BlockNumber(deep), Finality::Confirmations(n)), BlockNumber(by));
            assert_eq!(deep_enough(BlockNumber(by), Finality::Confirmations(n), None), Some(BlockNumber(deep)));
        }
        assert_eq!(buried_by(BlockNumber(100), Finality::Finalized), BlockNumber(100));
    }
}
