//! `config show`: every key of the configuration with the value that counts and where it came from. Needs no database;
//! secrets are never shown. Not for what is wrong with it: then it says that, like every command.

use serde::Serialize;

use super::args::Sources;
use super::args_operating::{Config, ConfigShow};
use super::exit::Failure;
use super::output::{self, Columns};
use crate::settings::{self, Effective, Source};

const COLUMNS: Columns =
    Columns { text: &["key", "value", "source", "where"], csv: &["key", "value", "source", "where"] };

/// A line.
#[derive(Debug, Serialize)]
struct Line {
    key: String,
    value: Option<String>,
    /// `default`, `file`, `environment` or `flag`.
    source: &'static str,
    /// The file or the variable.
    #[serde(rename = "where")]
    place: Option<String>,
}

/// Reads the configuration itself: of what is read, only the settings reach the other commands.
pub fn run(sources: &Sources, asked: &Config) -> Result<(), Failure> {
    match asked {
        Config::Show(asked) => show(sources, asked),
    }
}

fn show(sources: &Sources, asked: &ConfigShow) -> Result<(), Failure> {
    let all = settings::effective(&sources.config, settings::environment(), &sources.set)?;
    let lines: Vec<Line> =
        all.into_iter().map(Line::from).filter(|line| !asked.given || line.source != "default").collect();
    output::table(&lines, COLUMNS, asked.shape.output)
}

impl From<Effective> for Line {
    fn from(effective: Effective) -> Line {
        let (source, place) = match effective.source {
            Source::Default => ("default", None),
            Source::File(path) => ("file", Some(path)),
            Source::Environment(name) => ("environment", Some(name)),
            Source::Flag => ("flag", None),
        };
        Line { key: effective.key, value: effective.value, source, place }
    }
}
