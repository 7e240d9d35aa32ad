//! What is deployed beside the binary says what the binary does: every alert has its runbook and every runbook its alert,
//! and rules and dashboards name metrics that exist. Not whether they give data: `tests/debian/prometheus.sh` asks a real
//! Prometheus that. Their commands are in `commands.rs`.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::docs::{read, top, unknown_names};

const RULES: &str = "deploy/prometheus/rules/deposit-watcher.yml";
pub(super) const RUNBOOKS: &str = "deploy/runbooks";
const DASHBOARDS: &str = "deploy/grafana/dashboards";
/// Dashboards of Grafana 10.4 and 11.
const SCHEMA: u64 = 39;

pub(super) fn files(folder: &str, extension: &str) -> Vec<(String, String)> {
    let names =
        fs::read_dir(top().join(folder)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(extension)).collect();
    names.sort();
    names
        .into_iter()
        .map(|name| (name.trim_end_matches(extension).to_owned(), read(&format!("{folder}/{name}"))))
        .collect()
}

/// Each alert's name and the lines of its rule.
fn alerts() -> Vec<(String, String)> {
    let rules = read(RULES);
    let parts = rules.split("\n      - ").filter_map(|part| part.strip_prefix("alert: "));
    parts
        .map(|part| {
            let (name, rest) = part.split_once('\n').unwrap();
            (name.to_owned(), rest.split("\n  - name: ").next().unwrap().to_owned())
        })
        .collect()
}

#[test]
fn every_alert_says_what_it_must() {
    let alerts = alerts();
    assert!(alerts.len() > 20, "{alerts:?}");
    for (name, rule) in &alerts {
        assert!(name.starts_with("DepositWatcher"), "{name}");
        let severities = ["critical", "warning", "info", "none"].map(|level| format!("labels: {{severity: {level}}}"));
        assert!(severities.iter().any(|level| rule.contains(level.as_str())), "{name} has no severity that is routed");
        for key in ["expr: ", "summary: ", "description: "] {
            assert!(rule.contains(&format!(" {key}")), "{name} has no {key}");
        }
        let url = format!("runbook_url: https://runbooks.example/{name}.md");
        assert!(rule.contains(&url), "{name} does not say {url}");
    }
}

#[test]
fn every_alert_has_its_runbook_and_its_tests() {
    let alerts: BTreeSet<String> = alerts().into_iter().map(|(name, _)| name).collect();
    let runbooks = files(RUNBOOKS, ".md");
    assert_eq!(runbooks.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>(), alerts);
    for (name, text) in &runbooks {
        let headings: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
        let expected = [&format!("# {name}"), "## Meaning", "## Impact", "## Diagnosis", "## Mitigation"];
        assert_eq!(headings, expected, "{name}");
    }
    let tests: String = files("deploy/prometheus/tests", ".yml").into_iter().map(|(_, text)| text).collect();
    for name in &alerts {
        let cases: Vec<&str> =
            tests.split("\n  - name: ").filter(|case| case.contains(&format!("alertname: {name}\n"))).collect();
        let quiet = cases.iter().filter(|case| case.contains("exp_alerts: []")).count();
        assert!(cases.len() > quiet, "no test in which {name} fires");
        assert!(quiet > 0 || name.ends_with("Watchdog"), "no test in which {name} does not fire");
    }
}

/// Names in PromQL that are neither a metric nor recorded by a rule.
fn strangers(text: &str, recorded: &BTreeSet<String>) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    let words = words.map(|word| word.trim_matches(':'));
    let unknown = words.filter(|word| match word.contains(':') && word.contains("deposit_watcher_") {
        true => !recorded.contains(*word),
        false => !unknown_names(word, "").is_empty(),
    });
    unknown.map(str::to_owned).collect()
}

#[test]
fn rules_and_dashboards_name_what_exists() {
    let rules = read(RULES);
    let recorded: BTreeSet<String> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- record: ")).map(str::to_owned).collect();
    assert!(recorded.len() > 10, "{recorded:?}");
    assert_eq!(strangers(&rules, &recorded), Vec::<String>::new());
    for (name, text) in files(DASHBOARDS, ".json") {
        assert_eq!(strangers(&text, &recorded), Vec::<String>::new(), "{name}");
    }
    let faults =
        "rate(deposit_watcher_nothing_total[5m]) + network:deposit_watcher_lag_seconds:min + deposit_watcher_halted";
    assert_eq!(strangers(faults, &recorded).len(), 2);
}

#[test]
fn dashboards_can_be_imported_anywhere() {
    let boards = files(DASHBOARDS, ".json");
    assert_eq!(boards.len(), 3);
    let mut uids = BTreeSet::new();
    for (name, text) in boards {
        let board: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((board["schemaVersion"].as_u64(), board["id"].is_null()), (Some(SCHEMA), true), "{name}");
        assert!(uids.insert(board["uid"].as_str().unwrap().to_owned()), "{name}");
        let variables = board["templating"]["list"].as_array().unwrap();
        assert_eq!(
            (&variables[0]["name"], &variables[0]["type"]),
            (&"datasource".into(), &"datasource".into()),
            "{name}"
        );
        let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
        for panel in board["panels"].as_array().unwrap() {
            let what = format!("{name}: {}", panel["title"]);
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{what}: its id is another's");
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
            assert!(x + w <= 24, "{what}: beyond the edge");
            assert!((x..x + w).all(|x| (y..y + h).all(|y| cells.insert((x, y)))), "{what}: lies on another");
            if panel["type"] == "row" {
                continue;
            }
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{what}");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{what}: no unit");
            assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{what}: no description");
            let targets = panel["targets"].as_array().unwrap();
            assert!(!targets.is_empty(), "{what}: no target");
            for target in targets {
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{what}");
                let expr = target["expr"].as_str().unwrap();
                assert!(expr.contains("job=~\"$job\""), "{what}: looks at every job");
                let fixed = ["network", "token", "endpoint", "instance", "job"].map(|label| format!("{label}=\""));
                assert!(fixed.iter().all(|name| !expr.contains(name.as_str())), "{what}: {expr} names one");
            }
        }
    }
}
