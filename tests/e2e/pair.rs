//! Two processes on one database: one works, and when it is killed the other takes over in time.

use std::time::{Duration, Instant};

use crate::rig::{Chain, Process, Rig, until, within};

async fn holds(process: &Process) -> bool {
    process.metrics().await.count("lock_held", &["network=\"anvil\""]) == 1
}

#[tokio::test]
async fn exactly_one_works_and_the_other_follows_a_kill_within_ten_seconds() {
    let chain = Chain::start().await;
    // Both migrate the empty database, at once.
    let rig = Rig::empty(&[chain.section()]).await;
    let (one, other) = tokio::join!(rig.run(), rig.run());
    for process in [&one, &other] {
        process.admin().await;
    }
    let [before, between, after] = [(); 3].map(|()| chain.address());
    for (id, to) in [("dep_before", before), ("dep_between", between), ("dep_after", after)] {
        rig.open(id, "5", &chain.usdc, to).await;
    }
    let paid = chain.pay(1, before, 5).await;
    rig.becomes("dep_before", "PENDING").await;
    assert!(holds(&one).await != holds(&other).await, "exactly one holds it");
    let (mut holder, mut standby) = if holds(&one).await { (one, other) } else { (other, one) };
    // The standby is ready as well: somebody works the network. Its gauges say nothing.
    standby.is_ready().await;
    assert_eq!(standby.metrics().await.count("scanned_block", &[]), 0);
    assert!(holder.metrics().await.count("scanned_block", &[]) > 0);

    holder.kill().await;
    let killed = Instant::now();
    chain.pay(2, between, 5).await;
    within(Duration::from_secs(10), "the other takes over", async || holds(&standby).await.then_some(())).await;
    println!("taken over after {:?}", killed.elapsed());
    chain.pay(3, after, 5).await;
    chain.bury().await;
    for id in ["dep_before", "dep_between", "dep_after"] {
        assert_eq!(rig.becomes(id, "CONFIRMED").await.confirmed, "5", "{id}");
        assert_eq!(rig.events(id).await, ["created", "pending", "confirmed"], "{id}");
    }
    assert_eq!(rig.transfers(paid.hash).await.len(), 1);
    assert_eq!(rig.number("SELECT count(*) FROM transfers").await, 3);
    rig.books_are_right().await;
    standby.terminate().await;
}

#[tokio::test]
async fn a_frozen_holder_commits_nothing_when_it_thaws() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    let shop = chain.address();
    rig.open("dep_frozen", "5", &chain.usdc, shop).await;
    let mut frozen = rig.run().await;
    until("the first holds it", async || holds(&frozen).await.then_some(())).await;
    let mut other = rig.run().await;
    other.admin().await;
    frozen.signal("STOP");
    let paid = chain.pay(1, shop, 5).await;
    within(Duration::from_secs(10), "the other takes over", async || holds(&other).await.then_some(())).await;
    rig.becomes("dep_frozen", "PENDING").await;
    frozen.signal("CONT");
    until("the thawed one steps back", async || (!holds(&frozen).await).then_some(())).await;
    chain.bury().await;
    rig.becomes("dep_frozen", "CONFIRMED").await;
    assert_eq!(rig.transfers(paid.hash).await.len(), 1);
    assert_eq!(rig.events("dep_frozen").await, ["created", "pending", "confirmed"]);
    rig.books_are_right().await;
    frozen.terminate().await;
    other.terminate().await;
}
