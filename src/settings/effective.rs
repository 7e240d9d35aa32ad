//! What the configuration comes to: every key with the value that counts and where that came from, secrets left out. Not
//! for reading it ([`super::load`]), and not for what is wrong with it: only a configuration that counts has values.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::section::Written;
use super::value::as_written;
use super::{
    Admin, Ambiguous, AmountClash, Api, Database, Endpoint, Http, Limits, Network, Page, PartialPayments, Problems,
    Retention, Sessions, Settings, Verify, Webhooks, read_all,
};
use crate::domain::{Finality, Percent, Token};

/// What stands for a secret.
const SECRET: &str = "[redacted]";

/// A key and what it comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// Dotted, as the environment and `--set` take it.
    pub key: String,
    /// As one would write it; `None` where there is none.
    pub value: Option<String>,
    /// Where it came from.
    pub source: Source,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nobody said anything: it is built in, or follows from other keys.
    Default,
    /// A configuration file, or the file that a secret lies in.
    File(String),
    /// An environment variable.
    Environment(String),
    /// The command line.
    Flag,
}

/// Reads the configuration as [`super::load`] does, and tells what it comes to: sections in their order, networks by slug.
pub fn effective(
    files: &[PathBuf],
    environment: impl Iterator<Item = (String, String)>,
    flags: &[(String, String)],
) -> Result<Vec<Effective>, Problems> {
    let read = read_all(files, environment, flags)?;
    let mut sheet = Sheet { written: read.written, files: read.files, lines: Vec::new() };
    sheet.settings(&read.settings);
    Ok(sheet.lines)
}

struct Sheet {
    written: BTreeMap<String, Written>,
    files: Vec<String>,
    lines: Vec<Effective>,
}

/// The patterns below name every field, so that a new one must be told, too.
impl Sheet {
    fn settings(&mut self, settings: &Settings) {
        let Settings { database, http, admin, api, limits, webhooks, page, sessions, retention, networks } = settings;
        self.database(database);
        self.faces(http, admin, api);
        self.limits(limits);
        self.webhooks(webhooks);
        let Page { link_lives, session_lives } = page;
        self.time("page.link_lives", *link_lives);
        self.time("page.session_lives", *session_lives);
        self.sessions(sessions);
        self.retention(retention);
        networks.iter().for_each(|network| self.network(network));
    }

    fn database(&mut self, database: &Database) {
        let Database { url: _, max_connections, connect_timeout, pgbouncer } = database;
        self.secret("database.url", "database.url_file", true);
        self.line("database.max_connections", max_connections);
        self.time("database.connect_timeout", *connect_timeout);
        self.line("database.pgbouncer", pgbouncer);
    }

    fn faces(&mut self, http: &Http, admin: &Admin, api: &Api) {
        let (Http { listen: http, public_url }, Admin { listen, api_listen }) = (http, admin);
        let address = |address: &SocketAddr| address.to_string();
        self.line("http.listen", address(http));
        self.line("http.public_url", public_url);
        self.line("admin.listen", address(listen));
        self.line("admin.api_listen", address(api_listen));
        let Api { sealing_key, previous_sealing_key, jwt_issuer, jwt_audience, trusted_proxies } = api;
        self.secret("api.sealing_key", "api.sealing_key_file", sealing_key.is_some());
        let previous = ("api.previous_sealing_key", "api.previous_sealing_key_file");
        self.secret(previous.0, previous.1, previous_sealing_key.is_some());
        self.maybe("api.jwt_issuer", jwt_issuer.clone());
        self.maybe("api.jwt_audience", jwt_audience.clone());
        self.list("api.trusted_proxies", trusted_proxies);
    }

    fn limits(&mut self, limits: &Limits) {
        let Limits { requests_per_address, requests_per_credential, failures_per_address, streams } = limits;
        self.line("limits.requests_per_address", requests_per_address);
        self.line("limits.requests_per_credential", requests_per_credential);
        self.line("limits.failures_per_address", failures_per_address);
        self.line("limits.streams", streams);
    }

    fn webhooks(&mut self, webhooks: &Webhooks) {
        let Webhooks { allow_http, allowed_networks, retry_after, secret_overlap } = webhooks;
        self.line("webhooks.allow_http", allow_http);
        self.list("webhooks.allowed_networks", allowed_networks);
        self.list("webhooks.retry_after", &retry_after.iter().map(|pause| as_written(*pause)).collect::<Vec<_>>());
        self.time("webhooks.secret_overlap", *secret_overlap);
    }

    fn sessions(&mut self, sessions: &Sessions) {
        let Sessions {
            expires_after,
            expiry_grace,
            clock_skew,
            topup_time,
            amount_clash,
            amount_reuse_after,
            late_window,
            own_addresses,
        } = sessions;
        self.time("sessions.expires_after", *expires_after);
        self.time("sessions.expiry_grace", *expiry_grace);
        self.time("sessions.clock_skew", *clock_skew);
        self.time("sessions.topup_time", *topup_time);
        let clash = match amount_clash {
            AmountClash::Bump => "bump",
            AmountClash::Tag => "tag",
            AmountClash::Reject => "reject",
            AmountClash::Allow => "allow",
        };
        self.line("sessions.amount_clash", clash);
        self.time("sessions.amount_reuse_after", *amount_reuse_after);
        self.time("sessions.late_window", *late_window);
        self.list("sessions.own_addresses", own_addresses);
    }

    fn retention(&mut self, retention: &Retention) {
        let Retention { blocks, events, deliveries } = retention;
        for (key, kept) in [("blocks", blocks), ("events", events), ("deliveries", deliveries)] {
            self.line(&format!("retention.{key}"), kept.map_or_else(|| "off".to_owned(), as_written));
        }
    }

    fn network(&mut self, network: &Network) {
        let Network {
            slug,
            chain_id,
            enabled,
            testnet,
            finality,
            min_age,
            poll_interval,
            step_interval,
            second_look_delay,
            max_block_range,
            reorg_window,
            reorg_grace,
            revert_after,
            max_clock_drift,
            max_lag,
            start_block,
            max_backfill,
            quorum,
            verify,
            partial_payments,
            ambiguous,
            endpoints,
            tokens,
        } = network;
        let key = |name: &str| format!("networks.{slug}.{name}");
        self.line(&key("chain_id"), chain_id);
        self.line(&key("enabled"), enabled);
        self.line(&key("testnet"), testnet);
        let (word, confirmations) = depth(*finality);
        self.line(&key("finality"), word);
        self.maybe(&key("confirmations"), confirmations.map(|number| number.to_string()));
        self.time(&key("min_age"), *min_age);
        self.time(&key("poll_interval"), *poll_interval);
        self.time(&key("step_interval"), *step_interval);
        self.time(&key("second_look_delay"), *second_look_delay);
        self.line(&key("max_block_range"), max_block_range);
        self.line(&key("reorg_window"), reorg_window);
        self.time(&key("reorg_grace"), *reorg_grace);
        self.time(&key("revert_after"), *revert_after);
        self.line(&key("max_clock_drift"), max_clock_drift.map_or_else(|| "off".to_owned(), as_written));
        self.time(&key("max_lag"), *max_lag);
        self.maybe(&key("start_block"), start_block.map(|block| block.to_string()));
        self.time(&key("max_backfill"), *max_backfill);
        self.line(&key("quorum"), quorum);
        self.line(&key("verify"), verified(*verify));
        self.line(&key("partial_payments"), parts(*partial_payments));
        self.line(&key("ambiguous"), ties(*ambiguous));
        endpoints.iter().for_each(|one| self.endpoint(&key("rpc"), one));
        tokens.iter().for_each(|one| self.token(&key("tokens"), one));
    }

    fn endpoint(&mut self, above: &str, endpoint: &Endpoint) {
        let Endpoint { key, url: _, priority, operator } = endpoint;
        self.secret(&format!("{above}.{key}.url"), &format!("{above}.{key}.url_file"), true);
        self.line(&format!("{above}.{key}.priority"), priority);
        self.line(&format!("{above}.{key}.operator"), operator);
    }

    fn token(&mut self, above: &str, token: &Token) {
        let Token { key, symbol, address, decimals, tolerance, min_partial } = token;
        self.line(&format!("{above}.{key}.symbol"), symbol);
        self.line(&format!("{above}.{key}.address"), address);
        self.line(&format!("{above}.{key}.decimals"), decimals);
        self.line(&format!("{above}.{key}.tolerance"), tolerance.to_decimal(*decimals));
        self.line(&format!("{above}.{key}.min_partial"), percent(*min_partial));
    }

    fn line(&mut self, key: &str, value: impl Display) {
        self.maybe(key, Some(value.to_string()));
    }

    fn time(&mut self, key: &str, value: Duration) {
        self.line(key, as_written(value));
    }

    /// As the environment takes it.
    fn list(&mut self, key: &str, values: &[impl Display]) {
        self.line(key, values.iter().map(ToString::to_string).collect::<Vec<_>>().join(","));
    }

    fn maybe(&mut self, key: &str, value: Option<String>) {
        let source = self.written.get(key).map_or(Source::Default, |written| self.source(&written.origin));
        self.lines.push(Effective { key: key.to_owned(), value, source });
    }

    /// A secret and its twin, the path of the file that holds it: the path is none.
    fn secret(&mut self, key: &str, file: &str, there: bool) {
        let value = there.then(|| SECRET.to_owned());
        match self.written.get(file).cloned() {
            Some(Written { origin, text }) => {
                let read = Source::File(text.clone());
                self.lines.push(Effective { key: key.to_owned(), value, source: read });
                let source = self.source(&origin);
                self.lines.push(Effective { key: file.to_owned(), value: Some(text), source });
            }
            None => {
                self.maybe(key, value);
                self.maybe(file, None);
            }
        }
    }

    fn source(&self, origin: &str) -> Source {
        if self.files.iter().any(|file| file == origin) {
            Source::File(origin.to_owned())
        } else if origin == super::layers::COMMAND_LINE {
            Source::Flag
        } else {
            Source::Environment(origin.to_owned())
        }
    }
}

fn depth(finality: Finality) -> (&'static str, Option<u64>) {
    match finality {
        Finality::Confirmations(number) => ("confirmations", Some(number)),
        Finality::Safe => ("safe", None),
        Finality::Finalized => ("finalized", None),
    }
}

fn verified(verify: Verify) -> &'static str {
    match verify {
        Verify::Logs => "logs",
        Verify::Receipts => "receipts",
    }
}

fn parts(partial_payments: PartialPayments) -> &'static str {
    match partial_payments {
        PartialPayments::Exclusive => "exclusive",
        PartialPayments::Never => "never",
    }
}

fn ties(ambiguous: Ambiguous) -> &'static str {
    match ambiguous {
        Ambiguous::Hold => "hold",
        Ambiguous::Oldest => "oldest",
    }
}

/// Millionths as one would write them.
fn percent(share: Percent) -> String {
    crate::domain::format_decimal(&share.0.to_string(), 4) + "%"
}
