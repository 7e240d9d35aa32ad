//! Recorded blocks: the places a rewind can go back to, and the times of blocks that hold transfers.

use super::sessions::Destination;
use super::{Error, Store, Unit, codec};
use crate::domain::{BlockHash, BlockNumber, BlockRef, LogId, Slug, Time};

/// A block to record. Only blocks whose header was read have a parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedBlock {
    /// Number and hash.
    pub block: BlockRef,
    /// Hash of the block below.
    pub parent: Option<BlockHash>,
    /// Its timestamp.
    pub time: Time,
}

/// A recorded block and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockTime {
    /// Number and hash.
    pub block: BlockRef,
    /// Its timestamp.
    pub time: Time,
}

impl Store {
    /// The canonical recorded blocks at or above `from`, lowest first.
    pub async fn recorded_since(&self, slug: &Slug, from: BlockNumber) -> Result<Vec<BlockRef>, Error> {
        let rows = sqlx::query!(
            "SELECT number, hash FROM blocks WHERE network = $1 AND canonical AND number >= $2 ORDER BY number",
            slug.as_str(),
            codec::height(from),
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| codec::block(row.number, &row.hash)).collect()
    }

    /// The canonical recorded block at or above `number`, the lowest of them.
    pub async fn recorded_from(&self, slug: &Slug, number: BlockNumber) -> Result<Option<BlockRef>, Error> {
        let row = sqlx::query!(
            "SELECT number, hash FROM blocks WHERE network = $1 AND canonical AND number >= $2 ORDER BY number LIMIT 1",
            slug.as_str(),
            codec::height(number),
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| codec::block(row.number, &row.hash)).transpose()
    }

    /// The same among those of which a header was read: what only a log told of may stand where another one is.
    pub async fn headed_from(&self, slug: &Slug, number: BlockNumber) -> Result<Option<BlockRef>, Error> {
        let row = sqlx::query!(
            "SELECT number, hash FROM blocks
              WHERE network = $1 AND canonical AND number >= $2 AND parent_hash IS NOT NULL ORDER BY number LIMIT 1",
            slug.as_str(),
            codec::height(number),
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| codec::block(row.number, &row.hash)).transpose()
    }

    /// The canonical recorded block of this very number.
    pub async fn recorded_at(&self, slug: &Slug, number: BlockNumber) -> Result<Option<BlockRef>, Error> {
        Ok(self.recorded_from(slug, number).await?.filter(|block| block.number == number))
    }

    /// The newest canonical recorded block that is at most `number`, was mined no later than `mined_by`, and was first
    /// looked at no later than `looked_by`, where these are given.
    pub async fn recorded_for_second_look(
        &self,
        slug: &Slug,
        number: BlockNumber,
        mined_by: Option<Time>,
        looked_by: Option<Time>,
    ) -> Result<Option<BlockTime>, Error> {
        let row = sqlx::query!(
            "SELECT number, hash, time FROM blocks
             WHERE network = $1 AND canonical AND number <= $2
               AND ($3::timestamptz IS NULL OR time <= $3) AND ($4::timestamptz IS NULL OR looked_at <= $4)
             ORDER BY number DESC LIMIT 1",
            slug.as_str(),
            codec::height(number),
            mined_by,
            looked_by,
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| Ok(BlockTime { block: codec::block(row.number, &row.hash)?, time: row.time })).transpose()
    }

    /// The newest canonical recorded block that is not younger than `time`.
    pub async fn recorded_by_time(&self, slug: &Slug, time: Time) -> Result<Option<BlockRef>, Error> {
        let row = sqlx::query!(
            "SELECT number, hash FROM blocks WHERE network = $1 AND canonical AND time <= $2 ORDER BY time DESC, number DESC LIMIT 1",
            slug.as_str(),
            time,
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| codec::block(row.number, &row.hash)).transpose()
    }

    /// The canonical blocks at these heights of which a header was read, not only logs.
    pub async fn headed_among(&self, slug: &Slug, numbers: &[BlockNumber]) -> Result<Vec<BlockRef>, Error> {
        let heights: Vec<i64> = numbers.iter().copied().map(codec::height).collect();
        let rows = sqlx::query!(
            "SELECT number, hash FROM blocks
              WHERE network = $1 AND canonical AND number = ANY($2) AND parent_hash IS NOT NULL ORDER BY number",
            slug.as_str(),
            &heights,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| codec::block(row.number, &row.hash)).collect()
    }
}

impl Unit {
    /// The canonical blocks at these heights, where recorded, as this unit leaves them.
    pub async fn recorded_among(&mut self, slug: &Slug, numbers: &[BlockNumber]) -> Result<Vec<BlockRef>, Error> {
        let heights: Vec<i64> = numbers.iter().copied().map(codec::height).collect();
        let rows = sqlx::query!(
            "SELECT number, hash FROM blocks WHERE network = $1 AND canonical AND number = ANY($2) ORDER BY number",
            slug.as_str(),
            &heights,
        )
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(|row| codec::block(row.number, &row.hash)).collect()
    }

    /// Records blocks; one that had left the chain and returned is canonical again (I3).
    pub async fn record_blocks(&mut self, slug: &Slug, blocks: &[RecordedBlock]) -> Result<(), Error> {
        let numbers: Vec<i64> = blocks.iter().map(|b| codec::height(b.block.number)).collect();
        let hashes: Vec<String> = blocks.iter().map(|b| codec::hash_text(b.block.hash)).collect();
        let parents: Vec<Option<String>> = blocks.iter().map(|b| b.parent.map(codec::hash_text)).collect();
        let times: Vec<Time> = blocks.iter().map(|b| b.time).collect();
        sqlx::query!(
            r#"INSERT INTO blocks AS b (network, number, hash, parent_hash, time)
               SELECT $1, n.number, n.hash, n.parent, n.time
                 FROM unnest($2::bigint[], $3::text[], $4::text[], $5::timestamptz[]) AS n (number, hash, parent, time)
               ON CONFLICT (network, hash) DO UPDATE
                  SET canonical = true, orphaned_at = NULL, looked_at = CASE WHEN b.canonical THEN b.looked_at ELSE now() END,
                      parent_hash = coalesce(b.parent_hash, EXCLUDED.parent_hash)
                WHERE NOT b.canonical OR b.parent_hash IS NULL AND EXCLUDED.parent_hash IS NOT NULL"#,
            slug.as_str(),
            &numbers,
            &hashes,
            &parents as &[Option<String>],
            &times,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Takes every block above `ancestor` off the chain.
    pub async fn orphan_blocks_above(&mut self, slug: &Slug, ancestor: BlockNumber) -> Result<u64, Error> {
        let gone = sqlx::query!(
            "UPDATE blocks SET canonical = false, orphaned_at = now() WHERE network = $1 AND canonical AND number > $2",
            slug.as_str(),
            codec::height(ancestor),
        )
        .execute(self.connection())
        .await?;
        Ok(gone.rows_affected())
    }

    /// Takes blocks off the chain that only invented logs spoke of: no header of theirs was ever read, and no canonical
    /// transfer is left in them.
    pub async fn orphan_empty_strangers(&mut self, slug: &Slug, invented: &[LogId]) -> Result<(), Error> {
        let hashes: Vec<String> = invented.iter().map(|id| codec::hash_text(id.block_hash)).collect();
        sqlx::query!(
            "UPDATE blocks b SET canonical = false, orphaned_at = now()
              WHERE b.network = $1 AND b.canonical AND b.hash = ANY($2) AND b.parent_hash IS NULL
                AND NOT EXISTS (SELECT FROM transfers t WHERE t.network = $1 AND t.block_hash = b.hash AND t.state <> 'ORPHANED')
                AND NOT EXISTS (SELECT FROM networks n WHERE n.slug = $1 AND n.scanned_hash = b.hash)",
            slug.as_str(),
            &hashes,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Dates blocks anew, and the transfers in them that are not confirmed yet; returns whom to derive again. What was
    /// mined before in a block that left keeps that earlier time.
    pub async fn date_blocks(&mut self, slug: &Slug, blocks: &[BlockTime]) -> Result<Vec<Destination>, Error> {
        let hashes: Vec<String> = blocks.iter().map(|block| codec::hash_text(block.block.hash)).collect();
        let times: Vec<Time> = blocks.iter().map(|block| block.time).collect();
        let rows = sqlx::query!(
            "WITH told AS (SELECT * FROM unnest($2::text[], $3::timestamptz[]) AS n (hash, time)),
                  dated AS (UPDATE blocks b SET time = told.time FROM told WHERE b.network = $1 AND b.hash = told.hash)
             UPDATE transfers t SET block_time = told.time,
                    paid_at = CASE WHEN t.paid_at < t.block_time THEN least(t.paid_at, told.time) ELSE told.time END
               FROM told WHERE t.network = $1 AND t.block_hash = told.hash AND t.state = 'SEEN'
          RETURNING t.token_address, t.to_address",
            slug.as_str(),
            &hashes,
            &times,
        )
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(|row| Destination::read(&row.token_address, &row.to_address)).collect()
    }
}
