//! What Postgres itself refuses (I10), attacked in plain SQL as an outside program, as the role it should have, and as a
//! watcher that is wrong.

mod books;
mod closed;
mod pruning;
mod reconciled;
mod reserve;
mod roles;
mod sessions;
mod settlements;
mod tolerance;
mod watcher;

use sqlx::migrate::Migrator;
use sqlx::{Executor, PgPool};

use crate::support::Database;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// A network at block 3, one token, `dep_paid` confirmed by a transfer in block 1, `dep_open` open, an unmatched transfer.
const WORLD: &str = "
SET deposit_watcher.writer = 'on';
INSERT INTO networks (slug, chain_id, testnet, fence) VALUES ('net', 31337, true, 1);
INSERT INTO blocks (network, number, hash, parent_hash, time)
SELECT 'net', n, '0x' || repeat(n::text, 64), '0x' || repeat((n - 1)::text, 64), now() + n * interval '1 second' FROM generate_series(1, 3) n;
UPDATE networks SET scanned_number = 3, scanned_hash = '0x' || repeat('3', 64), scanned_time = now(), first_number = 0, confirmed_number = 1;
INSERT INTO tokens (network, key, address, symbol, decimals, followed) VALUES ('net', 'usd', '0x' || repeat('cc', 20), 'USD', 6, true);
INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address)
VALUES ('dep_paid', 100, 'USD', 'net', '0x' || repeat('cc', 20), '0x' || repeat('aa', 20)),
       ('dep_open', 50, 'USD', 'net', '0x' || repeat('cc', 20), '0x' || repeat('ab', 20));
INSERT INTO transfers (network, block_hash, log_index, block_number, block_time, tx_hash, token_address, from_address, to_address,
                       amount_units, amount, state, paid_at, reason)
VALUES ('net', '0x' || repeat('1', 64), 0, 1, now(), '0x' || repeat('d', 64), '0x' || repeat('cc', 20), '0x' || repeat('ee', 20),
        '0x' || repeat('aa', 20), 100000000, 100, 'SEEN', now(), NULL),
       ('net', '0x' || repeat('2', 64), 0, 2, now(), '0x' || repeat('e', 64), '0x' || repeat('cc', 20), '0x' || repeat('ee', 20),
        '0x' || repeat('ab', 20), 1, 0.000001, 'SEEN', now(), 'dust');
UPDATE transfers SET session_id = 'dep_paid', verified = true, state = 'CONFIRMED', confirmed_at = now() WHERE block_number = 1;
UPDATE deposit_sessions SET payment_status = 'CONFIRMED', received_amount = 100, confirmed_amount = 100, confirmed_at = now(), closed_at = now(),
       tx_id = '0x' || repeat('d', 64) WHERE id = 'dep_paid';
INSERT INTO reconciliations (network, from_block, to_block, balances, endpoint, transfers, differences, found, started_at)
VALUES ('net', 1, 1, false, 'one', 1, 0, '[]', now());
INSERT INTO rereads (network, from_block) VALUES ('net', 1);
";

/// Whom an attack pretends to be.
#[derive(Debug, Clone, Copy)]
enum Actor {
    /// A program that shares the database.
    Outside,
    /// The same under the role made for it.
    Api,
    /// A program that only reads.
    Report,
    /// A watcher, which marks its transactions.
    Watcher,
}

impl Actor {
    fn prelude(self) -> &'static str {
        match self {
            Actor::Outside => "SELECT 1",
            Actor::Api => "SET LOCAL ROLE deposit_watcher_api",
            Actor::Report => "SET LOCAL ROLE deposit_watcher_report",
            Actor::Watcher => "SET LOCAL deposit_watcher.writer = 'on'",
        }
    }
}

/// A database with [`WORLD`] in it.
async fn world() -> (Database, PgPool) {
    let database = Database::create(&MIGRATIONS).await;
    peopled(database, WORLD).await
}

/// A world as it was before this migration.
async fn world_before(version: i64, world: &str) -> (Database, PgPool) {
    let before = MIGRATIONS.iter().filter(|migration| migration.version < version).cloned().collect();
    let database = Database::empty().await;
    Migrator::with_migrations(before).run(&database.pool().await).await.unwrap();
    peopled(database, world).await
}

#[allow(clippy::disallowed_types, reason = "the statements are written here")]
async fn peopled(database: Database, world: &str) -> (Database, PgPool) {
    let pool = database.pool().await;
    let world = format!("BEGIN; {world}; COMMIT; RESET deposit_watcher.writer");
    let mut connection = pool.acquire().await.unwrap();
    connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(world))).await.unwrap();
    drop(connection);
    (database, pool)
}

/// Does it in one transaction; the name of the rule that refused it, at the latest at COMMIT: a constraint's, or an
/// SQLSTATE where no constraint is named.
#[allow(clippy::disallowed_types, reason = "the attacks are written here")]
async fn attempt(pool: &PgPool, actor: Actor, sql: &str) -> Result<(), String> {
    let tried = async {
        let mut transaction = pool.begin().await?;
        transaction.execute(sqlx::raw_sql(actor.prelude())).await?;
        transaction.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))).await?;
        transaction.commit().await
    };
    tried.await.map_err(|error: sqlx::Error| {
        let error = error.into_database_error().expect("the database answers");
        let code = error.code().unwrap_or_default().into_owned();
        error.constraint().map_or(code, str::to_owned)
    })
}

/// Each of these is refused by the rule beside it.
async fn all_refused(pool: &PgPool, actor: Actor, attacks: &[(&str, &str)]) {
    for (rule, sql) in attacks {
        let refused = attempt(pool, actor, sql).await;
        assert_eq!(refused.as_ref().err().map(String::as_str), Some(*rule), "{actor:?}: {sql}");
    }
}

/// Each of these is allowed.
async fn all_allowed(pool: &PgPool, actor: Actor, deeds: &[&str]) {
    for sql in deeds {
        assert_eq!(attempt(pool, actor, sql).await, Ok(()), "{actor:?}: {sql}");
    }
}

/// What a query that gives one text gives.
async fn text(pool: &PgPool, sql: &'static str) -> Option<String> {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}
