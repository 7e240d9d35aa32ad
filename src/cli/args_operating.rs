//! The command line of whoever keeps it running: `status`, `config`, `prune`. Not for what is asked of sessions and transfers.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::args::{Shape, duration};

/// `status`
#[derive(Debug, Args)]
pub struct Status {
    /// Show it again and again, until Ctrl-C.
    #[arg(long)]
    pub watch: bool,
    /// How often.
    #[arg(long, value_name = "DURATION", default_value = "2s", requires = "watch", value_parser = interval)]
    pub interval: Duration,
    /// How it is printed.
    #[command(flatten)]
    pub shape: Shape,
}

/// `config …`
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Every key, the value that counts, and where it came from: default, file, environment or flag. Secrets are not shown.
    #[command(after_help = "Example:\n  deposit-watcher config show --given\n  \
        deposit-watcher --set admin.listen=0.0.0.0:9464 config show --output json")]
    Show(ConfigShow),
}

/// `config show`
#[derive(Debug, Args)]
pub struct ConfigShow {
    /// Only what somebody gave; no defaults.
    #[arg(long)]
    pub given: bool,
    /// How it is printed.
    #[command(flatten)]
    pub shape: Shape,
}

/// `prune`
#[derive(Debug, Args)]
pub struct Prune {
    /// Remove nothing; print what would go.
    #[arg(long)]
    pub dry_run: bool,
    /// How it is printed.
    #[command(flatten)]
    pub shape: Shape,
}

/// Long enough that asking is no load.
fn interval(text: &str) -> Result<Duration, String> {
    let least = Duration::from_millis(100);
    duration(text).and_then(|read| if read < least { Err("is less than 100ms".to_owned()) } else { Ok(read) })
}
