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
