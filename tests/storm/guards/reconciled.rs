//! What `reconcile` goes by: the spans that were read for a token, what was read again, which differences stand, and how
//! rows of before come into it.

use sqlx::{Executor, PgPool};

use super::{MIGRATIONS, WORLD, world, world_before};

/// Each span of a token: its ends, and whether it is the one of now.
async fn spans(pool: &PgPool, key: &str) -> Vec<(Option<i64>, Option<i64>, bool)> {
    let select = "SELECT s.from_block, s.to_block, s.until IS NULL FROM token_spans s
                    JOIN tokens k ON k.network = s.network AND k.address = s.token WHERE k.key = $1 ORDER BY s.id";
    sqlx::query_as(select).bind(key).fetch_all(pool).await.unwrap()
}

/// What was read again, but for the row that the world begins with.
async fn rereads(pool: &PgPool) -> Vec<(i64, Option<i64>, Option<String>)> {
    let select = "SELECT from_block, to_block, token FROM rereads ORDER BY id OFFSET 1";
    sqlx::query_as(select).fetch_all(pool).await.unwrap()
}

/// The differences that stand.
async fn standing(pool: &PgPool) -> i64 {
    let select = "SELECT coalesce(sum(differences), 0)::bigint FROM reconciliations_standing";
    sqlx::query_scalar(select).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn each_span_of_a_token_is_kept() {
    let (_database, pool) = world().await;
    assert_eq!(spans(&pool, "usd").await, [(Some(4), None, true)]);
    // What is configured anew changes nothing.
    pool.execute("UPDATE tokens SET followed = true, symbol = 'USDX'").await.unwrap();
    assert_eq!(spans(&pool, "usd").await, [(Some(4), None, true)]);
    // The chain goes back: what is read above is read for it.
    let back_to_2 = "UPDATE networks SET scanned_number = 2, scanned_hash = '0x' || repeat('2', 64)";
    pool.execute(back_to_2).await.unwrap();
    assert_eq!(spans(&pool, "usd").await, [(Some(3), None, true)]);
    pool.execute("UPDATE tokens SET followed = false, left_at = 9").await.unwrap();
    assert_eq!(spans(&pool, "usd").await, [(Some(3), Some(9), false)]);
    pool.execute("UPDATE networks SET scanned_number = 3, scanned_hash = '0x' || repeat('3', 64)").await.unwrap();
    pool.execute("UPDATE tokens SET followed = true, left_at = NULL").await.unwrap();
    assert_eq!(spans(&pool, "usd").await, [(Some(3), Some(9), false), (Some(4), None, true)]);
    pool.execute(back_to_2).await.unwrap();
    assert_eq!(spans(&pool, "usd").await, [(Some(3), Some(2), false), (Some(3), None, true)]);

    // Before the first block it is followed from the first; left before that, nothing was read for it.
    pool.execute("INSERT INTO networks (slug, chain_id, testnet) VALUES ('new', 31337, true)").await.unwrap();
    pool.execute("INSERT INTO tokens (network, key, address, symbol, decimals, followed) VALUES ('new', 'gbp', '0x' || repeat('dd', 20), 'GBP', 6, true)")
        .await
        .unwrap();
    assert_eq!(spans(&pool, "gbp").await, [(None, None, true)]);
    pool.execute("UPDATE tokens SET followed = false WHERE key = 'gbp'").await.unwrap();
    assert_eq!(spans(&pool, "gbp").await, [(None, None, false)]);
}

#[tokio::test]
async fn what_was_looked_at_twice_and_read_again_is_noted() {
    let (_database, pool) = world().await;
    pool.execute("UPDATE networks SET scanned_number = 2, scanned_hash = '0x' || repeat('2', 64)").await.unwrap();
    assert_eq!(rereads(&pool).await, [], "that was not looked at twice");
    pool.execute("UPDATE networks SET confirmed_number = 2").await.unwrap();
    pool.execute(
        "UPDATE networks SET scanned_number = 1, scanned_hash = '0x' || repeat('1', 64), confirmed_number = 1",
    )
    .await
    .unwrap();
    assert_eq!(rereads(&pool).await, [(2, None, None)]);

    let insert = "INSERT INTO rescans (network, from_block, to_block, token, reason, next_first, next_second)
                  VALUES ('net', 5, 9, NULL, 'operator', 5, 5), ('net', 6, 7, '0x' || repeat('cc', 20), 'token', 6, 6)";
    pool.execute(insert).await.unwrap();
    pool.execute("UPDATE rescans SET next_first = 8").await.unwrap();
    assert_eq!(rereads(&pool).await.len(), 1, "neither is finished");
    pool.execute("UPDATE rescans SET finished_at = now() WHERE token IS NULL").await.unwrap();
    pool.execute("UPDATE rescans SET finished_at = now(), added = 1").await.unwrap();
    let token = format!("0x{}", "cc".repeat(20));
    assert_eq!(rereads(&pool).await, [(2, None, None), (5, Some(9), None), (6, Some(7), Some(token))]);
}

#[tokio::test]
async fn a_difference_stands_until_a_run_compared_its_token_over_as_much() {
    let (_database, pool) = world().await;
    let mut all = Vec::new();
    for (run, expected) in [
        // Two of one token, found by a run over both with balances.
        ("1, 9, '{a,b}', '{b}', true, 2", 2),
        ("1, 9, '{a}', '{}', true, 0", 2),
        ("1, 9, '{a,b}', '{}', false, 0", 2),
        ("1, 8, '{a,b}', '{}', true, 0", 2),
        ("2, 9, '{a,b}', '{}', true, 0", 2),
        // The chain had another block: nothing was compared, and that stands besides.
        ("1, 9, '{}', '{}', true, 1", 3),
        ("1, 9, '{b}', '{}', true, 0", 0),
    ] {
        let insert = format!(
            "INSERT INTO reconciliations (network, from_block, to_block, tokens, differing, balances, differences, endpoint, transfers, found, started_at)
             VALUES ('net', {run}, 'one', 0, '[]', now())"
        );
        pool.execute(sqlx::AssertSqlSafe(insert)).await.unwrap();
        all.push((run, standing(&pool).await, expected));
    }
    assert!(all.iter().all(|(_, found, expected)| found == expected), "{all:#?}");
}

/// Rows of the schema before: a token that left and came back, one that is gone, and runs that did not say what they
/// compared.
#[tokio::test]
async fn rows_of_before_excuse_nothing_and_count_for_nothing() {
    let world = WORLD.replace("INSERT INTO rereads (network, from_block) VALUES ('net', 1);", "");
    let (_database, pool) = world_before(16, &world).await;
    let rows = "
        UPDATE tokens SET followed = false, left_at = 1;
        UPDATE tokens SET followed = true, left_at = NULL;
        INSERT INTO tokens (network, key, address, symbol, decimals, followed, left_at) VALUES ('net', 'eur', '0x' || repeat('dd', 20), 'EUR', 6, false, 2);
        INSERT INTO reconciliations (network, from_block, to_block, token, balances, endpoint, transfers, differences, found, started_at)
        VALUES ('net', 1, 9, NULL, false, 'one', 0, 1, '[{\"token\": \"usd\"}]', now()),
               ('net', 1, 9, NULL, false, 'one', 0, 1, '[{\"token\": \"eur\"}]', now()),
               ('net', 1, 9, NULL, false, 'one', 0, 0, '[]', now()),
               ('net', 1, 9, '0x' || repeat('cc', 20), false, 'one', 0, 3, '[{\"token\": \"usd\"}]', now()),
               ('net', 1, 9, NULL, false, 'one', 0, 1001, '[{\"token\": \"usd\"}]', now())";
    pool.execute(sqlx::raw_sql(rows)).await.unwrap();
    MIGRATIONS.run(&pool).await.unwrap();

    // Its transfers of before say that it was read where they are.
    assert_eq!(spans(&pool, "usd").await, [(Some(4), None, true), (Some(1), Some(2), false)]);
    assert_eq!(spans(&pool, "eur").await, [(None, Some(2), false)]);
    let select = "SELECT ARRAY(SELECT k.key FROM tokens k WHERE k.address = ANY (r.tokens) ORDER BY 1),
                         ARRAY(SELECT k.key FROM tokens k WHERE k.address = ANY (r.differing) ORDER BY 1)
                    FROM reconciliations r WHERE r.rereads IS NULL ORDER BY r.id";
    let runs: Vec<(Vec<String>, Vec<String>)> = sqlx::query_as(select).fetch_all(&pool).await.unwrap();
    let of = |tokens: &[&str], differing: &[&str]| {
        let [tokens, differing] =
            [tokens, differing].map(|keys| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>());
        (tokens, differing)
    };
    let expected = [
        of(&["usd"], &[]),
        of(&["usd"], &["usd"]),
        of(&["usd"], &["eur"]),
        of(&["usd"], &[]),
        of(&["usd"], &["usd"]),
        of(&["usd"], &["eur", "usd"]),
    ];
    assert_eq!(runs, expected);
    // Whether the one that is not followed was compared since nobody knows.
    assert_eq!(standing(&pool).await, 1 + 1001);
    let refused = pool.execute("UPDATE reconciliations SET differences = 0").await;
    assert!(refused.is_err(), "they are as they were, for good");
}
