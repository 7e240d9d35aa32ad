//! The task that tells metrics how the database is to us: how many of our connections are lent, and whether its schema is
//! ours. By itself for `api`, beside the gauges for `watch` and `run`. Not for readiness, which asks for itself.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::complaints::Complaints;
use super::supervisor::{Task, beat};
use crate::cli::connect;
use crate::store::Store;
use crate::telemetry as t;

/// Its name in metrics.
pub(super) const NAME: &str = "database";
/// How often connections are counted: that asks nobody.
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// After how many counts the schema is asked for.
const SCHEMA_EVERY: u32 = 15;

/// Counts until shutdown; each store is named by who uses it.
pub(super) fn task(stores: Vec<(&'static str, Store)>, shutdown: &CancellationToken) -> Task {
    let shutdown = shutdown.clone();
    let work =
        move || -> futures_util::future::BoxFuture<'static, ()> { Box::pin(run(stores.clone(), shutdown.clone())) };
    Task { name: NAME, network: String::new(), work: Box::new(work) }
}

async fn run(stores: Vec<(&'static str, Store)>, shutdown: CancellationToken) {
    let mut complaints = Complaints::default();
    for round in (0..SCHEMA_EVERY).cycle() {
        if shutdown.is_cancelled() {
            return;
        }
        beat(NAME, "");
        for (kind, store) in &stores {
            let now = store.connections();
            for (state, count) in [("busy", now.busy), ("idle", now.idle), ("unopened", now.unopened)] {
                t::DATABASE_CONNECTIONS.set(&[kind, state], count);
            }
        }
        if let (0, Some((_, store))) = (round, stores.first()) {
            schema(store, &mut complaints).await;
        }
        tokio::select! {
            () = sleep(COUNT_EVERY) => {}
            () = shutdown.cancelled() => {}
        }
    }
}

/// Keeps what was known while the database is away: that has alarms of its own.
async fn schema(store: &Store, complaints: &mut Complaints) {
    let Ok(schema) = store.schema().await else { return };
    t::SCHEMA_MISSING_MIGRATIONS.set(&[], count(&schema.missing));
    t::SCHEMA_UNKNOWN_MIGRATIONS.set(&[], count(&schema.unknown));
    if schema.unknown.is_empty() {
        complaints.end();
    } else if complaints.is_news(&schema.unknown.join(", ")) {
        let unknown = schema.unknown.join(", ");
        tracing::warn!(unknown, cure = connect::NEWER_CURE, "a newer version migrated the database");
    }
}

fn count(migrations: &[String]) -> u64 {
    u64::try_from(migrations.len()).unwrap_or(u64::MAX)
}
