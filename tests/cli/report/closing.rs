//! A closed month renders to the same bytes whatever happens afterwards; what happens afterwards stands in its own month.

use std::time::{Duration, Instant};

use deposit_watcher::demo::Postgres;
use sqlx::{Connection, Executor, PgConnection};

use super::books::Books;
use crate::program::{Ended, MIGRATIONS, Program};
use crate::support::tools;

/// Every report in every format, with what must never change.
const REPORTS: [(&str, &str); 11] = [
    ("ledger", "csv"),
    ("ledger", "json"),
    ("ledger", "hledger"),
    ("deposits", "csv"),
    ("deposits", "json"),
    ("daily", "csv"),
    ("daily", "json"),
    ("sessions", "csv"),
    ("sessions", "json"),
    ("unmatched", "csv"),
    ("unmatched", "json"),
];

/// All of them with their manifests, for a month in a zone and for one business.
fn closed(books: &Books) -> Vec<String> {
    let mut all = Vec::new();
    for (report, format) in REPORTS {
        let filter = if report == "unmatched" { ["--network", "anvil"] } else { ["--business", "shop"] };
        for filter in [&[][..], &filter] {
            let out = books.program.path("report");
            let manifest = books.program.path("manifest");
            let line =
                ["report", report, "--from", "2024-10", "--to", "2024-11", "--format", format, "--force", "--closed"];
            let to =
                ["--tz", "Europe/Berlin", "--out", out.to_str().unwrap(), "--manifest", manifest.to_str().unwrap()];
            assert_eq!(books.program.ok(&[&line[..], &to, filter].concat()), "");
            all.push(std::fs::read_to_string(out).unwrap());
            all.push(std::fs::read_to_string(manifest).unwrap());
        }
    }
    all
}

#[tokio::test]
async fn a_closed_month_is_the_same_whatever_comes_later() {
    let mut books = Books::of(13, 90).await;
    let before = closed(&books);
    let empty = before.iter().filter(|text| text.lines().count() < 3).count();
    assert!(before.len() == 44 && empty == 0, "{empty} of {} are empty", before.len());

    // A transfer that the month knows as confirmed and paid is taken back, by the database's own doing.
    let (hash, session): (String, String) = sqlx::query_as(
        "SELECT tx_hash, session_id FROM ledger WHERE booked_at BETWEEN '2024-10-02' AND '2024-10-20' AND units <> 0
            AND session_id IS NOT NULL GROUP BY 1, 2 HAVING sum(units) > 0 ORDER BY 1 LIMIT 1",
    )
    .fetch_one(&mut books.sql)
    .await
    .unwrap();
    sqlx::query("UPDATE transfers SET state = 'CONFIRMED', verified = true, confirmed_at = now(), reason = NULL, session_id = $2 WHERE tx_hash = $1")
        .bind(&hash)
        .bind(&session)
        .execute(&mut books.sql)
        .await
        .unwrap();
    books.sql.execute("SET session_replication_role = origin; SET deposit_watcher.writer = 'on'").await.unwrap();
    sqlx::query("UPDATE transfers SET state = 'ORPHANED', orphaned_at = now() WHERE tx_hash = $1")
        .bind(&hash)
        .execute(&mut books.sql)
        .await
        .unwrap();
    // And all else that time brings: other statuses, references, reasons, new sessions and lines, rows in another order.
    books.sql.execute("SET session_replication_role = replica").await.unwrap();
    for number in 500..520 {
        books.transfer(number, 0, "1000000").await;
        let now = "2024-10-31T23:00:00Z".parse().unwrap();
        books.book(number, "confirm", now, Some("dep_0002"), "1000000", "1").await;
    }
    books
        .sql
        .execute(
            "UPDATE deposit_sessions SET payment_status = 'EXPIRED', closed_at = now(), customer_reference = 'another', metadata = '{}',
                    expires_at = now(), updated_at = now(), received_amount = 5, tx_id = '0x', unusable = 'checksum';
             UPDATE transfers SET reason = 'dust', settled = 'ignored', seen_at = now(), paid_at = now(), had_session = 'dep_0003';
             UPDATE transfers SET tx_hash = '0x' || repeat('9', 64), token_address = '0x' || repeat('99', 20), from_address = '0x' || repeat('98', 20),
                    to_address = '0x' || repeat('97', 20), amount_units = 7, amount = 0.7, block_number = 7, block_time = now();
             UPDATE businesses SET name = 'renamed', disabled_at = now();
             UPDATE tokens SET followed = false, tolerance = 5;
             DELETE FROM events; DELETE FROM networks WHERE slug = 'polygon';
             INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address, business_id, accepted_at)
             VALUES ('dep_new', 1, 'USDC', 'anvil', '0x5fbdb2315678afecb367f032d93f642f64180aa3', '0x', 'shop', now());
             CLUSTER ledger USING ledger_session; CLUSTER deposit_sessions USING deposit_sessions_pkey; CLUSTER transfers USING transfers_by_tx;
             ANALYZE",
        )
        .await
        .unwrap();
    let after = closed(&books);
    for (one, other) in before.iter().zip(&after) {
        let differs = one.lines().zip(other.lines()).find(|(one, other)| one != other);
        assert!(one == other, "{differs:?}");
    }

    // The reversal is a line of its own, on its own day.
    let today: chrono::NaiveDate =
        sqlx::query_scalar("SELECT (now() AT TIME ZONE 'UTC')::date").fetch_one(&mut books.sql).await.unwrap();
    let next = (today + chrono::Days::new(1)).to_string();
    let lines = books.report("ledger", &today.to_string(), &next, &[]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!((&lines[0]["kind"], &lines[0]["tx_hash"]), (&"revert".into(), &hash.into()));
    assert!(lines[0]["amount"].as_str().unwrap().starts_with('-'), "{lines:?}");
}

/// `ignored_at_end` of the only statement, as each period has it.
fn ignored(books: &Books) -> Vec<String> {
    let periods =
        [("2024-10", "2024-11"), ("2024-11", "2024-11-10"), ("2024-11-10", "2024-11-20"), ("2024-11-20", "2024-12")];
    let lines = periods.map(|(from, to)| books.report("unmatched", from, to, &[]));
    lines.iter().map(|lines| lines[0]["ignored_at_end_units"].as_str().unwrap().to_owned()).collect()
}

/// What a person closed is told as closed from the period on in which he did, until he takes that back.
#[tokio::test]
async fn money_that_a_person_closed_is_told_as_such_from_then_on() {
    let mut books = Books::empty().await;
    books.transfer(1, 0, "1500000").await;
    books.book(1, "confirm", "2024-10-02T00:00:00Z".parse().unwrap(), None, "1500000", "1.5").await;
    assert_eq!(ignored(&books), ["0"; 4]);
    for (kind, undoes, day) in [("refused", None, 2), ("ignore", None, 5), ("release", Some(2), 15)] {
        let (kind, outcome) = if kind == "refused" { ("ignore", "refused") } else { (kind, "done") };
        sqlx::query(
            "INSERT INTO settlements (network, block_hash, log_index, tx_hash, token_address, from_address, to_address, amount_units,
                                      kind, note, os_user, answered_at, outcome, answer, undoes)
             SELECT network, block_hash, log_index, tx_hash, token_address, from_address, to_address, amount_units, $1, 'dust', 'anna', '2024-11-01'::timestamptz + $2 * interval '1 day', $3, 'so', $4 FROM transfers",
        )
        .bind(kind)
        .bind(day)
        .bind(outcome)
        .bind(undoes)
        .execute(&mut books.sql)
        .await
        .unwrap();
        let expected = match (kind, outcome) {
            (_, "refused") => ["0"; 4],
            ("ignore", _) => ["0", "1500000", "1500000", "1500000"],
            _ => ["0", "1500000", "0", "0"],
        };
        assert_eq!(ignored(&books), expected, "{kind}");
    }
    let lines = books.report("unmatched", "2024-11", "2024-11-10", &[]);
    assert_eq!((&lines[0]["unmatched_at_end"], &lines[0]["ignored_at_end"]), (&"1.5".into(), &"1.5".into()));
}

/// A person closed what never was on the chain; what stands in its place is another transfer, and open.
#[tokio::test]
async fn a_lie_and_what_stands_in_its_place_are_told_apart() {
    let mut books = Books::empty().await;
    books.transfer(1, 0, "1500000").await;
    books.book(1, "confirm", "2024-10-02T00:00:00Z".parse().unwrap(), None, "1500000", "1.5").await;
    books
        .sql
        .execute(
            "INSERT INTO settlements (network, block_hash, log_index, tx_hash, token_address, from_address, to_address, amount_units,
                                      kind, note, os_user, answered_at, outcome, answer)
             SELECT network, block_hash, log_index, tx_hash, token_address, from_address, to_address, amount_units, 'ignore', 'dust', 'anna', '2024-10-03', 'done', 'so' FROM transfers",
        )
        .await
        .unwrap();
    let october = |books: &Books| books.report("unmatched", "2024-10", "2024-11", &[]);
    let before = october(&books);
    assert_eq!((before.len(), &before[0]["ignored_at_end_units"]), (1, &"1500000".into()));
    books.book(1, "revert", "2024-11-02T00:00:00Z".parse().unwrap(), None, "-1500000", "-1.5").await;
    books.sql.execute("UPDATE transfers SET from_address = '0x' || repeat('99', 20), state = 'SEEN'").await.unwrap();
    books.book(1, "confirm", "2024-11-03T00:00:00Z".parse().unwrap(), None, "1500000", "1.5").await;
    assert_eq!(october(&books), before);
    let lines = books.report("unmatched", "2024-11", "2024-12", &["--now"]);
    let told = |line: &serde_json::Value| {
        ["unmatched_in_period_units", "unmatched_at_end_units", "ignored_at_end_units", "reason_now"]
            .map(|name| line[name].clone())
    };
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(told(&lines[0]), ["-1500000".into(), "0".into(), "0".into(), serde_json::Value::Null]);
    assert_eq!(told(&lines[1]), ["1500000".into(), "1500000".into(), "0".into(), serde_json::json!("late")]);
    assert_ne!(lines[0]["from_address"], lines[1]["from_address"]);
}

#[tokio::test]
async fn a_period_is_closed_when_nothing_can_be_booked_into_it_any_more() {
    let mut books = Books::empty().await;
    let manifest = books.program.path("manifest");
    for (minutes, closed) in [(-60, true), (-11, true), (-9, false), (60, false)] {
        let to: String = sqlx::query_scalar(
            "SELECT to_char(now() AT TIME ZONE 'UTC' + $1 * interval '1 minute', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
        )
        .bind(minutes)
        .fetch_one(&mut books.sql)
        .await
        .unwrap();
        let line =
            ["report", "ledger", "--from", "2024-10", "--to", &to, "--force", "--manifest", manifest.to_str().unwrap()];
        assert!(books.program.ok(&line).starts_with("line,day,"));
        let told: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&manifest).unwrap()).unwrap();
        assert_eq!(told["closed"], closed, "{minutes}");
        let asked = books.program.run(&[&line[..], &["--closed"]].concat());
        if closed {
            assert_eq!(asked.code, 0, "{asked:?}");
        } else {
            assert!(asked.reason(75).contains("is not closed until 10 minutes later"), "{asked:?}");
            assert_eq!(asked.stdout, "");
        }
    }
}

/// October, closed, on stdout.
const OCTOBER: [&str; 7] = ["report", "ledger", "--from", "2024-10", "--to", "2024-11", "--closed"];

/// A booking of October that is not committed.
async fn booking(books: &mut Books, number: u64) -> PgConnection {
    books.transfer(number, 0, "1500000").await;
    let mut other = PgConnection::connect(&books.database.url()).await.unwrap();
    other.execute("SET session_replication_role = replica; BEGIN").await.unwrap();
    std::mem::swap(&mut other, &mut books.sql);
    books.book(number, "confirm", "2024-10-31T22:58:00Z".parse().unwrap(), None, "1500000", "1.5").await;
    std::mem::swap(&mut other, &mut books.sql);
    other
}

/// However long a COMMIT waits: what began before the end of a period keeps it open. What began later does not.
#[tokio::test]
async fn who_has_booked_and_not_ended_is_seen() {
    let mut books = Books::empty().await;
    let mut other = booking(&mut books, 1).await;
    let (pid, began): (i32, chrono::DateTime<chrono::Utc>) =
        sqlx::query_as("SELECT pg_backend_pid(), now()").fetch_one(&mut other).await.unwrap();
    let mut seen = async |before: chrono::DateTime<chrono::Utc>| -> Vec<(i32, chrono::DateTime<chrono::Utc>)> {
        let sql = "SELECT process, began_at FROM deposit_watcher_unfinished($1)";
        sqlx::query_as(sql).bind(before).fetch_all(&mut books.sql).await.unwrap()
    };
    assert_eq!(seen(began).await, []);
    assert_eq!(seen(began + chrono::Duration::microseconds(1)).await, [(pid, began)]);
    other.execute("ROLLBACK; BEGIN; SELECT count(*) FROM ledger").await.unwrap();
    assert_eq!(seen("2100-01-01T00:00:00Z".parse().unwrap()).await, [], "who only reads is not in the way");
}

/// Where it cannot be seen when another role's transaction began, it is waited for; one that does not end keeps the period open.
#[tokio::test]
async fn a_period_is_not_closed_while_somebody_may_still_book_into_it() {
    let mut books = Books::empty().await;
    books
        .sql
        .execute(
            "DO $$ BEGIN CREATE ROLE dw_test_owner; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
             ALTER FUNCTION deposit_watcher_unfinished(timestamptz) OWNER TO dw_test_owner;
             GRANT EXECUTE ON FUNCTION deposit_watcher_unfinished(timestamptz) TO deposit_watcher",
        )
        .await
        .unwrap();
    // Who writes elsewhere cannot book.
    let mut elsewhere = PgConnection::connect(&books.database.url()).await.unwrap();
    elsewhere.execute("BEGIN; UPDATE businesses SET name = name").await.unwrap();
    assert_eq!(books.program.ok(&OCTOBER).lines().count(), 1);

    let mut other = booking(&mut books, 1).await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut other).await.unwrap();
    let refused = books.program.run(&OCTOBER);
    let named = format!("the period ended at 2024-11-01T00:00:00+00:00 and is not closed: process {pid} (transaction ");
    assert!(refused.reason(75).contains(&named) && refused.stderr.contains("; nothing was written"), "{refused:?}");
    assert_eq!(refused.stdout, "");
    let manifest = books.program.path("manifest");
    let told = async |line: &[&str]| -> serde_json::Value {
        books.program.ok(&[line, &["--force", "--manifest", manifest.to_str().unwrap()]].concat());
        serde_json::from_str(&std::fs::read_to_string(&manifest).unwrap()).unwrap()
    };
    assert_eq!(told(&OCTOBER[..6]).await["closed"], false);

    // One that ends meanwhile is in the report.
    let child = books.program.command(&OCTOBER).spawn().unwrap();
    let (begun, looked) = (
        Instant::now(),
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%_unfinished(%' AND pid <> pg_backend_pid()",
    );
    while sqlx::query_scalar::<_, i64>(looked).fetch_one(&mut books.sql).await.unwrap() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never looked");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    other.execute("COMMIT").await.unwrap();
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.stdout.lines().count()), (0, 2), "{ended:?}");
    assert_eq!(told(&OCTOBER).await["closed"], true);
}

/// A transaction that was prepared belongs to no process, and says nowhere when it began.
#[tokio::test]
async fn a_prepared_booking_keeps_a_period_open_until_it_is_committed() {
    let postgres = Postgres::start_with(&tools(), &["max_prepared_transactions=2"]).unwrap();
    let mut sql = PgConnection::connect(&postgres.url("postgres")).await.unwrap();
    sql.execute("CREATE DATABASE dw_test_prepared").await.unwrap();
    let url = postgres.url("dw_test_prepared");
    let mut sql = PgConnection::connect(&url).await.unwrap();
    MIGRATIONS.run(&mut sql).await.unwrap();
    let program = Program::at(&url);
    sql.execute(
        "SET session_replication_role = replica;
         BEGIN; INSERT INTO businesses (id, name) VALUES ('a', 'a'); PREPARE TRANSACTION 'elsewhere';
         BEGIN; INSERT INTO ledger (kind, booked_at, network, token_address, from_address, to_address, block_number, block_hash, block_time, log_index, tx_hash, units, amount)
                VALUES ('confirm', '2024-10-02', 'n', '0x', '0x', '0x', 1, '0x', now(), 0, '0x', 1, 1); PREPARE TRANSACTION 'booking'",
    )
    .await
    .unwrap();
    let refused = program.run(&OCTOBER).reason(75);
    assert!(refused.contains("prepared booking, which may have begun before"), "{refused}");
    sql.execute("COMMIT PREPARED 'booking'").await.unwrap();
    assert_eq!(program.ok(&OCTOBER).lines().count(), 2);
}
