//! Days and periods in a named time zone: when a day begins where clocks go forward or back at midnight, and which day a
//! moment belongs to. The rules of all zones are built in, so that no machine's own tables change a report. Not for what
//! happened in a period.

use chrono::{
    DateTime, Datelike, Days, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, SubsecRound, TimeZone,
    Timelike,
};
use chrono_tz::{IANA_TZDB_VERSION, TZ_VARIANTS, Tz};

use super::Time;

/// Years that a period may lie in: before them nothing was on a chain, after them the rules of the zones are unknown.
const YEARS: std::ops::RangeInclusive<i32> = 1970..=2099;

/// A time zone of the IANA database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(Tz);

/// A half-open stretch of time: from its first moment on, up to and without its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Whose days it has.
    pub zone: Zone,
    /// Its first moment.
    pub from: Time,
    /// The first moment that it does not hold.
    pub to: Time,
}

/// Why a text is no moment, or two are no period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// None of the forms that are read.
    #[error("is no month (2026-11), day (2026-11-03) or moment with its offset (2026-11-03T12:00:00+01:00)")]
    Malformed,
    /// Outside of [`YEARS`].
    #[error("lies outside of the years 1970 to 2099")]
    Far,
    /// It would hold nothing.
    #[error("is not before the end: a period holds its first moment and not its last")]
    Empty,
}

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Zone = Zone(Tz::UTC);
    /// The edition of the database that is built in.
    pub const EDITION: &'static str = IANA_TZDB_VERSION;

    /// The zone of exactly this name.
    pub fn parse(name: &str) -> Option<Zone> {
        TZ_VARIANTS.iter().find(|zone| zone.name() == name).copied().map(Zone)
    }

    /// The names of all zones, old ones included.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TZ_VARIANTS.iter().map(|zone| zone.name())
    }

    /// Its own name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The first moment of a day: midnight; the earlier one where there are two; the end of the gap where there is none.
    pub fn start_of(self, day: NaiveDate) -> Time {
        let midnight = day.and_time(NaiveTime::MIN);
        match self.0.from_local_datetime(&midnight) {
            LocalResult::Single(start) => start.to_utc(),
            LocalResult::Ambiguous(one, other) => one.to_utc().min(other.to_utc()),
            LocalResult::None => self.after_gap(midnight),
        }
    }

    /// The day whose first moment is the last one not after `time`.
    pub fn day_of(self, time: Time) -> NaiveDate {
        let shown = time.with_timezone(&self.0).date_naive();
        let next = shown.checked_add_days(Days::new(1)).filter(|day| self.start_of(*day) <= time);
        let same = Some(shown).filter(|day| self.start_of(*day) <= time);
        next.or(same).or_else(|| shown.checked_sub_days(Days::new(1))).unwrap_or(shown)
    }

    /// As clocks there show it, with their offset.
    pub fn shown(self, time: Time) -> String {
        time.with_timezone(&self.0).to_rfc3339_opts(SecondsFormat::AutoSi, false)
    }

    /// Reads the beginning of a month or a day here, or a moment that says its own offset.
    pub fn moment(self, text: &str) -> Result<Time, PeriodError> {
        let day = match text.len() {
            7 => NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").ok(),
            10 => NaiveDate::parse_from_str(text, "%Y-%m-%d").ok(),
            _ => None,
        };
        let moment = match day.filter(|_| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')) {
            Some(day) => self.start_of(day),
            None => DateTime::parse_from_rfc3339(text).map_err(|_| PeriodError::Malformed)?.to_utc(),
        };
        // PostgreSQL keeps microseconds and no leap seconds.
        let kept = moment.with_nanosecond(moment.nanosecond().min(999_999_999)).unwrap_or(moment).trunc_subsecs(6);
        let within = YEARS.contains(&self.day_of(kept).year());
        if within { Ok(kept) } else { Err(PeriodError::Far) }
    }

    /// The first moment at which clocks show `local` or later, where they jump over it: within a second, by bisection.
    fn after_gap(self, local: NaiveDateTime) -> Time {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap_or(local.and_utc());
        let about = local.and_utc().timestamp();
        // No clock is further than 14 hours from UTC, and none jumps twice within these.
        let (mut before, mut after) = (about.saturating_sub(26 * 3_600), about.saturating_add(26 * 3_600));
        while after.saturating_sub(before) > 1 {
            let middle = before.midpoint(after);
            match at(middle).with_timezone(&self.0).naive_local() < local {
                true => before = middle,
                false => after = middle,
            }
        }
        at(after)
    }
}

impl Period {
    /// From the moment that the first text names up to the one that the second names.
    pub fn between(zone: Zone, from: Time, to: Time) -> Result<Period, PeriodError> {
        if from < to { Ok(Period { zone, from, to }) } else { Err(PeriodError::Empty) }
    }

    /// Its days with the first moment of each that lies in it, in order. Days that the zone skipped are not among them.
    pub fn days(&self) -> Vec<(NaiveDate, Time)> {
        let mut days = vec![(self.zone.day_of(self.from), self.from)];
        while let Some((day, start)) = days.last().copied() {
            let Some(next) = day.checked_add_days(Days::new(1)) else { break };
            let begins = self.zone.start_of(next);
            if begins >= self.to {
                break;
            }
            if begins <= start {
                days.pop();
            }
            days.push((next, begins));
        }
        days
    }
}

#[cfg(test)]
#[path = "calendar_tests.rs"]
mod tests;
