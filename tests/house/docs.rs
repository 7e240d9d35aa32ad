//! The documents say what the code says: metrics, words of the tables, presets, keys, and links that lead somewhere. Not
//! for what they explain; that is for people to read.
//!
//! `UPDATE_DOCS=1 cargo test --test house docs` writes `docs/METRICS.md` anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use deposit_watcher::domain::{Finality, SessionStatus, Settled, TransferState, Unmatched, Unusable};
use deposit_watcher::settings::{self, presets::PRESETS};
use deposit_watcher::telemetry::{Kind, TABLE};

use super::metrics::{exposed, kind_text, samples};

const METRICS: &str = "docs/METRICS.md";
const TABLES: &str = "docs/TABLES.md";

/// Longer is a book, and nobody reads it.
const README_LINES: usize = 400;

/// Where an absolute path may begin: what we serve, where others mount secrets, and where deploy/ puts things. All else is
/// somebody's own machine.
const PATHS: [&str; 11] = [
    "/metrics",
    "/livez",
    "/readyz",
    "/api/v1/",
    "/v1/",
    "/pay/",
    "/openapi.json",
    "/run/secrets/",
    "/etc/deposit-watcher",
    "/etc/systemd/system/",
    "/usr/local/bin/deposit-watcher",
];

/// Labels whose values are the operator's own names, or the version.
const CHOSEN: [&str; 5] = ["network", "token", "endpoint", "task", "version"];

pub(crate) fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(name: &str) -> String {
    fs::read_to_string(top().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every document: path and text.
fn documents() -> Vec<(String, String)> {
    let below = ["docs", "deploy/runbooks"].into_iter().flat_map(|folder| {
        let names =
            fs::read_dir(top().join(folder)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".md")).map(move |name| format!("{folder}/{name}"))
    });
    let names: BTreeSet<String> =
        below.chain(["README.md", "CHANGELOG.md", "deploy/examples/README.md"].map(str::to_owned)).collect();
    names.into_iter().chain(["deploy/README.md".to_owned()]).map(|name| (name.clone(), read(&name))).collect()
}

/// Everything in `documents` that `faults` finds, each with its place.
fn found(documents: &[(String, String)], faults: impl Fn(&str, &str) -> Vec<String>) -> Vec<String> {
    let in_line = |name: &String, (number, line)| {
        faults(name, line).into_iter().map(|fault| format!("{name}:{}: {fault}", number + 1)).collect::<Vec<_>>()
    };
    documents.iter().flat_map(|(name, text)| text.lines().enumerate().flat_map(|at| in_line(name, at))).collect()
}

#[track_caller]
fn none(found: &[String]) {
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// The words of a line that begin with our prefix.
fn ours(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
    words.filter(|word| word.strip_prefix("deposit_watcher_").is_some_and(|rest| !rest.is_empty()))
}

/// Names that are neither a metric nor anything in the database.
pub(crate) fn unknown_names(line: &str, schema: &str) -> Vec<String> {
    let metric = |word: &str| {
        let stem = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
        let histogram = |name| TABLE.iter().any(|metric| metric.name == name && metric.kind == Kind::Histogram);
        TABLE.iter().any(|metric| metric.name == word) || stem.is_some_and(histogram)
    };
    let known = |word: &str| metric(word) || ours(schema).any(|name| name == word);
    ours(line).filter(|word| !known(word)).map(|word| format!("{word} is no metric and not in migrations/")).collect()
}

#[test]
fn every_name_of_ours_exists() {
    let mut migrations: Vec<PathBuf> =
        fs::read_dir(top().join("migrations")).unwrap().map(|entry| entry.unwrap().path()).collect();
    migrations.sort();
    let schema: String = migrations.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    none(&found(&documents(), |_, line| unknown_names(line, &schema)));
    let schema = "CREATE ROLE deposit_watcher_api";
    let line =
        "`deposit_watcher_api` deposit_watcher_halted{} deposit_watcher_step_duration_seconds_bucket deposit_watcher";
    assert_eq!(unknown_names(line, schema), Vec::<String>::new());
    assert_eq!(unknown_names("deposit_watcher_halted_total deposit_watcher_apis", schema).len(), 2);
}

/// The values that labels take which nobody chooses, by metric and label.
fn fixed_values() -> BTreeMap<(String, String), BTreeSet<String>> {
    let text = exposed(|| ());
    let mut values: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for series in samples(&text).into_keys() {
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        for label in labels.trim_end_matches('}').split(',').filter_map(|label| label.split_once('=')) {
            let (label, value) = (label.0.to_owned(), label.1.trim_matches('"').to_owned());
            let name = name.strip_suffix("_bucket").unwrap_or(name).to_owned();
            let listed = TABLE.iter().any(|metric| metric.name == name) && label != "le";
            if listed && !CHOSEN.contains(&label.as_str()) {
                values.entry((name, label)).or_default().insert(value);
            }
        }
    }
    values
}

/// The manual of the metrics, from the table.
fn manual() -> String {
    let code = |words: &mut dyn Iterator<Item = String>| words.map(|word| format!("`{word}`")).collect::<Vec<_>>();
    let mut text = "# Metrics\n\nWhat `/metrics` shows, written from `src/telemetry/table.rs` by \
        `UPDATE_DOCS=1 cargo test --test house docs`. Every\nseries exists at 0 from the start. The gauges of a network are \
        moved by the watcher that works it and read 0 elsewhere; a\nnetwork that sessions name and the configuration does not \
        is `other`.\n\n| metric | kind | labels | what it says |\n|---|---|---|---|\n"
        .to_owned();
    for metric in TABLE {
        let labels = code(&mut metric.labels.iter().map(|label| label.name.to_owned())).join(", ");
        writeln!(text, "| `{}` | {} | {labels} | {} |", metric.name, kind_text(metric.kind), metric.help).unwrap();
    }
    text += "\n## Values of labels\n\nOther labels carry the names of the configuration.\n\n| metric | label | values |\n|---|---|---|\n";
    for ((metric, label), values) in fixed_values() {
        writeln!(text, "| `{metric}` | `{label}` | {} |", code(&mut values.into_iter()).join(", ")).unwrap();
    }
    text += "\n## Buckets\n\n| histogram | upper bounds, besides +Inf |\n|---|---|\n";
    for metric in TABLE.iter().filter(|metric| metric.kind == Kind::Histogram) {
        let bounds: Vec<String> = metric.buckets.iter().map(f64::to_string).collect();
        writeln!(text, "| `{}` | {} |", metric.name, bounds.join(", ")).unwrap();
    }
    text
}

#[test]
fn the_manual_of_the_metrics_is_the_table() {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(top().join(METRICS), manual()).unwrap();
    }
    assert!(read(METRICS) == manual(), "{METRICS} is stale: run `UPDATE_DOCS=1 cargo test --test house docs`");
}

#[test]
fn every_word_of_the_tables_is_in_their_contract() {
    let contract = read(TABLES);
    let statuses = SessionStatus::ALL.map(SessionStatus::as_str);
    let states = TransferState::ALL.map(TransferState::as_str);
    let reasons = Unmatched::ALL.map(Unmatched::as_str);
    let unusable = Unusable::ALL.map(Unusable::as_str);
    let settled = Settled::ALL.map(Settled::as_str);
    let words = statuses.iter().chain(&states).chain(&reasons).chain(&unusable).chain(&settled);
    let missing: Vec<_> = words.filter(|word| !contract.contains(&format!("`{word}`"))).collect();
    assert!(missing.is_empty(), "not in {TABLES}: {missing:?}");
    let row = |word: &str| contract.lines().filter(|line| line.starts_with(&format!("| `{word}` |"))).count();
    let untold: Vec<_> = statuses.iter().chain(&reasons).chain(&unusable).filter(|word| row(word) == 0).collect();
    assert!(untold.is_empty(), "without a row in a table of {TABLES}: {untold:?}");
}

#[test]
fn every_event_is_told_where_it_is_read() {
    let statuses = SessionStatus::ALL.map(|status| status.as_str().to_lowercase());
    let mut kinds: Vec<String> = statuses.iter().map(|status| format!("deposit.{status}")).collect();
    kinds.extend(["deposit.reverted", "deposit.unmatched"].map(str::to_owned));
    let mut known = deposit_watcher::webhooks::EVENT_TYPES.map(str::to_owned).to_vec();
    kinds.sort();
    known.sort();
    assert_eq!(kinds, known, "what can be asked for is not what is written");
    for document in [TABLES, "docs/WEBHOOKS.md"] {
        let text = read(document);
        for kind in statuses.iter().map(String::as_str).chain(["reverted", "unmatched"]) {
            assert!(text.contains(&format!("`deposit.{kind}`")), "deposit.{kind} is not in {document}");
        }
    }
}

#[test]
fn the_pauses_between_deliveries_are_told_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("networks.toml");
    fs::write(&file, "database.url = \"postgres://localhost/x\"").unwrap();
    let pauses = settings::load(&[file], std::iter::empty(), &[]).unwrap().webhooks.retry_after;
    let told = |pause: &std::time::Duration| match pause.as_secs() {
        seconds if seconds % 3_600 == 0 => format!("{} h", seconds / 3_600),
        seconds if seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    };
    let told: Vec<String> = pauses.iter().map(told).collect();
    let (last, first) = told.split_last().unwrap();
    let told = format!("after {} and {last}", first.join(", "));
    let text = read("docs/WEBHOOKS.md").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(&told), "docs/WEBHOOKS.md does not say {told:?}");
}

#[test]
fn the_presets_are_told_as_they_are() {
    let readme = read("README.md");
    for preset in &PRESETS {
        let row = readme.lines().find(|line| line.contains(&format!("| {} |", preset.chain_id)));
        let row = row.unwrap_or_else(|| panic!("chain {} has no row in README.md", preset.chain_id));
        let finality = match preset.finality {
            Finality::Confirmations(number) => number.to_string(),
            Finality::Safe => "`safe`".to_owned(),
            Finality::Finalized => "`finalized`".to_owned(),
        };
        let age = format!("`min_age = \"{}s\"`", preset.min_age.as_secs());
        assert!(row.split('|').nth(3).unwrap().contains(&finality), "{row}");
        assert_eq!(row.contains("min_age"), !preset.min_age.is_zero(), "{row}");
        assert!(preset.min_age.is_zero() || row.contains(&age), "{row}");
    }
}

#[test]
fn the_keys_that_are_explained_exist() {
    let (readme, example) = (read("README.md"), read("networks.toml"));
    let table = readme.split("### The keys that matter most").nth(1).unwrap().split("\n#").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let keys: Vec<&str> = rows
        .flat_map(|row| row.split('|').nth(1).unwrap().split(','))
        .map(|key| key.trim().trim_matches('`'))
        .collect();
    assert!(keys.len() > 10, "{keys:?}");
    let known = |key: &str| {
        let key = format!("{key} = ");
        example.lines().any(|line| line.trim_start_matches("# ").starts_with(&key))
    };
    let unknown: Vec<_> = keys.into_iter().filter(|key| !known(key)).collect();
    assert!(unknown.is_empty(), "in README.md and not in networks.toml: {unknown:?}");
}

#[test]
fn the_readme_is_short() {
    assert!(read("README.md").lines().count() <= README_LINES, "README.md has more than {README_LINES} lines");
}

/// A heading's anchor, as forges make it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || ['-', '_', ' '].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

/// Links of a line of `document` that lead nowhere. The world outside is not asked.
fn dead_links(document: &str, line: &str) -> Vec<String> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let inside = targets.filter(|target| !["http://", "https://", "mailto:"].iter().any(|far| target.starts_with(far)));
    let dead = |target: &&str| {
        let (path, place) = target.split_once('#').unwrap_or((target, ""));
        let path =
            if path.is_empty() { top().join(document) } else { top().join(document).parent().unwrap().join(path) };
        let leads = place.is_empty() || fs::read_to_string(&path).is_ok_and(|text| anchors(&text).contains(place));
        !(path.exists() && leads)
    };
    inside.filter(dead).map(|target| format!("{target} leads nowhere")).collect()
}

#[test]
fn links_lead_somewhere() {
    none(&found(&documents(), dead_links));
    let good = "[a](README.md) [b](docs/METRICS.md#buckets) [c](https://example.com/x) [d](#quick-start)";
    assert_eq!(dead_links("README.md", good), Vec::<String>::new());
    assert_eq!(dead_links("docs/X.md", "[a](../README.md#quick-start) [b](METRICS.md)"), Vec::<String>::new());
    assert_eq!(dead_links("README.md", "[a](MISSING.md) [b](README.md#missing) [c](#missing)").len(), 3);
}

/// Absolute paths that are nobody's but one machine's.
fn strange_paths(line: &str) -> Vec<String> {
    let words = line.split(|c: char| c.is_whitespace() || "`\"'()[]<>|,;=".contains(c));
    let absolute =
        words.filter(|word| word.strip_prefix('/').is_some_and(|rest| rest.starts_with(char::is_alphabetic)));
    let strange = absolute.filter(|word| !PATHS.iter().any(|path| word.starts_with(path)));
    strange.map(|word| format!("{word} is a path of one machine")).collect()
}

#[test]
fn no_document_speaks_of_one_machine() {
    let example = ("networks.toml".to_owned(), read("networks.toml"));
    none(&found(&[documents(), vec![example]].concat(), |_, line| strange_paths(line)));
    for good in ["`/metrics`, /livez and (/readyz?verbose)", "and/or 1/2 https://a.example/b", "\"/run/secrets/url\""] {
        assert_eq!(strange_paths(good), Vec::<String>::new());
    }
    assert_eq!(strange_paths("see `/somewhere/else`, file=/etc/x and (/var/tmp)").len(), 3);
}
