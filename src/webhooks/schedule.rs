//! When a delivery that failed is sent again, or that it is dead. Pure: the pauses are data, the dice are the caller's.

use std::time::Duration;

/// However long a receiver asks to be left alone.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// The pause after attempt number `attempt` (the first is 1) failed; none when that was the last.
///
/// `dice` in 0 to 1 adds up to a tenth, so that what failed together does not come back together. `asked` is the
/// receiver's `Retry-After`: it lengthens a pause to at most a day, and never shortens one.
pub fn pause(pauses: &[Duration], attempt: u32, asked: Option<Duration>, dice: f64) -> Option<Duration> {
    let index = usize::try_from(attempt).unwrap_or(usize::MAX).checked_sub(1)?;
    let planned = *pauses.get(index)?;
    let jitter = planned.mul_f64(dice.clamp(0.0, 1.0) / 10.0);
    let asked = asked.map_or(Duration::ZERO, |asked| asked.min(LONGEST));
    Some(planned.saturating_add(jitter).max(asked))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn pauses_come_in_their_order_and_end() {
        let pauses = [secs(30), secs(300)];
        assert_eq!(pause(&pauses, 1, None, 0.0), Some(secs(30)));
        assert_eq!(pause(&pauses, 2, None, 0.0), Some(secs(300)));
        assert_eq!(pause(&pauses, 3, None, 0.0), None);
        assert_eq!(pause(&pauses, 0, None, 0.0), None);
        assert_eq!(pause(&[], 1, None, 0.0), None);
    }

    #[test]
    fn the_receiver_may_ask_for_more_time_but_not_for_less_nor_for_ever() {
        for (asked, expected) in [(10, 30), (40, 40), (90_000, 86_400), (u64::MAX, 86_400)] {
            assert_eq!(pause(&[secs(30)], 1, Some(secs(asked)), 0.0), Some(secs(expected)), "{asked}");
        }
        assert_eq!(pause(&[secs(200_000)], 1, Some(secs(90_000)), 0.0), Some(secs(200_000)));
        assert_eq!(pause(&[secs(30)], 2, Some(secs(90)), 0.0), None, "asking for time buys no attempt");
    }

    proptest! {
        #[test]
        fn jitter_adds_up_to_a_tenth(planned in 0_u64..700_000, dice in 0.0_f64..=1.0) {
            let paused = pause(&[secs(planned)], 1, None, dice).unwrap();
            prop_assert!(paused >= secs(planned) && paused <= secs(planned).mul_f64(1.100_001));
        }
    }
}
