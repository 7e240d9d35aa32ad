//! Rows that outside programs write must harm nobody else.

use crate::house::{House, tokens};
use crate::scripted::{TOKEN, account};

/// "Never expires" is a natural thing to write, and no calendar of ours holds it.
#[tokio::test]
async fn a_time_beyond_the_calendar_is_refused_where_it_is_written() {
    let house = House::new(1).await;
    for (column, time) in [
        ("expires_at", "infinity"),
        ("expires_at", "294000-01-01"),
        ("expires_at", "-infinity"),
        ("created_at", "infinity"),
        ("created_at", "4000-01-01 BC"),
    ] {
        let insert = format!(
            "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address, {column})
             VALUES ('x', 1, 'USD', 'net', '{TOKEN}', '{}', '{time}')",
            account(1)
        );
        let refused = house.attempt(insert).await.unwrap_err();
        assert!(refused.contains("deposit_sessions_guard"), "{column} {time}: {refused}");
    }
    house.open("a", 1).await;
    for column in ["expires_at", "cancelled_at"] {
        let update = format!("UPDATE deposit_sessions SET {column} = 'infinity' WHERE id = 'a'");
        assert!(house.attempt(update).await.unwrap_err().contains("deposit_sessions_guard"), "{column}");
    }
}

/// A symbol was written anew in the configuration: its sessions are unusable now, and their books still right.
#[tokio::test]
async fn a_session_that_became_unusable_gives_its_money_back() {
    let mut house = House::new(1).await;
    house.settle().await;
    house.open("a", 100).await;
    house.world.mine(vec![house.pay(tokens(100))]);
    house.settle().await;
    assert_eq!(house.status("a").await, "PENDING");
    house.network.tokens[0].symbol = "USDX".to_owned();
    house.restart().await;
    house.world.mine_empty(3);
    house.settle().await;
    assert_eq!(house.status("a").await, "PENDING");
    assert_eq!(house.text("SELECT received_amount::text FROM deposit_sessions").await.as_deref(), Some("0"));
    assert_eq!(house.text("SELECT reason FROM transfers").await.as_deref(), Some("invalid_session"));
    assert_eq!(house.books().await, Vec::<String>::new());
}

/// A token was taken from the configuration, then the chain takes its transfer.
#[tokio::test]
async fn a_reorganisation_takes_transfers_of_tokens_that_are_no_longer_configured() {
    let mut house = House::new(1).await;
    house.settle().await;
    house.open("a", 100).await;
    house.open("b", 70).await;
    house.world.mine(vec![house.pay(tokens(70))]);
    house.world.mine_empty(3);
    house.settle().await;
    assert_eq!(house.status("b").await, "CONFIRMED");
    house.world.mine(vec![house.pay(tokens(100))]);
    house.settle().await;
    assert_eq!(house.status("a").await, "PENDING");
    house.network.tokens.clear();
    house.restart().await;
    house.settle().await;
    house.world.reorg(2, vec![vec![], vec![], vec![]]);
    house.settle().await;
    let sums = "SELECT string_agg(payment_status || ' ' || received_amount, ', ' ORDER BY id) FROM deposit_sessions";
    assert_eq!(house.text(sums).await.as_deref(), Some("PENDING 0, CONFIRMED 70"));
    assert_eq!(house.books().await, Vec::<String>::new());
}

/// A session that lives longer than `late_window` is watched as long as it lives.
#[tokio::test]
async fn an_old_session_that_is_open_still_takes_money() {
    let mut house = House::new(1).await;
    house.settle().await;
    house.open("a", 100).await;
    house.run("UPDATE deposit_sessions SET expires_at = now() + interval '1 year'").await;
    house.run("ALTER TABLE deposit_sessions DISABLE TRIGGER USER; UPDATE deposit_sessions SET accepted_at = now() - interval '40 days', created_at = now() - interval '40 days'; ALTER TABLE deposit_sessions ENABLE TRIGGER USER").await;
    house.world.mine(vec![house.pay(tokens(100))]);
    house.settle().await;
    assert_eq!(house.status("a").await, "PENDING");
}

/// Somebody else's open transaction on an amount holds up nobody, and nobody else's amount is left unclaimed for it.
#[tokio::test]
async fn a_claim_in_an_open_transaction_does_not_hold_up_the_network() {
    let mut house = House::new(1).await;
    house.settle().await;
    house.open("a", 100).await;
    house.open_at("b", 70, account(2)).await;
    let mut other = house.sql.begin().await.unwrap();
    let insert = "INSERT INTO amount_claims (network, token_address, to_address, amount) VALUES ('net', $1, $2, 60)";
    let (token, to) = (format!("{TOKEN:#x}"), format!("{:#x}", account(1)));
    sqlx::query(insert).bind(token).bind(to).execute(&mut *other).await.unwrap();
    house.world.mine(vec![house.pay(tokens(40)), house.world.pay(TOKEN, account(99), account(2), tokens(30))]);
    house.settle().await;
    assert_eq!(house.status("a").await, "PENDING");
    let claimed = "SELECT session_id FROM amount_claims WHERE amount = 40";
    assert_eq!(house.text(claimed).await.as_deref(), Some("b"));
    other.rollback().await.unwrap();
}

/// What is left of a part-paid session is its own, also where one that is closed asked for as much: whoever comes next is
/// asked for another amount.
#[tokio::test]
async fn what_is_due_is_claimed_from_a_session_that_is_closed() {
    let mut house = House::new(1).await;
    house.settle().await;
    house.open("c", 40).await;
    // Over for days, closed just now: the address is not shared with it, and its amount not yet free.
    house.run("ALTER TABLE deposit_sessions DISABLE TRIGGER USER; UPDATE deposit_sessions SET payment_status = 'EXPIRED', created_at = now() - interval '3 days', accepted_at = now() - interval '3 days', expires_at = now() - interval '2 days', closed_at = now(); ALTER TABLE deposit_sessions ENABLE TRIGGER USER").await;
    house.open("a", 100).await;
    house.world.mine(vec![house.pay(tokens(60))]);
    house.world.mine_empty(3);
    house.settle().await;
    // By now it would be free: that time has passed is told by asking for none.
    let open = "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address)
                VALUES ('b', deposit_watcher_reserve('net', $1, $2, 40, 'bump', interval '0'), 'USD', 'net', $1, $2)";
    let (token, to) = (TOKEN.to_string(), account(1).to_string());
    sqlx::query(open).bind(token).bind(to).execute(&house.sql).await.unwrap();
    house.world.mine(vec![house.pay(tokens(40))]);
    house.world.mine_empty(3);
    house.settle().await;
    let sessions = "SELECT string_agg(concat_ws(' ', id, trim_scale(amount), payment_status), ', ' ORDER BY id) FROM deposit_sessions";
    let expected = "a 100 CONFIRMED, b 40.000001 CREATED, c 40 EXPIRED";
    assert_eq!(house.text(sessions).await.as_deref(), Some(expected));
}

/// A claim that stands is not taken again: whoever asks for that amount would wait for the network.
#[tokio::test]
async fn a_claim_that_stands_is_not_touched() {
    let mut house = House::new(1).await;
    house.settle().await;
    house.open("a", 100).await;
    house.world.mine(vec![house.pay(tokens(40))]);
    house.settle().await;
    house.world.mine_empty(3);
    house.settle().await;
    assert_eq!(house.status("a").await, "UNDERPAID");
    let locked_by = "SELECT xmax::text FROM amount_claims WHERE amount = 60 AND session_id = 'a'";
    assert_eq!(house.text(locked_by).await.as_deref(), Some("0"));
}
