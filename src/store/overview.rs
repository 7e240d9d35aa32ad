//! What people and gauges ask: networks, sessions and transfers as they stand. Reads only.

use std::time::Duration;

use super::{Error, Store, codec};
use crate::domain::{SessionId, Time};

/// A line of `status`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NetworkStatus {
    /// Its slug.
    pub network: String,
    /// The newest head that its holder saw.
    pub head: Option<i64>,
    /// That head's timestamp.
    pub head_time: Option<Time>,
    /// When it was seen.
    pub head_seen_at: Option<Time>,
    /// The newest block scanned and committed.
    pub scanned: Option<i64>,
    /// Its timestamp.
    pub scanned_time: Option<Time>,
    /// Every block up to this one has been looked at twice.
    pub confirmed: Option<i64>,
    /// Who works it now.
    pub holder: Option<String>,
    /// Why it is halted.
    pub halted: Option<String>,
    /// What keeps its holder from working it, as he found last.
    pub why: Option<String>,
    /// The database's clock.
    pub now: Time,
}

/// A line of `sessions list`, and the head of `sessions show`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SessionLine {
    /// Its id.
    pub id: String,
    /// As committed.
    pub status: String,
    /// Whole tokens.
    pub amount: String,
    /// Whole tokens, seen ones included.
    pub received: String,
    /// Whole tokens.
    pub confirmed: String,
    /// Symbol as written.
    pub currency: String,
    /// Slug as written.
    pub network: String,
    /// As written.
    pub currency_address: String,
    /// As written.
    pub deposit_address: String,
    /// Newest transfer.
    pub tx_id: Option<String>,
    /// By the opener's clock.
    pub created_at: Time,
    /// By the database's clock.
    pub accepted_at: Time,
    /// Until when it takes money.
    pub expires_at: Time,
    /// When it was cancelled.
    pub cancelled_at: Option<Time>,
    /// When it became paid.
    pub confirmed_at: Option<Time>,
    /// When it stopped waiting.
    pub closed_at: Option<Time>,
    /// Why it can never be matched.
    pub unusable: Option<String>,
}

/// A line of `transfers list`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TransferLine {
    /// Slug.
    pub network: String,
    /// Height.
    pub block_number: i64,
    /// Block.
    pub block_hash: String,
    /// The block's timestamp.
    pub block_time: Time,
    /// Transaction.
    pub tx_hash: String,
    /// Index within the block.
    pub log_index: i64,
    /// Token contract.
    pub token_address: String,
    /// Sender.
    pub from_address: String,
    /// Recipient.
    pub to_address: String,
    /// Base units.
    pub amount_units: String,
    /// Whole tokens.
    pub amount: String,
    /// `SEEN`, `CONFIRMED` or `ORPHANED`.
    pub state: String,
    /// The session it pays (or paid, when orphaned).
    pub session_id: Option<String>,
    /// Why it pays none.
    pub reason: Option<String>,
    /// When it was first stored.
    pub seen_at: Time,
    /// When it was confirmed.
    pub confirmed_at: Option<Time>,
    /// What a person decided: `assigned`, `ignored` or `refunded` (or had decided, of an orphaned one).
    pub settled: Option<String>,
    /// The number of that decision, where it holds.
    pub settlement: Option<i64>,
    /// Decisions that wait to be carried out.
    pub asked: Option<String>,
}

/// Money without an owner, of one network and for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmatchedCount {
    /// Slug.
    pub network: String,
    /// Why.
    pub reason: String,
    /// How many transfers.
    pub count: u64,
    /// For how long the first of them has been known.
    pub oldest: Duration,
}

impl Store {
    /// Every network that the database knows.
    pub async fn network_statuses(&self) -> Result<Vec<NetworkStatus>, Error> {
        let rows = sqlx::query_as!(
            NetworkStatus,
            r#"SELECT n.slug AS network, n.head_number AS head, n.head_time, n.head_seen_at, n.scanned_number AS scanned, n.scanned_time,
                      n.confirmed_number AS confirmed, l.holder AS "holder?", n.halted_reason AS halted,
                      l.trouble AS "why?", clock_timestamp() AS "now!"
                 FROM networks n LEFT JOIN leases l ON l.network = n.slug AND l.expires_at > clock_timestamp() ORDER BY n.slug"#
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// How many sessions there are, by network and status.
    pub async fn session_counts(&self) -> Result<Vec<(String, String, u64)>, Error> {
        let rows = sqlx::query!(
            r#"SELECT network, payment_status AS status, count(*) AS "count!" FROM deposit_sessions GROUP BY network, payment_status ORDER BY 1, 2"#
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.network, row.status, codec::count(row.count))).collect())
    }

    /// How many canonical transfers belong to no session and are not settled, by network and reason, and the age of the
    /// oldest since it was first seen.
    pub async fn unmatched_counts(&self) -> Result<Vec<UnmatchedCount>, Error> {
        let rows = sqlx::query!(
            r#"SELECT network, reason AS "reason!", count(*) AS "count!",
                      greatest(floor(extract(epoch FROM clock_timestamp() - min(seen_at))), 0)::bigint AS "age!"
                 FROM transfers
                WHERE reason IS NOT NULL AND state <> 'ORPHANED' AND settled IS NULL GROUP BY network, reason"#
        )
        .fetch_all(&self.pool)
        .await?;
        let lines = rows.into_iter().map(|row| UnmatchedCount {
            network: row.network,
            reason: row.reason,
            count: codec::count(row.count),
            oldest: Duration::from_secs(codec::count(row.age)),
        });
        Ok(lines.collect())
    }

    /// Sessions, newest first; one of them by its id.
    pub async fn session_lines(
        &self,
        id: Option<&SessionId>,
        network: Option<&str>,
        status: Option<&str>,
        limit: i64,
    ) -> Result<Vec<SessionLine>, Error> {
        let rows = sqlx::query_as!(
            SessionLine,
            r#"SELECT id, payment_status AS status, trim_scale(amount)::text AS "amount!", trim_scale(received_amount)::text AS "received!",
                      trim_scale(confirmed_amount)::text AS "confirmed!", currency, network, currency_address, deposit_address, tx_id,
                      created_at, accepted_at, expires_at, cancelled_at, confirmed_at, closed_at, unusable
                 FROM deposit_sessions
                WHERE ($1::text IS NULL OR id = $1) AND ($2::text IS NULL OR network = $2) AND ($3::text IS NULL OR payment_status = $3)
                ORDER BY accepted_at DESC, id LIMIT $4"#,
            id.map(|id| id.0.as_str()),
            network,
            status,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// Ids of sessions that somebody may mean who says this one: its neighbours by name, and the newest.
    pub async fn session_ids_near(&self, id: &SessionId) -> Result<Vec<String>, Error> {
        let ids = sqlx::query_scalar!(
            r#"(SELECT id AS "id!" FROM deposit_sessions WHERE id >= $1 ORDER BY id LIMIT 10)
               UNION (SELECT id FROM deposit_sessions WHERE id < $1 ORDER BY id DESC LIMIT 10)
               UNION (SELECT id FROM deposit_sessions ORDER BY accepted_at DESC LIMIT 1000)
               ORDER BY 1"#,
            id.0,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(ids)
    }

    /// Transfers, newest first: of a session (or once of it), of an address, of a transaction, unmatched ones only.
    pub async fn transfer_lines(
        &self,
        network: Option<&str>,
        session: Option<&SessionId>,
        to: Option<&str>,
        tx_hash: Option<&str>,
        unmatched: bool,
        limit: i64,
    ) -> Result<Vec<TransferLine>, Error> {
        let rows = sqlx::query_as!(
            TransferLine,
            r#"SELECT network, block_number, block_hash, block_time, tx_hash, log_index, token_address, from_address, to_address,
                      amount_units::text AS "amount_units!", trim_scale(amount)::text AS "amount!", state, session_id, reason, seen_at, confirmed_at,
                      settled, settlement,
                      (SELECT string_agg(concat_ws(' ', d.kind, d.session_id), ', ' ORDER BY d.id) FROM settlements d
                        WHERE d.network = t.network AND d.block_hash = t.block_hash AND d.log_index = t.log_index AND d.outcome IS NULL
                          AND (d.tx_hash, d.token_address, d.from_address, d.to_address, d.amount_units)
                            = (t.tx_hash, t.token_address, t.from_address, t.to_address, t.amount_units)) AS asked
                 FROM transfers t
                WHERE ($1::text IS NULL OR network = $1) AND ($2::text IS NULL OR session_id = $2) AND ($3::text IS NULL OR to_address = $3)
                  AND ($4::text IS NULL OR tx_hash = $4) AND (NOT $5 OR reason IS NOT NULL AND state <> 'ORPHANED' AND settled IS NULL)
                ORDER BY block_number DESC, log_index DESC LIMIT $6"#,
            network,
            session.map(|id| id.0.as_str()),
            to,
            tx_hash,
            unmatched,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }
}
