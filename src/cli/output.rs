//! Data on stdout: as text for people, JSON or CSV for programs. Not for logs and errors, which go to stderr.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use super::exit::Failure;

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// Aligned columns, for people.
    Text,
    /// Every field, for programs.
    Json,
    /// Every field, for spreadsheets.
    Csv,
}

/// Which fields of a line are shown, by their names in JSON.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    /// What people need.
    pub(super) text: &'static [&'static str],
    /// Everything, in the order that is kept.
    pub(super) csv: &'static [&'static str],
}

/// Prints lines of one kind.
pub(super) fn table<T: Serialize>(lines: &[T], columns: Columns, output: Output) -> Result<(), Failure> {
    match output {
        Output::Text => print(&text(lines, columns)?),
        Output::Json => json(&lines),
        Output::Csv => print(&csv(columns.csv, &cells(lines, columns.csv)?)),
    }
}

/// Lines as people read them.
pub(super) fn text<T: Serialize>(lines: &[T], columns: Columns) -> Result<String, Failure> {
    Ok(aligned(columns.text, &cells(lines, columns.text)?))
}

/// Prints one line by itself: as a card for people, as one object for programs.
pub(super) fn one<T: Serialize>(line: &T, columns: Columns, output: Output) -> Result<(), Failure> {
    match output {
        Output::Text => card(line, columns.text),
        Output::Json => json(line),
        Output::Csv => table(std::slice::from_ref(line), columns, output),
    }
}

/// Prints one value as JSON.
pub(super) fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::failed)?;
    print(&(text + "\n"))
}

/// Prints one line's fields below each other.
pub(super) fn card<T: Serialize>(line: &T, fields: &[&'static str]) -> Result<(), Failure> {
    let width = fields.iter().map(|field| field.len()).max().unwrap_or_default();
    let values = cells(std::slice::from_ref(line), fields)?.into_iter().flatten();
    let lines = fields.iter().zip(values).filter(|(_, value)| !value.is_empty());
    print(&lines.map(|(field, value)| format!("{field:width$}  {}\n", plain(&value))).collect::<String>())
}

/// Writes to stdout. A reader that went away ends the command quietly.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// The fields of each line as text; nothing where there is none.
fn cells<T: Serialize>(lines: &[T], fields: &[&str]) -> Result<Vec<Vec<String>>, Failure> {
    let row = |line: &T| {
        let value = serde_json::to_value(line)?;
        Ok(fields.iter().map(|field| cell(value.get(field))).collect())
    };
    lines.iter().map(row).collect::<Result<_, serde_json::Error>>().map_err(Failure::failed)
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(list)) => list.iter().map(|item| cell(Some(item))).collect::<Vec<_>>().join(" "),
        Some(other @ (Value::Bool(_) | Value::Number(_) | Value::Object(_))) => other.to_string(),
    }
}

/// Columns wide enough for what is in them; the last one is not filled up.
fn aligned(fields: &[&str], rows: &[Vec<String>]) -> String {
    let heads: Vec<String> = fields.iter().map(|field| field.to_uppercase()).collect();
    let shown = |row: &Vec<String>| row.iter().map(|cell| plain(cell)).collect::<Vec<_>>();
    let lines: Vec<Vec<String>> = std::iter::once(heads).chain(rows.iter().map(shown)).collect();
    let widest =
        |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..fields.len()).map(|column| widest(column).unwrap_or_default()).collect();
    let fill = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    lines.iter().map(fill).collect()
}

/// Text that cannot move a terminal's cursor; a dash for nothing.
fn plain(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.replace(char::is_control, "\u{fffd}") }
}

fn csv(fields: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<String>| cells.join(",") + "\r\n";
    let head = line(fields.iter().map(|field| (*field).to_owned()).collect());
    let body = rows.iter().map(|row| line(fields.iter().zip(row).map(|(name, cell)| column(name, cell)).collect()));
    std::iter::once(head).chain(body).collect()
}

/// A field below its name: base units are ours, and stay a number also below 0.
fn column(name: &str, cell: &str) -> String {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let negative = name.ends_with("_units") && cell.strip_prefix('-').is_some_and(number);
    if negative { cell.to_owned() } else { field(cell) }
}

/// One field as RFC 4180 has it. What a spreadsheet would take for a formula is marked as text: ids and references come
/// from strangers. A negative amount is for [`column`] to tell apart.
pub(super) fn field(cell: &str) -> String {
    // The last four are the same signs in full width, which some spreadsheets read alike.
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_and_defuses() {
        for (cell, expected) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=1+1", "'=1+1"),
            ("@sum", "'@sum"),
            ("-2", "'-2"),
            ("+2", "'+2"),
            ("\tx", "'\tx"),
            ("\r=1", "\"'\r=1\""),
            ("\n=1", "\"'\n=1\""),
            ("＝1", "'＝1"),
            ("0.5", "0.5"),
        ] {
            assert_eq!(field(cell), expected, "{cell:?}");
        }
    }

    #[test]
    fn a_negative_amount_stays_a_number() {
        let row = ["-5", "-5", "-5+1", "-", "7"].map(str::to_owned).to_vec();
        let fields = ["ledger_units", "reference", "here_units", "chain_units", "left_units"];
        assert_eq!(csv(&fields, &[row]), format!("{}\r\n-5,'-5,'-5+1,'-,7\r\n", fields.join(",")));
    }

    #[test]
    fn columns_are_aligned_and_nothing_moves_the_cursor() {
        let rows = vec![vec!["a\u{1b}[2J".to_owned(), String::new()], vec!["long cell".to_owned(), "y".to_owned()]];
        assert_eq!(aligned(&["id", "tx"], &rows), "ID         TX\na\u{fffd}[2J      -\nlong cell  y\n");
    }

    #[test]
    fn missing_and_null_fields_are_empty() {
        let lines = [serde_json::json!({"a": null, "b": 7, "c": ["x", "y"]})];
        assert_eq!(cells(&lines, &["a", "b", "c", "d"]).unwrap(), [["", "7", "x y", ""]]);
    }
}
