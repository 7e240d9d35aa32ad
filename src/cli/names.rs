//! Names that a person typed: looked up, or the nearest valid ones told. Not for names that programs wrote.

use std::collections::BTreeSet;

use super::exit::Failure;
use crate::domain::{SessionId, SessionStatus, Token, Zone};
use crate::settings::{Network, Settings, nearest};
use crate::store::Store;

/// Reads a session's status in any case.
pub(super) fn status(text: &str) -> Result<SessionStatus, String> {
    let upper = text.to_uppercase();
    let all = SessionStatus::ALL.map(SessionStatus::as_str);
    SessionStatus::parse(&upper).ok_or_else(|| hint(&upper, &all))
}

/// A time zone by its name in the IANA database.
pub(super) fn zone(text: &str) -> Result<Zone, String> {
    Zone::parse(text).ok_or_else(|| zone_hint(text))
}

/// The zones that have this name in another case or as their last part, else the nearest.
fn zone_hint(text: &str) -> String {
    let typed = text.to_lowercase().replace(' ', "_");
    let same = |name: &&str| {
        let name = name.to_lowercase();
        name == typed || name.rsplit('/').next() == Some(typed.as_str())
    };
    let names: Vec<&str> = Zone::names().collect();
    let found: Vec<&str> = names.iter().copied().filter(same).take(5).collect();
    let near = || nearest(text, &names).map(|name| vec![name]).unwrap_or_default();
    match if found.is_empty() { near() } else { found } {
        found if found.is_empty() => "names look like Europe/Paris, America/New_York or UTC".to_owned(),
        found => format!("did you mean {}?", found.join(" or ")),
    }
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
    let rows = store.network_statuses().await?.into_iter().map(|line| line.network);
    let counts = store.session_counts().await?.into_iter().map(|(network, _, _)| network);
    known(settings, rows.chain(counts), text)
}

/// The same where the names that are there besides are these.
pub(super) fn known(settings: &Settings, there: impl IntoIterator<Item = String>, text: &str) -> Result<(), Failure> {
    let mut known: BTreeSet<String> = settings.networks.iter().map(|network| network.slug.to_string()).collect();
    known.extend(there);
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

/// There is no session of this id: the only one that begins with it, or the nearest, or how to find it.
pub(super) async fn no_session(store: &Store, id: &SessionId) -> Failure {
    let there = match store.session_ids_near(id).await {
        Ok(there) => there,
        Err(error) => return error.into(),
    };
    let there: Vec<&str> = there.iter().map(String::as_str).collect();
    // An id that was cut off, unless several begin so.
    let mut longer = there.iter().copied().filter(|other| other.starts_with(&id.0));
    let only = longer.next().filter(|_| longer.next().is_none());
    let hint = match only.or_else(|| nearest(&id.0, &there)) {
        Some(near) => format!("did you mean {near}?"),
        None => "`deposit-watcher sessions list` shows the newest".to_owned(),
    };
    Failure::usage(format!("there is no session {:?}; {hint}", id.0))
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
    fn a_zone_is_found_by_its_city_its_case_and_its_letters() {
        assert_eq!(zone("Europe/Berlin").unwrap().name(), "Europe/Berlin");
        for (text, near) in [
            ("europe/berlin", "did you mean Europe/Berlin?"),
            ("EUROPE/BERLIN", "did you mean Europe/Berlin?"),
            ("new york", "did you mean America/New_York?"),
            ("Europe/Berln", "did you mean Europe/Berlin?"),
            ("utc", "did you mean UTC or Etc/UTC?"),
            ("somewhere far away", "names look like"),
        ] {
            let told = zone(text).unwrap_err();
            assert!(told.starts_with(near) || near.contains(" or ") && told.contains("UTC"), "{text}: {told}");
        }
    }

    #[test]
    fn a_status_is_read_in_any_case_and_the_nearest_is_told() {
        assert_eq!(status("underPaid"), Ok(SessionStatus::Underpaid));
        assert!(status("CONFRIMED").unwrap_err().starts_with("did you mean CONFIRMED? There are: CREATED,"));
    }
}
