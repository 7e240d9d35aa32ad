//! The metrics of endpoints, their names in one place. Not for what they are worth; the telemetry room will own the table.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use crate::domain::{BlockNumber, EndpointKey, Slug};

const REQUESTS: &str = "deposit_watcher_rpc_requests_total";
const DURATION: &str = "deposit_watcher_rpc_request_duration_seconds";
const UP: &str = "deposit_watcher_rpc_endpoint_up";
const HEAD: &str = "deposit_watcher_rpc_endpoint_head_block";

/// Whose figures they are.
#[derive(Debug, Clone)]
pub(super) struct Observer {
    network: String,
    endpoint: String,
}

impl Observer {
    pub(super) fn new(network: &Slug, endpoint: &EndpointKey) -> Observer {
        Observer { network: network.to_string(), endpoint: endpoint.to_string() }
    }

    /// One request as the provider counts them; a batch is one, with the method `batch`.
    pub(super) fn request(&self, method: &'static str, outcome: &'static str, took: Duration) {
        let (network, endpoint) = (self.network.clone(), self.endpoint.clone());
        counter!(REQUESTS, "network" => network.clone(), "endpoint" => endpoint.clone(), "method" => method, "outcome" => outcome)
            .increment(1);
        histogram!(DURATION, "network" => network, "endpoint" => endpoint, "method" => method).record(took);
    }

    /// Whether it may be read from now.
    pub(super) fn up(&self, up: bool) {
        gauge!(UP, "network" => self.network.clone(), "endpoint" => self.endpoint.clone()).set(f64::from(u8::from(up)));
    }

    /// The head it gave.
    pub(super) fn head(&self, number: BlockNumber) {
        let number = u32::try_from(number.0).unwrap_or(u32::MAX);
        gauge!(HEAD, "network" => self.network.clone(), "endpoint" => self.endpoint.clone()).set(f64::from(number));
    }
}
