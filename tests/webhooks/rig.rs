//! A database, a desk and couriers in a hurry. Not the receivers: those are in `receiver`.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deposit_watcher::domain::{BusinessId, Secret, WebhookId};
use deposit_watcher::keys::Keyring;
use deposit_watcher::settings::{self, Settings};
use deposit_watcher::store::Store;
use deposit_watcher::webhooks::client::{Lookup, Patience};
use deposit_watcher::webhooks::{Courier, DeliveryFilter, DeliveryLine, Desk, NewEndpoint, Pace};
use futures_util::future::BoxFuture;
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::support::Database;

/// Loopback is open, and nothing waits for minutes.
pub(crate) const LOCAL: &str =
    "allow_http = true\nallowed_networks = [\"127.0.0.0/8\"]\nretry_after = [\"300ms\", \"300ms\"]\n";

/// As fast as tests need it.
pub(crate) const PACE: Pace = Pace {
    tick: Duration::from_millis(50),
    lease: Duration::from_secs(3),
    patience: Patience { connect: Duration::from_millis(700), total: Duration::from_millis(1_500) },
    drain: Duration::from_secs(5),
};

/// One business's shop with its webhooks, and a second business.
pub(crate) struct Rig {
    pub(crate) database: Database,
    pub(crate) pool: PgPool,
    pub(crate) store: Store,
    pub(crate) settings: Settings,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) desk: Desk,
}

/// A courier at work; dropped, it falls dead as if killed.
pub(crate) struct Working {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Working {
    /// Asks it to end and waits until it has.
    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        (&mut self.task).await.unwrap();
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Names every host as this function says.
pub(crate) struct Names<F>(pub(crate) F);

impl<F: Fn(&str) -> Vec<IpAddr> + Send + Sync> Lookup for Names<F> {
    fn addresses(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let found = (self.0)(&host);
        Box::pin(async move { Ok(found) })
    }
}

pub(crate) fn shop() -> BusinessId {
    BusinessId("default".to_owned())
}

impl Rig {
    /// With these lines in `[webhooks]`.
    pub(crate) async fn new(rules: &str) -> Rig {
        let database = Database::create(&sqlx::migrate!("./migrations")).await;
        let pool = database.pool().await;
        sqlx::query("INSERT INTO businesses (id, name) VALUES ('other', 'other')").execute(&pool).await.unwrap();
        let settings = settings(&database, rules);
        let store = Store::new(&settings.database).unwrap();
        let keyring = Arc::new(Keyring::new(&Secret::new([7; 32]), None));
        let desk = Desk::new(&settings, store.clone(), Some(keyring.clone()));
        Rig { database, pool, store, settings, keyring, desk }
    }

    /// An endpoint of the shop's for these types; its id and its secret.
    pub(crate) async fn endpoint(&self, url: &str, events: &[&str]) -> (WebhookId, String) {
        self.endpoint_of(&shop(), url, events).await
    }

    pub(crate) async fn endpoint_of(&self, business: &BusinessId, url: &str, events: &[&str]) -> (WebhookId, String) {
        let events = events.iter().map(|kind| (*kind).to_owned()).collect();
        let (endpoint, secret) =
            self.desk.create(business, &NewEndpoint { url: url.to_owned(), events }).await.unwrap();
        (WebhookId(endpoint.id), secret.expose().clone())
    }

    /// An outside program opens a session.
    pub(crate) async fn open(&self, id: &str) {
        self.open_of(None, id).await;
    }

    pub(crate) async fn open_of(&self, business: Option<&str>, id: &str) {
        sqlx::query(
            "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address, business_id)
             VALUES ($1, 12.50, 'USDC', 'net', '0x' || repeat('cc', 20), '0x' || repeat('ab', 20), $2)",
        )
        .bind(id)
        .bind(business)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// Its customer begins to pay.
    pub(crate) async fn begin(&self, id: &str) {
        sqlx::query("UPDATE deposit_sessions SET payment_status = 'PENDING' WHERE id = $1")
            .bind(id)
            .execute(&self.pool)
            .await
            .unwrap();
    }

    /// It is cancelled, and so expires.
    pub(crate) async fn cancel(&self, id: &str) {
        sqlx::query("UPDATE deposit_sessions SET cancelled_at = now() WHERE id = $1")
            .bind(id)
            .execute(&self.pool)
            .await
            .unwrap();
    }

    /// A courier with the system's resolver.
    pub(crate) fn courier(&self) -> Working {
        self.courier_with(Arc::new(deposit_watcher::webhooks::client::System), PACE)
    }

    pub(crate) fn courier_with(&self, lookup: Arc<dyn Lookup>, pace: Pace) -> Working {
        // A pool of its own, as another process has.
        let store = Store::new(&self.settings.database).unwrap();
        let courier = Courier::at_pace(&self.settings, store, self.keyring.clone(), lookup, pace).unwrap();
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        Working { stop, task: tokio::spawn(async move { courier.run(stopping, || ()).await }) }
    }

    /// The shop's deliveries, newest first.
    pub(crate) async fn deliveries(&self) -> Vec<DeliveryLine> {
        self.desk.deliveries(&shop(), &DeliveryFilter::default()).await.unwrap().items
    }

    /// Waits until every delivery of the shop is delivered or dead.
    pub(crate) async fn finished(&self) -> Vec<DeliveryLine> {
        until("all is delivered or dead", || async {
            let lines = self.deliveries().await;
            let done = !lines.is_empty() && lines.iter().all(|line| line.state != "WAITING");
            done.then_some(lines)
        })
        .await
    }
}

fn settings(database: &Database, rules: &str) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("networks.toml");
    let network =
        "chain_id = 31337\nfinality = \"confirmations\"\nconfirmations = 3\nrpc.local.url = \"http://127.0.0.1:1\"";
    let text = format!("[database]\nurl = \"{}\"\n[webhooks]\n{rules}\n[networks.net]\n{network}\n", database.url());
    std::fs::write(&path, text).unwrap();
    settings::load(&[path], std::iter::empty(), &[]).unwrap()
}

/// Asks again and again until there is an answer; 15 s are too long.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < Duration::from_secs(15), "waited in vain: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}
