//! `status --watch`: the same lines again and again, drawn in their place on a terminal, one screen below the other where
//! nobody watches. A database that is away is told and waited for. Not for what the lines say.

use std::io::{self, IsTerminal};
use std::time::Duration;

use chrono::Utc;
use terminal_size::{Height, Width, terminal_size};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};

use super::{screen, trouble};
use crate::cli::connect;
use crate::cli::exit::Failure;
use crate::cli::output;
use crate::settings::Settings;
use crate::store::Store;

/// What one look may take: who watches wants to hear that there is no answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// To the upper left corner.
const HOME: &str = "\u{1b}[H";
/// What a line leaves of the one before it.
const REST_OF_LINE: &str = "\u{1b}[K";
/// What a screen leaves of the one before it.
const REST_OF_SCREEN: &str = "\u{1b}[J";

/// Until Ctrl-C, or until whoever reads it goes away.
pub(super) async fn run(settings: &Settings, interval: Duration) -> Result<(), Failure> {
    // From before the first screen: whoever reads one may end it, also while the next is looked up.
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        ended = refresh(settings, interval) => ended,
        _ = interrupt.recv() => Ok(()),
    }
}

/// Until whoever reads it goes away.
async fn refresh(settings: &Settings, interval: Duration) -> Result<(), Failure> {
    let store = connect::ready(&settings.database).await?;
    let mut last = String::new();
    loop {
        let (lines, why) = match look(settings, &store).await {
            Ok(lines) => (lines, None),
            Err(why) => (last, Some(why)),
        };
        output::print(&frame(&page(settings, interval, &lines, why.as_deref())))?;
        last = lines;
        sleep(interval).await;
    }
}

async fn look(settings: &Settings, store: &Store) -> Result<String, String> {
    let asked = timeout(PATIENCE, super::lines(settings, store)).await;
    let lines = asked.map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))?;
    let lines = lines.map_err(|error| error.to_string())?;
    Ok(screen(&lines).map_err(|failure| failure.reason)? + &trouble(&lines))
}

/// When it was looked at and where, the lines as they were seen last, and why they are not newer.
fn page(settings: &Settings, interval: Duration, lines: &str, why: Option<&str>) -> String {
    let (now, address) = (Utc::now().format("%F %T"), connect::address(&settings.database));
    let every = humantime::format_duration(interval);
    let away = why.map(|why| format!("the database gives no answer: {why}; above is what it said last\n"));
    format!("{now} UTC, {address}, every {every}\n\n{lines}{}", away.unwrap_or_default().replace(char::is_control, " "))
        .trim_end()
        .to_owned()
        + "\n"
}

/// As it is written: over the last one and no larger than the terminal, or below it with a line between.
fn frame(page: &str) -> String {
    match (io::stdout().is_terminal(), terminal_size()) {
        (true, Some((Width(width), Height(height)))) => drawn(page, usize::from(width), usize::from(height)),
        (true, None) => drawn(page, usize::MAX, usize::MAX),
        (false, _) => format!("{page}\n"),
    }
}

/// Lines that are too long would break and scroll the rest away, and so would lines that are too many.
fn drawn(page: &str, width: usize, height: usize) -> String {
    let all = page.lines().count();
    let room = height.saturating_sub(1).max(1);
    let shown = if all > room { room.saturating_sub(1) } else { all };
    let cut = |line: &str| line.chars().take(width).collect::<String>() + REST_OF_LINE + "\n";
    let mut text: String = page.lines().take(shown).map(cut).collect();
    if all > shown {
        text += &cut(&format!("… and {} more lines; make the window higher", all.saturating_sub(shown)));
    }
    format!("{HOME}{text}{REST_OF_SCREEN}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_drawn_over_the_last_one_and_never_larger_than_the_window() {
        assert_eq!(drawn("ab\nc\n", 80, 24), "\u{1b}[Hab\u{1b}[K\nc\u{1b}[K\n\u{1b}[J");
        assert_eq!(drawn("abc\n", 2, 24), "\u{1b}[Hab\u{1b}[K\n\u{1b}[J");
        let high = drawn("1\n2\n3\n4\n5\n", 80, 5);
        assert_eq!(high.lines().count(), 5, "{high:?}");
        assert!(high.contains("2") && !high.contains("4\u{1b}") && high.contains("… and 2 more lines"), "{high:?}");
        // What fits with the line of the cursor below it is not cut.
        assert!(!drawn("1\n2\n3\n4\n", 80, 5).contains('…'));
    }
}
