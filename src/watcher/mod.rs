//! The work: look at a network twice, match, confirm, undo what a reorganisation undoes.

pub mod admission;
pub mod matching;
pub mod outcome;

#[cfg(test)]
mod admission_tests;
#[cfg(test)]
mod matching_tests;

use std::time::Duration;

use chrono::TimeDelta;

/// A configured duration as a span of calendar time.
pub(crate) fn span(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
