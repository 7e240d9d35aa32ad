//! `verify = "receipts"`: what pays is proven by its block's header, and nothing else confirms.

use deposit_watcher::settings::Verify;

use crate::house::{House, SHOP, tokens};
use crate::scripted::{Lie, Log, PAYER, TOKEN, account};

async fn proving(nodes: usize) -> House {
    let mut house = House::with(nodes, |network, _| network.verify = Verify::Receipts).await;
    house.settle().await;
    house
}

fn to_shop(count: u64) -> Log {
    Log::transfer(TOKEN, PAYER, account(SHOP), tokens(count))
}

/// Steps a while, and asserts that it is told: trouble in every step that could confirm.
async fn disputed(house: &mut House, about: &str) {
    let mut told = String::new();
    for _ in 0..6 {
        told = house.step().await.unwrap().trouble.map(|trouble| trouble.to_string()).unwrap_or_default();
    }
    assert!(told.contains(about), "{about} is not in: {told}");
}

#[tokio::test]
async fn an_honest_payment_is_proven_and_confirms() {
    let mut house = proving(2).await;
    house.open("a", 100).await;
    let another = house.world.pay(TOKEN, PAYER, account(77), tokens(7));
    house.world.mine(vec![another, house.pay(tokens(100)), house.world.tx(vec![Log::noise(TOKEN)])]);
    house.world.mine_empty(3);
    house.nodes.iter().for_each(|node| node.reset());
    house.settle().await;
    assert_eq!(house.status("a").await, "CONFIRMED");
    let asked = |node: usize, method: &str| house.nodes[node].counts().calls.get(method).copied().unwrap_or_default();
    assert_eq!((asked(0, "eth_getBlockReceipts"), asked(1, "eth_getBlockReceipts")), (0, 1), "one block pays");
    assert_eq!(house.books().await, Vec::<String>::new());
}

/// Every endpoint tells the same forgery in logs and receipts alike. With `verify = "logs"` it confirms: that is why
/// there is another way.
#[tokio::test]
async fn what_every_endpoint_invents_confirms_by_logs_and_never_by_receipts() {
    for (verify, ends) in [(Verify::Logs, "CONFIRMED"), (Verify::Receipts, "PENDING")] {
        let mut house = House::with(2, |network, _| network.verify = verify).await;
        house.settle().await;
        house.open("a", 100).await;
        let block = house.world.mine(vec![]).block;
        house.nodes.iter().for_each(|node| node.set(|is| is.lies = vec![Lie::Invent(block.hash, to_shop(100))]));
        house.world.mine_empty(3);
        house.steps(8).await;
        assert_eq!(house.status("a").await, ends, "{verify:?}");
        if verify == Verify::Receipts {
            disputed(&mut house, "its receipts are not those that the block's header commits to").await;
            house.nodes.iter().for_each(|node| node.heal());
            house.settle().await;
            let left =
                "SELECT state || ' ' || payment_status || ' ' || received_amount FROM transfers, deposit_sessions";
            assert_eq!(
                house.text(left).await.as_deref(),
                Some("ORPHANED PENDING 0"),
                "taken away once it is disproven"
            );
            assert_eq!(house.books().await, Vec::<String>::new());
        }
    }
}

/// The same of a payment that is enlarged: 1 was paid, all say 100.
#[tokio::test]
async fn what_every_endpoint_enlarges_is_not_believed() {
    let mut house = proving(2).await;
    house.open("a", 100).await;
    let block = house.world.mine(vec![house.pay(tokens(1))]).block;
    house.nodes.iter().for_each(|node| node.set(|is| is.lies = vec![Lie::Alter(block.hash, 0, to_shop(100))]));
    house.world.mine_empty(3);
    disputed(&mut house, "are in dispute: it is not proven").await;
    assert_eq!(house.status("a").await, "PENDING");
    // One honest endpoint is enough: a proof needs nobody's agreement but about the hash.
    house.nodes[1].heal();
    house.settle().await;
    assert_eq!(house.status("a").await, "UNDERPAID");
    let amounts = "SELECT string_agg(amount::text, ',') FROM transfers WHERE state = 'CONFIRMED'";
    assert_eq!(house.text(amounts).await.as_deref(), Some("1"));
    assert_eq!(house.books().await, Vec::<String>::new());
}

/// Those whom both looks ask hide one of two payments of a block; a third gives the proof that shows it.
#[tokio::test]
async fn of_two_payments_in_a_block_the_one_that_both_looks_miss_is_added_by_the_proof() {
    let mut house = proving(3).await;
    house.open_at("a", 100, account(SHOP)).await;
    house.open_at("b", 70, account(SHOP + 1)).await;
    let other = house.world.pay(TOKEN, PAYER, account(SHOP + 1), tokens(70));
    let block = house.world.mine(vec![house.pay(tokens(100)), other]).block;
    for node in &house.nodes[..2] {
        node.set(|is| is.lies = vec![Lie::Drop(block.hash, 1)]);
    }
    house.world.mine_empty(3);
    house.settle().await;
    assert_eq!((house.status("a").await.as_str(), house.status("b").await.as_str()), ("CONFIRMED", "CONFIRMED"));
    assert_eq!(house.books().await, Vec::<String>::new());
}

/// Where nobody gives the proof, what is hidden beside a payment still costs more than silence: the block is in dispute.
#[tokio::test]
async fn of_two_payments_in_a_block_none_confirms_while_every_endpoint_hides_the_other() {
    let mut house = proving(2).await;
    house.open_at("a", 100, account(SHOP)).await;
    house.open_at("b", 70, account(SHOP + 1)).await;
    let other = house.world.pay(TOKEN, PAYER, account(SHOP + 1), tokens(70));
    let block = house.world.mine(vec![house.pay(tokens(100)), other]).block;
    house.nodes.iter().for_each(|node| node.set(|is| is.lies = vec![Lie::Drop(block.hash, 1)]));
    house.world.mine_empty(3);
    disputed(&mut house, "its receipts are not those that the block's header commits to").await;
    assert_eq!((house.status("a").await.as_str(), house.status("b").await.as_str()), ("PENDING", "CREATED"));
    house.nodes[0].heal();
    house.settle().await;
    assert_eq!((house.status("a").await.as_str(), house.status("b").await.as_str()), ("CONFIRMED", "CONFIRMED"));
}

/// What a proof does not do: where nobody tells of a payment no block is known to pay, and none is proven.
#[tokio::test]
async fn a_payment_alone_in_its_block_that_every_endpoint_hides_stays_unseen() {
    let mut house = proving(2).await;
    house.open("a", 100).await;
    let block = house.world.mine(vec![house.pay(tokens(100))]).block;
    house.nodes.iter().for_each(|node| node.set(|is| is.lies = vec![Lie::Drop(block.hash, 0)]));
    house.world.mine_empty(60);
    house.settle().await;
    assert!(house.confirmed().await > block.number);
    assert_eq!(house.status("a").await, "CREATED");
    assert_eq!(house.text("SELECT count(*)::text FROM transfers").await.as_deref(), Some("0"));
}

/// A witness invents beside a stored payment: with logs the block would wait, the proof decides at once.
#[tokio::test]
async fn a_proof_ends_a_dispute_between_endpoints() {
    let mut house = proving(2).await;
    house.open("a", 100).await;
    let block = house.world.mine(vec![house.pay(tokens(100))]).block;
    house.nodes[1].set(|is| is.lies = vec![Lie::Invent(block.hash, to_shop(5))]);
    house.world.mine_empty(3);
    house.settle().await;
    assert_eq!(house.status("a").await, "CONFIRMED");
    assert_eq!(house.text("SELECT count(*)::text FROM transfers").await.as_deref(), Some("1"));
}

/// Nobody has the method: nothing is confirmed, and what to do is told.
#[tokio::test]
async fn without_receipts_nothing_is_confirmed() {
    let mut house = proving(2).await;
    house.open("a", 100).await;
    house.nodes.iter().for_each(|node| node.set(|is| is.no_receipts = true));
    house.world.mine(vec![house.pay(tokens(100))]);
    house.world.mine_empty(3);
    disputed(&mut house, "it has no eth_getBlockReceipts").await;
    assert_eq!(house.status("a").await, "PENDING");
    house.nodes[0].heal();
    house.settle().await;
    assert_eq!(house.status("a").await, "CONFIRMED");
}

/// A chain whose headers hash otherwise is told apart from forged receipts.
#[tokio::test]
async fn a_header_that_does_not_recompute_says_what_the_setting_cannot_do() {
    let mut house = proving(2).await;
    house.open("a", 100).await;
    house.world.mine(vec![house.pay(tokens(100))]);
    house.world.mine_empty(3);
    house.nodes.iter().for_each(|node| node.set(|is| is.odd_headers = true));
    disputed(&mut house, "verify = \"receipts\" can confirm nothing on it").await;
    assert_eq!(house.status("a").await, "PENDING");
}

/// More paying blocks than are proven in one step, and all endpoints enlarge one that is not reached by the first.
#[tokio::test]
async fn many_paying_blocks_are_proven_piece_by_piece_and_each_of_them() {
    let mut house = proving(2).await;
    house.open("a", 40).await;
    let blocks: Vec<_> = (0..40).map(|_| house.world.mine(vec![house.pay(tokens(1))]).block).collect();
    let lie = Lie::Alter(blocks[29].hash, 0, to_shop(11));
    house.nodes.iter().for_each(|node| node.set(|is| is.lies = vec![lie.clone()]));
    house.world.mine_empty(3);
    disputed(&mut house, &format!("the transfers of block {} are in dispute", blocks[29].number)).await;
    assert_eq!(house.confirmed().await, blocks[28].number);
    house.nodes[0].heal();
    house.settle().await;
    assert_eq!(house.status("a").await, "CONFIRMED");
    assert_eq!(house.books().await, Vec::<String>::new());
}

/// A block that is right in itself, and not the one we committed: a proof of it is a proof of nothing.
#[tokio::test]
async fn a_whole_block_that_is_forged_is_not_ours() {
    let mut house = proving(2).await;
    house.open("a", 100).await;
    let number = house.world.mine(vec![]).block.number.0;
    house.settle().await;
    let forged = house.world.forge(number, vec![house.pay(tokens(100))]);
    house.nodes[1].set(|is| is.forged = vec![forged]);
    house.world.mine_empty(60);
    disputed(&mut house, "where").await;
    assert_eq!(house.status("a").await, "CREATED");
    assert_eq!(house.text("SELECT count(*)::text FROM transfers").await.as_deref(), Some("0"));
    house.nodes[1].heal();
    house.settle().await;
    assert!(house.confirmed().await.0 > number);
}
