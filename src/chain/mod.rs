//! The chain as the watcher may believe it: endpoints in order of priority and health, and answers that are checked.
//!
//! The only room that knows JSON-RPC, alloy's client and the sockets below it. A [`Pool`] hands out one [`Endpoint`] at a
//! time; every answer of an endpoint is held against what was asked (number, hash, range, order, duplicates) before
//! anyone sees it, and every [`Error`] says what to do next. Not for deciding what the answers mean: which blocks to
//! read, what a reorganisation is and who is paid are the business of the rooms above.
//!
//! An empty answer that passes every check is still no proof of absence; that is what the second look is for.

mod abreast;
mod ask;
mod balance;
mod call;
mod check;
mod decode;
mod dial;
mod endpoint;
mod error;
mod heads;
mod health;
mod http;
mod inspect;
mod json;
mod observe;
mod pace;
mod pieces;
mod pool;
mod proof;
mod range;
mod redact;
mod refusal;
mod retry;
mod simulation;
mod socket;
mod wire;

pub use ask::{Decimals, Logs, RangeAnswer, RangeAsk, Tag};
pub use balance::Balances;
pub use call::of_the_past;
pub use endpoint::Endpoint;
pub use error::{BuildError, Error};
pub use health::{EndpointReport, EndpointState};
pub use pool::Pool;
pub use proof::{Proof, Unproven};
pub use range::Learned;
pub use retry::Delays;
pub use simulation::{Mined, NodeError, TestNode, transfer_input};
pub use wire::{Limits, install_tls};
