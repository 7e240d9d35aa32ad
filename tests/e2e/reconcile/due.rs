//! What counts as compared already, and what may be excused: a token that left and came back, blocks that were read again,
//! tokens and balances that an earlier run did not compare, blocks below the first that was scanned.

use deposit_watcher::demo::{Call, Contract, Remined};
use deposit_watcher::domain::Address;
use serde_json::{Value, json};

use super::{UNSEEN, kinds, paid, reconcile, tamper};
use crate::rig::{Chain, Process, Rig, Section, Token, units, until};

/// What `dep_NAME` got is gone, as if no look had seen it.
fn unseen(name: &str) -> String {
    UNSEEN.replace("dep_one", &format!("dep_{name}"))
}

fn only(chain: &Chain, tokens: &[&Token]) -> Section {
    Section { tokens: tokens.iter().copied().cloned().collect(), ..chain.section() }
}

/// Another token, and who pays with it.
async fn other(chain: &Chain) -> Token {
    let address = chain.evm.deploy(chain.payers[0], Contract::Plain6).await.unwrap();
    chain.evm.pay(chain.payers[0], address, &Call::Mint(chain.payers[8], units(100))).await.unwrap();
    Token::new("EURC", address, 6)
}

async fn pay_with(chain: &Chain, token: &Token, to: Address) {
    chain.evm.pay(chain.payers[8], token.address, &Call::Transfer(to, units(5))).await.unwrap();
}

/// Runs with these tokens until just they are followed and no rescan is left.
async fn follow(rig: &Rig, chain: &Chain, tokens: &[&Token]) -> Process {
    rig.configure(&[only(chain, tokens)]);
    let process = rig.run().await;
    let mut keys: Vec<&str> = tokens.iter().map(|token| token.key.as_str()).collect();
    keys.sort_unstable();
    until("they are followed", async || {
        (rig.texts("SELECT key FROM tokens WHERE followed ORDER BY key").await == keys).then_some(())
    })
    .await;
    until("no rescan is left", async || {
        (rig.number("SELECT count(*) FROM rescans WHERE finished_at IS NULL").await == 0).then_some(())
    })
    .await;
    process
}

fn from(report: &Value) -> Option<u64> {
    report["from_block"].as_u64()
}

#[tokio::test]
async fn a_token_that_left_and_came_back_excuses_nothing_from_before() {
    let chain = Chain::start().await;
    let other = other(&chain).await;
    let rig = Rig::new(&[chain.section()]).await;
    paid(&chain, &rig).await;
    tamper(&rig, UNSEEN).await;
    for tokens in [&[&other][..], &[&other, &chain.usdc]] {
        follow(&rig, &chain, tokens).await.terminate().await;
    }
    let spans = "SELECT count(*) FROM token_spans s JOIN tokens k ON k.address = s.token WHERE k.key = 'usdc'";
    assert_eq!(rig.number(spans).await, 2);
    let (code, report) = reconcile(&rig, &[]).await;
    assert_eq!((code, kinds(&report), &report["left_out"]), (3, vec!["missing_here"], &json!(1)), "{report}");
}

#[tokio::test]
async fn what_is_paid_while_its_token_is_away_is_due_when_a_rescan_has_read_it() {
    let chain = Chain::start().await;
    let other = other(&chain).await;
    let rig = Rig::new(&[chain.section()]).await;
    paid(&chain, &rig).await;
    let mut process = follow(&rig, &chain, &[&other]).await;
    let shop = chain.address();
    rig.open("dep_away", "5", &chain.usdc, shop).await;
    chain.pay(4, shop, 5).await;
    // The quiet chain is looked at again after so many blocks.
    chain.evm.mine(60).await.unwrap();
    until("the payment is deep enough", async || {
        let deep = "SELECT (confirmed_number > first_number + 50)::int::bigint FROM networks";
        (rig.number(deep).await == 1).then_some(())
    })
    .await;
    process.terminate().await;
    rig.configure(&[only(&chain, &[&other, &chain.usdc])]);
    let (code, report) = reconcile(&rig, &[]).await;
    assert_eq!((code, &report["not_read"], &report["left_out"]), (0, &json!(1), &json!(1)), "{report}");
    assert_eq!(from(&reconcile(&rig, &[]).await.1), None);

    let mut process = follow(&rig, &chain, &[&other, &chain.usdc]).await;
    rig.becomes("dep_away", "CONFIRMED").await;
    process.terminate().await;
    tamper(&rig, &unseen("away")).await;
    let (code, report) = reconcile(&rig, &[]).await;
    assert_eq!((code, kinds(&report)), (3, vec!["missing_here"]), "{report}");
}

#[tokio::test]
async fn blocks_that_a_reorganisation_replaced_are_due_again() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    paid(&chain, &rig).await;
    let (code, report) = reconcile(&rig, &[]).await;
    assert_eq!(
        (code, report["to_block"].as_i64()),
        (0, Some(rig.number("SELECT confirmed_number FROM networks").await))
    );
    let tx = rig.texts("SELECT tx_hash FROM transfers WHERE session_id = 'dep_two'").await[0].clone();
    let moved = "SELECT count(*) FROM transfers t WHERE t.session_id = 'dep_two' AND t.state = 'CONFIRMED'
                    AND EXISTS (SELECT FROM transfers o WHERE o.tx_hash = t.tx_hash AND o.state = 'ORPHANED')";

    let raw = chain.evm.raw(tx.parse().unwrap()).await.unwrap();
    chain.evm.reorganise(4, &[(Remined::Again(raw), 1)]).await.unwrap();
    let mut process = rig.run().await;
    until("it is confirmed elsewhere", async || {
        // While it is not believed the chain goes on.
        chain.evm.mine(1).await.unwrap();
        (rig.number(moved).await == 1).then_some(())
    })
    .await;
    process.terminate().await;
    let highest = "SELECT max(to_block) - (SELECT max(block_number) FROM transfers WHERE state = 'CONFIRMED' AND session_id = 'dep_two') FROM reconciliations";
    assert!(rig.number(highest).await >= 0, "it was compared before under another hash");
    tamper(&rig, "DELETE FROM ledger WHERE session_id = 'dep_two'; DELETE FROM transfers WHERE session_id = 'dep_two'")
        .await;
    let (code, report) = reconcile(&rig, &[]).await;
    assert_eq!((code, kinds(&report)), (3, vec!["missing_here"]), "{report}");
}

#[tokio::test]
async fn a_token_that_no_run_compared_is_due_and_one_that_is_gone_takes_no_difference_with_it() {
    let chain = Chain::start().await;
    let (other, shop) = (other(&chain).await, chain.address());
    let rig = Rig::new(&[chain.section()]).await;
    rig.open("dep_other", "5", &other, shop).await;
    pay_with(&chain, &other, shop).await;
    paid(&chain, &rig).await;
    assert_eq!(reconcile(&rig, &[]).await.0, 0);

    let mut process = follow(&rig, &chain, &[&chain.usdc, &other]).await;
    rig.becomes("dep_other", "CONFIRMED").await;
    process.terminate().await;
    tamper(&rig, &unseen("other")).await;
    // Of the token that was compared nothing is due; of the other all is.
    assert_eq!(from(&reconcile(&rig, &["--token", "usdc"]).await.1), None);
    let (code, report) = reconcile(&rig, &[]).await;
    assert_eq!((code, kinds(&report)), (3, vec!["missing_here"]), "{report}");

    let standing = "SELECT coalesce(sum(differences), 0)::bigint FROM reconciliations_standing";
    let first = rig.number("SELECT first_number + 1 FROM networks").await.to_string();
    assert_eq!(reconcile(&rig, &["--from", &first]).await.0, 3);
    let found = rig.number(standing).await;
    rig.configure(&[only(&chain, &[&chain.usdc])]);
    assert_eq!(reconcile(&rig, &["--from", &first]).await.0, 0, "it compared another token, and found nothing of it");
    assert_eq!(rig.number(standing).await, found);
    let ended = rig.command(&["reconcile", "--network", "anvil"]).await;
    assert!(ended.code == 3 && ended.stderr.contains("that earlier runs found on anvil still stand"), "{ended:?}");
    // Where it is configured, that run begins at it.
    rig.configure(&[only(&chain, &[&chain.usdc, &other])]);
    assert_eq!(reconcile(&rig, &[]).await.0, 3);
}

#[tokio::test]
async fn balances_and_single_tokens_count_for_what_they_are() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    paid(&chain, &rig).await;
    let (_, report) = reconcile(&rig, &[]).await;
    let first = from(&report);
    // Balances were not asked: with them all is due, once.
    let (code, report) = reconcile(&rig, &["--balances"]).await;
    assert_eq!((code, from(&report)), (0, first), "{report}");
    assert_eq!(from(&reconcile(&rig, &["--balances"]).await.1), None);

    // What a run of one token found is begun at by one of all.
    let block = rig.number("SELECT block_number FROM transfers WHERE session_id = 'dep_one'").await;
    let text = block.to_string();
    tamper(&rig, UNSEEN).await;
    assert_eq!(reconcile(&rig, &["--from", &text, "--to", &text, "--token", "usdc"]).await.0, 3);
    let (code, report) = reconcile(&rig, &[]).await;
    assert_eq!((code, from(&report), kinds(&report)), (3, u64::try_from(block).ok(), vec!["missing_here"]), "{report}");
}

#[tokio::test]
async fn a_range_that_was_being_read_again_is_due_again() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    paid(&chain, &rig).await;
    let block = rig.number("SELECT block_number FROM transfers WHERE session_id = 'dep_one'").await;
    tamper(&rig, UNSEEN).await;
    sqlx::query(
        "INSERT INTO rescans (network, from_block, to_block, token, reason, next_first, next_second)
         SELECT 'anvil', $1, $1, address, 'token', $1, $1 FROM tokens",
    )
    .bind(block)
    .execute(&rig.pool)
    .await
    .unwrap();
    let (code, report) = reconcile(&rig, &[]).await;
    assert_eq!((code, &report["not_yet"]), (0, &json!(1)), "{report}");
    // As long as it is not read each run begins there.
    assert_eq!(from(&reconcile(&rig, &[]).await.1), u64::try_from(block).ok());
    sqlx::query("UPDATE rescans SET next_first = to_block + 1, next_second = to_block + 1, finished_at = now()")
        .execute(&rig.pool)
        .await
        .unwrap();
    let (code, report) = reconcile(&rig, &[]).await;
    assert_eq!((code, from(&report), kinds(&report)), (3, u64::try_from(block).ok(), vec!["missing_here"]), "{report}");
}

#[tokio::test]
async fn what_a_rescan_read_below_the_first_block_is_compared() {
    let chain = Chain::start().await;
    let (shop, late) = (chain.address(), chain.address());
    let start = chain.evm.head().await.unwrap().block.number.0 + 20;
    let rig = Rig::new(&[chain.section().with(&format!("start_block = {start}"))]).await;
    rig.open("dep_below", "5", &chain.usdc, shop).await;
    rig.open("dep_above", "5", &chain.usdc, late).await;
    let block = chain.pay(1, shop, 5).await.block.number.0.to_string();
    chain.evm.mine(30).await.unwrap();
    let mut process = rig.run().await;
    chain.pay(2, late, 5).await;
    chain.bury().await;
    rig.becomes("dep_above", "CONFIRMED").await;
    assert_eq!(rig.shown("dep_below").await.status, "CREATED");
    assert_eq!(from(&reconcile(&rig, &[]).await.1), Some(start));
    let refused = rig.command(&["reconcile", "--network", "anvil", "--from", &block]).await;
    assert_eq!(refused.code, 2, "{refused:?}");

    let rescanned = rig.command(&["rescan", "--network", "anvil", "--from", &block, "--to", &block]).await;
    assert!(rescanned.stdout.ends_with("1 transfer added\n"), "{rescanned:?}");
    rig.becomes("dep_below", "CONFIRMED").await;
    process.terminate().await;
    let (code, report) = reconcile(&rig, &[]).await;
    assert_eq!(
        (code, from(&report), &report["tokens"][0]["transfers"]),
        (0, block.parse().ok(), &json!(2)),
        "{report}"
    );
    tamper(&rig, &unseen("below")).await;
    let (code, report) = reconcile(&rig, &["--from", &block]).await;
    assert_eq!((code, kinds(&report)), (3, vec!["missing_here"]), "{report}");
}
