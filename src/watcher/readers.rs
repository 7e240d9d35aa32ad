//! Which operator's word the first look took, block by block, until the second look has passed: it asks another. Kept in
//! memory; of blocks that an earlier holder read nobody knows, and two operators are asked.

use crate::domain::BlockNumber;

/// More runs than any chain makes between its looks; the oldest are forgotten, and asked of two.
const MOST: usize = 4_096;

/// Who read a stretch of blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    from: BlockNumber,
    to: BlockNumber,
    operator: String,
}

/// The runs above the second look, lowest first, none overlapping.
#[derive(Debug, Default)]
pub(super) struct Readers {
    runs: Vec<Run>,
}

impl Readers {
    /// `operator` read these blocks; what was read there or above before, on a branch that was left, no longer counts.
    pub(super) fn read(&mut self, from: BlockNumber, to: BlockNumber, operator: &str) {
        self.runs.retain(|run| run.from < from);
        if let Some(last) = self.runs.last_mut() {
            last.to = last.to.min(from.minus(1));
            if last.operator == operator && last.to.plus(1) == from {
                last.to = to;
                return;
            }
        }
        if self.runs.len() == MOST {
            self.runs.remove(0);
        }
        self.runs.push(Run { from, to, operator: operator.to_owned() });
    }

    /// The cursor stands here: what was read above was of a branch that was left, or was never committed.
    pub(super) fn stand_at(&mut self, cursor: BlockNumber) {
        self.forget(cursor.plus(1), BlockNumber(u64::MAX));
    }

    /// These blocks were read once more, by whomever: of what they hold now nobody knows who told it.
    pub(super) fn forget(&mut self, from: BlockNumber, to: BlockNumber) {
        let parts = |run: Run| {
            let below = Run { to: run.to.min(from.minus(1)), ..run.clone() };
            let above = Run { from: run.from.max(to.plus(1)), ..run };
            // Block 0 has none below it, and the last none above.
            [below, above].into_iter().filter(|part| part.from <= part.to && (part.to < from || part.from > to))
        };
        self.runs = std::mem::take(&mut self.runs).into_iter().flat_map(parts).collect();
    }

    /// The operator that read all of these blocks; `None` where there were several, or where nobody knows.
    pub(super) fn of(&self, from: BlockNumber, to: BlockNumber) -> Option<&str> {
        let run = self.runs.iter().find(|run| run.from <= from && run.to >= to)?;
        Some(&run.operator)
    }

    /// The second look has passed these blocks.
    pub(super) fn looked_at(&mut self, to: BlockNumber) {
        self.runs.retain(|run| run.to > to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readers(runs: &[(u64, u64, &str)]) -> Readers {
        let mut readers = Readers::default();
        runs.iter().for_each(|(from, to, who)| readers.read(BlockNumber(*from), BlockNumber(*to), who));
        readers
    }

    fn of(readers: &Readers, from: u64, to: u64) -> Option<&str> {
        readers.of(BlockNumber(from), BlockNumber(to))
    }

    #[test]
    fn says_who_read_blocks_where_it_was_one_alone() {
        let readers = readers(&[(5, 7, "one"), (8, 8, "one"), (9, 12, "two"), (15, 20, "one")]);
        assert_eq!(of(&readers, 4, 5), None, "before anybody read");
        assert_eq!(of(&readers, 5, 8), Some("one"), "neighbours are one run");
        assert_eq!(of(&readers, 8, 9), None, "one and then the other");
        assert_eq!(of(&readers, 9, 12), Some("two"));
        assert_eq!(of(&readers, 12, 13), None, "committed, and the answer was lost");
        assert_eq!(of(&readers, 20, 21), None);
    }

    #[test]
    fn what_is_read_anew_counts_anew() {
        let readers = readers(&[(1, 9, "one"), (10, 12, "two"), (5, 6, "two")]);
        assert_eq!(of(&readers, 1, 4), Some("one"));
        assert_eq!(of(&readers, 5, 6), Some("two"));
        assert_eq!(of(&readers, 7, 7), None, "of the branch that was left nothing is known");
    }

    #[test]
    fn of_what_the_cursor_left_and_of_what_was_read_once_more_nothing_is_known() {
        let mut left = readers(&[(5, 20, "one")]);
        left.stand_at(BlockNumber(10));
        assert_eq!((of(&left, 5, 10), of(&left, 11, 11)), (Some("one"), None));
        left.read(BlockNumber(13), BlockNumber(13), "two");
        assert_eq!(of(&left, 11, 12), None, "committed, and the answer was lost");
        let mut again = readers(&[(1, 4, "one"), (5, 20, "two")]);
        again.forget(BlockNumber(3), BlockNumber(6));
        assert_eq!((of(&again, 1, 2), of(&again, 3, 3), of(&again, 6, 6)), (Some("one"), None, None));
        assert_eq!(of(&again, 7, 20), Some("two"));
        again.forget(BlockNumber(0), BlockNumber(u64::MAX));
        assert_eq!(of(&again, 7, 20), None);
    }

    #[test]
    fn forgets_what_was_looked_at_twice_and_what_is_too_much() {
        let mut some = readers(&[(1, 9, "one"), (10, 12, "two")]);
        some.looked_at(BlockNumber(9));
        assert_eq!((of(&some, 1, 9), of(&some, 10, 12)), (None, Some("two")));
        let flapping = |n: u64| (n, n, if n.is_multiple_of(2) { "one" } else { "two" });
        let many: Vec<_> = (0..5_000).map(flapping).collect();
        assert_eq!(readers(&many).runs.len(), MOST);
    }
}
