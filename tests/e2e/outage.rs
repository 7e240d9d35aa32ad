//! The database stopped, the endpoint gone or silent: nothing expires meanwhile, readiness says why, and what was paid in
//! time is honoured afterwards.

use deposit_watcher::demo::{Postgres, Proxy, Stop};
use sqlx::postgres::PgPoolOptions;

use crate::rig::{Chain, Rig, Section, get, until};
use crate::support;

#[tokio::test]
async fn the_database_is_stopped_and_started_again() {
    let mut postgres = Postgres::start(&support::tools()).unwrap();
    let chain = Chain::start().await;
    let admin = PgPoolOptions::new().max_connections(1).connect(&postgres.url("postgres")).await.unwrap();
    sqlx::raw_sql("CREATE DATABASE dw_test_outage").execute(&admin).await.unwrap();
    admin.close().await;
    let url = postgres.url("dw_test_outage");
    // An empty database: `run` migrates it.
    let pool = PgPoolOptions::new().max_connections(2).connect(&url).await.unwrap();
    let rig = Rig::on(pool, &url, &[chain.section()]);
    let mut process = rig.run().await;
    process.is_ready().await;
    let [seen, paid, unpaid] = [(); 3].map(|()| chain.address());
    for (id, to) in [("dep_seen", seen), ("dep_paid", paid), ("dep_unpaid", unpaid)] {
        rig.open(id, "5", &chain.usdc, to).await;
    }
    chain.pay(1, seen, 5).await;
    rig.becomes("dep_seen", "PENDING").await;
    rig.expires_in("dep_paid", 6.0).await;
    rig.expires_in("dep_unpaid", 6.0).await;

    postgres.stop(Stop::Immediate).unwrap();
    // In time, while nobody can write it down.
    chain.pay(2, paid, 5).await;
    let (status, parts) = get(process.admin().await, "/readyz?verbose").await.unwrap();
    let (status, parts) = if status == 503 { (status, parts) } else { (503, process.is_not_ready("database").await) };
    assert!(status == 503 && parts.contains("fail database: "), "{parts}");
    assert_eq!(get(process.admin().await, "/livez").await.unwrap().0, 200);
    assert!(process.runs());

    postgres.start_again().unwrap();
    rig.expiry_is_past("dep_paid", 1.0).await;
    chain.bury().await;
    for id in ["dep_seen", "dep_paid"] {
        assert_eq!(rig.becomes(id, "CONFIRMED").await.confirmed, "5", "{id}");
    }
    rig.becomes("dep_unpaid", "EXPIRED").await;
    process.is_ready().await;
    rig.books_are_right().await;

    // Nobody is there to take the lease back: it ends in time all the same.
    postgres.stop(Stop::Fast).unwrap();
    process.terminate().await;
}

#[tokio::test]
async fn the_endpoint_is_gone_for_a_while() {
    let chain = Chain::start().await;
    let mut line = Proxy::start(chain.anvil.port()).await.unwrap();
    // Block by block: what is paid in a later block must not have expired in an earlier one.
    let section = Section::new(line.url(), std::slice::from_ref(&chain.usdc)).with("max_block_range = 1");
    let rig = Rig::new(&[section]).await;
    let [paid, unpaid] = [(); 2].map(|()| chain.address());
    let mut process = rig.run().await;
    process.is_ready().await;
    for (id, to) in [("dep_paid", paid), ("dep_unpaid", unpaid)] {
        rig.open(id, "5", &chain.usdc, to).await;
        rig.expires_in(id, 5.0).await;
    }

    line.cut().await;
    chain.evm.mine(2).await.unwrap();
    chain.pay(1, paid, 5).await;
    process.is_not_ready("fail network anvil: no endpoint is usable: local is down").await;
    rig.expiry_is_past("dep_unpaid", 2.0).await;
    chain.evm.mine(1).await.unwrap();
    for id in ["dep_paid", "dep_unpaid"] {
        assert_eq!(rig.shown(id).await.status, "CREATED", "nothing expires while nothing is read");
    }
    let metrics = process.metrics().await;
    assert_eq!(metrics.count("rpc_endpoint_up", &["endpoint=\"local\""]), 0);
    assert!(metrics.count("lag_seconds", &["network=\"anvil\""]) > 0);

    line.mend().await.unwrap();
    chain.bury().await;
    assert_eq!(rig.becomes("dep_paid", "CONFIRMED").await.confirmed, "5");
    rig.becomes("dep_unpaid", "EXPIRED").await;
    assert_eq!(rig.events("dep_paid").await, ["created", "pending", "confirmed"], "it never expired");
    process.is_ready().await;
    rig.books_are_right().await;
    process.terminate().await;
}

#[tokio::test]
async fn the_endpoint_accepts_and_says_nothing() {
    let mut chain = Chain::start().await;
    let rig = Rig::new(&[chain.section().with("max_lag = \"1s\"")]).await;
    let shop = chain.address();
    let mut process = rig.run().await;
    process.is_ready().await;
    rig.open("dep_waiting", "5", &chain.usdc, shop).await;
    rig.expires_in("dep_waiting", 3.0).await;
    chain.anvil.suspend().unwrap();
    process.is_not_ready("fail network anvil").await;
    rig.expiry_is_past("dep_waiting", 1.0).await;
    assert_eq!(rig.shown("dep_waiting").await.status, "CREATED");
    chain.anvil.resume().unwrap();
    chain.evm.mine(1).await.unwrap();
    rig.becomes("dep_waiting", "EXPIRED").await;
    process.is_ready().await;
    process.terminate().await;
}

#[tokio::test]
async fn started_while_the_endpoint_is_away_it_says_so_and_catches_up_later() {
    let chain = Chain::start().await;
    let mut line = Proxy::start(chain.anvil.port()).await.unwrap();
    line.cut().await;
    let rig = Rig::new(&[Section::new(line.url(), std::slice::from_ref(&chain.usdc))]).await;
    let shop = chain.address();
    rig.open("dep_early", "5", &chain.usdc, shop).await;
    chain.pay(1, shop, 5).await;
    let mut process = rig.run().await;
    process.is_not_ready("fail network anvil: no endpoint is usable: local is down").await;
    assert_eq!(rig.shown("dep_early").await.status, "CREATED");
    until("the log says so", async || {
        process.said("WARN", "endpoint changed").into_iter().find(|line| line["is"] == "down")
    })
    .await;
    assert_eq!(rig.status("anvil").await["state"], "blind");
    let checked = rig.command(&["check"]).await;
    assert_eq!(checked.code, 3, "{}", checked.stdout);
    assert!(checked.stdout.contains("endpoint anvil.local: gives no answer"), "{}", checked.stdout);

    line.mend().await.unwrap();
    chain.bury().await;
    rig.becomes("dep_early", "CONFIRMED").await;
    process.is_ready().await;
    rig.books_are_right().await;
    process.terminate().await;
}

#[tokio::test]
async fn the_spare_endpoint_is_asked_while_the_first_is_away() {
    let chain = Chain::start().await;
    let mut line = Proxy::start(chain.anvil.port()).await.unwrap();
    let section = Section::new(line.url(), std::slice::from_ref(&chain.usdc));
    let rig = Rig::new(&[Section { spare: Some(chain.anvil.url()), ..section }]).await;
    let shop = chain.address();
    rig.open("dep_spared", "5", &chain.usdc, shop).await;
    let mut process = rig.run().await;
    process.is_ready().await;
    assert_eq!(process.metrics().await.count("single_operator", &[]), 0);

    line.cut().await;
    chain.pay(1, shop, 5).await;
    chain.bury().await;
    rig.becomes("dep_spared", "CONFIRMED").await;
    process.is_ready().await;
    let up = async |endpoint: &str| process.metrics().await.count("rpc_endpoint_up", &[endpoint]);
    assert_eq!((up("endpoint=\"local\"").await, up("endpoint=\"spare\"").await), (0, 1));

    line.mend().await.unwrap();
    until("the first is asked again", async || (up("endpoint=\"local\"").await == 1).then_some(())).await;
    let asked = async || process.metrics().await.count("rpc_requests_total", &["endpoint=\"local\"", "outcome=\"ok\""]);
    let before = asked().await;
    until("it is preferred again", async || (asked().await > before + 10).then_some(())).await;
    rig.books_are_right().await;
    process.terminate().await;
}
