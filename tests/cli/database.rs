//! The way to the database: bounded, redacted, and not before the schema is there.

use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, PgConnection};

use super::program::{MIGRATIONS, Program};
use super::support::{self, Database};
use super::watching::{KEY, Watcher, ask};

#[test]
fn a_database_that_is_away_is_75_after_a_bounded_wait_and_tells_no_secret() {
    let program = Program::at("postgres://canary:hunter2@127.0.0.1:1/shop");
    for command in [&["status"][..], &["watch"], &["run"], &["api"], &["migrate"], &["sessions", "list"]] {
        let started = Instant::now();
        let ended = program.run(&[command, &["--set", "database.connect_timeout=300ms", "--set", KEY]].concat());
        assert!(ended.reason(75).starts_with("database 127.0.0.1:1/shop cannot be used after 300ms"), "{ended:?}");
        assert!(started.elapsed() < Duration::from_secs(5), "{command:?} took {:?}", started.elapsed());
        for secret in ["canary", "hunter2"] {
            assert!(!ended.stderr.contains(secret) && !ended.stdout.contains(secret), "{ended:?}");
        }
    }
}

#[test]
fn who_serves_the_api_needs_a_sealing_key_and_hears_how_to_make_one() {
    let program = Program::at("postgres://127.0.0.1:1/shop");
    for command in ["api", "run"] {
        let reason = program.run(&[command]).reason(78);
        for part in ["api.sealing_key", "`openssl rand -hex 32`", "DEPOSIT_WATCHER__API__SEALING_KEY"] {
            assert!(reason.contains(part), "{command}: {reason}");
        }
    }
}

#[tokio::test]
async fn the_schema_is_demanded_and_made() {
    let mut admin = PgConnection::connect(&support::postgres().url("postgres")).await.unwrap();
    admin.execute("CREATE DATABASE dw_test_cli_empty").await.unwrap();
    let program = Program::at(&support::postgres().url("dw_test_cli_empty"));
    for command in [&["status"][..], &["watch"], &["api", "--set", KEY], &["sessions", "list"]] {
        assert!(program.run(command).reason(75).contains("run `deposit-watcher migrate`"), "{command:?}");
    }
    let behind = program.run(&["migrate", "--status"]);
    assert!(behind.reason(3).contains("migrations behind"));
    assert!(behind.stdout.starts_with("missing 0001 "), "{behind:?}");
    assert_eq!(program.ok(&["migrate"]), behind.stdout.replace("missing", "applied"));
    assert_eq!(program.ok(&["migrate", "--status"]), "the schema is up to date\n");
    assert_eq!(program.ok(&["migrate"]), "the schema is up to date\n");
}

/// As if a newer version had migrated.
const NEWER: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                     VALUES (9001, 'of tomorrow', true, ''::bytea, 0)";

#[tokio::test]
async fn a_newer_schema_is_refused_by_all_and_left_alone() {
    let database = Database::create(&MIGRATIONS).await;
    let pool = database.pool().await;
    pool.execute(NEWER).await.unwrap();
    let program = Program::at(&database.url());
    let rescan = ["rescan", "--network", "anvil", "--from", "1", "--to", "1"];
    let commands = [&["status"][..], &["watch"], &["api", "--set", KEY], &["run", "--set", KEY], &["migrate"], &rescan];
    for command in
        commands.into_iter().chain([&["sessions", "list"][..], &["businesses", "create", "shop", "--name", "A shop"]])
    {
        let reason = program.run(command).reason(78);
        assert!(reason.contains("newer than this program") && reason.contains("9001 of tomorrow"), "{reason}");
    }
    let told = program.run(&["migrate", "--status"]);
    assert_eq!(told.stdout, "unknown 9001 of tomorrow\n");
    assert!(told.reason(3).contains("run the version that migrated it"), "{told:?}");
    let found = program.run(&["check", "--output", "json"]);
    assert!(found.reason(3).starts_with("the check found ") && found.stdout.contains("9001 of tomorrow"), "{found:?}");

    // One that is behind besides is another line of the product's history: nothing is applied to it.
    pool.execute("DELETE FROM _sqlx_migrations WHERE version = 1").await.unwrap();
    assert!(program.run(&["migrate"]).reason(78).contains("9001 of tomorrow"));
    let told = program.run(&["migrate", "--status"]);
    assert!(
        told.stdout.starts_with("missing 0001 ") && told.stdout.ends_with("unknown 9001 of tomorrow\n"),
        "{told:?}"
    );
}

#[tokio::test]
async fn who_runs_while_a_newer_version_migrates_says_so() {
    let database = Database::create(&MIGRATIONS).await;
    let pool = database.pool().await;
    let program = Program::at(&database.url());
    let mut watcher = Watcher::start(&program, &["watch"]);
    let mut server = Watcher::start(
        &program,
        &["api", "--set", "http.listen=127.0.0.1:0", "--set", KEY, "--set", "admin.api_listen=127.0.0.1:0"],
    );
    let (admin, starting) = (watcher.admin(), server.until("starting"));
    let serving =
        starting["admin"].as_str().unwrap().trim_start_matches("http://").trim_end_matches("/metrics").to_owned();
    server.until("serving the API");
    pool.execute(NEWER).await.unwrap();
    let until = |at: &str, words: &str| {
        let begun = Instant::now();
        loop {
            let ready = ask(at, "/readyz?verbose");
            if ready.contains(words) {
                return ready;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "never said {words}: {ready}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    // The watcher is told to be stopped; the API serves on until the new ones do.
    let said = until(&admin, "fail database: its schema is newer than this program");
    assert!(said.starts_with("HTTP/1.1 503") && said.contains("9001 of tomorrow"), "{said}");
    let said = until(&serving, "ok database (its schema is newer than this program");
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert_eq!(watcher.until("a newer version migrated the database")["unknown"], "9001 of tomorrow");
    assert!(ask(&admin, "/metrics").contains("\ndeposit_watcher_schema_unknown_migrations 1\n"));
}

#[tokio::test]
async fn status_shows_networks_that_were_never_worked() {
    let database = Database::create(&MIGRATIONS).await;
    let program = Program::at(&database.url());
    let lines = program.json(&["status"]);
    let states: Vec<_> = lines.as_array().unwrap().iter().map(|line| (&line["network"], &line["state"])).collect();
    assert_eq!(states, [(&"anvil".into(), &"new".into()), (&"polygon".into(), &"disabled".into())]);
    assert!(program.ok(&["status"]).starts_with("NETWORK  STATE "));
    assert!(program.ok(&["status", "--output", "csv"]).starts_with("network,state,head,scanned,confirmed,"));
}

#[tokio::test]
async fn check_finds_what_is_wrong_and_tells_the_cure() {
    let database = Database::create(&MIGRATIONS).await;
    let program = Program::at(&database.url());
    let ended = program.run(&["check", "--books", "--output", "json"]);
    assert!(ended.reason(3).starts_with("the check found "), "{ended:?}");
    let lines: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let of = |part: &str| lines.as_array().unwrap().iter().find(|line| line["part"] == part).unwrap().clone();
    assert_eq!(of("database")["outcome"], "ok");
    assert_eq!(of("books")["what"], "every rule holds");
    assert_eq!(of("endpoint anvil.local")["outcome"], "finding");
    assert!(of("endpoint anvil.local")["cure"].is_string());
    let away = program.run(&[
        "check",
        "--set",
        "database.url=postgres://a:hunter2@127.0.0.1:1/x",
        "--set",
        "database.connect_timeout=300ms",
    ]);
    assert!(away.stdout.contains("finding  database: database 127.0.0.1:1/x cannot be used"), "{away:?}");
    assert!(!away.stdout.contains("hunter2"), "{away:?}");
}
