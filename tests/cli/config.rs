//! `config show`: without a database, with sources, without secrets.

use super::program::Program;

/// In whatever may be a secret.
const CANARY: &str = "c4n4ry";

#[test]
fn what_counts_is_shown_with_its_source_and_no_secret() {
    let program = Program::at(&format!("postgres://user:{CANARY}@127.0.0.1:1/shop"));
    let key = "07".repeat(32);
    let asked = |arguments: &[&str]| {
        let mut command = program.command(arguments);
        command.env("DEPOSIT_WATCHER__API__SEALING_KEY", &key).env("DEPOSIT_WATCHER__RETENTION__BLOCKS", "90d");
        let ended = super::program::Ended::from(command.output().unwrap());
        assert!(ended.code == 0 && ended.stderr.is_empty(), "{ended:?}");
        for secret in [CANARY, &key] {
            assert!(!ended.stdout.contains(secret), "{arguments:?}: {}", ended.stdout);
        }
        ended.stdout
    };
    let show = ["--set", "networks.anvil.quorum=1", "config", "show"];
    let lines: serde_json::Value = serde_json::from_str(&asked(&[&show[..], &["--output", "json"]].concat())).unwrap();
    let of = |key: &str| {
        let line = lines.as_array().unwrap().iter().find(|line| line["key"] == key).unwrap();
        format!("{} {} {}", line["value"], line["source"], line["where"])
    };
    assert_eq!(of("database.url"), r#""[redacted]" "environment" "DATABASE_URL""#);
    assert_eq!(of("api.sealing_key"), r#""[redacted]" "environment" "DEPOSIT_WATCHER__API__SEALING_KEY""#);
    assert_eq!(of("networks.anvil.rpc.local.url"), r#""[redacted]" "file" "networks.toml""#);
    assert_eq!(of("networks.anvil.confirmations"), r#""3" "file" "networks.toml""#);
    assert_eq!(of("networks.anvil.quorum"), r#""1" "flag" null"#);
    assert_eq!(of("retention.blocks"), r#""90d" "environment" "DEPOSIT_WATCHER__RETENTION__BLOCKS""#);
    assert_eq!(of("sessions.clock_skew"), r#""1m" "default" null"#);
    assert_eq!(of("networks.polygon.enabled"), r#""false" "file" "networks.toml""#);

    let text = asked(&show);
    assert!(text.starts_with("KEY ") && text.contains("WHERE\n"), "{text}");
    let given = asked(&[&show[..], &["--given", "--output", "csv"]].concat());
    assert!(given.starts_with("key,value,source,where\r\n") && !given.contains(",default,"), "{given}");
    assert!(given.lines().count() < text.lines().count(), "{given}");
    let wrong = program.run(&["--set", "networks.anvil.quorum=9", "config", "show"]);
    assert!(wrong.reason(78).starts_with("the configuration has a fault"), "{wrong:?}");
}
