//! The row of a network: its cursor, its watermark, what is pinned, whether it is halted.

use super::{Error, Fence, Store, Unit, codec};
use crate::domain::{BlockHash, BlockNumber, BlockRef, ChainId, Slug, Time};

/// How far a network has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The newest block whose effects are committed.
    pub block: BlockRef,
    /// Its timestamp: chain time.
    pub time: Time,
    /// Every block up to this one has been looked at twice.
    pub confirmed: BlockNumber,
}

/// What the database has pinned for a slug; another answer halts the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pinned {
    /// EIP-155 id.
    pub chain_id: ChainId,
    /// Hash of block 0, once an endpoint told it.
    pub genesis: Option<BlockHash>,
}

/// A network as committed.
#[derive(Debug, Clone)]
pub struct NetworkRow {
    /// What is pinned.
    pub pinned: Pinned,
    /// Null until the first step.
    pub cursor: Option<Cursor>,
    /// The highest safe or finalized block that stood on our chain.
    pub final_block: Option<BlockRef>,
    /// The lowest block about which endpoints contradicted each other, until that is decided.
    pub disputed: Option<BlockNumber>,
    /// Why it is halted, if it is.
    pub halted: Option<String>,
    /// A person asked that a halted network goes on.
    pub resume_requested: bool,
    /// True while addresses wait to be derived again.
    pub derivations_pending: bool,
    /// True while a decision of a person waits to be carried out.
    pub settlements_asked: bool,
    /// The database's clock at this reading.
    pub now: Time,
}

impl Store {
    /// Makes sure the row is there. What is pinned already stays; while no endpoint has told a genesis and nobody works
    /// it, nothing is: a chain id that was mistyped is corrected, and what it was halted for is over.
    pub async fn introduce_network(&self, slug: &Slug, chain_id: ChainId, testnet: bool) -> Result<(), Error> {
        let id = i64::try_from(chain_id.0).unwrap_or(i64::MAX);
        sqlx::query!(
            "INSERT INTO networks (slug, chain_id, testnet) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            slug.as_str(),
            id,
            testnet,
        )
        .execute(&self.pool)
        .await?;
        sqlx::query!(
            "UPDATE networks SET chain_id = $2, testnet = $3, halted_reason = NULL, halted_at = NULL, resume_requested_at = NULL
              WHERE slug = $1 AND chain_id <> $2 AND genesis_hash IS NULL AND scanned_number IS NULL
                AND NOT EXISTS (SELECT FROM leases l WHERE l.network = $1 AND l.expires_at > clock_timestamp())",
            slug.as_str(),
            id,
            testnet,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Reads a network as committed.
    pub async fn network(&self, slug: &Slug) -> Result<Option<NetworkRow>, Error> {
        let row = sqlx::query!(
            r#"SELECT chain_id, genesis_hash, scanned_number, scanned_hash, scanned_time, confirmed_number, final_number,
                      final_hash, disputed_number, halted_reason, resume_requested_at IS NOT NULL AS "resume_requested!",
                      EXISTS (SELECT FROM pending_derivations p WHERE p.network = slug) AS "derivations_pending!",
                      EXISTS (SELECT FROM settlements d WHERE d.network = slug AND d.outcome IS NULL) AS "settlements_asked!",
                      clock_timestamp() AS "now!"
                 FROM networks WHERE slug = $1"#,
            slug.as_str(),
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let cursor = match (row.scanned_number, row.scanned_hash, row.scanned_time, row.confirmed_number) {
            (Some(number), Some(hash), Some(time), Some(confirmed)) => {
                Some(Cursor { block: codec::block(number, &hash)?, time, confirmed: codec::number(confirmed)? })
            }
            _ => None,
        };
        let final_block = match (row.final_number, row.final_hash) {
            (Some(number), Some(hash)) => Some(codec::block(number, &hash)?),
            _ => None,
        };
        Ok(Some(NetworkRow {
            pinned: Pinned {
                chain_id: ChainId(codec::count(row.chain_id)),
                genesis: row.genesis_hash.as_deref().map(codec::hash).transpose()?,
            },
            cursor,
            final_block,
            disputed: row.disputed_number.map(codec::number).transpose()?,
            halted: row.halted_reason,
            resume_requested: row.resume_requested,
            derivations_pending: row.derivations_pending,
            settlements_asked: row.settlements_asked,
            now: row.now,
        }))
    }

    /// Halts a network until a person has looked. Survives restarts. Who asked it to go on has his answer by this.
    pub async fn halt(&self, fence: &Fence, reason: &str) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE networks SET halted_reason = $3, halted_at = now(), resume_requested_at = NULL
             WHERE slug = $1 AND fence = $2 AND (halted_reason IS DISTINCT FROM $3 OR resume_requested_at IS NOT NULL)",
            fence.network.as_str(),
            fence.number,
            reason,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Asks the holder to go on with a halted network; false when it is not halted.
    pub async fn request_resume(&self, slug: &Slug) -> Result<bool, Error> {
        let asked = sqlx::query!(
            "UPDATE networks SET resume_requested_at = now() WHERE slug = $1 AND halted_reason IS NOT NULL",
            slug.as_str(),
        )
        .execute(&self.pool)
        .await?;
        Ok(asked.rows_affected() == 1)
    }

    /// Pins the genesis hash that the first endpoint on the right chain told.
    pub async fn pin_genesis(&self, fence: &Fence, genesis: BlockHash) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE networks SET genesis_hash = $3 WHERE slug = $1 AND fence = $2 AND genesis_hash IS NULL",
            fence.network.as_str(),
            fence.number,
            codec::hash_text(genesis),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Records what the head looks like; informative, for `status`. Where somebody holds the row it is left out.
    pub async fn saw_head(&self, fence: &Fence, number: BlockNumber, time: Time) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE networks SET head_number = $3, head_time = $4, head_seen_at = now()
             WHERE slug = (SELECT slug FROM networks WHERE slug = $1 AND fence = $2 FOR NO KEY UPDATE SKIP LOCKED)",
            fence.network.as_str(),
            fence.number,
            codec::height(number),
            time,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Keeps the lowest block about which endpoints contradict each other, or that there is none any more.
    pub async fn keep_dispute(&self, fence: &Fence, block: Option<BlockNumber>) -> Result<(), Error> {
        let kept = sqlx::query!(
            "UPDATE networks SET disputed_number = $3 WHERE slug = $1 AND fence = $2",
            fence.network.as_str(),
            fence.number,
            block.map(codec::height),
        )
        .execute(&self.pool)
        .await?;
        match kept.rows_affected() {
            1 => Ok(()),
            _ => Err(Error::LeaseLost),
        }
    }

    /// Raises the highest safe or finalized block; a lower one changes nothing.
    pub async fn raise_final(&self, fence: &Fence, block: BlockRef) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE networks SET final_number = $3, final_hash = $4
             WHERE slug = $1 AND fence = $2 AND (final_number IS NULL OR final_number < $3)",
            fence.network.as_str(),
            fence.number,
            codec::height(block.number),
            codec::hash_text(block.hash),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

impl Unit {
    /// Gives a network its first cursor and commits. Its block must be recorded in this unit.
    pub async fn first_cursor(mut self, fence: &Fence, cursor: &Cursor) -> Result<(), Error> {
        let set = sqlx::query!(
            "UPDATE networks SET scanned_number = $3, scanned_hash = $4, scanned_time = $5, first_number = $3, confirmed_number = $3
             WHERE slug = $1 AND fence = $2 AND scanned_number IS NULL",
            fence.network.as_str(),
            fence.number,
            codec::height(cursor.block.number),
            codec::hash_text(cursor.block.hash),
            cursor.time,
        )
        .execute(self.connection())
        .await?;
        if set.rows_affected() == 1 { self.commit_unfenced().await } else { Err(Error::LeaseLost) }
    }

    /// Takes back a halt and the kept final block, in the unit that rewinds as a person asked.
    pub async fn resume(&mut self, fence: &Fence) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE networks SET halted_reason = NULL, halted_at = NULL, resume_requested_at = NULL, final_number = NULL, final_hash = NULL
             WHERE slug = $1 AND fence = $2",
            fence.network.as_str(),
            fence.number,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
