//! Which blocks a run compares. Pure. Not for how they are read.

use crate::cli::exit::Failure;
use crate::domain::{Address, BlockNumber};
use crate::store::{PastRun, Reread};

/// A range of blocks, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: BlockNumber,
    pub(super) to: BlockNumber,
}

/// The blocks that can be compared at all: read, and looked at twice. Lowest first, with blocks between each two that
/// nobody has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct There(Vec<Span>);

/// What a run is to compare, and what is known of it from before.
pub(super) struct Before<'a> {
    pub(super) tokens: &'a [Address],
    pub(super) balances: bool,
    pub(super) runs: &'a [PastRun],
    pub(super) rereads: &'a [Reread],
}

impl There {
    /// Of the ranges that were read what was looked at twice.
    pub(super) fn new(read: &[(BlockNumber, BlockNumber)], confirmed: BlockNumber) -> There {
        let clipped = read.iter().map(|(from, to)| Span { from: *from, to: confirmed.min(*to) });
        let mut spans: Vec<Span> = clipped.filter(|span| span.from <= span.to).collect();
        spans.sort_by_key(|span| span.from);
        let mut merged: Vec<Span> = Vec::new();
        for span in spans {
            match merged.last_mut() {
                Some(last) if span.from <= last.to.plus(1) => last.to = last.to.max(span.to),
                Some(_) | None => merged.push(span),
            }
        }
        There(merged)
    }

    /// Of a range the parts that were read.
    pub(super) fn within(&self, span: Span) -> Vec<Span> {
        let cut = self.0.iter().map(|there| Span { from: there.from.max(span.from), to: there.to.min(span.to) });
        cut.filter(|span| span.from <= span.to).collect()
    }

    /// What was asked for, of what there is; `None` where nothing is left to compare.
    pub(super) fn choose(
        &self,
        from: Option<BlockNumber>,
        to: Option<BlockNumber>,
        before: &Before<'_>,
    ) -> Result<Option<Span>, Failure> {
        let Some((first, last)) = self.0.first().map(|span| span.from).zip(self.0.last().map(|span| span.to)) else {
            return Ok(None);
        };
        if let Some(to) = to.filter(|to| *to > last) {
            let why = format!("--to {to} lies above block {last}, the last that was looked at twice");
            return Err(Failure::usage(why));
        }
        if let Some(from) = from.filter(|from| *from < first) {
            let why = format!("--from {from} lies below block {first}, the first that was ever scanned");
            return Err(Failure::usage(why));
        }
        let to = to.unwrap_or(last);
        if let Some(from) = from.filter(|from| *from > to) {
            return Err(Failure::usage(format!("--from {from} lies above block {to}, the last to be compared")));
        }
        let span = Span { from: from.unwrap_or_else(|| self.due(first, before)), to };
        if from.is_some() && self.within(span).is_empty() {
            let why = format!("nobody has read any of the blocks {} to {to}: `rescan` reads them", span.from);
            return Err(Failure::usage(why));
        }
        Ok((span.from <= to).then_some(span))
    }

    /// The first block that is due of any of the tokens.
    fn due(&self, first: BlockNumber, before: &Before<'_>) -> BlockNumber {
        let each = before.tokens.iter().map(|token| self.due_of(*token, first, before));
        each.min().unwrap_or(first).max(first)
    }

    /// The first block that is due of a token: above what runs without a difference of it cover without a gap, yet not above
    /// a difference of it that stands.
    fn due_of(&self, token: Address, first: BlockNumber, before: &Before<'_>) -> BlockNumber {
        let counts = |run: &&PastRun| {
            run.tokens.contains(&token) && !run.differing.contains(&token) && (run.balances || !before.balances)
        };
        let mut clean: Vec<Span> =
            before.runs.iter().filter(counts).flat_map(|run| still_compared(run, token, before.rereads)).collect();
        clean.sort_by_key(|span| span.from);
        let covered = clean.iter().fold(first, |next, span| match span.from <= next {
            true => next.max(self.at_or_above(span.to.plus(1))),
            false => next,
        });
        let stands = |run: &&PastRun| run.open && (run.differing.is_empty() || run.differing.contains(&token));
        let open = before.runs.iter().filter(stands).map(|run| run.from).min();
        open.map_or(covered, |open| open.min(covered))
    }

    /// The lowest block from there on that was read; the number itself above all that were.
    fn at_or_above(&self, number: BlockNumber) -> BlockNumber {
        self.0.iter().find(|span| span.to >= number).map_or(number, |span| span.from.max(number))
    }
}

/// Of the blocks that a run compared those that were not read again since. Of a run of which that is not known: none.
fn still_compared(run: &PastRun, token: Address, rereads: &[Reread]) -> Vec<Span> {
    let Some(seen) = run.rereads else { return Vec::new() };
    let since = rereads
        .iter()
        .filter(|reread| reread.id.is_none_or(|id| id > seen) && reread.token.is_none_or(|of| of == token));
    since.fold(vec![Span { from: run.from, to: run.to }], |left, reread| {
        left.into_iter().flat_map(|span| without(span, reread)).collect()
    })
}

/// What is below and what is above.
fn without(span: Span, reread: &Reread) -> impl Iterator<Item = Span> {
    let below = Span { to: span.to.min(reread.from.minus(1)), ..span };
    let below = (reread.from > span.from).then_some(below);
    let above = reread.to.map(|to| Span { from: span.from.max(to.plus(1)), ..span });
    let above = above.filter(|above| above.from <= above.to);
    below.into_iter().chain(above)
}

#[cfg(test)]
#[path = "span_tests.rs"]
mod tests;
