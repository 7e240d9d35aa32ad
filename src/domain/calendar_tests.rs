//! What a day is where clocks jump, and that days and periods leave no moment out.

use proptest::prelude::*;

use super::*;

fn zone(name: &str) -> Zone {
    Zone::parse(name).unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

#[test]
fn a_day_begins_where_clocks_jump() {
    for (name, date, start) in [
        ("UTC", "2026-11-03", "2026-11-03T00:00:00Z"),
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00Z"),
        ("Europe/Berlin", "2026-10-26", "2026-10-25T23:00:00Z"),
        ("Asia/Kathmandu", "2026-11-03", "2026-11-02T18:15:00Z"),
        // Clocks went from 00:00 to 01:00.
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z"),
        ("Africa/Cairo", "2024-04-26", "2024-04-25T22:00:00Z"),
        // From 01:00 back to 00:00: there are two midnights.
        ("America/Havana", "2026-11-01", "2026-11-01T04:00:00Z"),
        ("America/Havana", "2026-11-02", "2026-11-02T05:00:00Z"),
        // From 00:01 back to 23:01 of the day before.
        ("America/St_Johns", "2010-11-07", "2010-11-07T02:30:00Z"),
        // The day that Samoa left out when it crossed the date line, and the next.
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"),
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z"),
    ] {
        assert_eq!(zone(name).start_of(day(date)), time(start), "{date} in {name}");
    }
}

#[test]
fn days_have_23_24_and_25_hours() {
    let hours = |name: &str, from: &str, to: &str| {
        let zone = zone(name);
        let period = Period::between(zone, zone.moment(from).unwrap(), zone.moment(to).unwrap()).unwrap();
        let starts: Vec<Time> = period.days().into_iter().map(|(_, start)| start).chain([period.to]).collect();
        starts.windows(2).map(|pair| (pair[1] - pair[0]).num_hours()).collect::<Vec<_>>()
    };
    assert_eq!(hours("Europe/Berlin", "2026-10-24", "2026-10-27"), [24, 25, 24]);
    assert_eq!(hours("Europe/Berlin", "2026-03-28", "2026-03-31"), [24, 23, 24]);
    assert_eq!(hours("America/Sao_Paulo", "2018-11-03", "2018-11-06"), [24, 23, 24]);
    assert_eq!(hours("Pacific/Apia", "2011-12-29", "2012-01-01"), [24, 24]);
    assert_eq!(hours("UTC", "2026-10", "2026-11").len(), 31);
    assert_eq!(hours("Europe/Berlin", "2026-10-25T10:00:00Z", "2026-10-25T12:00:00Z"), [2]);
}

#[test]
fn moments_are_read_as_people_and_programs_write_them() {
    let berlin = zone("Europe/Berlin");
    for (text, expected) in [
        ("2026-11", "2026-10-31T23:00:00Z"),
        ("2026-07-01", "2026-06-30T22:00:00Z"),
        ("2026-11-03T12:00:00+01:00", "2026-11-03T11:00:00Z"),
        ("2026-11-03T12:00:00.123456789Z", "2026-11-03T12:00:00.123456Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999Z"),
    ] {
        assert_eq!(berlin.moment(text), Ok(time(expected)), "{text}");
    }
    for text in [
        "",
        "2026",
        "2026-13",
        "2026-02-30",
        "26-11-03",
        "2026-11-3",
        "2026-11-03T12:00:00",
        "now",
        "+026-11-3",
        "２０２６-11",
    ] {
        assert_eq!(berlin.moment(text), Err(PeriodError::Malformed), "{text}");
    }
    assert_eq!(berlin.moment("1969-12-31"), Err(PeriodError::Far));
    assert_eq!(berlin.moment("2100-01"), Err(PeriodError::Far));
    let one = berlin.moment("2026-11").unwrap();
    assert_eq!(Period::between(berlin, one, one), Err(PeriodError::Empty));
}

#[test]
fn names_are_exact_and_there_are_many() {
    for name in ["UTC", "Europe/Paris", "America/Argentina/Buenos_Aires", "Asia/Calcutta", "US/Eastern", "Etc/GMT+5"] {
        assert_eq!(zone(name).name(), name);
    }
    assert!(Zone::parse("europe/paris").is_none() && Zone::parse("Paris").is_none() && Zone::parse("").is_none());
    assert!(Zone::names().count() > 500);
    assert_eq!(zone("Europe/Paris").shown(time("2026-07-01T00:00:00Z")), "2026-07-01T02:00:00+02:00");
}

/// In every zone, around every midnight of some years: a day begins at the first moment that is not the day before.
#[test]
fn days_follow_each_other_in_every_zone() {
    for name in Zone::names() {
        let zone = zone(name);
        for first in ["2011-12-28", "2018-11-02", "2024-04-24", "2026-03-27", "2026-10-23"] {
            for date in day(first).iter_days().take(5) {
                let (start, next) = (zone.start_of(date), zone.start_of(date + Days::new(1)));
                assert!(start <= next, "{date} in {name}");
                let hours = (next - start).num_hours();
                assert!(hours == 0 || (20..=28).contains(&hours), "{date} in {name} has {hours} hours");
                if hours > 0 {
                    assert_eq!(zone.day_of(start), date, "{name}");
                    assert_eq!(zone.day_of(next - chrono::Duration::microseconds(1)), date, "{name}");
                }
            }
        }
    }
}

fn any_zone() -> impl Strategy<Value = Zone> {
    (0..TZ_VARIANTS.len()).prop_map(|index| Zone(TZ_VARIANTS[index]))
}

proptest! {
    /// Every moment of a period belongs to just one of its days, and it is the day of that moment.
    #[test]
    fn days_cut_a_period_without_gap(zone in any_zone(), from in 0i64..3_900_000_000, length in 1i64..4_000_000, at in 0.0f64..1.0) {
        let moment = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let period = Period::between(zone, moment(from), moment(from.saturating_add(length))).unwrap();
        let days = period.days();
        prop_assert_eq!(days[0].1, period.from);
        prop_assert!(days.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1));
        prop_assert!(days.iter().all(|(_, start)| *start < period.to));
        #[allow(clippy::as_conversions, clippy::cast_possible_truncation)]
        let inside = moment(from.saturating_add((length as f64 * at) as i64));
        let found = days.iter().rev().find(|(_, start)| *start <= inside).unwrap();
        prop_assert_eq!(found.0, zone.day_of(inside));
    }
}
