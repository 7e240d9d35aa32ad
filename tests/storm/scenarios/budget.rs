//! What a step costs in calls, counted where they arrive.

use std::time::Duration;

use alloy::primitives::U256;
use deposit_watcher::watcher::budget::{Pace, calls_a_day};

use crate::rig::{Rig, Rules};
use crate::scripted::{TOKEN, account};

/// Calls to both nodes since the last count.
fn calls(rig: &Rig) -> u64 {
    let count = [&rig.one, &rig.two].map(|node| node.counts().calls.values().sum::<u64>());
    rig.one.reset();
    rig.two.reset();
    count.iter().sum()
}

fn calls_of(rig: &Rig, method: &str) -> u64 {
    [&rig.one, &rig.two].iter().map(|node| node.counts().calls.get(method).copied().unwrap_or_default()).sum()
}

async fn at_rest(rules: Rules) -> Rig {
    let mut rig = Rig::with(rules).await;
    for n in 0..30 {
        rig.open(&format!("dep_{n}"), account(n), "100", 100_000).await;
    }
    rig.deeper(5).await;
    calls(&rig);
    rig
}

#[tokio::test]
async fn an_idle_step_makes_one_call() {
    let mut rig = at_rest(Rules::default()).await;
    for _ in 0..3 {
        rig.step().await.unwrap();
        assert_eq!(calls(&rig), 1);
    }
}

#[tokio::test]
async fn a_new_block_costs_at_most_three_whatever_is_in_it() {
    let mut rig = at_rest(Rules::default()).await;
    for transfers in [0, 1, 20] {
        let txs = (0..transfers).map(|n| rig.world.pay(TOKEN, account(50), account(n), U256::from(7))).collect();
        rig.world.mine(txs);
        rig.step().await.unwrap();
        let made = calls(&rig);
        assert!(made <= 3, "{made} calls for a block with {transfers} transfers");
    }
}

#[tokio::test]
async fn catching_up_asks_for_no_header_per_block() {
    let mut rules = Rules::default();
    rules.network.reorg_window = 64;
    let mut rig = at_rest(rules).await;
    for n in 0..1_000 {
        rig.world.mine(vec![rig.world.pay(TOKEN, account(50), account(n % 30), U256::from(7))]);
    }
    rig.one.reset();
    rig.two.reset();
    while rig.step().await.unwrap().more {}
    // The window's blocks are recorded one by one; the 936 below it are not.
    let headers = calls_of(&rig, "eth_getBlockByNumber");
    assert!(headers < 150, "{headers} headers for 1,000 blocks");
    assert!(calls_of(&rig, "eth_getLogs") < 20);
}

#[tokio::test]
async fn a_second_look_at_a_quiet_chain_is_one_in_fifty_blocks() {
    let mut rules = Rules::default();
    rules.network.finality = deposit_watcher::domain::Finality::Confirmations(50);
    rules.network.reorg_window = 64;
    let mut rig = at_rest(rules).await;
    rig.world.mine_empty(120);
    rig.settle().await;
    rig.two.reset();
    for _ in 0..100 {
        rig.world.mine(vec![]);
        rig.step().await.unwrap();
    }
    let again = rig.two.counts().packets;
    assert!(again <= 2, "{again} second looks at 100 quiet blocks");
}

/// What `check` says of a day, and docs/OPERATING.md, is what is asked.
#[tokio::test]
async fn a_day_costs_as_much_as_is_foretold() {
    const STEPS: u64 = 150;
    for (blocks, quorum) in [(1, 1), (5, 1), (1, 2)] {
        let mut rules = Rules::default();
        rules.network.reorg_window = 64;
        rules.network.quorum = quorum;
        rules.network.poll_interval = Duration::from_secs(blocks);
        let second = Duration::from_secs(1);
        let pace = Pace { block_time: second, tag_behind: Duration::ZERO, pushed: false, paid: false };
        let day = calls_a_day(&rules.network, pace);
        let foretold = (day.first + day.second) * STEPS * blocks / 86_400;
        let mut rig = at_rest(rules).await;
        let mut time = rig.time().unsigned_abs();
        for _ in 0..STEPS {
            for _ in 0..blocks {
                time += 1;
                rig.world.mine_at(time, vec![]);
            }
            rig.step().await.unwrap();
        }
        // The second looks alone go to the other operator, where one is enough.
        let again = rig.two.counts().calls.values().sum::<u64>();
        let looks = day.second * STEPS * blocks / 86_400;
        assert!(quorum > 1 || again.abs_diff(looks) <= 2, "{blocks} blocks a step: {again} instead of {looks}");
        let made = calls(&rig);
        assert!(
            made.abs_diff(foretold) <= foretold / 25,
            "{blocks} blocks a step, quorum {quorum}: {made} instead of {foretold}"
        );
    }
}
