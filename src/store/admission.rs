//! Which rows cannot be used, so that people can be told. Matching examines every row itself; this is for the gauge.

use super::{Error, Store};
use crate::domain::{SessionId, Unusable};

/// A row that was not yet examined with the configuration in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnexaminedRow {
    /// Its id.
    pub id: SessionId,
    /// As written.
    pub network: String,
    /// As written.
    pub currency: String,
    /// As written.
    pub currency_address: String,
    /// As written.
    pub deposit_address: String,
    /// Whole tokens as plain digits.
    pub amount: String,
}

/// What an examination found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// Which row.
    pub id: SessionId,
    /// Why it cannot be used, if it cannot.
    pub unusable: Option<Unusable>,
}

impl Store {
    /// Up to `limit` open rows that nobody examined yet.
    pub async fn unexamined(&self, limit: i64) -> Result<Vec<UnexaminedRow>, Error> {
        let rows = sqlx::query_as!(
            Raw,
            r#"SELECT id, network, currency, currency_address, deposit_address, trim_scale(amount)::text AS "amount!"
                 FROM deposit_sessions WHERE examined_with IS NULL ORDER BY id LIMIT $1"#,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(UnexaminedRow::from).collect())
    }

    /// Up to `limit` open rows above `after` that were examined with another configuration.
    pub async fn examined_otherwise(&self, digest: &str, after: &str, limit: i64) -> Result<Vec<UnexaminedRow>, Error> {
        let rows = sqlx::query_as!(
            Raw,
            r#"SELECT id, network, currency, currency_address, deposit_address, trim_scale(amount)::text AS "amount!"
                 FROM deposit_sessions WHERE id > $2 AND closed_at IS NULL AND examined_with <> $1 ORDER BY id LIMIT $3"#,
            digest,
            after,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(UnexaminedRow::from).collect())
    }

    /// Writes what was found. A row that another transaction holds is left for the next time.
    pub async fn write_examined(&self, digest: &str, examined: &[Examined]) -> Result<(), Error> {
        let ids: Vec<String> = examined.iter().map(|e| e.id.0.clone()).collect();
        let reasons: Vec<Option<String>> =
            examined.iter().map(|e| e.unusable.map(|reason| reason.as_str().to_owned())).collect();
        let mut unit = self.unit().await?;
        sqlx::query!(
            "UPDATE deposit_sessions s SET unusable = n.reason, examined_with = $1
               FROM (SELECT x.id, u.reason FROM unnest($2::text[], $3::text[]) AS u (id, reason)
                       JOIN deposit_sessions x ON x.id = u.id FOR NO KEY UPDATE OF x SKIP LOCKED) n
              WHERE s.id = n.id",
            digest,
            &ids,
            &reasons as &[Option<String>],
        )
        .execute(unit.connection())
        .await?;
        unit.commit_unfenced().await
    }

    /// Open rows that cannot be used, by reason.
    pub async fn unusable_sessions(&self) -> Result<Vec<(String, u64)>, Error> {
        let rows = sqlx::query!(
            r#"SELECT unusable AS "reason!", count(*) AS "count!" FROM deposit_sessions
                WHERE unusable IS NOT NULL AND closed_at IS NULL GROUP BY unusable"#
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.reason, super::codec::count(row.count))).collect())
    }
}

struct Raw {
    id: String,
    network: String,
    currency: String,
    currency_address: String,
    deposit_address: String,
    amount: String,
}

impl From<Raw> for UnexaminedRow {
    fn from(raw: Raw) -> Self {
        UnexaminedRow {
            id: SessionId(raw.id),
            network: raw.network,
            currency: raw.currency,
            currency_address: raw.currency_address,
            deposit_address: raw.deposit_address,
            amount: raw.amount,
        }
    }
}
