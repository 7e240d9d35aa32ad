//! One rule a test, each small: a world, a few blocks, what must be seen.

mod budget;
mod closing;
mod doubt;
mod halts;
mod looks;
mod reorgs;
mod rescans;
mod sessions;
mod settling;
mod times;
mod tokens;
mod tolerance;
mod unsure;
mod views;
mod whole;
mod writers;

/// Millionths of a token of 6 decimals.
const HUNDRED: u64 = 100_000_000;
