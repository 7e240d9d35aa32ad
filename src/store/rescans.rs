//! Ranges to read again: rows, so that a request survives whoever was to carry it out.

use super::{Error, Store, Unit, codec};
use crate::domain::{Address, BlockNumber, Slug, Time};

/// Why a range is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RescanReason {
    /// An operator asked.
    Operator,
    /// A token was added, or enabled again.
    Token,
}

impl RescanReason {
    fn as_str(self) -> &'static str {
        match self {
            RescanReason::Operator => "operator",
            RescanReason::Token => "token",
        }
    }
}

/// A range that is read again, twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rescan {
    /// Its row.
    pub id: i64,
    /// The last block of the range.
    pub to: BlockNumber,
    /// The one token it reads, or all.
    pub token: Option<Address>,
    /// The next block for the first look; above `to` when that is done.
    pub next_first: BlockNumber,
    /// The next block for the second look.
    pub next_second: BlockNumber,
}

impl Store {
    /// Asks for a range to be read again.
    pub async fn request_rescan(&self, slug: &Slug, from: BlockNumber, to: BlockNumber) -> Result<i64, Error> {
        let mut unit = self.unit().await?;
        let id = unit.add_rescan(slug, from, to, None, RescanReason::Operator).await?;
        unit.commit_unfenced().await?;
        Ok(id)
    }

    /// The ranges of a network that are not yet read and are of one of these tokens, or, where `of_all`, of all; oldest first.
    pub async fn open_rescans(&self, slug: &Slug, tokens: &[Address], of_all: bool) -> Result<Vec<Rescan>, Error> {
        let tokens: Vec<String> = tokens.iter().copied().map(codec::address_text).collect();
        let rows = sqlx::query!(
            "SELECT id, to_block, token, next_first, next_second FROM rescans
             WHERE network = $1 AND finished_at IS NULL AND (token = ANY($2) OR token IS NULL AND $3)
             ORDER BY id",
            slug.as_str(),
            &tokens,
            of_all,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Rescan {
                    id: row.id,
                    to: codec::number(row.to_block)?,
                    token: row.token.as_deref().map(codec::address).transpose()?,
                    next_first: codec::number(row.next_first)?,
                    next_second: codec::number(row.next_second)?,
                })
            })
            .collect()
    }

    /// Tokens whose past is still being read: their sessions do not expire meanwhile.
    pub async fn tokens_being_read(&self, slug: &Slug) -> Result<Vec<Address>, Error> {
        let rows = sqlx::query!(
            r#"SELECT DISTINCT token AS "token!" FROM rescans WHERE network = $1 AND finished_at IS NULL AND token IS NOT NULL"#,
            slug.as_str(),
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| codec::address(&row.token)).collect()
    }

    /// How a rescan stands: transfers added so far, and when it was finished.
    pub async fn rescan_progress(&self, id: i64) -> Result<Option<(u64, Option<Time>)>, Error> {
        let row =
            sqlx::query!("SELECT added, finished_at FROM rescans WHERE id = $1", id).fetch_optional(&self.pool).await?;
        Ok(row.map(|row| (codec::count(row.added), row.finished_at)))
    }
}

impl Unit {
    /// Adds a range.
    pub async fn add_rescan(
        &mut self,
        slug: &Slug,
        from: BlockNumber,
        to: BlockNumber,
        token: Option<Address>,
        reason: RescanReason,
    ) -> Result<i64, Error> {
        let row = sqlx::query!(
            "INSERT INTO rescans (network, from_block, to_block, token, reason, next_first, next_second)
             VALUES ($1, $2, $3, $4, $5, $2, $2) RETURNING id",
            slug.as_str(),
            codec::height(from),
            codec::height(to),
            token.map(codec::address_text),
            reason.as_str(),
        )
        .fetch_one(self.connection())
        .await?;
        Ok(row.id)
    }

    /// Notes that the second look of a range left a token out. What is owed to it already grows by the range, which may
    /// begin below what was read of it: a reorganisation took the watermark down.
    pub async fn owe_second_look(
        &mut self,
        slug: &Slug,
        token: Address,
        from: BlockNumber,
        to: BlockNumber,
    ) -> Result<(), Error> {
        let grown = sqlx::query!(
            "UPDATE rescans SET from_block = least(from_block, $3), to_block = greatest(to_block, $4),
                    next_first = greatest(to_block, $4) + 1, next_second = least(next_second, $3)
              WHERE id = (SELECT id FROM rescans WHERE network = $1 AND token = $2 AND finished_at IS NULL
                             AND next_first > to_block ORDER BY id LIMIT 1)",
            slug.as_str(),
            codec::address_text(token),
            codec::height(from),
            codec::height(to),
        )
        .execute(self.connection())
        .await?;
        if grown.rows_affected() == 0 {
            let id = self.add_rescan(slug, from, to, Some(token), RescanReason::Token).await?;
            sqlx::query!("UPDATE rescans SET next_first = to_block + 1 WHERE id = $1", id)
                .execute(self.connection())
                .await?;
        }
        Ok(())
    }

    /// Writes how far a rescan has come; it is finished when both looks are through.
    pub async fn advance_rescan(&mut self, rescan: &Rescan, added: u64) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE rescans SET next_first = $2, next_second = $3, added = added + $4,
                    finished_at = CASE WHEN $2 > to_block AND $3 > to_block THEN now() END
             WHERE id = $1",
            rescan.id,
            codec::height(rescan.next_first),
            codec::height(rescan.next_second),
            i64::try_from(added).unwrap_or(i64::MAX),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
