//! What the house serves over HTTP: the API with its event streams, the payment page, and the admin listener with metrics
//! and health.
//!
//! The only room that knows axum and hyper. It asks and shows; not for watching, and it never calls a watcher.

pub mod admin;
pub mod api;
mod body;
pub mod health;
mod limits;
mod page;
mod problem;
mod server;

pub use health::{Part, Readiness};
