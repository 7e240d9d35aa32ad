//! What cannot be trusted halts, alone, and says why wherever one looks; a person lets it go on.

use deposit_watcher::demo::Proxy;
use serde_json::json;

use crate::networks::{goes_on, second};
use crate::rig::{Chain, Rig, Section, until};
use crate::support;

/// A node was reset behind its URL: the same chain id, another genesis. Then a node of quite another chain stands there.
#[tokio::test]
async fn another_chain_behind_the_same_url_halts_that_network_until_the_right_one_is_back() {
    let first = Chain::start().await;
    let (other, section) = second().await;
    let mut line = Proxy::start(other.anvil.port()).await.unwrap();
    let rig = Rig::new(&[first.section(), Section { url: line.url(), ..section }]).await;
    let mut process = rig.run().await;
    goes_on(&rig, &other, "dep_second").await;

    // Anvils that start within one second have the same block 0.
    let reset = support::anvil(&["--chain-id", "31338", "--timestamp", "1700000000"]);
    line.cut().await;
    line.lead(reset.port());
    line.mend().await.unwrap();
    let parts = process.is_not_ready("fail network second: halted: another chain").await;
    assert!(parts.contains("genesis") && parts.contains("rescan --network second --resume"), "{parts}");
    assert!(parts.contains("ok network anvil\n"), "{parts}");
    goes_on(&rig, &first, "dep_first").await;
    assert_eq!(rig.shown("dep_second").await.status, "CONFIRMED", "nothing is undone by itself");
    let status = rig.status("second").await;
    assert_eq!(status["state"], "halted");
    assert!(status["halted"].as_str().unwrap().starts_with("another chain"), "{status}");
    assert_eq!(process.metrics().await.count("halted", &["network=\"second\""]), 1);
    assert_eq!(process.metrics().await.count("halted", &["network=\"anvil\""]), 0);
    process.goes_round("second").await;
    let told = process.said("ERROR", "the network is halted");
    assert_eq!(told.len(), 1, "once: {told:?}");
    assert_eq!(told[0]["network"], json!("second"));

    let strange = support::anvil(&["--chain-id", "31399"]);
    line.cut().await;
    line.lead(strange.port());
    line.mend().await.unwrap();
    let asked = rig.command(&["rescan", "--network", "second", "--resume"]).await;
    assert_eq!(asked.code, 1, "{asked:?}");
    assert!(
        asked.stdout.contains("every endpoint serves another chain") && asked.stdout.contains("31399"),
        "{asked:?}"
    );
    let refused = rig.command(&["rescan", "--network", "second", "--resume", "--yes"]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("halted again") && refused.stderr.contains("31399"), "{refused:?}");

    line.cut().await;
    line.lead(other.anvil.port());
    line.mend().await.unwrap();
    process.goes_round("second").await;
    assert_eq!(rig.status("second").await["state"], "halted", "only a person ends it");
    let resumed = rig.command(&["rescan", "--network", "second", "--resume", "--yes"]).await;
    assert_eq!(resumed.code, 0, "{resumed:?}");
    goes_on(&rig, &other, "dep_again").await;
    assert_eq!(rig.events("dep_second").await, ["created", "pending", "confirmed"]);
    process.is_ready().await;
    rig.books_are_right().await;
    process.terminate().await;
}

/// The chain's own tag had passed a block that leaves: nothing is undone before a person has looked.
#[tokio::test]
async fn a_broken_promise_of_finality_halts_and_survives_a_restart() {
    let chain = Chain::start_with(&["--slots-in-an-epoch", "4"]).await;
    let rig = Rig::new(&[Section { finality: "\"safe\"", ..chain.section() }]).await;
    let shop = chain.address();
    rig.open("dep_safe", "5", &chain.usdc, shop).await;
    let mut process = rig.run().await;
    chain.pay(1, shop, 5).await;
    chain.evm.mine(6).await.unwrap();
    rig.becomes("dep_safe", "CONFIRMED").await;
    rig.scanned("anvil", &chain).await;

    chain.evm.reorganise(7, &[]).await.unwrap();
    process.is_not_ready("fail network anvil: halted: finality violation").await;
    process.kill().await;
    sqlx::query("UPDATE leases SET expires_at = '-infinity'").execute(&rig.pool).await.unwrap();
    let mut process = rig.run().await;
    process.is_not_ready("fail network anvil: halted: finality violation").await;
    assert_eq!(rig.shown("dep_safe").await.status, "CONFIRMED");
    let asked = rig.command(&["rescan", "--network", "anvil", "--resume"]).await;
    assert!(asked.stdout.contains("1 confirmed transfers above it are reverted"), "{asked:?}");
    let resumed = rig.command(&["rescan", "--network", "anvil", "--resume", "--yes"]).await;
    assert_eq!(resumed.code, 0, "{resumed:?}");
    rig.becomes("dep_safe", "PENDING").await;
    assert_eq!(rig.events("dep_safe").await, ["created", "pending", "confirmed", "reverted"]);
    rig.books_are_right().await;
    process.terminate().await;
}

/// Nothing was pinned yet: what was mistyped is corrected by writing it right.
#[tokio::test]
async fn a_chain_id_that_was_mistyped_is_corrected_before_anything_is_pinned() {
    let chain = Chain::start().await;
    let mistyped = Section { chain_id: 31_339, ..chain.section() }.with("testnet = true");
    let rig = Rig::new(&[mistyped]).await;
    let mut process = rig.run().await;
    process.is_not_ready("fail network anvil: halted: another chain").await;
    let refused = rig.command(&["rescan", "--network", "anvil", "--resume", "--yes"]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("halted again"), "{refused:?}");
    process.terminate().await;
    rig.configure(&[chain.section()]);
    let mut process = rig.run().await;
    goes_on(&rig, &chain, "dep_right").await;
    until("it is well", async || (rig.status("anvil").await["state"] == "working").then_some(())).await;
    process.terminate().await;
}
