//! The first look sees, the second look believes (SPEC §5).

use crate::rig::Rig;
use crate::scripted::{PAYER, TOKEN, account};

#[tokio::test]
async fn the_live_tail_sees_at_once_and_confirms_at_depth() {
    let mut rig = Rig::new().await;
    let shop = account(1);
    rig.open("dep_a", shop, "100", 600).await;
    rig.settle().await;
    rig.world.mine(vec![rig.world.pay(TOKEN, PAYER, shop, Rig::units(100_000_000))]);
    rig.step().await.unwrap();
    assert_eq!(rig.session("dep_a").await, "PENDING 100 0");
    for _ in 0..2 {
        assert_eq!(rig.session("dep_a").await, "PENDING 100 0");
        rig.world.mine(vec![]);
        rig.settle().await;
    }
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    assert_eq!(rig.told("dep_a").await, "created pending confirmed");
    rig.assert_books().await;
}
