//! Deliveries as they are really sent, from an INSERT to the line that a receiver prints: once, again, and over a rotation.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deposit_watcher::domain::{BusinessId, DeliveryId, Secret, WebhookId};
use deposit_watcher::keys::Keyring;
use deposit_watcher::settings::{self, Settings};
use deposit_watcher::store::{MIGRATIONS, Store};
use deposit_watcher::webhooks::client::System;
use deposit_watcher::webhooks::{Courier, DeliveryFilter, Desk, NewEndpoint, Pace};
use sqlx::Executor;
use sqlx::postgres::PgPool;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::receiver::{Language, Receiver};
use super::support::Database;

/// A database, somebody who sends, and an endpoint.
struct Scene {
    pool: PgPool,
    desk: Desk,
    endpoint: WebhookId,
    secret: String,
    at: SocketAddr,
    sending: JoinHandle<()>,
}

fn settings(url: &str) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("networks.toml");
    let lines = "[webhooks]\nallow_http = true\nallowed_networks = [\"127.0.0.0/8\"]\nretry_after = [\"100ms\", \"1s\", \"1s\", \"1s\"]\n";
    std::fs::write(&file, format!("[database]\nurl = \"{url}\"\n{lines}")).unwrap();
    settings::load(&[file], std::iter::empty(), &[]).unwrap_or_else(|problems| panic!("{problems:?}"))
}

impl Scene {
    async fn begin() -> Scene {
        let database = Database::create(&MIGRATIONS).await;
        let settings = settings(&database.url());
        let store = Store::new(&settings.database).unwrap();
        let keyring = Arc::new(Keyring::new(&Secret::new([7; 32]), None));
        let desk = Desk::new(&settings, store.clone(), Some(keyring.clone()));
        let at = Receiver::place();
        let new = NewEndpoint { url: format!("http://{at}/hooks"), events: vec![] };
        let (endpoint, secret) = desk.create(&BusinessId("default".to_owned()), &new).await.unwrap();
        let pace = Pace { tick: Duration::from_millis(20), ..Pace::default() };
        let courier = Courier::at_pace(&settings, store, keyring, Arc::new(System), pace).unwrap();
        let sending = tokio::spawn(async move { courier.run(CancellationToken::new(), || ()).await });
        let endpoint = WebhookId(endpoint.id);
        Scene { pool: database.pool().await, desk, endpoint, secret: secret.expose().clone(), at, sending }
    }

    async fn open(&self, id: &str) {
        let insert = "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address, customer_reference) \
                      VALUES ($1, 1.5, 'USDC', 'polygon', '0x3c499c542cef5e3811e1192ce70d8cc03d5c3359', '0x70997970c51812dc3a010c7d01b50e0d17dc79c8', 'Käse 🧀')";
        sqlx::query(insert).bind(id).execute(&self.pool).await.unwrap();
    }

    async fn cancel(&self, id: &str) {
        sqlx::query("UPDATE deposit_sessions SET cancelled_at = now() WHERE id = $1")
            .bind(id)
            .execute(&self.pool)
            .await
            .unwrap();
    }

    /// Waits until there are so many deliveries and none of them waits; gives each one's id and state.
    async fn settled(&self, deliveries: usize) -> Vec<(String, String)> {
        let begun = Instant::now();
        loop {
            let page = self.desk.all_deliveries(&DeliveryFilter::default()).await.unwrap();
            let states: Vec<_> = page.items.into_iter().map(|line| (line.id, line.state)).collect();
            if states.len() == deliveries && states.iter().all(|(_, state)| state != "WAITING") {
                return states;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{states:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

async fn examine(language: Language) {
    let mut scene = Scene::begin().await;
    let receiver = Receiver::start(language, &scene.secret, scene.at);
    scene.open("dep_a").await;
    assert_eq!(receiver.line(), "deposit.created dep_a CREATED 1");
    scene.cancel("dep_a").await;
    assert_eq!(receiver.line(), "deposit.expired dep_a EXPIRED 2");

    // Asked for again: it is taken, and nothing comes of it.
    let states = scene.settled(2).await;
    for (id, _) in &states {
        scene.desk.retry(&DeliveryId(id.clone())).await.unwrap();
    }
    assert!(scene.settled(2).await.iter().all(|(_, state)| state == "DELIVERED"));
    let attempts = scene.pool.fetch_all("SELECT FROM webhook_attempts").await.unwrap();
    assert_eq!(attempts.len(), 4);

    // Rotated: who has the old secret still hears, who has the new one does already, who has neither does not.
    let (_, new) = scene.desk.rotate(&scene.endpoint).await.unwrap();
    scene.open("dep_b").await;
    assert_eq!(receiver.line(), "deposit.created dep_b CREATED 3");
    scene.settled(3).await;
    assert_eq!(receiver.end(), Vec::<String>::new());
    let receiver = Receiver::start(language, new.expose(), scene.at);
    scene.open("dep_c").await;
    assert_eq!(receiver.line(), "deposit.created dep_c CREATED 4");
    scene.settled(4).await;
    assert_eq!(receiver.end(), Vec::<String>::new());
    scene.secret = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned();
    let receiver = Receiver::start(language, &scene.secret, scene.at);
    scene.open("dep_d").await;
    let states = scene.settled(5).await;
    assert_eq!(states.iter().filter(|(_, state)| state == "DEAD").count(), 1, "{states:?}");
    assert_eq!(receiver.end(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn node() {
    examine(Language::Node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rust() {
    examine(Language::Rust).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3: tests/debian/receivers.sh runs it"]
async fn python() {
    examine(Language::Python).await;
}
