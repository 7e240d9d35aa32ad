//! The roof: wires the house and keeps it running. One command comes in, one exit code goes out.
//!
//! `watch` and `run` become a [`supervisor`] of named tasks: one per network, the gauges, the admission of sessions, the
//! courier of webhooks, the pruning of old rows, the database's figures, the admin listener. Not for what they do: that is the rooms' below.

mod admission;
mod api;
mod complaints;
mod courier;
mod database;
mod gauges;
mod ground;
mod house;
mod listener;
mod network;
mod pruning;
mod readiness;
mod service_manager;
mod signals;
mod supervisor;
mod tenure;
mod watch;
mod work;

use std::process::ExitCode;

use tokio::runtime::Runtime;
use tracing::Level;

use crate::cli::{self, Arguments, Command, Exit, Failure, args};
use crate::settings::{self, Traces};
use crate::telemetry::{logs, traces};
use crate::{chain, demo};
use watch::Service;

/// Carries out a command, from its first log line to its exit code.
pub fn start(arguments: &Arguments) -> ExitCode {
    // Only who stays tells how it goes.
    let stays = matches!(arguments.command, Command::Watch | Command::Run | Command::Api);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::failed(format!("the runtime cannot start: {error}")).tell(),
    };
    if let Some(failure) = stays.then(|| trace(&runtime)).and_then(Result::err) {
        return failure.tell();
    }
    if let Err(error) = logs::install_at(if stays { Level::INFO } else { Level::WARN }) {
        return Failure::failed(format!("logging cannot start: {error}")).tell();
    }
    let outcome = runtime.block_on(carry_out(arguments));
    // Whatever did not drain in time is cut off here; its transaction rolls back.
    runtime.shutdown_background();
    outcome.map_or_else(|failure| failure.tell(), |()| ExitCode::SUCCESS)
}

/// Sends traces, where the environment asks for them.
fn trace(runtime: &Runtime) -> Result<(), Failure> {
    let Some(asked) = settings::traces(settings::environment()) else { return Ok(()) };
    let Traces { endpoint, timeout, service, continues } = asked;
    chain::install_tls();
    let to = traces::Destination { endpoint, timeout, service, continues };
    traces::begin(to, runtime.handle().clone()).map_err(|error| Failure::new(Exit::Configuration, error))
}

async fn carry_out(arguments: &Arguments) -> Result<(), Failure> {
    if let Command::Demo(asked) = &arguments.command {
        return demonstrate(asked).await;
    }
    if let Command::Config(asked) = &arguments.command {
        return cli::config::run(&arguments.sources, asked);
    }
    let settings = cli::connect::settings(&arguments.sources)?;
    match &arguments.command {
        Command::Watch => watch::run(settings, Service::Watch).await,
        Command::Run => watch::run(settings, Service::Run).await,
        Command::Api => api::run(settings).await,
        other @ (Command::Migrate(_)
        | Command::Check(_)
        | Command::Status(_)
        | Command::Config(_)
        | Command::Prune(_)
        | Command::Sessions(_)
        | Command::Pay(_)
        | Command::Transfers(_)
        | Command::Report(_)
        | Command::Businesses(_)
        | Command::Widgets(_)
        | Command::ApiKeys(_)
        | Command::Webhooks(_)
        | Command::Reconcile(_)
        | Command::Rescan(_)
        | Command::Health(_)
        | Command::Demo(_)) => cli::run(&settings, other).await,
    }
}

/// Reads no configuration: the demo writes its own.
async fn demonstrate(asked: &args::Demo) -> Result<(), Failure> {
    let options = demo::Options { keep: asked.keep, tools: asked.tools.clone() };
    match demo::run(options).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::failed("the demo did not end as it must")),
        Err(error) => {
            let text = format!("{error:#}");
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            let reason = lines.first().cloned().unwrap_or_default();
            // Somebody's last words: they stand above the reason, a line each.
            let details = if lines.len() > 1 { lines } else { Vec::new() };
            Err(Failure { details, ..Failure::failed(reason.trim_end_matches(':')) })
        }
    }
}
