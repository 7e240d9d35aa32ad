//! Which blocks a run compares. Pure. Not for how they are read.

use crate::cli::exit::Failure;
use crate::domain::BlockNumber;
use crate::store::PastRun;

/// The blocks that can be compared at all: scanned, and looked at twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: BlockNumber,
    pub(super) to: BlockNumber,
}

/// What was asked for, of what there is; `None` where nothing is left to compare.
pub(super) fn choose(
    there: Span,
    from: Option<BlockNumber>,
    to: Option<BlockNumber>,
    runs: &[PastRun],
) -> Result<Option<Span>, Failure> {
    if let Some(to) = to.filter(|to| *to > there.to) {
        let why = format!("--to {to} lies above block {}, the last that was looked at twice", there.to);
        return Err(Failure::usage(why));
    }
    if let Some(from) = from.filter(|from| *from < there.from) {
        let why = format!("--from {from} lies below block {}, the first that was ever scanned", there.from);
        return Err(Failure::usage(why));
    }
    let to = to.unwrap_or(there.to);
    if let Some(from) = from.filter(|from| *from > to) {
        return Err(Failure::usage(format!("--from {from} lies above block {to}, the last to be compared")));
    }
    let from = from.unwrap_or_else(|| due(there.from, runs));
    Ok((from <= to).then_some(Span { from, to }))
}

/// The first block that is due: above what runs without a difference cover without a gap, yet not above a difference
/// that stands.
fn due(first: BlockNumber, runs: &[PastRun]) -> BlockNumber {
    let mut clean: Vec<&PastRun> = runs.iter().filter(|run| run.clean).collect();
    clean.sort_by_key(|run| run.from);
    let covered = clean.iter().fold(first, |next, run| match run.from <= next {
        true => next.max(run.to.plus(1)),
        false => next,
    });
    let open = runs.iter().filter(|run| run.open).map(|run| run.from).min();
    open.map_or(covered, |open| open.min(covered)).max(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAN: (bool, bool) = (false, true);
    const OPEN: (bool, bool) = (true, false);
    const MENDED: (bool, bool) = (false, false);

    fn run(from: u64, to: u64, (open, clean): (bool, bool)) -> PastRun {
        PastRun { from: BlockNumber(from), to: BlockNumber(to), open, clean }
    }

    #[test]
    fn it_begins_where_clean_runs_end_or_a_difference_stands() {
        for (runs, expected) in [
            (vec![], 10),
            (vec![run(10, 20, CLEAN)], 21),
            (vec![run(21, 30, CLEAN), run(10, 20, CLEAN)], 31),
            (vec![run(10, 20, CLEAN), run(22, 30, CLEAN)], 21),
            (vec![run(10, 30, CLEAN), run(15, 20, CLEAN)], 31),
            (vec![run(10, 20, CLEAN), run(21, 30, OPEN)], 21),
            (vec![run(10, 30, CLEAN), run(12, 13, OPEN)], 12),
            (vec![run(10, 20, OPEN)], 10),
            (vec![run(10, 20, MENDED), run(10, 25, CLEAN)], 26),
            (vec![run(10, 20, MENDED)], 10),
        ] {
            assert_eq!(due(BlockNumber(10), &runs), BlockNumber(expected), "{runs:?}");
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let there = Span { from: BlockNumber(10), to: BlockNumber(20) };
        let ask = |from: Option<u64>, to: Option<u64>, runs: &[PastRun]| {
            choose(there, from.map(BlockNumber), to.map(BlockNumber), runs)
                .map(|span| span.map(|span| (span.from.0, span.to.0)))
                .map_err(|failure| failure.reason)
        };
        assert_eq!(ask(None, None, &[]), Ok(Some((10, 20))));
        assert_eq!(ask(Some(12), Some(12), &[]), Ok(Some((12, 12))));
        assert_eq!(ask(None, None, &[run(10, 20, CLEAN)]), Ok(None));
        assert_eq!(ask(Some(10), None, &[run(10, 20, CLEAN)]), Ok(Some((10, 20))));
        assert!(ask(Some(9), None, &[]).unwrap_err().contains("lies below block 10"));
        assert!(ask(None, Some(21), &[]).unwrap_err().contains("lies above block 20"));
        assert!(ask(Some(15), Some(14), &[]).unwrap_err().contains("lies above block 14"));
    }
}
