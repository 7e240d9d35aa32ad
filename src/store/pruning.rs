//! Old rows that may go, a bounded piece at a time: blocks without transfers, events that later ones have overtaken,
//! deliveries that ended. What may go is said by functions of the database (0013), once for who counts and for who removes.
//! Not for how old it must be, nor for idempotency keys and tickets, which never last.

use std::time::Duration;

use super::deliveries::SEQUENCER;
use super::errand::{Errand, to_the_end};
use super::{Error, Store, codec};
use crate::domain::Slug;

/// Rows looked at in one transaction: some ten milliseconds.
const PIECE: i64 = 2_000;

/// What is pruned, and from when on it is old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Old {
    /// Recorded blocks of a network; those of the last so many stay.
    Blocks(Slug, u64, Duration),
    /// Deliveries that ended. Before events: one that is still to be delivered stays.
    Deliveries(Duration),
    /// Events.
    Events(Duration),
}

/// What became of a piece.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Rows that went.
    pub rows: u64,
    /// There may be more.
    pub more: bool,
}

impl Old {
    /// As metrics and the command line name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Old::Blocks(..) => "blocks",
            Old::Deliveries(_) => "deliveries",
            Old::Events(_) => "events",
        }
    }
}

impl Store {
    /// How many rows of each would go, one after the other.
    pub async fn prunable(&self, due: &[Old]) -> Result<Vec<u64>, Error> {
        let mut counts = Vec::new();
        let mut delivered = None;
        for old in due {
            if let Old::Deliveries(age) = old {
                delivered = Some(*age);
            }
            counts.push(self.prunable_after(old, delivered).await?);
        }
        Ok(counts)
    }

    /// The same of one, when deliveries that ended so long ago are gone.
    async fn prunable_after(&self, old: &Old, delivered: Option<Duration>) -> Result<u64, Error> {
        let count = match old {
            Old::Blocks(slug, window, age) => {
                sqlx::query_scalar!(
                    r#"SELECT (SELECT count(*) FILTER (WHERE b.goes) FROM deposit_watcher_old_blocks($1, make_interval(secs => $2), $3,
                                  coalesce((SELECT p.blocks_to FROM prunings p WHERE p.network = $1), -1), NULL) b)
                            + (SELECT count(*) FROM deposit_watcher_old_orphans($1, make_interval(secs => $2), NULL)) AS "count!""#,
                    slug.as_str(),
                    age.as_secs_f64(),
                    blocks(*window),
                )
                .fetch_one(&self.pool)
                .await?
            }
            Old::Deliveries(age) => {
                sqlx::query_scalar!(
                    r#"SELECT count(*) AS "count!" FROM webhook_endpoints w
                        CROSS JOIN LATERAL deposit_watcher_old_deliveries(w.id, make_interval(secs => $1), NULL)"#,
                    age.as_secs_f64(),
                )
                .fetch_one(&self.pool)
                .await?
            }
            Old::Events(age) => {
                sqlx::query_scalar!(
                    r#"SELECT count(*) AS "count!" FROM event_sequences s
                        CROSS JOIN LATERAL deposit_watcher_old_events(s.business_id, make_interval(secs => $1), s.judged, NULL,
                                                                      make_interval(secs => $2::float8)) e
                        WHERE e.goes"#,
                    age.as_secs_f64(),
                    delivered.map(|age| age.as_secs_f64()),
                )
                .fetch_one(&self.pool)
                .await?
            }
        };
        Ok(codec::count(count))
    }

    /// Removes some of them.
    pub async fn prune(&self, old: &Old) -> Result<Pruned, Error> {
        match old.clone() {
            Old::Blocks(slug, window, age) => {
                to_the_end(&self.pool, move |errand| blocks_of(errand, slug, window, age)).await
            }
            Old::Deliveries(age) => to_the_end(&self.pool, move |errand| deliveries(errand, age)).await,
            Old::Events(age) => to_the_end(&self.pool, move |errand| events(errand, age)).await,
        }
    }
}

/// A window as the database counts it.
fn blocks(window: u64) -> i64 {
    i64::try_from(window).unwrap_or(i64::MAX)
}

/// Who prunes the same network waits; a step does not, for nothing of its own is touched.
async fn blocks_of(mut errand: Errand, slug: Slug, window: u64, age: Duration) -> Result<Pruned, Error> {
    sqlx::query!(
        "INSERT INTO prunings (network, blocks_to) SELECT n.slug, -1 FROM networks n WHERE n.slug = $1 ON CONFLICT DO NOTHING",
        slug.as_str()
    )
    .execute(&mut *errand)
    .await?;
    let judged = sqlx::query_scalar!("SELECT blocks_to FROM prunings WHERE network = $1 FOR UPDATE", slug.as_str());
    let Some(judged) = judged.fetch_optional(&mut *errand).await? else {
        // Configured and never worked.
        errand.rollback().await?;
        return Ok(Pruned::default());
    };
    let piece = sqlx::query!(
        r#"WITH old AS (SELECT * FROM deposit_watcher_old_blocks($1, make_interval(secs => $2), $3, $4, $5)),
                gone AS (DELETE FROM blocks b USING old o WHERE b.network = $1 AND b.hash = o.hash AND o.goes RETURNING b.hash)
           SELECT (SELECT count(*) FROM gone) AS "gone!", count(*) AS "judged!", coalesce(max(o.number), $4) AS "to!" FROM old o"#,
        slug.as_str(),
        age.as_secs_f64(),
        blocks(window),
        judged,
        PIECE,
    )
    .fetch_one(&mut *errand)
    .await?;
    let orphans = sqlx::query!(
        "DELETE FROM blocks b USING deposit_watcher_old_orphans($1, make_interval(secs => $2), $3) o
          WHERE b.network = $1 AND b.hash = o.hash AND NOT b.canonical",
        slug.as_str(),
        age.as_secs_f64(),
        PIECE,
    );
    let orphans = orphans.execute(&mut *errand).await?.rows_affected();
    sqlx::query!("UPDATE prunings SET blocks_to = $2 WHERE network = $1", slug.as_str(), piece.to)
        .execute(&mut *errand)
        .await?;
    errand.commit().await?;
    let more = piece.judged >= PIECE || orphans >= codec::count(PIECE);
    Ok(Pruned { rows: codec::count(piece.gone).saturating_add(orphans), more })
}

/// Locked first: one that is asked for again meanwhile is then found gone, or is no longer old.
async fn deliveries(mut errand: Errand, age: Duration) -> Result<Pruned, Error> {
    let old = sqlx::query_scalar!(
        "SELECT d.id FROM webhook_deliveries d
          WHERE d.state <> 'WAITING' AND d.id = ANY (ARRAY(
                SELECT o.id FROM webhook_endpoints w
                 CROSS JOIN LATERAL deposit_watcher_old_deliveries(w.id, make_interval(secs => $1), $2) o LIMIT $2))
            FOR UPDATE SKIP LOCKED",
        age.as_secs_f64(),
        PIECE,
    )
    .fetch_all(&mut *errand)
    .await?;
    sqlx::query!("DELETE FROM webhook_attempts WHERE delivery_id = ANY ($1)", &old).execute(&mut *errand).await?;
    let gone = sqlx::query!("DELETE FROM webhook_deliveries WHERE id = ANY ($1)", &old).execute(&mut *errand).await?;
    errand.commit().await?;
    let rows = gone.rows_affected();
    Ok(Pruned { rows, more: rows >= codec::count(PIECE) })
}

/// Of the first business that has old ones. Under the sequencer's lock, for only who holds it writes where events are
/// counted.
async fn events(mut errand: Errand, age: Duration) -> Result<Pruned, Error> {
    let lock = sqlx::query!("SELECT pg_advisory_xact_lock($1, $2)", SEQUENCER.0, SEQUENCER.1);
    lock.fetch_one(&mut *errand).await?;
    let next = sqlx::query!(
        "SELECT s.business_id, s.judged FROM event_sequences s
          WHERE (SELECT e.created_at FROM events e WHERE e.business_id = s.business_id AND e.sequence > s.judged ORDER BY e.sequence LIMIT 1)
                < now() - make_interval(secs => $1)
          ORDER BY s.business_id LIMIT 1",
        age.as_secs_f64(),
    );
    let Some(next) = next.fetch_optional(&mut *errand).await? else {
        errand.rollback().await?;
        return Ok(Pruned::default());
    };
    errand.say("SET LOCAL deposit_watcher.pruning = 'on'").await?;
    let piece = sqlx::query!(
        r#"WITH old AS (SELECT * FROM deposit_watcher_old_events($1, make_interval(secs => $2), $3, $4)),
                gone AS (DELETE FROM events e USING old o WHERE e.id = o.id AND o.goes RETURNING e.id)
           SELECT (SELECT count(*) FROM gone) AS "gone!", coalesce(max(o.sequence), $3) AS "to!" FROM old o"#,
        next.business_id,
        age.as_secs_f64(),
        next.judged,
        PIECE,
    )
    .fetch_one(&mut *errand)
    .await?;
    sqlx::query!("UPDATE event_sequences SET judged = $2 WHERE business_id = $1", next.business_id, piece.to)
        .execute(&mut *errand)
        .await?;
    errand.commit().await?;
    // Of this business, or of the next.
    Ok(Pruned { rows: codec::count(piece.gone), more: true })
}
