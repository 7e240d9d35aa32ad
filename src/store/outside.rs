//! What an outside API does with the sessions table, for our own command line: reserve, insert, cancel. Unmarked, so
//! the same guards hold for us as for others.

use super::{Error, Store, codec};
use crate::domain::{Address, SessionId, Slug, Time};

/// A session to open.
#[derive(Debug, Clone)]
pub struct NewSession {
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
    /// How long it lives, in seconds.
    pub lives: f64,
    /// The opener's own reference.
    pub reference: Option<String>,
}

/// How its amount is reserved.
#[derive(Debug, Clone, Copy)]
pub struct Reservation {
    /// `bump`, `tag`, `reject` or `allow`.
    pub clash: &'static str,
    /// Seconds for which the amount of a closed session stays taken.
    pub reuse_after: f64,
}

impl Store {
    /// Reserves an amount and opens the session in one transaction; returns the amount and when it expires.
    pub async fn open_session(&self, new: &NewSession, reservation: Reservation) -> Result<(String, Time), Error> {
        let mut transaction = self.pool.begin().await?;
        let row = sqlx::query!(
            r#"INSERT INTO deposit_sessions (id, amount, requested_amount, currency, network, currency_address, deposit_address, customer_reference, expires_at)
               VALUES ($1, deposit_watcher_reserve($4, $5, $6, $2::text::numeric, $8, make_interval(secs => $9)), $2::text::numeric, $3, $4, $5, $6, $7,
                       now() + make_interval(secs => $10))
               RETURNING trim_scale(amount)::text AS "amount!", expires_at"#,
            new.id.0,
            new.amount,
            new.currency,
            new.network.as_str(),
            codec::address_text(new.token),
            codec::address_text(new.to),
            new.reference,
            reservation.clash,
            reservation.reuse_after,
            new.lives,
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok((row.amount, row.expires_at))
    }

    /// Cancels an open session; false when there is none of this id that is open.
    pub async fn cancel_session(&self, id: &SessionId) -> Result<bool, Error> {
        let cancelled = sqlx::query!(
            "UPDATE deposit_sessions SET cancelled_at = now() WHERE id = $1 AND closed_at IS NULL AND cancelled_at IS NULL",
            id.0,
        )
        .execute(&self.pool)
        .await?;
        Ok(cancelled.rows_affected() == 1)
    }
}
