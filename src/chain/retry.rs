//! Delays that grow, with jitter. The only file that knows `backoff`, and only as a generator of delays: its default
//! gives up after 15 minutes, and a watcher never gives up.

use std::time::Duration;

use backoff::SystemClock;
use backoff::backoff::Backoff;
use backoff::exponential::{ExponentialBackoff, ExponentialBackoffBuilder};

/// How much a delay may differ from its middle, so that many watchers do not come back at once.
const JITTER: f64 = 0.3;

/// A run of growing delays; [`Delays::reset`] starts it anew.
#[derive(Debug)]
pub struct Delays {
    run: ExponentialBackoff<SystemClock>,
    most: Duration,
}

impl Delays {
    /// From about `least`, doubling, to at most `most`.
    pub fn new(least: Duration, most: Duration) -> Delays {
        let mut run = ExponentialBackoffBuilder::<SystemClock>::new();
        run.with_initial_interval(least)
            .with_max_interval(most)
            .with_multiplier(2.0)
            .with_randomization_factor(JITTER)
            .with_max_elapsed_time(None);
        Delays { run: run.build(), most }
    }

    /// The next one.
    pub fn pause(&mut self) -> Duration {
        self.run.next_backoff().unwrap_or(self.most).min(self.most)
    }

    /// Trouble is over.
    pub fn reset(&mut self) {
        self.run.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_never_end_and_start_anew() {
        let (least, most) = (Duration::from_millis(100), Duration::from_secs(2));
        let mut delays = Delays::new(least, most);
        assert!(delays.pause() <= least.mul_f64(1.4));
        let last = (0..1_000).map(|_| delays.pause()).last().unwrap();
        assert!(last >= most.mul_f64(0.6) && last <= most);
        delays.reset();
        assert!(delays.pause() <= least.mul_f64(1.4));
    }
}
