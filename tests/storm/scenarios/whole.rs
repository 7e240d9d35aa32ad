//! A unit of work is seen whole or not at all: whoever reads the database after a crash, at any await, finds the cursor
//! and the watermark together with what they promise (I1). That the second look would find the rest later is no excuse.

use super::HUNDRED;
use crate::rig::Rig;
use crate::scripted::account;

/// Polls beyond which a step has come to its end.
const MOST: u32 = 200;

/// In one snapshot: how far both looks are said to be, and what the session shows.
async fn seen(rig: &Rig, id: &str) -> (i64, i64, String) {
    sqlx::query_as(
        "SELECT scanned_number, confirmed_number, (SELECT payment_status FROM deposit_sessions WHERE id = $1) FROM networks",
    )
    .bind(id)
    .fetch_one(&rig.outside)
    .await
    .unwrap()
}

#[tokio::test]
async fn no_crash_shows_a_cursor_without_the_effects_of_its_blocks() {
    let mut rig = Rig::new().await;
    let (mut crashes, mut ends) = (0, 0);
    for polls in 1..=MOST {
        let (id, to) = (format!("dep_{polls}"), account(u64::from(polls)));
        rig.open(&id, to, "100", 100_000).await;
        rig.settle().await;
        let paid = rig.world.mine(vec![rig.pay(to, HUNDRED)]).block.number.0.cast_signed();
        let first = rig.step_cut_short(polls).await.is_some();
        let (scanned, _, status) = seen(&rig, &id).await;
        assert!(
            scanned < paid || status == "PENDING",
            "{polls} polls: block {paid} is scanned, the session is {status}"
        );
        rig.settle().await;
        rig.world.mine_empty(2);
        let second = rig.step_cut_short(polls).await.is_some();
        let (_, confirmed, status) = seen(&rig, &id).await;
        assert!(
            confirmed < paid || status == "CONFIRMED",
            "{polls} polls: block {paid} is confirmed, the session is {status}"
        );
        rig.settle().await;
        crashes += u32::from(!first) + u32::from(!second);
        ends += u32::from(first && second);
        if ends == 3 {
            break;
        }
    }
    assert!(crashes > 20 && ends == 3, "{crashes} crashes, {ends} whole steps");
    rig.assert_books().await;
}
