//! A block's time decides whether money is in time, and it is one operator's word until another has said the same.

use deposit_watcher::settings::Verify;

use super::HUNDRED;
use crate::rig::{Rig, Rules};
use crate::scripted::{Down, Lie, account};

/// A session that lives for a hundred seconds, and its payment so long after its beginning; node one dates it otherwise.
async fn paid(rules: Rules, after: u64, dated: u64) -> Rig {
    let mut rig = Rig::with(rules).await;
    rig.open("dep_a", account(1), "100", 100).await;
    rig.settle().await;
    let begun = rig.time().unsigned_abs();
    let block = rig.world.mine_at(begun + after, vec![rig.pay(account(1), HUNDRED)]).block;
    rig.one.set(|is| is.times.push((block.hash, begun + dated)));
    rig
}

/// Buries what is there, whatever single steps come to; what the last one that had trouble told.
async fn buried(rig: &mut Rig) -> String {
    rig.world.mine_empty(20);
    let mut told = String::new();
    for _ in 0..8 {
        if let Ok(step) = rig.step().await {
            told.extend(step.trouble.map(|trouble| trouble.to_string() + "\n"));
        }
    }
    told
}

#[tokio::test]
async fn money_in_time_is_not_made_late_by_one_operator() {
    for quorum in [1, 2] {
        let mut rules = Rules::default();
        rules.network.quorum = quorum;
        let mut rig = paid(rules, 90, 105).await;
        let told = buried(&mut rig).await;
        assert_eq!(rig.owners().await, ["late SEEN"], "quorum {quorum}");
        assert!(told.contains("disagree about its time"), "{told}");
        rig.one.heal();
        rig.settle().await;
        assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100", "quorum {quorum}");
        rig.conclude().await;
        rig.assert_books().await;
        let times: Vec<bool> = sqlx::query_scalar(
            "SELECT t.block_time = b.time AND t.paid_at = b.time FROM transfers t JOIN blocks b ON b.hash = t.block_hash",
        )
        .fetch_all(&rig.outside)
        .await
        .unwrap();
        assert_eq!(times, [true]);
    }
}

#[tokio::test]
async fn money_that_is_late_is_not_made_in_time_by_one_operator() {
    let mut rig = paid(Rules::default(), 105, 90).await;
    let told = buried(&mut rig).await;
    assert_eq!(rig.session("dep_a").await, "PENDING 100 0");
    assert!(told.contains("disagree about its time"), "{told}");
    rig.one.heal();
    rig.settle().await;
    assert_eq!(rig.owners().await, ["late CONFIRMED"]);
    assert_eq!(rig.session("dep_a").await, "EXPIRED 0 0");
    rig.conclude().await;
    rig.assert_books().await;
}

/// The witness lies about the time: that delays, and decides nothing.
#[tokio::test]
async fn another_operators_time_decides_nothing_alone() {
    let mut rig = paid(Rules::default(), 90, 90).await;
    let block = rig.world.head();
    rig.two.set(|is| is.times.push((block.block.hash, block.time.timestamp().unsigned_abs() + 15)));
    let told = buried(&mut rig).await;
    assert_eq!(rig.session("dep_a").await, "PENDING 100 0");
    assert!(told.contains("disagree about its time"), "{told}");
    rig.two.heal();
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
}

/// Not even when the one who was asked first is away.
#[tokio::test]
async fn a_stored_time_is_not_taken_back_by_one_operator() {
    let mut rig = paid(Rules::default(), 90, 90).await;
    let block = rig.world.head();
    rig.step().await.unwrap();
    rig.one.set(|is| is.down = Some(Down::Refused));
    rig.two.set(|is| is.times.push((block.block.hash, block.time.timestamp().unsigned_abs() + 15)));
    let told = buried(&mut rig).await;
    assert_eq!(rig.session("dep_a").await, "PENDING 100 0");
    assert!(told.contains("nothing is confirmed") || told.contains("too few tell it"), "{told}");
    rig.one.heal();
    rig.two.heal();
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
}

/// What the first operator left out is dated by two, as well.
#[tokio::test]
async fn the_time_of_what_was_missed_is_not_asked_of_who_missed_it_alone() {
    let mut rig = paid(Rules::default(), 90, 105).await;
    let block = rig.world.head().block;
    rig.one.set(|is| is.lies.push(Lie::Drop(block.hash, 0)));
    rig.world.mine_empty(1);
    for _ in 0..4 {
        drop(rig.step().await);
    }
    rig.one.set(|is| is.lies.clear());
    let told = buried(&mut rig).await;
    assert_eq!(rig.owners().await, Vec::<String>::new());
    assert!(told.contains("disagree about its time"), "{told}");
    rig.one.heal();
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    rig.assert_books().await;
}

/// A header that hashes to its block's hash has the block's time in it: who says otherwise is corrected at once.
#[tokio::test]
async fn a_proven_header_says_when_it_was() {
    let mut rules = Rules::default();
    rules.network.verify = Verify::Receipts;
    let mut rig = paid(rules, 90, 105).await;
    buried(&mut rig).await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    rig.conclude().await;
    rig.assert_books().await;
}

/// Logs without their blocks' times, or with any, are no other word about these times.
#[tokio::test]
async fn a_log_that_is_dated_wrongly_is_no_dispute() {
    for dated in [None, Some(7)] {
        let mut rig = paid(Rules::default(), 90, 90).await;
        rig.two.set(|is| (is.no_log_time, is.log_time) = (dated.is_none(), dated));
        assert_eq!(buried(&mut rig).await, "");
        assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    }
}
