//! Lines on paper as CSV or JSON, added up as they are written. Not for which lines there are.

use std::collections::BTreeMap;

use super::paper::Paper;
use crate::cli::args_report::Format;
use crate::cli::exit::Failure;
use crate::cli::output;
use crate::domain::{Balance, Zone};

/// A value of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    /// Anybody's words: never a formula.
    Text(String),
    /// Digits with sign and point, as many as it takes.
    Exact(String),
    /// A number of things.
    Count(i64),
    /// Yes or no.
    Flag(bool),
    /// Nothing.
    Nothing,
}

impl From<Option<String>> for Cell {
    fn from(text: Option<String>) -> Self {
        text.map_or(Cell::Nothing, Cell::Text)
    }
}

/// The token that a line's money is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Coin {
    pub(super) network: String,
    pub(super) address: String,
    pub(super) symbol: Option<String>,
    pub(super) decimals: Option<i16>,
}

/// A line of a report.
pub(super) trait Line {
    /// Names of its values, in order.
    const COLUMNS: &'static [&'static str];
    /// Names of those that may change later.
    const NOW: &'static [&'static str];
    /// Names of the amounts that are added up.
    const SUMS: &'static [&'static str];

    /// Its values.
    fn cells(&self, zone: Zone) -> Vec<Cell>;
    /// Those that may change later.
    fn now(&self) -> Vec<Cell>;
    /// What its money is.
    fn coin(&self) -> Coin;
    /// Base units of the amounts that are added up.
    fn sums(&self) -> Vec<&str>;
}

/// What all lines come to, by network and token.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) lines: u64,
    pub(super) by_coin: BTreeMap<(String, String), Sum>,
}

/// What the lines of one token come to.
#[derive(Debug)]
pub(super) struct Sum {
    pub(super) coin: Coin,
    pub(super) lines: u64,
    pub(super) units: Vec<(&'static str, Balance)>,
}

impl Tally {
    /// One line more.
    pub(super) fn add<L: Line>(&mut self, line: &L) -> Result<(), Failure> {
        let too_much = || Failure::failed("an amount in the books cannot be added up");
        let coin = line.coin();
        let none = || Sum {
            coin: coin.clone(),
            lines: 0,
            units: L::SUMS.iter().map(|name| (*name, Balance::default())).collect(),
        };
        let sum = self.by_coin.entry((coin.network.clone(), coin.address.clone())).or_insert_with(none);
        for ((_, total), units) in sum.units.iter_mut().zip(line.sums()) {
            *total = Balance::parse(units).and_then(|units| total.checked_add(units)).ok_or_else(too_much)?;
        }
        sum.lines = sum.lines.saturating_add(1);
        self.lines = self.lines.saturating_add(1);
        Ok(())
    }
}

/// A report being written.
pub(super) struct Sheet<'p> {
    paper: &'p mut Paper,
    format: Format,
    zone: Zone,
    now: bool,
    tally: Tally,
}

impl<'p> Sheet<'p> {
    /// Begins with the names of the columns; with `now` also of those that may change later.
    pub(super) fn begin<L: Line>(
        paper: &'p mut Paper,
        format: Format,
        zone: Zone,
        now: bool,
    ) -> Result<Sheet<'p>, Failure> {
        match format {
            Format::Csv => paper.write(&csv(columns::<L>(now).map(str::to_owned)))?,
            Format::Json => paper.write("[")?,
        }
        Ok(Sheet { paper, format, zone, now, tally: Tally::default() })
    }

    /// Writes a line and adds it up.
    pub(super) fn line<L: Line>(&mut self, line: &L) -> Result<(), Failure> {
        let mut cells = line.cells(self.zone);
        if self.now {
            cells.extend(line.now());
        }
        let text = match self.format {
            Format::Csv => csv(cells.iter().map(field)),
            Format::Json => {
                let between = if self.tally.lines == 0 { "\n" } else { ",\n" };
                format!("{between}{}", object(columns::<L>(self.now), &cells)?)
            }
        };
        self.paper.write(&text)?;
        self.tally.add(line)
    }

    /// The end, and what the lines come to.
    pub(super) fn end(self) -> Result<Tally, Failure> {
        if self.format == Format::Json {
            self.paper.write(if self.tally.lines == 0 { "]\n" } else { "\n]\n" })?;
        }
        Ok(self.tally)
    }
}

fn columns<L: Line>(now: bool) -> impl Iterator<Item = &'static str> {
    L::COLUMNS.iter().chain(if now { L::NOW } else { &[] }).copied()
}

fn csv(fields: impl Iterator<Item = String>) -> String {
    fields.collect::<Vec<_>>().join(",") + "\r\n"
}

fn field(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => output::field(text),
        Cell::Exact(digits) => digits.clone(),
        Cell::Count(number) => number.to_string(),
        Cell::Flag(flag) => flag.to_string(),
        Cell::Nothing => String::new(),
    }
}

/// In the order of the columns. Amounts are strings: a JSON number would be a float to most programs.
fn object(columns: impl Iterator<Item = &'static str>, cells: &[Cell]) -> Result<String, Failure> {
    let pair = |(name, cell): (&str, &Cell)| {
        let value = match cell {
            Cell::Text(text) | Cell::Exact(text) => serde_json::to_string(text).map_err(Failure::failed)?,
            Cell::Count(number) => number.to_string(),
            Cell::Flag(flag) => flag.to_string(),
            Cell::Nothing => "null".to_owned(),
        };
        Ok(format!("\"{name}\": {value}"))
    };
    let pairs: Vec<String> = columns.zip(cells).map(pair).collect::<Result<_, Failure>>()?;
    Ok(format!("  {{{}}}", pairs.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_never_formulas_and_amounts_stay_numbers() {
        let cells = [
            Cell::Text("=1+1".to_owned()),
            Cell::Text("-2".to_owned()),
            Cell::Exact("-0.000000000000000001".to_owned()),
            Cell::Count(-7),
            Cell::Flag(true),
            Cell::Nothing,
        ];
        assert_eq!(csv(cells.iter().map(field)), "'=1+1,'-2,-0.000000000000000001,-7,true,\r\n");
        let names = ["a", "b", "c", "d", "e", "f"];
        let expected = r#"  {"a": "=1+1", "b": "-2", "c": "-0.000000000000000001", "d": -7, "e": true, "f": null}"#;
        assert_eq!(object(names.into_iter(), &cells).unwrap(), expected);
    }
}
