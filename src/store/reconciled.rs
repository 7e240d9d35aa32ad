//! What runs of `reconcile` have compared: the rows that they leave, what of it was read again since, and which blocks
//! there are to compare. Not for what is compared (`reconciliations`), nor for which blocks are due: that is the command's.

use super::reconciliations::texts;
use super::{Error, Store, codec};
use crate::domain::{Address, BlockNumber, Slug, Time};

/// A run of `reconcile`, to be kept.
#[derive(Debug, Clone)]
pub struct Reconciliation {
    /// The first block it compared.
    pub from: BlockNumber,
    /// The last one, included.
    pub to: BlockNumber,
    /// The one token it was asked for, or all.
    pub token: Option<Address>,
    /// The tokens that it compared.
    pub tokens: Vec<Address>,
    /// Of these, those that it found a difference of.
    pub differing: Vec<Address>,
    /// Whether balances were asked.
    pub balances: bool,
    /// Key of the endpoint that was asked.
    pub endpoint: String,
    /// How many transfers were compared.
    pub transfers: u64,
    /// How many differences were found.
    pub differences: u64,
    /// The differences as JSON.
    pub found: serde_json::Value,
    /// When it began, by the database's clock.
    pub started_at: Time,
    /// The newest [`Reread`] when it began.
    pub rereads: i64,
}

/// A run of before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRun {
    /// The first block.
    pub from: BlockNumber,
    /// The last one.
    pub to: BlockNumber,
    /// The tokens that it compared.
    pub tokens: Vec<Address>,
    /// Those that it found a difference of; none where the difference is of no token.
    pub differing: Vec<Address>,
    /// Whether balances were asked.
    pub balances: bool,
    /// It found something, and no later run has covered it.
    pub open: bool,
    /// The newest [`Reread`] when it began; not known of the oldest runs.
    pub rereads: Option<i64>,
}

/// Blocks that were read again, or are being read, after they had been looked at twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reread {
    /// Rises with each; `None` while they are being read.
    pub id: Option<i64>,
    /// The first block.
    pub from: BlockNumber,
    /// The last one; `None` where all above were.
    pub to: Option<BlockNumber>,
    /// The one token that was read, or all.
    pub token: Option<Address>,
}

/// How the reconciliation of a network stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconcileFigures {
    /// Slug.
    pub network: String,
    /// Differences that stand.
    pub differences: u64,
    /// When all its tokens were compared last.
    pub newest: Option<Time>,
}

impl Store {
    /// The blocks below the cursor that were ever read: above the first, or where a reorganisation went back to below it,
    /// and where a rescan has read one of these tokens. No transfer is stored of another; if one is, its block is among them.
    pub async fn read_ranges(&self, slug: &Slug, tokens: &[Address]) -> Result<Vec<(BlockNumber, BlockNumber)>, Error> {
        let rows = sqlx::query!(
            r#"WITH followed AS (SELECT n.scanned_number AS to_block,
                                        least(n.first_number + 1, (SELECT min(a.from_block) FROM rereads a WHERE a.network = $1 AND a.to_block IS NULL)) AS from_block
                                   FROM networks n WHERE n.slug = $1 AND n.scanned_number IS NOT NULL)
               SELECT f.from_block AS "from_block!", f.to_block AS "to_block!" FROM followed f
               UNION
               SELECT r.from_block, r.to_block FROM rescans r, followed f
                WHERE r.network = $1 AND r.finished_at IS NOT NULL AND r.from_block < f.from_block AND (r.token IS NULL OR r.token = ANY($2))
               UNION
               SELECT t.block_number, t.block_number FROM transfers t, followed f
                WHERE t.network = $1 AND t.block_number < f.from_block AND t.token_address = ANY($2)
               ORDER BY 1, 2"#,
            slug.as_str(),
            &texts(tokens),
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(|row| Ok((codec::number(row.from_block)?, codec::number(row.to_block)?))).collect()
    }

    /// Runs over a network, oldest first.
    pub async fn past_runs(&self, slug: &Slug) -> Result<Vec<PastRun>, Error> {
        let rows = sqlx::query!(
            r#"SELECT r.from_block, r.to_block, r.tokens, r.differing, r.balances, r.rereads,
                      r.differences > 0 AND EXISTS (SELECT FROM reconciliations_standing s WHERE s.id = r.id) AS "open!"
                 FROM reconciliations r WHERE r.network = $1 ORDER BY r.id"#,
            slug.as_str(),
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(PastRun {
                    from: codec::number(row.from_block)?,
                    to: codec::number(row.to_block)?,
                    tokens: addresses(&row.tokens)?,
                    differing: addresses(&row.differing)?,
                    balances: row.balances,
                    open: row.open,
                    rereads: row.rereads,
                })
            })
            .collect()
    }

    /// What was read again, and what a rescan is still to read, oldest first.
    pub async fn rereads(&self, slug: &Slug) -> Result<Vec<Reread>, Error> {
        let rows = sqlx::query!(
            r#"SELECT a.id AS "id?", a.from_block AS "from_block!", a.to_block, a.token FROM rereads a WHERE a.network = $1
               UNION ALL
               SELECT NULL, r.from_block, r.to_block, r.token FROM rescans r WHERE r.network = $1 AND r.finished_at IS NULL
               ORDER BY 1"#,
            slug.as_str(),
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Reread {
                    id: row.id,
                    from: codec::number(row.from_block)?,
                    to: row.to_block.map(codec::number).transpose()?,
                    token: row.token.as_deref().map(codec::address).transpose()?,
                })
            })
            .collect()
    }

    /// Keeps a run.
    pub async fn keep_reconciliation(&self, slug: &Slug, run: &Reconciliation) -> Result<i64, Error> {
        let row = sqlx::query!(
            "INSERT INTO reconciliations (network, from_block, to_block, token, tokens, differing, balances, endpoint, transfers, differences,
                                          found, started_at, rereads)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING id",
            slug.as_str(),
            codec::height(run.from),
            codec::height(run.to),
            run.token.map(codec::address_text),
            &texts(&run.tokens),
            &texts(&run.differing),
            run.balances,
            run.endpoint,
            i64::try_from(run.transfers).unwrap_or(i64::MAX),
            i64::try_from(run.differences).unwrap_or(i64::MAX),
            run.found,
            run.started_at,
            run.rereads,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(row.id)
    }

    /// For the gauges: of each network that was ever reconciled, the differences that stand and the time of the newest run.
    pub async fn reconcile_figures(&self) -> Result<Vec<ReconcileFigures>, Error> {
        let rows = sqlx::query!(
            r#"SELECT r.network, max(r.finished_at) FILTER (WHERE r.token IS NULL) AS newest,
                      coalesce((SELECT sum(s.differences) FROM reconciliations_standing s WHERE s.network = r.network), 0)::bigint AS "differences!"
                 FROM reconciliations r GROUP BY r.network ORDER BY r.network"#
        )
        .fetch_all(&self.pool)
        .await?;
        let figures = rows.into_iter().map(|row| ReconcileFigures {
            network: row.network,
            differences: codec::count(row.differences),
            newest: row.newest,
        });
        Ok(figures.collect())
    }
}

fn addresses(texts: &[String]) -> Result<Vec<Address>, Error> {
    texts.iter().map(|text| codec::address(text)).collect()
}
