//! The terminal: a table that is drawn again in its place, or a line for every change where nobody watches. Not for what
//! is in it: see [`super::scene`].

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use terminal_size::{Height, Width, terminal_size};

use super::scene::{Row, Scene};
use crate::domain::SessionStatus;

/// A table narrower than this is no table.
const LEAST_WIDTH: u16 = 60;
/// The table's head, how the chain stands, and the line where the cursor waits.
const BESIDES_ROWS: usize = 3;
/// Of what happened, so much stays in sight.
const NEWS: usize = 3;
/// Nobody's terminal: long lines are not cut.
const ENDLESS: usize = 10_000;
const NO_COLOUR: &str = "";
/// Widths of columns, and what is between two.
const KIND: usize = 20;
const ADDRESS: usize = 11;
const GAP: usize = 2;
/// Narrower than this, a line would lose its note to the address.
const WITH_ADDRESSES: usize = 95;

/// Where it is shown.
#[derive(Debug)]
pub(super) struct Screen {
    begun: Instant,
    terminal: bool,
    live: bool,
    coloured: bool,
    /// Lines of the table as it stands above the cursor.
    drawn: usize,
    /// What was told last of each session.
    told: Vec<String>,
    /// What happened last, and when.
    news: VecDeque<String>,
}

/// A cell, its width, and the escape sequence of its colour.
type Cell = (String, usize, &'static str);

impl Screen {
    /// stdout; a table where that is a terminal with room for `rows`.
    pub(super) fn new(rows: usize) -> Screen {
        let terminal = io::stdout().is_terminal();
        let wanted = rows.saturating_add(BESIDES_ROWS).saturating_add(NEWS);
        let room = |(Width(width), Height(height))| width >= LEAST_WIDTH && usize::from(height) >= wanted;
        let live = terminal && terminal_size().is_some_and(room);
        let coloured = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Screen { begun: Instant::now(), terminal, live, coloured, drawn: 0, told: Vec::new(), news: VecDeque::new() }
    }

    /// True at a terminal.
    pub(super) fn is_watched(&self) -> bool {
        self.terminal
    }

    /// True where somebody watches a table.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    /// A line that stays, below everything.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        self.drawn = 0;
        put(&format!("{text}\n"))
    }

    /// What happened; part of the table where there is one.
    pub(super) fn tell(&mut self, news: String) -> io::Result<()> {
        let news = format!("{}  {news}", self.clock());
        self.news.truncate(NEWS.saturating_sub(1));
        self.news.push_front(news.clone());
        if self.live { Ok(()) } else { put(&format!("{news}\n")) }
    }

    /// How things stand now.
    pub(super) fn show(&mut self, scene: &Scene) -> io::Result<()> {
        if self.live { self.draw(scene) } else { self.list(scene) }
    }

    /// The table as it stands at the end, with what was expected of each session that is not as it must be.
    pub(super) fn judge(&mut self, scene: &Scene) -> io::Result<()> {
        let mut lines = vec![self.line(&head())];
        for row in &scene.rows {
            lines.push(self.line(&self.cells(row, if row.ended() { "✓" } else { "✗" })));
            if !row.ended() {
                lines.push(format!("   expected {}", expected(row)));
                lines.push(format!("   found    {}", found(row)));
            }
        }
        if !self.live {
            lines.insert(0, String::new());
        }
        self.replace(&lines)?;
        self.drawn = 0;
        Ok(())
    }

    fn draw(&mut self, scene: &Scene) -> io::Result<()> {
        let mut lines = vec![self.line(&head())];
        lines.extend(scene.rows.iter().map(|row| self.line(&self.cells(row, if row.ended() { "✓" } else { " " }))));
        lines.push(self.cut(&format!("{}  {}", self.clock(), standing(scene))));
        lines.extend(self.news.iter().rev().map(|news| self.cut(news)));
        self.replace(&lines)
    }

    fn list(&mut self, scene: &Scene) -> io::Result<()> {
        for row in &scene.rows {
            let Row { status, received, .. } = row;
            let words = [format!("{status:<9} received {received}"), row.note()];
            let words = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ");
            let line = format!("{:<20}  {:<8}  {words}", row.role.part().kind, row.asked());
            if !self.told.contains(&line) {
                self.told.retain(|told| !told.starts_with(row.role.part().kind));
                put(&format!("{}    {line}\n", self.clock()))?;
                self.told.push(line);
            }
        }
        Ok(())
    }

    /// Draws over what was drawn before, in one write.
    fn replace(&mut self, lines: &[String]) -> io::Result<()> {
        let up = if self.drawn > 0 { format!("\x1b[{}A", self.drawn) } else { String::new() };
        let (begin, end) = if self.live { ("\r", "\x1b[K\n") } else { ("", "\n") };
        let body: String = lines.iter().map(|line| format!("{begin}{line}{end}")).collect();
        let below = if self.live { "\x1b[J" } else { "" };
        self.drawn = lines.len();
        put(&format!("{up}{body}{below}"))
    }

    fn cells(&self, row: &Row, mark: &str) -> Vec<Cell> {
        let address = format!("{:#x}", row.role.address());
        let (start, end) = (address.get(..6).unwrap_or_default(), address.get(38..).unwrap_or_default());
        vec![
            (mark.to_owned(), 1, if mark == "✗" { "31" } else { "32" }),
            (row.role.part().kind.to_owned(), KIND, NO_COLOUR),
            (row.asked(), 8, NO_COLOUR),
            (format!("{start}…{end}"), ADDRESS, "2"),
            (row.status.clone(), 9, colour(&row.status)),
            (row.received.clone(), 8, NO_COLOUR),
            (row.depth(), 5, NO_COLOUR),
            (row.note(), 0, "2"),
        ]
    }

    /// Cells beside each other, cut at the terminal's edge; a narrow one has no room for addresses.
    fn line(&self, cells: &[Cell]) -> String {
        let mut left = self.width();
        let narrow = left < WITH_ADDRESSES;
        let mut line = String::new();
        for (text, width, colour) in cells.iter().filter(|(_, width, _)| !narrow || *width != ADDRESS) {
            let text: String = text.chars().take(left).collect();
            let used = text.chars().count();
            let pad = width.saturating_add(GAP).saturating_sub(used).min(left.saturating_sub(used));
            left = left.saturating_sub(used).saturating_sub(pad);
            let paint = self.coloured && !colour.is_empty() && !text.is_empty();
            line.push_str(&if paint { format!("\x1b[{colour}m{text}\x1b[0m") } else { text });
            line.push_str(&" ".repeat(pad));
        }
        line.trim_end().to_owned()
    }

    fn cut(&self, text: &str) -> String {
        text.chars().take(self.width()).collect()
    }

    fn width(&self) -> usize {
        let size = if self.live { terminal_size() } else { None };
        size.map_or(ENDLESS, |(Width(width), _)| usize::from(width.saturating_sub(1)))
    }

    fn clock(&self) -> String {
        let spent = self.begun.elapsed();
        format!("{:>3}.{} s", spent.as_secs(), spent.subsec_millis().checked_div(100).unwrap_or_default())
    }
}

fn head() -> Vec<Cell> {
    let names = [("", 1), ("session", KIND), ("amount", 8), ("address", ADDRESS), ("status", 9), ("received", 8)];
    let names = names.into_iter().chain([("depth", 5), ("", 0)]);
    names.map(|(name, width)| (name.to_owned(), width, "1")).collect()
}

fn standing(scene: &Scene) -> String {
    let block = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let halted = scene.halted.as_ref().map(|why| format!(" · HALTED: {why}")).unwrap_or_default();
    let (scanned, confirmed) = (block(scene.scanned), block(scene.confirmed));
    format!("head {} · scanned {scanned} · looked at twice {confirmed}{halted}", scene.head)
}

fn colour(status: &str) -> &'static str {
    match SessionStatus::parse(status) {
        Some(SessionStatus::Confirmed) => "32",
        Some(SessionStatus::Pending) => "33",
        Some(SessionStatus::Underpaid | SessionStatus::Overpaid) => "35",
        Some(SessionStatus::Expired) => "31",
        Some(SessionStatus::Created) | None => NO_COLOUR,
    }
}

fn expected(row: &Row) -> String {
    let end = row.role.part().end;
    let unmatched = end.unmatched.unwrap_or("nothing");
    tally(end.status.as_str(), end.received, end.transfers, end.orphaned, unmatched)
}

fn found(row: &Row) -> String {
    let unmatched = row.unmatched.as_deref().unwrap_or("nothing");
    let waits = if row.closed { "" } else { ", still open" };
    tally(&row.status, &row.received, row.transfers, row.orphaned, unmatched) + waits
}

fn tally(status: &str, received: &str, transfers: usize, orphaned: usize, unmatched: &str) -> String {
    format!("{status}, received {received} by {transfers} transfers, {orphaned} left the chain, unmatched: {unmatched}")
}

fn put(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
