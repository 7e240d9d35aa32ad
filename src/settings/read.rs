//! Reads the sections that the watcher needs: database, http, admin, sessions, retention. Those of the API and of webhooks are read in
//! [`super::faces`], networks in files of their own; how a value is read is [`super::section`].

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use url::Url;

use super::section::Section;
use super::value::duration;
use super::{Admin, AmountClash, Database, Http, Retention, Sessions, Settings, faces, networks, secret};
use crate::domain::{Address, Secret, parse_address};

/// Seconds, as the defaults and bounds below count them.
pub(super) const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Minutes.
pub(super) const fn mins(count: u64) -> Duration {
    secs(count.saturating_mul(60))
}

/// Days.
pub(super) const fn days(count: u64) -> Duration {
    mins(count.saturating_mul(1_440))
}

/// Where durations end that nothing else bounds: Postgres and the calendar still hold them.
const DECADE: Duration = days(3_650);

/// Reads everything. `None`, or a default in its place, only where a fault was noted.
pub(super) fn settings(root: &mut Section) -> Option<Settings> {
    let database = root.section("database", database);
    let http = root.section("http", http);
    let admin = root.section("admin", |section| admin(section, http.as_ref()));
    let sessions = root.section("sessions", sessions);
    let api = root.section("api", faces::api);
    let limits = root.section("limits", faces::limits);
    let webhooks = root.section("webhooks", faces::webhooks);
    let page = root.section("page", faces::page);
    let retention = root.section("retention", retention);
    let networks = networks::all(root);
    let (database, http, admin, networks) = (database?, http?, admin?, networks?);
    Some(Settings { database, http, admin, api, limits, webhooks, sessions, page, retention, networks })
}

fn database(section: &mut Section) -> Option<Database> {
    const POOL: RangeInclusive<u32> = 2..=1_000;
    let default = || secret::url("postgres://localhost/deposit_watcher", secret::POSTGRES);
    let url = match secret::read(section, secret::POSTGRES) {
        secret::Twin::Absent => default().map_err(|fault| section.fault("url", fault)).ok(),
        secret::Twin::Read(url) => Some(url),
        secret::Twin::Faulty => None,
    };
    let max_connections = section.small("max_connections", 10, POOL);
    let tenth = Duration::from_millis(100);
    let connect_timeout = section.duration("connect_timeout", secs(10), tenth, mins(60));
    let pgbouncer = section.truth("pgbouncer").unwrap_or(false);
    Some(Database { url: Secret::new(url?), max_connections, connect_timeout, pgbouncer })
}

fn http(section: &mut Section) -> Option<Http> {
    let listen = listen(section, "listen", 8080);
    let public_url = section.text("public_url", public_url);
    let public_url = public_url.or_else(|| Url::parse("http://127.0.0.1:8080").ok());
    Some(Http { listen, public_url: public_url? })
}

/// Reads where the world reaches us: links are made by adding a path.
fn public_url(text: &str) -> Result<Url, String> {
    let cure = "write an address such as \"https://pay.example.com\"";
    let url = secret::url(text, secret::HTTP)?;
    let bare =
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    if bare { Ok(url) } else { Err(format!("has a user, a query or a fragment; {cure}")) }
}

fn admin(section: &mut Section, http: Option<&Http>) -> Option<Admin> {
    let admin = Admin { listen: listen(section, "listen", 9464), api_listen: listen(section, "api_listen", 9465) };
    for (key, address) in [("listen", admin.listen), ("api_listen", admin.api_listen)] {
        if http.is_some_and(|http| http.listen == address && address.port() != 0) {
            section.fault(key, "is also http.listen; give one of the two another port");
        }
    }
    Some(admin)
}

fn listen(section: &mut Section, key: &'static str, port: u16) -> SocketAddr {
    let cure = "write an IP address and a port, such as \"127.0.0.1:8080\"";
    let read = |text: &str| text.parse().map_err(|_| format!("is no address to listen at; {cure}"));
    section.text(key, read).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], port)))
}

fn sessions(section: &mut Section) -> Sessions {
    const ZERO: Duration = Duration::ZERO;
    Sessions {
        expires_after: section.duration("expires_after", mins(30), secs(1), days(365)),
        expiry_grace: section.duration("expiry_grace", ZERO, ZERO, days(30)),
        clock_skew: section.duration("clock_skew", mins(1), ZERO, mins(60)),
        topup_time: section.duration("topup_time", mins(15), ZERO, days(30)),
        amount_clash: amount_clash(section),
        amount_reuse_after: section.duration("amount_reuse_after", days(1), ZERO, DECADE),
        late_window: section.duration("late_window", days(30), ZERO, DECADE),
        own_addresses: own_addresses(section),
    }
}

fn amount_clash(section: &mut Section) -> AmountClash {
    let words = [
        ("bump", AmountClash::Bump),
        ("tag", AmountClash::Tag),
        ("reject", AmountClash::Reject),
        ("allow", AmountClash::Allow),
    ];
    section.choice("amount_clash", &words).unwrap_or(AmountClash::Bump)
}

fn retention(section: &mut Section) -> Retention {
    let mut kept = |key: &'static str| {
        let read = |text: &str| if text == "off" { Ok(None) } else { duration(text, days(1), DECADE).map(Some) };
        section.text(key, read).flatten()
    };
    Retention { blocks: kept("blocks"), events: kept("events"), deliveries: kept("deliveries") }
}

/// Sorted, each once.
fn own_addresses(section: &mut Section) -> Vec<Address> {
    const KEY: &str = "own_addresses";
    let mut own = Vec::new();
    for text in section.list(KEY) {
        match address(&text) {
            Ok(address) => own.push(address),
            Err(fault) => section.fault(KEY, fault),
        }
    }
    own.sort_unstable();
    own.dedup();
    own
}

/// Reads an address; the fault shows it, since an address is no secret and there may be many.
pub(super) fn address(text: &str) -> Result<Address, String> {
    let cure = "copy it again from a block explorer";
    parse_address(text).map_err(|error| format!("{} {error}; {cure}", super::problems::shown(text)))
}
