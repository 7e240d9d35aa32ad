//! The books: what must always be true, as the view `deposit_watcher_books` says it.

use super::{Error, Store};

/// A row that must not be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The rule that it breaks.
    pub rule: String,
    /// The session, transfer or network it is about.
    pub subject: String,
    /// What is there and what should be.
    pub detail: String,
}

impl Store {
    /// Up to `limit` findings; none when the books are right.
    pub async fn books(&self, limit: i64) -> Result<Vec<Finding>, Error> {
        let findings = sqlx::query_as!(
            Finding,
            r#"SELECT coalesce(rule, '') AS "rule!", coalesce(subject, '') AS "subject!", coalesce(detail, '') AS "detail!"
                 FROM deposit_watcher_books LIMIT $1"#,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(findings)
    }
}
