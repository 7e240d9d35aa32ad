//! One rule a test, each small: a world, a few blocks, what must be seen.

mod budget;
mod doubt;
mod looks;
mod reorgs;
mod sessions;
mod tokens;
mod views;
mod writers;

/// Millionths of a token of 6 decimals.
const HUNDRED: u64 = 100_000_000;
