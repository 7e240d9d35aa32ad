//! What is asked wrongly is refused with what would be right; files are whole or not there; strangers' words stay words.

use std::io::{BufRead, BufReader, Read};

use sqlx::{Connection, Executor};

use super::books::Books;
use crate::program::{Ended, Program};

const NOVEMBER: [&str; 4] = ["--from", "2024-11", "--to", "2024-12"];

#[test]
fn what_makes_no_sense_is_2_before_the_database_is_asked() {
    let program = Program::at("postgres://nobody@127.0.0.1:1/none");
    let asked = |line: &[&str]| program.run(&[&["report"], line].concat());
    for (from, to, told) in [
        ("2024-13", "2024-12", "--from: \"2024-13\" is no month (2026-11), day"),
        ("2024-11", "yesterday", "--to: \"yesterday\" is no month"),
        ("2024-12", "2024-11", "--from: 2024-12 is not before the end"),
        ("2024-11", "2024-11-01", "is not before the end"),
        ("1066-01", "2024-11", "lies outside of the years 1970 to 2099"),
    ] {
        let reason = asked(&["ledger", "--from", from, "--to", to]).reason(2);
        assert!(reason.contains(told), "{reason}");
    }
    for (zone, told) in [
        ("Europe/Belrin", "did you mean Europe/Berlin?"),
        ("paris", "did you mean Europe/Paris?"),
        ("New York", "did you mean America/New_York?"),
        ("CETT", "did you mean CET?"),
        ("the moon and back", "names look like Europe/Paris"),
    ] {
        let ended = asked(&[&["ledger", "--tz", zone], &NOVEMBER[..]].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{ended:?}");
        assert!(ended.stderr.contains(told), "{zone}: {ended:?}");
    }
    for line in
        ["", "ledger", "ledger --from 2024-11", "daily --from 2024-11 --to 2024-12 --format hledger", "everything"]
    {
        assert_eq!(asked(&line.split_whitespace().collect::<Vec<_>>()).code, 2, "{line}");
    }
}

#[tokio::test]
async fn who_is_not_known_is_2_with_the_nearest() {
    let books = Books::empty().await;
    let asked = |filter: &[&str]| books.program.run(&[&["report", "ledger"], &NOVEMBER[..], filter].concat());
    for (filter, told) in [
        (["--network", "poligon"], "nothing here knows a network \"poligon\": did you mean polygon?"),
        (["--business", "shup"], "nothing here knows a business \"shup\": did you mean shop?"),
        (["--session", "dep_0009"], "nothing here knows a session \"dep_0009\": did you mean dep_000"),
        (["--session", "nobody"], "nothing here knows a session \"nobody\": there are: "),
    ] {
        let reason = asked(&filter).reason(2);
        assert!(reason.starts_with(told), "{reason}");
    }
    for filter in
        [["--network", "polygon"], ["--business", "default"], ["--business", "my_shop"], ["--session", "dep_0005"]]
    {
        assert_eq!(asked(&filter).code, 0, "{filter:?}");
    }
}

#[tokio::test]
async fn a_business_is_known_however_many_there_are() {
    let mut books = Books::empty().await;
    books
        .sql
        .execute("INSERT INTO businesses (id, name) SELECT 'a_' || n, 'n' FROM generate_series(1, 10100) n")
        .await
        .unwrap();
    let asked = |id: &str| books.program.run(&[&["report", "ledger", "--business", id], &NOVEMBER[..]].concat());
    for id in ["shop", "my_shop", "shop-2", "a_10100"] {
        assert_eq!(asked(id).code, 0, "{id}");
    }
    assert!(asked("shap").reason(2).contains("did you mean shop?"));
}

#[tokio::test]
async fn filters_leave_what_they_say() {
    let books = Books::of(21, 80).await;
    let all = books.report("ledger", "2024-09", "2024-12", &[]);
    for (flag, name, value) in [
        ("--network", "network", "polygon"),
        ("--business", "business_id", "my_shop"),
        ("--session", "session_id", "dep_0002"),
    ] {
        let expected: Vec<_> = all.iter().filter(|line| line[name] == value).cloned().collect();
        assert!(!expected.is_empty() && expected.len() < all.len(), "{name}");
        assert_eq!(books.report("ledger", "2024-09", "2024-12", &[flag, value]), expected);
        for report in ["deposits", "sessions", "daily"] {
            let lines = books.report(report, "2024-09", "2024-12", &[flag, value]);
            assert!(
                !lines.is_empty()
                    && (report == "daily" && flag == "--session" || lines.iter().all(|line| line[name] == value)),
                "{report} {flag}"
            );
        }
    }
    let of_nobody = books.report("unmatched", "2024-09", "2024-12", &["--network", "polygon"]);
    assert!(!of_nobody.is_empty() && of_nobody.iter().all(|line| line["network"] == "polygon"));
    // The daily figures of one session are those of its lines.
    let daily = books.report("daily", "2024-09", "2024-12", &["--session", "dep_0002"]);
    let lines: i64 = daily.iter().map(|line| line["lines"].as_i64().unwrap()).sum();
    assert_eq!(usize::try_from(lines).unwrap(), all.iter().filter(|line| line["session_id"] == "dep_0002").count());
}

#[tokio::test]
async fn a_period_without_data_is_a_header_and_0() {
    let books = Books::empty().await;
    for (report, head) in [
        ("ledger", "line,day,booked_at,kind,business_id,session_id,network,"),
        ("deposits", "line,day,booked_at,kind,business_id,session_id,asked,"),
        ("daily", "day,begins_at,business_id,network,token,token_address,lines,credited,"),
        ("sessions", "session_id,business_id,network,token,token_address,deposit_address,"),
        ("unmatched", "booked_at,day,network,token,token_address,from_address,"),
    ] {
        let csv = books.program.ok(&[&["report", report], &NOVEMBER[..]].concat());
        assert!(csv.starts_with(head) && csv.ends_with("\r\n") && csv.lines().count() == 1, "{csv:?}");
        assert_eq!(books.program.ok(&[&["report", report, "--format", "json"], &NOVEMBER[..]].concat()), "[]\n");
    }
    let journal = books.program.ok(&[&["report", "ledger", "--format", "hledger"], &NOVEMBER[..]].concat());
    assert_eq!(journal, "; ledger from 2024-11-01T00:00:00+00:00 to 2024-12-01T00:00:00+00:00 (UTC)\ndecimal-mark .\n");
}

#[tokio::test]
async fn words_of_strangers_stay_words_and_negative_amounts_stay_numbers() {
    let mut books = Books::empty().await;
    books.transfer(1, 0, "1500000").await;
    let stranger = "=HYPERLINK(\"http://x\")";
    books.book(1, "confirm", "2024-11-02T00:00:00Z".parse().unwrap(), Some(stranger), "1500000", "1.5").await;
    books.book(1, "revert", "2024-11-03T00:00:00Z".parse().unwrap(), Some(stranger), "-1500000", "-1.5").await;
    let csv = books.program.ok(&[&["report", "deposits", "--now"], &NOVEMBER[..]].concat());
    let lines: Vec<&str> = csv.split("\r\n").collect();
    assert!(lines[0].ends_with(",amount,amount_units,status_now,customer_reference_now,customer_email_now"), "{csv}");
    assert!(lines[1].contains(",confirm,'=cmd,\"'=HYPERLINK(\"\"http://x\"\")\",100.5,anvil,USDC,"), "{csv}");
    assert!(lines[2].contains(",revert,") && lines[2].ends_with(",-1.5,-1500000,CREATED,'@evil,'@evil"), "{csv}");
    let without = books.program.ok(&[&["report", "deposits"], &NOVEMBER[..]].concat());
    assert!(!without.contains("evil") && !without.contains("_now"), "{without}");
}

#[tokio::test]
async fn a_file_is_whole_or_not_there_and_takes_no_others_place() {
    let mut books = Books::of(2, 20).await;
    let folder = books.program.path("reports");
    std::fs::create_dir(&folder).unwrap();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (out, beside) = (path("ledger.csv"), path("ledger.csv.manifest.json"));
    let of = |month: [&'static str; 4], more: &[&str]| {
        books.program.run(&[&["report", "ledger", "--out", &out], &month[..], more].concat())
    };
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(of(NOVEMBER, &[]).code, 0);
    assert_eq!(names(), ["ledger.csv", "ledger.csv.manifest.json"]);
    let first = std::fs::read(&out).unwrap();
    let october = ["--from", "2024-10", "--to", "2024-11"];
    let refused = of(october, &[]).reason(2);
    assert!(refused.contains("ledger.csv exists; name another file, or replace it with --force"), "{refused}");
    assert_eq!(std::fs::read(&out).unwrap(), first);
    // The manifest alone is in the way, too.
    std::fs::remove_file(&out).unwrap();
    assert!(of(october, &[]).reason(2).contains("ledger.csv.manifest.json exists"));
    assert_eq!(of(october, &["--force"]).code, 0);
    assert_eq!(names(), ["ledger.csv", "ledger.csv.manifest.json"]);
    assert_ne!(std::fs::read(&out).unwrap(), first);
    let told: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&beside).unwrap()).unwrap();
    assert_eq!((&told["from_utc"], &told["report"]), (&"2024-10-01T00:00:00.000000Z".into(), &"ledger".into()));
    // A link to something else is not written through.
    std::fs::remove_file(&out).unwrap();
    std::os::unix::fs::symlink(path("elsewhere"), &out).unwrap();
    assert!(of(october, &[]).reason(2).contains("exists"));
    assert!(
        books
            .program
            .run(&[&["report", "ledger", "--out", folder.to_str().unwrap()], &NOVEMBER[..]].concat())
            .reason(2)
            .contains("is a folder")
    );
    let nowhere = path("no/such/folder.csv");
    let failed = books.program.run(&[&["report", "ledger", "--out", &nowhere], &NOVEMBER[..]].concat());
    assert!(failed.reason(1).contains("cannot be written"), "{failed:?}");
    // What fails half way leaves nothing: beancount cannot reckon with the largest amounts.
    let most = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    books.transfer(900, 0, most).await;
    books
        .book(900, "confirm", "2024-11-20T00:00:00Z".parse().unwrap(), None, most, &super::books::whole(most, 6))
        .await;
    let half = path("half.beancount");
    let line = ["report", "ledger", "--from", "2024-09", "--to", "2024-12", "--format", "beancount", "--out", &half];
    assert!(books.program.run(&line).reason(1).contains("has more digits than beancount reckons with"));
    assert!(names().iter().all(|name| !name.to_string_lossy().contains("half")), "{:?}", names());
}

/// More lines in November than a pipe or a page holds.
async fn many() -> Books {
    let mut books = Books::empty().await;
    books
        .sql
        .execute(
            "INSERT INTO transfers (network, block_hash, log_index, block_number, block_time, tx_hash, token_address, from_address,
                                    to_address, amount_units, amount, state, reason, paid_at)
             VALUES ('anvil', '0x' || repeat('b', 64), 0, 7, now(), '0x' || lpad('1', 64, '0'), '0x5fbdb2315678afecb367f032d93f642f64180aa3',
                     '0x' || repeat('1', 40), '0x' || repeat('2', 40), 1, 0.000001, 'ORPHANED', 'late', now());
             INSERT INTO ledger (kind, booked_at, network, token_address, from_address, to_address, block_number, block_hash, block_time, log_index, tx_hash, units, amount)
             SELECT 'confirm', '2024-11-02', t.network, t.token_address, t.from_address, t.to_address, t.block_number, t.block_hash, t.block_time, 0, t.tx_hash, 1, 0.000001
               FROM transfers t, generate_series(1, 6000)",
        )
        .await
        .unwrap();
    books
}

#[tokio::test]
async fn a_reader_that_went_away_is_no_failure_and_hears_no_reason() {
    let books = many().await;
    for format in ["csv", "json", "hledger", "beancount"] {
        let line = [&["report", "ledger", "--format", format], &NOVEMBER[..]].concat();
        let mut child = books.program.command(&line).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let ended = Ended::from(child.wait_with_output().unwrap());
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{format}: {ended:?}");
    }
}

#[tokio::test]
async fn a_report_of_many_pages_is_of_one_moment_and_holds_each_line_once() {
    let mut books = many().await;
    let line = [&["report", "ledger", "--format", "json"], &NOVEMBER[..]].concat();
    let mut child = books.program.command(&line).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    // It has begun, and cannot be done before it is read on.
    reader.read_line(&mut text).unwrap();
    books.book(1, "confirm", "2024-11-20T00:00:00Z".parse().unwrap(), None, "1", "0.000001").await;
    reader.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    let lines: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let numbers: std::collections::BTreeSet<i64> = lines.iter().map(|line| line["line"].as_i64().unwrap()).collect();
    assert_eq!((lines.len(), numbers.len()), (6_000, 6_000));
    assert_eq!(books.report("ledger", "2024-11", "2024-12", &[]).len(), 6_001);
}

/// Anybody may send dust: it is read in pieces, each transfer once, in the order in which it came.
#[tokio::test]
async fn money_without_an_owner_is_told_however_much_there_is() {
    let mut books = Books::empty().await;
    books
        .sql
        .execute(
            "INSERT INTO transfers (network, block_hash, log_index, block_number, block_time, tx_hash, token_address, from_address,
                                    to_address, amount_units, amount, state, reason, paid_at, verified, confirmed_at)
             SELECT 'anvil', '0x' || lpad(n::text, 64, 'b'), 0, n, now(), '0x' || lpad(n::text, 64, '0'), '0x5fbdb2315678afecb367f032d93f642f64180aa3',
                    '0x' || repeat('1', 40), '0x' || repeat('2', 40), 1, 0.000001, 'CONFIRMED', 'dust', now(), true, now() FROM generate_series(1, 4600) n;
             INSERT INTO ledger (kind, booked_at, network, token_address, from_address, to_address, block_number, block_hash, block_time, log_index,
                                 tx_hash, units, amount)
             SELECT k.kind, k.at + t.block_number % 7 * interval '1 min', t.network, t.token_address, t.from_address, t.to_address, t.block_number,
                    t.block_hash, t.block_time, 0, t.tx_hash, k.units, k.units / 1000000
               FROM transfers t, (VALUES ('confirm', '2024-10-02'::timestamptz, 1, 1), ('release', '2024-10-05', -1, 2), ('refund', '2024-11-05', -1, 3)) k (kind, at, units, which)
              WHERE k.which = 1 OR k.which = 2 AND t.block_number <= 2300 OR k.which = 3 AND t.block_number > 4000",
        )
        .await
        .unwrap();
    let ids = |lines: &[serde_json::Value]| {
        lines.iter().map(|line| line["block_number"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    let mut expected: Vec<i64> = (2301..=4600).collect();
    expected.sort_by_key(|number| (number % 7, *number));
    assert_eq!(ids(&books.report("unmatched", "2024-11", "2024-12", &[])), expected);
    expected.retain(|number| *number <= 4000);
    assert_eq!(ids(&books.report("unmatched", "2024-12", "2025-01", &[])), expected);
    let all = ids(&books.report("unmatched", "2024-10", "2024-11", &[]));
    assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), 4600);
    assert_eq!(all.len(), 4600);
    assert_eq!(
        books.report("unmatched", "2024-12", "2025-01", &["--network", "polygon"]),
        Vec::<serde_json::Value>::new()
    );
}

#[tokio::test]
async fn the_role_for_reports_is_enough_for_all_of_them() {
    let mut books = Books::of(4, 30).await;
    books
        .sql
        .execute(
            "DO $$ BEGIN CREATE ROLE dw_test_finance LOGIN PASSWORD 'finance'; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
             GRANT deposit_watcher_report TO dw_test_finance",
        )
        .await
        .unwrap();
    let mut url: url::Url = books.database.url().parse().unwrap();
    url.set_username("dw_test_finance").unwrap();
    url.set_password(Some("finance")).unwrap();
    let program = Program::at(url.as_str());
    for report in ["ledger", "deposits", "daily", "sessions", "unmatched"] {
        let line = ["report", report, "--from", "2024-09", "--to", "2024-12", "--network", "polygon"];
        assert!(program.ok(&line).lines().count() > 1, "{report}");
    }
    let filtered = ["--network", "anvl", "--business", "shop", "--session", "dep_0001"];
    assert!(
        program
            .run(&[&["report", "ledger"], &NOVEMBER[..], &filtered].concat())
            .reason(2)
            .contains("did you mean anvil?")
    );
    books.sql.close().await.unwrap();
}
