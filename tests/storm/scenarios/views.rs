//! Endpoints whose chain is not the chain.

use super::HUNDRED;
use crate::rig::Rig;
use crate::scripted::account;

/// It was in time on a branch that an endpoint served for a while, and comes too late in the block that was there before
/// and after: customers are not to suffer from which endpoint was asked.
#[tokio::test]
async fn the_earlier_time_counts_when_the_chain_comes_back_from_another_branch() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 50).await;
    let paid = rig.pay(account(1), HUNDRED);
    let now = rig.time().unsigned_abs();
    rig.world.mine_at(now + 60, vec![paid.clone()]);
    rig.settle().await;
    assert_eq!(rig.owners().await, ["late SEEN"]);
    let branch = rig.world.branch(1, vec![(now + 40, vec![paid]), (now + 42, vec![])]);
    rig.one.serve(branch.clone());
    rig.two.serve(branch);
    rig.settle().await;
    assert_eq!(rig.owners().await, ["dep_a SEEN"]);
    rig.one.heal();
    rig.two.heal();
    rig.deeper(4).await;
    assert_eq!(rig.owners().await, ["dep_a CONFIRMED"]);
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    rig.conclude().await;
    rig.assert_books().await;
}
