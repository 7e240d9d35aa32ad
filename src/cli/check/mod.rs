//! `check`: the doctor. Each part says what it found and the cure of what is wrong; one finding does not keep the
//! others from being looked for. Not for repairing anything.

mod configuration;
mod database;
mod endpoints;

use serde::Serialize;

use super::args::Check;
use super::exit::{Exit, Failure};
use super::output::{self, Columns, Output};
use crate::settings::Settings;

const COLUMNS: Columns =
    Columns { text: &["outcome", "part", "what", "cure"], csv: &["outcome", "part", "what", "cure"] };

/// What was looked at and how it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Line {
    /// `ok` or `finding`.
    outcome: &'static str,
    /// `database`, `endpoint polygon.primary`, …
    part: String,
    /// How it is.
    what: String,
    /// What to do about it; of findings only.
    cure: Option<String>,
}

impl Line {
    fn ok(part: impl Into<String>, what: impl Into<String>) -> Line {
        Line { outcome: "ok", part: part.into(), what: what.into(), cure: None }
    }

    fn finding(part: impl Into<String>, what: impl Into<String>, cure: impl Into<String>) -> Line {
        Line { outcome: "finding", part: part.into(), what: what.into(), cure: Some(cure.into()) }
    }

    /// For people: two lines where there is a cure.
    fn text(&self) -> String {
        let line = format!("{:7}  {}: {}", self.outcome, self.part, self.what).replace(char::is_control, " ");
        let cure = self.cure.as_ref().map(|cure| format!("         cure: {}\n", cure.replace(char::is_control, " ")));
        format!("{line}\n{}", cure.unwrap_or_default())
    }
}

pub(super) async fn run(settings: &Settings, asked: &Check) -> Result<(), Failure> {
    let mut lines = configuration::look(settings);
    let (found, pinned) = database::look(settings, asked.books).await;
    lines.extend(found);
    for network in settings.networks.iter().filter(|network| network.enabled) {
        let genesis = pinned.iter().find(|(slug, _)| *slug == network.slug).and_then(|(_, genesis)| *genesis);
        lines.extend(endpoints::look(network, genesis).await);
    }
    match asked.shape.output {
        Output::Text => output::print(&lines.iter().map(Line::text).collect::<String>())?,
        Output::Json | Output::Csv => output::table(&lines, COLUMNS, asked.shape.output)?,
    }
    let findings = lines.iter().filter(|line| line.cure.is_some()).count();
    match findings {
        0 => Ok(()),
        1 => Err(Failure::new(Exit::Found, "the check found one thing to cure")),
        many => Err(Failure::new(Exit::Found, format!("the check found {many} things to cure"))),
    }
}
