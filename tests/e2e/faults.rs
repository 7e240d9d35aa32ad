//! Bad input and what it gets: an exit code, and a line that names file, key and cure.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use sqlx::postgres::PgPoolOptions;

use crate::rig::{Chain, Rig, Section, Token};

fn usdc() -> Token {
    Token::new("USDC", "0x5FbDB2315678afecb367f032d93F642f64180aa3".parse().unwrap(), 6)
}

/// A rig whose database's port nobody listens at.
fn without_database() -> Rig {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://deposit_watcher@127.0.0.1:{free}/dw_test_nowhere");
    let pool = PgPoolOptions::new().connect_lazy(&url).unwrap();
    Rig::on(pool, &url, &[Section::new("http://127.0.0.1:1", &[usdc()])])
}

#[tokio::test]
async fn faults_of_the_configuration_are_told_all_at_once() {
    let rig = without_database();
    let good = fs::read_to_string(rig.config()).unwrap();
    let table: [(&str, &str, &[&str]); 6] = [
        (
            "confirmations = 3",
            "confirmation = 3",
            &["networks.anvil.confirmation: is no key; did you mean `confirmations`?"],
        ),
        (
            "poll_interval = \"50ms\"",
            "poll_interval = \"soon\"",
            &["networks.anvil.poll_interval: \"soon\" is no duration"],
        ),
        ("decimals = 6", "decimals = 6.5", &["networks.anvil.tokens.usdc.decimals: "]),
        ("decimals = 6", "", &["networks.anvil.tokens.usdc.decimals: is missing"]),
        ("[admin]", "[admin", &["is not valid TOML at line "]),
        (
            "confirmations = 3\npoll_interval = \"50ms\"",
            "confirmations = 0\npoll_intervall = \"1s\"\nambiguous = \"youngest\"",
            &[
                "networks.anvil.confirmations: \"0\" is no whole number",
                "networks.anvil.poll_intervall: is no key; did you mean `poll_interval`?",
                "networks.anvil.ambiguous: \"youngest\" is none of hold, oldest; write one of these",
            ],
        ),
    ];
    for (from, to, faults) in table {
        assert!(good.contains(from), "{from}");
        fs::write(rig.config(), good.replacen(from, to, 1)).unwrap();
        for command in ["run", "watch", "check", "status", "migrate"] {
            let output = rig.command(&[command]).await;
            assert_eq!((output.code, output.stdout.as_str()), (78, ""), "{command} {to}: {}", output.stderr);
            let file = rig.config().display().to_string();
            for fault in faults {
                let line = output.stderr.lines().find(|line| line.contains(fault));
                let line = line.unwrap_or_else(|| panic!("{fault} is not in {}", output.stderr));
                assert!(line.starts_with(&file) && line.contains("; "), "names file and cure: {line}");
            }
            let last = output.stderr.lines().last().unwrap();
            assert!(last.starts_with("deposit-watcher: the configuration has "), "{last}");
            assert_eq!(output.stderr.lines().count(), faults.len() + 1, "{}", output.stderr);
        }
    }
}

#[tokio::test]
async fn values_from_environment_and_flags_are_told_by_their_names() {
    let rig = without_database();
    let output = rig.command(&["run", "--set", "networks.anvil.quorum=many", "--set", "admin.listen=here"]).await;
    assert_eq!(output.code, 78, "{}", output.stderr);
    for key in ["networks.anvil.quorum", "admin.listen"] {
        assert!(output.stderr.contains(key), "{}", output.stderr);
    }
    let output = rig.command(&["run", "--sett", "x"]).await;
    assert_eq!(output.code, 2, "{}", output.stderr);
    let output = rig.command(&["walk"]).await;
    assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{}", output.stderr);
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_75_after_a_bounded_wait() {
    let rig = without_database();
    for command in ["run", "watch", "status", "migrate"] {
        let begun = Instant::now();
        let output = rig.command(&[command, "--set", "database.connect_timeout=1s"]).await;
        let took = begun.elapsed();
        assert_eq!((output.code, output.stdout.as_str()), (75, ""), "{command}: {}", output.stderr);
        assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(10), "{command} took {took:?}");
        let last = output.stderr.lines().last().unwrap();
        assert!(last.starts_with("deposit-watcher: database 127.0.0.1:"), "{last}");
        assert!(last.contains("/dw_test_nowhere cannot be used after 1s: "), "{last}");
    }
    let checked = rig.command(&["check", "--set", "database.connect_timeout=500ms"]).await;
    assert_eq!(checked.code, 3, "{}", checked.stderr);
    assert!(checked.stdout.contains("finding  database"), "{}", checked.stdout);
}

#[tokio::test]
async fn a_schema_that_is_behind_and_a_port_that_is_taken() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("admin.listen={}", taken.local_addr().unwrap());
    let output = rig.command(&["run", "--set", &listen]).await;
    assert_eq!(output.code, 1, "{}", output.stderr);
    let last = output.stderr.lines().last().unwrap();
    assert!(last.contains("admin.listen") && last.contains("is in use"), "{last}");

    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 7").execute(&rig.pool).await.unwrap();
    let output = rig.command(&["watch"]).await;
    assert_eq!(output.code, 75, "{}", output.stderr);
    assert!(output.stderr.contains("run `deposit-watcher migrate`"), "{}", output.stderr);
    assert_eq!(rig.command(&["migrate", "--status"]).await.code, 3);
}

#[tokio::test]
async fn ended_while_it_waits_for_the_database() {
    let rig = without_database();
    let mut process = rig.run().await;
    process.signal("TERM");
    // 143 where the signal came before anybody listened for it.
    let code = process.exit(Duration::from_secs(10)).await;
    assert!(code == 0 || code == 143, "{code}: {}", process.stderr());
}

#[tokio::test]
async fn faults_of_secret_values_do_not_tell_them() {
    let rig = without_database();
    let good = fs::read_to_string(rig.config()).unwrap();
    for (from, to) in [
        ("url = \"postgres://", "url = \"postgres//"),
        ("url = \"postgres://", "url = \"mysql://"),
        ("@127.0.0.1:1/", "@127.0.0.1:99999/"),
        ("url = \"http://canary", "url = \"htp://canary"),
        ("url = \"http://canary", "url = [\"http://canary"),
        ("url = \"http://canary", "urls = \"http://canary"),
        ("@127.0.0.1:1/?", "@[127.0.0.1:1/?"),
    ] {
        assert!(good.contains(from), "{from} is not in {good}");
        fs::write(rig.config(), good.replacen(from, to, 1)).unwrap();
        // Whatever is said, no secret is: the rig looks.
        let output = rig.command_logging("trace", &["check"]).await;
        assert_eq!(output.code, 78, "{to}: {}", output.stderr);
    }
}
