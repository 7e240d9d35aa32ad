//! The books, each proven by breaking it on purpose: with triggers switched off, what no program should do. For each rule
//! there is a way to break it and no other, so that none is another one's shadow.

use std::collections::BTreeSet;

use sqlx::{Executor, PgPool};

use super::world;

/// What is broken by each of these, and nothing else.
const BREAKS: &[(&[&str], &str)] = &[
    (&["transfer_has_one_owner"], "UPDATE transfers SET reason = NULL WHERE session_id IS NULL"),
    (&["session_sums"], "UPDATE deposit_sessions SET payment_status = 'OVERPAID', received_amount = 100.000001, confirmed_amount = 100.000001
        WHERE id = 'dep_paid';
      UPDATE events SET type = 'deposit.overpaid', data = data || '{\"status\": \"OVERPAID\", \"receivedAmount\": \"100.000001\"}'
        WHERE type = 'deposit.confirmed';
      SELECT note('confirm', 1, 'dep_paid'), note('release', -1, NULL)"),
    (&["session_sums", "status_agrees_with_sums", "newest_event_tells_the_session"],
      "UPDATE deposit_sessions SET received_amount = 99 WHERE id = 'dep_open'"),
    (&["session_sums", "session_names_its_newest_transfer", "transfer_stays_where_it_was_sent"],
      "UPDATE transfers SET session_id = 'dep_open' WHERE session_id = 'dep_paid'"),
    (&["status_agrees_with_sums"], "UPDATE deposit_sessions SET payment_status = 'UNDERPAID', confirmed_at = NULL, tolerance = NULL WHERE id = 'dep_paid';
      UPDATE events SET type = 'deposit.underpaid', data = data || '{\"status\": \"UNDERPAID\"}' WHERE type = 'deposit.confirmed'"),
    (&["status_agrees_with_sums"], "UPDATE deposit_sessions SET payment_status = 'OVERPAID' WHERE id = 'dep_paid';
      UPDATE events SET type = 'deposit.overpaid', data = data || '{\"status\": \"OVERPAID\"}' WHERE type = 'deposit.confirmed'"),
    (&["session_names_its_newest_transfer"], "UPDATE deposit_sessions SET tx_id = '0x' WHERE id = 'dep_paid';
      UPDATE events SET data = data || '{\"txHash\": \"0x\"}' WHERE type = 'deposit.confirmed'"),
    (&["transfer_stays_where_it_was_sent"], "UPDATE transfers SET to_address = '0x' || repeat('ab', 20) WHERE session_id = 'dep_paid'"),
    (&["confirmed_was_looked_at_twice"], "UPDATE networks SET confirmed_number = 0"),
    (&["confirmed_was_looked_at_twice", "transfer_shares_its_blocks_fate"], "UPDATE blocks SET canonical = false WHERE number = 1"),
    (&["transfer_shares_its_blocks_fate"], "UPDATE blocks SET canonical = false WHERE number = 2"),
    (&["cursor_is_the_newest_canonical_block"], "UPDATE blocks SET canonical = false WHERE number = 3"),
    (&["cursor_is_the_newest_canonical_block"], "UPDATE networks SET scanned_number = 2, scanned_hash = '0x' || repeat('2', 64)"),
    (&["blocks_follow_their_parents"], "UPDATE blocks SET parent_hash = '0x' || repeat('9', 64) WHERE number = 2"),
    (&["newest_event_tells_the_session"], "UPDATE deposit_sessions SET payment_status = 'PENDING' WHERE id = 'dep_open'"),
    (&["newest_event_tells_the_session", "paid_sessions_were_told"], "DELETE FROM events WHERE type = 'deposit.confirmed'"),
    (&["ledger_holds_each_confirmed_transfer_once"], "SELECT note('confirm', 1, NULL)"),
    (&["ledger_holds_each_confirmed_transfer_once", "ledger_sums_to_sessions", "ledger_reverses_only_what_it_holds"],
      "INSERT INTO ledger (kind, network, token_address, from_address, to_address, block_number, block_hash, block_time, log_index, tx_hash, session_id, units, amount)
      SELECT kind, network, token_address, from_address, to_address, block_number, block_hash, block_time, log_index, tx_hash, session_id, units, amount FROM ledger"),
    (&["ledger_holds_each_confirmed_transfer_once", "session_sums"], "UPDATE transfers SET state = 'SEEN' WHERE session_id = 'dep_paid'"),
    (&["ledger_sums_to_sessions"], "UPDATE ledger SET session_id = 'dep_open'"),
    (&["paid_sessions_were_told"], "UPDATE events SET type = 'deposit.pending' WHERE type = 'deposit.confirmed'"),
    (&["sequences_have_no_gap"], "UPDATE events SET sequence = 2 WHERE type = 'deposit.confirmed'; INSERT INTO event_sequences VALUES ('default', 2)"),
    (&["sequences_end_at_their_counter"], "UPDATE events SET sequence = 1 WHERE type = 'deposit.confirmed'"),
    (&["sequences_end_at_their_counter"], "INSERT INTO event_sequences VALUES ('default', 3)"),
    (&["deliveries_stay_in_their_business"], "INSERT INTO webhook_endpoints (id, business_id, url) VALUES ('we_1', 'other', 'https://other.example');
      INSERT INTO webhook_deliveries (endpoint_id, event_id, business_id, sequence)
      SELECT 'we_1', id, business_id, 1 FROM events WHERE type = 'deposit.confirmed'"),
    (&["deliveries_stay_in_their_business"], "INSERT INTO webhook_endpoints (id, business_id, url) VALUES ('we_1', 'default', 'https://own.example');
      INSERT INTO webhook_deliveries (endpoint_id, event_id, business_id, sequence)
      SELECT 'we_1', id, business_id, 7 FROM events WHERE type = 'deposit.confirmed'"),
    (&["settled_as_a_person_decided"], "INSERT INTO settlements (network, block_hash, log_index, MONEY, kind, note, os_user, answered_at, outcome, answer)
      SELECT network, block_hash, log_index, tx_hash, token_address, from_address, to_address, amount_units + 1, 'ignore', 'a test', 'anna', now(), 'done', 'yes' FROM transfers WHERE session_id IS NULL;
      UPDATE transfers SET settled = 'ignored', settlement = (SELECT max(id) FROM settlements) WHERE session_id IS NULL"),
    (&["settled_as_a_person_decided"], "INSERT INTO settlements (network, block_hash, log_index, MONEY, kind, note, os_user, answered_at, outcome, answer)
      SELECT network, block_hash, log_index, MONEY, 'ignore', 'a test', 'anna', now(), 'refused', 'no' FROM transfers WHERE session_id IS NULL;
      UPDATE transfers SET settled = 'ignored', settlement = (SELECT max(id) FROM settlements) WHERE session_id IS NULL"),
    (&["settled_as_a_person_decided"], "INSERT INTO settlements (network, block_hash, log_index, MONEY, kind, note, os_user, answered_at, outcome, answer)
      SELECT network, block_hash, log_index, MONEY, 'ignore', 'a test', 'anna', now(), 'done', 'yes' FROM transfers WHERE session_id IS NULL;
      UPDATE transfers SET settled = 'refunded', settlement = (SELECT max(id) FROM settlements) WHERE session_id IS NULL"),
    (&["settled_as_a_person_decided", "session_sums", "session_names_its_newest_transfer", "transfer_stays_where_it_was_sent"],
      "INSERT INTO settlements (network, block_hash, log_index, MONEY, kind, session_id, note, os_user, answered_at, outcome, answer)
      SELECT network, block_hash, log_index, MONEY, 'assign', 'dep_open', 'a test', 'anna', now(), 'done', 'yes' FROM transfers WHERE session_id IS NULL;
      UPDATE transfers SET settled = 'assigned', settlement = (SELECT max(id) FROM settlements), session_id = 'dep_paid', reason = NULL WHERE session_id IS NULL"),
    (&["settled_as_a_person_decided"], "INSERT INTO settlements (network, block_hash, log_index, MONEY, kind, note, os_user, answered_at, outcome, answer)
      SELECT network, block_hash, log_index, MONEY, 'ignore', 'a test', 'anna', now(), 'done', 'yes' FROM transfers WHERE session_id = 'dep_paid';
      UPDATE transfers SET settled = 'ignored', settlement = (SELECT max(id) FROM settlements) WHERE session_id IS NULL"),
    (&["settled_as_a_person_decided"], "INSERT INTO settlements (network, block_hash, log_index, MONEY, kind, note, os_user, answered_at, outcome, answer)
      SELECT network, block_hash, log_index, MONEY, 'ignore', 'a test', 'anna', now(), 'done', 'yes' FROM transfers WHERE session_id IS NULL;
      UPDATE transfers SET settled = 'ignored', settlement = (SELECT max(id) FROM settlements) WHERE session_id IS NULL;
      INSERT INTO settlements (network, block_hash, log_index, MONEY, kind, note, os_user, answered_at, outcome, answer, undoes)
      SELECT network, block_hash, log_index, MONEY, 'release', 'a test', 'anna', now(), 'done', 'yes', settlement FROM transfers WHERE session_id IS NULL"),
    (&["refunds_are_booked_once"], "INSERT INTO settlements (network, block_hash, log_index, MONEY, kind, refund_tx, note, os_user, answered_at, outcome, answer)
      SELECT network, block_hash, log_index, MONEY, 'refund', '0x' || repeat('f', 64), 'a test', 'anna', now(), 'done', 'yes' FROM transfers WHERE session_id IS NULL"),
    (&["refunds_are_booked_once"], "INSERT INTO ledger (kind, network, token_address, from_address, to_address, block_number, block_hash, block_time, log_index, tx_hash, units, amount)
      SELECT 'refund', network, token_address, from_address, to_address, block_number, block_hash, block_time, log_index, tx_hash, -units, -amount FROM ledger"),
    (&["transfer_stays_in_its_business"], "UPDATE events SET business_id = 'other' WHERE type = 'deposit.confirmed'"),
    (&["transfer_amounts_are_exact"], "UPDATE transfers SET amount = 0.0000010001 WHERE session_id IS NULL"),
    (&["ledger_amounts_are_exact"], "SELECT note('confirm', 1, NULL), note('release', -1, NULL); UPDATE ledger SET amount = 2 * amount WHERE session_id IS NULL"),
    (&["ledger_lines_have_their_sign"], "SELECT note('confirm', 1, NULL), note('assign', -1, NULL)"),
    (&["ledger_lines_have_their_sign"], "SELECT note('revert', 1, NULL), note('revert', -1, NULL)"),
    (&["ledger_reverses_only_what_it_holds"], "SELECT note('revert', -1, NULL), note('confirm', 1, NULL)"),
    (&["ledger_reverses_only_what_it_holds"], "SELECT note('confirm', 1, NULL), note('confirm', 1, NULL), note('revert', -2, NULL)"),
    (&["ledger_reverses_only_what_it_holds"], "SELECT note('confirm', 2, NULL), note('revert', -1, NULL), note('revert', -1, NULL)"),
    (&["refunds_are_booked_once"], "SELECT note('confirm', 2, NULL), note('revert', -2, NULL);
      INSERT INTO settlements (network, block_hash, log_index, MONEY, kind, refund_tx, note, os_user, answered_at, outcome, answer)
      SELECT network, block_hash, log_index, MONEY, 'refund', '0x' || repeat('f', 64), 'a test', 'anna', now(), 'done', 'yes' FROM transfers WHERE session_id IS NULL;
      SELECT note('refund', -1, NULL); UPDATE ledger SET settlement = (SELECT max(id) FROM settlements) WHERE kind = 'refund'"),
    (&["transaction_is_confirmed_in_one_block"], "UPDATE networks SET confirmed_number = 2;
      INSERT INTO transfers SELECT (jsonb_populate_record(t, jsonb_build_object('block_hash', '0x' || repeat('2', 64), 'block_number', 2,
             'log_index', 5, 'session_id', NULL, 'reason', 'late'))).* FROM transfers t WHERE session_id = 'dep_paid';
      INSERT INTO ledger (kind, network, token_address, from_address, to_address, block_number, block_hash, block_time, log_index, tx_hash, units, amount)
      SELECT 'confirm', network, token_address, from_address, to_address, block_number, block_hash, block_time, log_index, tx_hash, amount_units, amount FROM transfers WHERE reason = 'late'"),
    (&["no_change_is_told_twice"], "INSERT INTO events (type, session_id, business_id, network, tx_hash, data)
      SELECT type, session_id, business_id, network, tx_hash, data || '{\"confirmations\": 9}' FROM events WHERE type = 'deposit.confirmed'"),
    (&["reverts_were_told"], "UPDATE transfers SET state = 'ORPHANED' WHERE session_id = 'dep_paid';
      INSERT INTO ledger (kind, network, token_address, from_address, to_address, block_number, block_hash, block_time, log_index, tx_hash, session_id, units, amount)
      SELECT 'revert', network, token_address, from_address, to_address, block_number, block_hash, block_time, log_index, tx_hash, session_id, -units, -amount FROM ledger;
      UPDATE deposit_sessions SET payment_status = 'PENDING', received_amount = 0, confirmed_amount = 0, tx_id = NULL, confirmed_at = NULL
        WHERE id = 'dep_paid';
      INSERT INTO events (type, session_id, business_id, network, data) SELECT 'deposit.pending', session_id, business_id, network,
             data || '{\"status\": \"PENDING\", \"txHash\": null, \"receivedAmount\": \"0\", \"confirmedAmount\": \"0\"}'
        FROM events WHERE type = 'deposit.confirmed'"),
    (&["payment_stays_in_its_business"], "INSERT INTO payments (business_id, deposit_id, widget_id, token, request, return_url, opens_until, expires_at, session_id)
      VALUES ('other', '00000000-0000-4000-8000-000000000000', 'wid_1', sha256('a'), sha256('b'), 'https://a.example', now(), now(), 'dep_paid')"),
];

/// What a transfer moved, in statements above: the triggers that fill it in are off.
const MONEY: &str = "tx_hash, token_address, from_address, to_address, amount_units";

/// Books so many base units of the transfer that pays nobody, whatever triggers think of it.
const NOTE: &str = "CREATE FUNCTION note(kind text, units numeric, session text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO ledger (kind, network, token_address, from_address, to_address, block_number, block_hash, block_time, log_index, tx_hash, session_id, units, amount)
    SELECT $1, network, token_address, from_address, to_address, block_number, block_hash, block_time, log_index, tx_hash, $3, $2, $2 / 1000000 FROM transfers WHERE reason = 'dust' $$";

async fn findings(pool: &PgPool) -> BTreeSet<String> {
    let rules: Vec<String> =
        sqlx::query_scalar("SELECT rule FROM deposit_watcher_books").fetch_all(pool).await.unwrap();
    rules.into_iter().collect()
}

#[allow(clippy::disallowed_types, reason = "the statements are written here")]
#[tokio::test]
async fn each_rule_finds_what_breaks_it_and_nothing_else() {
    let (_database, pool) = world().await;
    assert_eq!(findings(&pool).await, BTreeSet::new(), "the world is in order");
    pool.execute(NOTE).await.unwrap();
    let mut wrong = Vec::new();
    for (rules, sql) in BREAKS {
        let mut transaction = pool.begin().await.unwrap();
        transaction.execute("SET LOCAL session_replication_role = replica").await.unwrap();
        let sql = sql.replace("MONEY", MONEY);
        transaction.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone()))).await.unwrap();
        let found: Vec<String> =
            sqlx::query_scalar("SELECT rule FROM deposit_watcher_books").fetch_all(&mut *transaction).await.unwrap();
        let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
        let expected: BTreeSet<&str> = rules.iter().copied().collect();
        if found != expected {
            wrong.push(format!("{found:?}, not {expected:?}: {sql}"));
        }
        transaction.rollback().await.unwrap();
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
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
    assert!(all.len() > 20, "{all:?}");
    let alone = BREAKS.iter().filter_map(|(rules, _)| if let [rule] = rules { Some((*rule).to_owned()) } else { None });
    assert_eq!(
        all.into_iter().collect::<BTreeSet<_>>(),
        alone.collect(),
        "each rule needs a case that breaks it alone"
    );
}

/// Since when a token is followed decides what `reconcile` calls missing.
#[tokio::test]
async fn a_token_knows_since_when_it_is_followed() {
    let (_database, pool) = world().await;
    let since = async |key: &'static str| -> Option<i64> {
        sqlx::query_scalar("SELECT followed_from FROM tokens WHERE key = $1").bind(key).fetch_one(&pool).await.unwrap()
    };
    pool.execute("INSERT INTO tokens (network, key, address, symbol, decimals, followed) VALUES ('net', 'eur', '0x' || repeat('dd', 20), 'EUR', 6, true)")
        .await
        .unwrap();
    assert_eq!(since("eur").await, Some(4));
    pool.execute("UPDATE networks SET scanned_number = 2, scanned_hash = '0x' || repeat('2', 64)").await.unwrap();
    pool.execute("UPDATE tokens SET followed = true, symbol = 'EURX' WHERE key = 'eur'").await.unwrap();
    assert_eq!(since("eur").await, Some(4), "it was followed all the time");
    pool.execute("UPDATE tokens SET followed = false WHERE key = 'eur'").await.unwrap();
    pool.execute("UPDATE tokens SET followed = true WHERE key = 'eur'").await.unwrap();
    assert_eq!(since("eur").await, Some(3));
    // One that was there before the first block was read is followed from the first.
    pool.execute("INSERT INTO networks (slug, chain_id, testnet) VALUES ('new', 31337, true)").await.unwrap();
    pool.execute("INSERT INTO tokens (network, key, address, symbol, decimals, followed) VALUES ('new', 'gbp', '0x' || repeat('dd', 20), 'GBP', 6, true)")
        .await
        .unwrap();
    assert_eq!(since("gbp").await, None);
}
