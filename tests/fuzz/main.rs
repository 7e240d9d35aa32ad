//! Fuzzing: what comes from outside (answers of nodes, their errors, the configuration) is taken from good examples and
//! damaged at random. Nothing may panic or hang, nothing that was not asked for may get through, no secret may be told.
//!
//! `make test` runs some hundred cases of each; `FUZZ_CASES=100000 cargo test --release --test fuzz` runs more. What fails
//! is shrunk and printed with its seed.

#![allow(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::unwrap_used, clippy::indexing_slicing)]
#![allow(clippy::expect_used)]

mod answers;
mod configuration;
mod damage;
mod errors;
mod node;
