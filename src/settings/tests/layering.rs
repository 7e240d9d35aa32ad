//! Which source wins, and what of the environment is ours.

use super::{POLYGON, faults, load_texts};
use std::time::Duration;

#[test]
fn everything_has_a_default_but_what_is_required() {
    let settings = load_texts(&[POLYGON], &[], &[]).unwrap();
    assert_eq!(settings.database.url.expose().as_str(), "postgres://localhost/deposit_watcher");
    assert_eq!(settings.http.listen.to_string(), "127.0.0.1:8080");
    let polygon = &settings.networks[0];
    assert_eq!((polygon.slug.as_str(), polygon.enabled, polygon.testnet), ("polygon", true, false));
    assert_eq!(polygon.second_look_delay, Duration::from_secs(2));
    assert_eq!(polygon.endpoints[0].operator, "example.com");
}

#[test]
fn test_chains_wait_for_nobody() {
    let anvil = POLYGON.replace("137", "31337");
    let anvil = &load_texts(&[&anvil], &[], &[]).unwrap().networks[0];
    assert!(anvil.testnet);
    assert_eq!((anvil.second_look_delay, anvil.revert_after), (Duration::ZERO, Duration::ZERO));
}

#[test]
fn later_files_win_over_earlier_variables_over_files_and_flags_over_all() {
    let texts = ["[networks.polygon]\nquorum = 1\nmax_lag = \"1m\"\n[sessions]\nclock_skew = \"1s\"", POLYGON];
    let later = "[networks.polygon]\nmax_lag = \"2m\"\nreorg_grace = \"2m\"\nmin_age = \"2m\"";
    let environment = [
        ("DEPOSIT_WATCHER__NETWORKS__POLYGON__REORG_GRACE", "3m"),
        ("DEPOSIT_WATCHER__NETWORKS__POLYGON__MIN_AGE", "3m"),
    ];
    let flags = [("networks.polygon.min_age", "9m"), ("networks.polygon.min_age", "4m")];
    let settings = load_texts(&[texts[0], texts[1], later], &environment, &flags).unwrap();
    let polygon = &settings.networks[0];
    let minutes = [polygon.max_lag, polygon.reorg_grace, polygon.min_age].map(|time| time.as_secs() / 60);
    assert_eq!(minutes, [2, 3, 4]);
    assert_eq!(settings.sessions.clock_skew, Duration::from_secs(1));
}

#[test]
fn a_variable_reaches_every_kind_of_value() {
    let environment = [
        ("DEPOSIT_WATCHER__DATABASE__MAX_CONNECTIONS", "20"),
        ("DEPOSIT_WATCHER__DATABASE__PGBOUNCER", "true"),
        (
            "DEPOSIT_WATCHER__SESSIONS__OWN_ADDRESSES",
            "0x5FbDB2315678afecb367f032d93F642f64180aa3, 0x0000000000000000000000000000000000000001",
        ),
        ("DEPOSIT_WATCHER__NETWORKS__POLYGON__RPC__PRIMARY__URL", "wss://other.example.org"),
        ("DEPOSIT_WATCHER__NETWORKS__POLYGON__RPC__1ST_SPARE__URL", "wss://spare.example.net"),
        ("DEPOSIT_WATCHER__NETWORKS__POLYGON__MAX_CLOCK_DRIFT", "off"),
        ("DEPOSIT_WATCHER__NETWORKS__POLYGON__TOKENS__USDC__TOLERANCE", "0.01"),
    ];
    let text = format!("{POLYGON}\n[networks.polygon.rpc.spare_2]\nurl = \"http://geth:8545\"\npriority = 1");
    let settings = load_texts(&[&text], &environment, &[]).unwrap();
    assert_eq!((settings.database.max_connections, settings.database.pgbouncer), (20, true));
    assert_eq!(settings.sessions.own_addresses.len(), 2);
    let polygon = &settings.networks[0];
    let keys: Vec<_> = polygon.endpoints.iter().map(|endpoint| endpoint.key.as_str()).collect();
    assert_eq!(keys, ["spare_2", "1st_spare", "primary"]);
    assert_eq!(polygon.endpoints[2].operator, "example.org");
    assert_eq!(polygon.tokens[0].tolerance.to_string(), "10000");
}

#[test]
fn what_is_not_ours_is_not_read() {
    let environment = [
        ("DEPOSIT_WATCHER_SERVICE_HOST", "10.0.0.1"),
        ("DEPOSIT_WATCHER_PORT", "tcp://10.0.0.1:80"),
        ("deposit_watcher__http__listen", "nonsense"),
        ("HTTP__LISTEN", "nonsense"),
        ("PATH", "/bin"),
        ("DEPOSIT_WATCHER__HTTP__LISTEN", ""),
        ("DATABASE_URL", ""),
    ];
    assert!(load_texts(&[POLYGON], &environment, &[]).is_ok());
}

#[test]
fn database_url_beats_the_file_and_our_own_name_beats_it() {
    let file = format!("{POLYGON}\n[database]\nurl_file = \"/nowhere\"");
    let plain = ("DATABASE_URL", "postgres://plain/db");
    let ours = ("DEPOSIT_WATCHER__DATABASE__URL", "postgres://ours/db");
    for (environment, flags, host) in [
        (vec![plain], vec![], "plain"),
        (vec![plain, ours], vec![], "ours"),
        (vec![plain, ours], vec![("database.url", "postgres://flag/db")], "flag"),
    ] {
        let settings = load_texts(&[&file], &environment, &flags).unwrap();
        assert_eq!(settings.database.url.expose().host_str(), Some(host));
    }
}

#[test]
fn variables_that_clash_or_cannot_be_keys_are_faults() {
    let environment = [
        ("DEPOSIT_WATCHER__HTTP__LISTEN", "127.0.0.1:1"),
        ("DEPOSIT_WATCHER__HTTP__listen", "127.0.0.1:2"),
        ("DEPOSIT_WATCHER__ADMIN", "x"),
        ("DEPOSIT_WATCHER__ADMIN__LISTEN", "127.0.0.1:3"),
        ("DEPOSIT_WATCHER__", "x"),
        ("DEPOSIT_WATCHER__A__B__C__D__E__F", "x"),
        ("DEPOSIT_WATCHER__HTTP__PUBLIC-URL", "x"),
    ];
    assert_eq!(
        faults(&[POLYGON], &environment, &[]),
        [
            "DEPOSIT_WATCHER__: has the part \"\" that no key can have; use a-z, 0-9 and single underscores",
            "DEPOSIT_WATCHER__ADMIN__LISTEN: admin.listen: clashes with `admin` of DEPOSIT_WATCHER__ADMIN; remove one of them",
            "DEPOSIT_WATCHER__A__B__C__D__E__F: \"a.b.c.d.e.f\": has more parts than any key; remove it",
            "DEPOSIT_WATCHER__HTTP__PUBLIC-URL: http.public-url: has the part \"public-url\" that no key can have; \
             use a-z, 0-9 and single underscores",
            "DEPOSIT_WATCHER__HTTP__listen: http.listen: clashes with `http.listen` of DEPOSIT_WATCHER__HTTP__LISTEN; \
             remove one of them",
            "DEPOSIT_WATCHER__ADMIN: admin: must be a section; write keys below it",
        ]
    );
}
