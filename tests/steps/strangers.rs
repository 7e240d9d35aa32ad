//! Blocks of which only a log told: at a height of which no header is recorded one may be stored that is not on the chain.

use std::sync::Arc;
use std::time::Duration;

use deposit_watcher::domain::{BlockNumber, Finality};
use deposit_watcher::settings::Verify;

use crate::house::{House, tokens};
use crate::scripted::{Block, Down, PAYER, TOKEN, Tx, account};

/// Of blocks 21 to 24 the first look reads the last one's header, and no other.
const HEIGHT: u64 = 22;

/// How many operators, and what confirms.
const WAYS: [(usize, Verify); 4] = [(1, Verify::Logs), (2, Verify::Logs), (1, Verify::Receipts), (2, Verify::Receipts)];

const STANDING: &str =
    "SELECT string_agg(state || ' ' || amount, ',' ORDER BY block_number) FROM transfers WHERE state <> 'ORPHANED'";

/// One header in ten is recorded, and six blocks bury a payment.
async fn sparse((nodes, verify): (usize, Verify), revert_after: u64) -> House {
    let mut house = House::with(nodes, |network, _| {
        (network.verify, network.reorg_window) = (verify, 640);
        (network.finality, network.revert_after) = (Finality::Confirmations(6), Duration::from_secs(revert_after));
    })
    .await;
    house.settle().await;
    house.open("a", 100).await;
    house
}

/// Mines these at the height, where the first node has a block of these others, if any, and looks for the first time; the
/// block that was told.
async fn seen(house: &mut House, mined: Vec<Tx>, others: Option<Vec<Tx>>) -> Arc<Block> {
    house.world.mine_empty(1);
    assert_eq!(house.world.mine(mined).block.number.0, HEIGHT);
    house.world.mine_empty(2);
    let forged = others.map(|txs| house.world.forge(HEIGHT, txs));
    house.nodes[0].set(|is| is.forged = forged.iter().cloned().collect());
    house.step().await.unwrap();
    assert_eq!(house.status("a").await, "PENDING");
    forged.unwrap_or_else(|| house.world.block(HEIGHT).unwrap())
}

/// All nodes have these blocks on their chain, and these besides it; nothing else is wrong with them.
fn all_have(house: &House, forged: &[Arc<Block>], aside: &[Arc<Block>]) {
    for node in &house.nodes {
        node.heal();
        node.set(|is| (is.forged, is.aside) = (forged.to_vec(), aside.to_vec()));
    }
}

/// The block that is there holds the payment as well: that one counts, and once; whether or not nodes give the receipts of
/// the one that is not.
#[tokio::test]
async fn a_payment_told_in_a_block_that_is_not_there_is_confirmed_in_the_one_that_is() {
    for (way, aside) in WAYS.into_iter().flat_map(|way| [(way, false), (way, true)]) {
        let mut house = sparse(way, 0).await;
        let paid = house.pay(tokens(100));
        let told = seen(&mut house, vec![paid.clone()], Some(vec![paid])).await;
        let given = if aside { vec![told] } else { vec![] };
        all_have(&house, &[], &given);
        house.world.mine_empty(5);
        house.steps(6).await;
        house.settle().await;
        assert_eq!(house.status("a").await, "CONFIRMED", "{way:?}, its receipts are given: {aside}");
        let states = "SELECT string_agg(state, ' ' ORDER BY state) FROM transfers";
        assert_eq!(house.text(states).await.as_deref(), Some("CONFIRMED ORPHANED"));
        assert_eq!(house.text("SELECT count(*)::text FROM ledger").await.as_deref(), Some("1"));
        assert_eq!(house.text("SELECT disputed_number::text FROM networks").await, None);
        assert_eq!(house.books().await, Vec::<String>::new());
    }
}

/// The block that is there holds no payment, and all nodes give the receipts of the one that is not.
#[tokio::test]
async fn money_told_only_in_a_block_that_is_not_there_goes_though_its_receipts_are_given() {
    for way in WAYS {
        let mut house = sparse(way, 0).await;
        let paid = house.pay(tokens(100));
        let told = seen(&mut house, vec![], Some(vec![paid])).await;
        all_have(&house, &[], &[told]);
        house.world.mine_empty(5);
        house.steps(6).await;
        house.settle().await;
        let left = "SELECT state || ' ' || payment_status || ' ' || received_amount FROM transfers, deposit_sessions";
        assert_eq!(house.text(left).await.as_deref(), Some("ORPHANED PENDING 0"), "{way:?}");
        assert!(house.confirmed().await > BlockNumber(HEIGHT), "{way:?}");
        assert_eq!(house.text("SELECT disputed_number::text FROM networks").await, None);
        assert_eq!(house.books().await, Vec::<String>::new());
    }
}

/// Nodes behind one address: one gives the receipts of the block that is there, another is on a branch for a moment.
#[tokio::test]
async fn a_payment_stays_where_another_block_is_told_beside_its_receipts_for_a_moment() {
    for way in WAYS {
        let mut house = sparse(way, 3_600).await;
        let paid = house.pay(tokens(100));
        let real = seen(&mut house, vec![paid], None).await;
        let other = house.world.forge(HEIGHT, vec![]);
        all_have(&house, &[other], &[real]);
        house.world.mine_empty(5);
        house.steps(6).await;
        assert_eq!(house.text(STANDING).await.as_deref(), Some("SEEN 100"), "{way:?}");
        all_have(&house, &[], &[]);
        house.settle().await;
        assert_eq!(house.status("a").await, "CONFIRMED", "{way:?}");
        assert_eq!(house.books().await, Vec::<String>::new());
    }
}

/// Who told of a block is away, and another operator has made one up for its place, with a proof of its own.
#[tokio::test]
async fn a_stored_block_gives_way_to_no_one_operators_block() {
    for verify in [Verify::Logs, Verify::Receipts] {
        let mut house = sparse((2, verify), 0).await;
        let (paid, more) = (house.pay(tokens(1)), house.pay(tokens(100)));
        seen(&mut house, vec![paid], None).await;
        let forged = house.world.forge(HEIGHT, vec![more]);
        house.nodes[0].set(|is| is.down = Some(Down::Refused));
        house.nodes[1].set(|is| is.forged = vec![forged]);
        house.world.mine_empty(5);
        house.steps(8).await;
        assert_eq!(house.text(STANDING).await.as_deref(), Some("SEEN 1"), "{verify:?}");
        all_have(&house, &[], &[]);
        house.settle().await;
        assert_eq!(house.status("a").await, "UNDERPAID", "{verify:?}");
        assert_eq!(house.books().await, Vec::<String>::new());
    }
}

/// A rescan was told of it where both looks have been: it ends without it, and its other pieces rest on nothing of it.
#[tokio::test]
async fn what_a_rescan_was_told_in_a_block_that_is_not_there_goes_as_well() {
    for (way, aside) in WAYS.into_iter().flat_map(|way| [(way, false), (way, true)]) {
        let mut house = sparse(way, 0).await;
        // Somebody else's payment further on, for which the second look comes by.
        house.open_at("b", 70, account(5)).await;
        house.world.mine_empty(4);
        house.world.mine(vec![house.world.pay(TOKEN, PAYER, account(5), tokens(70))]);
        house.world.mine_empty(8);
        house.settle().await;
        assert_eq!(house.status("b").await, "CONFIRMED", "{way:?}");
        assert!(house.confirmed().await > BlockNumber(HEIGHT));
        let forged = house.world.forge(HEIGHT, vec![house.pay(tokens(100))]);
        // Block 22 is the lowest recorded one that buries the first 16.
        house.network.max_block_range = 16;
        house.restart().await;
        house.nodes.iter().for_each(|node| node.set(|is| is.forged = vec![forged.clone()]));
        let rescan =
            house.store.request_rescan(&house.network.slug, BlockNumber(1), BlockNumber(HEIGHT)).await.unwrap();
        for _ in 0..10 {
            house.step().await.unwrap();
            if house.status("a").await == "PENDING" {
                break;
            }
        }
        assert_eq!(house.text(STANDING).await.as_deref(), Some("SEEN 100,CONFIRMED 70"), "{way:?}");
        let given = if aside { vec![forged] } else { vec![] };
        all_have(&house, &[], &given);
        house.steps(12).await;
        house.settle().await;
        let done = house.store.rescan_progress(rescan).await.unwrap().unwrap().1.is_some();
        assert!(done, "{way:?}, its receipts are given: {aside}");
        assert_eq!(house.text(STANDING).await.as_deref(), Some("CONFIRMED 70"));
        assert_eq!(house.text("SELECT disputed_number::text FROM networks").await, None);
        assert_eq!(house.books().await, Vec::<String>::new());
    }
}
