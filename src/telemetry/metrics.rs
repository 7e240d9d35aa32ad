//! The kinds of metric, typed: how many labels one has and what it measures are part of its type.
//!
//! Not for which metrics there are: that is [`super::table`].

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use alloy::primitives::U256;
use metrics::{Key, Level, Metadata, Unit, with_recorder};

use super::labels::{Label, network_value};
use crate::domain::{BlockNumber, Time, Units};

static METADATA: Metadata<'static> = Metadata::new("deposit_watcher", Level::INFO, None);

/// Prometheus' kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Is what was last set.
    Gauge,
    /// Counts by bucket.
    Histogram,
}

/// A line of the table.
#[derive(Debug)]
pub struct Description {
    /// As exposed, prefix and suffix included.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it counts in.
    pub unit: Unit,
    /// For people.
    pub help: &'static str,
    /// In the order in which values are given.
    pub labels: &'static [Label],
    /// Upper bounds of a histogram's buckets, without +Inf; empty for the other kinds.
    pub buckets: &'static [f64],
}

impl Description {
    /// The series of these values. A network that is not configured becomes `other`.
    fn key(&self, values: &[&str]) -> Key {
        let labels = self.labels.iter().zip(values).map(|(label, value)| {
            let value = if label.name == "network" { network_value(value) } else { value };
            metrics::Label::new(label.name, value.to_owned())
        });
        Key::from_parts(self.name, labels.collect::<Vec<_>>())
    }

    /// Lets the series exist: a counter or histogram keeps what it has, a gauge becomes 0.
    pub(super) fn initialise(&self, values: &[&str]) {
        let key = self.key(values);
        with_recorder(|recorder| match self.kind {
            Kind::Counter => recorder.register_counter(&key, &METADATA).increment(0),
            Kind::Gauge => recorder.register_gauge(&key, &METADATA).set(0.0),
            Kind::Histogram => drop(recorder.register_histogram(&key, &METADATA)),
        });
    }

    fn add(&self, values: &[&str], count: u64) {
        with_recorder(|recorder| recorder.register_counter(&self.key(values), &METADATA).increment(count));
    }
}

/// Counts events. Its name ends in `_total`.
#[derive(Debug)]
pub struct Counter<const N: usize> {
    pub(super) description: Description,
}

impl<const N: usize> Counter<N> {
    pub(super) const fn new(name: &'static str, unit: Unit, help: &'static str, labels: &'static [Label; N]) -> Self {
        Counter { description: Description { name, kind: Kind::Counter, unit, help, labels, buckets: &[] } }
    }

    /// Counts `count` more.
    pub fn add(&self, values: &[&str; N], count: u64) {
        self.description.add(values, count);
    }
}

/// Sums amounts in whole tokens. What is less than a whole token waits until the next amounts complete it, so the
/// counter is never ahead and less than one token behind; a restart forgets that part. For graphs, never for books.
#[derive(Debug)]
pub struct AmountCounter<const N: usize> {
    pub(super) description: Description,
    remainders: Mutex<BTreeMap<Vec<String>, U256>>,
}

impl<const N: usize> AmountCounter<N> {
    pub(super) const fn new(name: &'static str, unit: Unit, help: &'static str, labels: &'static [Label; N]) -> Self {
        let description = Description { name, kind: Kind::Counter, unit, help, labels, buckets: &[] };
        AmountCounter { description, remainders: Mutex::new(BTreeMap::new()) }
    }

    /// Adds `amount` of a token with `decimals` (0 to 77).
    pub fn add(&self, values: &[&str; N], amount: Units, decimals: u8) {
        let mut remainders = self.remainders.lock().unwrap_or_else(PoisonError::into_inner);
        let remainder = remainders.entry(values.map(str::to_owned).to_vec()).or_default();
        let (whole, rest) = carry(*remainder, amount, decimals);
        *remainder = rest;
        drop(remainders);
        self.description.add(values, u64::try_from(whole).unwrap_or(u64::MAX));
    }
}

/// Whole tokens and the new remainder of a remainder (below one token) and an amount. 10^77 twice is more than a U256
/// holds, so the two parts below one token are compared before they are added.
fn carry(remainder: U256, amount: Units, decimals: u8) -> (U256, U256) {
    let one = U256::from(10).checked_pow(U256::from(decimals)).unwrap_or(U256::MAX);
    let whole = amount.0.checked_div(one).unwrap_or_default();
    let rest = amount.0.checked_rem(one).unwrap_or_default();
    let missing = one.saturating_sub(rest);
    if remainder >= missing {
        (whole.saturating_add(U256::ONE), remainder.saturating_sub(missing))
    } else {
        (whole, remainder.saturating_add(rest))
    }
}

/// What a gauge or a histogram can be given.
pub trait Measure {
    /// As Prometheus has it: seconds for times and durations, 1 and 0 for yes and no.
    fn measure(self) -> f64;
}

impl Measure for u64 {
    #[expect(clippy::as_conversions, reason = "Prometheus knows only f64; counts and block heights stay below 2^53")]
    fn measure(self) -> f64 {
        self as f64
    }
}

impl Measure for BlockNumber {
    fn measure(self) -> f64 {
        self.0.measure()
    }
}

impl Measure for Duration {
    fn measure(self) -> f64 {
        self.as_secs_f64()
    }
}

impl Measure for Time {
    fn measure(self) -> f64 {
        let since_1970 = self.signed_duration_since(Time::UNIX_EPOCH).to_std();
        since_1970.map_or(0.0, Measure::measure)
    }
}

impl Measure for bool {
    fn measure(self) -> f64 {
        f64::from(u8::from(self))
    }
}

/// Is what was last set.
#[derive(Debug)]
pub struct Gauge<const N: usize, T = u64> {
    pub(super) description: Description,
    measures: PhantomData<fn(T)>,
}

impl<const N: usize, T: Measure> Gauge<N, T> {
    pub(super) const fn new(name: &'static str, unit: Unit, help: &'static str, labels: &'static [Label; N]) -> Self {
        let description = Description { name, kind: Kind::Gauge, unit, help, labels, buckets: &[] };
        Gauge { description, measures: PhantomData }
    }

    /// Sets it.
    pub fn set(&self, values: &[&str; N], value: T) {
        let key = self.description.key(values);
        with_recorder(|recorder| recorder.register_gauge(&key, &METADATA).set(value.measure()));
    }
}

impl Gauge<0> {
    /// One more.
    pub fn rise(&self) {
        with_recorder(|recorder| recorder.register_gauge(&self.description.key(&[]), &METADATA).increment(1.0));
    }

    /// One less.
    pub fn fall(&self) {
        with_recorder(|recorder| recorder.register_gauge(&self.description.key(&[]), &METADATA).decrement(1.0));
    }
}

/// Counts observations by bucket.
#[derive(Debug)]
pub struct Histogram<const N: usize, T = Duration> {
    pub(super) description: Description,
    measures: PhantomData<fn(T)>,
}

impl<const N: usize, T: Measure> Histogram<N, T> {
    pub(super) const fn new(
        name: &'static str,
        unit: Unit,
        help: &'static str,
        labels: &'static [Label; N],
        buckets: &'static [f64],
    ) -> Self {
        let description = Description { name, kind: Kind::Histogram, unit, help, labels, buckets };
        Histogram { description, measures: PhantomData }
    }

    /// Counts one observation.
    pub fn observe(&self, values: &[&str; N], value: T) {
        let key = self.description.key(values);
        with_recorder(|recorder| recorder.register_histogram(&key, &METADATA).record(value.measure()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(n: u64) -> Units {
        Units(U256::from(n))
    }

    #[test]
    fn parts_of_a_token_are_carried_until_they_are_whole() {
        assert_eq!(carry(U256::ZERO, units(1_500_000), 6), (U256::from(1), U256::from(500_000)));
        assert_eq!(carry(U256::from(500_000), units(499_999), 6), (U256::ZERO, U256::from(999_999)));
        assert_eq!(carry(U256::from(999_999), units(1), 6), (U256::ONE, U256::ZERO));
        assert_eq!(carry(U256::ZERO, units(7), 0), (U256::from(7), U256::ZERO));
    }

    #[test]
    fn the_largest_amounts_and_decimals_carry_without_overflow() {
        let one = U256::from(10).pow(U256::from(77));
        let least = U256::ONE;
        assert_eq!(carry(one - least, Units(one - least), 77), (U256::ONE, one - least - least));
        let (whole, rest) = carry(one - least, Units(U256::MAX), 77);
        assert_eq!((whole, rest), (U256::from(2), U256::MAX - one - least));
        assert_eq!(carry(U256::ZERO, Units(U256::MAX), 0), (U256::MAX, U256::ZERO));
    }

    #[test]
    fn times_are_seconds() {
        let time = crate::domain::time_from_unix(1_700_000_000).unwrap();
        assert!((time.measure() - 1_700_000_000.0).abs() < f64::EPSILON);
        assert!((Duration::from_millis(250).measure() - 0.25).abs() < f64::EPSILON);
        assert!((true.measure() - 1.0).abs() < f64::EPSILON);
    }
}
