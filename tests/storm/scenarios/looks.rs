//! The first look sees, the second look believes; live tail, catch-up and restart are one code path.

use std::time::Duration;

use deposit_watcher::domain::Finality;

use super::HUNDRED;
use crate::rig::{Rig, Rules};
use crate::scripted::account;

#[tokio::test]
async fn the_live_tail_sees_at_once_and_confirms_at_depth() {
    let mut rig = Rig::new().await;
    let shop = account(1);
    rig.open("dep_a", shop, "100", 600).await;
    rig.settle().await;
    rig.world.mine(vec![rig.pay(shop, HUNDRED)]);
    rig.step().await.unwrap();
    for _ in 0..2 {
        assert_eq!(rig.session("dep_a").await, "PENDING 100 0");
        rig.deeper(1).await;
    }
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    assert_eq!(rig.told("dep_a").await, "created pending confirmed");
    rig.assert_books().await;
}

#[tokio::test]
async fn one_confirmation_is_the_block_itself() {
    let mut rules = Rules::default();
    rules.network.finality = Finality::Confirmations(1);
    let mut rig = Rig::with(rules).await;
    rig.open("dep_a", account(1), "100", 600).await;
    rig.mined(vec![rig.pay(account(1), HUNDRED)]).await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    assert_eq!(rig.told("dep_a").await, "created pending confirmed", "seen before it is believed");
}

/// A node that is further, or says so, buries nothing: only what we have read ourselves does.
#[tokio::test]
async fn depth_is_counted_on_our_own_chain() {
    let mut rules = Rules::default();
    rules.network.max_block_range = 1;
    rules.network.finality = Finality::Confirmations(3);
    let mut rig = Rig::with(rules).await;
    rig.open("dep_a", account(1), "100", 100_000).await;
    rig.settle().await;
    rig.world.mine(vec![rig.pay(account(1), HUNDRED)]);
    rig.world.mine_empty(9);
    let head = rig.world.head().block.number.0;
    while rig.cursor().await.0.unsigned_abs() < head {
        rig.step().await.unwrap();
        let (scanned, confirmed) = rig.cursor().await;
        assert!(confirmed <= scanned - 2, "{confirmed} is called final with {scanned} read");
    }
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
}

#[tokio::test]
async fn catching_up_goes_in_ranges_and_loses_nothing() {
    let mut rules = Rules::default();
    rules.network.max_block_range = 7;
    let mut rig = Rig::with(rules).await;
    let shops: Vec<_> = (0..20).map(account).collect();
    for (n, shop) in shops.iter().enumerate() {
        rig.open(&format!("dep_{n}"), *shop, "100", 100_000).await;
    }
    for shop in &shops {
        rig.world.mine(vec![rig.pay(*shop, HUNDRED)]);
        rig.world.mine_empty(2);
    }
    rig.deeper(3).await;
    for n in 0..shops.len() {
        assert_eq!(rig.session(&format!("dep_{n}")).await, "CONFIRMED 100 100");
    }
    assert_eq!(rig.cursor().await.0.unsigned_abs(), rig.world.head().block.number.0);
    rig.assert_books().await;
}

#[tokio::test]
async fn a_restart_goes_on_where_it_was() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 600).await;
    rig.settle().await;
    rig.world.mine(vec![rig.pay(account(1), HUNDRED)]);
    rig.step().await.unwrap();
    rig.restart().await;
    rig.deeper(1).await;
    rig.restart().await;
    rig.deeper(1).await;
    assert_eq!(rig.told("dep_a").await, "created pending confirmed");
    rig.assert_books().await;
}

#[tokio::test]
async fn a_crash_at_any_await_loses_nothing_and_doubles_nothing() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 100_000).await;
    rig.settle().await;
    rig.world.mine(vec![rig.pay(account(1), HUNDRED)]);
    rig.world.mine_empty(3);
    let mut polls = 0;
    while rig.session("dep_a").await != "CONFIRMED 100 100" && polls < 200 {
        polls += 1;
        drop(rig.step_cut_short(polls).await);
    }
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    assert_eq!(rig.owners().await, ["dep_a CONFIRMED"]);
    rig.assert_books().await;
}

#[tokio::test]
async fn a_first_start_without_a_block_begins_where_the_oldest_session_does() {
    let mut rules = Rules::default();
    rules.network.start_block = None;
    rules.sessions.clock_skew = Duration::ZERO;
    let mut rig = Rig::with(rules).await;
    rig.world.mine(vec![rig.pay(account(1), HUNDRED)]);
    rig.world.mine_empty(10);
    rig.open("dep_a", account(1), "100", 600).await;
    rig.world.mine(vec![rig.pay(account(1), HUNDRED)]);
    rig.deeper(3).await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    assert_eq!(rig.owners().await, ["dep_a CONFIRMED"], "what was paid long before is not read");
}

#[tokio::test]
async fn a_tag_confirms_what_it_has_passed_and_never_falls() {
    let mut rules = Rules::default();
    rules.network.finality = Finality::Finalized;
    let mut rig = Rig::with(rules).await;
    rig.world.set_tags(None, Some(0));
    rig.open("dep_a", account(1), "100", 600).await;
    rig.mined(vec![rig.pay(account(1), HUNDRED)]).await;
    rig.deeper(10).await;
    assert_eq!(rig.session("dep_a").await, "PENDING 100 0", "however deep");
    rig.world.set_tags(None, Some(1));
    rig.deeper(1).await;
    assert_eq!(rig.session("dep_a").await, "PENDING 100 0", "one block short");
    rig.world.set_tags(None, Some(2));
    rig.deeper(1).await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    rig.world.set_tags(None, Some(1));
    rig.deeper(60).await;
    let kept: i64 = sqlx::query_scalar("SELECT final_number FROM networks").fetch_one(&rig.outside).await.unwrap();
    assert_eq!(kept, 2);
}

#[tokio::test]
async fn a_block_must_also_be_old_enough() {
    let mut rules = Rules::default();
    rules.network.min_age = Duration::from_secs(600);
    let mut rig = Rig::with(rules).await;
    rig.open("dep_a", account(1), "100", 600).await;
    rig.mined(vec![rig.pay(account(1), HUNDRED)]).await;
    rig.deeper(10).await;
    assert_eq!(rig.session("dep_a").await, "PENDING 100 0", "deep, but young by the database's clock");
    rig.rules.network.min_age = Duration::ZERO;
    rig.restart().await;
    rig.deeper(1).await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
}

#[tokio::test]
async fn a_network_behind_its_endpoints_says_so_and_expires_nothing() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 5).await;
    rig.settle().await;
    rig.one.set(|is| is.down = Some(crate::scripted::Down::Refused));
    rig.two.set(|is| is.down = Some(crate::scripted::Down::Refused));
    rig.world.mine_empty(100);
    rig.step().await.unwrap_err();
    assert_eq!(rig.session("dep_a").await, "CREATED 0 0", "a node that is away expires nothing");
    rig.one.heal();
    rig.two.heal();
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "EXPIRED 0 0", "chain time does");
}
