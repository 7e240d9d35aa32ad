//! Any range may be read again, at any time, as often as anybody likes.

use deposit_watcher::domain::BlockNumber;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::HUNDRED;
use crate::rig::{Rig, Rules};
use crate::scripted::account;

async fn everything(rig: &Rig) -> Vec<String> {
    let mut all = Vec::new();
    for select in [
        "SELECT concat_ws(' ', id, payment_status, received_amount, confirmed_amount, tx_id) FROM deposit_sessions ORDER BY id",
        "SELECT concat_ws(' ', session_id, reason, amount, state, block_number, log_index, verified) FROM transfers
          ORDER BY block_number, block_hash, log_index",
        "SELECT concat_ws(' ', session_id, type) FROM events ORDER BY position",
        "SELECT concat_ws(' ', session_id, kind, amount) FROM ledger ORDER BY id",
    ] {
        all.extend(sqlx::query_scalar::<_, String>(select).fetch_all(&rig.outside).await.unwrap());
    }
    all
}

/// The same story with and without: ranges that overlap, that end above the head or begin at the genesis, while blocks
/// come, with rows that a reorganisation left behind.
#[tokio::test]
async fn ranges_read_again_at_random_change_nothing() {
    let mut endings = Vec::new();
    for seed in 0..4_u64 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut rules = Rules::default();
        rules.network.max_block_range = 5;
        let mut rig = Rig::with(rules).await;
        for (shop, amount) in [(1, "100"), (2, "50"), (3, "70")] {
            rig.open(&format!("dep_{shop}"), account(shop), amount, 100_000).await;
        }
        for act in 0..10_u64 {
            match act {
                1 => _ = rig.world.mine(vec![rig.pay(account(1), HUNDRED), rig.pay(account(9), 5)]),
                3 => _ = rig.world.mine(vec![rig.pay(account(2), HUNDRED)]),
                5 => {
                    let paid = rig.world.mine(vec![rig.pay(account(3), HUNDRED / 2)]);
                    rig.settle().await;
                    let txs = rig.world.recent_txs(1).remove(0);
                    assert_eq!(paid.block, rig.world.head().block);
                    rig.world.reorg(1, vec![vec![], txs]);
                }
                7 => _ = rig.world.mine(vec![rig.pay(account(3), HUNDRED / 5)]),
                _ => rig.world.mine_empty(2),
            }
            // The first seed is told without any.
            let ranges = if seed == 0 { 0 } else { random.random_range(1..4_u64) };
            for _ in 0..ranges {
                let head = rig.world.head().block.number.0;
                let from = random.random_range(0..=head + 2);
                let to = random.random_range(from..=head + 5);
                let slug = &rig.rules.network.slug;
                rig.store.request_rescan(slug, BlockNumber(from), BlockNumber(to)).await.unwrap();
            }
            if act % 3 == 0 {
                rig.step().await.unwrap();
            } else {
                rig.settle().await;
            }
        }
        rig.conclude().await;
        rig.assert_books().await;
        let open: i64 = sqlx::query_scalar("SELECT count(*) FROM rescans WHERE finished_at IS NULL")
            .fetch_one(&rig.outside)
            .await
            .unwrap();
        assert_eq!(open, 0);
        endings.push(everything(&rig).await);
        rig.remove().await;
    }
    assert!(endings[0].iter().any(|line| line.contains("ORPHANED")), "{:#?}", endings[0]);
    for ending in &endings[1..] {
        assert_eq!(ending, &endings[0]);
    }
}
