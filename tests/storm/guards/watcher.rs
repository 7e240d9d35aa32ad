//! What even a watcher that is wrong cannot commit: rows that vanish, money that is not there, a cursor that jumps (I10).

use super::{Actor, all_allowed, all_refused, world};

#[tokio::test]
async fn what_happened_is_never_deleted_or_rewritten() {
    let (_database, pool) = world().await;
    for actor in [Actor::Outside, Actor::Watcher] {
        let attacks = [
            ("transfers_append_only", "DELETE FROM transfers WHERE session_id IS NULL"),
            ("transfers_append_only", "TRUNCATE transfers CASCADE"),
            ("ledger_append_only", "DELETE FROM ledger"),
            ("ledger_append_only", "UPDATE ledger SET units = 1"),
            ("ledger_append_only", "UPDATE ledger SET booked_at = now() - interval '1 day'"),
            ("ledger_append_only", "TRUNCATE ledger"),
            ("reconciliations_append_only", "TRUNCATE reconciliations"),
            ("reconciliations_append_only", "DELETE FROM reconciliations"),
            ("reconciliations_append_only", "UPDATE reconciliations SET differences = 1"),
            ("reconciliations_range", "INSERT INTO reconciliations (network, from_block, to_block, balances, endpoint, transfers, differences, found, started_at)
              VALUES ('net', 2, 1, false, 'one', 0, 0, '[]', now())"),
            ("token_spans_append_only", "DELETE FROM token_spans"),
            ("token_spans_append_only", "TRUNCATE token_spans"),
            ("rereads_append_only", "DELETE FROM rereads"),
            ("rereads_append_only", "UPDATE rereads SET from_block = 2"),
            ("rereads_append_only", "TRUNCATE rereads"),
            ("events_append_only", "DELETE FROM events"),
            ("events_append_only", "TRUNCATE events CASCADE"),
            ("events_append_only", "UPDATE events SET data = '{}'"),
            ("events_append_only", "UPDATE events SET type = 'deposit.confirmed'"),
            ("deposit_sessions_guard", "DELETE FROM deposit_sessions"),
            ("transfers_append_only", "TRUNCATE deposit_sessions CASCADE"),
        ];
        all_refused(&pool, actor, &attacks).await;
    }
    all_allowed(&pool, Actor::Watcher, &["UPDATE events SET sequence = position"]).await;
    all_refused(&pool, Actor::Watcher, &[("events_append_only", "UPDATE events SET sequence = NULL")]).await;
}

#[tokio::test]
async fn a_paid_session_has_its_money_at_commit() {
    let (_database, pool) = world().await;
    let update = |set: &str| format!("UPDATE deposit_sessions SET {set} WHERE id = 'dep_open'");
    let paid = "confirmed_at = now(), closed_at = now(), payment_status =";
    let money = "received_amount = 50, confirmed_amount = 50";
    for (rule, set) in [
        ("deposit_sessions_proof", format!("{paid} 'CONFIRMED'")),
        ("deposit_sessions_proof", format!("{paid} 'CONFIRMED', {money}")),
        ("deposit_sessions_proof", format!("{paid} 'OVERPAID', {money}")),
        ("deposit_sessions_paid_in_full", format!("{paid} 'CONFIRMED', tolerance = 0.5")),
        ("deposit_sessions_tolerance", "tolerance = 50".to_owned()),
        ("deposit_sessions_tolerance", "tolerance = -1".to_owned()),
        ("deposit_sessions_tolerance", "tolerance = 'NaN'".to_owned()),
        ("deposit_sessions_proof", "payment_status = 'UNDERPAID'".to_owned()),
        ("deposit_sessions_proof", "received_amount = 50".to_owned()),
        ("deposit_sessions_confirmed_at", "payment_status = 'CONFIRMED', closed_at = now()".to_owned()),
        ("deposit_sessions_paid_is_closed", "payment_status = 'CONFIRMED', confirmed_at = now()".to_owned()),
        ("deposit_sessions_paid_is_closed", "payment_status = 'EXPIRED'".to_owned()),
        ("deposit_sessions_confirmed_at", "confirmed_at = now()".to_owned()),
        ("deposit_sessions_sums", "confirmed_amount = 1".to_owned()),
        ("deposit_sessions_status", "payment_status = 'PAID'".to_owned()),
    ] {
        all_refused(&pool, Actor::Watcher, &[(rule, &update(&set))]).await;
    }
    let too_little = "UPDATE deposit_sessions SET payment_status = 'UNDERPAID', confirmed_at = NULL, tolerance = 0 WHERE id = 'dep_paid'";
    all_refused(&pool, Actor::Watcher, &[("deposit_sessions_paid_in_full", too_little)]).await;
}

#[tokio::test]
async fn money_does_not_leave_a_session_unsaid() {
    let (_database, pool) = world().await;
    for set in ["state = 'ORPHANED'", "session_id = NULL, reason = 'late'", "session_id = 'dep_open'"] {
        let sql = format!("UPDATE transfers SET {set} WHERE session_id = 'dep_paid'");
        all_refused(&pool, Actor::Watcher, &[("deposit_sessions_proof", &sql)]).await;
    }
    let both = "UPDATE transfers SET state = 'ORPHANED', verified = false, confirmed_at = NULL, orphaned_at = now() WHERE session_id = 'dep_paid';
                UPDATE deposit_sessions SET payment_status = 'PENDING', received_amount = 0, confirmed_amount = 0, confirmed_at = NULL,
                       closed_at = NULL, tx_id = NULL WHERE id = 'dep_paid'";
    all_allowed(&pool, Actor::Watcher, &[both]).await;
    let booked: Vec<String> =
        sqlx::query_scalar("SELECT kind || ' ' || units FROM ledger ORDER BY id").fetch_all(&pool).await.unwrap();
    assert_eq!(booked, ["confirm 100000000", "revert -100000000"]);
    let told: Vec<String> =
        sqlx::query_scalar("SELECT type FROM events WHERE session_id = 'dep_paid' ORDER BY position")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(told, ["deposit.created", "deposit.confirmed", "deposit.reverted"]);
}

#[tokio::test]
async fn a_transfer_is_one_row_with_one_owner() {
    let (_database, pool) = world().await;
    let insert = |block: &str, columns: &str, state: &str, values: &str| {
        format!(
            "INSERT INTO transfers (network, block_hash, log_index, block_number, block_time, tx_hash, token_address, from_address, to_address,
                                    amount_units, amount, paid_at, state{columns})
             SELECT 'net', '0x' || repeat('{block}', 64), 0, 1, now(), '0x' || repeat('f', 64), '0x' || repeat('cc', 20),
                    '0x' || repeat('ee', 20), '0x' || repeat('aa', 20), 1, 1, now(), '{state}'{values}"
        )
    };
    let attacks = [
        ("transfers_pkey", insert("1", "", "SEEN", "")),
        ("transfers_network_block_hash_fkey", insert("9", "", "SEEN", "")),
        ("transfers_one_owner", insert("3", ", session_id, reason", "SEEN", ", 'dep_open', 'late'")),
        ("transfers_session_id_fkey", insert("3", ", session_id", "SEEN", ", 'dep_none'")),
        ("transfers_confirmed_is_verified", insert("3", ", confirmed_at", "CONFIRMED", ", now()")),
        ("transfers_confirmed_is_verified", insert("3", ", verified", "CONFIRMED", ", true")),
        ("transfers_state", insert("3", "", "PAID", "")),
        ("transfers_reason", insert("3", ", reason", "SEEN", ", 'whim'")),
    ];
    for (rule, sql) in &attacks {
        all_refused(&pool, Actor::Watcher, &[(rule, sql)]).await;
    }
    all_allowed(&pool, Actor::Watcher, &[&insert("3", "", "SEEN", "")]).await;
}

#[tokio::test]
async fn the_cursor_follows_its_block() {
    let (_database, pool) = world().await;
    let block = |number: u64, hash: &str, parent: &str, canonical: bool| {
        format!(
            "INSERT INTO blocks (network, number, hash, parent_hash, time, canonical)
             VALUES ('net', {number}, '0x' || repeat('{hash}', 64), '0x' || repeat('{parent}', 64), now(), {canonical}); "
        )
    };
    let move_to = |number: u64, hash: &str| {
        format!("UPDATE networks SET scanned_number = {number}, scanned_hash = '0x' || repeat('{hash}', 64)")
    };
    let off = "UPDATE blocks SET canonical = false WHERE number > 2; ";
    let follows = "networks_cursor_follows";
    for (rule, sql) in [
        (follows, move_to(4, "4")),
        (follows, block(4, "4", "3", true) + &move_to(5, "4")),
        (follows, block(4, "4", "9", true) + &move_to(4, "4")),
        (follows, block(4, "4", "3", false) + &move_to(4, "4")),
        (follows, off.to_owned() + &block(4, "4", "3", true) + &move_to(4, "4")),
        (follows, off.to_owned() + &block(9, "9", "8", true) + &move_to(9, "9")),
        ("networks_cursor_is_whole", "UPDATE networks SET confirmed_number = NULL".to_owned()),
        ("networks_confirmed_follows_scanned", "UPDATE networks SET confirmed_number = 4".to_owned()),
        ("networks_confirmed_follows_scanned", off.to_owned() + &move_to(2, "2") + ", confirmed_number = 3"),
        ("blocks_one_canonical_a_height", block(3, "4", "2", true)),
        ("blocks_pkey", block(4, "3", "3", true)),
    ] {
        all_refused(&pool, Actor::Watcher, &[(rule, &sql)]).await;
    }
    let child = block(4, "4", "3", true) + &move_to(4, "4");
    let leap = block(9, "9", "8", true) + &move_to(9, "9");
    let back = "UPDATE blocks SET canonical = false WHERE number > 2; ".to_owned() + &move_to(2, "2");
    all_allowed(&pool, Actor::Watcher, &[&child, &leap, &back]).await;
}
