//! deposit-watcher: streams ERC-20 `Transfer` logs, matches them against deposit sessions in Postgres and confirms them.

pub mod app;
pub mod chain;
pub mod cli;
pub mod demo;
pub mod domain;
pub mod http;
pub mod settings;
pub mod store;
pub mod telemetry;
pub mod watcher;
