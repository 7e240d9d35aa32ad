//! The books, each proven by breaking it on purpose: with triggers switched off, what no program should do.

use std::collections::BTreeSet;

use sqlx::{Executor, PgPool};

use super::world;

/// Each rule and a way to break it.
const BREAKS: &[(&str, &str)] = &[
    ("transfer_has_one_owner", "UPDATE transfers SET reason = NULL WHERE session_id IS NULL"),
    ("session_sums", "UPDATE deposit_sessions SET received_amount = 99 WHERE id = 'dep_open'"),
    ("session_sums", "UPDATE transfers SET session_id = 'dep_open' WHERE session_id = 'dep_paid'"),
    ("status_agrees_with_sums", "UPDATE deposit_sessions SET payment_status = 'UNDERPAID', confirmed_at = NULL WHERE id = 'dep_paid'"),
    ("status_agrees_with_sums", "UPDATE deposit_sessions SET payment_status = 'OVERPAID' WHERE id = 'dep_paid'"),
    ("session_names_its_newest_transfer", "UPDATE deposit_sessions SET tx_id = '0x' WHERE id = 'dep_paid'"),
    ("transfer_stays_where_it_was_sent", "UPDATE transfers SET to_address = '0x' || repeat('ab', 20) WHERE session_id = 'dep_paid'"),
    ("confirmed_was_looked_at_twice", "UPDATE networks SET confirmed_number = 0"),
    ("confirmed_was_looked_at_twice", "UPDATE blocks SET canonical = false WHERE number = 1"),
    ("transfer_shares_its_blocks_fate", "UPDATE blocks SET canonical = false WHERE number = 2"),
    ("cursor_is_the_newest_canonical_block", "UPDATE blocks SET canonical = false WHERE number = 3"),
    ("cursor_is_the_newest_canonical_block", "UPDATE networks SET scanned_number = 2, scanned_hash = '0x' || repeat('2', 64)"),
    ("blocks_follow_their_parents", "UPDATE blocks SET parent_hash = '0x' || repeat('9', 64) WHERE number = 2"),
    ("newest_event_tells_the_session", "UPDATE deposit_sessions SET payment_status = 'PENDING' WHERE id = 'dep_open'"),
    ("newest_event_tells_the_session", "DELETE FROM events WHERE type = 'deposit.confirmed'"),
    ("ledger_holds_each_confirmed_transfer_once", "INSERT INTO ledger (kind, network, token_address, to_address, block_hash, log_index, tx_hash, session_id, units, amount)
      SELECT kind, network, token_address, to_address, block_hash, log_index, tx_hash, session_id, units, amount FROM ledger"),
    ("ledger_holds_each_confirmed_transfer_once", "UPDATE transfers SET state = 'SEEN' WHERE session_id = 'dep_paid'"),
    ("ledger_sums_to_sessions", "UPDATE ledger SET session_id = 'dep_open'"),
    ("paid_sessions_were_told", "UPDATE events SET type = 'deposit.pending' WHERE type = 'deposit.confirmed'"),
    ("sequences_have_no_gap", "UPDATE events SET sequence = 2 WHERE type = 'deposit.confirmed'"),
    ("sequences_end_at_their_counter", "UPDATE events SET sequence = 1 WHERE type = 'deposit.confirmed'"),
    ("sequences_end_at_their_counter", "INSERT INTO event_sequences VALUES ('default', 3)"),
    ("deliveries_stay_in_their_business", "INSERT INTO webhook_endpoints (id, business_id, url) VALUES ('we_1', 'other', 'https://other.example');
      INSERT INTO webhook_deliveries (endpoint_id, event_id, business_id, sequence)
      SELECT 'we_1', id, business_id, 1 FROM events WHERE type = 'deposit.confirmed'"),
    ("deliveries_stay_in_their_business", "INSERT INTO webhook_endpoints (id, business_id, url) VALUES ('we_1', 'default', 'https://own.example');
      INSERT INTO webhook_deliveries (endpoint_id, event_id, business_id, sequence)
      SELECT 'we_1', id, business_id, 7 FROM events WHERE type = 'deposit.confirmed'"),
    ("settled_as_a_person_decided", "INSERT INTO settlements (network, block_hash, log_index, kind, note, os_user, answered_at, outcome, answer)
      SELECT network, block_hash, log_index, 'ignore', 'a test', 'anna', now(), 'refused', 'no' FROM transfers WHERE session_id IS NULL;
      UPDATE transfers SET settled = 'ignored', settlement = (SELECT max(id) FROM settlements) WHERE session_id IS NULL"),
    ("settled_as_a_person_decided", "INSERT INTO settlements (network, block_hash, log_index, kind, note, os_user, answered_at, outcome, answer)
      SELECT network, block_hash, log_index, 'ignore', 'a test', 'anna', now(), 'done', 'yes' FROM transfers WHERE session_id IS NULL;
      UPDATE transfers SET settled = 'refunded', settlement = (SELECT max(id) FROM settlements) WHERE session_id IS NULL"),
    ("settled_as_a_person_decided", "INSERT INTO settlements (network, block_hash, log_index, kind, session_id, note, os_user, answered_at, outcome, answer)
      SELECT network, block_hash, log_index, 'assign', 'dep_open', 'a test', 'anna', now(), 'done', 'yes' FROM transfers WHERE session_id IS NULL;
      UPDATE transfers SET settled = 'assigned', settlement = (SELECT max(id) FROM settlements), session_id = 'dep_paid', reason = NULL WHERE session_id IS NULL"),
    ("settled_as_a_person_decided", "INSERT INTO settlements (network, block_hash, log_index, kind, note, os_user, answered_at, outcome, answer)
      SELECT network, block_hash, log_index, 'ignore', 'a test', 'anna', now(), 'done', 'yes' FROM transfers WHERE session_id = 'dep_paid';
      UPDATE transfers SET settled = 'ignored', settlement = (SELECT max(id) FROM settlements) WHERE session_id IS NULL"),
    ("settled_as_a_person_decided", "INSERT INTO settlements (network, block_hash, log_index, kind, note, os_user, answered_at, outcome, answer)
      SELECT network, block_hash, log_index, 'ignore', 'a test', 'anna', now(), 'done', 'yes' FROM transfers WHERE session_id IS NULL;
      UPDATE transfers SET settled = 'ignored', settlement = (SELECT max(id) FROM settlements) WHERE session_id IS NULL;
      INSERT INTO settlements (network, block_hash, log_index, kind, note, os_user, answered_at, outcome, answer, undoes)
      SELECT network, block_hash, log_index, 'release', 'a test', 'anna', now(), 'done', 'yes', settlement FROM transfers WHERE session_id IS NULL"),
    ("refunds_are_booked_once", "INSERT INTO settlements (network, block_hash, log_index, kind, refund_tx, note, os_user, answered_at, outcome, answer)
      SELECT network, block_hash, log_index, 'refund', '0x' || repeat('f', 64), 'a test', 'anna', now(), 'done', 'yes' FROM transfers WHERE session_id IS NULL"),
    ("refunds_are_booked_once", "INSERT INTO ledger (kind, network, token_address, to_address, block_hash, log_index, tx_hash, units, amount)
      SELECT 'refund', network, token_address, to_address, block_hash, log_index, tx_hash, -units, -amount FROM ledger"),
    ("transfer_stays_in_its_business", "UPDATE events SET business_id = 'other' WHERE type = 'deposit.confirmed'"),
];

async fn findings(pool: &PgPool) -> BTreeSet<String> {
    let rules: Vec<String> =
        sqlx::query_scalar("SELECT rule FROM deposit_watcher_books").fetch_all(pool).await.unwrap();
    rules.into_iter().collect()
}

#[tokio::test]
async fn each_rule_finds_what_breaks_it() {
    let (_database, pool) = world().await;
    assert_eq!(findings(&pool).await, BTreeSet::new(), "the world is in order");
    for (rule, sql) in BREAKS {
        let mut transaction = pool.begin().await.unwrap();
        transaction.execute("SET LOCAL session_replication_role = replica").await.unwrap();
        transaction.execute(sqlx::raw_sql(*sql)).await.unwrap();
        let found: Vec<String> =
            sqlx::query_scalar("SELECT rule FROM deposit_watcher_books").fetch_all(&mut *transaction).await.unwrap();
        assert!(found.iter().any(|found| found == rule), "{rule} finds nothing, but {found:?}: {sql}");
        transaction.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn no_rule_is_unproven() {
    let (_database, pool) = world().await;
    let all: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT m[1] FROM regexp_matches(pg_get_viewdef('deposit_watcher_books'::regclass), 'SELECT ''([a-z_]+)''::text', 'g') m",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let proven: BTreeSet<String> = BREAKS.iter().map(|(rule, _)| (*rule).to_owned()).collect();
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), proven);
}
