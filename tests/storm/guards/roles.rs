//! What the roles for outside programs cannot reach at all.

use super::{Actor, all_allowed, all_refused, world};

const DENIED: &str = "42501";

#[tokio::test]
async fn both_roles_read_what_is_theirs_to_read() {
    let (_database, pool) = world().await;
    for actor in [Actor::Api, Actor::Report] {
        for table in ["deposit_sessions", "transfers", "events", "networks", "tokens"] {
            all_allowed(&pool, actor, &[&format!("SELECT * FROM {table}")]).await;
        }
    }
    let finance = [
        "ledger",
        "blocks",
        "businesses",
        "_sqlx_migrations",
        "settlements",
        "reconciliations_standing",
        "token_spans",
        "rereads",
    ];
    let finance = finance.map(|table| format!("SELECT * FROM {table}"));
    all_allowed(&pool, Actor::Report, &finance.each_ref().map(String::as_str)).await;
    let hidden = ["leases", "amount_claims", "rescans", "pending_derivations"];
    for (actor, table) in hidden.iter().flat_map(|table| [(Actor::Api, table), (Actor::Report, table)]) {
        all_refused(&pool, actor, &[(DENIED, &format!("SELECT * FROM {table}"))]).await;
    }
    let open = "SELECT * FROM deposit_watcher_unfinished(now())";
    all_allowed(&pool, Actor::Report, &[open]).await;
    all_refused(&pool, Actor::Api, &[(DENIED, open)]).await;
    all_refused(&pool, Actor::Api, &finance.each_ref().map(|sql| (DENIED, sql.as_str()))).await;
}

#[tokio::test]
async fn no_role_writes_what_is_the_watchers() {
    let (_database, pool) = world().await;
    for table in [
        "networks",
        "leases",
        "tokens",
        "blocks",
        "rescans",
        "transfers",
        "pending_derivations",
        "ledger",
        "reconciliations",
        "token_spans",
        "rereads",
        "events",
        "amount_claims",
        "settlements",
    ] {
        for actor in [Actor::Api, Actor::Report] {
            let (delete, truncate) = (format!("DELETE FROM {table}"), format!("TRUNCATE {table} CASCADE"));
            let insert = format!("INSERT INTO {table} DEFAULT VALUES");
            all_refused(&pool, actor, &[(DENIED, &delete), (DENIED, &truncate), (DENIED, &insert)]).await;
        }
    }
    for set in ["networks SET scanned_number = 9", "transfers SET session_id = 'dep_open'", "events SET data = '{}'"] {
        let sql = format!("UPDATE {set}");
        all_refused(&pool, Actor::Api, &[(DENIED, &sql)]).await;
        all_refused(&pool, Actor::Report, &[(DENIED, &sql)]).await;
    }
}

#[tokio::test]
async fn the_api_role_writes_only_the_columns_of_an_opener() {
    let (_database, pool) = world().await;
    let watchers = [
        ("accepted_at", "now()"),
        ("received_amount", "0"),
        ("confirmed_amount", "0"),
        ("tx_id", "NULL"),
        ("confirmed_at", "NULL"),
        ("closed_at", "NULL"),
        ("updated_at", "now()"),
        ("topup_seconds", "0"),
        ("tolerance", "NULL"),
        ("lost_at_block", "NULL"),
        ("unusable", "NULL"),
        ("examined_with", "NULL"),
    ];
    for (column, value) in watchers {
        let insert = format!(
            "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address, {column})
             VALUES ('dep_new', 1, 'USD', 'net', '0x', '0x', {value})"
        );
        let update = format!("UPDATE deposit_sessions SET {column} = {value} WHERE id = 'dep_open'");
        all_refused(&pool, Actor::Api, &[(DENIED, &insert), (DENIED, &update)]).await;
    }
    for column in ["id", "amount", "currency", "network", "currency_address", "deposit_address", "business_id"] {
        let update = format!("UPDATE deposit_sessions SET {column} = {column} WHERE id = 'dep_open'");
        all_refused(&pool, Actor::Api, &[(DENIED, &update)]).await;
    }
    let delete = "DELETE FROM deposit_sessions";
    let insert = "INSERT INTO deposit_sessions (id) VALUES ('x')";
    let update = "UPDATE deposit_sessions SET customer_email = 'x'";
    all_refused(&pool, Actor::Api, &[(DENIED, delete)]).await;
    all_refused(&pool, Actor::Report, &[(DENIED, delete), (DENIED, insert), (DENIED, update)]).await;
}

/// The mark of the watcher is no secret; what it could open is closed by columns and constraints.
#[tokio::test]
async fn the_api_role_gains_no_money_by_posing_as_the_watcher() {
    let (_database, pool) = world().await;
    let pose = "SET LOCAL deposit_watcher.writer = 'on'";
    for (rule, set) in [
        ("deposit_sessions_confirmed_at", "payment_status = 'CONFIRMED'"),
        ("deposit_sessions_confirmed_at", "payment_status = 'OVERPAID'"),
        ("deposit_sessions_paid_is_closed", "payment_status = 'EXPIRED'"),
        ("deposit_sessions_proof", "payment_status = 'UNDERPAID'"),
        (DENIED, "received_amount = amount, confirmed_amount = amount"),
    ] {
        let sql = format!("{pose}; UPDATE deposit_sessions SET {set} WHERE id = 'dep_open'");
        all_refused(&pool, Actor::Api, &[(rule, &sql)]).await;
    }
}

#[tokio::test]
async fn reservations_are_for_the_api_role_only() {
    let (_database, pool) = world().await;
    let token = format!("0x{}", "cc".repeat(20));
    let sql = format!("SELECT deposit_watcher_reserve('net', '{token}', '0xaa', 7)");
    all_allowed(&pool, Actor::Api, &[&sql]).await;
    all_refused(&pool, Actor::Report, &[(DENIED, &sql)]).await;
}
