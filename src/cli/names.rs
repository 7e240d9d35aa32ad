//! Names that a person typed: looked up, or the nearest valid ones told. Not for names that programs wrote.

use std::collections::BTreeSet;

use super::exit::Failure;
use crate::domain::{SessionStatus, Token};
use crate::settings::{Network, Settings, nearest};
use crate::store::Store;

/// Reads a session's status in any case.
pub(super) fn status(text: &str) -> Result<SessionStatus, String> {
    let upper = text.to_uppercase();
    let all = SessionStatus::ALL.map(SessionStatus::as_str);
    SessionStatus::parse(&upper).ok_or_else(|| hint(&upper, &all))
}

/// A configured network.
pub(super) fn network<'s>(settings: &'s Settings, text: &str) -> Result<&'s Network, Failure> {
    let found = settings.networks.iter().find(|network| network.slug.as_str() == text);
    found.ok_or_else(|| {
        let valid: Vec<&str> = settings.networks.iter().map(|network| network.slug.as_str()).collect();
        Failure::usage(format!("no network {text:?} is configured: {}", hint(text, &valid)))
    })
}

/// A configured and enabled network.
pub(super) fn enabled<'s>(settings: &'s Settings, text: &str) -> Result<&'s Network, Failure> {
    let network = network(settings, text)?;
    if network.enabled {
        return Ok(network);
    }
    let cure = format!("set networks.{text}.enabled = true where the watchers run, and here");
    Err(Failure::usage(format!("network {text} is configured but not enabled; {cure}")))
}

/// A name to filter by: of a configured network, or of one that sessions or the database name.
pub(super) async fn filter(settings: &Settings, store: &Store, text: Option<&str>) -> Result<(), Failure> {
    let Some(text) = text else { return Ok(()) };
    if network(settings, text).is_ok() {
        return Ok(());
    }
    let mut known: BTreeSet<String> = settings.networks.iter().map(|network| network.slug.to_string()).collect();
    known.extend(store.network_statuses().await?.into_iter().map(|line| line.network));
    known.extend(store.session_counts().await?.into_iter().map(|(network, _, _)| network));
    if known.contains(text) {
        return Ok(());
    }
    let valid: Vec<&str> = known.iter().map(String::as_str).collect();
    Err(Failure::usage(format!("nothing here knows a network {text:?}: {}", hint(text, &valid))))
}

/// A token of a network by its key.
pub(super) fn token<'n>(network: &'n Network, text: &str) -> Result<&'n Token, Failure> {
    let found = network.tokens.iter().find(|token| token.key.as_str() == text);
    found.ok_or_else(|| {
        let valid: Vec<&str> = network.tokens.iter().map(|token| token.key.as_str()).collect();
        let slug = &network.slug;
        Failure::usage(format!("no token {text:?} is configured on network {slug}: {}", hint(text, &valid)))
    })
}

/// The nearest valid one, and all of them.
pub(super) fn hint(text: &str, valid: &[&str]) -> String {
    match nearest(text, valid) {
        Some(near) => format!("did you mean {near}? There are: {}", valid.join(", ")),
        None if valid.is_empty() => "there is none".to_owned(),
        None => format!("there are: {}", valid.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_in_any_case_and_the_nearest_is_told() {
        assert_eq!(status("underPaid"), Ok(SessionStatus::Underpaid));
        assert!(status("CONFRIMED").unwrap_err().starts_with("did you mean CONFIRMED? There are: CREATED,"));
    }
}
