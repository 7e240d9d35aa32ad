//! What every service stands on, `watch`, `run` and `api` alike: metrics, signals, the database with its schema; and how
//! it ends. Not for what a service does: that is its list of tasks.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::service_manager::Manager;
use super::signals;
use super::supervisor::{Task, supervise};
use crate::cli::{Failure, connect};
use crate::settings::{self, Settings};
use crate::store::Store;
use crate::telemetry::{self, Exposition, traces};

/// What draining may take; what is left then rolls back.
const DRAIN: Duration = Duration::from_millis(9_500);

/// What is left of ten seconds then, less a moment for the rest.
const END: Duration = Duration::from_millis(9_800);
/// What the last traces may take of it.
const LAST_TRACES: Duration = Duration::from_secs(2);

/// What is done about a schema that is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    /// `run` migrates; one that is newer it refuses.
    Migrate,
    /// `watch` and `api` refuse.
    Demand,
}

/// See the head of this file.
pub(super) struct Ground {
    /// The database.
    pub(super) store: Store,
    /// Every metric.
    pub(super) exposition: Exposition,
    /// Cancelled by the first signal.
    pub(super) shutdown: CancellationToken,
}

impl Ground {
    /// Everything there; `None` when a signal came while the database was waited for.
    pub(super) async fn lay(settings: &Settings, schema: Schema) -> Result<Option<Ground>, Failure> {
        let exposition = telemetry::install().map_err(Failure::failed)?;
        // What panics is logged like everything else; who keeps the task says the rest.
        std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "a task panicked")));
        let shutdown = signals::listen()?;
        let store = database(settings, schema, &shutdown).await?;
        Ok(store.map(|store| Ground { store, exposition, shutdown }))
    }
}

/// The database, reachable and with its schema.
async fn database(settings: &Settings, schema: Schema, stop: &CancellationToken) -> Result<Option<Store>, Failure> {
    let reached = tokio::select! {
        reached = connect::database(&settings.database) => reached?,
        () = stop.cancelled() => return Ok(None),
    };
    if schema == Schema::Demand {
        connect::demand_schema(&reached, &settings.database).await?;
        return Ok(Some(reached));
    }
    let schema = reached.schema().await?;
    connect::refuse_newer(&schema, &settings.database)?;
    for migration in schema.missing {
        tracing::info!(migration, "applying");
    }
    reached.migrate().await?;
    Ok(Some(reached))
}

/// Works until a signal comes, then drains; whoever started us hears of both.
pub(super) async fn work(tasks: Vec<Task>, shutdown: CancellationToken) {
    let manager = Manager::of(settings::environment());
    let working = tokio::spawn(supervise(tasks, shutdown.clone()));
    manager.ready();
    let reassuring = manager.reassure();
    shutdown.cancelled().await;
    let stopping = Instant::now();
    manager.stopping();
    match timeout(DRAIN, working).await {
        Ok(_) => tracing::info!("drained"),
        Err(_) => tracing::warn!("not everything ended in time; what is open rolls back"),
    }
    let patience = END.saturating_sub(stopping.elapsed()).min(LAST_TRACES);
    let _ = spawn_blocking(move || traces::end(patience)).await;
    // Until now it heard that we are there: draining takes its time.
    if let Some(task) = reassuring {
        task.abort();
    }
}
