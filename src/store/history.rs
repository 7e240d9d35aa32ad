//! What happened to a session, as its events tell it, for people. Not for sending them.

use super::{Error, Store};
use crate::domain::{SessionId, Time};

/// An event of a session, in short.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct HistoryLine {
    /// When it was committed, nearly.
    pub at: Time,
    /// `deposit.created`, `deposit.pending`, …
    pub kind: String,
    /// Whole tokens received until then.
    pub received: String,
    /// The newest canonical transfer then.
    pub tx_id: Option<String>,
}

impl Store {
    /// The newest `limit` events of a session, oldest first.
    pub async fn session_history(&self, id: &SessionId, limit: i64) -> Result<Vec<HistoryLine>, Error> {
        let mut lines = sqlx::query_as!(
            HistoryLine,
            r#"SELECT created_at AS at, type AS kind, coalesce(data ->> 'receivedAmount', '0') AS "received!", tx_hash AS tx_id
                 FROM events WHERE session_id = $1 ORDER BY position DESC LIMIT $2"#,
            id.0,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        lines.reverse();
        Ok(lines)
    }
}
