//! Secrets come from files as well, and come out nowhere: not printed, and not in a fault about anything.

use super::{POLYGON, faults, load_texts};

const CANARY: &str = "c4n4ry";

#[test]
fn a_file_may_hold_the_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rpc");
    std::fs::write(&path, "https://secret.example.com/key\r\n").unwrap();
    let text = POLYGON.replace("url = \"https://rpc.example.com/key\"", &format!("url_file = {path:?}"));
    let settings = load_texts(&[&text], &[], &[]).unwrap();
    assert_eq!(settings.networks[0].endpoints[0].url.expose().as_str(), "https://secret.example.com/key");
}

#[test]
fn a_file_that_cannot_be_read_is_a_fault() {
    let text = POLYGON.replace("url = \"https://rpc.example.com/key\"", "url_file = \"no/such\"");
    let lines = faults(&[&text], &[], &[]);
    let expected = "0.toml: networks.polygon.rpc.primary.url_file: \"no/such\": No such file";
    assert!(lines.len() == 1 && lines[0].starts_with(expected), "{lines:?}");
}

#[test]
fn a_sealing_key_is_32_bytes_from_one_place() {
    let key = "0123456789abcdef".repeat(4);
    let settings = load_texts(&[POLYGON], &[("DEPOSIT_WATCHER__API__SEALING_KEY", &key)], &[]).unwrap();
    let read = *settings.api.sealing_key.as_ref().unwrap().expose();
    assert_eq!((read[0], read[31]), (0x01, 0xef));
    assert!(!format!("{settings:?}").contains("sealing_key: Some([1") && settings.api.previous_sealing_key.is_none());
    let (zeros, long, other) = ("0".repeat(64), format!("{key}0"), format!("0x{}", &key[2..]));
    for wrong in ["", "c4n4ry", &key[1..], &long, &zeros, &other, &key.replace('a', "g")] {
        let lines = faults(&[&format!("{POLYGON}\n[api]\nsealing_key = \"{wrong}\"")], &[], &[]);
        assert!(lines.len() == 1 && lines[0].contains("api.sealing_key: is no key"), "{wrong}: {lines:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, format!("{key}\n")).unwrap();
    let file = format!("{POLYGON}\n[api]\nsealing_key_file = {path:?}");
    assert_eq!(load_texts(&[&file], &[], &[]).unwrap().api.sealing_key, settings.api.sealing_key);
    let both = format!("{file}\nsealing_key = \"{key}\"");
    assert!(faults(&[&both], &[], &[])[0].contains("are both given"));
}

#[test]
fn nothing_prints_a_secret() {
    let environment = [("DATABASE_URL", "postgres://user:c4n4ry@db/x")];
    let settings = load_texts(&[&POLYGON.replace("key", CANARY)], &environment, &[]).unwrap();
    let printed = format!("{settings:?} {settings:#?}");
    assert!(printed.contains("[redacted]") && !printed.contains(CANARY), "{printed}");
}

#[test]
fn no_fault_repeats_a_secret_wherever_it_stands() {
    let secrets = [
        "https://user:c4n4ry@rpc.example.com/c4n4ry?k=c4n4ry",
        "http://[c4n4ry",
        "ftp://c4n4ry",
        "c4n4ry//",
        "x@c4n4ry",
    ];
    let keys = [
        "database.url",
        "database.url_file",
        "database.max_connections",
        "database.connect_timeout",
        "database.pgbouncer",
        "http.listen",
        "http.public_url",
        "api.sealing_key",
        "api.sealing_key_file",
        "api.previous_sealing_key",
        "api.previous_sealing_key_file",
        "sessions.amount_clash",
        "sessions.own_addresses",
        "sessions.unknown",
        "networks.polygon.chain_id",
        "networks.polygon.finality",
        "networks.polygon.max_clock_drift",
        "networks.polygon.rpc.primary.url",
        "networks.polygon.rpc.primary.url_file",
        "networks.polygon.rpc.primary.priority",
        "networks.polygon.rpc.primary",
        "networks.polygon.rpc",
        "networks.polygon.tokens.usdc.symbol",
        "networks.polygon.tokens.usdc.address",
        "networks.polygon.tokens.usdc.decimals",
        "networks.polygon.tokens.usdc.tolerance",
        "networks.polygon.tokens.usdc.min_partial",
    ];
    for key in keys {
        for secret in secrets {
            if let Err(problems) = load_texts(&[POLYGON], &[], &[(key, secret)]) {
                assert!(!format!("{problems} {problems:?}").contains(CANARY), "{key}: {problems}");
            }
        }
    }
    for broken in ["url = \"postgres://c4n4ry", "url = c4n4ry", "url = \"a\" c4n4ry", "c4n4ry", "url = \"\\c4n4ry\""] {
        let lines = faults(&[&format!("[database]\n{broken}")], &[], &[]);
        assert!(!lines.concat().contains(CANARY), "{lines:?}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn no_value_panics(value in "\\PC{0,20}", key in proptest::sample::select(vec![
        "database.url", "http.listen", "networks.polygon.min_age", "networks.polygon.quorum", "networks.polygon.rpc.primary.url",
        "networks.polygon.tokens.usdc.decimals", "sessions.own_addresses", "networks", "networks.polygon.rpc.primary.operator",
    ])) {
        if let Err(problems) = load_texts(&[POLYGON], &[], &[(key, &value)]) {
            proptest::prop_assert!(!problems.is_empty());
        }
    }
}
