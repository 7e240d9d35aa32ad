//! deposit-watcher: streams ERC-20 `Transfer` logs, matches them against deposit sessions in Postgres and confirms them.
//!
//! This is the map of the house; `docs/ARCHITECTURE.md` walks through it.
//!
//! # Floors
//!
//! A room names only rooms on lower floors, and on one floor none knows another. `tests/house/floors.rs` holds this.
//!
//! | floor | rooms |
//! |---|---|
//! | 5 roof | [`app`] wires and supervises, [`demo`] is the ground for the tests, and the demo |
//! | 4 faces | [`http`]: what is served; [`cli`]: one file a command |
//! | 3 work | [`watcher`]: step, plan, matching, both looks, rewind; [`deposits`]: sessions opened, read, watched; [`webhooks`]: events on their way out |
//! | 2 outside | [`chain`]: the only one that knows JSON-RPC; [`store`]: the only one that knows SQL |
//! | 1 ground | [`settings`]: what the operator decided; [`telemetry`]: every metric, the log; [`keys`]: secrets |
//! | 0 pure | [`domain`]: the trade's nouns, valid by type |
//!
//! # The flow
//!
//! ```text
//! "look now" (a pushed head, or the timer)
//!    └► watcher::step: cursor from store ─► plan ─► chain answers, checked ─► matching derives
//!         └► ONE TRANSACTION: blocks, transfers, sessions, events, cursor under its fence
//!              └► COMMIT ─► metrics and log;  http and cli read the store and never call the watcher
//! ```
//!
//! # What always holds
//!
//! * I1 The cursor and the effects of the blocks below it commit together or not at all.
//! * I2 A step builds on the block that the cursor names, by hash; where that left the chain, it goes back instead.
//! * I3 A transfer is (network, block hash, log index). Twice inserted is once there; one whose block returns lives again.
//! * I4 What a session shows is derived from the transfers that stand on the chain, never counted along.
//! * I5 Only the second look confirms, so only it makes CONFIRMED, OVERPAID and UNDERPAID.
//! * I6 No status changes without its event in the same transaction.
//! * I7 Whatever a watcher commits carries its network's fence; who lost the lease commits nothing.
//! * I8 Amounts are [`domain::Units`] all the way: no float, nothing rounds.
//! * I9 Sessions expire by the committed block's time, not by a clock of ours.
//! * I10 What must never be is refused by Postgres itself.
//! * I11 A network that cannot be trusted halts alone, and says why.

pub mod app;
pub mod chain;
pub mod cli;
pub mod demo;
pub mod deposits;
pub mod domain;
pub mod http;
pub mod keys;
pub mod settings;
pub mod store;
pub mod telemetry;
pub mod watcher;
pub mod webhooks;
