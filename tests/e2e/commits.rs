//! The line to the database breaks at every commit of a payment's life, or falls silent: nothing is lost, nothing is
//! doubled, nobody has to help.

use std::time::{Duration, Instant};

use crate::rig::{Chain, Process, Rig, until, within};
use crate::support::Database;
use crate::support::line::{Cut, Line};

/// More commits than a payment's life has.
const MANY: u32 = 40;

/// A migrated database, reached along a line that can break, and not.
async fn two_ways(chain: &Chain) -> (Line, Rig, Rig) {
    let database = Database::create(&deposit_watcher::store::MIGRATIONS).await;
    let line = Line::to(crate::support::postgres().port()).await;
    let rig = |url: &str, pool| Rig::on(pool, url, &[chain.section()]);
    let along = rig(&line.along(&database.url()), database.pool().await);
    (line, along, rig(&database.url(), database.pool().await))
}

async fn holds(process: &Process) -> bool {
    process.metrics().await.count("lock_held", &["network=\"anvil\""]) == 1
}

/// Cuts at the first commit of a payment's life, of the next one at the second, and so on while there is one to cut.
async fn lives(cut: Cut) -> u32 {
    let chain = Chain::start().await;
    let (line, rig, _) = two_ways(&chain).await;
    let mut process = rig.run().await;
    process.is_ready().await;
    rig.scanned("anvil", &chain).await;
    let mut lives = 0;
    for commit in 0..MANY {
        let (id, to, cuts) = (format!("dep_{commit}"), chain.address(), line.cuts());
        line.cut(cut, commit);
        rig.open(&id, "5", &chain.usdc, to).await;
        let paid = chain.pay(1, to, 5).await;
        rig.becomes(&id, "PENDING").await;
        chain.bury().await;
        assert_eq!(rig.becomes(&id, "CONFIRMED").await.confirmed, "5", "cut at commit {commit}");
        line.spare();
        assert_eq!(rig.events(&id).await, ["created", "pending", "confirmed"], "cut at commit {commit}");
        assert_eq!(rig.transfers(paid.hash).await.len(), 1, "cut at commit {commit}");
        lives += 1;
        if line.cuts() == cuts {
            break;
        }
    }
    assert_eq!(rig.number("SELECT count(*) FROM transfers").await, i64::from(lives));
    assert_eq!(rig.number("SELECT count(*) FROM ledger").await, i64::from(lives));
    process.is_ready().await;
    rig.books_are_right().await;
    process.terminate().await;
    println!("{cut:?}: {} of {} commits were cut in {lives} lives", line.cuts(), line.commits());
    lives
}

#[tokio::test]
async fn a_commit_whose_answer_nobody_gets_loses_and_doubles_nothing() {
    assert!(lives(Cut::After).await > 3);
}

#[tokio::test]
async fn a_commit_that_never_arrives_loses_and_doubles_nothing() {
    assert!(lives(Cut::Before).await > 3);
}

#[tokio::test]
async fn cut_off_from_the_database_the_holder_is_followed_within_ten_seconds_and_commits_nothing_later() {
    let chain = Chain::start().await;
    let (line, along, rig) = two_ways(&chain).await;
    let [before, between, after] = [(); 3].map(|()| chain.address());
    for (id, to) in [("dep_before", before), ("dep_between", between), ("dep_after", after)] {
        rig.open(id, "5", &chain.usdc, to).await;
    }
    let mut holder = along.run().await;
    until("the first holds it", async || holds(&holder).await.then_some(())).await;
    let mut other = rig.run().await;
    other.admin().await;
    chain.pay(1, before, 5).await;
    rig.becomes("dep_before", "PENDING").await;

    line.freeze();
    let cut = Instant::now();
    chain.pay(2, between, 5).await;
    within(Duration::from_secs(10), "the other takes over", async || holds(&other).await.then_some(())).await;
    println!("taken over {:?} after the line fell silent", cut.elapsed());
    rig.becomes("dep_between", "PENDING").await;
    holder.is_not_ready("fail database: no answer").await;
    until("the holder knows that it holds no longer", async || (!holds(&holder).await).then_some(())).await;

    line.thaw();
    holder.is_ready().await;
    chain.pay(3, after, 5).await;
    chain.bury().await;
    for id in ["dep_before", "dep_between", "dep_after"] {
        assert_eq!(rig.becomes(id, "CONFIRMED").await.confirmed, "5", "{id}");
        assert_eq!(rig.events(id).await, ["created", "pending", "confirmed"], "{id}");
    }
    assert!(holds(&other).await && !holds(&holder).await);
    // Nor does the step that was left behind tell how far it came.
    assert_eq!(holder.metrics().await.count("scanned_block", &["network=\"anvil\""]), 0);
    assert_eq!(rig.number("SELECT count(*) FROM transfers").await, 3);
    rig.books_are_right().await;

    // Nothing of it hangs: it works again when it must.
    other.kill().await;
    within(Duration::from_secs(10), "the first works again", async || holds(&holder).await.then_some(())).await;
    holder.terminate().await;
}

#[tokio::test]
async fn connections_that_fall_silent_for_ever_are_given_up_and_others_opened() {
    let chain = Chain::start().await;
    let (line, rig, _) = two_ways(&chain).await;
    rig.with_database("max_connections = 2");
    let mut process = rig.run().await;
    process.is_ready().await;
    // Until a statement under way was hit: its place in the pool is not lost with it.
    for round in 0..10 {
        let (id, to) = (format!("dep_{round}"), chain.address());
        rig.open(&id, "5", &chain.usdc, to).await;
        line.forget();
        chain.pay(1, to, 5).await;
        chain.bury().await;
        let begun = Instant::now();
        within(Duration::from_secs(40), "it is confirmed", async || {
            (rig.shown(&id).await.status == "CONFIRMED").then_some(())
        })
        .await;
        assert_eq!(rig.events(&id).await, ["created", "pending", "confirmed"]);
        if begun.elapsed() > Duration::from_secs(20) && round > 1 {
            break;
        }
    }
    process.is_ready().await;
    rig.books_are_right().await;
    process.terminate().await;
}
