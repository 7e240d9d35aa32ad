//! Spans of time, kept so that those which reach into a given time are found without a look at the others. Pure.

use chrono::TimeDelta;

use crate::domain::Time;

/// So much later, at most the end of the calendar.
pub(super) fn later(time: Time, by: TimeDelta) -> Time {
    time.checked_add_signed(by).unwrap_or(Time::MAX_UTC)
}

/// So much earlier, at most the beginning of the calendar.
pub(super) fn earlier(time: Time, by: TimeDelta) -> Time {
    time.checked_sub_signed(by).unwrap_or(Time::MIN_UTC)
}

/// Numbered spans in the order of their beginnings, and above them a tree of their ends: where the latest end below a node
/// is too early, all below it are.
#[derive(Debug)]
pub(super) struct Spans {
    /// When each begins, and its number.
    order: Vec<(Time, usize)>,
    /// Where each number stands in that order.
    places: Vec<usize>,
    /// The latest end below each node; the root is 1, below node n are 2n and 2n + 1, the second half are the spans.
    latest: Vec<Option<Time>>,
}

impl Spans {
    /// Spans with these beginnings, numbered from 0. None is there until [`Spans::set`] says when it ends.
    pub(super) fn new(begins: impl IntoIterator<Item = Time>) -> Spans {
        let mut order: Vec<(Time, usize)> = begins.into_iter().zip(0..).collect();
        order.sort_unstable();
        let mut places: Vec<(usize, usize)> = order.iter().map(|(_, number)| *number).zip(0..).collect();
        places.sort_unstable();
        let nodes = order.len().next_power_of_two().saturating_mul(2);
        Spans { order, places: places.into_iter().map(|(_, place)| place).collect(), latest: vec![None; nodes] }
    }

    /// From now on it ends then, or is not there.
    pub(super) fn set(&mut self, number: usize, end: Option<Time>) {
        let Some(place) = self.places.get(number) else { return };
        let mut node = self.leaves().saturating_add(*place);
        let mut latest = end;
        while node > 0 {
            if let Some(slot) = self.latest.get_mut(node) {
                *slot = latest;
            }
            latest = latest.max(self.below(node ^ 1));
            node /= 2;
        }
    }

    /// Those that begin no later than `until` and end no earlier than `since`, in the order of their beginnings.
    pub(super) fn reaching(&self, since: Time, until: Time) -> impl Iterator<Item = usize> {
        let begun = self.order.partition_point(|(begin, _)| *begin <= until);
        let mut place = 0;
        std::iter::from_fn(move || {
            if place >= begun {
                return None;
            }
            let found = self.first_behind(place, since).filter(|found| *found < begun)?;
            place = found.saturating_add(1);
            self.order.get(found).map(|(_, number)| *number)
        })
    }

    /// The first place from this one on where a span ends no earlier than `since`.
    fn first_behind(&self, place: usize, since: Time) -> Option<usize> {
        let leaves = self.leaves();
        let mut node = leaves.saturating_add(place);
        // To the right, in parts as large as they come, to the first that holds one.
        while self.below(node) < Some(since) {
            node = node.saturating_add(1);
            if node.is_power_of_two() {
                return None;
            }
            while node.is_multiple_of(2) {
                node /= 2;
            }
        }
        // Down to the first in that part.
        while node < leaves {
            node = node.saturating_mul(2);
            if self.below(node) < Some(since) {
                node = node.saturating_add(1);
            }
        }
        Some(node.saturating_sub(leaves))
    }

    fn leaves(&self) -> usize {
        self.latest.len() / 2
    }

    fn below(&self, node: usize) -> Option<Time> {
        self.latest.get(node).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::time_from_unix;

    fn at(second: u64) -> Time {
        time_from_unix(second).unwrap()
    }

    proptest! {
        #[test]
        fn finds_whom_a_look_at_each_finds(
            spans in prop::collection::vec((0u64..20, prop::option::of(0u64..20), prop::option::of(0u64..20)), 0..40),
            since in 0u64..20,
            until in 0u64..20,
        ) {
            let mut all = Spans::new(spans.iter().map(|(begin, _, _)| at(*begin)));
            for (number, (_, before, _)) in spans.iter().enumerate() {
                all.set(number, before.map(at));
            }
            for (number, (_, _, end)) in spans.iter().enumerate() {
                all.set(number, end.map(at));
            }
            let mut expected: Vec<(u64, usize)> = Vec::new();
            for (number, (begin, _, end)) in spans.iter().enumerate() {
                if *begin <= until && end.is_some_and(|end| end >= since) {
                    expected.push((*begin, number));
                }
            }
            expected.sort_unstable();
            let expected: Vec<usize> = expected.into_iter().map(|(_, number)| number).collect();
            prop_assert_eq!(all.reaching(at(since), at(until)).collect::<Vec<_>>(), expected);
        }
    }
}
