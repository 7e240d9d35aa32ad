//! `reconcile` as it is typed. Its help is its manual; not for what it does.

use std::time::Duration;

use clap::Args;

use super::args::{Shape, block, duration};
use crate::domain::BlockNumber;

/// `reconcile`
#[derive(Debug, Args)]
pub struct Reconcile {
    /// A configured network.
    #[arg(long)]
    pub network: String,
    /// The first block; if not given, where what was compared ends, or where a difference still stands.
    #[arg(long, value_name = "BLOCK", value_parser = block)]
    pub from: Option<BlockNumber>,
    /// The last one, included; if not given, the last that was looked at twice.
    #[arg(long, value_name = "BLOCK", value_parser = block)]
    pub to: Option<BlockNumber>,
    /// Only this token, by its key.
    #[arg(long, value_name = "KEY")]
    pub token: Option<String>,
    /// The endpoint that is asked, by its key; if not given, the best there is.
    #[arg(long, value_name = "KEY")]
    pub endpoint: Option<String>,
    /// Also ask what each address owns at the last block, and compare it with what came.
    #[arg(long)]
    pub balances: bool,
    /// How long to wait for an endpoint that does not answer.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub timeout: Duration,
    /// How it is printed.
    #[command(flatten)]
    pub shape: Shape,
}
