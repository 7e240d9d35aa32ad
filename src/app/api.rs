//! The API as tasks: its listener, the live view's poller, housekeeping. By itself for `api`, beside the watcher for
//! `run`. Not for routes: those are [`crate::http::api`]'s.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::database;
use super::ground::{self, Ground, Schema};
use super::listener;
use super::supervisor::{Task, beat};
use crate::cli::{Failure, connect};
use crate::deposits::Office;
use crate::deposits::live::Live;
use crate::http::api::{self, App};
use crate::http::{Part, Readiness, admin};
use crate::keys::Keyring;
use crate::settings::Settings;
use crate::store::{self, Error, Store};
use crate::telemetry::{self, Labels};
use crate::webhooks::Desk;

/// Tasks of the API, as metrics name them.
pub(super) const TASKS: [&str; 3] = ["api", "live", "housekeeping"];
/// The one that serves its metrics when it runs by itself.
const ADMIN: &str = "admin";
/// How often what is too old is put away.
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// Rows put away in one statement.
const TIDY_AT_MOST: i64 = 1_000;
/// What the database is given to answer; a probe waits 3 s at most.
const PATIENCE: Duration = Duration::from_millis(2_500);

/// Runs the API alone until a signal comes.
pub(super) async fn run(settings: Settings) -> Result<(), Failure> {
    let keyring = connect::keyring(&settings)?;
    let Some(ground) = Ground::lay(&settings, Schema::Demand).await? else { return Ok(()) };
    let admin = listener::bind("admin.api_listen", settings.admin.api_listen)?;
    let served = listener::bind("http.listen", settings.http.listen)?;
    let process_tasks = TASKS.iter().chain([&ADMIN, &database::NAME]).map(|task| (*task).to_owned()).collect();
    telemetry::initialise(Labels { process_tasks, ..Labels::default() });
    let metrics = listener::address(&admin, settings.admin.api_listen);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), admin = format!("http://{metrics}/metrics"), "starting");
    let settings = Arc::new(settings);
    let mut tasks = tasks(&settings, &ground.store, keyring, served, &ground.shutdown);
    tasks.push(database::task(vec![("api", ground.store.clone())], &ground.shutdown));
    let (readiness, shutdown) = (readiness(ground.store.clone()), ground.shutdown.clone());
    tasks.push(listener::task(ADMIN, admin, move |listener| {
        Box::pin(admin::serve(listener, ground.exposition.clone(), readiness.clone(), shutdown.clone()))
    }));
    ground::work(tasks, ground.shutdown).await;
    Ok(())
}

/// What the API does; says where it is.
pub(super) fn tasks(
    settings: &Arc<Settings>,
    store: &Store,
    keyring: Keyring,
    listener: TcpListener,
    shutdown: &CancellationToken,
) -> Vec<Task> {
    let keyring = Arc::new(keyring);
    let office = Office::new(settings.clone(), store.clone());
    let desk = Desk::new(settings, store.clone(), Some(keyring.clone()));
    let live = Live::new(office.clone());
    let app = App::new(settings.clone(), office, desk, live.clone(), keyring);
    let at = listener::address(&listener, settings.http.listen);
    tracing::info!(api = format!("http://{at}"), public = settings.http.public_url.as_str(), "serving the API");
    let readiness = readiness(store.clone());
    let (serving, tidying, stop) = (app.clone(), (app, store.clone()), shutdown.clone());
    let serve = move |listener| -> BoxFuture<'static, ()> {
        Box::pin(api::serve(listener, serving.clone(), readiness.clone(), stop.clone()))
    };
    vec![
        listener::task("api", listener, serve),
        task("live", shutdown, move |shutdown| {
            let live = live.clone();
            Box::pin(async move { live.run(shutdown).await })
        }),
        task("housekeeping", shutdown, move |shutdown| {
            let (app, store) = tidying.clone();
            Box::pin(tidy(app, store, shutdown))
        }),
    ]
}

fn task(
    name: &'static str,
    shutdown: &CancellationToken,
    work: impl Fn(CancellationToken) -> BoxFuture<'static, ()> + Send + Sync + 'static,
) -> Task {
    let shutdown = shutdown.clone();
    Task { name, network: String::new(), work: Box::new(move || work(shutdown.clone())) }
}

/// Puts away what is too old, a bounded piece at a time.
async fn tidy(app: App, store: Store, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        beat("housekeeping", "");
        app.forget_the_quiet();
        // As long as there is more: keys may come faster than one piece a minute.
        let mut more = true;
        while more && !shutdown.is_cancelled() {
            let purged = store.purge_requests(TIDY_AT_MOST).await;
            more = matches!(purged, Ok(rows) if rows >= TIDY_AT_MOST.unsigned_abs());
            if let Err(error) = purged {
                tracing::warn!(%error, "old idempotency keys cannot be put away");
            }
        }
        tokio::select! {
            () = sleep(TIDY_EVERY) => {}
            () = shutdown.cancelled() => {}
        }
    }
}

/// Database and schema: all that the API needs. A newer schema is told and no reason to send nobody here: while an
/// upgrade rolls on, who was there before it serves until the new ones do (migrations take nothing away at once).
fn readiness(store: Store) -> Readiness {
    Readiness::new(move || {
        let store = store.clone();
        async move {
            let asked = timeout(PATIENCE, store.schema()).await;
            let silence = || store.refusal().unwrap_or("no answer").to_owned();
            let schema = asked.unwrap_or_else(|_| Err(Error::Unavailable(silence())));
            let (name, outcome) = match schema {
                Err(error) => (String::new(), Err(error.to_string())),
                Ok(store::Schema { missing, .. }) if !missing.is_empty() => {
                    let missing = missing.len();
                    (String::new(), Err(format!("{missing} migrations are missing; run `deposit-watcher migrate`")))
                }
                Ok(store::Schema { unknown, .. }) if unknown.is_empty() => (String::new(), Ok(())),
                Ok(store::Schema { unknown, .. }) => (format!(" (its schema is {})", connect::newer(&unknown)), Ok(())),
            };
            vec![Part { name: format!("database{name}"), outcome }]
        }
    })
}
