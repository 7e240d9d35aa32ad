//! One operator's word where one is enough (`quorum = 1`), and what keeps a liar from being that one.

use deposit_watcher::domain::{BlockNumber, Finality};
use deposit_watcher::settings::Verify;

use crate::house::{House, SHOP, tokens};
use crate::scripted::{Down, Lie, Log, PAYER, TOKEN, account};

fn trouble(step: Result<deposit_watcher::watcher::Step, deposit_watcher::watcher::Error>) -> String {
    match step {
        Ok(step) => step.trouble.map(|trouble| trouble.to_string()).unwrap_or_default(),
        Err(error) => error.to_string(),
    }
}

/// A tag far above the chain says nothing of blocks that are still to come, whoever gave it and however long ago.
#[tokio::test]
async fn a_tag_beyond_the_cursor_is_forgotten_with_who_gave_it() {
    let mut house = House::with(2, |network, _| network.finality = Finality::Finalized).await;
    house.world.set_tags(None, Some(1));
    house.settle().await;
    house.open("a", 100).await;
    house.nodes[1].set(|is| is.tags = Some(Some(1 << 40)));
    house.world.mine_empty(60);
    house.settle().await;
    let kept = house.text("SELECT final_number::text FROM networks").await.unwrap().parse::<u64>().unwrap();
    assert!(kept <= house.scanned().await, "{kept} is kept as final");
    house.nodes[1].heal();
    let paid = house.world.mine(vec![house.pay(tokens(100))]).block.number.0;
    house.world.mine_empty(60);
    house.settle().await;
    assert_eq!(house.status("a").await, "PENDING");
    house.world.set_tags(None, Some(paid));
    house.world.mine_empty(1);
    house.settle().await;
    assert_eq!(house.status("a").await, "CONFIRMED");
}

/// In a range not every header is recorded: a block that is made up whole, with a proof of its own, is contradicted by
/// whoever else can be asked.
#[tokio::test]
async fn a_block_made_up_between_recorded_ones_is_contradicted() {
    let mut house = House::with(2, |network, _| (network.verify, network.reorg_window) = (Verify::Receipts, 640)).await;
    house.settle().await;
    house.open("a", 100).await;
    house.world.mine_empty(1);
    let first = house.world.mine(vec![]).block.number.0;
    house.world.mine_empty(4);
    let unrecorded = (first..first + 3).find(|number| number % 10 != 0).unwrap();
    let forged = house.world.forge(unrecorded, vec![house.pay(tokens(100))]);
    house.nodes[1].set(|is| is.forged = vec![forged]);
    house.world.mine_empty(60);
    let mut told = String::new();
    for _ in 0..6 {
        told = trouble(house.step().await);
    }
    assert!(told.contains("endpoint node_0 has block"), "{told}");
    assert_eq!(house.status("a").await, "CREATED");
    house.nodes[1].heal();
    house.settle().await;
    assert_eq!(house.status("a").await, "CREATED");
}

/// One that lags is no reason to believe the other alone: what it has it confirms, what it lacks waits.
#[tokio::test]
async fn one_that_lags_confirms_what_it_has_and_the_other_nothing_alone() {
    let mut house = House::new(2).await;
    house.nodes[1].set(|is| is.lag = 20);
    house.steps(2).await;
    house.open("a", 100).await;
    house.world.mine(vec![house.pay(tokens(100))]);
    house.world.mine_empty(5);
    house.steps(6).await;
    assert_eq!(house.status("a").await, "PENDING");
    house.world.mine_empty(20);
    house.steps(6).await;
    assert_eq!(house.status("a").await, "CONFIRMED");
}

/// What is pinned once for all is asked of all.
#[tokio::test]
async fn a_genesis_that_endpoints_do_not_agree_on_is_not_pinned() {
    let mut house = House::new(2).await;
    house.nodes[0].set(|is| is.genesis = Some(alloy::primitives::B256::repeat_byte(7)));
    let told = trouble(house.step().await);
    assert!(told.contains("different blocks 0"), "{told}");
    assert_eq!(house.text("SELECT genesis_hash FROM networks").await, None);
    house.nodes[0].heal();
    house.settle().await;
    let real = house.world.block(0).unwrap().hash.to_string();
    assert_eq!(house.text("SELECT genesis_hash FROM networks").await, Some(real));
}

/// A dispute is not over because who contradicted cannot be asked any more.
#[tokio::test]
async fn a_dispute_outlives_who_contradicts() {
    let mut house = House::new(2).await;
    house.settle().await;
    house.open("a", 100).await;
    let honest = house.world.mine(vec![house.pay(tokens(1))]);
    let lie = Log::transfer(TOKEN, PAYER, account(SHOP), tokens(100));
    house.nodes[0].set(|is| is.lies = vec![Lie::Alter(honest.block.hash, 0, lie)]);
    house.world.mine_empty(3);
    house.steps(4).await;
    house.nodes[1].set(|is| is.down = Some(Down::Refused));
    house.world.mine_empty(60);
    house.steps(6).await;
    assert!(trouble(house.step().await).contains("no other operator can be asked"));
    assert_eq!(house.status("a").await, "PENDING");
    house.nodes.iter().for_each(|node| node.heal());
    house.settle().await;
    assert_eq!(house.status("a").await, "UNDERPAID");
}

/// A range is read again from a node on another branch: that costs the range its turn, and the first look nothing.
#[tokio::test]
async fn a_range_read_again_on_another_branch_waits_alone() {
    let mut house = House::new(1).await;
    house.settle().await;
    house.open("a", 100).await;
    let number = house.world.mine(vec![]).block.number;
    house.world.mine_empty(5);
    house.settle().await;
    let forged = house.world.forge(number.0, vec![house.pay(tokens(100))]);
    house.nodes[0].set(|is| is.forged = vec![forged]);
    let to = BlockNumber(house.scanned().await);
    house.store.request_rescan(&house.network.slug, BlockNumber(1), to).await.unwrap();
    house.world.mine_empty(1);
    let mut told = String::new();
    for _ in 0..4 {
        told = trouble(house.step().await);
    }
    assert!(told.contains("is not the one that is recorded there"), "{told}");
    assert_eq!(house.scanned().await, house.world.head().block.number.0, "the first look goes on");
    assert_eq!(house.text("SELECT count(*)::text FROM transfers").await.as_deref(), Some("0"));
    house.nodes[0].heal();
    house.settle().await;
    assert_eq!(house.text("SELECT count(*)::text FROM rescans WHERE finished_at IS NULL").await.as_deref(), Some("0"));
}
