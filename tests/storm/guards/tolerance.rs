//! Sessions from before they kept the tolerance that they are judged by: what was decided stands.

use sqlx::Executor;

use super::{MIGRATIONS, WORLD, text, world_before};

/// The token's is half a token now. Two were judged by another one: `far` by a greater, `near` by a smaller one.
const BEFORE: &str = "
    SET session_replication_role = replica;
    UPDATE tokens SET tolerance = 0.5;
    INSERT INTO deposit_sessions (id, amount, received_amount, confirmed_amount, payment_status, currency, network, currency_address,
                                  deposit_address, confirmed_at, closed_at)
    SELECT id, amount, received, confirmed, status, 'USD', 'net', '0x' || repeat('CC', 20), '0x' || repeat('ac', 20),
           CASE status WHEN 'CONFIRMED' THEN now() END, CASE status WHEN 'CONFIRMED' THEN now() END
      FROM (VALUES ('all', 100, 100, 100, 'CONFIRMED'), ('far', 100, 99.2, 99.2, 'CONFIRMED'), ('half', 100, 99.5, 99.5, 'CONFIRMED'),
                   ('hundredth', 10.000150, 9.95, 0, 'PENDING'), ('near', 100, 99.6, 99.6, 'UNDERPAID'), ('none', 100, 0, 0, 'CREATED'),
                   ('part', 100, 40, 40, 'UNDERPAID')) v (id, amount, received, confirmed, status);
    SET session_replication_role = origin";

#[tokio::test]
async fn what_was_decided_stands() {
    let (_database, pool) = world_before(22, WORLD).await;
    pool.execute(sqlx::raw_sql(BEFORE)).await.unwrap();
    MIGRATIONS.run(&pool).await.unwrap();
    let kept = "SELECT string_agg(concat_ws(' ', id, trim_scale(tolerance)), ', ' ORDER BY id COLLATE \"C\")
                  FROM deposit_sessions WHERE id NOT LIKE 'dep_%'";
    let expected = "all, far 0.8, half 0.5, hundredth 0.100001, near 0, none, part 0.5";
    assert_eq!(text(&pool, kept).await.as_deref(), Some(expected));
    let wrong = "SELECT string_agg(subject, ' ') FROM deposit_watcher_books WHERE rule = 'status_agrees_with_sums'";
    assert_eq!(text(&pool, wrong).await, None);

    // A watcher of the version before goes on for a while, and does not say by what it judges.
    let mut unit = pool.begin().await.unwrap();
    let judged = "SET LOCAL deposit_watcher.writer = 'on';
                  UPDATE deposit_sessions SET received_amount = 1 WHERE id = 'none'";
    unit.execute(sqlx::raw_sql(judged)).await.unwrap();
    let kept: Option<String> = sqlx::query_scalar(kept).fetch_one(&mut *unit).await.unwrap();
    let expected = "all, far 0.8, half 0.5, hundredth 0.100001, near 0, none 0.5, part 0.5";
    assert_eq!(kept.as_deref(), Some(expected));
}
