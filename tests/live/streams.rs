//! What viewers hear of rows that change, and of a database that is away.

use std::sync::Arc;
use std::time::Duration;

use deposit_watcher::demo::{Postgres, Stop};
use deposit_watcher::deposits::Office;
use deposit_watcher::deposits::live::{Live, Update, Watch};
use deposit_watcher::domain::SessionId;
use deposit_watcher::store::MIGRATIONS;
use serde_json::Value;
use sqlx::Executor;
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::support::{self, Database};

const PATIENCE: Duration = Duration::from_secs(30);

struct Scene {
    pool: PgPool,
    office: Office,
    live: Live,
    shutdown: CancellationToken,
}

impl Scene {
    fn on(pool: PgPool, url: &str) -> Scene {
        let settings = Arc::new(super::settings(url));
        let office = Office::new(settings, super::store(url));
        let (live, shutdown) = (Live::new(office.clone()), CancellationToken::new());
        let (polling, stop) = (live.clone(), shutdown.clone());
        tokio::spawn(async move { polling.run(stop).await });
        Scene { pool, office, live, shutdown }
    }

    async fn begin() -> Scene {
        let database = Database::create(&MIGRATIONS).await;
        Scene::on(database.pool().await, &database.url())
    }

    async fn open(&self, id: &str) -> SessionId {
        let insert = "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address) \
            VALUES ($1, 1, 'USDC', 'polygon', '0x3c499c542cef5e3811e1192ce70d8cc03d5c3359', '0x70997970c51812dc3a010c7d01b50e0d17dc79c8')";
        sqlx::query(insert).bind(id).execute(&self.pool).await.unwrap();
        SessionId(id.to_owned())
    }

    async fn begun(&self, id: &SessionId) {
        let update = "UPDATE deposit_sessions SET payment_status = 'PENDING' WHERE id = $1";
        sqlx::query(update).bind(&id.0).execute(&self.pool).await.unwrap();
    }

    /// What `GET` would answer.
    async fn read(&self, id: &SessionId) -> String {
        serde_json::to_string(&self.office.read(id).await.unwrap()).unwrap()
    }
}

async fn next(watch: &mut Watch) -> Option<Arc<Update>> {
    timeout(PATIENCE, watch.next()).await.expect("nothing was heard")
}

fn status(update: &Update) -> String {
    serde_json::from_str::<Value>(&update.json).unwrap()["paymentStatus"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn viewers_hear_what_a_session_becomes_and_share_it() {
    let scene = Scene::begin().await;
    let (mine, other) = (scene.open("dep_a").await, scene.open("dep_b").await);
    let mut viewers = [scene.live.watch(&mine, None).unwrap(), scene.live.watch(&mine, None).unwrap()];
    let mut elsewhere = scene.live.watch(&other, None).unwrap();
    let mut ids = Vec::new();
    let expected = scene.read(&mine).await;
    let [first, second] = &mut viewers;
    let (one, two) = (next(first).await.unwrap(), next(second).await.unwrap());
    assert_eq!(one.json, expected);
    assert!(Arc::ptr_eq(&one, &two));
    assert_eq!(status(&next(&mut elsewhere).await.unwrap()), "CREATED");
    ids.push(one.id.clone());
    scene.begun(&mine).await;
    let begun = next(first).await.unwrap();
    assert_eq!((status(&begun).as_str(), begun.last), ("PENDING", false));
    ids.push(begun.id.clone());
    scene.office.cancel(&mine).await.unwrap();
    let over = next(first).await.unwrap();
    assert_eq!((status(&over).as_str(), over.last), ("EXPIRED", true));
    assert_eq!(over.json, scene.read(&mine).await);
    ids.push(over.id.clone());
    assert!(next(first).await.is_none());
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    // Nothing of it was told to who watches another session.
    assert!(timeout(Duration::from_secs(1), elsewhere.next()).await.is_err());
}

#[tokio::test]
async fn who_comes_back_to_another_process_hears_only_what_is_new() {
    let scene = Scene::begin().await;
    let id = scene.open("dep_a").await;
    let seen = next(&mut scene.live.watch(&id, None).unwrap()).await.unwrap();
    let other = Live::new(scene.office.clone());
    let (polling, stop) = (other.clone(), scene.shutdown.clone());
    let ended = tokio::spawn(async move { polling.run(stop).await });
    let mut watch = other.watch(&id, Some(&seen.id)).unwrap();
    assert!(timeout(Duration::from_millis(1_500), watch.next()).await.is_err());
    scene.begun(&id).await;
    assert_eq!(status(&next(&mut watch).await.unwrap()), "PENDING");
    scene.shutdown.cancel();
    assert!(next(&mut watch).await.is_none());
    timeout(PATIENCE, ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn viewers_stay_while_the_database_is_away() {
    let mut postgres = Postgres::start(&support::tools()).unwrap();
    let url = postgres.url("postgres");
    let connect = || PgPoolOptions::new().max_connections(2).connect(&url);
    let pool = connect().await.unwrap();
    MIGRATIONS.run(&pool).await.unwrap();
    let scene = Scene::on(pool, &url);
    let id = scene.open("dep_a").await;
    let mut watch = scene.live.watch(&id, None).unwrap();
    next(&mut watch).await.unwrap();
    postgres.stop(Stop::Immediate).unwrap();
    let mut late = scene.live.watch(&SessionId("dep_b".to_owned()), None).unwrap();
    assert!(timeout(Duration::from_secs(3), watch.next()).await.is_err());
    postgres.start_again().unwrap();
    let pool = connect().await.unwrap();
    pool.execute("UPDATE deposit_sessions SET payment_status = 'PENDING'").await.unwrap();
    assert_eq!(status(&next(&mut watch).await.unwrap()), "PENDING");
    scene.open("dep_b").await;
    assert_eq!(status(&next(&mut late).await.unwrap()), "CREATED");
}

#[tokio::test]
async fn an_office_s_ticket_leads_to_its_session_once() {
    let scene = Scene::begin().await;
    let id = scene.open("dep_a").await;
    let ticket = scene.office.issue_ticket(&id).await.unwrap();
    let text = ticket.ticket.expose();
    assert!(text.starts_with("et_") && text.len() == 46, "{text}");
    let lives = ticket.expires_at - chrono::Utc::now();
    assert!((50..=61).contains(&lives.num_seconds()), "{lives}");
    let stored = scene.pool.fetch_one("SELECT t::text AS row FROM event_tickets t").await.unwrap();
    assert!(!sqlx::Row::get::<String, _>(&stored, "row").contains(&text[3..20]), "it is readable in the table");
    assert_eq!(scene.office.redeem_ticket(&text[..45]).await.unwrap(), None);
    assert_eq!(scene.office.redeem_ticket(text).await.unwrap(), Some(id));
    assert_eq!(scene.office.redeem_ticket(text).await.unwrap(), None);
}

#[tokio::test]
async fn of_a_business_that_is_disabled_nothing_more_is_told() {
    let scene = Scene::begin().await;
    let id = scene.open("dep_a").await;
    let mut watch = scene.live.watch(&id, None).unwrap();
    assert_eq!(status(&next(&mut watch).await.unwrap()), "CREATED");
    sqlx::query("UPDATE businesses SET disabled_at = now() WHERE id = 'default'").execute(&scene.pool).await.unwrap();
    scene.begun(&id).await;
    assert!(next(&mut watch).await.is_none());
}
