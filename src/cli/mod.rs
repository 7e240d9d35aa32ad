//! The command line: one definition, one file a command. Data goes to stdout, everything else to stderr.
//!
//! Not for `watch`, `api`, `run`, `demo` and `config`, which the roof starts, and never for calling a watcher: what one is to
//! do is a row that its next step reads.

mod api_keys;
pub mod args;
pub mod args_accounts;
pub mod args_operating;
pub mod args_reconcile;
pub mod args_report;
pub mod args_transfers;
pub mod args_webhooks;
mod businesses;
mod check;
pub mod config;
pub mod connect;
mod exit;
mod given;
mod health;
mod migrate;
mod names;
pub mod output;
mod parse;
mod pay;
mod person;
mod prune;
mod reasons;
mod reconcile;
mod refusals;
mod report;
mod rescan;
mod resume;
mod sessions;
mod status;
mod transfers;
mod webhooks;
mod widgets;

pub use args::{Arguments, Command};
pub use exit::{Exit, Failure};
pub use parse::parse;
pub use prune::due;
pub use status::lag;

use crate::settings::Settings;

/// Carries out a command that looks or asks and ends. Those that the roof starts do not.
pub async fn run(settings: &Settings, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Watch | Command::Run | Command::Api | Command::Demo(_) | Command::Config(_) => {
            Err(Failure::failed("this command is not started here"))
        }
        Command::Migrate(asked) => migrate::run(settings, asked).await,
        Command::Check(asked) => check::run(settings, asked).await,
        Command::Health(asked) => health::run(settings, *asked).await,
        Command::Status(asked) => status::run(settings, asked).await,
        Command::Sessions(asked) => sessions::run(settings, asked).await,
        Command::Pay(asked) => pay::run(settings, asked).await,
        Command::Transfers(asked) => transfers::run(settings, asked).await,
        Command::Report(asked) => report::run(settings, asked).await,
        Command::Businesses(asked) => businesses::run(settings, asked).await,
        Command::Widgets(asked) => widgets::run(settings, asked).await,
        Command::ApiKeys(asked) => api_keys::run(settings, asked).await,
        Command::Webhooks(asked) => webhooks::run(settings, asked).await,
        Command::Reconcile(asked) => reconcile::run(settings, asked).await,
        Command::Prune(asked) => prune::run(settings, asked).await,
        Command::Rescan(asked) if asked.resume => resume::run(settings, asked).await,
        Command::Rescan(asked) => rescan::run(settings, asked).await,
    }
}
