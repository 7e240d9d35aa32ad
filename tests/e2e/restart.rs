//! SIGTERM: it ends well within its time, hands over at once, and another start goes on where it was.

use std::time::{Duration, Instant};

use crate::rig::{Chain, Rig, Section, within};

#[tokio::test]
async fn ended_by_sigterm_it_hands_over_at_once_and_another_start_goes_on() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    let [before, meanwhile] = [(); 2].map(|()| chain.address());
    rig.open("dep_before", "5", &chain.usdc, before).await;
    let mut process = rig.run().await;
    chain.pay(1, before, 5).await;
    rig.becomes("dep_before", "PENDING").await;

    process.terminate().await;
    assert_eq!(rig.number("SELECT count(*) FROM leases WHERE expires_at > clock_timestamp()").await, 0);
    assert_eq!(rig.status("anvil").await["state"], "idle");
    rig.open("dep_meanwhile", "6", &chain.usdc, meanwhile).await;
    chain.pay(2, meanwhile, 6).await;
    chain.bury().await;

    let mut process = rig.run().await;
    // Not after the six seconds that a lease takes to run out.
    let started = Instant::now();
    within(Duration::from_secs(5), "the network is taken at once", async || {
        let held = rig.number("SELECT count(*) FROM leases WHERE expires_at > clock_timestamp()").await;
        (held == 1).then_some(())
    })
    .await;
    assert!(started.elapsed() < Duration::from_secs(5));
    rig.becomes("dep_before", "CONFIRMED").await;
    rig.becomes("dep_meanwhile", "CONFIRMED").await;
    assert_eq!(rig.events("dep_before").await, ["created", "pending", "confirmed"]);
    rig.books_are_right().await;
    process.signal("INT");
    assert_eq!(process.exit(Duration::from_secs(10)).await, 0);
}

#[tokio::test]
async fn it_ends_in_time_while_its_endpoint_is_silent() {
    let mut chain = Chain::start().await;
    let section = Section { poll_interval: "50ms", ..chain.section() };
    let rig = Rig::new(&[section]).await;
    let mut process = rig.run().await;
    rig.scanned("anvil", &chain).await;
    chain.anvil.suspend().unwrap();
    process.terminate().await;
    assert_eq!(rig.number("SELECT count(*) FROM leases WHERE expires_at > clock_timestamp()").await, 0);
}
