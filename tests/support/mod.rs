//! What test binaries share: one PostgreSQL each, a database of its own for every test, anvils. Not tests.
//!
//! ```ignore
//! #[path = "../support/mod.rs"]
//! mod support;
//!
//! let database = support::Database::create(&MIGRATOR).await;   // migrated, empty, nobody else's
//! let anvil = support::anvil(&["--no-mining"]);                // a chain of its own
//! ```
#![allow(dead_code, reason = "no test binary uses all of it")]

pub(crate) mod line;

use std::sync::OnceLock;

use deposit_watcher::demo::{Anvil, Postgres, Tools};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnection, PgPool, PgPoolOptions};
use sqlx::{Connection, Executor};
use tokio::sync::OnceCell;

/// The pinned binaries: `make tools`.
pub(crate) fn tools() -> Tools {
    let tools = Tools::at(std::env::var_os(Tools::VARIABLE).unwrap_or_else(|| Tools::FOLDER.into()));
    tools.with_postgres(std::env::var_os(Tools::POSTGRES_VARIABLE).map(Into::into))
}

/// A chain of its own for this test.
pub(crate) fn anvil(args: &[&str]) -> Anvil {
    Anvil::start(&tools(), args).unwrap()
}

/// The one cluster of this test binary. It is never dropped: its guard stops it when the process ends, however it ends.
/// A test that stops and starts PostgreSQL takes one of its own by [`Postgres::start`].
pub(crate) fn postgres() -> &'static Postgres {
    static POSTGRES: OnceLock<Postgres> = OnceLock::new();
    POSTGRES.get_or_init(|| Postgres::start(&tools()).unwrap())
}

/// A database that only one test knows, copied from a migrated template in some 40 ms.
pub(crate) struct Database {
    name: String,
}

impl Database {
    /// A fresh one with these migrations applied; all tests of a binary pass the same ones.
    pub(crate) async fn create(migrations: &Migrator) -> Database {
        static TEMPLATE: OnceCell<()> = OnceCell::const_new();
        const NAME: &str = "dw_test_template";
        TEMPLATE
            .get_or_init(|| async {
                admin(format!("DROP DATABASE IF EXISTS {NAME}")).await;
                admin(format!("CREATE DATABASE {NAME}")).await;
                let mut connection = PgConnection::connect(&postgres().url(NAME)).await.unwrap();
                migrations.run(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            })
            .await;
        let database = Database { name: format!("dw_test_{:016x}", rand::random::<u64>()) };
        admin(format!("CREATE DATABASE {} TEMPLATE {NAME}", database.name)).await;
        database
    }

    /// A fresh one with nothing in it.
    pub(crate) async fn empty() -> Database {
        let database = Database { name: format!("dw_test_{:016x}", rand::random::<u64>()) };
        admin(format!("CREATE DATABASE {}", database.name)).await;
        database
    }

    /// A fresh one with these migrations, that orders texts as people do.
    pub(crate) async fn in_english(migrations: &Migrator) -> Database {
        let database = Database { name: format!("dw_test_{:016x}", rand::random::<u64>()) };
        let english = "TEMPLATE template0 LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'en'";
        admin(format!("CREATE DATABASE {} {english}", database.name)).await;
        migrations.run(&database.pool().await).await.unwrap();
        database
    }

    /// `postgres://…`
    pub(crate) fn url(&self) -> String {
        postgres().url(&self.name)
    }

    /// A small pool on it.
    pub(crate) async fn pool(&self) -> PgPool {
        PgPoolOptions::new().max_connections(5).connect(&self.url()).await.unwrap()
    }

    /// Drops it, whoever is connected. Needed only where a test makes hundreds: all go when the test binary ends.
    pub(crate) async fn remove(self) {
        admin(format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

#[allow(clippy::disallowed_types, reason = "a database's name cannot be bound; these are our own")]
async fn admin(sql: String) {
    let mut connection = PgConnection::connect(&postgres().url("postgres")).await.unwrap();
    connection.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    connection.close().await.unwrap();
}
