//! What makes that a closed period stays as it was written: the ledger says itself what its lines are about, since always.

use sqlx::{Executor, PgPool};

use super::{Actor, MIGRATIONS, WORLD, all_allowed, all_refused, text, world, world_before};

const SAYS: &str = "SELECT string_agg(concat_ws(' ', kind, from_address, block_number, extract(epoch FROM block_time)), ', ' ORDER BY id) FROM ledger";

/// Lines that were booked before the ledger had these columns have them, and cannot be changed afterwards either.
#[tokio::test]
async fn lines_of_before_say_what_they_are_about() {
    let (_database, pool) = world_before(17, WORLD).await;
    MIGRATIONS.run(&pool).await.unwrap();
    let expected = text(
        &pool,
        "SELECT concat_ws(' ', 'confirm', from_address, block_number, extract(epoch FROM block_time)) FROM transfers WHERE block_number = 1",
    );
    assert_eq!(text(&pool, SAYS).await, expected.await);
    all_refused(
        &pool,
        Actor::Watcher,
        &[
            ("ledger_append_only", "UPDATE ledger SET from_address = '0x'"),
            ("ledger_append_only", "DELETE FROM ledger"),
        ],
    )
    .await;
}

/// As an endpoint that tells something else at the same place makes it.
async fn rewrite(pool: &PgPool) {
    let other = "SET session_replication_role = replica;
        UPDATE transfers SET from_address = '0x' || repeat('99', 20), token_address = '0x' || repeat('98', 20), to_address = '0x' || repeat('97', 20),
               tx_hash = '0x' || repeat('9', 64), amount_units = 7, amount = 0.7, block_number = 7, block_time = '2020-01-01', settled = NULL, settlement = NULL
         WHERE block_number = 2;
        SET session_replication_role = origin";
    pool.execute(sqlx::raw_sql(other)).await.unwrap();
}

/// Whatever the transfer's row says by then.
#[tokio::test]
async fn a_refund_is_taken_back_as_it_was_booked() {
    let (_database, pool) = world().await;
    let ask = |kind: &str, tx: &str| {
        format!(
            "INSERT INTO settlements (network, block_hash, log_index, kind, refund_tx, note, os_user)
             SELECT network, block_hash, log_index, '{kind}', {tx}, 'a test', 'anna' FROM transfers WHERE session_id IS NULL"
        )
    };
    let answer = |id: i64, undoes: &str| {
        format!(
            "UPDATE settlements SET answered_at = clock_timestamp(), outcome = 'done', answer = 'so', undoes = {undoes} WHERE id = {id}"
        )
    };
    all_allowed(
        &pool,
        Actor::Watcher,
        &[
            "UPDATE transfers SET state = 'CONFIRMED', verified = true, confirmed_at = now() WHERE block_number = 2",
            &ask("refund", "'0x' || repeat('f', 64)"),
            &answer(1, "NULL"),
        ],
    )
    .await;
    rewrite(&pool).await;
    let refunds = "SELECT string_agg(concat_ws(' ', units, amount, settlement, left(from_address, 4), left(token_address, 4), left(tx_hash, 4), block_number), ', '
                              ORDER BY id) FROM ledger WHERE kind = 'refund'";
    assert_eq!(text(&pool, refunds).await.unwrap(), "-1 -0.000001 1 0xee 0xcc 0xee 2");
    let wrong = "SELECT string_agg(rule, ' ') FROM deposit_watcher_books WHERE rule IN ('refunds_are_booked_once', 'ledger_reverses_only_what_it_holds')";
    assert_eq!(text(&pool, wrong).await, None);
    all_allowed(&pool, Actor::Watcher, &[&ask("release", "NULL"), &answer(2, "1")]).await;
    assert_eq!(text(&pool, refunds).await.unwrap(), "-1 -0.000001 1 0xee 0xcc 0xee 2, 1 0.000001 1 0xee 0xcc 0xee 2");
    assert_eq!(text(&pool, wrong).await, None);
}
