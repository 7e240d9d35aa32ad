//! What `config show` tells: every key, the value that counts, where it came from, and no secret.

use std::collections::{BTreeMap, BTreeSet};

use super::super::section::Section;
use super::super::{Effective, Source, effective, layers, read};
use super::POLYGON;

const CANARY: &str = "c4n4ry";

/// By key.
fn told(texts: &[&str], environment: &[(&str, &str)], flags: &[(&str, &str)]) -> BTreeMap<String, Effective> {
    let folder = tempfile::tempdir().unwrap();
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let files = texts.iter().enumerate().map(|(number, text)| {
        let path = folder.path().join(format!("{number}.toml"));
        std::fs::write(&path, text).unwrap();
        path
    });
    let files: Vec<_> = files.collect();
    let lines = effective(&files, owned(environment).into_iter(), &owned(flags)).unwrap();
    let count = lines.len();
    let told: BTreeMap<String, Effective> = lines.into_iter().map(|line| (line.key.clone(), line)).collect();
    assert_eq!(told.len(), count, "a key is told twice");
    told
}

fn value<'t>(told: &'t BTreeMap<String, Effective>, key: &str) -> (Option<&'t str>, String) {
    let line = told.get(key).unwrap_or_else(|| panic!("{key} is not told"));
    let source = match &line.source {
        Source::Default => "default".to_owned(),
        Source::File(path) => format!("file {}", path.rsplit('/').next().unwrap()),
        Source::Environment(name) => format!("environment {name}"),
        Source::Flag => "flag".to_owned(),
    };
    (line.value.as_deref(), source)
}

#[test]
fn every_value_comes_with_its_source() {
    let other = "[networks.polygon]\nmax_lag = \"1h\"\n[webhooks]\nallowed_networks = [\"10.0.0.0/8\", \"::1\"]";
    let environment =
        [("DEPOSIT_WATCHER__NETWORKS__POLYGON__QUORUM", "1"), ("DEPOSIT_WATCHER__RETENTION__EVENTS", "365d")];
    let told = told(&[POLYGON, other], &environment, &[("networks.polygon.confirmations", "64")]);
    for (key, expected, source) in [
        ("networks.polygon.chain_id", Some("137"), "file 0.toml"),
        ("networks.polygon.max_lag", Some("1h"), "file 1.toml"),
        ("networks.polygon.quorum", Some("1"), "environment DEPOSIT_WATCHER__NETWORKS__POLYGON__QUORUM"),
        ("networks.polygon.confirmations", Some("64"), "flag"),
        ("networks.polygon.finality", Some("confirmations"), "default"),
        ("networks.polygon.max_clock_drift", Some("off"), "default"),
        ("networks.polygon.start_block", None, "default"),
        ("networks.polygon.rpc.primary.operator", Some("example.com"), "default"),
        ("networks.polygon.tokens.usdc.min_partial", Some("1%"), "default"),
        ("webhooks.allowed_networks", Some("10.0.0.0/8,::1/128"), "file 1.toml"),
        ("webhooks.retry_after", Some("30s,30s,30s,5m,30m,2h,5h,10h,14h,20h,1d"), "default"),
        ("retention.events", Some("365d"), "environment DEPOSIT_WATCHER__RETENTION__EVENTS"),
        ("retention.blocks", Some("off"), "default"),
        ("sessions.late_window", Some("30d"), "default"),
    ] {
        assert_eq!(value(&told, key), (expected, source.to_owned()), "{key}");
    }
}

#[test]
fn every_key_that_is_read_is_told_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("0.toml");
    std::fs::write(&file, POLYGON).unwrap();
    let mut problems = super::Problems::default();
    let layer = layers::Layer::file(&file, &mut problems).unwrap();
    let mut root = Section::root(layers::merge(vec![layer], &mut problems), String::new());
    read::settings(&mut root).unwrap();
    let pattern = |key: &String| {
        let key = key.replace("networks.polygon", "networks.*");
        key.replace("rpc.primary", "rpc.*").replace("tokens.usdc", "tokens.*")
    };
    let told: BTreeSet<String> = told(&[POLYGON], &[], &[]).keys().map(pattern).collect();
    assert_eq!(told, root.finish().keys);
}

#[test]
fn what_is_told_can_be_given_and_comes_to_the_same() {
    let first = told(&[POLYGON], &[], &[("networks.polygon.max_clock_drift", "15m")]);
    let shown = first.values().filter(|line| !line.key.contains("url") && !line.key.contains("sealing_key"));
    let flags: Vec<(&str, &str)> = shown.filter_map(|line| Some((line.key.as_str(), line.value.as_deref()?))).collect();
    let flags: Vec<_> = flags.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    assert!(flags.len() > 50, "{flags:?}");
    let second = told(&[POLYGON], &[], &flags);
    for (key, line) in &first {
        assert_eq!(line.value, second.get(key).unwrap().value, "{key}");
    }
    assert!(flags.iter().all(|(key, _)| second.get(*key).unwrap().source == Source::Flag));
}

#[test]
fn no_secret_is_told_only_where_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let (url, key) = (folder.path().join("rpc"), folder.path().join("key"));
    std::fs::write(&url, format!("https://rpc.example.com/{CANARY}")).unwrap();
    std::fs::write(&key, "0123456789abcdef".repeat(4)).unwrap();
    let text = POLYGON.replace("url = \"https://rpc.example.com/key\"", &format!("url_file = {url:?}"));
    let database = format!("postgres://user:{CANARY}@db/x");
    let environment =
        [("DATABASE_URL", database.as_str()), ("DEPOSIT_WATCHER__API__SEALING_KEY_FILE", key.to_str().unwrap())];
    let told = told(&[&text], &environment, &[]);
    let secret = (Some("[redacted]"), "environment DATABASE_URL".to_owned());
    assert_eq!(value(&told, "database.url"), secret);
    assert_eq!(value(&told, "networks.polygon.rpc.primary.url"), (Some("[redacted]"), "file rpc".to_owned()));
    assert_eq!(value(&told, "networks.polygon.rpc.primary.url_file"), (url.to_str(), "file 0.toml".to_owned()));
    assert_eq!(value(&told, "api.sealing_key"), (Some("[redacted]"), "file key".to_owned()));
    assert_eq!(value(&told, "api.previous_sealing_key"), (None, "default".to_owned()));
    let all = format!("{told:?}");
    assert!(!all.contains(CANARY) && !all.contains("0123456789abcdef"), "{all}");
}
