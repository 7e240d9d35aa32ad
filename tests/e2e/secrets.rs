//! Secrets in the addresses of database and endpoints, and a log that says all it can: the rig looks for them in
//! whatever the binary says, here and in every other test.

use deposit_watcher::demo::Proxy;

use crate::rig::{Chain, Process, Rig, Section, Token};

/// Everything that can be asked of it.
async fn asked(rig: &Rig, process: &Process) {
    process.metrics().await;
    process.readyz().await;
    for words in [&["status"][..], &["check", "--books"], &["sessions", "list"], &["transfers", "list"], &["migrate"]] {
        rig.command_logging("trace", words).await;
    }
}

#[tokio::test]
async fn nothing_tells_a_secret_however_much_is_logged() {
    let chain = Chain::start().await;
    let (mut http, mut socket) =
        (Proxy::start(chain.anvil.port()).await.unwrap(), Proxy::start(chain.anvil.port()).await.unwrap());
    let on = |network: &str| Token::new("USDC", chain.usdc.address, 6).of(network);
    let strange = Section { chain_id: 31_339, ..Section::new(chain.anvil.url(), &[on("strange")]) };
    let sections = [
        Section::new(http.url(), &[on("http")]),
        Section::new(socket.ws_url(), &[on("socket")]),
        strange.with("testnet = true"),
    ];
    let rig = Rig::new(&sections).await;
    let shop = chain.address();
    rig.open("dep_told", "5", &on("socket"), shop).await;
    let mut process = rig.run_logging("trace").await;
    chain.pay(1, shop, 5).await;
    chain.bury().await;
    rig.becomes("dep_told", "CONFIRMED").await;
    asked(&rig, &process).await;

    http.cut().await;
    socket.cut().await;
    process.is_not_ready("fail network http: no endpoint is usable").await;
    process.is_not_ready("fail network socket: no endpoint is usable").await;
    asked(&rig, &process).await;
    process.terminate().await;
}
