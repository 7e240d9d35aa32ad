//! What people and the API ask about deliveries: lists, one with its attempts, sending one again, how many there are.

use super::{Error, Store, codec};
use crate::domain::{DeliveryId, Time};

/// A delivery: one event on its way to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DeliveryLine {
    /// `whd_…`
    pub id: String,
    /// To whom.
    pub endpoint_id: String,
    /// Whose.
    pub business_id: String,
    /// What: also the `webhook-id` of every attempt.
    pub event_id: String,
    /// Its type.
    pub event_type: String,
    /// The session it tells of.
    pub session_id: Option<String>,
    /// Its number.
    pub sequence: i64,
    /// `WAITING`, `DELIVERED` or `DEAD`.
    pub state: String,
    /// How often it was sent since it began or was last asked for again.
    pub attempts: i32,
    /// While it waits: when it is sent next.
    pub next_attempt_at: Option<Time>,
    /// The last HTTP status.
    pub last_status: Option<i16>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When it was laid out.
    pub created_at: Time,
    /// When it was delivered or given up.
    pub finished_at: Option<Time>,
}

/// An attempt that ended.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct AttemptLine {
    /// When it ended.
    pub at: Time,
    /// `delivered`, `timeout`, …
    pub outcome: String,
    /// The HTTP status.
    pub status: Option<i16>,
    /// Why it failed.
    pub error: Option<String>,
    /// How long it took.
    pub duration_ms: i32,
}

/// Which deliveries are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeliveryQuery<'a> {
    /// This one.
    pub id: Option<&'a str>,
    /// Of this business.
    pub business: Option<&'a str>,
    /// To this endpoint.
    pub endpoint: Option<&'a str>,
    /// In this state.
    pub state: Option<&'a str>,
    /// Older than this one, by the time it was laid out and its id.
    pub before: Option<(Time, &'a str)>,
    /// At most so many.
    pub limit: i64,
}

/// What came of asking for another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// It will be sent at once.
    Done,
    /// There is no such delivery.
    Unknown,
    /// Its endpoint is disabled.
    Disabled,
}

/// How many deliveries there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Queue {
    /// Never tried.
    pub waiting: u64,
    /// Tried and waiting to be tried again.
    pub retrying: u64,
    /// Given up.
    pub dead: u64,
}

impl Store {
    /// Deliveries, newest first.
    pub async fn delivery_lines(&self, asked: DeliveryQuery<'_>) -> Result<Vec<DeliveryLine>, Error> {
        let (before, before_id) = asked.before.unzip();
        let rows = sqlx::query_as!(
            DeliveryLine,
            r#"SELECT d.id, d.endpoint_id, d.business_id, d.event_id, e.type AS event_type, d.session_id, d.sequence, d.state, d.attempts,
                      CASE WHEN d.state = 'WAITING' THEN d.next_attempt_at END AS next_attempt_at, d.last_status, d.last_error,
                      d.created_at, d.finished_at
                 FROM webhook_deliveries d JOIN events e ON e.id = d.event_id
                WHERE ($1::text IS NULL OR d.id = $1) AND ($2::text IS NULL OR d.business_id = $2)
                  AND ($3::text IS NULL OR d.endpoint_id = $3) AND ($4::text IS NULL OR d.state = $4)
                  AND ($5::timestamptz IS NULL OR (d.created_at, d.id) < ($5, $6))
                ORDER BY d.created_at DESC, d.id DESC LIMIT $7"#,
            asked.id,
            asked.business,
            asked.endpoint,
            asked.state,
            before,
            before_id,
            asked.limit,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// The attempts of a delivery, the newest `limit`, oldest first.
    pub async fn attempt_lines(&self, id: &DeliveryId, limit: i64) -> Result<Vec<AttemptLine>, Error> {
        let mut lines = sqlx::query_as!(
            AttemptLine,
            "SELECT at, outcome, status, error, duration_ms FROM webhook_attempts WHERE delivery_id = $1 ORDER BY at DESC LIMIT $2",
            id.0,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        lines.reverse();
        Ok(lines)
    }

    /// Sends it again from the first attempt, unless its endpoint is disabled. What is being sent just now is left.
    pub async fn retry_delivery(&self, id: &DeliveryId) -> Result<Retried, Error> {
        let mut unit = self.unit().await?;
        // Shared, so that nobody disables the endpoint between this look and the update.
        let endpoint = sqlx::query!(
            r#"SELECT w.disabled_at IS NOT NULL AS "disabled!" FROM webhook_endpoints w JOIN webhook_deliveries d ON d.endpoint_id = w.id
                WHERE d.id = $1 FOR SHARE OF w"#,
            id.0
        )
        .fetch_optional(unit.connection())
        .await?;
        let retried = match endpoint {
            None => Retried::Unknown,
            Some(endpoint) if endpoint.disabled => Retried::Disabled,
            Some(_) => Retried::Done,
        };
        if retried != Retried::Done {
            unit.abandon().await?;
            return Ok(retried);
        }
        sqlx::query!(
            "UPDATE webhook_deliveries SET state = 'WAITING', attempts = 0, sending = false, next_attempt_at = now(), finished_at = NULL
              WHERE id = $1 AND NOT (state = 'WAITING' AND sending AND next_attempt_at > now())",
            id.0
        )
        .execute(unit.connection())
        .await?;
        unit.commit_unfenced().await?;
        Ok(retried)
    }

    /// How many deliveries wait, are tried again, or were given up; of one business or of all.
    pub async fn webhook_queue(&self) -> Result<Queue, Error> {
        let row = sqlx::query!(
            r#"SELECT count(*) FILTER (WHERE state = 'WAITING' AND attempts = 0) AS "waiting!",
                      count(*) FILTER (WHERE state = 'WAITING' AND attempts > 0) AS "retrying!",
                      count(*) FILTER (WHERE state = 'DEAD') AS "dead!"
                 FROM webhook_deliveries WHERE state <> 'DELIVERED'"#
        )
        .fetch_one(&self.pool)
        .await?;
        let count = codec::count;
        Ok(Queue { waiting: count(row.waiting), retrying: count(row.retrying), dead: count(row.dead) })
    }
}
