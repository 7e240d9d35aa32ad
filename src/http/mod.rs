//! What the house serves over HTTP. So far the admin listener: metrics and health.
//!
//! The only room that knows axum and hyper. It asks and shows; not for watching, and it never calls a watcher.

pub mod admin;
pub mod health;
#[allow(dead_code, reason = "the API's routes come next")]
mod limits;
mod server;

pub use health::{Part, Readiness};
