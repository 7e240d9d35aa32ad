//! Amounts at both ends of what a token can move, logs that are no transfers, addresses in every spelling.

use alloy::primitives::U256;
use deposit_watcher::demo::tokens::OddLog;
use deposit_watcher::demo::{Call, Contract};
use deposit_watcher::domain::Units;

use crate::rig::{Chain, Rig, Section, Token, until};

/// 2^256−1 base units of a token with 6 decimals.
const MOST: &str = "115792089237316195423570985008687907853269984665640564039457584007913129.639935";

#[tokio::test]
async fn odd_logs_are_counted_and_nothing_else_of_the_block_is_lost() {
    let chain = Chain::start().await;
    let payer = chain.payers[0];
    let odd = Token::new("ODD", chain.evm.deploy(payer, Contract::Odd).await.unwrap(), 6);
    let fine = Token::new("FINE", chain.evm.deploy(payer, Contract::Plain18).await.unwrap(), 18);
    let nft = chain.evm.deploy(payer, Contract::Nft).await.unwrap();
    let one_unit = Units(U256::from(1));
    chain.evm.pay(payer, fine.address, &Call::Mint(payer, one_unit)).await.unwrap();
    let rig = Rig::new(&[Section::new(chain.anvil.url(), &[odd.clone(), fine.clone()])]).await;
    let [least, most, shop] = [(); 3].map(|()| chain.address());
    rig.open("dep_least", "0.000000000000000001", &fine, least).await;
    rig.open("dep_most", MOST, &odd, most).await;
    rig.open("dep_odd", "9", &odd, shop).await;
    let mut process = rig.run().await;
    rig.scanned("anvil", &chain).await;

    chain.evm.set_automine(false).await.unwrap();
    let nine = Units(U256::from(9));
    let send = async |token, call| chain.evm.send(payer, token, &call).await.unwrap();
    let before = send(fine.address, Call::Transfer(least, one_unit)).await;
    for log in OddLog::ALL {
        send(odd.address, Call::Odd(log, shop, nine)).await;
    }
    send(nft, Call::Mint(shop, nine)).await;
    let zero = send(odd.address, Call::Zero(payer, shop)).await;
    let after = send(odd.address, Call::Claim(payer, most, Units(U256::MAX))).await;
    chain.evm.mine(3).await.unwrap();
    let seen = chain.evm.receipt(before).await.unwrap().unwrap();
    assert_eq!(chain.evm.receipt(after).await.unwrap().unwrap().block, seen.block, "all in one block");

    assert_eq!(rig.becomes("dep_least", "CONFIRMED").await.confirmed, "0.000000000000000001");
    assert_eq!(rig.becomes("dep_most", "CONFIRMED").await.confirmed, MOST);
    rig.settles(zero, "CONFIRMED", Some("zero")).await;
    assert_eq!(rig.shown("dep_odd").await.status, "CREATED");
    let stored = rig.texts("SELECT amount_units::text FROM transfers ORDER BY log_index").await;
    assert_eq!(stored, ["1".to_owned(), "0".to_owned(), U256::MAX.to_string()]);
    let metrics = process.metrics().await;
    let invalid = |token| metrics.count("transfers_total", &[token, "outcome=\"invalid\""]);
    assert_eq!((invalid("token=\"odd\""), invalid("token=\"fine\"")), (8, 0));
    rig.books_are_right().await;
    process.terminate().await;
}

#[tokio::test]
async fn addresses_in_every_spelling() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    let [lower, upper, shouting, checksummed, mistyped] = [(); 5].map(|()| chain.address());
    let text = |address: deposit_watcher::domain::Address| address.to_string();
    let wrong = |text: String| {
        let letter = text.rfind(|c: char| c.is_ascii_alphabetic()).unwrap();
        let flip = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        text.char_indices().map(|(at, c)| if at == letter { flip(c) } else { c }).collect::<String>()
    };
    rig.open_at("dep_lower", "1", &chain.usdc, &text(lower).to_lowercase()).await;
    rig.open_at("dep_upper", "1", &chain.usdc, &text(upper).to_uppercase().replacen("0X", "0x", 1)).await;
    rig.open_at("dep_shouting", "1", &chain.usdc, &text(shouting).to_uppercase()).await;
    rig.open_at("dep_checksummed", "1", &chain.usdc, &text(checksummed)).await;
    rig.open_at("dep_mistyped", "1", &chain.usdc, &wrong(text(mistyped))).await;
    rig.open_at("dep_malformed", "1", &chain.usdc, "0xshop").await;
    let foreign = chain.usdc.clone().of("nowhere");
    rig.open("dep_foreign", "1", &foreign, lower).await;
    let stranger = Token::new("USDC", chain.address(), 6);
    rig.open("dep_stranger", "1", &stranger, lower).await;
    let mut process = rig.run().await;
    for (payer, to) in [lower, upper, shouting, checksummed, mistyped].into_iter().enumerate() {
        chain.pay(payer, to, 1).await;
    }
    chain.bury().await;
    for id in ["dep_lower", "dep_upper", "dep_shouting", "dep_checksummed"] {
        rig.becomes(id, "CONFIRMED").await;
    }
    assert_eq!(rig.shown("dep_mistyped").await.status, "CREATED");
    let expected = [("checksum", 1), ("malformed_address", 1), ("unknown_network", 1), ("unknown_token", 1)];
    until("unusable rows are counted", async || {
        let metrics = process.metrics().await;
        let count = |reason: &str| metrics.count("sessions_invalid", &[&format!("reason=\"{reason}\"")]);
        expected.iter().all(|(reason, number)| count(reason) == *number).then_some(())
    })
    .await;
    rig.books_are_right().await;
    process.terminate().await;
}
