//! Tickets: good once, for a short time, for one session.

use std::time::Duration;

use deposit_watcher::domain::SessionId;
use deposit_watcher::keys::digest;
use deposit_watcher::store::{MIGRATIONS, Store};
use sqlx::postgres::PgPool;
use sqlx::{Executor, Row};

use super::support::Database;

async fn house() -> (PgPool, Store) {
    let database = Database::create(&MIGRATIONS).await;
    let pool = database.pool().await;
    pool.execute(
        "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address) \
         SELECT 'dep_' || n, n, 'USDC', 'polygon', '0x3c499c542cef5e3811e1192ce70d8cc03d5c3359', '0x70997970c51812dc3a010c7d01b50e0d17dc79c8' \
           FROM generate_series(1, 2) AS n",
    )
    .await
    .unwrap();
    (pool, super::store(&database.url()))
}

fn session(number: u8) -> SessionId {
    SessionId(format!("dep_{number}"))
}

async fn kept(pool: &PgPool) -> i64 {
    pool.fetch_one("SELECT count(*) FROM event_tickets").await.unwrap().get(0)
}

#[tokio::test]
async fn a_ticket_is_good_once_and_for_its_session() {
    let (pool, store) = house().await;
    let (one, two) = (digest(b"et_one"), digest(b"et_two"));
    let expires = store.keep_ticket(&session(1), &one, 60.0).await.unwrap();
    store.keep_ticket(&session(2), &two, 60.0).await.unwrap();
    let row = pool.fetch_one("SELECT extract(epoch FROM expires_at - clock_timestamp())::float8 FROM event_tickets");
    let left: f64 = row.await.unwrap().get(0);
    assert!((50.0..=60.0).contains(&left), "{left} s");
    assert!(expires > chrono::Utc::now());
    assert_eq!(store.take_ticket(&digest(b"et_three")).await.unwrap(), None);
    assert_eq!(store.take_ticket(&one).await.unwrap(), Some(session(1)));
    assert_eq!(store.take_ticket(&one).await.unwrap(), None);
    assert_eq!(store.take_ticket(&two).await.unwrap(), Some(session(2)));
    assert_eq!(kept(&pool).await, 0);
    store.keep_ticket(&SessionId("dep_3".to_owned()), &one, 60.0).await.unwrap_err();
}

#[tokio::test]
async fn of_many_who_come_with_one_ticket_one_is_let_in() {
    let (_, store) = house().await;
    let ticket = digest(b"et_one");
    for _ in 0..5 {
        store.keep_ticket(&session(1), &ticket, 60.0).await.unwrap();
        let asking = (0..20).map(|_| store.take_ticket(&ticket));
        let answers = futures_util::future::join_all(asking).await;
        assert_eq!(answers.into_iter().filter(|answer| answer.as_ref().unwrap().is_some()).count(), 1);
    }
}

#[tokio::test]
async fn an_old_ticket_is_none_and_does_not_stay() {
    let (pool, store) = house().await;
    for number in 0..25_u8 {
        store.keep_ticket(&session(1), &digest(&[number]), 0.0).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(store.take_ticket(&digest(&[24])).await.unwrap(), None);
    assert!(kept(&pool).await <= 10, "old tickets gather: {}", kept(&pool).await);
    let good = digest(b"et_good");
    for again in [&good, &digest(b"et_better")] {
        store.keep_ticket(&session(2), again, 60.0).await.unwrap();
    }
    assert_eq!(kept(&pool).await, 2);
    assert_eq!(store.take_ticket(&good).await.unwrap(), Some(session(2)));
}
