//! What `reconcile` compares with the chain. Not for comparing, which is the command's, nor for the rows that it leaves.

use std::time::Duration;

use super::{Error, Store, codec};
use crate::domain::{Address, BlockNumber, SessionId, Slug, Time, Transfer, TransferState, Units};

/// A transfer as it is stored and as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookedTransfer {
    /// As stored.
    pub transfer: Transfer,
    /// What is stored of the chain.
    pub state: TransferState,
    /// Whose it is.
    pub session: Option<SessionId>,
    /// Signed base units that the ledger holds of it, refunds left out.
    pub ledger: String,
}

/// A transfer on the chain that is not stored, as far as it matters whether it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Untold {
    /// Its block.
    pub number: BlockNumber,
    /// That block's time.
    pub time: Time,
    /// Its token.
    pub token: Address,
    /// Its recipient.
    pub to: Address,
}

/// Whether a transfer that a session was waiting for must be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// Its block was read for its token.
    Stored,
    /// A rescan is still to read its block.
    NotYet,
    /// Its token was not followed there, and no rescan has read it.
    NotRead,
}

/// What came to an address that a session names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Came {
    /// The token.
    pub token: Address,
    /// The recipient.
    pub to: Address,
    /// Base units of all canonical transfers that are stored.
    pub units: Units,
}

impl Store {
    /// The transfers of a range that stand on the chain, and those that left it of which the ledger still holds something.
    pub async fn booked_between(
        &self,
        slug: &Slug,
        from: BlockNumber,
        to: BlockNumber,
        tokens: &[Address],
    ) -> Result<Vec<BookedTransfer>, Error> {
        let rows = sqlx::query!(
            r#"SELECT t.block_number, t.block_hash, t.log_index, t.block_time, t.tx_hash, t.token_address, t.from_address, t.to_address,
                      t.amount_units::text AS "units!", t.state, t.session_id, coalesce(l.units, 0)::text AS "ledger!"
                 FROM transfers t
                 LEFT JOIN LATERAL (SELECT sum(l.units) AS units FROM ledger l
                                     WHERE l.network = t.network AND l.block_hash = t.block_hash AND l.log_index = t.log_index
                                       AND l.kind <> 'refund') l ON true
                WHERE t.network = $1 AND t.block_number BETWEEN $2 AND $3 AND t.token_address = ANY($4)
                  AND (t.state <> 'ORPHANED' OR l.units <> 0)
                ORDER BY t.block_number, t.log_index"#,
            slug.as_str(),
            codec::height(from),
            codec::height(to),
            &texts(tokens),
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let state = TransferState::parse(&row.state)
                    .ok_or_else(|| Error::Unreadable(format!("{:?} is no state of a transfer", row.state)))?;
                let transfer = Transfer {
                    block: codec::block(row.block_number, &row.block_hash)?,
                    time: Some(row.block_time),
                    tx_hash: codec::hash(&row.tx_hash)?,
                    log_index: codec::count(row.log_index),
                    token: codec::address(&row.token_address)?,
                    from: codec::address(&row.from_address)?,
                    to: codec::address(&row.to_address)?,
                    units: codec::units(&row.units)?,
                };
                Ok(BookedTransfer { transfer, state, session: row.session_id.map(SessionId), ledger: row.ledger })
            })
            .collect()
    }

    /// Signed base units that the ledger holds of a range's transfers, by token, refunds left out.
    pub async fn ledger_between(
        &self,
        slug: &Slug,
        from: BlockNumber,
        to: BlockNumber,
        tokens: &[Address],
    ) -> Result<Vec<(Address, String)>, Error> {
        let rows = sqlx::query!(
            r#"SELECT l.token_address, sum(l.units)::text AS "units!"
                 FROM ledger l JOIN transfers t ON t.network = l.network AND t.block_hash = l.block_hash AND t.log_index = l.log_index
                WHERE l.network = $1 AND t.block_number BETWEEN $2 AND $3 AND l.token_address = ANY($4) AND l.kind <> 'refund'
                GROUP BY l.token_address"#,
            slug.as_str(),
            codec::height(from),
            codec::height(to),
            &texts(tokens),
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(|row| Ok((codec::address(&row.token_address)?, row.units))).collect()
    }

    /// Of these those that a session was waiting for, by their place, each with whether it must be stored: they went to an
    /// address that a session named when the block was first looked at, for which it was not mined too early (`skew`) and
    /// which was not over for longer than `late`. The others are rightly not stored.
    pub async fn must_be_here(
        &self,
        slug: &Slug,
        untold: &[Untold],
        skew: Duration,
        late: Duration,
    ) -> Result<Vec<(usize, Duty)>, Error> {
        let numbers: Vec<i64> = untold.iter().map(|one| codec::height(one.number)).collect();
        let times: Vec<Time> = untold.iter().map(|one| one.time).collect();
        let tokens: Vec<String> = untold.iter().map(|one| codec::address_text(one.token)).collect();
        let recipients: Vec<String> = untold.iter().map(|one| codec::address_text(one.to)).collect();
        let rows = sqlx::query!(
            r#"SELECT n.place AS "place!",
                      (EXISTS (SELECT FROM token_spans f JOIN networks w ON w.slug = f.network
                                WHERE f.network = $1 AND f.token = n.token AND n.number >= coalesce(f.from_block, w.first_number + 1)
                                  AND (f.until IS NULL OR n.number <= f.to_block))
                       OR EXISTS (SELECT FROM rescans r WHERE r.network = $1
                                     AND n.number BETWEEN r.from_block AND least(r.to_block, r.next_second - 1)
                                     AND (r.token = n.token
                                          OR r.token IS NULL AND EXISTS (SELECT FROM token_spans f WHERE f.network = $1 AND f.token = n.token
                                                                            AND f.since <= coalesce(r.finished_at, now())
                                                                            AND coalesce(f.until, now()) >= r.requested_at)))) AS "read!",
                      EXISTS (SELECT FROM rescans r WHERE r.network = $1 AND r.token = n.token AND r.finished_at IS NULL
                                 AND n.number BETWEEN greatest(r.from_block, r.next_second) AND r.to_block) AS "owed!",
                      EXISTS (SELECT FROM rescans r WHERE r.network = $1 AND r.token IS NULL AND r.finished_at IS NULL
                                 AND n.number BETWEEN greatest(r.from_block, r.next_second) AND r.to_block) AS "asked!"
                 FROM unnest($2::bigint[], $3::timestamptz[], $4::text[], $5::text[]) WITH ORDINALITY AS n (number, time, token, recipient, place)
                WHERE EXISTS (SELECT FROM deposit_sessions s
                               WHERE s.to_address = n.recipient
                                 AND s.accepted_at <= n.time + make_interval(secs => $7)
                                 AND s.accepted_at <= (SELECT b.looked_at FROM blocks b WHERE b.network = $1 AND b.canonical
                                                          AND b.number >= n.number ORDER BY b.number LIMIT 1)
                                 AND (s.closed_at IS NULL OR greatest(s.accepted_at, s.expires_at) >= n.time - make_interval(secs => $6)))
                ORDER BY n.place"#,
            slug.as_str(),
            &numbers,
            &times,
            &tokens,
            &recipients,
            late.as_secs_f64(),
            skew.as_secs_f64(),
        )
        .fetch_all(&self.pool)
        .await?;
        let duties = rows.into_iter().map(|row| {
            let duty = match (row.read, row.owed, row.asked) {
                (_, true, _) | (false, false, true) => Duty::NotYet,
                (true, false, _) => Duty::Stored,
                (false, false, false) => Duty::NotRead,
            };
            (usize::try_from(row.place).unwrap_or_default().saturating_sub(1), duty)
        });
        Ok(duties.collect())
    }

    /// What came up to a block to each address that a session of the network names, and to those that got something.
    pub async fn came_to(&self, slug: &Slug, to: BlockNumber, tokens: &[Address]) -> Result<Vec<Came>, Error> {
        let rows = sqlx::query!(
            r#"SELECT a.token AS "token!", a.recipient AS "recipient!", coalesce(sum(t.amount_units), 0)::text AS "units!"
                 FROM (SELECT s.token_address AS token, s.to_address AS recipient FROM deposit_sessions s
                        WHERE s.network = $1 AND s.token_address = ANY($3) AND s.to_address IS NOT NULL
                       UNION
                       SELECT t.token_address, t.to_address FROM transfers t
                        WHERE t.network = $1 AND t.token_address = ANY($3) AND t.state <> 'ORPHANED') a
                 LEFT JOIN transfers t ON t.network = $1 AND t.token_address = a.token AND t.to_address = a.recipient
                                      AND t.state <> 'ORPHANED' AND t.block_number <= $2
                GROUP BY 1, 2 ORDER BY 1, 2"#,
            slug.as_str(),
            codec::height(to),
            &texts(tokens),
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let (token, to) = (codec::address(&row.token)?, codec::address(&row.recipient)?);
                Ok(Came { token, to, units: codec::units(&row.units)? })
            })
            .collect()
    }
}

pub(super) fn texts(addresses: &[Address]) -> Vec<String> {
    addresses.iter().copied().map(codec::address_text).collect()
}
