//! The labels of the metrics and which values each can have, so that every series exists at 0 before anything happens.
//!
//! Not for the values' meaning, which is their own rooms'.

use std::sync::{PoisonError, RwLock};

use crate::domain::{EndpointKey, SessionStatus, Slug, TokenKey, Unmatched, Unusable};

/// The configured names that appear in labels.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    /// Every configured network.
    pub networks: Vec<NetworkLabels>,
    /// Names of the tasks that each network has one of (`watcher`, `lease`, …).
    pub network_tasks: Vec<String>,
    /// Names of the tasks that the process has one of; their heartbeat's network is empty.
    pub process_tasks: Vec<String>,
}

/// One network's names.
#[derive(Debug, Clone)]
pub struct NetworkLabels {
    /// Its key.
    pub slug: Slug,
    /// Its tokens' keys.
    pub tokens: Vec<TokenKey>,
    /// Its endpoints' keys.
    pub endpoints: Vec<EndpointKey>,
}

impl Labels {
    const fn none() -> Labels {
        Labels { networks: Vec::new(), network_tasks: Vec::new(), process_tasks: Vec::new() }
    }

    /// Takes over what `other` knows and `self` does not; a network of the same key is replaced.
    fn merge(&mut self, other: Labels) {
        self.networks.retain(|mine| other.networks.iter().all(|theirs| theirs.slug != mine.slug));
        self.networks.extend(other.networks);
        for (mine, theirs) in
            [(&mut self.network_tasks, other.network_tasks), (&mut self.process_tasks, other.process_tasks)]
        {
            let new: Vec<String> = theirs.into_iter().filter(|task| !mine.contains(task)).collect();
            mine.extend(new);
        }
    }

    fn slugs(&self) -> Vec<String> {
        self.networks.iter().map(|network| network.slug.to_string()).collect()
    }

    fn network(&self, slug: Option<&String>) -> Option<&NetworkLabels> {
        self.networks.iter().find(|network| Some(network.slug.as_str()) == slug.map(String::as_str))
    }
}

/// What stands where a network is named that is not configured: a session row can name anything.
pub(super) const OTHER: &str = "other";

static CONFIGURED: RwLock<Labels> = RwLock::new(Labels::none());

/// Adds to what is configured; what is there stays.
pub(super) fn configure(labels: Labels) {
    CONFIGURED.write().unwrap_or_else(PoisonError::into_inner).merge(labels);
}

/// Works with what is configured.
pub(super) fn configured<T>(read: impl FnOnce(&Labels) -> T) -> T {
    read(&CONFIGURED.read().unwrap_or_else(PoisonError::into_inner))
}

/// The label value of a network: its slug if it is configured, empty for none, else [`OTHER`].
pub(super) fn network_value(slug: &str) -> &str {
    let known = slug.is_empty() || configured(|all| all.networks.iter().any(|network| network.slug.as_str() == slug));
    if known { slug } else { OTHER }
}

/// A label: its name, and its possible values given those of the labels before it.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    /// As exposed.
    pub name: &'static str,
    values: fn(&Labels, &[String]) -> Vec<String>,
}

/// Every set of values that `labels` can have, in their order.
pub(super) fn sets(labels: &[Label], configured: &Labels) -> Vec<Vec<String>> {
    labels.iter().fold(vec![Vec::new()], |sets, label| {
        let longer = |set: Vec<String>| {
            let values = (label.values)(configured, &set);
            values.into_iter().map(move |value| [set.clone(), vec![value]].concat())
        };
        sets.into_iter().flat_map(longer).collect()
    })
}

/// Methods that are asked of an endpoint.
pub const METHODS: [&str; 7] = [
    "batch",
    "eth_call",
    "eth_chainId",
    "eth_getBlockByNumber",
    "eth_getBlockReceipts",
    "eth_getLogs",
    "eth_subscribe",
];

/// How a request to an endpoint ends.
pub const RPC_OUTCOMES: [&str; 6] = ["ok", "error", "timeout", "too_wide", "rate_limited", "misbehaving"];

/// What an endpoint is found to be.
pub const ENDPOINT_STATES: [&str; 8] =
    ["unchecked", "alive", "behind", "stalled", "wrong_chain", "rate_limited", "lying", "down"];

/// How an attempt to deliver a webhook ends.
pub const WEBHOOK_OUTCOMES: [&str; 9] =
    ["delivered", "refused_status", "redirect", "gone", "timeout", "connect", "blocked", "unsigned", "other"];

/// Where a delivery stands that is not delivered.
pub const WEBHOOK_STATES: [&str; 3] = ["waiting", "retrying", "dead"];

/// Methods of HTTP that the API knows; `other` stands for all others.
const HTTP_METHODS: [&str; 5] = ["GET", "HEAD", "OPTIONS", "POST", OTHER];

/// The label value of a method: a stranger may write anything.
pub fn http_method(method: &str) -> &'static str {
    HTTP_METHODS.into_iter().find(|known| *known == method).unwrap_or(OTHER)
}

/// What the API answers.
const HTTP_STATUSES: [&str; 19] = [
    "200", "201", "202", "204", "400", "401", "404", "405", "408", "409", "413", "415", "422", "429", "431", "500",
    "501", "503", OTHER,
];

/// The label value of an answer's status.
pub fn http_status(status: u16) -> &'static str {
    let text = status.to_string();
    HTTP_STATUSES.into_iter().find(|known| *known == text).unwrap_or(OTHER)
}

fn owned<'a>(values: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    values.into_iter().map(str::to_owned).collect()
}

/// A configured network.
pub(super) const NETWORK: Label = Label { name: "network", values: |all, _| all.slugs() };

/// A configured network or `other`: what session rows name.
pub(super) const NETWORK_OR_OTHER: Label =
    Label { name: "network", values: |all, _| [all.slugs(), vec![OTHER.to_owned()]].concat() };

/// The networks of the task before it.
pub(super) const TASK_NETWORK: Label = Label {
    name: "network",
    values: |all, before| match before.last() {
        Some(task) if all.network_tasks.contains(task) => all.slugs(),
        Some(_) | None => vec![String::new()],
    },
};

/// A task.
pub(super) const TASK: Label =
    Label { name: "task", values: |all, _| [all.network_tasks.clone(), all.process_tasks.clone()].concat() };

/// A token of the network before it.
pub(super) const TOKEN: Label = Label {
    name: "token",
    values: |all, before| {
        owned(all.network(before.last()).into_iter().flat_map(|network| network.tokens.iter().map(TokenKey::as_str)))
    },
};

/// An endpoint of the network before it.
pub(super) const ENDPOINT: Label = Label {
    name: "endpoint",
    values: |all, before| {
        let network = all.network(before.last()).into_iter();
        owned(network.flat_map(|network| network.endpoints.iter().map(EndpointKey::as_str)))
    },
};

/// What an endpoint is.
pub(super) const ENDPOINT_STATE: Label = Label { name: "state", values: |_, _| owned(ENDPOINT_STATES) };

/// A method of the RPC.
pub(super) const METHOD: Label = Label { name: "method", values: |_, _| owned(METHODS) };

/// How a request ended.
pub(super) const RPC_OUTCOME: Label = Label { name: "outcome", values: |_, _| owned(RPC_OUTCOMES) };

/// How an attempt to deliver a webhook ended.
pub(super) const WEBHOOK_OUTCOME: Label = Label { name: "outcome", values: |_, _| owned(WEBHOOK_OUTCOMES) };

/// Where a delivery stands.
pub(super) const WEBHOOK_STATE: Label = Label { name: "state", values: |_, _| owned(WEBHOOK_STATES) };

/// What became of a transfer when it was seen.
pub(super) const TRANSFER_OUTCOME: Label =
    Label { name: "outcome", values: |_, _| owned(["matched", "unmatched", "ignored", "invalid"]) };

/// What a step did.
pub(super) const STEP_KIND: Label =
    Label { name: "kind", values: |_, _| owned(["scan", "confirm", "rewind", "backfill", "idle"]) };

/// What the second look repaired.
pub(super) const CORRECTION_KIND: Label =
    Label { name: "kind", values: |_, _| owned(["missed", "invented", "misdated"]) };

/// Why a transfer belongs to no session.
pub(super) const UNMATCHED_REASON: Label =
    Label { name: "reason", values: |_, _| owned(Unmatched::ALL.map(Unmatched::as_str)) };

/// Why a row can be no session.
pub(super) const INVALID_REASON: Label =
    Label { name: "reason", values: |_, _| owned(Unusable::ALL.map(Unusable::as_str)) };

/// A session's status.
pub(super) const STATUS: Label =
    Label { name: "status", values: |_, _| owned(SessionStatus::ALL.map(SessionStatus::as_str)) };

/// The status a session had.
pub(super) const FROM: Label =
    Label { name: "from", values: |_, _| owned(SessionStatus::ALL.map(SessionStatus::as_str)) };

/// The status it has now. Nothing becomes CREATED again: money that leaves the chain leaves PENDING behind. Every other
/// change can happen, most of them by a person's `assign` or `release`.
pub(super) const TO: Label = Label {
    name: "to",
    values: |_, before| {
        let all = SessionStatus::ALL.into_iter().filter(|status| *status != SessionStatus::Created);
        owned(all.map(SessionStatus::as_str).filter(|to| before.last().map(String::as_str) != Some(to)))
    },
};

/// Whose connections to the database.
pub(super) const DATABASE_KIND: Label = Label { name: "kind", values: |_, _| owned(["watcher", "api"]) };

/// What a connection that may be open does.
pub(super) const DATABASE_STATE: Label = Label { name: "state", values: |_, _| owned(["busy", "idle", "unopened"]) };

/// What is pruned.
pub(super) const PRUNED_KIND: Label = Label { name: "kind", values: |_, _| owned(["blocks", "deliveries", "events"]) };

/// A method of HTTP.
pub(super) const HTTP_METHOD: Label = Label { name: "method", values: |_, _| owned(HTTP_METHODS) };

/// An answer's status.
pub(super) const HTTP_STATUS: Label = Label { name: "status", values: |_, _| owned(HTTP_STATUSES) };

/// The version of this build.
pub(super) const VERSION: Label = Label { name: "version", values: |_, _| owned([env!("CARGO_PKG_VERSION")]) };
