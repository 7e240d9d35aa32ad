//! The command line as one definition. Its help is the manual of the commands; not for what they do.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::args_accounts::{ApiKeys, Businesses, Widgets};
use super::args_operating::{Config, Prune, Status};
use super::args_reconcile::Reconcile;
use super::args_report::Report;
use super::args_transfers::Transfers;
use super::args_webhooks::Webhooks;
use super::output::Output;
use crate::deposits::simulation::{MOST_BLOCKS, MOST_DEPTH};
use crate::domain::{BlockNumber, SessionStatus};

/// Watches ERC-20 transfers and confirms the deposit sessions they pay.
#[derive(Debug, Parser)]
#[command(name = "deposit-watcher", version, max_term_width = 120)]
#[command(after_help = "Example:\n  deposit-watcher --config networks.toml run\n\n\
    Exit codes: 0 done, 1 failed, 2 usage, 3 check, reconcile or migrate --status found something, 75 a dependency is unavailable, \
    78 bad configuration.")]
pub struct Arguments {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub sources: Sources,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Where the configuration comes from, besides the environment.
#[derive(Debug, Clone, Args)]
pub struct Sources {
    /// Configuration file, instead of networks.toml; of several, the later wins.
    #[arg(long, value_name = "PATH", global = true)]
    pub config: Vec<PathBuf>,
    /// One value by its dotted key, over files and environment; of several, the later wins.
    #[arg(long, value_name = "KEY=VALUE", global = true, value_parser = key_value)]
    pub set: Vec<(String, String)>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch the enabled networks and send webhooks, with /metrics, /livez and /readyz; the schema must be there.
    #[command(after_help = "Example:\n  deposit-watcher watch --set admin.listen=0.0.0.0:9464")]
    Watch,
    /// The API alone, with /livez and /readyz; schema and api.sealing_key must be there. Start as many as you like.
    #[command(after_help = "Example:\n  deposit-watcher api --set http.listen=0.0.0.0:8080")]
    Api,
    /// Migrate the database, then watch, send webhooks and serve the API; api.sealing_key must be there.
    #[command(after_help = "Example:\n  deposit-watcher run --config networks.toml --config mine.toml")]
    Run,
    /// Apply the migrations this program was built with.
    #[command(after_help = "Example:\n  deposit-watcher migrate --status || deposit-watcher migrate")]
    Migrate(Migrate),
    /// The doctor: configuration, database, endpoints, tokens; each finding with its cure. Exits 3 if any.
    #[command(after_help = "Example:\n  deposit-watcher check --books")]
    Check(Check),
    /// Ask the process that runs here with this configuration whether it lives. Exits 1 if it does not say so.
    #[command(after_help = "Example:\n  deposit-watcher health --ready")]
    Health(Health),
    /// A line per network: head, scanned, confirmed, lag, holder, halted, and its sessions by status.
    #[command(after_help = "Example:\n  deposit-watcher status --watch\n  deposit-watcher status --output json")]
    Status(Status),
    /// Show the effective configuration.
    #[command(subcommand)]
    Config(Config),
    /// Look at sessions, open one, cancel one.
    #[command(subcommand)]
    Sessions(Sessions),
    /// On a test network: pay a session from the node's own accounts, mine blocks, or reorganise.
    #[command(after_help = "Example:\n  deposit-watcher pay dep_5f3e9a --less\n  deposit-watcher pay dep_5f3e9a\n  \
        deposit-watcher pay dep_5f3e9a --mine 3\n\nWithout a flag it pays what is missing by what the watcher has seen: let it see \
        one payment before the next.")]
    Pay(Pay),
    /// Look at transfers, matched or not, and settle those without an owner.
    #[command(subcommand)]
    Transfers(Transfers),
    /// What was booked in a period, for finance: as CSV or JSON, the ledger for hledger and beancount, too.
    #[command(subcommand)]
    Report(Report),
    /// Who sessions belong to.
    #[command(subcommand)]
    Businesses(Businesses),
    /// The rules by which sessions are opened, and their client secrets.
    #[command(subcommand)]
    Widgets(Widgets),
    /// What signs a business's bearer tokens.
    #[command(subcommand)]
    ApiKeys(ApiKeys),
    /// Webhook endpoints, their secrets, and what is on its way to them.
    #[command(subcommand)]
    Webhooks(Webhooks),
    /// Read a range of blocks again, or let a halted network go on.
    #[command(after_help = "Example:\n  deposit-watcher rescan --network polygon --from 70000000 --to 70001000\n  \
        deposit-watcher rescan --network polygon --resume\n\nWithout --yes it only says what going on would change, \
        and exits 1.")]
    Rescan(Rescan),
    /// The chain's transfers, asked anew, against what is stored and the ledger; each difference a line. Exits 3 if any.
    #[command(after_help = "Example:\n  deposit-watcher reconcile --network polygon\n  \
        deposit-watcher reconcile --network polygon --from 70000000 --to 70043200 --balances --output csv")]
    Reconcile(Reconcile),
    /// Remove old rows as [retention] says: blocks, events, deliveries; never sessions, transfers or the ledger. `watch` and
    /// `run` do so once an hour.
    #[command(after_help = "Example:\n  deposit-watcher prune --dry-run")]
    Prune(Prune),
    /// The whole life of some deposits on a chain of our own, reorganisations included; needs no configuration.
    #[command(after_help = "Example:\n  deposit-watcher demo --keep")]
    Demo(Demo),
}

/// How data is printed.
#[derive(Debug, Clone, Copy, Args)]
pub struct Shape {
    /// As text for people, JSON or CSV for programs.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `migrate`
#[derive(Debug, Args)]
pub struct Migrate {
    /// Apply nothing; print what is missing and exit 3 when something is.
    #[arg(long)]
    pub status: bool,
}

/// `check`
#[derive(Debug, Args)]
pub struct Check {
    /// Also audit the books: every rule about money that must always hold.
    #[arg(long)]
    pub books: bool,
    /// How it is printed.
    #[command(flatten)]
    pub shape: Shape,
}

/// `health`
#[derive(Debug, Clone, Copy, Args)]
pub struct Health {
    /// Ask the process of `api` (admin.api_listen) instead of that of `watch` or `run` (admin.listen).
    #[arg(long)]
    pub api: bool,
    /// Ask whether it is ready, and what keeps it from being so.
    #[arg(long)]
    pub ready: bool,
}

/// `sessions …`
#[derive(Debug, Subcommand)]
pub enum Sessions {
    /// The newest sessions.
    #[command(
        after_help = "Example:\n  deposit-watcher sessions list --network polygon --status UNDERPAID --output csv"
    )]
    List(SessionsList),
    /// One session, and in words why it is or is not paid.
    #[command(after_help = "Example:\n  deposit-watcher sessions show dep_5f3e9a")]
    Show(SessionsShow),
    /// Open a session. Its amount may be raised a little so that it is nobody else's on this address.
    #[command(after_help = "Example:\n  deposit-watcher sessions create --network anvil --token usdc --amount 12.50 \
        --to 0x70997970C51812dc3A010C7d01b50e0d17dc79C8")]
    Create(SessionsCreate),
    /// Cancel an open session; money mined until now still counts.
    #[command(after_help = "Example:\n  deposit-watcher sessions cancel dep_5f3e9a")]
    Cancel(SessionsShow),
}

/// `sessions list`
#[derive(Debug, Args)]
pub struct SessionsList {
    /// Only of this network.
    #[arg(long)]
    pub network: Option<String>,
    /// Only in this status: CREATED, PENDING, CONFIRMED, EXPIRED, UNDERPAID, OVERPAID.
    #[arg(long, value_parser = super::names::status)]
    pub status: Option<SessionStatus>,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1_000_000))]
    pub limit: i64,
    /// How it is printed.
    #[command(flatten)]
    pub shape: Shape,
}

/// `sessions show` and `sessions cancel`
#[derive(Debug, Args)]
pub struct SessionsShow {
    /// Its id.
    pub id: String,
    /// How it is printed.
    #[command(flatten)]
    pub shape: Shape,
}

/// `sessions create`
#[derive(Debug, Args)]
pub struct SessionsCreate {
    /// A configured network.
    #[arg(long)]
    pub network: String,
    /// The key of one of its tokens.
    #[arg(long, value_name = "KEY")]
    pub token: String,
    /// Where the money is to arrive.
    #[arg(long, value_name = "ADDRESS")]
    pub to: String,
    /// Whole tokens, never finer than the token.
    #[arg(long, value_name = "DECIMAL")]
    pub amount: String,
    /// How long it lives; sessions.expires_after if not given.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub expires_in: Option<Duration>,
    /// Your own reference.
    #[arg(long)]
    pub reference: Option<String>,
    /// Its id; a random one if not given.
    #[arg(long)]
    pub id: Option<String>,
    /// How it is printed.
    #[command(flatten)]
    pub shape: Shape,
}

/// `pay`
#[derive(Debug, Args)]
#[group(id = "deed", multiple = false, args = ["amount", "less", "more", "twice", "late", "mine", "reorganise"])]
pub struct Pay {
    /// The session's id.
    pub session: String,
    /// Pay so many whole tokens.
    #[arg(long, value_name = "DECIMAL")]
    pub amount: Option<String>,
    /// Pay half of what is missing.
    #[arg(long)]
    pub less: bool,
    /// Pay a tenth more than is missing.
    #[arg(long)]
    pub more: bool,
    /// Pay what is missing, and the same once more.
    #[arg(long)]
    pub twice: bool,
    /// Put the chain's clock past the session's expiry, which cannot be undone, then pay.
    #[arg(long)]
    pub late: bool,
    /// Mine so many blocks, at most 1000.
    #[arg(long, value_name = "BLOCKS", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_BLOCKS)))]
    pub mine: Option<u32>,
    /// Replace the newest DEPTH blocks, at most 64, by empty ones; without DEPTH as many as undo its newest payment.
    #[arg(long, value_name = "DEPTH", num_args = 0..=1,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_DEPTH)))]
    pub reorganise: Option<Option<u32>>,
    /// How it is printed.
    #[command(flatten)]
    pub shape: Shape,
}

/// `rescan`
#[derive(Debug, Args)]
pub struct Rescan {
    /// A configured network.
    #[arg(long)]
    pub network: String,
    /// The first block to read again.
    #[arg(long, value_name = "BLOCK", requires = "to", required_unless_present = "resume", value_parser = block)]
    pub from: Option<BlockNumber>,
    /// The last one, included.
    #[arg(long, value_name = "BLOCK", requires = "from", value_parser = block)]
    pub to: Option<BlockNumber>,
    /// Let a halted network go on; prints what will change.
    #[arg(long, conflicts_with_all = ["from", "to"])]
    pub resume: bool,
    /// Do it; without this `--resume` only prints.
    #[arg(long, requires = "resume", conflicts_with_all = ["from", "to"])]
    pub yes: bool,
    /// How long to wait until it is carried out.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub timeout: Duration,
}

/// `demo`
#[derive(Debug, Args)]
pub struct Demo {
    /// Leave everything running at the end, until Ctrl-C.
    #[arg(long)]
    pub keep: bool,
    /// Where the pinned PostgreSQL and anvil lie, instead of where `make tools` puts them.
    #[arg(long, value_name = "FOLDER")]
    pub tools: Option<PathBuf>,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) = pair.ok_or("write KEY=VALUE, as in admin.listen=127.0.0.1:9464")?;
    Ok((key.to_owned(), value.to_owned()))
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let read = humantime::parse_duration(text).map_err(|_| "write a number with its unit, as in 30m".to_owned())?;
    let year = Duration::from_secs(365 * 86_400);
    if read <= year { Ok(read) } else { Err("is more than 365d".to_owned()) }
}

pub(super) fn block(text: &str) -> Result<BlockNumber, String> {
    let number = text.parse::<i64>().ok().and_then(|number| u64::try_from(number).ok());
    number.map(BlockNumber).ok_or_else(|| "write a block's number".to_owned())
}
