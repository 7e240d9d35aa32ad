//! The command line of `report`. Not for what is in one.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::names;
use crate::domain::Zone;

/// `report …`
#[derive(Debug, Subcommand)]
pub enum Report {
    /// What counted for sessions: a line per confirmed transfer that pays one, and a negative one where it was taken back.
    #[command(
        after_help = "Example:\n  deposit-watcher report deposits --from 2026-10 --to 2026-11 --tz Europe/Berlin \
        --out deposits-2026-10.csv"
    )]
    Deposits(OfSessions),
    /// A statement per session that was opened in the period or moved by it: before, in the period, at its end.
    #[command(
        after_help = "Example:\n  deposit-watcher report sessions --from 2026-10 --to 2026-11 --business shop --now"
    )]
    Sessions(OfSessions),
    /// What was booked each day, by network, token and business.
    #[command(
        after_help = "Example:\n  deposit-watcher report daily --from 2026-10-25 --to 2026-10-26 --tz Europe/Berlin"
    )]
    Daily(Daily),
    /// Every line of the ledger: each confirmed transfer and each reversal, on its own day.
    #[command(after_help = "Example:\n  deposit-watcher report ledger --from 2026-10 --to 2026-11 --format hledger \
        --out 2026-10.journal --closed")]
    Ledger(Ledger),
    /// A statement per confirmed transfer that belonged to nobody: before the period, in it, at its end.
    #[command(
        after_help = "Example:\n  deposit-watcher report unmatched --from 2026-10 --to 2026-11 --network polygon --now"
    )]
    Unmatched(Unmatched),
}

/// `report deposits` and `report sessions`
#[derive(Debug, Args)]
pub struct OfSessions {
    /// Of which time.
    #[command(flatten)]
    pub span: Span,
    /// Of what.
    #[command(flatten)]
    pub whose: Whose,
    /// Add status, customer's reference and e-mail as they are now: such a report may differ when it is made again.
    #[arg(long)]
    pub now: bool,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    pub format: Format,
    /// Where it goes.
    #[command(flatten)]
    pub paper: Paper,
}

/// `report daily`
#[derive(Debug, Args)]
pub struct Daily {
    /// Of which time.
    #[command(flatten)]
    pub span: Span,
    /// Of what.
    #[command(flatten)]
    pub whose: Whose,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    pub format: Format,
    /// Where it goes.
    #[command(flatten)]
    pub paper: Paper,
}

/// `report ledger`
#[derive(Debug, Args)]
pub struct Ledger {
    /// Of which time.
    #[command(flatten)]
    pub span: Span,
    /// Of what.
    #[command(flatten)]
    pub whose: Whose,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = BookFormat::Csv)]
    pub format: BookFormat,
    /// Where it goes.
    #[command(flatten)]
    pub paper: Paper,
}

/// `report unmatched`
#[derive(Debug, Args)]
pub struct Unmatched {
    /// Of which time.
    #[command(flatten)]
    pub span: Span,
    /// Only of this network.
    #[arg(long)]
    pub network: Option<String>,
    /// Add the reason and what a person decided as they are now: such a report may differ when it is made again.
    #[arg(long)]
    pub now: bool,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    pub format: Format,
    /// Where it goes.
    #[command(flatten)]
    pub paper: Paper,
}

/// The period.
#[derive(Debug, Args)]
pub struct Span {
    /// The period's first month, day or moment: 2026-10, 2026-10-25, or 2026-10-25T12:00:00+02:00.
    #[arg(long, value_name = "WHEN")]
    pub from: String,
    /// The first month, day or moment after the period.
    #[arg(long, value_name = "WHEN")]
    pub to: String,
    /// Whose days they are: a name of the IANA database, such as Europe/Berlin.
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = names::zone)]
    pub tz: Zone,
}

/// What is left of the books.
#[derive(Debug, Clone, Default, Args)]
pub struct Whose {
    /// Only of this network.
    #[arg(long)]
    pub network: Option<String>,
    /// Only of sessions of this business.
    #[arg(long, value_name = "ID")]
    pub business: Option<String>,
    /// Only of this session.
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
}

/// Where it goes.
#[derive(Debug, Args)]
pub struct Paper {
    /// Write it to this file, whole or not at all, and a manifest with totals and SHA-256 beside it, FILE.manifest.json.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write the manifest to this file instead; also where the report goes to stdout.
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Replace files that exist.
    #[arg(long)]
    pub force: bool,
    /// Only if the period is closed, so that nothing can be booked into it any more; else write nothing and exit 75.
    #[arg(long)]
    pub closed: bool,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For spreadsheets.
    Csv,
    /// For programs: an array of objects.
    Json,
}

/// How the ledger is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BookFormat {
    /// For spreadsheets.
    Csv,
    /// For programs: an array of objects.
    Json,
    /// A journal for hledger.
    Hledger,
    /// A ledger for beancount.
    Beancount,
}
