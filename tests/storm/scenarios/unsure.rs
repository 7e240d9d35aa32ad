//! A token whose contract does not tell its decimals, or tells others: it waits, and nobody else does.

use alloy::primitives::{Bytes, U256};
use deposit_watcher::domain::BlockNumber;

use super::HUNDRED;
use crate::rig::{Rig, Rules};
use crate::scripted::{DecimalsAnswer, OTHER_TOKEN, Tx, account};

/// One whole EUR.
fn euro(rig: &Rig, to: u64) -> Tx {
    rig.world.pay(OTHER_TOKEN, account(50), account(to), U256::from(10).pow(U256::from(18)))
}

/// Two sessions of either token; nobody pays the last one.
async fn rig(eur: DecimalsAnswer) -> Rig {
    let rig = Rig::with(Rules::default()).await;
    rig.world.set_decimals(OTHER_TOKEN, eur);
    rig.open("dep_usd", account(1), "100", 600).await;
    rig.open_for("dep_eur", OTHER_TOKEN, "EUR", account(2), "1", 600).await;
    rig.open_for("dep_never", OTHER_TOKEN, "EUR", account(3), "1", 600).await;
    rig
}

#[tokio::test]
async fn a_token_that_does_not_tell_its_decimals_is_seen_and_waits_alone() {
    for silence in [DecimalsAnswer::Revert, DecimalsAnswer::Bytes(Bytes::from(vec![1, 2, 3]))] {
        let mut rig = rig(silence).await;
        rig.settle().await;
        rig.mined(vec![rig.pay(account(1), HUNDRED), euro(&rig, 2)]).await;
        rig.conclude().await;
        assert_eq!(rig.session("dep_usd").await, "CONFIRMED 100 100");
        assert_eq!(rig.session("dep_eur").await, "PENDING 1 0");
        rig.restart().await;
        rig.conclude().await;
        rig.conclude().await;
        assert_eq!(rig.owners().await, ["dep_usd CONFIRMED", "dep_eur SEEN"]);
        assert_eq!(rig.session("dep_never").await, "CREATED 0 0", "it does not expire meanwhile");
        rig.assert_books().await;

        rig.world.set_decimals(OTHER_TOKEN, DecimalsAnswer::Is(18));
        rig.restart().await;
        rig.settle().await;
        assert_eq!(rig.session("dep_eur").await, "CONFIRMED 1 1");
        rig.deeper(1).await;
        assert_eq!(rig.session("dep_never").await, "EXPIRED 0 0");
        assert_eq!(rig.told("dep_eur").await, "created pending confirmed");
        rig.conclude().await;
        rig.assert_books().await;
    }
}

/// The contract tells its decimals: what was paid in it is confirmed, and all adds up.
async fn is_confirmed_once_it_tells(rig: &mut Rig) {
    rig.world.set_decimals(OTHER_TOKEN, DecimalsAnswer::Is(18));
    rig.restart().await;
    rig.settle().await;
    assert_eq!(rig.session("dep_eur").await, "CONFIRMED 1 1");
    rig.assert_books().await;
}

/// What the second look would have found of it is found as well.
#[tokio::test]
async fn what_the_first_look_got_wrong_of_an_unsure_token_is_put_right_when_it_has_told() {
    let mut rig = rig(DecimalsAnswer::Revert).await;
    rig.settle().await;
    rig.one.set(|is| is.empty_logs = true);
    rig.mined(vec![euro(&rig, 2)]).await;
    rig.one.heal();
    rig.conclude().await;
    assert_eq!(rig.session("dep_eur").await, "CREATED 0 0");
    is_confirmed_once_it_tells(&mut rig).await;
}

/// The watermark goes down and up again over blocks that were owed already.
#[tokio::test]
async fn a_reorganisation_over_what_is_owed() {
    let mut rules = Rules::default();
    rules.network.reorg_window = 64;
    let mut rig = Rig::with(rules).await;
    rig.world.set_decimals(OTHER_TOKEN, DecimalsAnswer::Revert);
    rig.open_for("dep_eur", OTHER_TOKEN, "EUR", account(2), "1", 100_000).await;
    rig.deeper(2).await;
    rig.mined(vec![euro(&rig, 2)]).await;
    let paid = rig.world.recent_txs(1).remove(0);
    rig.conclude().await;
    let depth = rig.world.head().block.number.0 - 2;
    let mut blocks = vec![vec![]; usize::try_from(depth).unwrap()];
    blocks.insert(3, paid);
    rig.world.reorg(depth, blocks);
    rig.conclude().await;
    assert_eq!(rig.session("dep_eur").await, "PENDING 1 0");
    is_confirmed_once_it_tells(&mut rig).await;
}

#[tokio::test]
async fn a_range_that_an_operator_wants_read_again_confirms_nothing_of_it_either() {
    let mut rig = rig(DecimalsAnswer::Revert).await;
    rig.settle().await;
    rig.mined(vec![rig.pay(account(1), HUNDRED), euro(&rig, 2)]).await;
    rig.deeper(5).await;
    let (slug, head) = (rig.rules.network.slug.clone(), rig.world.head().block.number);
    let id = rig.store.request_rescan(&slug, BlockNumber(1), head).await.unwrap();
    rig.settle().await;
    assert!(rig.store.rescan_progress(id).await.unwrap().unwrap().1.is_some(), "it is done for the others");
    assert_eq!(rig.owners().await, ["dep_usd CONFIRMED", "dep_eur SEEN"]);
}

/// An upgrade gives the contract other decimals: what was seen and not yet confirmed waits until they are right again.
#[tokio::test]
async fn decimals_that_an_upgrade_changed_disable_that_token_until_they_are_right_again() {
    let mut rig = rig(DecimalsAnswer::Is(18)).await;
    rig.settle().await;
    rig.mined(vec![rig.pay(account(1), HUNDRED), euro(&rig, 2)]).await;
    assert_eq!(rig.owners().await, ["dep_usd SEEN", "dep_eur SEEN"]);
    // It is asked at every start and once a day.
    rig.world.set_decimals(OTHER_TOKEN, DecimalsAnswer::Is(6));
    rig.restart().await;
    rig.deeper(5).await;
    assert_eq!(rig.owners().await, ["dep_usd CONFIRMED", "dep_eur SEEN"]);
    rig.mined(vec![euro(&rig, 3)]).await;
    rig.conclude().await;
    assert_eq!(rig.session("dep_never").await, "CREATED 0 0", "nobody looks for it: it does not expire");
    rig.world.set_decimals(OTHER_TOKEN, DecimalsAnswer::Is(18));
    rig.restart().await;
    rig.settle().await;
    assert_eq!(rig.owners().await, ["dep_usd CONFIRMED", "dep_eur CONFIRMED", "dep_never CONFIRMED"]);
    rig.conclude().await;
    rig.assert_books().await;
}

/// What was mined again while nobody followed the token is read when it comes back, below where it was left, too.
#[tokio::test]
async fn a_reorganisation_below_where_a_token_was_left() {
    let mut rig = rig(DecimalsAnswer::Is(18)).await;
    rig.deeper(2).await;
    rig.mined(vec![euro(&rig, 2)]).await;
    let paid = rig.world.recent_txs(1).remove(0);
    rig.deeper(5).await;
    assert_eq!(rig.owners().await, ["dep_eur CONFIRMED"]);
    rig.world.set_decimals(OTHER_TOKEN, DecimalsAnswer::Is(6));
    rig.restart().await;
    rig.deeper(1).await;
    let mut blocks = vec![vec![]; 8];
    blocks.insert(1, paid);
    rig.world.reorg(7, blocks);
    rig.deeper(5).await;
    assert_eq!(rig.owners().await, Vec::<String>::new());
    rig.world.set_decimals(OTHER_TOKEN, DecimalsAnswer::Is(18));
    rig.restart().await;
    rig.settle().await;
    assert_eq!(rig.owners().await, ["dep_eur CONFIRMED"]);
    rig.conclude().await;
    rig.assert_books().await;
}

/// Its contract destroyed itself: there is nothing at its address any more.
#[tokio::test]
async fn a_contract_that_is_gone_disables_its_token_alone() {
    let mut rig = rig(DecimalsAnswer::Is(18)).await;
    rig.settle().await;
    rig.mined(vec![euro(&rig, 2)]).await;
    rig.world.set_decimals(OTHER_TOKEN, DecimalsAnswer::Bytes(Bytes::new()));
    rig.restart().await;
    rig.mined(vec![rig.pay(account(1), HUNDRED), euro(&rig, 3)]).await;
    rig.conclude().await;
    assert_eq!(rig.session("dep_usd").await, "CONFIRMED 100 100");
    assert_eq!(rig.session("dep_eur").await, "PENDING 1 0");
    assert_eq!(rig.session("dep_never").await, "CREATED 0 0");
    rig.assert_books().await;
}

#[tokio::test]
async fn zero_mint_and_self_transfers_are_told_apart() {
    use alloy::primitives::Address;
    let mut rig = rig(DecimalsAnswer::Is(18)).await;
    rig.settle().await;
    let pay = |from, value: u64| rig.world.pay(crate::scripted::TOKEN, from, account(1), U256::from(value));
    let (zero, own, mint) = (pay(account(50), 0), pay(account(1), HUNDRED), pay(Address::ZERO, HUNDRED));
    rig.mined(vec![zero, own, mint]).await;
    rig.deeper(3).await;
    assert_eq!(rig.owners().await, ["zero CONFIRMED", "self_transfer CONFIRMED", "dep_usd CONFIRMED"]);
    rig.assert_books().await;
}
