//! What an outside API may and may not do to `deposit_sessions`.

use super::{Actor, all_allowed, all_refused, attempt, text, world};

#[tokio::test]
async fn the_minimal_insert_works_and_is_completed() {
    let (_database, pool) = world().await;
    for (actor, id) in [(Actor::Outside, "dep_new1"), (Actor::Api, "dep_new2")] {
        let minimal = "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address)";
        let (token, to) = (format!("0x{}", "CC".repeat(20)), format!("0x{}", "AB".repeat(20)));
        let insert = format!("{minimal} VALUES ('{id}', 100.5, 'USD', 'net', '{token}', '{to}')");
        assert_eq!(attempt(&pool, actor, &insert).await, Ok(()));
    }
    let row = "SELECT DISTINCT concat_ws(' ', payment_status, received_amount, confirmed_amount, opened_by, expires_at - created_at,
                      to_address, abs(extract(epoch FROM accepted_at - clock_timestamp())) < 60,
                      num_nonnulls(tx_id, confirmed_at, cancelled_at, closed_at))
                 FROM deposit_sessions WHERE id LIKE 'dep_new_'";
    let expected = "CREATED 0 0 server 00:30:00 0xabababababababababababababababababababab t 0";
    assert_eq!(text(&pool, row).await.as_deref(), Some(expected));
    let events = "SELECT string_agg(type || ' ' || business_id, ', ') FROM events WHERE session_id LIKE 'dep_new_'";
    assert_eq!(text(&pool, events).await.as_deref(), Some("deposit.created default, deposit.created default"));
}

#[tokio::test]
async fn a_new_session_is_open_and_has_received_nothing() {
    let (_database, pool) = world().await;
    let insert = |columns: &str, values: &str| {
        format!(
            "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address{columns})
             VALUES ('dep_new', 1, 'USD', 'net', '0x', '0x'{values})"
        )
    };
    for (rule, column, value) in [
        ("deposit_sessions_status", "payment_status", "'PAID'"),
        ("deposit_sessions_guard", "payment_status", "'CONFIRMED'"),
        ("deposit_sessions_guard", "payment_status", "'EXPIRED'"),
        ("deposit_sessions_guard", "received_amount", "1"),
        ("deposit_sessions_guard", "confirmed_amount", "1"),
        ("deposit_sessions_guard", "tx_id", "'0x'"),
        ("deposit_sessions_guard", "confirmed_at", "now()"),
        ("deposit_sessions_guard", "closed_at", "now()"),
        ("deposit_sessions_guard", "cancelled_at", "now()"),
        ("deposit_sessions_guard", "lost_at_block", "1"),
        ("deposit_sessions_guard", "topup_seconds", "60"),
        ("deposit_sessions_guard", "tolerance", "0"),
        ("deposit_sessions_guard", "unusable", "'unknown_token'"),
        ("deposit_sessions_guard", "examined_with", "'digest'"),
        ("428C9", "token_address", "'0x'"),
    ] {
        // A status that no row may have is stopped by whichever of the two rules comes first.
        let rule = if value == "'PAID'" { "deposit_sessions_guard" } else { rule };
        let sql = insert(&format!(", {column}"), &format!(", {value}"));
        assert_eq!(attempt(&pool, Actor::Outside, &sql).await, Err(rule.to_owned()), "{sql}");
    }
    for amount in ["0", "-1", "'Infinity'", "'NaN'"] {
        let sql = insert("", "").replace("'dep_new', 1,", &format!("'dep_new', {amount},"));
        let refused = attempt(&pool, Actor::Outside, &sql).await;
        assert_eq!(refused, Err("deposit_sessions_amount".to_owned()), "{amount}");
    }
    assert_eq!(attempt(&pool, Actor::Outside, &insert(", payment_status", ", 'PENDING'")).await, Ok(()));
    assert_eq!(attempt(&pool, Actor::Outside, &insert("", "")).await, Err("deposit_sessions_pkey".to_owned()));
}

#[tokio::test]
async fn acceptance_is_stamped_by_the_databases_clock() {
    let (_database, pool) = world().await;
    let sql = "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address, accepted_at, updated_at, created_at)
               VALUES ('dep_new', 1, 'USD', 'net', '0x', '0x', '2001-01-01', '2001-01-01', '2001-01-01')";
    assert_eq!(attempt(&pool, Actor::Outside, sql).await, Ok(()));
    let row = "SELECT concat_ws(' ', accepted_at > now() - interval '1 minute', updated_at = accepted_at, created_at < '2002-01-01')
                 FROM deposit_sessions WHERE id = 'dep_new'";
    assert_eq!(text(&pool, row).await.as_deref(), Some("t t t"));
}

#[tokio::test]
async fn an_open_session_takes_what_belongs_to_its_owner() {
    let (_database, pool) = world().await;
    let update = |set: &str| format!("UPDATE deposit_sessions SET {set} WHERE id = 'dep_open'");
    for set in [
        "expires_at = now() + interval '1 hour'",
        "customer_email = 'a@example.com', customer_reference = 'A-1'",
        "metadata = '{\"order\": 1}'",
        "payment_status = 'PENDING'",
        "cancelled_at = now()",
    ] {
        all_allowed(&pool, Actor::Api, &[&update(set)]).await;
    }
    let row =
        "SELECT concat_ws(' ', payment_status, closed_at IS NOT NULL) FROM deposit_sessions WHERE id = 'dep_open'";
    assert_eq!(text(&pool, row).await.as_deref(), Some("EXPIRED t"));
    let told = "SELECT string_agg(type, ' ' ORDER BY position) FROM events WHERE session_id = 'dep_open'";
    assert_eq!(text(&pool, told).await.as_deref(), Some("deposit.created deposit.pending deposit.expired"));
}

#[tokio::test]
async fn what_was_asked_and_what_came_are_not_an_outsiders_to_change() {
    let (_database, pool) = world().await;
    for set in [
        "amount = 1",
        "amount = 50.0000001",
        "requested_amount = 1",
        "currency = 'EUR'",
        "network = 'other'",
        "currency_address = '0x00'",
        "deposit_address = '0x00'",
        "id = 'dep_other'",
        "business_id = 'other'",
        "widget_id = 'other'",
        "opened_by = 'widget'",
        "created_at = now() - interval '1 day'",
        "accepted_at = now() - interval '1 day'",
        "received_amount = 50",
        "confirmed_amount = 50, received_amount = 50",
        "tx_id = '0x'",
        "payment_status = 'CONFIRMED', confirmed_at = now(), closed_at = now()",
        "payment_status = 'EXPIRED', closed_at = now()",
        "payment_status = 'UNDERPAID'",
        "closed_at = now()",
        "topup_seconds = 60",
        "tolerance = 1",
        "lost_at_block = 3",
        "unusable = 'checksum'",
        "examined_with = 'digest'",
    ] {
        let sql = format!("UPDATE deposit_sessions SET {set} WHERE id = 'dep_open'");
        all_refused(&pool, Actor::Outside, &[("deposit_sessions_guard", &sql)]).await;
        let api = attempt(&pool, Actor::Api, &sql).await;
        let expected = ["42501", "deposit_sessions_guard"];
        assert!(api.as_ref().is_err_and(|rule| expected.contains(&rule.as_str())), "{set}: {api:?}");
    }
}

#[tokio::test]
async fn a_session_never_goes_back() {
    let (_database, pool) = world().await;
    let begun = "UPDATE deposit_sessions SET payment_status = 'PENDING' WHERE id = 'dep_open'";
    let back = "UPDATE deposit_sessions SET payment_status = 'CREATED' WHERE id = 'dep_open'";
    let cancelled = "UPDATE deposit_sessions SET cancelled_at = now() WHERE id = 'dep_open'";
    let revived = "UPDATE deposit_sessions SET cancelled_at = NULL WHERE id = 'dep_open'";
    let reopened = "UPDATE deposit_sessions SET payment_status = 'CREATED', closed_at = NULL WHERE id = 'dep_open'";
    let longer = "UPDATE deposit_sessions SET expires_at = now() + interval '1 hour' WHERE id = 'dep_open'";
    let deleted = "DELETE FROM deposit_sessions WHERE id = 'dep_open'";
    let guard = |sql| ("deposit_sessions_guard", sql);
    all_allowed(&pool, Actor::Outside, &[begun]).await;
    all_refused(&pool, Actor::Outside, &[guard(back), guard(deleted)]).await;
    all_allowed(&pool, Actor::Outside, &[cancelled]).await;
    all_refused(&pool, Actor::Outside, &[revived, reopened, longer, cancelled].map(guard)).await;
}

#[tokio::test]
async fn a_paid_session_is_closed_to_everybody_outside() {
    let (_database, pool) = world().await;
    for set in [
        "cancelled_at = now()",
        "expires_at = now()",
        "customer_email = 'x'",
        "metadata = '{}'",
        "payment_status = 'PENDING'",
    ] {
        let sql = format!("UPDATE deposit_sessions SET {set} WHERE id = 'dep_paid'");
        all_refused(&pool, Actor::Api, &[("deposit_sessions_guard", &sql)]).await;
    }
    all_refused(
        &pool,
        Actor::Watcher,
        &[("deposit_sessions_guard", "DELETE FROM deposit_sessions WHERE id = 'dep_paid'")],
    )
    .await;
}

/// A program that writes back all columns it knows must not trip over proofs that read what its role cannot.
#[tokio::test]
async fn a_session_with_money_can_still_be_touched_under_the_role() {
    let (_database, pool) = world().await;
    let seen = "UPDATE transfers SET session_id = 'dep_open', reason = NULL WHERE block_number = 2;
                UPDATE deposit_sessions SET payment_status = 'PENDING', received_amount = 0.000001, tx_id = '0x' || repeat('e', 64)
                 WHERE id = 'dep_open'";
    all_allowed(&pool, Actor::Watcher, &[seen]).await;
    let touch =
        "UPDATE deposit_sessions SET payment_status = 'PENDING', customer_email = 'a@example.com', cancelled_at = now()
                  WHERE id = 'dep_open'";
    all_allowed(&pool, Actor::Api, &[touch]).await;
    let row = "SELECT concat_ws(' ', payment_status, closed_at IS NULL) FROM deposit_sessions WHERE id = 'dep_open'";
    assert_eq!(text(&pool, row).await.as_deref(), Some("PENDING t"), "its money still counts");
}
