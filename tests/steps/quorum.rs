//! Three operators, of whom one lies, one lags, and each says something else of the chain's tags.

use deposit_watcher::domain::Finality;

use crate::house::{House, SHOP, tokens};
use crate::scripted::{Down, Lie, Log, PAYER, TOKEN, account};

async fn final_number(house: &House) -> Option<u64> {
    house.text("SELECT final_number::text FROM networks").await.map(|text| text.parse().unwrap())
}

/// Three operators of whom `quorum` must agree, and a payment in the block that is returned.
async fn paid(quorum: u32, finality: Finality) -> (House, u64) {
    let mut house = House::with(3, |network, _| (network.quorum, network.finality) = (quorum, finality)).await;
    house.settle().await;
    house.open("a", 100).await;
    let block = house.world.mine(vec![house.pay(tokens(100))]).block;
    (house, block.number.0)
}

/// One of the two that are asked is behind: the first look's operator makes up the number.
#[tokio::test]
async fn one_that_lags_is_passed_over_where_others_make_the_quorum() {
    let (mut house, _) = paid(2, Finality::Confirmations(3)).await;
    house.nodes[2].set(|is| is.lag = 3);
    house.world.mine_empty(3);
    house.settle().await;
    assert_eq!(house.status("a").await, "CONFIRMED");
}

/// But it is not passed over in favour of the first look's own operator alone.
#[tokio::test]
async fn the_first_looks_operator_does_not_agree_with_itself() {
    let (mut house, _) = paid(2, Finality::Confirmations(3)).await;
    house.nodes[1].set(|is| is.lag = 3);
    house.nodes[2].set(|is| is.lag = 3);
    house.world.mine_empty(3);
    house.steps(8).await;
    assert_eq!(house.status("a").await, "PENDING");
    house.nodes[2].heal();
    house.settle().await;
    assert_eq!(house.status("a").await, "CONFIRMED");
}

/// One lies, one lags: the honest one alone is no quorum. When the late one has come, the liar still delays.
#[tokio::test]
async fn one_that_lies_and_one_that_lags_delay_and_are_told() {
    let (mut house, number) = paid(2, Finality::Confirmations(3)).await;
    let hash = house.world.block(number).unwrap().hash;
    let lie = Log::transfer(TOKEN, PAYER, account(SHOP), tokens(500));
    house.nodes[1].set(|is| is.lies = vec![Lie::Invent(hash, lie)]);
    house.nodes[2].set(|is| is.lag = 3);
    house.world.mine_empty(3);
    for _ in 0..6 {
        house.step().await.unwrap();
    }
    assert_eq!(house.status("a").await, "PENDING");
    house.nodes[2].heal();
    let step = house.step().await.unwrap();
    let told = step.trouble.map(|trouble| trouble.to_string()).unwrap_or_default();
    assert!(told.contains("are in dispute"), "{told}");
    assert_eq!(house.status("a").await, "PENDING");
    house.nodes[1].heal();
    house.settle().await;
    assert_eq!(house.status("a").await, "CONFIRMED");
    assert_eq!(house.text("SELECT count(*)::text FROM transfers").await.as_deref(), Some("1"), "no lie is stored");
}

/// The one with the highest tag is not believed alone, the one with the lowest does not hold up the others, and one
/// that has none counts for nothing.
#[tokio::test]
async fn the_tag_is_what_enough_operators_have_passed() {
    let (mut house, number) = paid(2, Finality::Finalized).await;
    house.world.mine_empty(6);
    let tag = |house: &House, node: usize, tag: Option<u64>| house.nodes[node].set(|is| is.tags = Some(tag));
    tag(&house, 0, Some(number + 6));
    tag(&house, 1, Some(number - 1));
    tag(&house, 2, None);
    house.settle().await;
    assert_eq!((final_number(&house).await, house.status("a").await.as_str()), (Some(number - 1), "PENDING"));
    tag(&house, 2, Some(number + 2));
    house.settle().await;
    assert_eq!((final_number(&house).await, house.status("a").await.as_str()), (Some(number + 2), "CONFIRMED"));
    // What was final stays: neither a lower tag nor its absence takes it back.
    (0..3).for_each(|node| tag(&house, node, Some(1)));
    house.world.mine_empty(60);
    house.steps(4).await;
    assert_eq!(final_number(&house).await, Some(number + 2));
}

/// Enough operators have passed the height, but not with the same block.
#[tokio::test]
async fn a_tag_on_different_blocks_confirms_nothing() {
    let (mut house, number) = paid(2, Finality::Safe).await;
    // Nobody tells the tag yet, which is said.
    house.steps(3).await;
    house.nodes[2].freeze();
    // The block above the payment is another one for the third operator from here on.
    house.world.mine_empty(4);
    house.nodes[1].freeze();
    house.world.rewind(4);
    house.world.mine_empty(8);
    house.nodes[2].set(|is| is.tags = Some(None));
    house.nodes[0].set(|is| is.tags = Some(Some(number + 2)));
    house.nodes[1].set(|is| is.tags = Some(Some(number + 2)));
    let mut told = String::new();
    for _ in 0..4 {
        told = house.step().await.unwrap().trouble.map(|trouble| trouble.to_string()).unwrap_or_default();
    }
    assert!(told.contains("do not agree which block"), "{told}");
    assert_eq!((final_number(&house).await, house.status("a").await.as_str()), (None, "PENDING"));
    house.nodes[2].thaw();
    house.nodes[2].set(|is| is.tags = Some(Some(number + 2)));
    house.nodes[1].set(|is| is.down = Some(Down::Refused));
    house.settle().await;
    assert_eq!((final_number(&house).await, house.status("a").await.as_str()), (Some(number + 2), "CONFIRMED"));
}

/// Fewer operators know the tag than must agree.
#[tokio::test]
async fn a_tag_that_too_few_know_confirms_nothing() {
    let (mut house, number) = paid(3, Finality::Safe).await;
    house.world.mine_empty(4);
    house.world.set_tags(Some(number + 1), None);
    house.nodes[1].set(|is| is.tags = Some(None));
    house.steps(6).await;
    assert_eq!((final_number(&house).await, house.status("a").await.as_str()), (None, "PENDING"));
    house.nodes[1].heal();
    house.settle().await;
    assert_eq!(house.status("a").await, "CONFIRMED");
}

/// One of two operators has no such tag. The other's is taken, and what it has passed is read again as ever; where neither
/// has one, that is said.
#[tokio::test]
async fn a_tag_that_only_the_first_looks_operator_knows_is_taken_from_it() {
    let mut house = House::with(2, |network, _| network.finality = Finality::Safe).await;
    house.settle().await;
    house.open("a", 100).await;
    let number = house.world.mine(vec![house.pay(tokens(100))]).block.number.0;
    house.world.mine_empty(4);
    house.nodes.iter().for_each(|node| node.set(|is| is.tags = Some(None)));
    for _ in 0..4 {
        let told = house.step().await.unwrap().trouble.map(|trouble| trouble.to_string()).unwrap_or_default();
        assert!(told.contains("0 of 1 operators tell the tag safe"), "{told}");
    }
    assert_eq!(house.status("a").await, "PENDING");
    house.nodes[0].set(|is| is.tags = Some(Some(number + 1)));
    house.settle().await;
    assert_eq!((final_number(&house).await, house.status("a").await.as_str()), (Some(number + 1), "CONFIRMED"));
}

/// Between two questions for the tag the trouble stays told; what was final before is still looked at.
#[tokio::test]
async fn that_nobody_tells_the_tag_is_said_in_every_step() {
    let change = |network: &mut deposit_watcher::settings::Network| {
        (network.finality, network.poll_interval) = (Finality::Safe, std::time::Duration::from_secs(3_600));
    };
    let mut house = House::with(2, |network, _| change(network)).await;
    house.settle().await;
    house.open("a", 100).await;
    house.world.mine(vec![house.pay(tokens(100))]);
    for _ in 0..3 {
        let told = house.step().await.unwrap().trouble.map(|trouble| trouble.to_string()).unwrap_or_default();
        assert!(told.contains("tell the tag safe"), "{told}");
    }
}
