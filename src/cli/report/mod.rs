//! `report`: what was booked in a period, for finance. A period that is closed renders to the same bytes whenever it is
//! asked for. Not for what is so now: that is `sessions`, `transfers` and `status`.

mod closing;
mod journal;
mod lines;
mod manifest;
mod paper;
mod sheet;

use std::path::{Path, PathBuf};

use self::journal::Journal;
use self::lines::{Booked, Daily, Deposit, Statement, Unowned};
use self::paper::Paper;
use self::sheet::{Sheet, Tally};
use super::args_report::{BookFormat, Format, Report, Span, Whose};
use super::exit::{Exit, Failure};
use super::{args_report as args, connect, names};
use crate::domain::{Period, Time};
use crate::settings::Settings;
use crate::store::{LedgerLine, Reading, Scope};

/// How many lines are asked for at once.
const PAGE: i64 = 2_000;
/// How many days.
const DAYS: usize = 40;

/// A report that was asked for.
struct Order<'a> {
    kind: Kind,
    name: &'static str,
    format: &'static str,
    span: &'a Span,
    whose: Whose,
    now: bool,
    paper: &'a args::Paper,
}

/// Which one, and how it is written.
#[derive(Clone, Copy)]
enum Kind {
    Deposits(Format),
    Sessions(Format),
    Daily(Format),
    Ledger(Format),
    Journal(Journal),
    Unmatched(Format),
}

pub(super) async fn run(settings: &Settings, asked: &Report) -> Result<(), Failure> {
    let order = order(asked);
    let period = period(order.span)?;
    let manifest = order.manifest();
    for path in order.paper.out.iter().chain(&manifest) {
        paper::vacant(path, order.paper.force)?;
    }
    let store = connect::ready(&settings.database).await?;
    let matters = order.paper.closed || manifest.is_some();
    let open = if matters { closing::open(&store, &period).await? } else { None };
    if let Some(why) = open.as_ref().filter(|_| order.paper.closed) {
        return Err(Failure::new(Exit::Unavailable, format!("{why}; nothing was written")));
    }
    let mut reading = store.reading().await?;
    known(settings, &mut reading, &order.whose).await?;
    let mut paper = Paper::open(order.paper.out.as_deref())?;
    let tally = write(&order, &period, &mut reading, &mut paper).await?;
    reading.end().await?;
    let written = paper.end()?;
    if let Some(path) = &manifest {
        let told = manifest::text(order.asked(&period, open.is_none()), &written, &tally)?;
        let mut beside = Paper::open(Some(path))?;
        beside.write(&told)?;
        let beside = beside.end()?;
        written.place(order.paper.force)?;
        return beside.place(order.paper.force);
    }
    written.place(order.paper.force)
}

impl Order<'_> {
    /// Where the manifest goes.
    fn manifest(&self) -> Option<PathBuf> {
        let beside = |out: &PathBuf| {
            let mut name = out.clone().into_os_string();
            name.push(".manifest.json");
            PathBuf::from(name)
        };
        self.paper.manifest.clone().or_else(|| self.paper.out.as_ref().map(beside))
    }

    fn asked<'p>(&'p self, period: &'p Period, closed: bool) -> manifest::Asked<'p> {
        let name = self.paper.out.as_deref().and_then(Path::file_name);
        manifest::Asked {
            report: self.name,
            format: self.format,
            file: name.map(|name| name.to_string_lossy().into_owned()),
            period,
            whose: &self.whose,
            now: self.now,
            closed,
        }
    }
}

fn order(asked: &Report) -> Order<'_> {
    let named = |format: Format| match format {
        Format::Csv => "csv",
        Format::Json => "json",
    };
    match asked {
        Report::Deposits(of) | Report::Sessions(of) => {
            let deposits = matches!(asked, Report::Deposits(_));
            let kind = if deposits { Kind::Deposits(of.format) } else { Kind::Sessions(of.format) };
            let name = if deposits { "deposits" } else { "sessions" };
            let format = named(of.format);
            Order { kind, name, format, span: &of.span, whose: of.whose.clone(), now: of.now, paper: &of.paper }
        }
        Report::Daily(of) => {
            let (kind, format) = (Kind::Daily(of.format), named(of.format));
            Order { kind, name: "daily", format, span: &of.span, whose: of.whose.clone(), now: false, paper: &of.paper }
        }
        Report::Ledger(of) => {
            let (kind, format) = match of.format {
                BookFormat::Csv => (Kind::Ledger(Format::Csv), "csv"),
                BookFormat::Json => (Kind::Ledger(Format::Json), "json"),
                BookFormat::Hledger => (Kind::Journal(Journal::Hledger), "hledger"),
                BookFormat::Beancount => (Kind::Journal(Journal::Beancount), "beancount"),
            };
            Order {
                kind,
                name: "ledger",
                format,
                span: &of.span,
                whose: of.whose.clone(),
                now: false,
                paper: &of.paper,
            }
        }
        Report::Unmatched(of) => {
            let whose = Whose { network: of.network.clone(), ..Whose::default() };
            let (kind, format) = (Kind::Unmatched(of.format), named(of.format));
            Order { kind, name: "unmatched", format, span: &of.span, whose, now: of.now, paper: &of.paper }
        }
    }
}

fn period(span: &Span) -> Result<Period, Failure> {
    let moment = |flag: &str, text: &str| {
        span.tz.moment(text).map_err(|error| Failure::usage(format!("--{flag}: {text:?} {error}")))
    };
    let (from, to) = (moment("from", &span.from)?, moment("to", &span.to)?);
    Period::between(span.tz, from, to).map_err(|error| Failure::usage(format!("--from: {} {error}", span.from)))
}

/// Refuses names that nothing here has: a report about nobody would be empty without a word.
async fn known(settings: &Settings, reading: &mut Reading, whose: &Whose) -> Result<(), Failure> {
    let unknown = |what: &str, text: &str, valid: &[String]| {
        let valid: Vec<&str> = valid.iter().map(String::as_str).collect();
        Failure::usage(format!("nothing here knows a {what} {text:?}: {}", names::hint(text, &valid)))
    };
    if let Some(text) = whose.network.as_deref().filter(|text| names::network(settings, text).is_err()) {
        names::known(settings, reading.networks().await?, text)?;
    }
    if let Some(text) = &whose.business {
        let near = reading.businesses_like(text).await?;
        if !near.contains(text) {
            return Err(unknown("business", text, &near));
        }
    }
    if let Some(text) = &whose.session {
        let near = reading.sessions_like(text).await?;
        if !near.contains(text) {
            return Err(unknown("session", text, &near));
        }
    }
    Ok(())
}

/// All of it, page by page.
async fn write(order: &Order<'_>, period: &Period, reading: &mut Reading, paper: &mut Paper) -> Result<Tally, Failure> {
    let Whose { network, business, session } = order.whose.clone();
    let scope = Scope { from: period.from, to: period.to, network, business, session };
    let zone = period.zone;
    match order.kind {
        Kind::Ledger(format) => {
            let mut sheet = Sheet::begin::<Booked>(paper, format, zone, order.now)?;
            let mut pages = Pages::of(&scope, false);
            while let Some(page) = pages.next(reading).await? {
                page.into_iter().try_for_each(|line| sheet.line(&Booked(line)))?;
            }
            sheet.end()
        }
        Kind::Deposits(format) => {
            let mut sheet = Sheet::begin::<Deposit>(paper, format, zone, order.now)?;
            let mut pages = Pages::of(&scope, true);
            while let Some(page) = pages.next(reading).await? {
                page.into_iter().try_for_each(|line| sheet.line(&Deposit(line)))?;
            }
            sheet.end()
        }
        Kind::Journal(journal) => write_journal(journal, &scope, period, reading, paper).await,
        Kind::Daily(format) => write_days(format, &scope, period, reading, paper).await,
        Kind::Sessions(format) => {
            let mut sheet = Sheet::begin::<Statement>(paper, format, zone, order.now)?;
            let ids = reading.moved_sessions(&scope).await?;
            for page in ids.chunks(usize::try_from(PAGE).unwrap_or(usize::MAX)) {
                for session in reading.session_statements(&scope, page).await? {
                    let opened = scope.from <= session.opened_at && session.opened_at < scope.to;
                    sheet.line(&Statement(session, opened))?;
                }
            }
            sheet.end()
        }
        Kind::Unmatched(format) => {
            let mut sheet = Sheet::begin::<Unowned>(paper, format, zone, order.now)?;
            let (network, mut behind) = (scope.network.as_deref(), (Time::UNIX_EPOCH, i64::MIN));
            loop {
                let lines = reading.unowned_lines(network, scope.to, behind, PAGE).await?;
                let Some(last) = lines.last() else { return sheet.end() };
                behind = *last;
                let lines: Vec<i64> = lines.into_iter().map(|(_, line)| line).collect();
                let statements = reading.unmatched_statements(&lines, scope.from, scope.to).await?;
                statements.into_iter().try_for_each(|transfer| sheet.line(&Unowned(transfer)))?;
            }
        }
    }
}

async fn write_journal(
    journal: Journal,
    scope: &Scope,
    period: &Period,
    reading: &mut Reading,
    paper: &mut Paper,
) -> Result<Tally, Failure> {
    paper.write(&journal.head(period, &reading.ledger_accounts(scope).await?))?;
    let (mut tally, mut pages) = (Tally::default(), Pages::of(scope, false));
    while let Some(page) = pages.next(reading).await? {
        for line in page {
            paper.write(&journal.entry(period.zone, &line)?)?;
            tally.add(&Booked(line))?;
        }
    }
    Ok(tally)
}

/// Some days at a time, each from its own first moment to the next one's.
async fn write_days(
    format: Format,
    scope: &Scope,
    period: &Period,
    reading: &mut Reading,
    paper: &mut Paper,
) -> Result<Tally, Failure> {
    let mut sheet = Sheet::begin::<Daily>(paper, format, period.zone, false)?;
    let days = period.days();
    let mut rest = days.as_slice();
    while !rest.is_empty() {
        let (some, after) = rest.split_at(rest.len().min(DAYS));
        let starts: Vec<Time> = some.iter().map(|(_, start)| *start).collect();
        let from = starts.first().copied().unwrap_or(scope.from);
        let to = after.first().map_or(scope.to, |(_, start)| *start);
        for line in reading.days(&Scope { from, to, ..scope.clone() }, &starts).await? {
            let (day, begins) = some.get(line.day).copied().ok_or_else(|| Failure::failed("a line of no day"))?;
            sheet.line(&Daily(day.to_string(), begins, line))?;
        }
        rest = after;
    }
    sheet.end()
}

/// The lines of the ledger in their order, some at a time.
struct Pages<'s> {
    scope: &'s Scope,
    paid: bool,
    behind: Option<(Time, i64)>,
}

impl<'s> Pages<'s> {
    fn of(scope: &'s Scope, paid: bool) -> Pages<'s> {
        Pages { scope, paid, behind: Some((scope.from, i64::MIN)) }
    }

    /// The next ones; `None` behind the last.
    async fn next(&mut self, reading: &mut Reading) -> Result<Option<Vec<LedgerLine>>, Failure> {
        let Some(behind) = self.behind else { return Ok(None) };
        let page = reading.ledger_lines(self.scope, self.paid, behind, PAGE).await?;
        self.behind = page.last().map(|line| (line.booked_at, line.line));
        Ok(self.behind.map(|_| page))
    }
}
