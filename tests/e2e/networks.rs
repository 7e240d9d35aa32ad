//! Two networks in one process: what happens to one is no business of the other.

use deposit_watcher::demo::Call;
use serde_json::json;

use crate::rig::{Chain, Rig, Section, Token, units, until};

/// A second chain, with an id of its own and its token on a network of its own name.
pub(crate) async fn second() -> (Chain, Section) {
    let mut chain = Chain::start_with(&["--chain-id", "31338"]).await;
    chain.usdc = chain.usdc.clone().of("second");
    let section = Section { chain_id: 31_338, ..chain.section() }.with("testnet = true");
    (chain, section)
}

/// Opens a session, pays it and waits until it is confirmed.
pub(crate) async fn goes_on(rig: &Rig, chain: &Chain, id: &str) {
    let shop = chain.address();
    rig.open(id, "5", &chain.usdc, shop).await;
    chain.pay(1, shop, 5).await;
    chain.bury().await;
    rig.becomes(id, "CONFIRMED").await;
}

#[tokio::test]
async fn one_is_dead_the_other_goes_on() {
    let first = Chain::start().await;
    let (mut other, section) = second().await;
    let rig = Rig::new(&[first.section(), section]).await;
    let mut process = rig.run().await;
    process.is_ready().await;
    goes_on(&rig, &first, "dep_first").await;
    goes_on(&rig, &other, "dep_second").await;

    other.anvil.kill().unwrap();
    let parts = process.is_not_ready("fail network second: no endpoint is usable").await;
    assert!(parts.contains("ok network anvil\n"), "{parts}");
    goes_on(&rig, &first, "dep_alone").await;
    rig.books_are_right().await;
    process.terminate().await;
}

#[tokio::test]
async fn one_is_halted_the_other_goes_on_until_a_person_resumes_it() {
    let first = Chain::start().await;
    let (other, section) = second().await;
    let rig = Rig::new(&[first.section(), section.with("reorg_window = 4")]).await;
    let mut process = rig.run().await;
    goes_on(&rig, &other, "dep_second").await;
    other.evm.mine(3).await.unwrap();
    rig.scanned("second", &other).await;

    other.evm.reorganise(6, &[]).await.unwrap();
    let why = "reorganisation deeper than reorg_window";
    let parts = process.is_not_ready(&format!("fail network second: halted: {why}")).await;
    assert!(parts.contains("ok network anvil\n"), "{parts}");
    goes_on(&rig, &first, "dep_first").await;
    assert_eq!(rig.shown("dep_second").await.status, "CONFIRMED", "nothing is undone by itself");
    let status = rig.status("second").await;
    assert_eq!(status["state"], "halted");
    assert!(status["halted"].as_str().unwrap().contains(why), "{status}");
    assert!(!process.said("ERROR", why).is_empty());
    assert_eq!(process.metrics().await.count("halted", &["network=\"second\""]), 1);

    // It survives a restart.
    process.terminate().await;
    let mut process = rig.run().await;
    process.is_not_ready("fail network second: halted").await;
    let asked = rig.command(&["rescan", "--network", "second", "--resume"]).await;
    assert_eq!(asked.code, 1, "{}", asked.stderr);
    assert!(asked.stdout.contains(why) && asked.stderr.contains("--yes"), "{asked:?}");
    let resumed = rig.command(&["rescan", "--network", "second", "--resume", "--yes"]).await;
    assert_eq!(resumed.code, 0, "{resumed:?}");
    rig.becomes("dep_second", "PENDING").await;
    goes_on(&rig, &other, "dep_again").await;
    process.is_ready().await;
    rig.books_are_right().await;
    process.terminate().await;
}

#[tokio::test]
async fn another_chain_and_wrong_decimals_are_refused_loudly_and_the_rest_runs() {
    let chain = Chain::start().await;
    let coarse = chain.evm.deploy(chain.payers[0], deposit_watcher::demo::Contract::Plain18).await.unwrap();
    let coarse = Token::new("COARSE", coarse, 6);
    let strange = Token::new("USDC", chain.usdc.address, 6).of("strange");
    let refused = Section { chain_id: 31_339, ..Section::new(chain.anvil.url(), &[strange]) }.with("testnet = true");
    let rig = Rig::new(&[Section::new(chain.anvil.url(), &[chain.usdc.clone(), coarse.clone()]), refused]).await;
    let shop = chain.address();
    rig.open("dep_coarse", "5", &coarse, shop).await;
    let mut process = rig.run().await;

    let parts = process.is_not_ready("fail network strange: halted: another chain").await;
    assert!(parts.contains("network anvil"), "{parts}");
    goes_on(&rig, &chain, "dep_right").await;
    chain.evm.pay(chain.payers[0], coarse.address, &Call::Mint(shop, units(5))).await.unwrap();
    chain.bury().await;
    rig.scanned("anvil", &chain).await;
    process.goes_round("anvil").await;
    assert_eq!(rig.shown("dep_coarse").await.status, "CREATED");
    let loud = until("both are told as errors", async || {
        let (token, network) =
            (process.said("ERROR", "token disabled"), process.said("ERROR", "the network is halted"));
        (!token.is_empty() && !network.is_empty()).then_some((token, network))
    })
    .await;
    assert_eq!(
        (&loud.0[0]["token"], &loud.0[0]["found"], &loud.0[0]["configured"]),
        (&json!("coarse"), &json!(18), &json!(6))
    );
    assert_eq!(loud.1[0]["network"], "strange");
    assert!(loud.1[0].to_string().contains("31337"), "{}", loud.1[0]);

    assert_eq!(
        (&rig.status("strange").await["state"], &rig.status("anvil").await["state"]),
        (&json!("halted"), &json!("working"))
    );
    let told = rig.command(&["status"]).await.stdout;
    assert!(told.contains("strange is halted: another chain") && told.contains("--resume"), "{told}");
    let checked = rig.command(&["check"]).await;
    assert_eq!(checked.code, 3);
    for finding in
        ["endpoint strange.local: serves another chain", "token anvil.coarse: COARSE has 18 decimals, configured are 6"]
    {
        assert!(checked.stdout.contains(finding), "{}", checked.stdout);
    }
    rig.books_are_right().await;
    process.terminate().await;
}
