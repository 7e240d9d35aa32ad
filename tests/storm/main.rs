//! The watcher under attack: a storm of random faults with an oracle that knows the right end, a scenario for each rule,
//! and the database's own guards attacked in plain SQL. A scripted chain, a real PostgreSQL, no sleeps.

#[path = "../support/mod.rs"]
mod support;

mod guards;
