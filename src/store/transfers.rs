//! Transfers: inserted once, revived when their block returns, orphaned when it leaves, never deleted.

use std::time::Duration;

use super::sessions::Destination;
use super::{Error, Store, Unit, codec};
use crate::domain::{
    Address, Assignment, BlockNumber, LogId, SessionId, Slug, Time, Transfer, TxHash, Units, Unmatched,
};

/// A canonical transfer as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTransfer {
    /// Its identity.
    pub id: LogId,
    /// Its block's number.
    pub number: BlockNumber,
    /// Its transaction.
    pub tx_hash: TxHash,
    /// Token and recipient.
    pub destination: Destination,
    /// Sender.
    pub from: Address,
    /// Base units.
    pub units: Units,
    /// The time that decides whether it is in time.
    pub paid_at: Time,
    /// When it was first stored, in whichever block.
    pub seen_at: Time,
    /// The session it pays.
    pub session: Option<SessionId>,
    /// Why it pays none.
    pub reason: Option<Unmatched>,
    /// The session it had before a reorganisation.
    pub had: Option<SessionId>,
    /// Since when it is CONFIRMED.
    pub confirmed_at: Option<Time>,
    /// True once the second look agreed.
    pub verified: bool,
    /// True when a person settled it.
    pub settled: bool,
}

/// What a derivation says of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferVerdict {
    /// Which one.
    pub id: LogId,
    /// Whose it is.
    pub assignment: Assignment,
    /// True when it is confirmed now.
    pub confirmed: bool,
}

async fn watched<'c>(by: impl sqlx::PgExecutor<'c>, addresses: &[Address], since: Time) -> Result<Vec<Address>, Error> {
    let texts: Vec<String> = addresses.iter().copied().map(codec::address_text).collect();
    let rows = sqlx::query!(
        r#"SELECT a.address AS "address!" FROM unnest($1::text[]) AS a (address)
            WHERE EXISTS (SELECT FROM deposit_sessions s WHERE s.to_address = a.address
                           AND (s.accepted_at >= $2 OR s.closed_at IS NULL OR s.expires_at >= $2))"#,
        &texts,
        since,
    )
    .fetch_all(by)
    .await?;
    rows.iter().map(|row| codec::address(&row.address)).collect()
}

impl Store {
    /// The canonical transfers of a range, for comparing the second look with the first. Only what both looks read.
    pub async fn transfers_between(
        &self,
        slug: &Slug,
        from: BlockNumber,
        to: BlockNumber,
        tokens: &[Address],
    ) -> Result<Vec<Transfer>, Error> {
        let tokens: Vec<String> = tokens.iter().copied().map(codec::address_text).collect();
        let rows = sqlx::query!(
            r#"SELECT block_number, block_hash, log_index, block_time, tx_hash, token_address, from_address, to_address,
                      amount_units::text AS "units!"
                 FROM transfers WHERE network = $1 AND block_number BETWEEN $2 AND $3 AND state <> 'ORPHANED' AND token_address = ANY($4)
                ORDER BY block_number, log_index"#,
            slug.as_str(),
            codec::height(from),
            codec::height(to),
            &tokens,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Transfer {
                    block: codec::block(row.block_number, &row.block_hash)?,
                    time: Some(row.block_time),
                    tx_hash: codec::hash(&row.tx_hash)?,
                    log_index: codec::count(row.log_index),
                    token: codec::address(&row.token_address)?,
                    from: codec::address(&row.from_address)?,
                    to: codec::address(&row.to_address)?,
                    units: codec::units(&row.units)?,
                })
            })
            .collect()
    }

    /// Which of these addresses a session has named since `since`, or still waits for money at, on any network.
    pub async fn watched(&self, addresses: &[Address], since: Time) -> Result<Vec<Address>, Error> {
        watched(&self.pool, addresses, since).await
    }

    /// How many confirmed transfers stand above a block: what a rewind to it would revert.
    pub async fn confirmed_above(&self, slug: &Slug, ancestor: BlockNumber) -> Result<u64, Error> {
        let row = sqlx::query!(
            r#"SELECT count(*) AS "count!" FROM transfers WHERE network = $1 AND block_number > $2 AND state = 'CONFIRMED'"#,
            slug.as_str(),
            codec::height(ancestor),
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(codec::count(row.count))
    }

    /// True when a transfer of these tokens waits to be confirmed at or below `to`.
    pub async fn seen_waiting(&self, slug: &Slug, to: BlockNumber, tokens: &[Address]) -> Result<bool, Error> {
        let tokens: Vec<String> = tokens.iter().copied().map(codec::address_text).collect();
        let row = sqlx::query!(
            r#"SELECT EXISTS (SELECT FROM transfers WHERE network = $1 AND state = 'SEEN' AND block_number <= $2 AND token_address = ANY($3)) AS "waits!""#,
            slug.as_str(),
            codec::height(to),
            &tokens,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(row.waits)
    }
}

impl Unit {
    /// [`Store::watched`], by the sessions visible in this unit.
    pub async fn watched(&mut self, addresses: &[Address], since: Time) -> Result<Vec<Address>, Error> {
        watched(self.connection(), addresses, since).await
    }

    /// Inserts transfers whose blocks are recorded; returns those that are new or live again (I3).
    ///
    /// One that was seen in a block that left the chain keeps when it was first stored, the session that the rules gave it
    /// to, and, where that block left within `reorg_grace`, the time it was first mined. A row that lives again holds what
    /// this answer says, not what an endpoint once invented at its place. What a person decided follows when it is derived.
    pub async fn insert_transfers(
        &mut self,
        slug: &Slug,
        transfers: &[(Transfer, Time, u8)],
        reorg_grace: Duration,
    ) -> Result<Vec<Destination>, Error> {
        let column = |read: fn(&Transfer) -> String| transfers.iter().map(|(t, _, _)| read(t)).collect::<Vec<_>>();
        let amounts: Vec<String> = transfers.iter().map(|(t, _, decimals)| t.units.to_decimal(*decimals)).collect();
        let indexes: Vec<i64> = transfers.iter().map(|(t, _, _)| codec::index(t.log_index)).collect();
        let numbers: Vec<i64> = transfers.iter().map(|(t, _, _)| codec::height(t.block.number)).collect();
        let times: Vec<Time> = transfers.iter().map(|(_, time, _)| *time).collect();
        let rows = sqlx::query!(
            r#"WITH incoming AS (
                 SELECT * FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::text[], $7::text[], $8::text[],
                                      $9::text[], $10::text[], $11::text[])
                     AS n (block_hash, log_index, number, time, tx_hash, token, sender, recipient, units, amount)
               ), twins AS (
                 SELECT i.block_hash, i.log_index, min(t.seen_at) AS seen_at,
                        min(t.paid_at) FILTER (WHERE t.orphaned_at > now() - make_interval(secs => $12)) AS paid_at,
                        (array_agg(t.session_id ORDER BY t.orphaned_at DESC) FILTER (WHERE t.session_id IS NOT NULL AND t.settled IS NULL))[1] AS had
                   FROM incoming i
                   JOIN transfers t ON t.network = $1 AND t.tx_hash = i.tx_hash AND t.state = 'ORPHANED' AND t.token_address = i.token
                    AND t.from_address = i.sender AND t.to_address = i.recipient AND t.amount_units = i.units::numeric
                  GROUP BY i.block_hash, i.log_index)
               INSERT INTO transfers AS t (network, block_hash, log_index, block_number, block_time, tx_hash, token_address,
                      from_address, to_address, amount_units, amount, state, paid_at, seen_at, had_session)
               SELECT $1, i.block_hash, i.log_index, i.number, i.time, i.tx_hash, i.token, i.sender, i.recipient,
                      i.units::numeric, i.amount::numeric, 'SEEN', least(i.time, w.paid_at), least(now(), w.seen_at), w.had
                 FROM incoming i LEFT JOIN twins w USING (block_hash, log_index)
               ON CONFLICT (network, block_hash, log_index) DO UPDATE
                  SET (state, verified, confirmed_at, orphaned_at, reason, tx_hash, token_address, from_address, to_address, amount_units,
                       amount, block_number, block_time, paid_at, seen_at, had_session, session_id, settled, settlement) =
                      (SELECT 'SEEN', false, NULL::timestamptz, NULL::timestamptz, CASE WHEN decided THEN t.reason END, EXCLUDED.tx_hash, EXCLUDED.token_address,
                              EXCLUDED.from_address, EXCLUDED.to_address, EXCLUDED.amount_units, EXCLUDED.amount,
                              CASE WHEN same THEN t.block_number ELSE EXCLUDED.block_number END,
                              CASE WHEN same THEN t.block_time ELSE EXCLUDED.block_time END,
                              CASE WHEN same THEN least(t.paid_at, EXCLUDED.paid_at) ELSE EXCLUDED.paid_at END,
                              CASE WHEN same THEN least(t.seen_at, EXCLUDED.seen_at) ELSE EXCLUDED.seen_at END,
                              CASE WHEN same AND t.settled IS NULL THEN coalesce(t.session_id, t.had_session)
                                   WHEN same THEN t.had_session ELSE EXCLUDED.had_session END,
                              CASE WHEN decided THEN t.session_id END,
                              CASE WHEN decided THEN t.settled END,
                              CASE WHEN decided THEN t.settlement END
                         FROM (SELECT same, same AND t.settlement IS NOT NULL AS decided FROM (SELECT (t.tx_hash, t.token_address, t.from_address, t.to_address, t.amount_units)
                                      IS NOT DISTINCT FROM (EXCLUDED.tx_hash, EXCLUDED.token_address, EXCLUDED.from_address,
                                                            EXCLUDED.to_address, EXCLUDED.amount_units) AS same) AS content) AS past)
                WHERE t.state = 'ORPHANED'
               RETURNING token_address, to_address"#,
            slug.as_str(),
            &column(|t| codec::hash_text(t.block.hash)),
            &indexes,
            &numbers,
            &times,
            &column(|t| codec::hash_text(t.tx_hash)),
            &column(|t| codec::address_text(t.token)),
            &column(|t| codec::address_text(t.from)),
            &column(|t| codec::address_text(t.to)),
            &column(|t| t.units.to_string()),
            &amounts,
            reorg_grace.as_secs_f64(),
        )
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(|row| Destination::read(&row.token_address, &row.to_address)).collect()
    }

    /// Orphans every transfer above `ancestor`; returns the addresses to derive again and how many were confirmed.
    pub async fn orphan_transfers_above(
        &mut self,
        slug: &Slug,
        ancestor: BlockNumber,
    ) -> Result<(Vec<Destination>, u64), Error> {
        let rows = sqlx::query!(
            r#"UPDATE transfers t SET state = 'ORPHANED', verified = false, confirmed_at = NULL, orphaned_at = now()
                 FROM (SELECT block_hash, log_index, state FROM transfers
                        WHERE network = $1 AND block_number > $2 AND state <> 'ORPHANED') was
                WHERE t.network = $1 AND t.block_hash = was.block_hash AND t.log_index = was.log_index
            RETURNING t.token_address, t.to_address, was.state = 'CONFIRMED' AS "confirmed!""#,
            slug.as_str(),
            codec::height(ancestor),
        )
        .fetch_all(self.connection())
        .await?;
        let confirmed = rows.iter().filter(|row| row.confirmed).count();
        let places = rows.iter().map(|row| Destination::read(&row.token_address, &row.to_address));
        Ok((places.collect::<Result<_, _>>()?, u64::try_from(confirmed).unwrap_or(u64::MAX)))
    }

    /// Orphans transfers that a second look proved invented; returns how many of them had been confirmed.
    pub async fn orphan_invented(&mut self, slug: &Slug, invented: &[LogId]) -> Result<u64, Error> {
        let (hashes, indexes) = codec::logs(invented);
        let rows = sqlx::query!(
            r#"UPDATE transfers t SET state = 'ORPHANED', verified = false, confirmed_at = NULL, orphaned_at = now()
                 FROM (SELECT x.block_hash, x.log_index, x.state FROM transfers x
                         JOIN unnest($2::text[], $3::bigint[]) AS n (block_hash, log_index) USING (block_hash, log_index)
                        WHERE x.network = $1 AND x.state <> 'ORPHANED') was
                WHERE t.network = $1 AND t.block_hash = was.block_hash AND t.log_index = was.log_index
            RETURNING was.state = 'CONFIRMED' AS "confirmed!""#,
            slug.as_str(),
            &hashes,
            &indexes,
        )
        .fetch_all(self.connection())
        .await?;
        Ok(u64::try_from(rows.iter().filter(|row| row.confirmed).count()).unwrap_or(u64::MAX))
    }

    /// Marks the canonical transfers of a range as looked at twice; returns the destinations to derive again: theirs, and
    /// those of transfers further down that were looked at twice and still wait.
    pub async fn verify_between(
        &mut self,
        slug: &Slug,
        from: BlockNumber,
        to: BlockNumber,
        tokens: &[Address],
    ) -> Result<Vec<Destination>, Error> {
        let tokens: Vec<String> = tokens.iter().copied().map(codec::address_text).collect();
        let rows = sqlx::query!(
            r#"WITH looked AS (
                 UPDATE transfers SET verified = true
                  WHERE network = $1 AND block_number BETWEEN $2 AND $3 AND state = 'SEEN' AND NOT verified AND token_address = ANY($4)
              RETURNING token_address, to_address)
               SELECT token_address AS "token_address!", to_address AS "to_address!" FROM looked
                UNION
               SELECT token_address, to_address FROM transfers
                WHERE network = $1 AND block_number <= $3 AND state = 'SEEN' AND verified AND token_address = ANY($4)"#,
            slug.as_str(),
            codec::height(from),
            codec::height(to),
            &tokens,
        )
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(|row| Destination::read(&row.token_address, &row.to_address)).collect()
    }

    /// The time of the oldest transfer at these destinations whose owner may still change.
    pub async fn oldest_open_transfer(
        &mut self,
        slug: &Slug,
        destinations: &[Destination],
    ) -> Result<Option<Time>, Error> {
        let (tokens, recipients) = Destination::columns(destinations);
        let row = sqlx::query!(
            r#"SELECT min(t.paid_at) AS oldest FROM unnest($2::text[], $3::text[]) AS g (token, recipient)
                 JOIN transfers t ON t.network = $1 AND t.to_address = g.recipient AND t.token_address = g.token AND t.state <> 'ORPHANED'
                WHERE t.state = 'SEEN' OR (t.reason = 'ambiguous' AND t.settled IS NULL)"#,
            slug.as_str(),
            &tokens,
            &recipients,
        )
        .fetch_one(self.connection())
        .await?;
        Ok(row.oldest)
    }

    /// The canonical transfers at these destinations that a derivation needs: those not yet confirmed, those held as
    /// ambiguous, and those that already pay one of `sessions`. In chain order.
    pub async fn transfers_at(
        &mut self,
        slug: &Slug,
        destinations: &[Destination],
        sessions: &[SessionId],
    ) -> Result<Vec<StoredTransfer>, Error> {
        let (tokens, recipients) = Destination::columns(destinations);
        let sessions: Vec<String> = sessions.iter().map(|id| id.0.clone()).collect();
        let rows = sqlx::query!(
            r#"SELECT t.block_hash, t.log_index, t.block_number, t.tx_hash, t.token_address, t.to_address, t.from_address,
                      t.amount_units::text AS "units!", t.paid_at, t.seen_at, t.session_id, t.reason, t.had_session,
                      t.confirmed_at, t.verified, t.settled IS NOT NULL AS "settled!"
                 FROM unnest($2::text[], $3::text[]) AS g (token, recipient)
                 JOIN transfers t ON t.network = $1 AND t.to_address = g.recipient AND t.token_address = g.token AND t.state <> 'ORPHANED'
                WHERE t.state = 'SEEN' OR t.session_id = ANY($4) OR (t.reason = 'ambiguous' AND t.settled IS NULL)
                ORDER BY t.block_number, t.log_index"#,
            slug.as_str(),
            &tokens,
            &recipients,
            &sessions,
        )
        .fetch_all(self.connection())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(StoredTransfer {
                    id: LogId { block_hash: codec::hash(&row.block_hash)?, log_index: codec::count(row.log_index) },
                    number: codec::number(row.block_number)?,
                    tx_hash: codec::hash(&row.tx_hash)?,
                    destination: Destination::read(&row.token_address, &row.to_address)?,
                    from: codec::address(&row.from_address)?,
                    units: codec::units(&row.units)?,
                    paid_at: row.paid_at,
                    seen_at: row.seen_at,
                    session: row.session_id.map(SessionId),
                    reason: row.reason.as_deref().and_then(Unmatched::parse),
                    had: row.had_session.map(SessionId),
                    confirmed_at: row.confirmed_at,
                    verified: row.verified,
                    settled: row.settled,
                })
            })
            .collect()
    }

    /// Writes what a derivation changed.
    pub async fn write_verdicts(&mut self, slug: &Slug, verdicts: &[TransferVerdict]) -> Result<(), Error> {
        let hashes: Vec<String> = verdicts.iter().map(|v| codec::hash_text(v.id.block_hash)).collect();
        let indexes: Vec<i64> = verdicts.iter().map(|v| codec::index(v.id.log_index)).collect();
        let confirmed: Vec<bool> = verdicts.iter().map(|v| v.confirmed).collect();
        let (sessions, reasons): (Vec<Option<String>>, Vec<Option<String>>) = verdicts
            .iter()
            .map(|v| match &v.assignment {
                Assignment::Session(id) => (Some(id.0.clone()), None),
                Assignment::None(reason) => (None, Some(reason.as_str().to_owned())),
            })
            .unzip();
        sqlx::query!(
            "UPDATE transfers t SET session_id = n.session, reason = n.reason,
                    state = CASE WHEN n.confirmed THEN 'CONFIRMED' ELSE 'SEEN' END,
                    confirmed_at = CASE WHEN n.confirmed THEN coalesce(t.confirmed_at, now()) END
               FROM unnest($2::text[], $3::bigint[], $4::text[], $5::text[], $6::boolean[]) AS n (block_hash, log_index, session, reason, confirmed)
              WHERE t.network = $1 AND t.block_hash = n.block_hash AND t.log_index = n.log_index",
            slug.as_str(),
            &hashes,
            &indexes,
            &sessions as &[Option<String>],
            &reasons as &[Option<String>],
            &confirmed,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
