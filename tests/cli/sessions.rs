//! Sessions and transfers from the command line and back, in each output.

use std::io::{BufRead, BufReader};

use sqlx::Executor;

use super::program::{Ended, MIGRATIONS, Program};
use super::support::Database;

const TO: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const TX: &str = "0x00000000000000000000000000000000000000000000000000000000000000aa";

/// A database in which a watcher once followed the token.
async fn followed() -> Database {
    let database = Database::create(&MIGRATIONS).await;
    let pool = database.pool().await;
    pool.execute(
        "INSERT INTO networks (slug, chain_id, testnet) VALUES ('anvil', 31337, true);
         INSERT INTO tokens (network, key, address, symbol, decimals, followed)
         VALUES ('anvil', 'usdc', '0x5fbdb2315678afecb367f032d93f642f64180aa3', 'USDC', 6, true)",
    )
    .await
    .unwrap();
    database
}

fn create<'a>(amount: &'a str, id: &'a str) -> Vec<&'a str> {
    vec!["sessions", "create", "--network", "anvil", "--token", "usdc", "--to", TO, "--amount", amount, "--id", id]
}

#[tokio::test]
async fn a_session_is_opened_listed_shown_and_cancelled() {
    let database = followed().await;
    let program = Program::at(&database.url());
    let opened =
        program.json(&[create("12.50", "dep_a"), vec!["--expires-in", "2h", "--reference", "order 7"]].concat());
    assert_eq!(
        (&opened["id"], &opened["amount"], &opened["status"]),
        (&"dep_a".into(), &"12.5".into(), &"CREATED".into())
    );
    assert_eq!(opened["requested_amount"], "12.5");
    let listed = program.json(&["sessions", "list", "--network", "anvil", "--status", "created"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["deposit_address"], TO.to_lowercase());
    let shown = program.json(&["sessions", "show", "dep_a"]);
    let why = shown["explanation"].to_string();
    assert!(why.contains("no transfer of 12.5 USDC") && why.contains("No watcher works anvil now"), "{why}");
    assert_eq!(shown["history"][0]["kind"], "deposit.created");
    let text = program.ok(&["sessions", "show", "dep_a"]);
    assert!(
        text.starts_with("id                dep_a\nstatus            CREATED\n") && text.contains("\n* Not paid: "),
        "{text}"
    );
    let csv = program.ok(&["sessions", "cancel", "dep_a", "--output", "csv"]);
    assert!(csv.starts_with("id,status,amount,") && csv.contains("\r\ndep_a,EXPIRED,12.5,0,0,USDC,anvil,"), "{csv}");
    assert!(program.run(&["sessions", "cancel", "dep_a"]).reason(1).contains("cancelled already"));
    assert!(
        program.json(&["sessions", "show", "dep_a"])["explanation"][0]
            .as_str()
            .unwrap()
            .contains("it was cancelled at")
    );
}

#[tokio::test]
async fn equal_amounts_are_kept_apart_as_configured() {
    let database = followed().await;
    let program = Program::at(&database.url());
    program.ok(&create("5", "dep_1"));
    let second = program.json(&create("5", "dep_2"));
    assert_eq!((&second["amount"], &second["requested_amount"]), (&"5.000001".into(), &"5".into()));
    let reject = [create("5", "dep_3"), vec!["--set", "sessions.amount_clash=reject"]].concat();
    assert!(program.run(&reject).reason(1).contains("amount_clash: 5 USDC is taken"));
    assert!(program.run(&create("9", "dep_1")).reason(1).contains("there is a session \"dep_1\" already"));
    let random = program.json(&create("5", "dep_4")[..10]);
    assert_eq!(random["id"].as_str().unwrap().len(), 36);
}

#[tokio::test]
async fn what_the_office_refuses_is_told_by_its_flag() {
    let database = followed().await;
    let pool = database.pool().await;
    let program = Program::at(&database.url());
    pool.execute(
        "INSERT INTO deposit_addresses (address, business_id) VALUES ('0x70997970c51812dc3a010c7d01b50e0d17dc79c8', 'shop')",
    )
    .await
    .unwrap();
    let reason = program.run(&create("5", "dep_1")).reason(1);
    assert!(reason.starts_with("--to: 0x7099") && reason.contains("another business's address"), "{reason}");
    pool.execute("TRUNCATE deposit_addresses; DELETE FROM tokens").await.unwrap();
    assert!(program.run(&create("5", "dep_1")).reason(1).contains("no watcher has followed USDC on anvil yet"));
    assert_eq!(program.json(&["sessions", "list"]).as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn a_name_that_there_is_not_is_2_and_a_transfer_that_there_is_not_is_1() {
    let database = followed().await;
    let program = Program::at(&database.url());
    program.run(&["transfers", "show", TX]).reason(1);
    for verb in ["show", "cancel"] {
        let newest = program.run(&["sessions", verb, "dep_x"]).reason(2);
        assert_eq!(newest, "there is no session \"dep_x\"; `deposit-watcher sessions list` shows the newest");
    }
    for id in ["dep_5f1db7562688d35a", "dep_5f1db7000000000a", "dep_9999999999999999"] {
        program.ok(&create("5", id));
    }
    for (typed, meant) in [
        ("dep_5f1db7562688d35b", "dep_5f1db7562688d35a"),
        ("5f1db7562688d35a", "dep_5f1db7562688d35a"),
        ("dep_5f1db756", "dep_5f1db7562688d35a"),
        ("dep_99", "dep_9999999999999999"),
    ] {
        let told = program.run(&["sessions", "show", typed]).reason(2);
        assert_eq!(told, format!("there is no session {typed:?}; did you mean {meant}?"));
    }
    for list in ["sessions", "transfers"] {
        assert!(program.run(&[list, "list", "--network", "anvl"]).reason(2).contains("did you mean anvil?"));
    }
    assert!(program.run(&["transfers", "list", "--to", "0x12"]).reason(2).contains("40 hexadecimal digits"));
}

#[tokio::test]
async fn rows_of_strangers_are_harmless_in_every_output() {
    let database = followed().await;
    let pool = database.pool().await;
    pool.execute(
        "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address)
         VALUES ('=HYPERLINK(\"x\")', 1, E'US\\x1b[2JDC', 'plygon', '-1', '@x')",
    )
    .await
    .unwrap();
    let program = Program::at(&database.url());
    let csv = program.ok(&["sessions", "list", "--network", "plygon", "--output", "csv"]);
    assert!(csv.contains("\r\n\"'=HYPERLINK(\"\"x\"\")\",CREATED,1,") && csv.contains(",'-1,'@x,"), "{csv}");
    for line in [&["sessions", "list"][..], &["sessions", "show", "=HYPERLINK(\"x\")"]] {
        let text = program.ok(line);
        assert!(!text.contains('\u{1b}') && text.contains("US\u{fffd}[2JDC"), "{text}");
    }
}

#[tokio::test]
async fn transfers_are_listed_and_shown_with_their_reason() {
    let database = followed().await;
    let pool = database.pool().await;
    pool.execute(
        "INSERT INTO blocks (network, number, hash, time) VALUES ('anvil', 7, '0x' || repeat('b', 64), now());
         INSERT INTO transfers (network, block_hash, log_index, block_number, block_time, tx_hash, token_address, from_address,
                                to_address, amount_units, amount, state, reason, paid_at)
         VALUES ('anvil', '0x' || repeat('b', 64), 3, 7, now(), '0x' || repeat('0', 62) || 'aa',
                 '0x5fbdb2315678afecb367f032d93f642f64180aa3', '0x' || repeat('1', 40),
                 '0x70997970c51812dc3a010c7d01b50e0d17dc79c8', 2500000, 2.5, 'SEEN', 'late', now())",
    )
    .await
    .unwrap();
    let program = Program::at(&database.url());
    let listed = program.json(&["transfers", "list", "--unmatched", "--to", TO]);
    assert_eq!((&listed[0]["amount"], &listed[0]["reason"]), (&"2.5".into(), &"late".into()));
    assert_eq!(program.json(&["transfers", "list", "--session", "dep_x"]).as_array().unwrap().len(), 0);
    let shown = program.ok(&["transfers", "show", TX]);
    assert!(shown.contains("* it pays no session: it was mined after the session expired; seen once;"), "{shown}");
    program.ok(&create("4", "dep_late"));
    let why = program.json(&["sessions", "show", "dep_late"])["explanation"].to_string();
    assert!(why.contains("2.5 USDC arrived at its address") && why.contains(TX), "{why}");
}

#[tokio::test]
async fn a_reader_that_went_away_is_no_failure() {
    let database = followed().await;
    let pool = database.pool().await;
    pool.execute(
        "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address)
         SELECT 'dep_' || n, 1, 'USDC', 'anvil', '0x5fbdb2315678afecb367f032d93f642f64180aa3', '0x' || repeat('2', 40)
           FROM generate_series(1, 5000) n",
    )
    .await
    .unwrap();
    let program = Program::at(&database.url());
    for output in ["text", "json", "csv"] {
        let mut child = program.command(&["sessions", "list", "--limit", "5000", "--output", output]).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let ended = Ended::from(child.wait_with_output().unwrap());
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{output}: {ended:?}");
    }
}
