//! What `/metrics` shows is what the table says: names, kinds, help, labels, and every series at 0 from the start.
//!
//! `DEPOSIT_WATCHER_METRICS_OUT=FILE` writes the exposition of a full configuration there, for `promtool`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alloy::primitives::U256;
use deposit_watcher::domain::{BlockNumber, EndpointKey, Slug, TokenKey, Units};
use deposit_watcher::telemetry::{self, Exposition, Kind, Labels, NetworkLabels, TABLE};

const ALLOWED: [&str; 13] = [
    "network", "token", "endpoint", "method", "status", "outcome", "reason", "kind", "from", "to", "state", "task",
    "version",
];

fn network(slug: &str, tokens: &[&str], endpoints: &[&str]) -> NetworkLabels {
    NetworkLabels {
        slug: Slug::parse(slug).unwrap(),
        tokens: tokens.iter().map(|key| TokenKey::parse(key).unwrap()).collect(),
        endpoints: endpoints.iter().map(|key| EndpointKey::parse(key).unwrap()).collect(),
    }
}

fn example() -> Labels {
    Labels {
        networks: vec![network("polygon", &["usdc", "usdt"], &["ours", "theirs"]), network("base", &["eurc"], &["b"])],
        network_tasks: vec!["watcher".to_owned(), "lease".to_owned()],
        process_tasks: vec!["admin".to_owned()],
    }
}

/// Runs `act` against a fresh recorder with the example's series and gives what it then shows.
pub(crate) fn exposed(act: impl FnOnce()) -> String {
    let (recorder, exposition): (_, Exposition) = telemetry::recorder().unwrap();
    metrics::with_local_recorder(&recorder, || {
        telemetry::initialise(example());
        act();
    });
    exposition.render()
}

/// The exposition's samples: series as written, and value.
pub(crate) fn samples(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' ')).collect()
}

fn headers<'a>(text: &'a str, what: &str) -> BTreeMap<&'a str, &'a str> {
    let prefix = format!("# {what} ");
    text.lines().filter_map(|line| line.strip_prefix(prefix.as_str())?.split_once(' ')).collect()
}

pub(crate) fn kind_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    }
}

/// The metric that a series belongs to, and the names of its labels without `le`.
fn shape(series: &str) -> (String, Vec<String>) {
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
    let names = labels.map(|label| label.split_once('=').unwrap().0.to_owned()).filter(|label| label != "le");
    let histogram = |name: &str| TABLE.iter().any(|metric| metric.name == name && metric.kind == Kind::Histogram);
    let stem =
        ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end).filter(|name| histogram(name)));
    (stem.unwrap_or(name).to_owned(), names.collect())
}

#[test]
fn what_is_exposed_is_the_table() {
    let text = exposed(|| ());
    let kinds: BTreeMap<_, _> = TABLE.iter().map(|metric| (metric.name, kind_text(metric.kind))).collect();
    let help: BTreeMap<_, _> = TABLE.iter().map(|metric| (metric.name, metric.help)).collect();
    assert_eq!(headers(&text, "TYPE"), kinds);
    assert_eq!(headers(&text, "HELP"), help);
    let labels: BTreeSet<(String, Vec<String>)> = samples(&text).into_keys().map(shape).collect();
    let of = |metric: &telemetry::Description| metric.labels.iter().map(|label| label.name.to_owned()).collect();
    assert_eq!(labels, TABLE.iter().map(|metric| (metric.name.to_owned(), of(metric))).collect());
}

#[test]
fn names_and_labels_keep_the_rules() {
    let mut seen = BTreeSet::new();
    for metric in TABLE {
        assert!(seen.insert(metric.name), "{} twice", metric.name);
        assert!(metric.name.starts_with("deposit_watcher_"), "{}", metric.name);
        assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
        assert_eq!(metric.buckets.is_empty(), metric.kind != Kind::Histogram, "{}", metric.name);
        assert!(metric.buckets.is_sorted_by(|low, high| low < high), "{}", metric.name);
        assert!(metric.help.ends_with('.'), "{}", metric.name);
        assert!(metric.labels.iter().all(|label| ALLOWED.contains(&label.name)), "{}", metric.name);
    }
}

#[test]
fn every_series_stands_at_0_from_the_start() {
    let text = exposed(|| ());
    let samples = samples(&text);
    let moved: Vec<_> = samples.iter().filter(|(_, value)| **value != "0").collect();
    assert_eq!(moved.len(), 1, "{moved:?}");
    assert!(moved[0].0.starts_with("deposit_watcher_build_info"));
    for series in [
        r#"halted{network="base"}"#,
        r#"transfers_total{network="polygon",token="usdt",outcome="unmatched"}"#,
        r#"rpc_requests_total{network="polygon",endpoint="theirs",method="eth_getLogs",outcome="timeout"}"#,
        r#"session_transitions_total{network="other",from="CREATED",to="PENDING"}"#,
        r#"session_transitions_total{network="base",from="CONFIRMED",to="PENDING"}"#,
        r#"sessions{network="polygon",status="OVERPAID"}"#,
        r#"sessions_invalid{reason="checksum"}"#,
        r#"task_heartbeat_timestamp_seconds{task="lease",network="base"}"#,
        r#"task_heartbeat_timestamp_seconds{task="admin",network=""}"#,
        r#"reorg_depth_blocks_bucket{network="base",le="64"}"#,
        r#"detection_latency_seconds_bucket{network="base",le="+Inf"}"#,
    ] {
        assert!(samples.contains_key(format!("deposit_watcher_{series}").as_str()), "{series}\n{text}");
    }
    for absent in [
        r#"transfers_total{network="base",token="usdc""#,
        r#"to="CREATED""#,
        r#"from="PENDING",to="PENDING""#,
        r#"chain_head_block{network="other"}"#,
        r#"task_heartbeat_timestamp_seconds{task="admin",network="base"}"#,
    ] {
        assert!(!text.contains(absent), "{absent}");
    }
}

#[test]
fn an_unknown_network_is_other() {
    let text = exposed(|| telemetry::SESSIONS.set(&["'; drop table", "CREATED"], 3));
    assert_eq!(samples(&text)[r#"deposit_watcher_sessions{network="other",status="CREATED"}"#], "3");
}

#[test]
fn amounts_count_whole_tokens_and_keep_the_rest() {
    let add = |units: u64| telemetry::CONFIRMED_AMOUNT_TOTAL.add(&["base", "eurc"], Units(U256::from(units)), 6);
    let text = exposed(|| [400_000, 2_500_000, 99_999, 1].into_iter().for_each(add));
    let series = r#"deposit_watcher_confirmed_amount_total{network="base",token="eurc"}"#;
    assert_eq!(samples(&text)[series], "3");
}

#[test]
fn who_lets_a_network_go_shows_0_for_it_and_nothing_else() {
    let text = exposed(|| {
        telemetry::SCANNED_BLOCK.set(&["base"], BlockNumber(7));
        telemetry::SCANNED_BLOCK.set(&["polygon"], BlockNumber(8));
        telemetry::LOCK_HELD.set(&["base"], true);
        telemetry::RPC_ENDPOINT_UP.set(&["base", "b"], true);
        telemetry::REORGS_TOTAL.add(&["base"], 2);
        telemetry::release(&Slug::parse("base").unwrap());
    });
    let samples = samples(&text);
    let value = |series: &str| samples[format!("deposit_watcher_{series}").as_str()];
    assert_eq!(value(r#"scanned_block{network="base"}"#), "0");
    assert_eq!(value(r#"lock_held{network="base"}"#), "0");
    assert_eq!(value(r#"scanned_block{network="polygon"}"#), "8");
    assert_eq!(value(r#"rpc_endpoint_up{network="base",endpoint="b"}"#), "0");
    assert_eq!(value(r#"reorgs_total{network="base"}"#), "2");
}

#[test]
fn an_exposition_with_every_kind_of_sample() {
    let text = exposed(|| {
        telemetry::STEP_DURATION_SECONDS.observe(&["base", "scan"], Duration::from_millis(12));
        telemetry::REORG_DEPTH_BLOCKS.observe(&["base"], 3);
        telemetry::LAG_SECONDS.set(&["base"], Duration::from_millis(1_500));
    });
    let samples = samples(&text);
    assert_eq!(samples[r#"deposit_watcher_step_duration_seconds_bucket{network="base",kind="scan",le="0.025"}"#], "1");
    assert_eq!(samples[r#"deposit_watcher_reorg_depth_blocks_bucket{network="base",le="2"}"#], "0");
    assert_eq!(samples[r#"deposit_watcher_lag_seconds{network="base"}"#], "1.5");
    if let Some(file) = std::env::var_os("DEPOSIT_WATCHER_METRICS_OUT") {
        std::fs::write(file, text).unwrap();
    }
}
