//! Reads what the API and webhooks need: keys and tokens, limits, where webhooks may go. Not for where anything listens
//! ([`super::read`]).

use std::time::Duration;

use ipnet::IpNet;

use super::problems::shown;
use super::read::{days, mins, secs};
use super::section::Section;
use super::value::duration;
use super::{Api, Limits, Page, Webhooks, secret};

/// Half a minute three times, then ever longer: three days in all.
const RETRY_AFTER: [Duration; 11] = [
    secs(30),
    secs(30),
    secs(30),
    mins(5),
    mins(30),
    mins(2 * 60),
    mins(5 * 60),
    mins(10 * 60),
    mins(14 * 60),
    mins(20 * 60),
    mins(24 * 60),
];
/// More pauses than this are no schedule.
const RETRIES: usize = 50;

pub(super) fn api(section: &mut Section) -> Api {
    Api {
        sealing_key: secret::key(section, "sealing_key", "sealing_key_file"),
        previous_sealing_key: secret::key(section, "previous_sealing_key", "previous_sealing_key_file"),
        jwt_issuer: section.text("jwt_issuer", name),
        jwt_audience: section.text("jwt_audience", name),
        trusted_proxies: networks(section, "trusted_proxies"),
    }
}

fn name(text: &str) -> Result<String, String> {
    let fits = (1..=256).contains(&text.len()) && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err("is not 1 to 256 characters without control characters".to_owned()) }
}

pub(super) fn limits(section: &mut Section) -> Limits {
    Limits {
        requests_per_address: section.small("requests_per_address", 50, 1..=1_000_000),
        requests_per_credential: section.small("requests_per_credential", 100, 1..=1_000_000),
        failures_per_address: section.small("failures_per_address", 60, 1..=1_000_000),
        streams: section.small("streams", 10_000, 1..=100_000),
    }
}

pub(super) fn webhooks(section: &mut Section) -> Webhooks {
    Webhooks {
        allow_http: section.truth("allow_http").unwrap_or(false),
        allowed_networks: networks(section, "allowed_networks"),
        retry_after: retry_after(section),
        secret_overlap: section.duration("secret_overlap", days(1), Duration::ZERO, days(30)),
    }
}

pub(super) fn page(section: &mut Section) -> Page {
    let page = Page {
        link_lives: section.duration("link_lives", mins(5), secs(1), days(1)),
        session_lives: section.duration("session_lives", mins(15), secs(1), days(1)),
    };
    if page.link_lives > page.session_lives {
        section.fault("link_lives", "is longer than page.session_lives; whoever opened a link then could not pay");
    }
    page
}

fn retry_after(section: &mut Section) -> Vec<Duration> {
    const KEY: &str = "retry_after";
    let given = section.list(KEY);
    if !section.gave(KEY) {
        return RETRY_AFTER.to_vec();
    }
    if given.len() > RETRIES {
        section.fault(KEY, format!("has more than {RETRIES} pauses; make them longer instead"));
    }
    let mut pauses = Vec::new();
    for text in given {
        match duration(&text, Duration::from_millis(10), days(7)) {
            Ok(pause) => pauses.push(pause),
            Err(fault) => section.fault(KEY, fault),
        }
    }
    pauses
}

/// Networks as address and prefix length; an address alone is itself.
fn networks(section: &mut Section, key: &'static str) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for text in section.list(key) {
        let alone = || text.parse().ok().map(|address: std::net::IpAddr| IpNet::from(address));
        match text.parse().ok().or_else(alone) {
            Some(network) => networks.push(network),
            None => section.fault(key, format!("{} is no network; write one such as \"10.0.0.0/8\"", shown(&text))),
        }
    }
    networks
}

#[cfg(test)]
mod tests {
    use super::mins;
    use crate::settings::tests::{POLYGON, faults, load_texts};

    #[test]
    fn networks_and_schedules_are_read_or_refused_by_name() {
        let lines = "[webhooks]\nallowed_networks = [\"127.0.0.0/8\", \"::1\"]\nretry_after = [\"10ms\", \"1h\"]";
        let settings = load_texts(&[&format!("{POLYGON}\n{lines}")], &[], &[]).unwrap();
        let networks: Vec<String> = settings.webhooks.allowed_networks.iter().map(ToString::to_string).collect();
        assert_eq!(networks, ["127.0.0.0/8", "::1/128"]);
        assert_eq!(settings.webhooks.retry_after.len(), 2);
        assert_eq!(load_texts(&[POLYGON], &[], &[]).unwrap().webhooks.retry_after.len(), 11);
        for (key, value) in [
            ("allowed_networks", "[\"10.0.0.0/33\"]"),
            ("allowed_networks", "[\"intranet\"]"),
            ("retry_after", "[\"1ms\"]"),
            ("retry_after", "[\"30\"]"),
            ("retry_after", "[\"8d\"]"),
        ] {
            let lines = faults(&[&format!("{POLYGON}\n[webhooks]\n{key} = {value}")], &[], &[]);
            assert!(lines.len() == 1 && lines[0].contains(&format!("webhooks.{key}: ")), "{value}: {lines:?}");
        }
        let page = load_texts(&[POLYGON], &[], &[]).unwrap().page;
        assert_eq!((page.link_lives, page.session_lives), (mins(5), mins(15)));
        for lines in ["link_lives = \"0s\"", "session_lives = \"2d\"", "link_lives = \"16m\"", "session_lives = \"4m\""]
        {
            let lines = faults(&[&format!("{POLYGON}\n[page]\n{lines}")], &[], &[]);
            assert!(lines.len() == 1 && lines[0].contains("page."), "{lines:?}");
        }
        let endless = format!("{POLYGON}\n[webhooks]\nretry_after = [{}]", "\"1m\",".repeat(51));
        assert!(faults(&[&endless], &[], &[])[0].contains("more than 50"));
    }
}
