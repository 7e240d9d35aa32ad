//! Whose turn it is among the rescans that are open, and who refuses what they ask. The oldest goes on until it is done or
//! cannot be read; then it gives way, and is tried again after a while. Kept in memory: another holder finds it out anew.
//! Not for reading anything.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::chain::Delays;
use crate::store::Rescan;

/// One that cannot be read is tried again after no more than this.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// An operator that refused so often in a row does not do so by chance.
const BY_CHANCE: u32 = 3;

/// One that could not be read when it was tried last.
#[derive(Debug)]
struct Waiting {
    since: Instant,
    pause: Duration,
    delays: Delays,
    why: String,
}

/// What is known of the rescans of a network, by their ids.
#[derive(Debug, Default)]
pub(super) struct Turns {
    waiting: BTreeMap<i64, Waiting>,
    /// The last one that was tried could not be read.
    failed: bool,
    /// How often in a row each operator refused what a rescan asked.
    refusals: BTreeMap<(i64, String), u32>,
}

impl Turns {
    /// The one to try, of those that are open, oldest first. One that waits is tried when its pause is over, the longest
    /// untried first, but never two of them in a row while there is one that does not wait.
    pub(super) fn next(&mut self, open: Vec<Rescan>, now: Instant) -> Option<Rescan> {
        let is_open = |id: &i64| open.binary_search_by_key(id, |rescan| rescan.id).is_ok();
        self.waiting.retain(|id, _| is_open(id));
        self.refusals.retain(|(id, _), _| is_open(id));
        let unhindered = open.iter().map(|rescan| rescan.id).find(|id| !self.waiting.contains_key(id));
        let over = |waiting: &Waiting| now.saturating_duration_since(waiting.since) >= waiting.pause;
        let again = self.waiting.iter().filter(|(_, waiting)| over(waiting)).min_by_key(|(_, waiting)| waiting.since);
        let again = again.map(|(id, _)| *id);
        let id = if self.failed { unhindered.or(again) } else { again.or(unhindered) }?;
        open.into_iter().find(|rescan| rescan.id == id)
    }

    /// A piece of it was read.
    pub(super) fn went_on(&mut self, id: i64) {
        self.waiting.remove(&id);
        self.failed = false;
    }

    /// It could not be read, and waits for about `least` at first.
    pub(super) fn could_not(&mut self, id: i64, why: String, least: Duration, now: Instant) {
        let known = self.waiting.remove(&id).map(|waiting| waiting.delays);
        let mut delays = known.unwrap_or_else(|| Delays::new(least, least.max(LONGEST)));
        let pause = delays.pause();
        self.waiting.insert(id, Waiting { since: now, pause, delays, why });
        self.failed = true;
    }

    /// Why the oldest of those that wait does.
    pub(super) fn why(&self) -> Option<&str> {
        self.waiting.values().next().map(|waiting| waiting.why.as_str())
    }

    /// An operator gave what this rescan asked.
    pub(super) fn gave(&mut self, id: i64, operator: &str) {
        self.refusals.remove(&(id, operator.to_owned()));
    }

    /// An operator refused it; whether it has done so too often in a row for chance.
    pub(super) fn refused(&mut self, id: i64, operator: &str) -> bool {
        let times = self.refusals.entry((id, operator.to_owned())).or_default();
        *times = times.saturating_add(1);
        *times >= BY_CHANCE
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use crate::domain::BlockNumber;

    const SECOND: Duration = Duration::from_secs(1);

    fn open(ids: &[i64]) -> Vec<Rescan> {
        let (to, next) = (BlockNumber(9), BlockNumber(1));
        ids.iter().map(|id| Rescan { id: *id, to, token: None, next_first: next, next_second: next }).collect()
    }

    fn next(turns: &mut Turns, ids: &[i64], now: Instant) -> Option<i64> {
        turns.next(open(ids), now).map(|rescan| rescan.id)
    }

    /// Tries whose turn it is, a second after the last; those that are `lost` cannot be read.
    fn tried(turns: &mut Turns, ids: &[i64], lost: &[i64], now: &mut Instant) -> Option<i64> {
        *now += SECOND;
        let id = next(turns, ids, *now)?;
        match lost.contains(&id) {
            true => turns.could_not(id, format!("{id} is lost"), SECOND * 2, *now),
            false => turns.went_on(id),
        }
        Some(id)
    }

    #[test]
    fn the_oldest_goes_on_until_it_is_done() {
        let (mut turns, mut now) = (Turns::default(), Instant::now());
        assert_eq!(next(&mut turns, &[], now), None);
        let order = [[3, 5].as_slice(), &[3, 5, 8], &[5, 8], &[5, 8]].map(|ids| tried(&mut turns, ids, &[], &mut now));
        assert_eq!(order, [Some(3), Some(3), Some(5), Some(5)]);
        assert_eq!(turns.why(), None);
    }

    #[test]
    fn what_cannot_be_read_gives_way_and_comes_again() {
        let (mut turns, mut now) = (Turns::default(), Instant::now());
        assert_eq!(tried(&mut turns, &[1, 2], &[1], &mut now), Some(1));
        assert_eq!(turns.why(), Some("1 is lost"));
        let order: Vec<_> = (0..40).filter_map(|_| tried(&mut turns, &[1, 2], &[1], &mut now)).collect();
        assert!(order.starts_with(&[2]) && !order.windows(2).any(|two| two == [1, 1]), "{order:?}");
        assert!((2..8).contains(&order.iter().filter(|id| **id == 1).count()), "{order:?}");
        now += LONGEST * 2;
        let then = [(); 2].map(|()| tried(&mut turns, &[1, 2], &[], &mut now));
        assert!(then.contains(&Some(1)), "{then:?}");
        assert_eq!(turns.why(), None);
        assert_eq!(next(&mut turns, &[1, 2], now), Some(1), "the oldest again");
    }

    #[test]
    fn however_many_cannot_be_read_the_others_go_on_and_each_has_its_turn() {
        let (mut turns, mut now) = (Turns::default(), Instant::now());
        let ids: Vec<i64> = (1..=100).collect();
        let lost = &ids[..99];
        let order: Vec<_> = (0..400).filter_map(|_| tried(&mut turns, &ids, lost, &mut now)).collect();
        let times = |id: &i64| order.iter().filter(|tried| *tried == id).count();
        assert!(times(&100) >= 150, "{order:?}");
        assert!(lost.iter().all(|id| times(id) >= 2), "{order:?}");
    }

    #[test]
    fn where_nothing_else_is_open_it_is_tried_less_and_less_often_but_for_ever() {
        let (mut turns, mut now) = (Turns::default(), Instant::now());
        let tries = |turns: &mut Turns, now: &mut Instant| {
            (0..3_600).filter(|_| tried(turns, &[7], &[7], now).is_some()).count()
        };
        assert!((15..30).contains(&tries(&mut turns, &mut now)));
        assert!((8..20).contains(&tries(&mut turns, &mut now)));
        assert_eq!(next(&mut turns, &[], now), None);
        assert_eq!(turns.why(), None, "it is open no more");
    }

    #[test]
    fn an_operator_refuses_by_chance_until_it_has_done_so_three_times_in_a_row() {
        let mut turns = Turns::default();
        let refused = |turns: &mut Turns, id| turns.refused(id, "one");
        assert_eq!([1, 1, 2, 1, 1].map(|id| refused(&mut turns, id)), [false, false, false, true, true]);
        assert!(!turns.refused(1, "two"));
        turns.gave(1, "one");
        assert!(!refused(&mut turns, 1));
    }
}
