//! Reports add up: over any cut of the period, in any zone, to what SQL says of the ledger, and to each other.

use std::collections::BTreeMap;

use deposit_watcher::domain::{Balance, Zone};
use serde_json::Value;

use super::books::{Books, Dice};

/// The amounts of each report that add up over a cut.
const REPORTS: [(&str, &[&str]); 5] = [
    ("ledger", &["amount"]),
    ("deposits", &["amount"]),
    ("daily", &["credited", "taken_back", "unmatched", "refunded", "net"]),
    ("sessions", &["confirmed_in_period"]),
    ("unmatched", &["unmatched_in_period"]),
];

/// By network, token and amount; what is nothing is left out.
type Sums = BTreeMap<(String, String, &'static str), String>;

fn add(sum: &str, more: &str) -> String {
    Balance::parse(sum).unwrap().checked_add(Balance::parse(more).unwrap()).unwrap().to_string()
}

fn sums(lines: &[Value], names: &[&'static str]) -> Sums {
    let mut sums = Sums::new();
    for line in lines {
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        for name in names {
            let sum = sums.entry((text("network"), text("token_address"), *name)).or_insert_with(|| "0".to_owned());
            *sum = add(sum, line[format!("{name}_units")].as_str().unwrap());
        }
    }
    nothing_left_out(sums)
}

fn nothing_left_out(mut sums: Sums) -> Sums {
    sums.retain(|_, sum| sum != "0");
    sums
}

fn together(one: &Sums, other: &Sums) -> Sums {
    let mut both = one.clone();
    for (key, sum) in other {
        let first = both.entry(key.clone()).or_insert_with(|| "0".to_owned());
        *first = add(first, sum);
    }
    nothing_left_out(both)
}

/// The same under one name, whatever they were called.
fn renamed(sums: &Sums, name: &'static str) -> Sums {
    let each = sums.iter().map(|((network, token, old), sum)| ((network.clone(), token.clone(), *old), sum.clone()));
    each.map(|((network, token, _), sum)| Sums::from([((network, token, name), sum)]))
        .fold(Sums::new(), |all, one| together(&all, &one))
}

/// Base units by SQL, of which lines this says.
async fn by_sql(books: &mut Books, from: &str, to: &str, which: &'static str) -> Sums {
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT network, token_address, sum(units)::text FROM ledger
          WHERE booked_at >= $1::text::timestamptz AND booked_at < $2::text::timestamptz
            AND CASE $3 WHEN 'paid' THEN session_id IS NOT NULL AND kind <> 'refund' WHEN 'unowned' THEN session_id IS NULL ELSE true END
          GROUP BY 1, 2",
    )
    .bind(from)
    .bind(to)
    .bind(which)
    .fetch_all(&mut books.sql)
    .await
    .unwrap();
    nothing_left_out(rows.into_iter().map(|(network, token, sum)| ((network, token, "sum"), sum)).collect())
}

#[tokio::test]
async fn reports_add_up_over_any_cut_and_zone_and_to_each_other() {
    let mut books = Books::of(7, 120).await;
    let mut dice = Dice(11);
    let zones: Vec<&str> = Zone::names().collect();
    let mut wrong = Vec::new();
    for _ in 0..5 {
        let mut cuts = [dice.moment(), dice.moment(), dice.moment()];
        cuts.sort();
        let [from, middle, to] = cuts.map(|cut| cut.to_rfc3339());
        if from == middle || middle == to {
            continue;
        }
        let zone = zones[usize::try_from(dice.below(zones.len().try_into().unwrap())).unwrap()];
        let mut check = |what: &str, found: Sums, expected: Sums| {
            if found != expected {
                wrong.push(format!("{what} from {from} over {middle} to {to} in {zone}: {found:?}, not {expected:?}"));
            }
        };
        let mut wholes = BTreeMap::new();
        for (report, names) in REPORTS {
            let of = |from: &str, to: &str, zone: &str| sums(&books.report(report, from, to, &["--tz", zone]), names);
            let whole = of(&from, &to, "UTC");
            check(report, together(&of(&from, &middle, zone), &of(&middle, &to, zone)), whole.clone());
            wholes.insert(report, whole);
        }
        let sum = |report: &str| renamed(&wholes[report], "sum");
        let daily = |names: &[&str]| {
            let of_these = wholes["daily"].clone().into_iter().filter(|((_, _, name), _)| names.contains(name));
            renamed(&of_these.collect(), "sum")
        };
        let (paid, unowned) =
            (by_sql(&mut books, &from, &to, "paid").await, by_sql(&mut books, &from, &to, "unowned").await);
        check("ledger and SQL", sum("ledger"), by_sql(&mut books, &from, &to, "all").await);
        check("deposits and SQL", sum("deposits"), paid.clone());
        check("sessions and SQL", sum("sessions"), paid.clone());
        check("unmatched and SQL", sum("unmatched"), unowned.clone());
        check("daily and the ledger", daily(&["net"]), sum("ledger"));
        check("daily and deposits", daily(&["credited", "taken_back"]), paid);
        check("daily and unmatched", daily(&["unmatched", "refunded"]), unowned);
        check("deposits, unmatched and the ledger", together(&sum("deposits"), &sum("unmatched")), sum("ledger"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_stands_at_the_end_is_what_the_next_period_begins_with() {
    let books = Books::of(3, 80).await;
    for (report, key, before, moved, at_end) in [
        ("sessions", &["session_id"][..], "confirmed_before", "confirmed_in_period", "confirmed_at_end"),
        (
            "unmatched",
            &["network", "block_hash", "log_index"],
            "unmatched_before",
            "unmatched_in_period",
            "unmatched_at_end",
        ),
    ] {
        let id = |line: &Value| key.iter().map(|name| line[name].to_string()).collect::<String>();
        let first = books.report(report, "2024-10", "2024-11", &[]);
        let second = books.report(report, "2024-11", "2024-12", &[]);
        assert!(first.len() > 3 && second.len() > 3, "{report}: {} {}", first.len(), second.len());
        for line in first.iter().chain(&second) {
            for unit in ["", "_units"] {
                let of = |name: &str| line[format!("{name}{unit}")].as_str().unwrap().to_owned();
                if unit == "_units" {
                    assert_eq!(add(&of(before), &of(moved)), of(at_end), "{line}");
                }
            }
        }
        // Money without an owner stands in every report until it has one.
        let open = first.iter().filter(|line| report == "unmatched" && line[format!("{at_end}_units")] != "0");
        for line in open {
            assert!(second.iter().any(|later| id(later) == id(line)), "forgotten: {line}");
        }
        let mut carried = 0;
        for line in &second {
            if let Some(earlier) = first.iter().find(|earlier| id(earlier) == id(line)) {
                assert_eq!(line[before], earlier[at_end], "{line}");
                carried += 1;
            }
        }
        assert!(carried > 0, "{report}");
    }
}

#[tokio::test]
async fn every_line_is_exact_in_tokens_and_in_base_units_and_in_the_manifest() {
    let mut books = Books::of(5, 60).await;
    let (out, manifest) = (books.program.path("ledger.json"), books.program.path("ledger.json.manifest.json"));
    let (from, to) = ("2024-09-01", "2024-12-01");
    let asked = ["report", "ledger", "--from", from, "--to", to, "--format", "json", "--out", out.to_str().unwrap()];
    assert_eq!(books.program.ok(&asked), "");
    let text = std::fs::read_to_string(&out).unwrap();
    let lines: Vec<Value> = serde_json::from_str(&text).unwrap();
    let rows: Vec<(i64, String, String)> = sqlx::query_as(
        "SELECT id, trim_scale(units * power(10::numeric, -k.decimals))::text, units::text
           FROM ledger l JOIN tokens k ON k.network = l.network AND k.address = l.token_address ORDER BY booked_at, id",
    )
    .fetch_all(&mut books.sql)
    .await
    .unwrap();
    assert!(rows.len() > 80);
    let told: Vec<(i64, String, String)> = lines
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            (line["line"].as_i64().unwrap(), text("amount"), text("amount_units"))
        })
        .collect();
    assert_eq!(told, rows);
    let manifest: Value = serde_json::from_str(&std::fs::read_to_string(manifest).unwrap()).unwrap();
    assert_eq!(manifest["lines"], rows.len());
    assert_eq!(manifest["bytes"], text.len());
    assert_eq!(manifest["sha256"], hex(&deposit_watcher::keys::digest(text.as_bytes())));
    assert_eq!((&manifest["file"], &manifest["closed"]), (&"ledger.json".into(), &true.into()));
    let by_sql: Vec<(String, String, i64, String, String)> = sqlx::query_as(
        "SELECT l.network, l.token_address, count(*), trim_scale(sum(amount))::text, sum(units)::text FROM ledger l
          GROUP BY 1, 2 ORDER BY 1, 2",
    )
    .fetch_all(&mut books.sql)
    .await
    .unwrap();
    let totals: Vec<_> = manifest["totals"].as_array().unwrap().iter().collect();
    let told: Vec<(String, String, i64, String, String)> = totals
        .iter()
        .map(|total| {
            let text = |name: &str| total[name].as_str().unwrap().to_owned();
            let lines = total["lines"].as_i64().unwrap();
            (text("network"), text("token_address"), lines, text("amount"), text("amount_units"))
        })
        .collect();
    assert_eq!(told, by_sql);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
