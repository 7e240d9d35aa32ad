//! Who works which network: taken over in time whenever its holder is killed, at once when he leaves, and several
//! networks spread over several watchers. `TAKEOVERS=20` kills that often.

use std::time::{Duration, Instant};

use sqlx::Executor;

use crate::networks::second;
use crate::rig::{Chain, Process, Rig, Section, until, within};
use crate::support::Database;
use crate::support::line::Line;

const TEN_SECONDS: Duration = Duration::from_secs(10);

async fn holds(process: &Process, network: &str) -> bool {
    process.metrics().await.count("lock_held", &[&format!("network=\"{network}\"")]) == 1
}

async fn takes(process: &Process, network: &str, patience: Duration) -> Duration {
    let begun = Instant::now();
    within(patience, "it is taken over", async || holds(process, network).await.then_some(())).await;
    begun.elapsed()
}

#[tokio::test]
async fn whenever_the_holder_is_killed_another_works_within_ten_seconds() {
    let kills = std::env::var("TAKEOVERS").map_or(3, |kills| kills.parse().unwrap());
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    let mut holder = rig.run().await;
    takes(&holder, "anvil", TEN_SECONDS).await;
    let mut taken = Vec::new();
    for kill in 0..kills {
        let (id, to) = (format!("dep_{kill}"), chain.address());
        let standby = rig.run().await;
        standby.is_ready().await;
        rig.open(&id, "5", &chain.usdc, to).await;
        // Wherever the holder is between two renewals.
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..2_000))).await;
        holder.kill().await;
        chain.pay(1, to, 5).await;
        taken.push(takes(&standby, "anvil", TEN_SECONDS).await);
        rig.becomes(&id, "PENDING").await;
        holder = standby;
    }
    chain.bury().await;
    for kill in 0..kills {
        let id = format!("dep_{kill}");
        rig.becomes(&id, "CONFIRMED").await;
        assert_eq!(rig.events(&id).await, ["created", "pending", "confirmed"], "{id}");
    }
    rig.books_are_right().await;
    holder.terminate().await;
    taken.sort();
    println!("{kills} of {kills} kills were followed within 10 s: {taken:?}");
}

#[tokio::test]
async fn who_leaves_hands_over_at_once() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    let mut leaver = rig.run().await;
    takes(&leaver, "anvil", TEN_SECONDS).await;
    let mut standby = rig.run().await;
    standby.is_ready().await;
    leaver.signal("TERM");
    let taken = takes(&standby, "anvil", Duration::from_secs(2)).await;
    println!("handed over {taken:?} after SIGTERM");
    assert_eq!(leaver.exit(TEN_SECONDS).await, 0);
    standby.terminate().await;
}

/// Waits until each of the two networks is worked by one of these two; says whether the first one has the first.
async fn spread(one: &Process, other: &Process) -> bool {
    within(TEN_SECONDS, "each works one network", async || {
        let [a, b] = [holds(one, "anvil").await, holds(one, "second").await];
        let [c, d] = [holds(other, "anvil").await, holds(other, "second").await];
        (a != b && c != d && a != c).then_some(a)
    })
    .await
}

#[tokio::test]
async fn networks_spread_over_the_watchers_that_run() {
    let first = Chain::start().await;
    let (other, section) = second().await;
    let rig = Rig::new(&[first.section(), section]).await;
    let fences = "SELECT sum(fence)::bigint FROM leases";
    let pay = async |id: &str| {
        for chain in [&first, &other] {
            let (id, to) = (format!("{id}_{}", chain.usdc.network), chain.address());
            rig.open(&id, "5", &chain.usdc, to).await;
            chain.pay(1, to, 5).await;
            chain.bury().await;
            rig.becomes(&id, "CONFIRMED").await;
            assert_eq!(rig.events(&id).await, ["created", "pending", "confirmed"], "{id}");
        }
    };
    let mut one = rig.run().await;
    for network in ["anvil", "second"] {
        takes(&one, network, TEN_SECONDS).await;
    }
    assert_eq!(rig.number(fences).await, 2);

    let mut two = rig.run().await;
    spread(&one, &two).await;
    pay("dep_spread").await;
    // Longer than anybody takes to ask again and to renew.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(rig.number(fences).await, 3, "they stay where they are");
    for process in [&one, &two] {
        process.is_ready().await;
    }

    two.kill().await;
    for network in ["anvil", "second"] {
        takes(&one, network, TEN_SECONDS).await;
    }
    pay("dep_alone").await;

    let mut two = rig.run().await;
    spread(&one, &two).await;
    pay("dep_again").await;
    assert_eq!(rig.number(fences).await, 5, "one was taken over, one was given again");
    rig.books_are_right().await;

    // A third has nothing to do until one leaves.
    let mut three = rig.run().await;
    three.is_ready().await;
    one.terminate().await;
    until("the third works the other", async || {
        let held = [holds(&three, "anvil").await, holds(&three, "second").await];
        (held[0] != held[1]).then_some(())
    })
    .await;
    two.terminate().await;
    three.terminate().await;
}

/// A second watcher that has the database and no way to the chains must not bring half of the networks to a stand.
#[tokio::test]
async fn who_reaches_no_endpoint_takes_no_network_from_another() {
    let first = Chain::start().await;
    let (_other, section) = second().await;
    let sections = [first.section(), section];
    let rig = Rig::new(&sections).await;
    let mut one = rig.run().await;
    for network in ["anvil", "second"] {
        takes(&one, network, TEN_SECONDS).await;
    }
    rig.configure(&sections.map(|section| Section { url: "http://127.0.0.1:1".to_owned(), ..section }));
    let mut two = rig.run().await;
    // Longer than it takes to ask again.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(rig.number("SELECT sum(fence)::bigint FROM leases").await, 2, "they stay where they are");
    let metrics = two.metrics().await;
    let states = metrics.sum("rpc_endpoint_state", &["network=\"anvil\""]);
    assert_eq!(states, Some(0.0), "who only tried them does not speak for them");
    // What nobody works it tries all the same.
    one.terminate().await;
    takes(&two, "anvil", TEN_SECONDS).await;
    two.terminate().await;
}

/// So slow is the database that nobody waits for the lease when it is there: who works the network then is fenced out, so
/// it goes back at once.
#[tokio::test]
async fn a_lease_that_comes_too_late_is_handed_back() {
    let chain = Chain::start().await;
    let database = Database::create(&deposit_watcher::store::MIGRATIONS).await;
    let line = Line::to(crate::support::postgres().port()).await;
    let rig = Rig::on(database.pool().await, &line.along(&database.url()), &[chain.section()]);
    let mut process = rig.run().await;
    takes(&process, "anvil", TEN_SECONDS).await;
    rig.number("UPDATE leases SET holder = 'elsewhere', expires_at = 'infinity' RETURNING fence").await;
    until("it stands by", async || (!holds(&process, "anvil").await).then_some(())).await;

    // Its turn to take one comes, and from then on everything takes its time.
    let turn = "SELECT pg_advisory_xact_lock(1684369527, 2)";
    let mut others = rig.pool.begin().await.unwrap();
    others.execute(turn).await.unwrap();
    rig.number("UPDATE leases SET expires_at = '-infinity' RETURNING fence").await;
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'";
    until("it waits for its turn", async || (rig.number(waits).await == 1).then_some(())).await;
    line.slow(Duration::from_millis(150));
    others.rollback().await.unwrap();
    let taken = "SELECT count(*) FROM leases WHERE holder <> 'elsewhere'";
    until("it is taken", async || (rig.number(taken).await == 1).then_some(())).await;
    line.slow(Duration::ZERO);
    let mut others = rig.pool.begin().await.unwrap();
    others.execute(turn).await.unwrap();
    let handed = "SELECT count(*) FROM leases WHERE expires_at = '-infinity'";
    within(Duration::from_secs(4), "it is handed back", async || (rig.number(handed).await == 1).then_some(())).await;
    others.rollback().await.unwrap();
    takes(&process, "anvil", TEN_SECONDS).await;
    process.terminate().await;
}
