//! What is told of a report beside it: which period of which books, what its lines come to, and its SHA-256. Of a closed
//! period it is the same whenever it is made. Not for the report's own lines.

use std::collections::BTreeMap;

use serde::Serialize;

use super::lines::moment;
use super::paper::Written;
use super::sheet::{Sum, Tally};
use crate::cli::args_report::Whose;
use crate::cli::exit::Failure;
use crate::domain::{Period, Zone};

/// What a report was asked for.
pub(super) struct Asked<'a> {
    pub(super) report: &'static str,
    pub(super) format: &'static str,
    pub(super) file: Option<String>,
    pub(super) period: &'a Period,
    pub(super) whose: &'a Whose,
    pub(super) now: bool,
    pub(super) closed: bool,
}

#[derive(Serialize)]
struct Manifest<'a> {
    report: &'a str,
    format: &'a str,
    file: Option<String>,
    sha256: &'a str,
    bytes: u64,
    lines: u64,
    from: String,
    to: String,
    tz: &'a str,
    tz_edition: &'a str,
    from_utc: String,
    to_utc: String,
    network: Option<&'a str>,
    business: Option<&'a str>,
    session: Option<&'a str>,
    /// Whether it holds columns that may change later.
    now: bool,
    /// Whether nothing can be booked into the period any more.
    closed: bool,
    totals: Vec<Total<'a>>,
}

#[derive(Serialize)]
struct Total<'a> {
    network: &'a str,
    token: Option<&'a str>,
    token_address: &'a str,
    lines: u64,
    #[serde(flatten)]
    sums: BTreeMap<String, Option<String>>,
}

/// The manifest's text.
pub(super) fn text(asked: Asked<'_>, written: &Written, tally: &Tally) -> Result<String, Failure> {
    let (period, zone) = (asked.period, asked.period.zone);
    let manifest = Manifest {
        report: asked.report,
        format: asked.format,
        file: asked.file,
        sha256: &written.sha256,
        bytes: written.bytes,
        lines: tally.lines,
        from: zone.shown(period.from),
        to: zone.shown(period.to),
        tz: zone.name(),
        tz_edition: Zone::EDITION,
        from_utc: moment(period.from),
        to_utc: moment(period.to),
        network: asked.whose.network.as_deref(),
        business: asked.whose.business.as_deref(),
        session: asked.whose.session.as_deref(),
        now: asked.now,
        closed: asked.closed,
        totals: tally.by_coin.values().map(total).collect(),
    };
    Ok(serde_json::to_string_pretty(&manifest).map_err(Failure::failed)? + "\n")
}

/// Base units of each amount, and whole tokens where the token's decimals are known.
fn total(sum: &Sum) -> Total<'_> {
    let decimals = sum.coin.decimals.and_then(|decimals| u8::try_from(decimals).ok());
    let mut sums = BTreeMap::new();
    for (name, units) in &sum.units {
        sums.insert((*name).to_owned(), decimals.map(|decimals| units.to_decimal(decimals)));
        sums.insert(format!("{name}_units"), Some(units.to_string()));
    }
    Total {
        network: &sum.coin.network,
        token: sum.coin.symbol.as_deref(),
        token_address: &sum.coin.address,
        lines: sum.lines,
        sums,
    }
}
