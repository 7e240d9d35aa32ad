//! Reads `[networks.SLUG.rpc.*]`: where a network is asked, in which order, and who runs it. Not for speaking to it.

use std::collections::BTreeMap;

use url::{Host, Url};

use super::section::Section;
use super::{Endpoint, secret};
use crate::domain::{EndpointKey, Secret};

/// Where an endpoint stands that says nothing; equal ones go by their key.
const PRIORITY: u32 = 100;

/// Reads all endpoints in order of priority, then key. `None` where one is faulty.
pub(super) fn all(network: &mut Section) -> Option<Vec<Endpoint>> {
    let mut urls: BTreeMap<Url, EndpointKey> = BTreeMap::new();
    let mut endpoints = network.each("rpc", EndpointKey::parse, |key, section| {
        let endpoint = one(key.clone(), section)?;
        if let Some(other) = urls.insert(endpoint.url.expose().clone(), key) {
            section.fault("url", format!("is also that of rpc.{other}; remove one of the two"));
        }
        Some(endpoint)
    })?;
    endpoints.sort_by(|a, b| (a.priority, &a.key).cmp(&(b.priority, &b.key)));
    Some(endpoints)
}

fn one(key: EndpointKey, section: &mut Section) -> Option<Endpoint> {
    let url = match secret::read(section, secret::RPC) {
        secret::Twin::Read(url) => Some(url),
        secret::Twin::Faulty => None,
        secret::Twin::Absent => {
            section.fault("url", "is missing; write the endpoint's address, or `url_file`");
            None
        }
    };
    let priority = section.small("priority", PRIORITY, 0..=1_000_000);
    let operator = section.text("operator", operator);
    let url = url?;
    let operator = operator.unwrap_or_else(|| operator_of(&url));
    Some(Endpoint { key, url: Secret::new(url), priority, operator })
}

/// Reads who runs an endpoint; "Ours" and "ours" are one.
fn operator(text: &str) -> Result<String, String> {
    let name = text.trim().to_lowercase();
    if (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
        Ok(name)
    } else {
        Err("is no name of 1 to 64 printable ASCII characters; write one".to_owned())
    }
}

/// Who runs the host of `url`: its registrable domain by the Public Suffix List, so that `eth.example.com` and
/// `polygon.example.com` are one. Addresses, and names that are no more than a suffix (`localhost`), are their own.
fn operator_of(url: &Url) -> String {
    match url.host() {
        Some(Host::Domain(host)) => {
            let host = host.trim_end_matches('.');
            psl::domain_str(host).unwrap_or(host).to_owned()
        }
        Some(address @ (Host::Ipv4(_) | Host::Ipv6(_))) => address.to_string(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_is_the_registrable_domain_or_the_host() {
        for (url, expected) in [
            ("https://eth.rpc.Example.com/key", "example.com"),
            ("https://polygon-rpc.example.co.uk", "example.co.uk"),
            ("wss://mainnet.infura.io./ws", "infura.io"),
            ("http://localhost:8545", "localhost"),
            ("http://geth:8545", "geth"),
            ("http://127.0.0.1:8545", "127.0.0.1"),
            ("http://[::1]:8545", "[::1]"),
        ] {
            assert_eq!(operator_of(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
