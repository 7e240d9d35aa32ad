//! `watch` and `run`: from settings to a house that works, and from a signal to its end within 10 s.

use std::net::TcpListener;
use std::sync::Arc;

use super::ground::{self, Ground, Schema};
use super::house::House;
use super::supervisor::Task;
use super::{admission, api, courier, database, gauges, listener, network, pruning, readiness};
use crate::cli::{Exit, Failure, connect};
use crate::http::admin;
use crate::settings::{Ambiguous, Retention, Settings};
use crate::store::Store;
use crate::telemetry::{self, Exposition};
use crate::webhooks::Courier;

/// What runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// The watcher alone; the schema must be there.
    Watch,
    /// Watcher and API, after migrating.
    Run,
}

/// Runs until a signal comes.
pub(super) async fn run(settings: Settings, service: Service) -> Result<(), Failure> {
    let (schema, keyring) = match service {
        Service::Watch => (Schema::Demand, None),
        Service::Run => (Schema::Migrate, Some(connect::keyring(&settings)?)),
    };
    let Some(ground) = Ground::lay(&settings, schema).await? else { return Ok(()) };
    let listener = listener::bind("admin.listen", settings.admin.listen)?;
    let served = match keyring {
        // Connections of its own: whatever the API's clients do, the watcher is never out of them.
        Some(keyring) => {
            Some((keyring, Store::new(&settings.database)?, listener::bind("http.listen", settings.http.listen)?))
        }
        None => None,
    };
    let house = House::new(&settings, ground.store.clone(), ground.shutdown.clone());
    let house = house.map_err(|error| Failure::new(Exit::Configuration, error))?;
    let courier = courier::hire(&settings, &house.store).await?;
    let besides = courier.iter().map(|_| courier::NAME).chain(served.iter().flat_map(|_| api::TASKS));
    telemetry::initialise(house.labels(&besides.collect::<Vec<_>>()));
    greet(&settings, &house, &listener);
    let house = Arc::new(house);
    let mut tasks = tasks(&house, settings.retention, listener, &ground.exposition, courier);
    let api = served.iter().map(|(_, store, _)| ("api", store.clone()));
    let stores = std::iter::once(("watcher", house.store.clone())).chain(api).collect();
    tasks.push(database::task(stores, &ground.shutdown));
    if let Some((keyring, store, listener)) = served {
        tasks.extend(api::tasks(&Arc::new(settings), &store, keyring, listener, &ground.shutdown));
    }
    ground::work(tasks, ground.shutdown).await;
    Ok(())
}

fn greet(settings: &Settings, house: &House, listener: &TcpListener) {
    let admin = listener::address(listener, settings.admin.listen);
    let networks: Vec<&str> = house.posts.iter().map(|post| post.slug().as_str()).collect();
    let (version, holder) = (env!("CARGO_PKG_VERSION"), &house.holder);
    tracing::info!(
        version,
        holder,
        admin = format!("http://{admin}/metrics"),
        networks = networks.join(","),
        "watching"
    );
    if networks.is_empty() {
        tracing::warn!("no network is enabled: nothing is watched");
    }
    for post in house.posts.iter().filter(|post| post.network.ambiguous == Ambiguous::Oldest) {
        tracing::warn!(network = %post.slug(), "ambiguous = \"oldest\": of sessions that tie, the oldest gets the money, be it another customer's");
    }
}

fn tasks(
    house: &Arc<House>,
    retention: Retention,
    listener: TcpListener,
    exposition: &Exposition,
    courier: Option<Arc<Courier>>,
) -> Vec<Task> {
    let process = |name, work| Task { name, network: String::new(), work };
    let (counting, examining, pruned) = (house.clone(), house.clone(), house.clone());
    let mut tasks = vec![
        process("gauges", Box::new(move || Box::pin(gauges::run(counting.clone())))),
        process("admission", Box::new(move || Box::pin(admission::run(examining.clone())))),
        process(pruning::NAME, Box::new(move || Box::pin(pruning::run(pruned.clone(), retention)))),
        admin_task(house, listener, exposition.clone()),
    ];
    tasks.extend(courier.map(|courier| courier::task(house, courier)));
    for post in &house.posts {
        let (house, post) = (house.clone(), post.clone());
        let network = post.slug().to_string();
        let work = Box::new(move || -> futures_util::future::BoxFuture<'static, ()> {
            Box::pin(network::run(house.clone(), post.clone()))
        });
        tasks.push(Task { name: "network", network, work });
    }
    tasks
}

fn admin_task(house: &Arc<House>, listener: TcpListener, exposition: Exposition) -> Task {
    let (readiness, shutdown) = (readiness::of(house.clone()), house.shutdown.clone());
    listener::task("admin", listener, move |listener| {
        Box::pin(admin::serve(listener, exposition.clone(), readiness.clone(), shutdown.clone()))
    })
}
