//! The example file at the root: it works, follows the presets, names every key there is and no other, and tells the truth
//! about the defaults.

use std::collections::BTreeSet;

use config::{FileFormat, Format, Map, Value, ValueKind};

use super::super::section::Section;
use super::super::{Network, presets, read};
use super::load_texts;

const EXAMPLE: &str = include_str!("../../../networks.toml");

/// The file with the keys that it only shows switched on.
fn uncommented() -> String {
    let shown = |line: &&str| {
        line.strip_prefix("# ").and_then(|rest| rest.split_once(" = ")).is_some_and(|(key, value)| {
            let plain = key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            plain && !value.is_empty()
        })
    };
    let lines = EXAMPLE.lines().map(|line| if shown(&line) { line.trim_start_matches("# ") } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

fn parse(text: &str) -> Map<String, Value> {
    FileFormat::Toml.parse(None, text).expect("TOML")
}

/// The patterns of all keys in a table: names that the operator chooses are `*`.
fn patterns(above: &str, table: Map<String, Value>, into: &mut BTreeSet<String>) {
    for (key, value) in table {
        let chosen = ["networks", "networks.*.rpc", "networks.*.tokens"].contains(&above);
        let part = if chosen { "*" } else { &key };
        let pattern = if above.is_empty() { part.to_owned() } else { format!("{above}.{part}") };
        if let ValueKind::Table(inner) = value.kind {
            patterns(&pattern, inner, into);
        } else {
            into.insert(pattern);
        }
    }
}

#[test]
fn it_works_as_it_is_and_dials_nobody_outside() {
    let settings = load_texts(&[EXAMPLE], &[], &[]).unwrap();
    let slugs: Vec<_> = settings.networks.iter().map(|network| network.slug.as_str()).collect();
    assert_eq!(slugs, ["anvil", "arbitrum", "base", "bnbchain", "ethereum", "optimism", "polygon"]);
    for network in &settings.networks {
        assert_eq!(network.enabled, network.slug.as_str() == "anvil", "{}", network.slug);
        assert_eq!(network.testnet, network.slug.as_str() == "anvil", "{}", network.slug);
    }
}

#[test]
fn it_is_read_where_no_file_is_named() {
    // The package's root is the working directory of its tests.
    let settings = super::load(&[], std::iter::empty(), &[]).unwrap();
    assert_eq!(settings.digest(), load_texts(&[EXAMPLE], &[], &[]).unwrap().digest());
}

#[test]
fn it_works_with_every_network_enabled() {
    let settings = load_texts(&[&EXAMPLE.replace("enabled = false", "enabled = true")], &[], &[]).unwrap();
    for network in settings.networks.iter().filter(|network| !network.testnet) {
        let operators: BTreeSet<_> = network.endpoints.iter().map(|endpoint| &endpoint.operator).collect();
        assert!(operators.len() >= 2, "{}: {operators:?}", network.slug);
        let symbols: Vec<_> = network.tokens.iter().map(|token| token.symbol.as_str()).collect();
        assert_eq!(symbols, ["USDC", "USDT"], "{}", network.slug);
        let decimals = if network.slug.as_str() == "bnbchain" { 18 } else { 6 };
        assert!(network.tokens.iter().all(|token| token.decimals == decimals), "{}", network.slug);
    }
}

#[test]
fn its_addresses_are_written_with_their_checksum() {
    let addresses: Vec<_> = EXAMPLE.lines().filter_map(|line| line.strip_prefix("address = ")).collect();
    assert_eq!(addresses.len(), 13);
    for address in addresses.iter().map(|text| text.trim_matches('"')) {
        assert_eq!(crate::domain::parse_address(address).unwrap().to_checksum(None), address);
    }
}

#[test]
fn it_follows_the_presets() {
    let networks = load_texts(&[EXAMPLE], &[], &[]).unwrap().networks;
    for preset in &presets::PRESETS {
        let network: &Network = networks.iter().find(|network| network.chain_id == preset.chain_id).unwrap();
        assert_eq!((network.finality, network.min_age), (preset.finality, preset.min_age), "{}", network.slug);
        assert!(network.max_clock_drift.is_some(), "{}", network.slug);
    }
}

#[test]
fn it_names_every_key_that_is_read_and_no_other() {
    let mut named = BTreeSet::new();
    patterns("", parse(&uncommented()), &mut named);
    let mut root = Section::root(parse(EXAMPLE), String::new());
    read::settings(&mut root).expect("settings");
    let finished = root.finish();
    assert!(finished.problems.is_empty(), "{}", finished.problems);
    assert_eq!(named, finished.keys);
}

#[test]
fn the_defaults_that_it_tells_are_the_defaults() {
    let text = uncommented().replace("enabled = false", "enabled = true");
    let off = [
        "url_file",
        "start_block",
        "max_clock_drift",
        "confirmations = 128",
        "own_addresses",
        "sealing_key",
        "previous_sealing_key",
        "jwt_",
    ];
    let told: String =
        text.lines().filter(|line| !off.iter().any(|key| line.starts_with(key))).collect::<Vec<_>>().join("\n");
    let told = load_texts(&[&told], &[], &[]).expect("the file with its shown keys");
    let silent = load_texts(&[super::POLYGON], &[], &[]).unwrap();
    assert_eq!(format!("{:?}", told.database), format!("{:?}", silent.database));
    assert_eq!(told.database.url.expose(), silent.database.url.expose());
    assert_eq!(format!("{:?}", told.http), format!("{:?}", silent.http));
    assert_eq!(format!("{:?}", told.admin), format!("{:?}", silent.admin));
    assert_eq!(format!("{:?}", told.api), format!("{:?}", silent.api));
    assert_eq!(format!("{:?}", told.limits), format!("{:?}", silent.limits));
    assert_eq!(format!("{:?}", told.webhooks), format!("{:?}", silent.webhooks));
    assert_eq!(format!("{:?}", told.sessions), format!("{:?}", silent.sessions));
    assert_eq!(told.retention, silent.retention);
    let polygon = told.networks.into_iter().find(|network| network.slug.as_str() == "polygon").unwrap();
    let bare = |network: Network| Network { endpoints: Vec::new(), tokens: network.tokens[..1].to_vec(), ..network };
    let silent = silent.networks.into_iter().next().unwrap();
    assert_eq!(format!("{:?}", bare(polygon)), format!("{:?}", bare(silent)));
}
