//! The log: on stderr, for people on a terminal, as JSON lines otherwise. Data never goes there, and secrets never
//! reach it ([`crate::domain::Secret`]). Spans are no part of it: its lines are the same with traces and without.

use std::io::{self, IsTerminal, Write};

use tracing::{Level, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Filter, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, fmt};

use super::traces;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Text, coloured unless `NO_COLOR` is set.
    Human,
    /// One object a line.
    Json,
}

/// Starts logging, and turns spans into traces where [`traces::begin`] went before. `RUST_LOG` says what (default `info`); one that cannot be read is said and ignored.
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
    let log = tracing_subscriber::registry().with(lines(format, Stderr::default).with_filter(without_spans(filter)));
    match traces::layer() {
        Some(traces) => log.with(traces).try_init()?,
        None => log.try_init()?,
    }
    if let Some(error) = unreadable {
        tracing::warn!(%error, "RUST_LOG cannot be read; logging at info");
    }
    Ok(())
}

/// Without the spans that are traces. The hint is what `and` leaves of the other's: none at all would have every line of
/// every crate looked at.
fn without_spans<S: Subscriber>(filter: EnvFilter) -> impl Filter<S> {
    filter.and(filter_fn(|metadata| !traces::is_ours(metadata)).with_max_level_hint(LevelFilter::TRACE))
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

#[cfg(test)]
mod tests {
    use tracing_subscriber::Registry;

    use super::*;

    #[test]
    fn what_nobody_wants_is_not_looked_at() {
        for (directives, hint) in [("info", LevelFilter::INFO), ("warn,deposit_watcher=debug", LevelFilter::DEBUG)] {
            let filter = without_spans::<Registry>(EnvFilter::new(directives));
            assert_eq!(filter.max_level_hint(), Some(hint), "{directives}");
        }
    }
}
