//! Tests of the house itself: its floors, its metrics, its log. Not of what it does for money.

#[cfg(test)]
mod logs;
#[cfg(test)]
mod metrics;
