//! Servers start, stop, start again on their data, and are gone when we are: dropped, or killed by `kill -9`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use deposit_watcher::demo::{Postgres, Stop, Tools};
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor, Row};

use crate::support;

const CHILD: &str = "DEPOSIT_WATCHER_TEST_HOLDS_THE_GROUND";

fn runs(pid: &str) -> bool {
    Command::new("kill").args(["-0", pid]).stderr(Stdio::null()).status().unwrap().success()
}

#[tokio::test]
async fn postgres_keeps_data_and_port_over_a_stop() {
    let mut postgres = Postgres::start(&support::tools()).unwrap();
    let url = postgres.url("postgres");
    let mut connection = PgConnection::connect(&url).await.unwrap();
    connection.execute("CREATE TABLE kept (n int)").await.unwrap();
    for how in [Stop::Fast, Stop::Immediate] {
        postgres.stop(how).unwrap();
        PgConnection::connect(&url).await.unwrap_err();
        postgres.start_again().unwrap();
        let mut connection = PgConnection::connect(&url).await.unwrap();
        connection.execute("INSERT INTO kept VALUES (1)").await.unwrap();
    }
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let row = connection.fetch_one("SELECT count(*) AS n, current_user::text AS who FROM kept").await.unwrap();
    assert_eq!((row.get::<i64, _>("n"), row.get::<String, _>("who").as_str()), (2, Postgres::USER));

    let folder = postgres.folder().to_owned();
    drop(postgres);
    assert!(!folder.exists());
}

#[tokio::test]
async fn every_test_has_a_database_of_its_own() {
    let migrations = Migrator::DEFAULT;
    let (one, other) = tokio::join!(support::Database::create(&migrations), support::Database::create(&migrations));
    let pool = one.pool().await;
    pool.execute("CREATE TABLE mine (n int)").await.unwrap();
    let elsewhere = other.pool().await.execute("SELECT * FROM mine").await.unwrap_err();
    assert!(elsewhere.to_string().contains("does not exist"), "{elsewhere}");
    one.remove().await;
}

#[test]
fn missing_tools_say_what_to_do() {
    let error = Postgres::start(&Tools::at("no/such/folder")).unwrap_err();
    assert!(error.to_string().contains("make tools"), "{error}");
}

/// Not a test unless the next one runs it: the process that is killed.
#[test]
fn held_by_a_child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let (postgres, anvil) = (Postgres::start(&support::tools()).unwrap(), support::anvil(&[]));
    for folder in [postgres.folder(), anvil.folder()] {
        println!("folder {}", folder.display());
    }
    println!("ready");
    sleep(Duration::from_secs(120));
}

#[test]
fn nothing_outlives_a_kill_9() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "servers::held_by_a_child", "--nocapture"])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let lines: Vec<_> = lines.take_while(|line| line != "ready").collect();
    let named = lines.iter().filter_map(|line| Some(PathBuf::from(line.rsplit_once("folder ")?.1)));
    let folders: Vec<PathBuf> = named.collect();
    let pids: Vec<_> = folders.iter().map(|at| fs::read_to_string(at.join("pid")).unwrap().trim().to_owned()).collect();
    assert_eq!(pids.len(), 2);
    assert!(pids.iter().all(|pid| runs(pid)));

    child.kill().unwrap();
    child.wait().unwrap();
    let killed = Instant::now();
    while folders.iter().any(|folder| folder.exists()) || pids.iter().any(|pid| runs(pid)) {
        assert!(killed.elapsed() < Duration::from_secs(15), "{folders:?} {pids:?} outlive their holder");
        sleep(Duration::from_millis(20));
    }
}
