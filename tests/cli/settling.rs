//! A person settles transfers from the command line: what is refused at once, what waits for a watcher, what it carries
//! out, and what is told of it afterwards.

use sqlx::Executor;

use super::program::{MIGRATIONS, Program};
use super::support::Database;
use super::watching::{Watcher, ask};

const TX: &str = "0xdddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd";
const BACK: &str = "0xbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// A network at block 3: `dep_late` has expired, and its 100 came too late (log 0); 7 came besides (log 1, only seen).
const WORLD: &str = "
BEGIN;
SET LOCAL deposit_watcher.writer = 'on';
INSERT INTO networks (slug, chain_id, testnet) VALUES ('anvil', 31337, true);
INSERT INTO tokens (network, key, address, symbol, decimals, followed)
VALUES ('anvil', 'usdc', '0x5fbdb2315678afecb367f032d93f642f64180aa3', 'USDC', 6, true);
INSERT INTO blocks (network, number, hash, time) SELECT 'anvil', n, '0x' || repeat(n::text, 64), now() FROM generate_series(1, 3) n;
UPDATE networks SET scanned_number = 3, scanned_hash = '0x' || repeat('3', 64), scanned_time = now(), first_number = 0, confirmed_number = 1;
INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address)
SELECT id, 100, 'USDC', 'anvil', '0x5fbdb2315678afecb367f032d93f642f64180aa3', '0x' || repeat(to_, 20)
  FROM (VALUES ('dep_late', 'aa'), ('dep_other', 'ab')) s (id, to_);
UPDATE deposit_sessions SET payment_status = 'EXPIRED', closed_at = now(), expires_at = now() - interval '1 hour' WHERE id = 'dep_late';
INSERT INTO transfers (network, block_hash, log_index, block_number, block_time, tx_hash, token_address, from_address, to_address,
                       amount_units, amount, state, paid_at, seen_at, reason)
SELECT 'anvil', '0x' || repeat('1', 64), n, 1, now(), '0x' || repeat('d', 64), '0x5fbdb2315678afecb367f032d93f642f64180aa3',
       '0x' || repeat('ee', 20), '0x' || repeat('aa', 20), units, units / 1000000.0, 'SEEN', now(), clock_timestamp(), 'late'
  FROM (VALUES (0, 100000000), (1, 7000000)) t (n, units);
UPDATE transfers SET state = 'CONFIRMED', verified = true, confirmed_at = now() WHERE log_index = 0;
COMMIT;
RESET deposit_watcher.writer";

async fn world() -> (Database, Program) {
    let database = Database::create(&MIGRATIONS).await;
    database.pool().await.execute(sqlx::raw_sql(WORLD)).await.unwrap();
    let program = Program::at(&database.url());
    (database, program)
}

fn words<'a>(deed: &'a str, index: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["transfers", deed, "anvil", TX, index], more, &["--note", "ticket 812"]].concat()
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_at_once() {
    let (database, program) = world().await;
    let refused = |deed, index, more: &[&str]| program.run(&words(deed, index, more)).reason(1);
    assert!(refused("ignore", "9", &[]).starts_with("no transfer 9 of transaction 0xdddd"));
    let elsewhere = refused("assign", "0", &["dep_other"]);
    assert!(
        elsewhere.starts_with("transfer 0xdddd")
            && elsewhere.contains("is left as it is: session dep_other names address 0xabab"),
        "{elsewhere}"
    );
    assert!(refused("refund", "1", &["--tx", BACK]).contains("it is not confirmed yet"));
    assert!(refused("refund", "0", &["--tx", TX]).contains("that is the transfer itself"));
    let usage = |arguments: &[&str]| program.run(arguments).reason(2);
    let nobody = usage(&words("assign", "0", &["dep_othre"]));
    assert_eq!(nobody, "there is no session \"dep_othre\"; did you mean dep_other?");
    assert!(usage(&["transfers", "ignore", "anvli", TX, "0", "--note", "x"]).contains("did you mean anvil?"));
    assert!(usage(&["transfers", "ignore", "polygon", TX, "0", "--note", "x"]).contains("not enabled"));
    for (arguments, told) in [
        (words("refund", "0", &["--tx", "0x12"]), "64 hexadecimal digits"),
        (words("ignore", "-1", &[]), "-1"),
        (vec!["transfers", "ignore", "anvil", TX, "0", "--note", " "], "why it is decided so"),
        (vec!["transfers", "ignore", "anvil", TX, "0"], "--note"),
    ] {
        let ended = program.run(&arguments);
        assert!(ended.code == 2 && ended.stdout.is_empty() && ended.stderr.contains(told), "{ended:?}");
    }
    let asked: i64 =
        sqlx::query_scalar("SELECT count(*) FROM settlements").fetch_one(&database.pool().await).await.unwrap();
    assert_eq!(asked, 0);
    assert!(program.run(&words("release", "0", &[])).stdout.ends_with("no decision holds for it; nothing to do\n"));
}

/// Waits until nothing that was asked for waits.
async fn answered(database: &Database) {
    let pool = database.pool().await;
    let begun = std::time::Instant::now();
    let waiting = "SELECT count(*) FROM settlements WHERE outcome IS NULL";
    while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&pool).await.unwrap() > 0 {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "it waits still");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// An endpoint had invented it: what was decided of it is not done to the log in its place, and can be found still.
#[tokio::test]
async fn a_decision_about_money_that_is_gone_is_refused_and_shown() {
    let (database, program) = world().await;
    program.ok(&words("assign", "0", &["dep_late"]));
    let replaced = "SET session_replication_role = replica;
        UPDATE transfers SET tx_hash = '0x' || repeat('c', 64), amount_units = 200000000, amount = 200 WHERE log_index = 0;
        SET session_replication_role = origin";
    database.pool().await.execute(sqlx::raw_sql(replaced)).await.unwrap();
    let other = format!("0x{}", "c".repeat(64));
    let there = program.ok(&["transfers", "show", &other]);
    assert!(there.contains("200") && !there.contains("settlement 1") && !there.contains("assign"), "{there}");
    let _watcher = Watcher::start(&program, &["watch"]);
    answered(&database).await;
    let shown = program.ok(&["transfers", "show", TX]);
    let told = "log 0 of anvil is not stored any more as it was judged: 100000000 base units of 0x5fbdb2315678afecb367f032d93f642f64180aa3 from 0xee";
    assert!(shown.contains(told), "{shown}");
    let refused = format!("(refused: another log stands in its place: `transfers show {other}` tells what is there)");
    assert!(shown.contains("settlement 1, assign to dep_late") && shown.contains(&refused), "{shown}");
    // Also where nothing of the transaction is stored any more; as a table of transfers that is none.
    let rest = replaced.replace("log_index = 0", "log_index = 1");
    database.pool().await.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(rest))).await.unwrap();
    let alone = program.ok(&["transfers", "show", TX]);
    assert!(alone.contains(told) && alone.contains(&refused), "{alone}");
    let none = program.run(&["transfers", "show", TX, "--output", "json"]).reason(1);
    assert!(none.starts_with("no transfer of transaction 0xdddd"), "{none}");
    assert_eq!(program.json(&["sessions", "show", "dep_late"])["status"], "EXPIRED");
}

/// Who sees his mistake before a watcher has carried it out takes it back: nothing is given to anybody.
#[tokio::test]
async fn a_release_withdraws_a_decision_that_still_waits() {
    let (database, program) = world().await;
    program.ok(&words("assign", "0", &["dep_late"]));
    let asked = program.ok(&words("release", "0", &[]));
    assert!(asked.starts_with("settlement 2 of anvil is asked for"), "{asked}");
    let _watcher = Watcher::start(&program, &["watch"]);
    answered(&database).await;
    let shown = program.ok(&["transfers", "show", TX]);
    assert!(shown.contains("(withdrawn by settlement 2)"), "{shown}");
    assert_eq!(program.json(&["sessions", "show", "dep_late"])["status"], "EXPIRED");
}

#[tokio::test]
async fn a_decision_waits_for_a_watcher_is_carried_out_and_can_be_undone() {
    let (database, program) = world().await;
    let assign = words("assign", "0", &["dep_late"]);
    let waits = "settlement 1 of anvil is asked for; it will be carried out when a watcher works anvil\n";
    assert_eq!([program.ok(&assign), program.ok(&assign)], [waits, waits].map(str::to_owned));
    let listed = program.json(&["transfers", "list", "--unmatched"]);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(
        listed.as_array().unwrap().iter().find(|line| line["log_index"] == 0).unwrap()["asked"],
        "assign dep_late"
    );
    assert!(program.ok(&["transfers", "show", TX]).contains("it waits for the watcher"));

    // Its node is away: what is committed can be decided all the same.
    let mut watcher = Watcher::start(&program, &["watch"]);
    let admin = watcher.admin();
    assert_eq!(watcher.until("a decision is carried out")["settlement"], 1);
    let counted = "\ndeposit_watcher_confirmed_amount_total{network=\"anvil\",token=\"usdc\"} 100\n";
    assert!(ask(&admin, "/metrics").contains(counted));
    let done = program.ok(&assign);
    assert!(done.ends_with("it is assigned to session dep_late already, by settlement 1; nothing to do\n"), "{done}");
    let session = program.json(&["sessions", "show", "dep_late"]);
    assert_eq!((&session["status"], &session["confirmed"]), (&"CONFIRMED".into(), &"100".into()));
    assert!(session["explanation"].to_string().contains("given to it by a person"), "{session}");
    let shown = program.ok(&["transfers", "show", TX]);
    assert!(shown.contains("* a person gave it to session dep_late; confirmed by both looks\n"), "{shown}");
    assert!(
        shown.contains("* settlement 1, assign to dep_late, by ")
            && shown.contains(": ticket 812 (it is assigned to session dep_late)"),
        "{shown}"
    );
    assert_eq!(program.json(&["transfers", "list", "--unmatched"]).as_array().unwrap().len(), 1);

    let again = program.run(&words("ignore", "0", &[])).reason(1);
    assert!(
        again.ends_with("it is assigned to session dep_late already, by settlement 1: release it first"),
        "{again}"
    );
    assert_eq!(
        program.ok(&words("release", "0", &[])),
        "settlement 2 of anvil: its decision is undone; by the rules it pays nobody (late)\n"
    );
    // While the node is away nothing expires.
    assert_eq!(program.json(&["sessions", "show", "dep_late"])["status"], "PENDING");
    let refund = program.json(&words("refund", "0", &["--tx", BACK]));
    assert_eq!(
        (&refund[0]["kind"], &refund[0]["outcome"], &refund[0]["refund_tx"]),
        (&"refund".into(), &"done".into(), &BACK.into())
    );
    let ignored = program.ok(&[words("ignore", "1", &[]), vec!["--output", "csv"]].concat());
    assert!(ignored.contains("\r\n4,anvil,0xdddd") && ignored.contains(",7000000,ignore,,,ticket 812,"), "{ignored}");
    assert_eq!(program.json(&["transfers", "list", "--unmatched"]).as_array().unwrap().len(), 0);
    let who: String = sqlx::query_scalar(
        "SELECT DISTINCT concat_ws(' ', database_user = session_user, os_user <> '') FROM settlements",
    )
    .fetch_one(&database.pool().await)
    .await
    .unwrap();
    assert_eq!(who, "t t");
    let books: Vec<String> = sqlx::query_scalar("SELECT concat_ws(' ', rule, subject, detail) FROM deposit_watcher_books WHERE rule LIKE '%settled%' OR rule LIKE '%ledger%' OR rule LIKE '%refund%'")
        .fetch_all(&database.pool().await)
        .await
        .unwrap();
    assert_eq!(books, Vec::<String>::new());
}
