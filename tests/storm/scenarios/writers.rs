//! Who may write: rows held by others, leases that are lost, watchers that do not know (I7).

use std::pin::pin;
use std::time::Duration;

use deposit_watcher::domain::{BlockNumber, Finality, Slug};
use deposit_watcher::store::{Fence, ToBeHad};
use sqlx::Executor;

use super::HUNDRED;
use crate::rig::{Rig, Rules, some_polls};
use crate::scripted::account;

#[tokio::test]
async fn a_row_that_somebody_holds_delays_that_row_only() {
    let mut rig = Rig::new().await;
    rig.open("dep_held", account(1), "100", 600).await;
    rig.open("dep_free", account(2), "100", 600).await;
    rig.settle().await;
    let mut outside = rig.outside.begin().await.unwrap();
    outside.execute("SELECT FROM deposit_sessions WHERE id = 'dep_held' FOR UPDATE").await.unwrap();
    rig.world.mine(vec![rig.pay(account(1), HUNDRED), rig.pay(account(2), HUNDRED)]);
    rig.step().await.unwrap();
    assert_eq!(rig.session("dep_free").await, "PENDING 100 0");
    assert_eq!(rig.session("dep_held").await, "CREATED 0 0");
    rig.world.mine_empty(3);
    for _ in 0..6 {
        rig.step().await.unwrap();
    }
    assert_eq!(rig.session("dep_free").await, "CONFIRMED 100 100");
    rig.assert_books().await;
    outside.rollback().await.unwrap();
    rig.settle().await;
    rig.deeper(1).await;
    assert_eq!(rig.session("dep_held").await, "CONFIRMED 100 100");
    rig.conclude().await;
    rig.assert_books().await;
}

/// Its time is over while its money waits for it: it must not expire first.
#[tokio::test]
async fn a_held_session_does_not_expire_over_its_money() {
    let mut rig = Rig::new().await;
    rig.open("dep_held", account(1), "100", 10).await;
    rig.settle().await;
    let mut outside = rig.outside.begin().await.unwrap();
    outside.execute("SELECT FROM deposit_sessions FOR UPDATE").await.unwrap();
    rig.world.mine(vec![rig.pay(account(1), HUNDRED)]);
    rig.step().await.unwrap();
    let later = rig.time().unsigned_abs() + 100;
    rig.world.mine_at(later, vec![]);
    rig.step().await.unwrap();
    outside.rollback().await.unwrap();
    rig.settle().await;
    assert_eq!(rig.told("dep_held").await, "created pending");
}

/// Its row was held while its money left and other money came: both come in one change, and both are told.
#[tokio::test]
async fn money_that_left_and_money_that_pays_instead_are_both_told() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 100_000).await;
    rig.mined(vec![rig.pay(account(1), HUNDRED + HUNDRED / 2)]).await;
    rig.deeper(3).await;
    assert_eq!(rig.session("dep_a").await, "OVERPAID 150 150");
    let mut outside = rig.outside.begin().await.unwrap();
    outside.execute("SELECT FROM deposit_sessions FOR UPDATE").await.unwrap();
    let instead = rig.pay(account(1), HUNDRED);
    rig.world.reorg(4, vec![vec![instead], vec![], vec![], vec![], vec![]]);
    rig.settle().await;
    outside.rollback().await.unwrap();
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    assert_eq!(rig.told("dep_a").await, "created pending overpaid reverted confirmed");
    rig.conclude().await;
    rig.assert_books().await;
}

#[tokio::test]
async fn a_watcher_that_lost_its_lease_commits_nothing() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 600).await;
    rig.settle().await;
    rig.world.mine(vec![rig.pay(account(1), HUNDRED)]);
    let mut old = rig.take_over().await;
    let error = old.step().await.unwrap_err();
    assert!(error.to_string().contains("another watcher"), "{error}");
    assert_eq!(rig.session("dep_a").await, "CREATED 0 0");
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "PENDING 100 0");
}

/// A session that is opened while a step is under way is looked for again before the step commits: its payment is seen at
/// once, not only by the second look. Where the step has looked already it is too late for that.
#[tokio::test]
async fn a_session_opened_in_mid_step_is_seen_at_once() {
    // In its transaction; what is still at work there may have begun to look before the session was there.
    const DOING: &str =
        "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND (state = 'idle in transaction' OR state = 'active' AND xact_start < query_start)";
    let mut rules = Rules::default();
    rules.network.finality = Finality::Confirmations(200);
    let mut rig = Rig::with(rules).await;
    rig.settle().await;
    let (mut in_time, mut in_its_transaction) = (0, 0);
    // How far a step comes in so many polls is not the same each time.
    for turn in 0..800u32 {
        let polls = 1 + turn % 40;
        if polls == 1 && in_time > 5 && in_its_transaction > 0 {
            break;
        }
        let (id, shop) = (format!("dep_{turn}"), account(1_000 + u64::from(turn)));
        let head = rig.world.mine(vec![rig.pay(shop, HUNDRED)]).block.number.0;
        rig.pool.forgive();
        let mut watcher = rig.lay_down();
        let too_late = {
            let mut step = pin!(watcher.step());
            let ended = some_polls(step.as_mut(), polls).await;
            rig.open(&id, shop, "100", 100_000).await;
            let doing: Option<String> = sqlx::query_scalar(DOING).fetch_optional(&rig.outside).await.unwrap();
            // Its first words come before it looks, and its last one, which moves the cursor, after it.
            let first = |query: &String| query.starts_with("BEGIN") || query.contains("deposit_watcher.scanned");
            let looked = doing.as_ref().is_some_and(|query| !first(query));
            let too_late = looked || rig.cursor().await.0.unsigned_abs() == head;
            in_its_transaction += u32::from(doing.is_some() && !too_late);
            match ended {
                Some(outcome) => outcome.unwrap(),
                None => step.await.unwrap(),
            };
            too_late
        };
        rig.watcher = watcher;
        rig.settle().await;
        if !too_late {
            assert_eq!(rig.session(&id).await, "PENDING 100 0", "opened after {polls} polls");
            in_time += 1;
        }
    }
    assert!(in_time > 5 && in_its_transaction > 0, "{in_time} {in_its_transaction}");
}

/// The lease is lost after each of the awaits of a step, one after the other.
#[tokio::test]
async fn a_lease_lost_in_the_middle_of_a_step_is_lost_for_its_commit() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 100_000).await;
    rig.settle().await;
    let mut refused = 0;
    for polls in 1..40 {
        rig.world.mine(vec![]);
        let before = rig.cursor().await;
        let slug = rig.rules.network.slug.clone();
        let mut old = rig.take_over().await;
        std::mem::swap(&mut old, &mut rig.watcher);
        // Both were made before the step began; the one that holds the lease now is `old`.
        let outcome = some_polls(std::pin::pin!(rig.watcher.step()), polls).await;
        assert_eq!(rig.cursor().await, before, "{slug}: {outcome:?}");
        refused += u64::from(matches!(outcome, Some(Err(_))));
        rig.restart().await;
        rig.settle().await;
    }
    assert!(refused > 0, "some of the steps came to their end");
    rig.assert_books().await;
}

#[tokio::test]
async fn a_lease_is_one_holders_at_a_time_and_passes_on_when_it_ends() {
    let rig = Rig::new().await;
    let slug = rig.rules.network.slug.clone();
    assert!(rig.store.take_lease(&slug, "second", "digest", true).await.unwrap().is_none(), "it is held");
    rig.expire_lease().await;
    let second = rig.store.take_lease(&slug, "second", "digest", true).await.unwrap().expect("it ended");
    assert_eq!(second.fence.number, 2);
    assert!(rig.store.renew_lease(&second).await.unwrap());
    rig.store.release_lease(&second).await.unwrap();
    let third = rig.store.take_lease(&slug, "third", "digest", true).await.unwrap().expect("it was handed over");
    assert!(!rig.store.renew_lease(&second).await.unwrap(), "a lease that was handed over is not renewed");
    assert!(third.fence.number > second.fence.number);
}

#[tokio::test]
async fn watchers_with_other_rules_never_share_work() {
    let rig = Rig::new().await;
    let other = Slug::parse("other").unwrap();
    rig.store.introduce_network(&other, rig.rules.network.chain_id, true).await.unwrap();
    assert!(rig.store.take_lease(&other, "second", "other digest", true).await.unwrap().is_none());
    assert!(rig.store.take_lease(&other, "second", "digest", true).await.unwrap().is_some());
}

/// Both find that nobody works yet, were they asked at once.
#[tokio::test]
async fn watchers_with_other_rules_that_start_together_never_share_work() {
    let rig = Rig::new().await;
    let networks = ["one", "two"].map(|slug| Slug::parse(slug).unwrap());
    for slug in &networks {
        rig.store.introduce_network(slug, rig.rules.network.chain_id, true).await.unwrap();
    }
    for round in 0..40 {
        rig.expire_lease().await;
        let taken = tokio::join!(
            rig.store.take_lease(&networks[0], "first", "digest", false),
            rig.store.take_lease(&networks[1], "second", "other digest", false),
        );
        let taken = [taken.0.unwrap().is_some(), taken.1.unwrap().is_some()];
        assert!(taken[0] != taken[1], "round {round}: {taken:?}");
    }
}

/// Two of one holder, none of the other: one is spared for him, if he can work it.
#[tokio::test]
async fn a_lease_that_runs_is_taken_only_by_who_can_work_the_network() {
    let rig = Rig::new().await;
    let slug = rig.rules.network.slug.clone();
    let other = Slug::parse("other").unwrap();
    let look = async |slug, holder| rig.store.is_to_be_had(slug, holder, "digest").await.unwrap();
    rig.store.introduce_network(&other, rig.rules.network.chain_id, true).await.unwrap();
    assert_eq!(look(&other, "second").await, ToBeHad::Free);
    assert_eq!(look(&slug, "second").await, ToBeHad::Not);
    assert!(rig.store.take_lease(&other, "holder 0", "digest", false).await.unwrap().is_some());
    assert_eq!(look(&slug, "second").await, ToBeHad::Spared);
    assert_eq!(rig.store.is_to_be_had(&slug, "second", "other digest").await.unwrap(), ToBeHad::Not);
    assert!(rig.store.take_lease(&slug, "second", "digest", false).await.unwrap().is_none());
    assert!(rig.store.take_lease(&slug, "second", "digest", true).await.unwrap().is_some());
    assert_eq!(look(&other, "second").await, ToBeHad::Not);
}

/// Who stands by locks no row, and what is only told waits for none.
#[tokio::test]
async fn rows_that_somebody_holds_keep_nobody_from_looking() {
    let rig = Rig::new().await;
    let slug = rig.rules.network.slug.clone();
    let [nobody, holder] = [0, 1].map(|number| Fence { network: slug.clone(), number });
    let head = || sqlx::query_scalar("SELECT head_number FROM networks").fetch_one(&rig.outside);
    let time = rig.world.head().time;
    let mut outside = rig.outside.begin().await.unwrap();
    outside.execute("SELECT FROM networks, leases FOR UPDATE").await.unwrap();
    let looks = async {
        assert_eq!(rig.store.is_to_be_had(&slug, "second", "digest").await.unwrap(), ToBeHad::Not);
        rig.store.saw_head(&holder, BlockNumber(7), time).await.unwrap();
    };
    tokio::time::timeout(Duration::from_secs(5), looks).await.expect("they wait for nobody");
    let told: Option<i64> = head().await.unwrap();
    outside.rollback().await.unwrap();
    assert_eq!(told, None);
    rig.store.saw_head(&nobody, BlockNumber(8), time).await.unwrap();
    let told: Option<i64> = head().await.unwrap();
    assert_eq!(told, None, "told by who holds it no longer");
    rig.store.saw_head(&holder, BlockNumber(9), time).await.unwrap();
    let told: Option<i64> = head().await.unwrap();
    assert_eq!(told, Some(9));
}
