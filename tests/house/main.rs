//! Tests of the house itself: its floors, its metrics, its log, its documents, what is deployed beside it. Not of what it does for money.
#![allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

#[cfg(test)]
mod alerts;
#[cfg(test)]
mod capacity;
mod commands;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod floors;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod source;
