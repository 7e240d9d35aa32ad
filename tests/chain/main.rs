//! The room `chain` from outside: transports against local servers, the pool and the learners against a scripted chain.

#![allow(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::wildcard_enum_match_arm)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../support/scripted.rs"]
mod scripted;

mod answers;
mod golden;
mod http;
mod network;
mod pool;
mod proofs;
mod ranges;
mod redaction;
mod servers;
mod socket;
