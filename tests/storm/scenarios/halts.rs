//! What halts a network, and what lets it go on.

use alloy::primitives::B256;
use deposit_watcher::domain::Finality;

use super::HUNDRED;
use crate::rig::{Rig, Rules};
use crate::scripted::account;

async fn confirmed(rules: Rules) -> Rig {
    let mut rig = Rig::with(rules).await;
    rig.open("dep_a", account(1), "100", 100_000).await;
    rig.mined(vec![rig.pay(account(1), HUNDRED)]).await;
    rig.deeper(3).await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    rig
}

async fn halts(rig: &mut Rig) -> String {
    for _ in 0..8 {
        if let Some(reason) = rig.step().await.ok().and_then(|step| step.halted) {
            assert!(reason.contains("rescan --network net --resume"), "{reason}");
            return reason;
        }
    }
    panic!("not halted");
}

async fn resume(rig: &Rig) {
    assert!(rig.store.request_resume(&rig.rules.network.slug).await.unwrap());
}

#[tokio::test]
async fn another_chain_at_every_endpoint_halts_and_at_one_of_them_does_not() {
    let mut rig = confirmed(Rules::default()).await;
    rig.one.set(|is| is.chain_id = Some(1));
    rig.restart().await;
    rig.deeper(1).await;
    rig.two.set(|is| is.genesis = Some(B256::repeat_byte(7)));
    rig.restart().await;
    assert!(halts(&mut rig).await.starts_with("another chain: no endpoint serves this one, one has chain id 1"));
    rig.restart().await;
    halts(&mut rig).await;

    resume(&rig).await;
    halts(&mut rig).await;
    let asked: bool = sqlx::query_scalar("SELECT resume_requested_at IS NOT NULL FROM networks")
        .fetch_one(&rig.outside)
        .await
        .unwrap();
    assert!(!asked, "who asked has his answer");

    rig.one.heal();
    halts(&mut rig).await;
    resume(&rig).await;
    rig.deeper(3).await;
    assert_eq!(rig.told("dep_a").await, "created pending confirmed", "nothing was undone");
    rig.assert_books().await;
}

/// The endpoint's connection never broke, and it is asked for its chain once a minute only: its blocks tell first.
#[tokio::test]
async fn another_chain_is_not_taken_for_a_deep_reorganisation() {
    let mut rules = Rules::default();
    rules.network.reorg_window = 5;
    let mut rig = confirmed(rules).await;
    rig.deeper(6).await;
    rig.world.reorg(11, vec![vec![]; 14]);
    rig.one.set(|is| is.chain_id = Some(1));
    rig.two.set(|is| is.chain_id = Some(1));
    assert!(halts(&mut rig).await.starts_with("another chain"));
}

/// A chain that is for the moment shorter than the block its finality tag had passed has not broken its promise yet.
#[tokio::test]
async fn nothing_at_a_final_height_is_waited_for_and_another_block_there_halts() {
    let mut rules = Rules::default();
    rules.network.finality = Finality::Finalized;
    let mut rig = Rig::with(rules).await;
    rig.world.set_tags(None, Some(1));
    rig.deeper(20).await;
    let kept = rig.world.head().block.number.0 - 1;
    for node in [&rig.one, &rig.two] {
        node.set(|is| is.tags = Some(Some(kept)));
    }
    rig.restart().await;
    rig.deeper(1).await;
    let final_number: Option<i64> =
        sqlx::query_scalar("SELECT final_number FROM networks").fetch_one(&rig.outside).await.unwrap();
    assert_eq!(final_number.map(i64::unsigned_abs), Some(kept));
    for node in [&rig.one, &rig.two] {
        node.set(|is| is.tags = Some(Some(2)));
    }
    rig.world.reorg(6, vec![vec![]; 2]);
    for _ in 0..4 {
        let step = rig.step().await;
        assert!(step.is_err_and(|error| error.to_string().contains("has nothing at")), "it is waited for");
    }
    rig.world.mine_empty(6);
    assert!(halts(&mut rig).await.starts_with("finality violation"));
}

/// A node that began anew with the same genesis: its chain is not a short way back.
#[tokio::test]
async fn a_chain_that_began_anew_halts() {
    let mut rig = confirmed(Rules::default()).await;
    let blocks = rig.world.head().block.number.0;
    assert!(blocks < rig.rules.network.reorg_window, "within the window");
    rig.world.reorg(blocks, vec![vec![]; 3]);
    assert!(halts(&mut rig).await.starts_with("chain reset"));
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    resume(&rig).await;
    rig.settle().await;
    assert_eq!(rig.told("dep_a").await, "created pending confirmed reverted");
    rig.conclude().await;
    rig.assert_books().await;
}
