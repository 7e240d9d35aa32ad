//! Confirmed money, and an endpoint that says that its block has left the chain: whose word takes it back.

use std::time::Duration;

use crate::house::{House, tokens};

/// A session that is confirmed, of a payment three blocks below the head, with some time between the chain and our clock.
/// The nodes are of these operators, the first one best.
async fn confirmed(operators: &[&str]) -> House {
    let mut house = House::with(operators.len(), |network, sessions| {
        network
            .endpoints
            .iter_mut()
            .zip(operators)
            .for_each(|(endpoint, operator)| endpoint.operator = (*operator).into());
        sessions.clock_skew = Duration::from_secs(3_600);
    })
    .await;
    house.world.rewind(19);
    house.settle().await;
    house.open("a", 100).await;
    house.world.mine(vec![house.pay(tokens(100))]);
    house.world.mine_empty(2);
    house.settle().await;
    assert_eq!(house.status("a").await, "CONFIRMED");
    house
}

/// The last node stays where it is and lags far enough to be a last resort, but has the block.
async fn left_behind(house: &mut House) {
    house.nodes.last().unwrap().freeze();
    let time = u64::try_from(house.world.head().time.timestamp()).unwrap();
    (8..12).for_each(|n| _ = house.world.mine_at(time + 3 * n, vec![]));
    house.restart().await;
    house.steps(3).await;
    assert_eq!(house.scanned().await, house.world.head().block.number.0);
}

/// One that lags, but has the block, contradicts; a second endpoint of the operator who says so is no second word.
#[tokio::test]
async fn one_that_lags_and_has_the_block_keeps_what_is_confirmed() {
    for operators in [vec!["a", "b"], vec!["a", "a", "b"]] {
        let mut house = confirmed(&operators).await;
        left_behind(&mut house).await;
        house.world.reorg(7, vec![vec![]; 8]);
        house.steps(6).await;
        assert_eq!(house.status("a").await, "CONFIRMED", "{operators:?}");
        house.nodes.last().unwrap().thaw();
        house.steps(6).await;
        assert_eq!(house.status("a").await, "PENDING", "{operators:?}");
        assert_eq!(house.books().await, Vec::<String>::new());
    }
}

/// Who is away has not agreed.
#[tokio::test]
async fn one_that_is_away_agrees_to_nothing() {
    let mut house = confirmed(&["a", "b"]).await;
    house.nodes[1].set(|is| is.down = Some(crate::scripted::Down::Refused));
    house.world.reorg(4, vec![vec![]; 5]);
    house.steps(6).await;
    assert_eq!(house.status("a").await, "CONFIRMED");
    house.nodes[1].heal();
    house.steps(6).await;
    assert_eq!(house.status("a").await, "PENDING");
}

/// The best endpoint is on a branch of its own: it is left, and the others are read.
#[tokio::test]
async fn one_alone_on_another_branch_does_not_stop_the_network() {
    let mut house = confirmed(&["a", "b", "c"]).await;
    let time = u64::try_from(house.world.head().time.timestamp()).unwrap();
    house.nodes[0].serve(house.world.branch(4, (0..9).map(|n| (time + 2 * n, vec![])).collect()));
    house.open("b", 30).await;
    house.world.mine(vec![house.pay(tokens(30))]);
    house.world.mine_empty(3);
    house.steps(12).await;
    assert_eq!(house.scanned().await, house.world.head().block.number.0);
    assert_eq!((house.status("a").await, house.status("b").await), ("CONFIRMED".into(), "CONFIRMED".into()));
    house.nodes[0].thaw();
    house.restart().await;
    house.steps(4).await;
    assert_eq!(house.status("a").await, "CONFIRMED");
}
