//! Tickets to a session's event stream: kept as digests, each good once and for a short time by the database's clock.

use super::{Error, Store};
use crate::domain::{SessionId, Time};

impl Store {
    /// Keeps a ticket to this session for so many seconds; returns when it expires. Takes a few old ones away, so that
    /// those nobody used do not gather.
    pub async fn keep_ticket(&self, session: &SessionId, digest: &[u8; 32], seconds: f64) -> Result<Time, Error> {
        let row = sqlx::query!(
            r#"WITH expired AS (SELECT t.digest FROM event_tickets t WHERE t.expires_at <= clock_timestamp()
                                 ORDER BY t.expires_at LIMIT 10 FOR UPDATE SKIP LOCKED),
                    gone AS (DELETE FROM event_tickets t USING expired e WHERE t.digest = e.digest)
               INSERT INTO event_tickets (digest, session_id, expires_at)
               VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
               RETURNING expires_at"#,
            digest.as_slice(),
            session.0,
            seconds,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(row.expires_at)
    }

    /// The session of a ticket that is still good. Whoever asks first has it: it is gone afterwards.
    pub async fn take_ticket(&self, digest: &[u8; 32]) -> Result<Option<SessionId>, Error> {
        let row = sqlx::query!(
            r#"DELETE FROM event_tickets WHERE digest = $1 RETURNING session_id, expires_at > clock_timestamp() AS "good!""#,
            digest.as_slice(),
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.filter(|row| row.good).map(|row| SessionId(row.session_id)))
    }
}
