//! `status`: a line per network and its sessions by status, as the database has it. Not for endpoints: those are asked
//! by `check`, and told by readiness and metrics of who works the network.

mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::args_operating::Status;
use super::connect;
use super::exit::Failure;
use super::output::{self, Columns, Output};
use crate::domain::SessionStatus;
use crate::settings::{Network, Settings};
use crate::store::{Error, NetworkStatus, Store};

const COLUMNS: Columns = Columns {
    text: &["network", "state", "head", "scanned", "confirmed", "lag_blocks", "lag_seconds", "holder", "sessions"],
    csv: &[
        "network",
        "state",
        "head",
        "scanned",
        "confirmed",
        "lag_blocks",
        "lag_seconds",
        "holder",
        "halted",
        "created",
        "pending",
        "paid",
        "expired",
        "underpaid",
        "overpaid",
        "why",
    ],
};

/// A line.
#[derive(Debug, Serialize)]
struct Line {
    network: String,
    /// `working`, `blind` (held, but no head was read lately), `idle` (nobody works it), `halted`, `new` (never worked),
    /// `disabled`, `unknown` (not configured here).
    state: &'static str,
    head: Option<i64>,
    scanned: Option<i64>,
    confirmed: Option<i64>,
    lag_blocks: Option<u64>,
    lag_seconds: Option<u64>,
    holder: Option<String>,
    halted: Option<String>,
    /// What keeps its holder from working it, as it found last.
    why: Option<String>,
    /// By status, in words.
    sessions: String,
    created: u64,
    pending: u64,
    /// CONFIRMED; the column of that name is the watermark's.
    paid: u64,
    expired: u64,
    underpaid: u64,
    overpaid: u64,
}

pub(super) async fn run(settings: &Settings, asked: &Status) -> Result<(), Failure> {
    match (asked.watch, asked.shape.output) {
        (true, Output::Text) => return watch::run(settings, asked.interval).await,
        (true, Output::Json | Output::Csv) => {
            return Err(Failure::usage("--watch is for people; a program asks again, without it"));
        }
        (false, _) => {}
    }
    let store = connect::ready(&settings.database).await?;
    let lines = lines(settings, &store).await?;
    match asked.shape.output {
        Output::Text => output::print(&(screen(&lines)? + &trouble(&lines))),
        Output::Json | Output::Csv => output::table(&lines, COLUMNS, asked.shape.output),
    }
}

async fn lines(settings: &Settings, store: &Store) -> Result<Vec<Line>, Error> {
    Ok(of(&settings.networks, &store.network_statuses().await?, store.session_counts().await?))
}

/// The table, for people.
fn screen(lines: &[Line]) -> Result<String, Failure> {
    output::text(lines, COLUMNS)
}

/// What is wrong below it, a line each.
fn trouble(lines: &[Line]) -> String {
    lines.iter().map(Line::trouble).collect()
}

impl Line {
    /// What is wrong and the cure, for people; nothing where all is well.
    fn trouble(&self) -> String {
        let network = &self.network;
        let text = match (self.state, &self.halted, &self.why) {
            (_, Some(why), _) => {
                format!("{network} is halted: {why}")
            }
            ("blind", None, why) => {
                let why = why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
                format!("{network} gives its holder no heads{why}; `deposit-watcher check` asks its endpoints")
            }
            ("idle", None, _) => format!("{network} is worked by nobody; start `deposit-watcher run`"),
            (_, None, Some(why)) => format!("{network} is worked with trouble: {why}"),
            (_, None, None) => return String::new(),
        };
        text.replace(char::is_control, " ") + "\n"
    }
}

fn of(networks: &[Network], statuses: &[NetworkStatus], counts: Vec<(String, String, u64)>) -> Vec<Line> {
    let mut sessions: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (network, status, count) in counts {
        sessions.entry(network).or_default().insert(status, count);
    }
    let configured = networks.iter().map(|network| network.slug.as_str());
    let known = statuses.iter().map(|status| status.network.as_str());
    let names: BTreeSet<&str> = configured.chain(known).chain(sessions.keys().map(String::as_str)).collect();
    let line = |name: &str| {
        let network = networks.iter().find(|network| network.slug.as_str() == name);
        let status = statuses.iter().find(|status| status.network == name);
        line(name, network, status, &sessions.get(name).cloned().unwrap_or_default())
    };
    names.into_iter().map(line).collect()
}

fn line(
    name: &str,
    network: Option<&Network>,
    status: Option<&NetworkStatus>,
    sessions: &BTreeMap<String, u64>,
) -> Line {
    let count = |status: SessionStatus| sessions.get(status.as_str()).copied().unwrap_or_default();
    let words = SessionStatus::ALL.map(|status| (status, count(status)));
    let words =
        words.iter().filter(|(_, count)| *count > 0).map(|(status, count)| format!("{count} {}", status.as_str()));
    let lag = status.and_then(|status| lag(status, network));
    Line {
        network: name.to_owned(),
        state: state(network, status),
        head: status.and_then(|status| status.head),
        scanned: status.and_then(|status| status.scanned),
        confirmed: status.and_then(|status| status.confirmed),
        lag_blocks: lag.map(|(blocks, _)| blocks),
        lag_seconds: lag.map(|(_, time)| time.as_secs()),
        holder: status.and_then(|status| status.holder.clone()),
        halted: status.and_then(|status| status.halted.clone()),
        why: status.and_then(|status| status.why.clone()),
        sessions: words.collect::<Vec<_>>().join(", "),
        created: count(SessionStatus::Created),
        pending: count(SessionStatus::Pending),
        paid: count(SessionStatus::Confirmed),
        expired: count(SessionStatus::Expired),
        underpaid: count(SessionStatus::Underpaid),
        overpaid: count(SessionStatus::Overpaid),
    }
}

fn state(network: Option<&Network>, status: Option<&NetworkStatus>) -> &'static str {
    match (network, status) {
        (None, _) => "unknown",
        (Some(_), Some(status)) if status.halted.is_some() => "halted",
        (Some(network), _) if !network.enabled => "disabled",
        (Some(network), Some(status)) if status.holder.is_some() && is_silent(status, Some(network)) => "blind",
        (Some(_), Some(status)) if status.holder.is_some() => "working",
        (Some(_), Some(status)) if status.scanned.is_some() => "idle",
        (Some(_), _) => "new",
    }
}

/// No head was read for three intervals between two looks, and for 30 s: heads are written down only now and then.
fn is_silent(status: &NetworkStatus, network: Option<&Network>) -> bool {
    let interval = network.map_or(Duration::from_secs(2), |network| network.poll_interval.max(network.step_interval));
    let patience = interval.saturating_mul(3).max(Duration::from_secs(30));
    let since = |seen| status.now.signed_duration_since(seen).to_std().unwrap_or_default();
    status.head_seen_at.is_none_or(|seen| since(seen) > patience)
}

/// How far scanning is behind the newest head that was seen; the age of the scanned block while blocks wait, or while
/// no head was read for three intervals. `None` before the first step.
pub fn lag(status: &NetworkStatus, network: Option<&Network>) -> Option<(u64, Duration)> {
    let (scanned, time) = (status.scanned?, status.scanned_time?);
    let blocks = status.head.and_then(|head| u64::try_from(head.saturating_sub(scanned)).ok()).unwrap_or_default();
    let age = status.now.signed_duration_since(time).to_std().unwrap_or_default();
    Some((blocks, if blocks > 0 || is_silent(status, network) { age } else { Duration::ZERO }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Time;

    fn at(seconds: i64) -> Time {
        Time::from_timestamp(1_700_000_000_i64.saturating_add(seconds), 0).unwrap()
    }

    fn status() -> NetworkStatus {
        NetworkStatus {
            network: "base".to_owned(),
            head: Some(110),
            head_time: Some(at(90)),
            head_seen_at: Some(at(95)),
            scanned: Some(100),
            scanned_time: Some(at(70)),
            confirmed: Some(90),
            holder: None,
            halted: None,
            why: None,
            now: at(100),
        }
    }

    #[test]
    fn lag_is_the_age_of_the_scanned_block_while_blocks_wait_or_nobody_looks() {
        assert_eq!(lag(&status(), None), Some((10, Duration::from_secs(30))));
        let abreast = NetworkStatus { head: Some(100), ..status() };
        assert_eq!(lag(&abreast, None), Some((0, Duration::ZERO)));
        let silent = NetworkStatus { now: at(1_000), ..abreast };
        assert_eq!(lag(&silent, None), Some((0, Duration::from_secs(930))));
        assert_eq!(lag(&NetworkStatus { scanned: None, ..status() }, None), None);
    }

    #[test]
    fn who_looks_once_a_step_is_not_blind_between_two() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("networks.toml");
        let text = "[networks.base]\nchain_id = 77\nstep_interval = \"60s\"\nrpc.one.url = \"http://one.example\"\n\
                    tokens.usd = { symbol = \"USD\", address = \"0x5FbDB2315678afecb367f032d93F642f64180aa3\", decimals = 6 }";
        std::fs::write(&file, text).unwrap();
        let network = crate::settings::load(&[file], std::iter::empty(), &[]).unwrap().networks.remove(0);
        let held = NetworkStatus { head: Some(100), holder: Some("host-1".to_owned()), ..status() };
        let later = |seconds| NetworkStatus { head_seen_at: Some(at(0)), now: at(seconds), ..held.clone() };
        assert_eq!(state(Some(&network), Some(&later(180))), "working");
        assert_eq!(lag(&later(180), Some(&network)), Some((0, Duration::ZERO)));
        assert_eq!(state(Some(&network), Some(&later(181))), "blind");
    }

    #[test]
    fn what_is_not_configured_shows_too() {
        let counts = vec![("plygon".to_owned(), "CREATED".to_owned(), 2), ("base".to_owned(), "EXPIRED".to_owned(), 1)];
        let lines = of(&[], &[status()], counts);
        let shown: Vec<_> =
            lines.iter().map(|line| (line.network.as_str(), line.state, line.sessions.as_str())).collect();
        assert_eq!(shown, [("base", "unknown", "1 EXPIRED"), ("plygon", "unknown", "2 CREATED")]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_reason() {
        let line = |state, halted: Option<&str>, why: Option<&str>| {
            let mut line = line("base", None, Some(&status()), &BTreeMap::new());
            (line.state, line.halted, line.why) = (state, halted.map(str::to_owned), why.map(str::to_owned));
            line.trouble()
        };
        assert_eq!(line("working", None, None), "");
        let blind = line("blind", None, Some("no endpoint is usable: one is down"));
        assert!(blind.starts_with("base gives its holder no heads: no endpoint is usable: one is down; "), "{blind}");
        assert!(line("blind", None, None).starts_with("base gives its holder no heads; "));
        assert_eq!(line("working", None, Some("a\nb")), "base is worked with trouble: a b\n");
        assert_eq!(line("halted", Some("other genesis"), Some("x")), "base is halted: other genesis\n");
    }
}
