//! What the second look is for: nodes that leave out, add or disagree.

use alloy::primitives::U256;

use super::HUNDRED;
use crate::rig::{Rig, Rules, endpoint};
use crate::scripted::{Down, Lie, Log, PAYER, TOKEN, account};

/// Sums a counter over its series with this label value.
fn counted(exposition: &str, name: &str, label: &str) -> u64 {
    let lines = exposition.lines().filter(|line| line.starts_with(name) && line.contains(label));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[tokio::test]
async fn what_the_first_look_missed_is_added_confirmed_and_counted() {
    let (recorder, exposition) = deposit_watcher::telemetry::recorder().unwrap();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 100_000).await;
    rig.settle().await;
    let paid = rig.world.mine(vec![rig.pay(account(1), HUNDRED)]);
    rig.one.set(|is| is.lies.push(Lie::Drop(paid.block.hash, 0)));
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "CREATED 0 0");
    rig.one.heal();
    rig.conclude().await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
    assert_eq!(counted(&exposition.render(), "deposit_watcher_second_look_corrections_total", "\"missed\""), 1);
    rig.assert_books().await;
}

/// Two operators hide the same payment, each from one of the looks. With a quorum of one nobody else is asked, and it is
/// lost until the range is read again; with a quorum of two one is asked who knows, and it waits until they agree.
#[tokio::test]
async fn what_two_operators_hide_one_after_the_other_takes_a_quorum_of_two() {
    for (quorum, found) in [(1, "CREATED 0 0"), (2, "CONFIRMED 100 100")] {
        let mut rules = Rules::default();
        rules.network.endpoints.push(endpoint("three", 2, "third"));
        rules.network.quorum = quorum;
        let mut rig = Rig::with(rules).await;
        rig.open("dep_a", account(1), "100", 100_000).await;
        rig.settle().await;
        let paid = rig.world.mine(vec![rig.pay(account(1), HUNDRED)]);
        rig.one.set(|is| is.lies.push(Lie::Drop(paid.block.hash, 0)));
        rig.settle().await;
        rig.one.heal();
        rig.two.set(|is| is.lies.push(Lie::Drop(paid.block.hash, 0)));
        let later = rig.time().unsigned_abs() + 301;
        rig.world.mine_at(later, vec![]);
        rig.world.mine_empty(3);
        for _ in 0..6 {
            drop(rig.step().await);
        }
        assert_eq!(rig.session("dep_a").await, "CREATED 0 0");
        rig.two.heal();
        rig.conclude().await;
        assert_eq!(rig.session("dep_a").await, found);
        rig.store.request_rescan(&rig.rules.network.slug, paid.block.number, paid.block.number).await.unwrap();
        rig.settle().await;
        assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100", "reading again finds it");
        rig.assert_books().await;
    }
}

/// The second endpoint read alone while the first was away, and tells what is not so. When the first is back it reads on,
/// and it is the witness too: who told first does not confirm his own word, not even after a restart.
#[tokio::test]
async fn who_read_first_is_not_his_own_witness_when_another_reads_now() {
    for restart in [false, true] {
        let mut rig = Rig::new().await;
        rig.open("dep_invented", account(1), "100", 100_000).await;
        rig.open("dep_hidden", account(2), "100", 100_000).await;
        rig.settle().await;
        rig.one.set(|is| is.down = Some(Down::Refused));
        let block = rig.world.mine(vec![rig.pay(account(2), HUNDRED)]).block;
        let invented = Log::transfer(TOKEN, PAYER, account(1), U256::from(HUNDRED));
        rig.two.set(|is| is.lies = vec![Lie::Invent(block.hash, invented), Lie::Drop(block.hash, 0)]);
        rig.settle().await;
        assert_eq!(rig.session("dep_invented").await, "PENDING 100 0");
        rig.one.heal();
        if restart {
            rig.restart().await;
        }
        rig.world.mine_empty(6);
        for _ in 0..6 {
            drop(rig.step().await);
        }
        assert_eq!(rig.session("dep_invented").await, "PENDING 100 0", "restart: {restart}");
        rig.two.heal();
        rig.conclude().await;
        assert_eq!(rig.session("dep_invented").await, "PENDING 0 0");
        assert_eq!(rig.session("dep_hidden").await, "CONFIRMED 100 100");
        rig.assert_books().await;
    }
}

/// Whose word the first look at a range took that is read again is known to nobody: two operators are asked.
#[tokio::test]
async fn who_reads_a_range_again_is_not_his_own_witness_when_another_reads_now() {
    for confirmed in [true, false] {
        read_again_by_a_liar(confirmed).await;
    }
}

/// Of blocks that the second look has passed, or not yet.
async fn read_again_by_a_liar(confirmed: bool) {
    let mut rig = Rig::new().await;
    rig.open("dep_invented", account(1), "100", 100_000).await;
    let old = rig.world.mine(vec![]).block;
    if confirmed {
        rig.deeper(6).await;
    } else {
        rig.settle().await;
    }
    rig.one.set(|is| is.down = Some(Down::Refused));
    let invented = Log::transfer(TOKEN, PAYER, account(1), U256::from(HUNDRED));
    rig.two.set(|is| is.lies = vec![Lie::Invent(old.hash, invented)]);
    rig.store.request_rescan(&rig.rules.network.slug, old.number, old.number).await.unwrap();
    until(&mut rig, "dep_invented", "PENDING 100 0").await;
    rig.one.heal();
    rig.world.mine_empty(2);
    for _ in 0..6 {
        drop(rig.step().await);
    }
    assert_eq!(rig.session("dep_invented").await, "PENDING 100 0");
    rig.two.heal();
    rig.conclude().await;
    assert_eq!(rig.session("dep_invented").await, "PENDING 0 0");
    rig.assert_books().await;
}

/// While something is in dispute and the other operator is away, who is left confirms nothing alone, of a range that is
/// read again neither: nobody knows whether it was read by him.
#[tokio::test]
async fn in_a_dispute_a_range_is_not_read_again_by_one_operator_alone() {
    let mut rig = Rig::new().await;
    rig.open("dep_disputed", account(1), "100", 100_000).await;
    rig.open("dep_again", account(2), "100", 100_000).await;
    let old = rig.world.mine(vec![]).block;
    rig.deeper(6).await;
    let invented = |to| Log::transfer(TOKEN, PAYER, to, U256::from(HUNDRED));
    let fresh = rig.world.mine(vec![]).block;
    rig.one.set(|is| is.lies = vec![Lie::Invent(fresh.hash, invented(account(1)))]);
    rig.world.mine_empty(4);
    for _ in 0..8 {
        drop(rig.step().await);
    }
    assert_eq!(rig.session("dep_disputed").await, "PENDING 100 0");
    rig.one.set(|is| is.lies.push(Lie::Invent(old.hash, invented(account(2)))));
    rig.two.set(|is| is.down = Some(Down::Refused));
    rig.store.request_rescan(&rig.rules.network.slug, old.number, old.number).await.unwrap();
    until(&mut rig, "dep_again", "PENDING 100 0").await;
    for _ in 0..8 {
        drop(rig.step().await);
    }
    assert_eq!(rig.session("dep_again").await, "PENDING 100 0");
    rig.one.heal();
    rig.two.heal();
    rig.conclude().await;
    assert_eq!(rig.session("dep_disputed").await, "PENDING 0 0");
    assert_eq!(rig.session("dep_again").await, "PENDING 0 0");
    rig.assert_books().await;
}

/// Steps until the first look has seen what a session waits for.
async fn until(rig: &mut Rig, session: &str, says: &str) {
    for _ in 0..20 {
        drop(rig.step().await);
        if rig.session(session).await == says {
            return;
        }
    }
    panic!("never {says}: {}", rig.session(session).await);
}

#[tokio::test]
async fn two_missed_logs_of_one_block_are_added_together() {
    let mut rules = Rules::default();
    // One block in ten is recorded, theirs is not.
    rules.network.reorg_window = 640;
    let mut rig = Rig::with(rules).await;
    rig.open("dep_a", account(1), "100", 100_000).await;
    rig.open("dep_b", account(2), "100", 100_000).await;
    rig.settle().await;
    rig.one.set(|is| is.empty_logs = true);
    rig.world.mine_empty(2);
    rig.world.mine(vec![rig.pay(account(1), HUNDRED), rig.pay(account(2), HUNDRED)]);
    rig.deeper(3).await;
    assert_eq!(rig.owners().await, Vec::<String>::new());
    rig.one.heal();
    rig.conclude().await;
    assert_eq!(rig.owners().await, ["dep_a CONFIRMED", "dep_b CONFIRMED"]);
    rig.assert_books().await;
}

#[tokio::test]
async fn what_the_first_look_invented_is_taken_away_and_counted() {
    let (recorder, exposition) = deposit_watcher::telemetry::recorder().unwrap();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 100_000).await;
    rig.settle().await;
    let block = rig.world.mine(vec![]).block;
    let lie = Log::transfer(TOKEN, PAYER, account(1), U256::from(HUNDRED));
    rig.one.set(|is| is.lies.push(Lie::Invent(block.hash, lie)));
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "PENDING 100 0");
    rig.one.heal();
    rig.conclude().await;
    assert_eq!(rig.session("dep_a").await, "PENDING 0 0");
    assert_eq!(rig.owners().await, Vec::<String>::new());
    assert_eq!(counted(&exposition.render(), "deposit_watcher_second_look_corrections_total", "\"invented\""), 1);
    rig.assert_books().await;
}

#[tokio::test]
async fn while_endpoints_disagree_nothing_is_confirmed_and_nothing_taken_away() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 100_000).await;
    rig.open("dep_b", account(2), "100", 100_000).await;
    rig.settle().await;
    let paid = rig.world.mine(vec![rig.pay(account(1), HUNDRED)]).block;
    let lie = Log::transfer(TOKEN, PAYER, account(2), U256::from(HUNDRED));
    rig.one.set(|is| is.lies.push(Lie::Invent(paid.hash, lie)));
    rig.world.mine_empty(4);
    let mut doubts = 0;
    for _ in 0..12 {
        doubts += u64::from(rig.step().await.unwrap().trouble.is_some());
    }
    assert!(doubts > 0, "it is told");
    assert_eq!(rig.owners().await, ["dep_a SEEN", "dep_b SEEN"]);
    rig.one.heal();
    rig.settle().await;
    assert_eq!(rig.owners().await, ["dep_a CONFIRMED"]);
    rig.conclude().await;
    rig.assert_books().await;
}

#[tokio::test]
async fn a_range_that_is_read_again_hides_no_dispute() {
    let (recorder, exposition) = deposit_watcher::telemetry::recorder().unwrap();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 100_000).await;
    rig.deeper(5).await;
    let (scanned, _) = rig.cursor().await;
    let paid = rig.world.mine(vec![]).block;
    let lie = Log::transfer(TOKEN, PAYER, account(1), U256::from(HUNDRED));
    rig.one.set(|is| is.lies.push(Lie::Invent(paid.hash, lie)));
    rig.world.mine_empty(4);
    for _ in 0..4 {
        rig.step().await.unwrap();
    }
    let disputed = |rig: &Rig| {
        rig.watcher.report_lag(chrono::Utc::now());
        counted(&exposition.render(), "deposit_watcher_disputed_transfers", "network=")
    };
    assert_eq!(disputed(&rig), 1);
    let (slug, to) = (rig.rules.network.slug.clone(), deposit_watcher::domain::BlockNumber(scanned.unsigned_abs() - 3));
    rig.store.request_rescan(&slug, deposit_watcher::domain::BlockNumber(1), to).await.unwrap();
    for _ in 0..6 {
        rig.step().await.unwrap();
        assert_eq!(disputed(&rig), 1, "both looks at the range agree, and the other dispute stands");
    }
    rig.one.heal();
    rig.settle().await;
    assert_eq!(disputed(&rig), 0);
}

#[tokio::test]
async fn a_liar_in_the_second_look_confirms_and_reverts_nothing() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 100_000).await;
    rig.settle().await;
    let paid = rig.world.mine(vec![rig.pay(account(1), HUNDRED)]).block;
    rig.two.set(|is| is.lies.push(Lie::Drop(paid.hash, 0)));
    rig.world.mine_empty(4);
    for _ in 0..8 {
        drop(rig.step().await);
    }
    assert_eq!(rig.session("dep_a").await, "PENDING 100 0");
    rig.two.heal();
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
}

#[tokio::test]
async fn with_a_quorum_of_two_one_endpoint_confirms_nothing() {
    let mut rules = Rules::default();
    rules.network.quorum = 2;
    let mut rig = Rig::with(rules).await;
    rig.open("dep_a", account(1), "100", 100_000).await;
    rig.settle().await;
    rig.two.set(|is| is.down = Some(crate::scripted::Down::Refused));
    rig.world.mine(vec![rig.pay(account(1), HUNDRED)]);
    rig.world.mine_empty(4);
    for _ in 0..8 {
        drop(rig.step().await);
    }
    assert_eq!(rig.session("dep_a").await, "PENDING 100 0");
    rig.two.heal();
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
}

/// A second look at an endpoint that has less of the chain must not take its `[]` for an answer.
#[tokio::test]
async fn an_endpoint_that_is_behind_is_no_witness() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 100_000).await;
    rig.settle().await;
    rig.two.set(|is| is.unknown_is_empty = true);
    rig.two.freeze();
    rig.world.mine(vec![rig.pay(account(1), HUNDRED)]);
    rig.world.mine_empty(3);
    for _ in 0..8 {
        drop(rig.step().await);
    }
    assert_eq!(rig.session("dep_a").await, "PENDING 100 0");
    rig.two.thaw();
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
}

/// What one operator alone says to have been mined on top of a payment does not bury it: depth, too, is what two have.
#[tokio::test]
async fn blocks_that_only_the_first_operator_has_bury_nothing() {
    for quorum in [1, 2] {
        let mut rules = Rules::default();
        rules.network.quorum = quorum;
        let mut rig = Rig::with(rules).await;
        rig.open("dep_a", account(1), "100", 100_000).await;
        rig.settle().await;
        let paid = rig.world.mine(vec![rig.pay(account(1), HUNDRED)]).block.number;
        rig.two.freeze();
        rig.world.mine_empty(2);
        for _ in 0..8 {
            drop(rig.step().await);
        }
        assert_eq!(rig.session("dep_a").await, "PENDING 100 0", "quorum {quorum}");
        rig.store.request_rescan(&rig.rules.network.slug, paid, paid).await.unwrap();
        for _ in 0..8 {
            drop(rig.step().await);
        }
        assert_eq!(rig.session("dep_a").await, "PENDING 100 0", "read again, with a quorum of {quorum}");
        rig.two.thaw();
        rig.settle().await;
        assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
        rig.assert_books().await;
    }
}

/// The other operator is always some blocks behind the first: what is deep by its own chain is confirmed, and not later.
#[tokio::test]
async fn an_operator_that_always_lags_a_little_confirms_what_is_deep_for_it() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 100_000).await;
    rig.settle().await;
    rig.two.set(|is| is.lag = 2);
    rig.world.mine(vec![rig.pay(account(1), HUNDRED)]);
    for depth in 1..=8 {
        for _ in 0..3 {
            let step = rig.step().await.unwrap();
            assert!(step.trouble.is_none(), "a little lag is no trouble: {step:?}");
        }
        let status = rig.session("dep_a").await;
        assert!(depth >= 5 || status == "PENDING 100 0", "{status} where the other has {} of 3", depth - 2);
        rig.world.mine_empty(1);
    }
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
}

/// Where the two have different blocks on top of a payment, nobody knows how deep it is.
#[tokio::test]
async fn another_branch_above_a_payment_confirms_nothing() {
    let mut rig = Rig::new().await;
    rig.open("dep_a", account(1), "100", 100_000).await;
    rig.settle().await;
    rig.world.mine(vec![rig.pay(account(1), HUNDRED)]);
    let later = rig.time().unsigned_abs() + 3;
    rig.two.serve(rig.world.branch(0, vec![(later, vec![]), (later + 2, vec![]), (later + 4, vec![])]));
    rig.world.mine_empty(2);
    let mut told = String::new();
    for _ in 0..8 {
        let step = rig.step().await.unwrap();
        told = step.trouble.map(|trouble| trouble.to_string()).unwrap_or_default();
    }
    assert!(told.contains("endpoint two has block"), "{told}");
    assert_eq!(rig.session("dep_a").await, "PENDING 100 0");
    rig.two.thaw();
    rig.settle().await;
    assert_eq!(rig.session("dep_a").await, "CONFIRMED 100 100");
}
