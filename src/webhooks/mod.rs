//! Events on their way to whoever asked for them: endpoints and their secrets ([`Desk`]), and the task that numbers
//! events, signs and sends them ([`Courier`]). Not for writing events: the change itself does, in its transaction.
//!
//! [`schedule`], [`signature`], [`payload`] and [`guard`] are pure. [`client`] makes the one HTTP request of an attempt;
//! no database connection is held meanwhile.

mod allotment;
pub mod client;
mod courier;
mod cursor;
mod desk;
pub mod guard;
pub mod payload;
pub mod schedule;
pub mod signature;
mod target;

pub use courier::{Courier, Pace};
pub use desk::{Delivery, DeliveryFilter, DeliveryState, Desk, NewEndpoint, Page};

use crate::domain::Fault;
use crate::store;
pub use crate::store::{AttemptLine as Attempt, DeliveryLine, WebhookEndpoint as Endpoint};

/// Every type of event there is.
pub const EVENT_TYPES: [&str; 8] = [
    "deposit.created",
    "deposit.pending",
    "deposit.confirmed",
    "deposit.expired",
    "deposit.underpaid",
    "deposit.overpaid",
    "deposit.reverted",
    "deposit.unmatched",
];

/// How many active endpoints a business may have.
pub const MOST_ENDPOINTS: u32 = 10;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// What was asked for is wrong: every fault at once.
    #[error("the request has faults")]
    Faults(Vec<Fault>),
    /// There is no such business, endpoint or delivery.
    #[error("there is none of this id")]
    NotFound,
    /// The business has this many active endpoints, and may not have more.
    #[error("a business may have {0} active webhook endpoints")]
    TooMany(u32),
    /// Nothing is sent to a disabled endpoint.
    #[error("the webhook endpoint is disabled")]
    EndpointDisabled,
    /// Without `api.sealing_key` no secret can be kept.
    #[error("api.sealing_key is not set: no secret can be kept")]
    NoSealingKey,
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
}
