//! What went wrong, by what the caller does next. Not for reading providers' texts: that table is `refusal`.

use std::time::Duration;

use super::range::Limit;
use crate::domain::{ChainId, EndpointKey};

/// Why an endpoint, or the whole network, gave no usable answer. Says an endpoint's key and never its address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Wait and try again, there or elsewhere.
    #[error("{}: {reason}", whose(.endpoint))]
    Transient {
        /// Who; `None` when no endpoint of the network is usable now.
        endpoint: Option<EndpointKey>,
        /// What happened.
        reason: String,
        /// When it makes sense to come back, where that is known.
        retry_after: Option<Duration>,
    },
    /// It said what cannot be: ask another endpoint. It is left alone for a while.
    #[error("endpoint {endpoint} misbehaves: {reason}")]
    Misbehaving {
        /// Who.
        endpoint: EndpointKey,
        /// What it said.
        reason: String,
    },
    /// It refuses what is asked of the past, or lacks it, and says nothing against itself by that: ask another. Said only
    /// within [`super::of_the_past`].
    #[error("endpoint {endpoint}: {reason}")]
    Refuses {
        /// Who.
        endpoint: EndpointKey,
        /// What it said.
        reason: String,
    },
    /// Ask for fewer blocks: `Endpoint::range` already says how many. Never said of one block: that is read by its receipts.
    #[error("endpoint {endpoint} refuses the range: {reason}")]
    TooWide {
        /// Who.
        endpoint: EndpointKey,
        /// What it said.
        reason: String,
        /// How many blocks it says would do.
        suggested: Option<u64>,
    },
    /// It serves another chain: never read from it. From [`super::Pool::first`]: all of them do.
    #[error("endpoint {endpoint} serves another chain: {reason}")]
    WrongChain {
        /// Who.
        endpoint: EndpointKey,
        /// The chain id it gave.
        found: ChainId,
        /// What differs: chain id or genesis, with both values.
        reason: String,
    },
}

fn whose(endpoint: &Option<EndpointKey>) -> String {
    endpoint.as_ref().map_or_else(|| "no endpoint is usable".to_owned(), |key| format!("endpoint {key}"))
}

impl Error {
    /// The endpoint that failed, where it is one.
    pub fn endpoint(&self) -> Option<&EndpointKey> {
        match self {
            Error::Transient { endpoint, .. } => endpoint.as_ref(),
            Error::Misbehaving { endpoint, .. }
            | Error::Refuses { endpoint, .. }
            | Error::TooWide { endpoint, .. }
            | Error::WrongChain { endpoint, .. } => Some(endpoint),
        }
    }

    /// When to come back, where the error says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::Transient { retry_after, .. } => *retry_after,
            Error::Misbehaving { .. } | Error::Refuses { .. } | Error::TooWide { .. } | Error::WrongChain { .. } => {
                None
            }
        }
    }
}

/// Why a pool cannot even be built: configuration, not weather.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("endpoint {endpoint}: {reason}")]
pub struct BuildError {
    /// Who.
    pub endpoint: EndpointKey,
    /// What is wrong with it.
    pub reason: String,
}

/// What went wrong with one call, before anybody's name is on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// No answer in time.
    Timeout,
    /// Nothing that is JSON-RPC came back: connection, TLS, HTTP status, HTML, a body cut short.
    Outage(String),
    /// Too much too fast.
    RateLimited { reason: String, retry_after: Option<Duration> },
    /// More than it is willing to send at once.
    TooWide { reason: String, limit: Limit },
    /// An error answer that says "not here" or "not now".
    Refused(String),
    /// It lacks the method; asking again is useless.
    Unsupported(String),
    /// It has no such block.
    Missing(String),
    /// It said what cannot be.
    Misbehaving(String),
    /// It takes at most so many calls in one batch, where it says.
    Batch { reason: String, limit: Option<u64> },
}

impl Fault {
    /// The label `outcome` of the request's metric.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Fault::Timeout => "timeout",
            Fault::RateLimited { .. } => "rate_limited",
            Fault::TooWide { .. } => "too_wide",
            Fault::Misbehaving(_) => "misbehaving",
            Fault::Outage(_) | Fault::Refused(_) | Fault::Unsupported(_) | Fault::Missing(_) | Fault::Batch { .. } => {
                "error"
            }
        }
    }

    /// What happened, as it came: to be redacted before anyone reads it.
    pub(super) fn reason(&self) -> &str {
        match self {
            Fault::Timeout => "gave no answer in time",
            Fault::RateLimited { reason, .. } | Fault::TooWide { reason, .. } | Fault::Batch { reason, .. } => reason,
            Fault::Outage(reason)
            | Fault::Refused(reason)
            | Fault::Unsupported(reason)
            | Fault::Missing(reason)
            | Fault::Misbehaving(reason) => reason,
        }
    }
}
