//! `reconcile` against a real chain: what agrees, every kind of difference made by hand in the database or on the chain,
//! what is rightly left out, balances, and a chain that cannot be asked. What counts as compared already is in `due`, what
//! endpoints make of it in `liars`. Not for the pure comparing, which is beside it.

mod due;
mod liars;

use deposit_watcher::demo::Proxy;
use serde_json::{Value, json};
use sqlx::Executor;

use crate::rig::{Chain, Output, Rig, units, until};

/// Copies of what is tampered with.
const KEEP: &str = "
CREATE TABLE kept_transfers AS SELECT * FROM transfers;
CREATE TABLE kept_ledger AS SELECT * FROM ledger;
CREATE TABLE kept_sessions AS SELECT id, accepted_at, expires_at, closed_at FROM deposit_sessions;
CREATE TABLE kept_blocks AS SELECT hash, looked_at FROM blocks;
CREATE TABLE kept_spans AS SELECT id, from_block FROM token_spans";
/// The database as it was.
const RESTORE: &str = "
DELETE FROM ledger; DELETE FROM transfers;
INSERT INTO transfers SELECT * FROM kept_transfers;
INSERT INTO ledger OVERRIDING SYSTEM VALUE SELECT * FROM kept_ledger;
UPDATE deposit_sessions s SET accepted_at = k.accepted_at, expires_at = k.expires_at, closed_at = k.closed_at FROM kept_sessions k WHERE k.id = s.id;
UPDATE blocks b SET looked_at = k.looked_at FROM kept_blocks k WHERE k.hash = b.hash;
UPDATE token_spans s SET from_block = k.from_block FROM kept_spans k WHERE k.id = s.id";

/// What one payment leaves behind is gone, as if no look had seen it.
const UNSEEN: &str =
    "DELETE FROM ledger WHERE session_id = 'dep_one'; DELETE FROM transfers WHERE session_id = 'dep_one'";

/// Does it as no program should: with all triggers off.
#[allow(clippy::disallowed_types, reason = "the statements are written here")]
async fn tamper(rig: &Rig, sql: &str) {
    let mut connection = rig.pool.acquire().await.unwrap();
    connection.execute("SET session_replication_role = replica").await.unwrap();
    connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))).await.unwrap();
    connection.execute("RESET session_replication_role").await.unwrap();
}

/// Runs it with these words as well; the code and what it printed as JSON.
async fn reconcile(rig: &Rig, words: &[&str]) -> (i32, Value) {
    let asked = ["reconcile", "--network", "anvil", "--timeout", "2s", "--output", "json"];
    let Output { code, stdout, stderr } = rig.command(&[&asked, words].concat()).await;
    assert!(code == 0 || code == 3, "{words:?}: {code} {stderr}");
    (code, serde_json::from_str(&stdout).unwrap())
}

/// All of the blocks again: the first that was scanned is told by SQL.
async fn again(rig: &Rig) -> (i32, Value) {
    let first = rig.number("SELECT first_number + 1 FROM networks").await.to_string();
    reconcile(rig, &["--from", &first]).await
}

/// `dep_one` was accepted so many seconds after the block that pays it, which was looked at so many after; `dep_old` later
/// than all, for its payment is judged by the look at the same block.
fn accepted(after: u32, looked_at: u32) -> String {
    format!(
        "UPDATE deposit_sessions SET accepted_at = (SELECT t.block_time FROM kept_transfers t WHERE t.session_id = 'dep_one') + interval '{after} s'
          WHERE id = 'dep_one';
         UPDATE blocks SET looked_at = time + interval '{looked_at} s'
          WHERE hash = (SELECT t.block_hash FROM kept_transfers t WHERE t.session_id = 'dep_one');
         UPDATE deposit_sessions SET accepted_at = now() + interval '1 day' WHERE id = 'dep_old'"
    )
}

fn kinds(report: &Value) -> Vec<&str> {
    report["differences"].as_array().unwrap().iter().map(|line| line["kind"].as_str().unwrap()).collect()
}

/// A chain with three payments, of which two are confirmed to their sessions and one to nobody, and one that came before
/// anybody named its address; the watcher has gone.
async fn paid(chain: &Chain, rig: &Rig) {
    let [one, two, old] = [(); 3].map(|()| chain.address());
    rig.open("dep_one", "5", &chain.usdc, one).await;
    let mut process = rig.run().await;
    rig.scanned("anvil", chain).await;
    chain.pay(4, old, 4).await;
    chain.pay(1, one, 5).await;
    chain.bury().await;
    // Now both looks are past what came to the other address.
    rig.becomes("dep_one", "CONFIRMED").await;
    rig.open("dep_old", "9", &chain.usdc, old).await;
    rig.open("dep_two", "7", &chain.usdc, two).await;
    chain.pay(2, two, 7).await;
    chain.pay(3, two, 2).await;
    chain.bury().await;
    rig.becomes("dep_two", "CONFIRMED").await;
    until("all is confirmed", async || {
        (rig.number("SELECT count(*) FROM transfers WHERE state = 'CONFIRMED'").await == 3).then_some(())
    })
    .await;
    process.terminate().await;
}

#[tokio::test]
async fn each_difference_is_named_and_exits_3() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    let never = rig.command(&["reconcile", "--network", "anvil"]).await;
    assert!(never.code == 1 && never.stderr.contains("was never worked"), "{never:?}");
    paid(&chain, &rig).await;

    let (code, report) = reconcile(&rig, &[]).await;
    let sums = &report["tokens"][0];
    assert_eq!((code, kinds(&report)), (0, vec![]), "{report}");
    for sum in ["chain_units", "here_units", "confirmed_units", "ledger_units"] {
        assert_eq!(sums[sum], "14000000", "{sum}: {report}");
    }
    assert_eq!(
        (&sums["transfers"], &sums["ledger"], &report["left_out"]),
        (&json!(3), &json!("14"), &json!(1)),
        "{report}"
    );
    // What was compared is not compared again unless it is asked for.
    assert_eq!(reconcile(&rig, &[]).await.1["from_block"], Value::Null);
    let text = rig.command(&["reconcile", "--network", "anvil"]).await;
    assert_eq!((text.code, text.stdout.as_str()), (0, "network anvil: no block is due that was not compared before\n"));
    // A header alone says nothing: what it is about stands beside it.
    let csv = rig.command(&["reconcile", "--network", "anvil", "--output", "csv"]).await;
    assert!(csv.code == 0 && csv.stdout.lines().count() == 1, "{csv:?}");
    assert_eq!(csv.stderr, text.stdout);

    tamper(&rig, KEEP).await;
    for (sql, expected) in [
        (UNSEEN, &["missing_here"][..]),
        ("UPDATE transfers SET state = 'ORPHANED' WHERE session_id = 'dep_one'", &["other_ledger", "missing_here"]),
        ("INSERT INTO transfers SELECT (jsonb_populate_record(t, '{\"log_index\": 7, \"state\": \"SEEN\", \"session_id\": null}')).* FROM transfers t WHERE session_id = 'dep_one'",
         &["not_on_the_chain"]),
        ("UPDATE transfers SET to_address = '0x' || repeat('ab', 20) WHERE session_id = 'dep_one'", &["missing_here", "not_on_the_chain"]),
        ("UPDATE transfers SET amount_units = 5000001; UPDATE ledger SET units = 5000001", &["other_amount"; 3]),
        ("UPDATE ledger SET units = 4999999 WHERE session_id = 'dep_one'", &["other_ledger"]),
        ("DELETE FROM ledger WHERE session_id IS NULL", &["other_ledger"]),
        ("INSERT INTO ledger (kind, network, token_address, from_address, to_address, block_number, block_hash, block_time, log_index, tx_hash, session_id, units, amount)
          SELECT 'refund', network, token_address, from_address, to_address, block_number, block_hash, block_time, log_index, tx_hash, session_id, -units, -amount FROM ledger", &[]),
    ] {
        tamper(&rig, sql).await;
        let (code, report) = again(&rig).await;
        let mut found = kinds(&report);
        found.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!((code, found), (if expected.is_empty() { 0 } else { 3 }, expected), "{sql}: {report}");
        tamper(&rig, RESTORE).await;
    }

    // Stored or not, nothing had to be kept of it.
    for sql in [
        "UPDATE deposit_sessions SET accepted_at = now() - interval '40 days', expires_at = now() - interval '39 days', closed_at = now() WHERE id = 'dep_one'",
        "UPDATE deposit_sessions SET accepted_at = now() + interval '1 day' WHERE id = 'dep_one'",
        &accepted(30, 10),
        &accepted(90, 100),
    ] {
        tamper(&rig, &format!("{UNSEEN}; {sql}")).await;
        let (code, report) = again(&rig).await;
        assert_eq!((code, &report["left_out"]), (0, &json!(2)), "{sql}: {report}");
        tamper(&rig, RESTORE).await;
    }
    // That its token was not followed there is no right reason, and is told apart.
    tamper(&rig, &format!("{UNSEEN}; UPDATE token_spans SET from_block = 1000000")).await;
    let (code, report) = again(&rig).await;
    assert_eq!((code, &report["left_out"], &report["not_read"]), (0, &json!(1), &json!(1)), "{report}");
    tamper(&rig, RESTORE).await;
    // A session that is still open is watched however old it is; so is one that was read by a rescan of its token, and one
    // that came a little later than the payment yet before the first look.
    for sql in [
        &accepted(30, 40),
        "UPDATE deposit_sessions SET accepted_at = now() - interval '40 days', expires_at = now() - interval '39 days', payment_status = 'PENDING', confirmed_at = NULL, closed_at = NULL WHERE id = 'dep_one'",
        "UPDATE token_spans SET from_block = 1000000; INSERT INTO rescans (network, from_block, to_block, token, reason, next_first, next_second, finished_at)
         SELECT 'anvil', 0, 999999, address, 'token', 1000000, 1000000, now() FROM tokens",
    ] {
        tamper(&rig, &format!("{UNSEEN}; {sql}")).await;
        assert_eq!(kinds(&again(&rig).await.1), ["missing_here"], "{sql}");
        tamper(&rig, RESTORE).await;
    }
    // What a rescan is still to read again is missing for a while.
    tamper(&rig, &format!("{UNSEEN}; UPDATE rescans SET next_second = 0, finished_at = NULL")).await;
    let (code, report) = again(&rig).await;
    assert_eq!((code, &report["not_yet"]), (0, &json!(1)), "{report}");
    tamper(&rig, RESTORE).await;

    // The chain went back below what was confirmed, and nobody has noticed yet.
    chain.evm.reorganise(6, &[]).await.unwrap();
    let (code, report) = again(&rig).await;
    assert_eq!((code, kinds(&report)), (3, vec!["other_block"]), "{report}");
}

#[tokio::test]
async fn a_difference_stands_until_a_run_sees_it_gone() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    paid(&chain, &rig).await;
    tamper(&rig, UNSEEN).await;
    let (code, report) = reconcile(&rig, &[]).await;
    assert_eq!((code, kinds(&report)), (3, vec!["missing_here"]), "{report}");
    let (line, block) = (&report["differences"][0], report["differences"][0]["block_number"].to_string());
    assert_eq!(
        (&line["token"], &line["chain_units"], &line["told_by"]),
        (&json!("usdc"), &json!("5000000"), &json!(["local"]))
    );

    let standing = "SELECT sum(differences)::bigint FROM reconciliations_standing";
    // A run over other blocks, of one token or without balances says nothing of all.
    assert_eq!(reconcile(&rig, &["--from", &block, "--to", &block, "--token", "usdc"]).await.0, 3);
    assert_eq!(rig.number(standing).await, 2);
    // Without --from it begins where the difference stands.
    assert_eq!(reconcile(&rig, &[]).await.0, 3);
    assert_eq!(rig.number(standing).await, 1);

    let mut process = rig.run().await;
    let told = async || {
        let metrics = process.metrics().await;
        let at = metrics.count("reconcile_timestamp_seconds", &["network=\"anvil\""]);
        (at > 1_700_000_000).then_some(metrics.count("reconcile_differences", &["network=\"anvil\""]))
    };
    assert_eq!(until("the gauge is set", told).await, 1);
    let rescanned = rig.command(&["rescan", "--network", "anvil", "--from", &block, "--to", &block]).await;
    assert!(rescanned.stdout.ends_with("1 transfer added\n"), "{rescanned:?}");
    let mended = async || (reconcile(&rig, &[]).await.0 == 0).then_some(());
    until("no difference is left", mended).await;
    assert_eq!(rig.number(standing).await, 0);
    let gone = async || {
        let metrics = process.metrics().await;
        (metrics.count("reconcile_differences", &["network=\"anvil\""]) == 0).then_some(())
    };
    until("the gauge follows", gone).await;
    process.terminate().await;
}

#[tokio::test]
async fn who_says_otherwise_is_told_and_balances_are_judged() {
    let chain = Chain::start().await;
    let (mut section, proxy) = (chain.section(), Proxy::start(chain.anvil.port()).await.unwrap());
    section.spare = Some(proxy.url());
    let rig = Rig::new(&[section]).await;
    let shops: Vec<_> = (0..4).map(|_| chain.address()).collect();
    for (at, shop) in shops.iter().enumerate() {
        rig.open(&format!("dep_{at}"), "5", &chain.usdc, *shop).await;
    }
    let mut process = rig.run().await;
    rig.scanned("anvil", &chain).await;
    for (at, shop) in shops.iter().enumerate().skip(1) {
        chain.pay(at, *shop, 5).await;
    }
    // Without a log one gets richer and one poorer, as a token of other rules may do.
    for (shop, owned) in [(shops[1], 6), (shops[2], 4)] {
        let to = json!([shop, chain.usdc.address, units(owned).0]);
        chain.evm.request("anvil_dealERC20", to).await.unwrap();
    }
    // One moves its money on.
    chain.evm.request("anvil_setBalance", json!([shops[3], "0xde0b6b3a7640000"])).await.unwrap();
    chain.evm.request("anvil_impersonateAccount", json!([shops[3]])).await.unwrap();
    let call = deposit_watcher::demo::Call::Transfer(chain.payers[0], units(2));
    chain.evm.pay(shops[3], chain.usdc.address, &call).await.unwrap();
    // The second look comes for a payment, up to its block.
    chain.pay(0, shops[0], 5).await;
    chain.bury().await;
    for at in 0..4 {
        rig.becomes(&format!("dep_{at}"), "CONFIRMED").await;
    }
    process.terminate().await;

    let (code, report) = reconcile(&rig, &["--balances"]).await;
    assert_eq!((code, kinds(&report)), (3, vec!["impossible_balance"]), "{report}");
    let of = |shop: usize| {
        let lines = [report["differences"].as_array().unwrap().clone(), report["balances"].as_array().unwrap().clone()];
        let mine = format!("{:#x}", shops[shop]);
        let line = lines.concat().into_iter().find(|line| line["to_address"] == mine.as_str()).unwrap();
        (line["kind"].as_str().unwrap().to_owned(), line["chain_units"].as_str().unwrap().to_owned())
    };
    let expected = [("as_it_came", 5), ("never_seen", 6), ("impossible_balance", 4), ("moved_out", 3)];
    for (shop, (kind, owned)) in expected.into_iter().enumerate() {
        assert_eq!(of(shop), (kind.to_owned(), units(owned).to_string()), "{report}");
    }

    // Two endpoints are one chain: both say what is missing.
    tamper(&rig, "DELETE FROM ledger WHERE session_id = 'dep_0'; DELETE FROM transfers WHERE session_id = 'dep_0'")
        .await;
    let first = rig.number("SELECT first_number + 1 FROM networks").await.to_string();
    let (_, report) = reconcile(&rig, &["--from", &first, "--endpoint", "spare"]).await;
    assert_eq!((kinds(&report), &report["endpoint"]), (vec!["missing_here"], &json!("spare")), "{report}");
    assert_eq!(report["differences"][0]["told_by"], json!(["spare", "local"]), "{report}");
    let csv = rig.command(&["reconcile", "--network", "anvil", "--from", &first, "--output", "csv"]).await;
    let lines: Vec<&str> = csv.stdout.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("kind,block_number,block_hash,tx_hash,"), "{csv:?}");
    assert!(csv.code == 3 && lines[1].starts_with("missing_here,") && csv.stderr.contains("one difference on anvil"));
    // An amount is a number, also below 0.
    tamper(&rig, "UPDATE ledger SET units = -units WHERE session_id = 'dep_1'").await;
    let csv = rig.command(&["reconcile", "--network", "anvil", "--from", &first, "--output", "csv"]).await;
    assert!(csv.stdout.contains(",5000000,5000000,-5000000,CONFIRMED,dep_1,"), "{csv:?}");
}

#[tokio::test]
async fn names_that_are_none_are_2_and_a_chain_that_cannot_be_asked_is_75() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    paid(&chain, &rig).await;
    for (words, hint) in [
        (&["--network", "anvl"][..], "did you mean anvil?"),
        (&["--network", "anvil", "--token", "usdt"], "did you mean usdc?"),
        (&["--network", "anvil", "--endpoint", "locol"], "did you mean local?"),
        (&["--network", "anvil", "--to", "9999999"], "the last that was looked at twice"),
        (&["--network", "anvil", "--from", "0"], "the first that was ever scanned"),
    ] {
        let ended = rig.command(&[&["reconcile"], words].concat()).await;
        assert!(ended.code == 2 && ended.stderr.contains(hint) && ended.stdout.is_empty(), "{words:?}: {ended:?}");
    }
    let nowhere = "networks.anvil.rpc.local.url=http://127.0.0.1:1";
    let away = rig.command(&["reconcile", "--network", "anvil", "--timeout", "300ms", "--set", nowhere]).await;
    assert!(away.code == 75 && away.stderr.contains("cannot be read after 300ms"), "{away:?}");
    assert_eq!(rig.number("SELECT count(*) FROM reconciliations").await, 0);
}
