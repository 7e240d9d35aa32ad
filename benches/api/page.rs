//! The payment page: what it weighs, how long its first render takes while a thousand viewers watch a hundred payments, and
//! how soon an open page hears of a change after its commit. Each beside what it is to reach.

use std::time::{Duration, Instant};

use sqlx::Row;
use sqlx::postgres::PgPool;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::client::{Shop, Viewer};
use super::server::Server;
use super::support::Database;

const VIEWERS: usize = 1_000;
const PAYMENTS: usize = 100;
/// First renders that are measured.
const RENDERS: usize = 500;
/// Changes are this far apart: a viewer hears of one before the next.
const APART: Duration = Duration::from_millis(50);

const MOST_BYTES: usize = 60_000;
const RENDERED_WITHIN: Duration = Duration::from_millis(50);
const HEARD_WITHIN: Duration = Duration::from_millis(300);

/// The value that 95 of 100 do not exceed.
fn p95(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[all.len() * 95 / 100]
}

fn tell(what: &str, reached: Duration, target: Duration) {
    println!("| {what} | {:.1} ms | {} ms |", reached.as_secs_f64() * 1_000.0, target.as_millis());
}

/// One payment with its page.
struct Payment {
    path: String,
    session: String,
}

async fn payments(server: &Server, shop: &Shop, pool: &PgPool) -> Vec<Payment> {
    let mut client = Viewer::connect(server.at).await;
    let mut payments = Vec::new();
    for number in 0..PAYMENTS {
        let (status, body) = client.fetch(&shop.paying(number)).await;
        assert_eq!(status, 200, "{body}\n{}", server.log());
        let url = serde_json::from_str::<serde_json::Value>(&body).unwrap()["redirectUrl"].as_str().unwrap().to_owned();
        let path = url[url.find("/pay/").unwrap()..].to_owned();
        let session = sqlx::query("SELECT session_id FROM payments ORDER BY created_at DESC LIMIT 1");
        let session = session.fetch_one(pool).await.unwrap().get(0);
        payments.push(Payment { path, session });
    }
    payments
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n")
}

/// The page with everything that it names, in bytes.
async fn weight(server: &Server, payment: &Payment) -> usize {
    let mut client = Viewer::connect(server.at).await;
    let (status, page) = client.fetch(&get(&payment.path)).await;
    assert_eq!(status, 200, "{page}");
    let assets = page.split('"').filter(|part| part.starts_with("/pay/assets/"));
    let mut assets: Vec<_> = assets.map(str::to_owned).collect();
    assets.sort();
    assets.dedup();
    let mut sum = page.len();
    for asset in &assets {
        let (status, bytes) = client.fetch(&get(asset)).await;
        assert_eq!(status, 200, "{asset}");
        sum += bytes.len();
    }
    sum
}

/// Opens the streams; each then says when it heard of a change of its payment, for as long as the set is kept.
async fn viewers(server: &Server, payments: &[Payment]) -> (JoinSet<()>, mpsc::UnboundedReceiver<(usize, Instant)>) {
    let ((hear, heard), mut watching) = (mpsc::unbounded_channel(), JoinSet::new());
    for number in 0..VIEWERS {
        let payment = number % payments.len();
        let mut client = Viewer::connect(server.at).await;
        client.ask(&get(&format!("{}/events", payments[payment].path))).await;
        state(&mut client).await;
        let hear = hear.clone();
        watching.spawn(async move {
            loop {
                state(&mut client).await;
                if hear.send((payment, Instant::now())).is_err() {
                    return;
                }
            }
        });
    }
    (watching, heard)
}

/// Reads up to the end of the next event.
async fn state(client: &mut Viewer) {
    while !client.line().await.starts_with("data:") {}
    while !client.line().await.trim().is_empty() {}
}

async fn renders(server: &Server, payments: &[Payment]) -> Vec<Duration> {
    let mut client = Viewer::connect(server.at).await;
    let mut took = Vec::new();
    for number in 0..RENDERS {
        let begun = Instant::now();
        let (status, _) = client.fetch(&get(&payments[number % payments.len()].path)).await;
        took.push(begun.elapsed());
        assert_eq!(status, 200);
    }
    took
}

/// Changes one payment after another, and gives the time from each commit to each of its viewers.
async fn changes(
    pool: &PgPool,
    payments: &[Payment],
    mut heard: mpsc::UnboundedReceiver<(usize, Instant)>,
) -> Vec<Duration> {
    let mut committed = Vec::new();
    for payment in payments {
        let sql = "UPDATE deposit_sessions SET payment_status = 'PENDING' WHERE id = $1";
        sqlx::query(sql).bind(&payment.session).execute(pool).await.unwrap();
        committed.push(Instant::now());
        tokio::time::sleep(APART).await;
    }
    let mut took = Vec::new();
    let all = async {
        while took.len() < VIEWERS {
            let (payment, at) = heard.recv().await.unwrap();
            took.push(at.saturating_duration_since(committed[payment]));
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all).await.expect("every viewer hears of the change");
    took
}

pub(crate) async fn measure(server: &Server, shop: &Shop, database: &Database) {
    let pool = database.pool().await;
    let payments = payments(server, shop, &pool).await;
    println!("\nThe payment page, {PAYMENTS} payments watched by {VIEWERS} viewers\n");
    println!("| | reached | to reach |\n|---|---|---|");
    println!("| bytes in all | {} | {MOST_BYTES} |", weight(server, &payments[0]).await);
    let (_watching, heard) = viewers(server, &payments).await;
    tell("first render, p95, answered in", p95(renders(server, &payments).await), RENDERED_WITHIN);
    tell("a change heard after its commit, p95", p95(changes(&pool, &payments, heard).await), HEARD_WITHIN);
}
