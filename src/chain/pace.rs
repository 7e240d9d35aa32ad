//! How fast an endpoint may be asked, learned from its asking us to slow down.
//!
//! Pure: time is an argument. Nothing is held back until an endpoint says "too fast"; then it gets half of what it got,
//! and a little more after every while that went well: additive increase, multiplicative decrease. Not for how long it
//! is left alone after it said so: that is `health`.

use std::time::Duration;

use tokio::time::Instant;

/// Never slower, in requests a second: a step needs a few.
const FLOOR: u64 = 1;
/// One request a second more each time this long went by without a complaint.
const GROW_EVERY: Duration = Duration::from_secs(10);
/// Complaints closer together are one: several requests were under way.
const ONE_COMPLAINT: Duration = Duration::from_secs(1);
/// Faster than anything asked here: the limit is forgotten.
const FREE: u64 = 500;
const SECOND: Duration = Duration::from_secs(1);

/// The learner of one endpoint.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Requests a second, once it was too fast.
    limit: Option<u64>,
    /// Not before then.
    next: Option<Instant>,
    /// When the limit last changed.
    changed: Option<Instant>,
    /// The second under way: its beginning, requests in it, and requests in the one before.
    second: Option<(Instant, u64)>,
    before: u64,
}

impl Pace {
    /// When a request that is ready at `now` may be sent; its turn is taken.
    pub(super) fn turn(&mut self, now: Instant) -> Instant {
        let at = match self.limit {
            None => now,
            Some(limit) => {
                let at = self.next.map_or(now, |next| next.max(now));
                let apart = u32::try_from(limit).ok().and_then(|limit| SECOND.checked_div(limit)).unwrap_or_default();
                self.next = at.checked_add(apart);
                at
            }
        };
        self.count(at);
        at
    }

    /// It said "too fast".
    pub(super) fn limited(&mut self, now: Instant) {
        let lately = |at: Instant| now.saturating_duration_since(at) < ONE_COMPLAINT;
        if self.limit.is_some() && self.changed.is_some_and(lately) {
            return;
        }
        self.count_until(now);
        let sent = self.second.map_or(0, |(_, sent)| sent).max(self.before);
        let had = self.limit.map_or(sent, |limit| limit.min(sent.max(FLOOR)));
        self.limit = Some(had.checked_div(2).unwrap_or(FLOOR).max(FLOOR));
        self.changed = Some(now);
    }

    /// It answered as it should.
    pub(super) fn answered(&mut self, now: Instant) {
        let calm = |at: Instant| now.saturating_duration_since(at) >= GROW_EVERY;
        if self.limit.is_some() && self.changed.is_none_or(calm) {
            self.limit = self.limit.map(|limit| limit.saturating_add(1)).filter(|limit| *limit < FREE);
            self.changed = Some(now);
        }
    }

    /// Requests a second, where it is limited.
    pub(super) fn learned(&self) -> Option<u64> {
        self.limit
    }

    fn count(&mut self, at: Instant) {
        self.count_until(at);
        if let Some((_, sent)) = &mut self.second {
            *sent = sent.saturating_add(1);
        }
    }

    /// Begins another second where the one under way is over.
    fn count_until(&mut self, at: Instant) {
        let over = |begun: Instant| at.saturating_duration_since(begun) >= SECOND;
        match self.second {
            Some((begun, _)) if !over(begun) => {}
            Some((begun, sent)) => {
                self.before = if at.saturating_duration_since(begun) < SECOND.saturating_mul(2) { sent } else { 0 };
                self.second = Some((at, 0));
            }
            None => self.second = Some((at, 0)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    /// Sends for so many seconds as fast as `pace` lets it, at most `most` a second; how many it were.
    fn send(pace: &mut Pace, now: &mut Instant, seconds: u32, most: u32) -> u64 {
        let (end, mut sent) = (*now + SECOND * seconds, 0);
        while *now < end {
            *now = pace.turn(*now);
            sent += 1;
            *now += SECOND / most;
        }
        sent
    }

    #[test]
    fn nothing_is_held_back_before_it_complains() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        assert!((0..10_000).all(|_| pace.turn(now) == now));
        pace.answered(now);
        assert_eq!(pace.learned(), None);
    }

    #[test]
    fn a_complaint_halves_what_was_sent() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        send(&mut pace, &mut now, 3, 40);
        pace.limited(now);
        assert_eq!(pace.learned(), Some(20));
        pace.limited(now + SECOND / 2);
        assert_eq!(pace.learned(), Some(20), "several at once are one complaint");
        let sent = send(&mut pace, &mut now, 5, 1_000);
        assert!((99..=102).contains(&sent), "{sent}");
        pace.limited(now);
        assert_eq!(pace.learned(), Some(10));
    }

    #[test]
    fn the_floor_is_one_request_a_second() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        for _ in 0..20 {
            pace.limited(now);
            now += SECOND * 2;
        }
        assert_eq!(pace.learned(), Some(1));
        assert!((9..=11).contains(&send(&mut pace, &mut now, 10, 1_000)));
    }

    #[test]
    fn it_grows_by_one_every_ten_good_seconds_and_is_free_at_last() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        pace.limited(now);
        for _ in 0..100 {
            now += SECOND;
            pace.answered(now);
        }
        assert_eq!(pace.learned(), Some(11), "ten times ten seconds");
        for _ in 0..600 {
            now += GROW_EVERY;
            pace.answered(now);
        }
        assert_eq!(pace.learned(), None);
        assert_eq!(pace.turn(now), now);
    }

    #[test]
    fn who_was_idle_gets_no_credit_for_it() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        pace.limited(now);
        pace.turn(now);
        now += SECOND * 60;
        let turns: Vec<Instant> = (0..3).map(|_| pace.turn(now)).collect();
        assert_eq!(turns, [now, now + SECOND, now + SECOND * 2]);
    }
}
