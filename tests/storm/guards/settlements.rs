//! What persons decide: who asked is the database's word, what was asked stays, and even a watcher that is wrong gives no
//! session what it does not count.

use sqlx::Executor;

use super::{Actor, MIGRATIONS, WORLD, all_allowed, all_refused, attempt, text, world, world_before};

/// Asks about the transfer that pays nobody.
const ASK: &str = "INSERT INTO settlements (network, block_hash, log_index, kind, note, os_user)
    SELECT network, block_hash, log_index, 'ignore', 'a test', 'anna' FROM transfers WHERE session_id IS NULL";

fn asking(columns: &str, values: &str) -> String {
    format!(
        "INSERT INTO settlements (network, block_hash, log_index, os_user, {columns})
         SELECT network, block_hash, log_index, 'anna', {values} FROM transfers WHERE session_id IS NULL"
    )
}

#[tokio::test]
async fn who_asked_and_when_is_the_databases_word() {
    let (_database, pool) = world().await;
    let forged = asking("kind, note, database_user, asked_at", "'ignore', 'a test', 'somebody else', 'epoch'");
    all_allowed(&pool, Actor::Outside, &[&forged]).await;
    let told = "SELECT (database_user = session_user AND asked_at > now() - interval '1 hour')::text FROM settlements";
    assert_eq!(text(&pool, told).await.as_deref(), Some("true"));
}

/// `units tx` of each decision.
const MONEY: &str =
    "SELECT string_agg(concat_ws(' ', amount_units, left(tx_hash, 3)), ', ' ORDER BY id) FROM settlements";

/// A decision in force on a transfer that was mined again, while another log has come to stand where it was asked for.
const MOVED: &str = "
    SET session_replication_role = replica;
    UPDATE settlements SET answered_at = now(), outcome = 'done', answer = 'yes';
    INSERT INTO transfers (network, block_hash, log_index, block_number, block_time, tx_hash, token_address, from_address, to_address,
                           amount_units, amount, state, paid_at, reason, settled, settlement)
    SELECT network, '0x' || repeat('3', 64), log_index, 3, block_time, tx_hash, token_address, from_address, to_address,
           amount_units, amount, state, paid_at, reason, 'ignored', (SELECT id FROM settlements)
      FROM transfers WHERE session_id IS NULL;
    UPDATE transfers SET tx_hash = '0x' || repeat('9', 64), amount_units = 7, amount = 0.000007 WHERE session_id IS NULL AND block_number = 2;
    SET session_replication_role = origin";

#[tokio::test]
async fn a_decision_is_about_what_is_there_unless_it_says_otherwise() {
    let (_database, pool) = world_before(20, WORLD).await;
    all_allowed(&pool, Actor::Outside, &[ASK]).await;
    pool.execute(sqlx::raw_sql(MOVED)).await.unwrap();
    let ask = ASK.replace("session_id IS NULL", "block_number = 2");
    all_allowed(&pool, Actor::Outside, &[&ask]).await;
    MIGRATIONS.run(&pool).await.unwrap();
    let of_before = "1 0xe, 7 0x9";
    assert_eq!(text(&pool, MONEY).await.as_deref(), Some(of_before));
    all_allowed(&pool, Actor::Outside, &[&ask]).await;
    assert_eq!(text(&pool, MONEY).await, Some(format!("{of_before}, 7 0x9")));
    let of = |units: &str| {
        asking(
            "kind, note, tx_hash, token_address, from_address, to_address, amount_units",
            &format!("'ignore', 'a test', tx_hash, token_address, from_address, to_address, {units}"),
        )
        .replace("session_id IS NULL", "block_number = 2")
    };
    all_allowed(&pool, Actor::Outside, &[&of("8")]).await;
    assert_eq!(text(&pool, MONEY).await, Some(format!("{of_before}, 7 0x9, 8 0x9")));
    // Part of it is nothing that could be compared, and what the holder cannot read is nothing that waits for him.
    all_refused(&pool, Actor::Outside, &[("23502", &of("NULL"))]).await;
    for units in ["'NaN'", "-1", "2::numeric ^ 256"] {
        all_refused(&pool, Actor::Outside, &[("settlements_amount_units", &of(units))]).await;
    }
}

#[tokio::test]
async fn a_decision_says_what_and_why() {
    let (_database, pool) = world().await;
    for (rule, columns, values) in [
        ("settlements_note", "kind, note", "'ignore', '  '"),
        ("settlements_kind", "kind, note", "'destroy', 'a test'"),
        ("settlements_says_what", "kind, note", "'assign', 'a test'"),
        ("settlements_says_what", "kind, note", "'refund', 'a test'"),
        ("settlements_says_what", "kind, note, session_id", "'ignore', 'a test', 'dep_open'"),
        ("settlements_session_id_fkey", "kind, note, session_id", "'assign', 'a test', 'dep_none'"),
        ("settlements_refund_tx", "kind, note, refund_tx", "'refund', 'a test', '0x1'"),
        ("settlements_guard", "kind, note, answered_at, outcome, answer", "'ignore', 'a test', now(), 'done', 'yes'"),
    ] {
        all_refused(&pool, Actor::Outside, &[(rule, &asking(columns, values))]).await;
    }
    let nowhere = ASK.replace("block_hash, log_index, 'ignore'", "block_hash, 77, 'ignore'");
    all_refused(&pool, Actor::Outside, &[("settlements_network_block_hash_log_index_fkey", &nowhere)]).await;
}

#[tokio::test]
async fn what_was_decided_is_never_rewritten() {
    let (_database, pool) = world().await;
    all_allowed(&pool, Actor::Outside, &[ASK]).await;
    let answer = "UPDATE settlements SET answered_at = now(), outcome = 'done', answer = 'yes'";
    all_refused(&pool, Actor::Outside, &[("settlements_append_only", answer)]).await;
    let attacks = [
        "DELETE FROM settlements",
        "UPDATE settlements SET note = 'another'",
        "UPDATE settlements SET os_user = 'otto'",
        "UPDATE settlements SET kind = 'release'",
        "UPDATE settlements SET amount_units = amount_units + 1",
        "UPDATE settlements SET database_user = 'otto'",
        "UPDATE settlements SET asked_at = now() - interval '1 day'",
    ];
    for actor in [Actor::Outside, Actor::Watcher] {
        all_refused(&pool, actor, &attacks.map(|sql| ("settlements_append_only", sql))).await;
        all_refused(&pool, actor, &[("settlements_append_only", "TRUNCATE settlements CASCADE")]).await;
    }
    all_allowed(&pool, Actor::Watcher, &[answer]).await;
    let again = "UPDATE settlements SET outcome = 'refused', answer = 'no'";
    all_refused(&pool, Actor::Watcher, &[("settlements_append_only", again)]).await;
}

#[tokio::test]
async fn a_transfer_is_settled_by_a_decision_and_by_all_of_it() {
    let (_database, pool) = world().await;
    all_allowed(&pool, Actor::Outside, &[ASK]).await;
    let set = |columns: &str| format!("UPDATE transfers SET {columns} WHERE session_id IS NULL");
    let decision = "settlement = (SELECT id FROM settlements)";
    for (rule, columns) in [
        ("transfers_settled_is_whole", "settled = 'ignored'".to_owned()),
        ("transfers_settled_is_whole", decision.to_owned()),
        ("transfers_settled_is_whole", format!("settled = 'assigned', {decision}")),
        ("transfers_settled_is_whole", format!("settled = 'ignored', reason = NULL, {decision}")),
        (
            "transfers_settled_is_whole",
            format!("settled = 'refunded', reason = NULL, session_id = 'dep_open', {decision}"),
        ),
        // Given, and not counted; and to somebody elsewhere.
        ("deposit_sessions_proof", format!("settled = 'assigned', reason = NULL, session_id = 'dep_open', {decision}")),
        (
            "transfers_settled_proof",
            format!("settled = 'assigned', reason = NULL, session_id = 'dep_paid', {decision}"),
        ),
    ] {
        all_refused(&pool, Actor::Watcher, &[(rule, &set(&columns))]).await;
    }
    all_allowed(&pool, Actor::Watcher, &[&set(&format!("settled = 'ignored', {decision}"))]).await;
    let second = format!(
        "UPDATE transfers SET settled = 'ignored', session_id = NULL, reason = 'late', {decision} WHERE session_id = 'dep_paid'"
    );
    let refused = attempt(&pool, Actor::Watcher, &second).await;
    assert_eq!(refused, Err("transfers_settlement".to_owned()), "one decision, one transfer");
}
