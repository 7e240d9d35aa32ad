//! What endpoints cost and how they are, told to the metrics. Not for what it means: that is `health`.

use std::time::Duration;

use super::health::EndpointState;
use crate::domain::{BlockNumber, EndpointKey, Slug};
use crate::telemetry as t;

/// Whose figures they are.
#[derive(Debug, Clone)]
pub(super) struct Observer {
    network: Slug,
    endpoint: EndpointKey,
}

impl Observer {
    pub(super) fn new(network: &Slug, endpoint: &EndpointKey) -> Observer {
        Observer { network: network.clone(), endpoint: endpoint.clone() }
    }

    /// The network, for the log: endpoints of two networks may have one key.
    pub(super) fn network(&self) -> &str {
        self.network.as_str()
    }

    /// One request as the provider counts them; a batch is one, with the method `batch`.
    pub(super) fn request(&self, method: &'static str, outcome: &'static str, took: Duration) {
        let [network, endpoint] = self.labels();
        t::RPC_REQUESTS_TOTAL.add(&[network, endpoint, method, outcome], 1);
        t::RPC_REQUEST_DURATION_SECONDS.observe(&[network, endpoint, method], took);
    }

    /// What it is now.
    pub(super) fn state(&self, now: EndpointState) {
        let [network, endpoint] = self.labels();
        t::RPC_ENDPOINT_UP.set(&[network, endpoint], now.is_usable());
        for state in EndpointState::ALL {
            t::RPC_ENDPOINT_STATE.set(&[network, endpoint, state.as_str()], state == now);
        }
    }

    /// The highest head it gave.
    pub(super) fn head(&self, number: BlockNumber) {
        t::RPC_ENDPOINT_HEAD_BLOCK.set(&self.labels(), number);
    }

    fn labels(&self) -> [&str; 2] {
        [self.network.as_str(), self.endpoint.as_str()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `/metrics` would show of an endpoint in this state.
    fn up(state: EndpointState) -> bool {
        let (recorder, exposition) = t::recorder().unwrap();
        let observer = Observer::new(&Slug::parse("test").unwrap(), &EndpointKey::parse("a").unwrap());
        ::metrics::with_local_recorder(&recorder, || observer.state(state));
        let text = exposition.render();
        let line = text.lines().find(|line| line.starts_with("deposit_watcher_rpc_endpoint_up{"));
        line.unwrap().ends_with(" 1")
    }

    /// One word for one thing: who may be read from is up, also on a chain at rest, where every head stands still.
    #[test]
    fn up_is_what_may_be_read_from() {
        assert!(up(EndpointState::Stalled));
        for state in EndpointState::ALL {
            assert_eq!(up(state), state.is_usable(), "{state:?}");
        }
    }
}
