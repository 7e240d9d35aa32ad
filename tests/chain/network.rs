//! A network's settings as these tests need them. Not for reading configuration.

use std::time::Duration;

use alloy::transports::BoxTransport;
use deposit_watcher::chain::Pool;
use deposit_watcher::domain::{ChainId, EndpointKey, Finality, Secret, Slug};
use deposit_watcher::settings::{Ambiguous, Endpoint, Network, PartialPayments, Verify};

pub(crate) const CHAIN: u64 = 31_337;

pub(crate) fn key(text: &str) -> EndpointKey {
    EndpointKey::parse(text).unwrap()
}

/// Endpoints as (key, URL, operator), first is best.
pub(crate) fn network(endpoints: &[(&str, &str, &str)]) -> Network {
    let endpoints = endpoints.iter().enumerate().map(|(index, (name, url, operator))| Endpoint {
        key: key(name),
        url: Secret::new(url.parse().unwrap()),
        priority: index as u32,
        operator: (*operator).to_owned(),
    });
    Network {
        slug: Slug::parse("test").unwrap(),
        chain_id: ChainId(CHAIN),
        enabled: true,
        testnet: true,
        finality: Finality::Confirmations(3),
        min_age: Duration::ZERO,
        poll_interval: Duration::from_secs(1),
        step_interval: Duration::ZERO,
        second_look_delay: Duration::ZERO,
        max_block_range: 2_000,
        reorg_window: 64,
        reorg_grace: Duration::ZERO,
        revert_after: Duration::ZERO,
        max_clock_drift: None,
        max_lag: Duration::from_secs(60),
        start_block: None,
        max_backfill: Duration::from_secs(3_600),
        quorum: 1,
        verify: Verify::Logs,
        partial_payments: PartialPayments::Exclusive,
        ambiguous: Ambiguous::Hold,
        endpoints: endpoints.collect(),
        tokens: Vec::new(),
    }
}

/// A pool over in-process transports: (key, operator, transport), first is best.
pub(crate) fn pool(endpoints: &[(&str, &str, BoxTransport)]) -> Pool {
    let named: Vec<_> = endpoints.iter().map(|(name, operator, _)| (*name, "http://127.0.0.1:1/", *operator)).collect();
    let transports = endpoints.iter().map(|(name, _, transport)| (key(name), transport.clone()));
    Pool::with_transports(&network(&named), transports.collect())
}
