//! Whether the database has the schema this program was built with, and how it gets it. Not for what is in it: that is
//! said by `migrations/`.

use sqlx::{Executor, Row};

use super::{Error, Store};

/// The embedded migrations, in order.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// How the database's schema differs from ours: by number and description, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    /// Ours that it has not had: it is behind.
    pub missing: Vec<String>,
    /// Those it has had that we do not know: a newer version migrated it.
    pub unknown: Vec<String>,
}

impl Schema {
    /// It is the one we were built with.
    pub fn is_ours(&self) -> bool {
        self.missing.is_empty() && self.unknown.is_empty()
    }
}

impl Store {
    /// How its schema differs from ours.
    pub async fn schema(&self) -> Result<Schema, Error> {
        let known = sqlx::query!(r#"SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS "known!""#)
            .fetch_one(&self.pool)
            .await?
            .known;
        let mut applied: Vec<(i64, String)> = Vec::new();
        if known {
            let sql = "SELECT version, description FROM _sqlx_migrations WHERE success ORDER BY version";
            for row in self.pool.fetch_all(sqlx::raw_sql(sql)).await? {
                applied.push((row.try_get(0)?, row.try_get(1)?));
            }
        }
        let ours: Vec<(i64, &str)> = MIGRATIONS.iter().map(|ours| (ours.version, ours.description.as_ref())).collect();
        let missing = ours.iter().filter(|(version, _)| !applied.iter().any(|(had, _)| had == version));
        let unknown = applied.iter().filter(|(had, _)| !ours.iter().any(|(version, _)| version == had));
        Ok(Schema {
            missing: missing.map(|(version, description)| named(*version, description)).collect(),
            unknown: unknown.map(|(version, description)| named(*version, description)).collect(),
        })
    }

    /// Applies what is missing of the embedded migrations. They hold a lock of their session, so not through pgBouncer.
    pub async fn migrate(&self) -> Result<(), Error> {
        if self.pool.are_shared() {
            return match self.schema().await?.missing.len() {
                0 => Ok(()),
                missing => Err(Error::Schema(format!(
                    "{missing} migrations are missing and cannot be applied through pgBouncer; run `deposit-watcher migrate` \
                     with a database.url that leads to PostgreSQL itself, and database.pgbouncer = false"
                ))),
            };
        }
        match MIGRATIONS.run(self.pool.unbounded()).await {
            Ok(()) => Ok(()),
            Err(sqlx::migrate::MigrateError::Execute(inner)) => Err(Error::from(inner)),
            Err(other) => Err(Error::Schema(other.to_string())),
        }
    }
}

fn named(version: i64, description: &str) -> String {
    format!("{version:04} {description}")
}
