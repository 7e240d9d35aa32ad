//! Single values: what a source wrote, and how numbers and durations are read from it. Not for where a value stands:
//! that is [`super::section`].

use std::ops::RangeInclusive;
use std::time::Duration;

use config::{Value, ValueKind};

use super::problems::shown;

/// A value as written.
pub(super) struct Given(pub(super) ValueKind);

impl Given {
    /// The value as text: the environment knows nothing else, so a file may quote whatever it likes.
    pub(super) fn text(&self) -> Result<String, String> {
        match &self.0 {
            ValueKind::String(text) => Ok(text.clone()),
            ValueKind::I64(number) => Ok(number.to_string()),
            ValueKind::Boolean(truth) => Ok(truth.to_string()),
            ValueKind::Float(_) => Err("is a float, which is not exact; write it in quotes".to_owned()),
            ValueKind::Table(_) => Err("is a section; write a single value".to_owned()),
            ValueKind::Array(_) => Err("is a list; write a single value".to_owned()),
            ValueKind::Nil | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => {
                Err("is no value that can be read; write text, a whole number, true or false".to_owned())
            }
        }
    }

    /// The texts of a list; in the environment, of a text with commas.
    pub(super) fn list(&self) -> Result<Vec<String>, String> {
        let part = |value: &Value| Given(value.kind.clone()).text();
        if let ValueKind::Array(values) = &self.0 {
            return values.iter().map(part).collect();
        }
        let text = self.text()?;
        Ok(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect())
    }
}

/// Reads a whole number within `range`.
pub(super) fn whole(text: &str, range: &RangeInclusive<u64>) -> Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number.filter(|number| range.contains(number)).ok_or_else(|| {
        format!("{} is no whole number from {} to {}; write one", shown(text), range.start(), range.end())
    })
}

/// Reads a duration from `least` to `most`.
pub(super) fn duration(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let cure = "write a number with its unit, such as \"30m\" or \"0s\"";
    let read = humantime::parse_duration(text).map_err(|_| format!("{} is no duration; {cure}", shown(text)))?;
    if (least..=most).contains(&read) {
        return Ok(read);
    }
    let [least, most] = [least, most].map(as_written);
    Err(format!("{} is not from {least} to {most}; write a duration within", shown(text)))
}

/// A duration as one would write it: `humantime` itself calls 365 days 11 months and a rest.
pub(super) fn as_written(duration: Duration) -> String {
    const DAY: u64 = 86_400;
    match duration.as_secs().checked_div(DAY) {
        Some(days) if days > 0 && days.saturating_mul(DAY) == duration.as_secs() => format!("{days}d"),
        _ => humantime::format_duration(duration).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn durations_carry_a_unit_and_zero_needs_none() {
        for (text, seconds) in [("30m", 1_800), ("0s", 0), ("0", 0), ("1h 30m", 5_400), ("1d", 86_400)] {
            assert_eq!(duration(text, Duration::ZERO, DAY), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "30", "-1s", "1.5", "s", "2d", "1000000000000000000000d", "30 minuten"] {
            assert!(duration(text, Duration::ZERO, DAY).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_read_as_one_would_write_them() {
        for (seconds, text) in [(0, "0s"), (86_400, "1d"), (31_536_000, "365d"), (5_400, "1h 30m")] {
            assert_eq!(as_written(Duration::from_secs(seconds)), text);
        }
    }

    proptest! {
        #[test]
        fn whole_numbers_are_read_exactly_or_refused(number: u64, low in 0u64..1_000, high: u64) {
            let read = whole(&number.to_string(), &(low..=high));
            prop_assert_eq!(read.ok(), Some(number).filter(|number| (low..=high).contains(number)));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = (whole(&text, &(0..=u64::MAX)), duration(&text, Duration::ZERO, DAY));
        }
    }
}
