//! Days are those of the zone, whatever their length, and a moment on a boundary belongs to the day that begins there.

use super::books::Books;

async fn on_the_long_day() -> Books {
    let mut books = Books::empty().await;
    for (number, at) in [
        "2024-10-26T21:59:59.999999Z",
        "2024-10-26T22:00:00Z",
        "2024-10-27T00:30:00Z",
        "2024-10-27T01:30:00Z",
        "2024-10-27T22:59:59.999999Z",
        "2024-10-27T23:00:00Z",
    ]
    .into_iter()
    .enumerate()
    {
        let number = u64::try_from(number).unwrap();
        let units = 10u64.pow(u32::try_from(number).unwrap()).to_string();
        books.transfer(number, 0, &units).await;
        books
            .book(number, "confirm", at.parse().unwrap(), Some("dep_0001"), &units, &super::books::whole(&units, 6))
            .await;
    }
    books
}

#[tokio::test]
async fn a_day_of_25_hours_holds_all_of_them() {
    let books = on_the_long_day().await;
    let berlin = ["--tz", "Europe/Berlin"];
    let days = |from: &str, to: &str, zone: &[&str]| {
        let lines = books.report("daily", from, to, zone);
        let text = |line: &serde_json::Value, name: &str| line[name].as_str().unwrap().to_owned();
        lines
            .iter()
            .map(|line| [text(line, "day"), text(line, "begins_at"), text(line, "net_units")].join(" "))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        days("2024-10", "2024-11", &berlin),
        [
            "2024-10-26 2024-10-25T22:00:00.000000Z 1",
            "2024-10-27 2024-10-26T22:00:00.000000Z 11110",
            "2024-10-28 2024-10-27T23:00:00.000000Z 100000",
        ]
    );
    assert_eq!(days("2024-10-27", "2024-10-28", &berlin), ["2024-10-27 2024-10-26T22:00:00.000000Z 11110"]);
    assert_eq!(
        days("2024-10", "2024-11", &[]),
        ["2024-10-26 2024-10-26T00:00:00.000000Z 11", "2024-10-27 2024-10-27T00:00:00.000000Z 111100"]
    );
    // A period that begins within a day shows the part of it.
    assert_eq!(
        days("2024-10-27T02:00:00+01:00", "2024-10-28", &berlin),
        ["2024-10-27 2024-10-27T01:00:00.000000Z 11000"]
    );
    let ledger = books.report("ledger", "2024-10-27", "2024-10-28", &berlin);
    assert!(ledger.len() == 4 && ledger.iter().all(|line| line["day"] == "2024-10-27"), "{ledger:?}");
}

#[tokio::test]
async fn many_days_are_asked_for_in_pieces_and_none_is_lost() {
    let books = Books::of(9, 100).await;
    let whole = books.report("daily", "1970-01", "2099-12", &[]);
    let short = books.report("daily", "2024-09", "2024-12", &[]);
    let days: std::collections::BTreeSet<String> = whole.iter().map(|line| line["day"].to_string()).collect();
    assert!(days.len() > 45, "{}", days.len());
    assert_eq!(whole, short);
}
