//! A unit of work that is dropped while it begins leaves no trace in the pool: the next write of whoever comes is kept.
//!
//! sqlx 0.9 hands back a connection inside an open transaction when `begin` is dropped during its round trip (sqlx
//! #4385, #4393); an acknowledged write of the next borrower was rolled back then. So no `begin` is ever dropped, whoever is.

use std::time::Duration;

use deposit_watcher::domain::{ChainId, Secret, Slug};
use deposit_watcher::settings::Database as DatabaseSettings;
use deposit_watcher::store::{MIGRATIONS, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::Database;

/// A line to PostgreSQL that is slow enough for a future to be dropped in the middle of a round trip.
async fn slow_line(to: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            tokio::spawn(carry(near_in, far_out));
            tokio::spawn(carry(far_in, near_out));
        }
    });
    port
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_begin_that_is_dropped_costs_no_later_write() {
    let database = Database::create(&MIGRATIONS).await;
    let mut url: url::Url = database.url().parse().unwrap();
    let port = slow_line(url.port().unwrap()).await;
    url.set_port(Some(port)).unwrap();
    let url = Secret::new(url);
    let settings =
        DatabaseSettings { url, max_connections: 1, connect_timeout: Duration::from_secs(5), pgbouncer: false };
    let store = Store::new(&settings).unwrap();
    let sql = database.pool().await;
    let mut cut = 0;
    store.ping().await.unwrap();
    for wait in (0..60).step_by(4) {
        cut += u32::from(timeout(Duration::from_millis(wait), store.unit()).await.is_err());
        let slug = Slug::parse(&format!("n{wait}")).unwrap();
        store.introduce_network(&slug, ChainId(1), false).await.unwrap();
        let kept: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM networks WHERE slug = $1)")
            .bind(slug.as_str())
            .fetch_one(&sql)
            .await
            .unwrap();
        assert!(kept, "a write was acknowledged and lost after a begin was dropped {wait} ms after it was asked for");
    }
    assert!(cut >= 5, "only {cut} of the units were cut while they began");
}
