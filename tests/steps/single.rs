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

/// Who lags is asked when the looks differ: it is the one that told otherwise.
#[tokio::test]
async fn one_that_lags_is_heard_when_it_contradicts() {
    for invented in [true, false] {
        let mut house = House::new(2).await;
        house.nodes[1].set(|is| is.lag = 20);
        house.steps(2).await;
        house.open("a", 100).await;
        let block = house.world.mine(if invented { vec![] } else { vec![house.pay(tokens(100))] }).block;
        let lie = match invented {
            true => Lie::Invent(block.hash, Log::transfer(TOKEN, PAYER, account(SHOP), tokens(100))),
            false => Lie::Drop(block.hash, 0),
        };
        house.nodes[0].set(|is| is.lies = vec![lie]);
        house.world.mine_empty(80);
        house.steps(10).await;
        assert_eq!(house.status("a").await, if invented { "PENDING" } else { "CREATED" });
        house.nodes.iter().for_each(|node| node.heal());
        house.settle().await;
        assert_eq!(house.status("a").await, if invented { "PENDING" } else { "CONFIRMED" });
        assert_eq!(
            house.text("SELECT count(*)::text FROM ledger").await.as_deref(),
            Some(if invented { "0" } else { "1" })
        );
    }
}

/// A dispute is not over because who contradicted cannot be asked any more: not when the chain goes another way further
/// up, and not when another process takes over.
#[tokio::test]
async fn a_dispute_outlives_who_contradicts() {
    for then in ["nothing", "a reorganisation above", "another holder"] {
        let mut house = House::new(2).await;
        house.settle().await;
        house.open("a", 100).await;
        let honest = house.world.mine(vec![house.pay(tokens(1))]);
        let lie = Log::transfer(TOKEN, PAYER, account(SHOP), tokens(100));
        house.nodes[0].set(|is| is.lies = vec![Lie::Alter(honest.block.hash, 0, lie)]);
        house.world.mine_empty(3);
        house.steps(4).await;
        let disputed = "SELECT disputed_number::text FROM networks";
        assert_eq!(house.text(disputed).await, Some(honest.block.number.0.to_string()));
        house.nodes[1].set(|is| is.down = Some(Down::Refused));
        house.steps(1).await;
        match then {
            "nothing" => {}
            "another holder" => house.restart().await,
            _ => house.world.reorg(1, vec![vec![]]),
        }
        house.steps(4).await;
        house.world.mine_empty(60);
        house.steps(6).await;
        assert!(trouble(house.step().await).contains("no other operator can be asked"), "{then}");
        assert_eq!(house.status("a").await, "PENDING", "{then}");
        house.nodes.iter().for_each(|node| node.heal());
        house.settle().await;
        assert_eq!(house.status("a").await, "UNDERPAID", "{then}");
        assert_eq!(house.text(disputed).await, None, "{then}");
    }
}

/// Who has another block where ours is recorded contradicts as much as one that tells other logs.
#[tokio::test]
async fn one_that_has_another_branch_is_heard_before_the_other_is_believed() {
    let mut house = House::new(2).await;
    house.settle().await;
    house.open("a", 100).await;
    house.world.mine_empty(8);
    house.settle().await;
    house.nodes[1].freeze();
    house.world.reorg(8, vec![vec![house.pay(tokens(100))]]);
    house.world.mine_empty(8);
    house.steps(6).await;
    assert_eq!(house.status("a").await, "PENDING");
    house.nodes[1].set(|is| is.down = Some(Down::Refused));
    house.world.mine_empty(60);
    house.steps(6).await;
    assert_eq!(house.status("a").await, "PENDING");
    house.nodes[1].thaw();
    house.nodes[1].heal();
    house.settle().await;
    assert_eq!(house.status("a").await, "CONFIRMED");
}

/// A node that has forgotten a block says `[]` of its logs: what both looks found is not taken away by that.
#[tokio::test]
async fn a_range_read_again_from_who_has_forgotten_it_takes_nothing_away() {
    for nodes in [1, 2] {
        let mut house = House::new(nodes).await;
        let paid = confirmed(&mut house).await;
        house.nodes.iter().for_each(|node| node.set(|is| (is.empty_logs, is.no_receipts) = (true, true)));
        house.store.request_rescan(&house.network.slug, paid, paid).await.unwrap();
        house.steps(6).await;
        assert_eq!(house.status("a").await, "CONFIRMED", "{nodes} operators");
        house.nodes.iter().for_each(|node| node.heal());
        house.settle().await;
        assert_eq!(house.text("SELECT count(*)::text FROM ledger").await.as_deref(), Some("1"));
    }
}

/// Nor by one operator's receipts, where another can be asked; where there is only one, it has to say so for as long as
/// in a reorganisation.
#[tokio::test]
async fn confirmed_money_is_not_taken_away_by_one_word() {
    for (nodes, revert_after, status) in [(2, 0, "CONFIRMED"), (1, 3_600, "CONFIRMED"), (1, 0, "PENDING")] {
        let after = std::time::Duration::from_secs(revert_after);
        let mut house = House::with(nodes, |network, _| network.revert_after = after).await;
        let paid = confirmed(&mut house).await;
        let hash = house.world.block(paid.0).unwrap().hash;
        house.nodes[0].set(|is| is.lies = vec![Lie::Drop(hash, 0)]);
        if let Some(other) = house.nodes.get(1) {
            other.set(|is| is.down = Some(Down::Refused));
        }
        house.store.request_rescan(&house.network.slug, paid, paid).await.unwrap();
        house.steps(2).await;
        assert_eq!(house.status("a").await, "CONFIRMED", "not at the first look");
        house.steps(6).await;
        assert_eq!(house.status("a").await, status, "{nodes} operators, {revert_after} s");
    }
}

/// A session that is paid; the block.
async fn confirmed(house: &mut House) -> BlockNumber {
    house.settle().await;
    house.open("a", 100).await;
    let paid = house.world.mine(vec![house.pay(tokens(100))]).block.number;
    house.world.mine_empty(3);
    house.settle().await;
    assert_eq!(house.status("a").await, "CONFIRMED");
    paid
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
