//! Ranges to read again that nobody serves any more, or not everybody, or that are in dispute: they wait, and nothing else.

use deposit_watcher::chain::EndpointState;
use deposit_watcher::domain::{BlockNumber, Finality};

use crate::house::{House, tokens};
use crate::scripted::{Lie, PAYER, Pruned, TOKEN, account};

/// An address that no session names when it is paid.
const LATER: u64 = 5;

/// What keeps a part of the next step from its work. No pause of an endpoint is cut short.
async fn trouble(house: &mut House) -> String {
    let step = house.step_in_earnest().await.unwrap();
    step.trouble.map(|trouble| trouble.to_string()).unwrap_or_default()
}

async fn ask(house: &House, from: u64, to: u64) -> i64 {
    house.store.request_rescan(&house.network.slug, BlockNumber(from), BlockNumber(to)).await.unwrap()
}

async fn is_done(house: &House, rescan: i64) -> bool {
    house.store.rescan_progress(rescan).await.unwrap().unwrap().1.is_some()
}

/// The node has no block below this one any more.
fn prune(house: &House, node: usize, floor: u64) {
    house.nodes[node].set(|is| is.pruned = Some(Pruned::Errors(floor)));
}

fn all_are_alive(house: &House) {
    assert!(house.endpoints().iter().all(|state| *state == EndpointState::Alive), "{:?}", house.endpoints());
}

/// A session that is paid, and the block after that, looked at twice as well, which pays what a session names only now.
async fn overlooked(house: &mut House) -> u64 {
    house.settle().await;
    house.open("a", 100).await;
    house.world.mine(vec![house.pay(tokens(100))]);
    let later = house.world.pay(TOKEN, PAYER, account(LATER), tokens(70));
    let block = house.world.mine(vec![later]).block.number;
    house.world.mine_empty(5);
    house.settle().await;
    assert_eq!(house.status("a").await, "CONFIRMED");
    assert!(house.confirmed().await >= block.plus(2));
    house.open_at("b", 70, account(LATER)).await;
    block.0
}

/// No endpoint is paused for what it dropped, so that both looks go on, at two operators; a later range is read, and the
/// one that waits is told of in every step and read when somebody has it again.
#[tokio::test]
async fn what_nobody_serves_any_more_pauses_nobody_and_holds_up_no_other_range() {
    let mut house = House::new(2).await;
    let block = overlooked(&mut house).await;
    (0..2).for_each(|node| prune(&house, node, 10));
    let (lost, other) = (ask(&house, 1, 5).await, ask(&house, block, block).await);
    for _ in 0..8 {
        house.world.mine_empty(1);
        let told = trouble(&mut house).await;
        assert!(told.starts_with(&format!("rescan {lost} up to block 5 waits: endpoint node_")), "{told}");
        assert!(told.contains("pruned history unavailable"), "{told}");
        assert_eq!(house.scanned().await, house.world.head().block.number.0);
        all_are_alive(&house);
    }
    assert_eq!((is_done(&house, lost).await, is_done(&house, other).await), (false, true));
    assert_eq!(house.status("b").await, "CONFIRMED");
    house.nodes.iter().for_each(|node| node.heal());
    house.settle().await;
    assert!(is_done(&house, lost).await);
    assert_eq!(house.books().await, Vec::<String>::new());
}

/// What one operator alone has kept is read from it: the first look at once, the second when the other refuses again and
/// again, and not where two must agree.
#[tokio::test]
async fn what_one_operator_alone_has_kept_is_not_believed_at_the_others_first_refusal() {
    for (keeper, quorum, status) in [(0, 1, "CONFIRMED"), (1, 1, "CONFIRMED"), (0, 2, "PENDING")] {
        let mut house = House::with(2, |network, _| network.quorum = quorum).await;
        let block = overlooked(&mut house).await;
        prune(&house, 1 - keeper, block + 1);
        ask(&house, block, block).await;
        assert_eq!(trouble(&mut house).await, "", "the first look");
        for _ in 0..2 {
            let told = trouble(&mut house).await;
            assert!(told.contains("pruned history unavailable"), "{told}");
            assert_eq!(house.status("b").await, "PENDING");
        }
        trouble(&mut house).await;
        assert_eq!(house.status("b").await, status, "kept by node_{keeper}, quorum {quorum}");
        all_are_alive(&house);
    }
}

/// Of two endpoints of one operator that which is asked second dropped the block. The other is asked for it, and is not
/// contradicted by who has no word.
#[tokio::test]
async fn what_one_endpoint_of_an_operator_dropped_is_read_from_another() {
    let mut house = House::with(2, |network, _| {
        network.endpoints.iter_mut().for_each(|endpoint| endpoint.operator = "one".to_owned());
    })
    .await;
    let block = overlooked(&mut house).await;
    prune(&house, 1, block + 1);
    ask(&house, block, block).await;
    house.nodes[0].set(|is| is.empty_logs = true);
    assert_eq!(trouble(&mut house).await, "", "the first look");
    assert_eq!(house.status("b").await, "CREATED", "nobody told of it");
    house.nodes[0].heal();
    assert_eq!(trouble(&mut house).await, "", "the second look");
    assert_eq!(house.status("b").await, "CONFIRMED");
    all_are_alive(&house);
}

/// While it waits nobody is believed alone.
#[tokio::test]
async fn a_dispute_about_one_range_stands_while_others_are_read() {
    let mut house = House::new(2).await;
    let block = overlooked(&mut house).await;
    let hash = house.world.block(block).unwrap().hash;
    house.nodes[1].set(|is| is.lies = vec![Lie::Drop(hash, 0)]);
    let (disputed, other) = (ask(&house, block, block).await, ask(&house, block + 1, block + 2).await);
    let standing = "SELECT disputed_number::text FROM networks";
    assert_eq!(trouble(&mut house).await, "", "the first look");
    for _ in 0..8 {
        let told = trouble(&mut house).await;
        assert!(told.starts_with(&format!("rescan {disputed} up to")) && told.contains("are in dispute"), "{told}");
        assert_eq!(house.text(standing).await, Some(block.to_string()));
    }
    assert_eq!((is_done(&house, disputed).await, is_done(&house, other).await), (false, true));
    assert_eq!(house.status("b").await, "PENDING");
    house.nodes[1].heal();
    house.settle().await;
    assert_eq!((house.status("b").await.as_str(), house.text(standing).await), ("CONFIRMED", None));
}

/// Nor is anybody believed alone by whoever works the network next, when who contradicted has dropped the block since.
#[tokio::test]
async fn a_dispute_about_a_range_outlives_who_found_it() {
    let mut house = House::new(2).await;
    let block = overlooked(&mut house).await;
    let hash = house.world.block(block).unwrap().hash;
    house.nodes[1].set(|is| is.lies = vec![Lie::Drop(hash, 0)]);
    let rescan = ask(&house, block, block).await;
    house.steps(3).await;
    house.restart().await;
    prune(&house, 1, block + 1);
    // Paid, so that the second look goes on.
    house.open_at("c", 30, account(6)).await;
    house.world.mine(vec![house.world.pay(TOKEN, PAYER, account(6), tokens(30))]);
    let standing = "SELECT disputed_number::text FROM networks";
    for _ in 0..8 {
        house.world.mine_empty(1);
        house.steps(1).await;
        assert_eq!(house.text(standing).await, Some(block.to_string()));
    }
    assert!(!is_done(&house, rescan).await);
    assert_eq!([house.status("b").await, house.status("c").await], ["PENDING", "CONFIRMED"]);
    house.nodes[1].heal();
    house.settle().await;
    assert_eq!((house.status("b").await.as_str(), house.text(standing).await), ("CONFIRMED", None));
}

/// It has to say so three times of each block; that the ranges take turns takes nothing from what it said before.
#[tokio::test]
async fn what_the_only_operator_takes_back_in_two_ranges_is_asked_for_three_times_each() {
    let mut house = House::new(1).await;
    house.settle().await;
    house.open("a", 100).await;
    house.open_at("b", 70, account(LATER)).await;
    let later = house.world.pay(TOKEN, PAYER, account(LATER), tokens(70));
    let blocks = [vec![house.pay(tokens(100))], vec![later]].map(|txs| house.world.mine(txs).block);
    house.world.mine_empty(5);
    house.settle().await;
    let statuses = async |house: &House| [house.status("a").await, house.status("b").await];
    assert_eq!(statuses(&house).await, ["CONFIRMED", "CONFIRMED"]);
    house.nodes[0].set(|is| is.lies = blocks.map(|block| Lie::Drop(block.hash, 0)).to_vec());
    for block in blocks {
        ask(&house, block.number.0, block.number.0).await;
    }
    for _ in 0..5 {
        trouble(&mut house).await;
    }
    assert_eq!(statuses(&house).await, ["CONFIRMED", "CONFIRMED"], "not sooner");
    for _ in 0..5 {
        trouble(&mut house).await;
    }
    assert_eq!(statuses(&house).await, ["PENDING", "PENDING"]);
}

/// A range may wait for weeks, and must hide nothing.
#[tokio::test]
async fn what_keeps_the_second_look_from_its_work_is_told_before_what_keeps_a_range() {
    let mut house = House::with(2, |network, _| network.finality = Finality::Safe).await;
    house.settle().await;
    house.open("a", 100).await;
    house.world.mine(vec![house.pay(tokens(100))]);
    (0..2).for_each(|node| prune(&house, node, 10));
    ask(&house, 1, 5).await;
    for _ in 0..3 {
        let told = trouble(&mut house).await;
        assert!(told.contains("tell the tag safe"), "{told}");
    }
}
