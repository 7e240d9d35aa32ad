//! A closed month renders to the same bytes whatever happens afterwards; what happens afterwards stands in its own month.

use sqlx::Executor;

use super::books::Books;

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
