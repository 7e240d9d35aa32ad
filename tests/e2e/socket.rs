//! The same life over WebSocket, driven by newHeads, with as few requests as it may cost: one a block.

use std::time::Instant;

use deposit_watcher::demo::Proxy;

use crate::rig::{Chain, Rig, Section};

const BLOCKS: u64 = 20;

#[tokio::test]
async fn heads_are_pushed_and_requests_are_few() {
    let chain = Chain::start().await;
    let section =
        Section { poll_interval: "2s", ..Section::new(chain.anvil.ws_url(), std::slice::from_ref(&chain.usdc)) };
    let rig = Rig::new(&[section]).await;
    let shop = chain.address();
    rig.open("dep_pushed", "5", &chain.usdc, shop).await;
    let mut process = rig.run().await;
    chain.pay(1, shop, 5).await;
    rig.becomes("dep_pushed", "PENDING").await;
    chain.bury().await;
    rig.becomes("dep_pushed", "CONFIRMED").await;

    let (before, begun) = (process.metrics().await, Instant::now());
    for _ in 0..BLOCKS {
        chain.evm.mine(1).await.unwrap();
        rig.scanned("anvil", &chain).await;
    }
    let (after, elapsed) = (process.metrics().await, begun.elapsed());
    let asked = after.count("rpc_requests_total", &[]) - before.count("rpc_requests_total", &[]);
    // One a block, one a poll without news, one inspection of three and a second look that may fall due meanwhile.
    let polls = elapsed.as_secs() / 2 + 1;
    let allowed = i64::try_from(BLOCKS + polls + 4).unwrap();
    assert!(asked <= allowed, "{asked} requests for {BLOCKS} blocks in {elapsed:?}, {allowed} allowed");
    let scanned = after.count("blocks_scanned_total", &[]) - before.count("blocks_scanned_total", &[]);
    assert_eq!(scanned, i64::try_from(BLOCKS).unwrap());
    rig.books_are_right().await;
    process.terminate().await;
}

#[tokio::test]
async fn what_was_mined_while_the_line_was_cut_is_found_without_another_head() {
    let chain = Chain::start().await;
    let mut line = Proxy::start(chain.anvil.port()).await.unwrap();
    let section = Section { poll_interval: "1s", ..Section::new(line.ws_url(), std::slice::from_ref(&chain.usdc)) };
    let rig = Rig::new(&[section]).await;
    let [missed, pushed] = [(); 2].map(|()| chain.address());
    rig.open("dep_missed", "5", &chain.usdc, missed).await;
    rig.open("dep_pushed", "5", &chain.usdc, pushed).await;
    let mut process = rig.run().await;
    rig.scanned("anvil", &chain).await;
    for round in 0..3 {
        line.cut().await;
        if round == 1 {
            chain.pay(1, missed, 5).await;
        }
        chain.evm.mine(1).await.unwrap();
        line.mend().await.unwrap();
        rig.scanned("anvil", &chain).await;
    }
    chain.pay(2, pushed, 5).await;
    chain.bury().await;
    rig.becomes("dep_missed", "CONFIRMED").await;
    rig.becomes("dep_pushed", "CONFIRMED").await;
    rig.books_are_right().await;
    process.terminate().await;
}
