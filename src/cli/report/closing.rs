//! Whether a period is closed: nothing can be booked into it any more. Not for what was booked.

use std::time::{Duration, Instant};

use crate::cli::exit::Failure;
use crate::domain::{Period, Time, Zone};
use crate::store::{Store, Unfinished};

/// A booking carries the time at which its transaction began, and must have been made so long after the period's end: the
/// database ends each statement of ours after 20 s and each pause between them after 5. It does not end a COMMIT that waits
/// for its standby: that one is looked for.
const SETTLES_WITHIN: Duration = Duration::from_secs(600);
/// Another role's transactions may hide when they began. Most end within milliseconds: so long they are waited for.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
/// How often is looked meanwhile.
const EVERY: Duration = Duration::from_millis(100);

/// Why it is not closed, if it is not. Asked before what is reported is read.
pub(super) async fn open(store: &Store, period: &Period) -> Result<Option<String>, Failure> {
    let look = store.settling(period.to).await?;
    if let Some(why) = too_early(period.zone, period.to, look.now)? {
        return Ok(Some(why));
    }
    let (mut left, begun) = (look.unfinished, Instant::now());
    while !left.is_empty() && left.iter().all(|one| one.began_at.is_none()) && begun.elapsed() < ENDS_WITHIN {
        tokio::time::sleep(EVERY).await;
        let still = store.settling(period.to).await?.unfinished;
        left.retain(|one| still.contains(one));
    }
    Ok(left.first().map(|one| unfinished(period.zone, period.to, one)))
}

fn too_early(zone: Zone, to: Time, now: Time) -> Result<Option<String>, Failure> {
    let settled = chrono::TimeDelta::from_std(SETTLES_WITHIN).map_err(Failure::failed)?;
    let over = to.checked_add_signed(settled).is_some_and(|settled| settled <= now);
    let why = || format!("the period ends at {} and is not closed until 10 minutes later", zone.shown(to));
    Ok((!over).then(why))
}

fn unfinished(zone: Zone, to: Time, one: &Unfinished) -> String {
    let began = one
        .began_at
        .map_or_else(|| "which may have begun before".to_owned(), |began| format!("begun at {}", zone.shown(began)));
    let (to, name) = (zone.shown(to), &one.name);
    format!(
        "the period ended at {to} and is not closed: {name}, {began}, has written and not ended, and may book into it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn a_period_is_closed_ten_minutes_after_its_end() {
        let (zone, to) = (Zone::UTC, at("2026-11-01T00:00:00Z"));
        let why = |now: &str| too_early(zone, to, at(now)).unwrap();
        assert_eq!(why("2026-11-01T00:10:00Z"), None);
        let early = "the period ends at 2026-11-01T00:00:00+00:00 and is not closed until 10 minutes later";
        assert_eq!(why("2026-11-01T00:09:59.999999Z").as_deref(), Some(early));
    }

    #[test]
    fn who_may_still_book_is_named() {
        let (zone, to) = (Zone::parse("Europe/Berlin").unwrap(), at("2026-10-31T23:00:00Z"));
        let told =
            |began_at| unfinished(zone, to, &Unfinished { name: "process 7 (transaction 9)".to_owned(), began_at });
        assert_eq!(
            told(Some(at("2026-10-31T22:58:00Z"))),
            "the period ended at 2026-11-01T00:00:00+01:00 and is not closed: process 7 (transaction 9), begun at \
             2026-10-31T23:58:00+01:00, has written and not ended, and may book into it"
        );
        assert!(told(None).contains("process 7 (transaction 9), which may have begun before, has written"));
    }
}
