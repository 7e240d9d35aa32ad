//! `watch` and `run`: from settings to a house that works, and from a signal to its end within 10 s.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::house::House;
use super::supervisor::{Task, beat, supervise};
use super::{admission, courier, gauges, network, readiness, signals};
use crate::cli::{Exit, Failure, connect};
use crate::http::{Readiness, admin};
use crate::settings::{Ambiguous, Settings};
use crate::store::Store;
use crate::telemetry::{self, Exposition};
use crate::webhooks::Courier;

/// What draining may take; what is left then rolls back.
const DRAIN: Duration = Duration::from_millis(9_500);

/// How often the admin listener shows that it is there.
const BEAT_EVERY: Duration = Duration::from_secs(5);

/// What is done about a schema that is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    /// `run` migrates.
    Migrate,
    /// `watch` refuses.
    Demand,
}

/// Runs until a signal comes.
pub(super) async fn run(settings: Settings, schema: Schema) -> Result<(), Failure> {
    let exposition = telemetry::install().map_err(Failure::failed)?;
    // What panics is logged like everything else; who keeps the task says the rest.
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "a task panicked")));
    let shutdown = signals::listen()?;
    let Some(store) = database(&settings, schema, &shutdown).await? else { return Ok(()) };
    let listener = bind(settings.admin.listen)?;
    let house = House::new(&settings, store, shutdown.clone());
    let house = house.map_err(|error| Failure::new(Exit::Configuration, error))?;
    let courier = courier::hire(&settings, &house.store).await?;
    let besides = courier.iter().map(|_| courier::NAME).collect::<Vec<_>>();
    telemetry::initialise(house.labels(&besides));
    greet(&settings, &house, &listener);
    let house = Arc::new(house);
    let tasks = tasks(&house, listener, &exposition, courier);
    let working = tokio::spawn(supervise(tasks, shutdown.clone()));
    shutdown.cancelled().await;
    match timeout(DRAIN, working).await {
        Ok(_) => tracing::info!("drained"),
        Err(_) => tracing::warn!("not everything ended in time; what is open rolls back"),
    }
    Ok(())
}

/// The database, reachable and with its schema; `None` when a signal came while it was waited for.
async fn database(settings: &Settings, schema: Schema, stop: &CancellationToken) -> Result<Option<Store>, Failure> {
    let reached = tokio::select! {
        reached = connect::database(&settings.database) => reached?,
        () = stop.cancelled() => return Ok(None),
    };
    if schema == Schema::Demand {
        connect::demand_schema(&reached, &settings.database).await?;
        return Ok(Some(reached));
    }
    for migration in reached.missing_migrations().await? {
        tracing::info!(migration, "applying");
    }
    reached.migrate().await?;
    Ok(Some(reached))
}

fn bind(at: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(at).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|error| {
        let why = match error.kind() == io::ErrorKind::AddrInUse {
            true => "is in use; is another watcher running here?".to_owned(),
            false => format!("cannot be listened at: {error}"),
        };
        Failure::failed(format!("admin.listen {at} {why} Set admin.listen to a free address"))
    })
}

fn greet(settings: &Settings, house: &House, listener: &TcpListener) {
    let admin = listener.local_addr().map_or_else(|_| settings.admin.listen.to_string(), |at| at.to_string());
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
    listener: TcpListener,
    exposition: &Exposition,
    courier: Option<Arc<Courier>>,
) -> Vec<Task> {
    let process = |name, work| Task { name, network: String::new(), work };
    let (counting, examining) = (house.clone(), house.clone());
    let mut tasks = vec![
        process("gauges", Box::new(move || Box::pin(gauges::run(counting.clone())))),
        process("admission", Box::new(move || Box::pin(admission::run(examining.clone())))),
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

/// The listener stays ours, so that the task can be started again on the same address.
fn admin_task(house: &Arc<House>, listener: TcpListener, exposition: Exposition) -> Task {
    let (readiness, shutdown) = (readiness::of(house.clone()), house.shutdown.clone());
    let work = move || -> futures_util::future::BoxFuture<'static, ()> {
        let listener = listener.try_clone().and_then(tokio::net::TcpListener::from_std);
        Box::pin(serve(listener, exposition.clone(), readiness.clone(), shutdown.clone()))
    };
    Task { name: "admin", network: String::new(), work: Box::new(work) }
}

async fn serve(
    listener: io::Result<tokio::net::TcpListener>,
    exposition: Exposition,
    readiness: Readiness,
    shutdown: CancellationToken,
) {
    match listener {
        Ok(listener) => tokio::select! {
            () = admin::serve(listener, exposition, readiness, shutdown) => {}
            () = beats() => {}
        },
        Err(error) => tracing::error!(%error, "the admin listener cannot be used"),
    }
}

async fn beats() {
    loop {
        beat("admin", "");
        sleep(BEAT_EVERY).await;
    }
}
