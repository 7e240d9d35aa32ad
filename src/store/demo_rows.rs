//! What only the demo asks: a database of its own name, sessions as any outside API inserts them, events by type. Not for
//! the product: its own openings reserve their amounts first.

use std::time::Duration;

use sqlx::Executor;

use super::{Error, Store, codec};
use crate::domain::{Address, SessionId, Slug};

/// The columns that an outside API must write, no others.
#[derive(Debug, Clone)]
pub struct PlainSession {
    /// Its id.
    pub id: SessionId,
    /// Whole tokens.
    pub amount: String,
    /// Symbol of the token.
    pub currency: String,
    /// Where.
    pub network: Slug,
    /// Token contract.
    pub token: Address,
    /// Destination.
    pub to: Address,
}

impl Store {
    /// The demo's database.
    pub const DEMO_DATABASE: &'static str = "deposit_watcher_demo";

    /// Creates [`Store::DEMO_DATABASE`] beside the one this store is connected to; an error where it exists already.
    pub async fn create_demo_database(&self) -> Result<(), Error> {
        self.pool.execute(sqlx::raw_sql("CREATE DATABASE deposit_watcher_demo")).await?;
        Ok(())
    }

    /// The minimal INSERT, as README shows it.
    pub async fn open_plainly(&self, new: &PlainSession) -> Result<(), Error> {
        sqlx::query!(
            "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address)
             VALUES ($1, $2::text::numeric, $3, $4, $5, $6)",
            new.id.0,
            new.amount,
            new.currency,
            new.network.as_str(),
            codec::address_text(new.token),
            codec::address_text(new.to),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Gives an open session another life than the default half an hour, as an outside API may.
    pub async fn set_life(&self, id: &SessionId, life: Duration) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE deposit_sessions SET expires_at = created_at + make_interval(secs => $2) WHERE id = $1",
            id.0,
            life.as_secs_f64(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How many events of this business were written.
    pub async fn event_count(&self, business: &str) -> Result<u64, Error> {
        let row = sqlx::query!(r#"SELECT count(*) AS "count!" FROM events WHERE business_id = $1"#, business)
            .fetch_one(&self.pool)
            .await?;
        Ok(codec::count(row.count))
    }

    /// How many events of each type were written.
    pub async fn event_counts(&self) -> Result<Vec<(String, u64)>, Error> {
        let rows = sqlx::query!(
            r#"SELECT type AS kind, count(*) AS "count!" FROM events GROUP BY type ORDER BY min(position)"#
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.kind, codec::count(row.count))).collect())
    }
}
