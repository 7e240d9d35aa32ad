//! The log: on stderr, for people on a terminal, as JSON lines otherwise. Data never goes there, and secrets never
//! reach it ([`crate::domain::Secret`]).

use std::io::{self, IsTerminal, Write};

use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, fmt};

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Text, coloured unless `NO_COLOR` is set.
    Human,
    /// One object a line.
    Json,
}

/// Starts logging. `RUST_LOG` says what (default `info`); one that cannot be read is said and ignored.
///
/// # Errors
///
/// When the process logs already.
pub fn install() -> Result<(), TryInitError> {
    install_at(Level::INFO)
}

/// The same with another level where `RUST_LOG` says none: commands that only look need not tell how it goes.
///
/// # Errors
///
/// When the process logs already.
pub fn install_at(default: Level) -> Result<(), TryInitError> {
    let default = LevelFilter::from_level(default);
    let format = if io::stderr().is_terminal() { Format::Human } else { Format::Json };
    let filter = EnvFilter::builder().with_default_directive(default.into()).from_env();
    let (filter, unreadable) = match filter {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(default.to_string()), Some(error)),
    };
    tracing_subscriber::registry().with(lines(format, Stderr::default).with_filter(filter)).try_init()?;
    if let Some(error) = unreadable {
        tracing::warn!(%error, "RUST_LOG cannot be read; logging at info");
    }
    Ok(())
}

fn lines<S, W>(format: Format, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'a> fmt::MakeWriter<'a> + Send + Sync + 'static,
{
    // Without this a line that cannot be written is reported by `eprintln!`, which panics when stderr is closed.
    let layer = fmt::layer().log_internal_errors(false).with_writer(writer);
    match format {
        Format::Human => layer.boxed(),
        Format::Json => layer.with_ansi(false).json().flatten_event(true).boxed(),
    }
}

/// Standard error; what cannot be written there is dropped.
#[derive(Debug, Default)]
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A closed pipe must not stop a watcher, and there is nowhere left to say so.
        let _ = io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
