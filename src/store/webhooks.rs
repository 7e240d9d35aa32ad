//! Webhook endpoints and their sealed secrets. Not for what is sent to them: that is [`super::deliveries`].

use super::deliveries::SEQUENCER;
use super::{Error, Store};
use crate::domain::{BusinessId, Time, WebhookId};

/// A webhook endpoint as it stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct WebhookEndpoint {
    /// `we_…`
    pub id: String,
    /// Whose events it gets.
    pub business_id: String,
    /// Where they are sent.
    pub url: String,
    /// Which types it gets; empty for all.
    pub events: Vec<String>,
    /// Events from before are not sent.
    pub created_at: Time,
    /// Since when no attempt has succeeded.
    pub failing_since: Option<Time>,
    /// When it was disabled.
    pub disabled_at: Option<Time>,
    /// `asked`, or `gone` where the receiver answered 410.
    pub disabled_reason: Option<String>,
}

/// An endpoint to insert, with its first secret.
#[derive(Debug)]
pub struct NewWebhook<'a> {
    /// Its id.
    pub id: &'a WebhookId,
    /// Whose.
    pub business: &'a BusinessId,
    /// Where.
    pub url: &'a str,
    /// Which types; empty for all.
    pub events: &'a [String],
    /// Its secret.
    pub secret: &'a SealedSecret,
}

/// A signing secret, sealed for the row of its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// What it was sealed for.
    pub id: String,
    /// Nonce, ciphertext, tag.
    pub sealed: Vec<u8>,
}

/// What became of an insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It is there.
    Done,
    /// There is no such business, or it is disabled.
    NoBusiness,
    /// The business has as many active endpoints as it may.
    TooMany,
}

impl Store {
    /// Adds an endpoint unless its business has `most` active ones already.
    pub async fn insert_webhook(&self, new: &NewWebhook<'_>, most: u32) -> Result<Inserted, Error> {
        let mut unit = self.unit().await?;
        let business = sqlx::query!(
            "SELECT id FROM businesses WHERE id = $1 AND disabled_at IS NULL FOR NO KEY UPDATE",
            new.business.0
        );
        if business.fetch_optional(unit.connection()).await?.is_none() {
            unit.abandon().await?;
            return Ok(Inserted::NoBusiness);
        }
        if count_active(unit.connection(), &new.business.0).await? >= i64::from(most) {
            unit.abandon().await?;
            return Ok(Inserted::TooMany);
        }
        sqlx::query!(
            "INSERT INTO webhook_endpoints (id, business_id, url, event_types) VALUES ($1, $2, $3, $4)",
            new.id.0,
            new.business.0,
            new.url,
            new.events,
        )
        .execute(unit.connection())
        .await?;
        insert_secret(unit.connection(), &new.id.0, new.secret).await?;
        unit.commit_unfenced().await?;
        Ok(Inserted::Done)
    }

    /// Endpoints, oldest first: one by its id, those of a business, or all.
    pub async fn webhooks(
        &self,
        id: Option<&WebhookId>,
        business: Option<&BusinessId>,
    ) -> Result<Vec<WebhookEndpoint>, Error> {
        let rows = sqlx::query_as!(
            WebhookEndpoint,
            "SELECT id, business_id, url, event_types AS events, created_at, failing_since, disabled_at, disabled_reason
               FROM webhook_endpoints
              WHERE ($1::text IS NULL OR id = $1) AND ($2::text IS NULL OR business_id = $2) ORDER BY created_at, id",
            id.map(|id| id.0.as_str()),
            business.map(|business| business.0.as_str()),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// How many endpoints would get events now.
    pub async fn active_webhooks(&self) -> Result<i64, Error> {
        let row = sqlx::query!(r#"SELECT count(*) AS "count!" FROM webhook_endpoints WHERE disabled_at IS NULL"#);
        Ok(row.fetch_one(&self.pool).await?.count)
    }

    /// Sends it nothing more. What waits for it is to be ended next ([`Store::end_waiting`]). False when it is unknown or was
    /// disabled already.
    pub async fn disable_webhook(&self, id: &WebhookId, reason: &str) -> Result<bool, Error> {
        let mut unit = self.unit().await?;
        // A sequencer at work might add deliveries for it that nobody would end.
        sqlx::query!("SELECT pg_advisory_xact_lock($1, $2)", SEQUENCER.0, SEQUENCER.1)
            .execute(unit.connection())
            .await?;
        let disabled = sqlx::query!(
            "UPDATE webhook_endpoints SET disabled_at = now(), disabled_reason = $2 WHERE id = $1 AND disabled_at IS NULL",
            id.0,
            reason,
        )
        .execute(unit.connection())
        .await?;
        unit.commit_unfenced().await?;
        Ok(disabled.rows_affected() == 1)
    }

    /// Gives up a piece of what waits for an endpoint that is disabled; how many deliveries, 0 when none is left. In
    /// pieces, for there may be very many: none of them is sent meanwhile.
    pub async fn end_waiting(&self, id: &WebhookId) -> Result<u64, Error> {
        let mut unit = self.unit().await?;
        // Whoever is sending one may still say that it arrived.
        let ended = sqlx::query!(
            "UPDATE webhook_deliveries SET state = 'DEAD', finished_at = now(), last_error = 'endpoint_disabled'
              WHERE state = 'WAITING' AND id = ANY (ARRAY(
                    SELECT d.id FROM webhook_deliveries d JOIN webhook_endpoints w ON w.id = d.endpoint_id
                     WHERE d.endpoint_id = $1 AND d.state = 'WAITING' AND w.disabled_at IS NOT NULL
                     ORDER BY d.next_attempt_at LIMIT 1000 FOR NO KEY UPDATE OF d))",
            id.0,
        )
        .execute(unit.connection())
        .await?;
        unit.commit_unfenced().await?;
        Ok(ended.rows_affected())
    }

    /// Sends it events again, from now on, unless its business has `most` active ones. `None` when it is unknown.
    pub async fn enable_webhook(&self, id: &WebhookId, most: u32) -> Result<Option<Inserted>, Error> {
        let mut unit = self.unit().await?;
        let row = sqlx::query!(
            "SELECT w.disabled_at, w.business_id FROM webhook_endpoints w JOIN businesses b ON b.id = w.business_id
              WHERE w.id = $1 FOR NO KEY UPDATE",
            id.0
        );
        let Some(row) = row.fetch_optional(unit.connection()).await? else {
            unit.abandon().await?;
            return Ok(None);
        };
        let full = count_active(unit.connection(), &row.business_id).await? >= i64::from(most);
        if row.disabled_at.is_some() && full {
            unit.abandon().await?;
            return Ok(Some(Inserted::TooMany));
        }
        sqlx::query!(
            "UPDATE webhook_endpoints SET disabled_at = NULL, disabled_reason = NULL, failing_since = NULL
              WHERE id = $1 AND disabled_at IS NOT NULL",
            id.0
        )
        .execute(unit.connection())
        .await?;
        unit.commit_unfenced().await?;
        Ok(Some(Inserted::Done))
    }

    /// Gives it a new secret. The one before signs for `overlap` seconds more, any older one no longer. False when it is
    /// unknown.
    pub async fn rotate_webhook_secret(&self, id: &WebhookId, new: &SealedSecret, overlap: f64) -> Result<bool, Error> {
        let mut unit = self.unit().await?;
        let known = sqlx::query!("SELECT id FROM webhook_endpoints WHERE id = $1 FOR NO KEY UPDATE", id.0);
        if known.fetch_optional(unit.connection()).await?.is_none() {
            unit.abandon().await?;
            return Ok(false);
        }
        sqlx::query!(
            "UPDATE webhook_secrets
                SET expires_at = CASE WHEN expires_at IS NULL THEN clock_timestamp() + make_interval(secs => $2)
                                      ELSE least(expires_at, clock_timestamp()) END
              WHERE endpoint_id = $1",
            id.0,
            overlap,
        )
        .execute(unit.connection())
        .await?;
        insert_secret(unit.connection(), &id.0, new).await?;
        unit.commit_unfenced().await?;
        Ok(true)
    }
}

async fn count_active(connection: impl sqlx::PgExecutor<'_>, business: &str) -> Result<i64, Error> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "count!" FROM webhook_endpoints WHERE business_id = $1 AND disabled_at IS NULL"#,
        business
    );
    Ok(row.fetch_one(connection).await?.count)
}

async fn insert_secret(
    connection: impl sqlx::PgExecutor<'_>,
    endpoint: &str,
    secret: &SealedSecret,
) -> Result<(), Error> {
    sqlx::query!(
        "INSERT INTO webhook_secrets (id, endpoint_id, sealed, created_at) VALUES ($1, $2, $3, clock_timestamp())",
        secret.id,
        endpoint,
        secret.sealed,
    )
    .execute(connection)
    .await?;
    Ok(())
}
