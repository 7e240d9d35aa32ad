//! Sessions as a derivation reads and writes them: by destination, in bulk, locked row by row without waiting for others.

use std::time::Duration;

use super::{Error, Unit, codec};
use crate::domain::{Address, BlockNumber, SessionId, SessionStatus, Slug, Time};

/// Where money of a token arrives: what a derivation is about, within its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Destination {
    /// The token contract.
    pub token: Address,
    /// The recipient.
    pub to: Address,
}

impl Destination {
    pub(super) fn read(token: &str, to: &str) -> Result<Destination, Error> {
        Ok(Destination { token: codec::address(token)?, to: codec::address(to)? })
    }

    pub(super) fn columns(destinations: &[Destination]) -> (Vec<String>, Vec<String>) {
        destinations.iter().map(|d| (codec::address_text(d.token), codec::address_text(d.to))).unzip()
    }
}

/// A session's row, not yet examined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// Token and address, as compared.
    pub destination: Destination,
    /// Slug as written.
    pub network: String,
    /// Symbol as written.
    pub currency: String,
    /// Token contract as written.
    pub currency_address: String,
    /// Destination as written.
    pub deposit_address: String,
    /// Whole tokens as plain digits.
    pub amount: String,
    /// When it was inserted, by the database's clock.
    pub accepted_at: Time,
    /// The later of `created_at` and `accepted_at`.
    pub begins_at: Time,
    /// What a part payment added included.
    pub expires_at: Time,
    /// How much of `expires_at` a part payment added.
    pub topup: Duration,
    /// When it was cancelled.
    pub cancelled_at: Option<Time>,
    /// As committed.
    pub status: SessionStatus,
    /// How much less than the amount is all of it, whole tokens as digits; `None` before its first money was seen.
    pub tolerance: Option<String>,
    /// As committed, base units of nothing yet: whole tokens as digits.
    pub received: String,
    /// As committed.
    pub confirmed: String,
    /// As committed.
    pub tx_id: Option<String>,
    /// True once it stopped waiting for money.
    pub closed: bool,
    /// The cursor at which a reorganisation took its last transfer.
    pub lost_at: Option<BlockNumber>,
}

/// A session that names the address, whatever its token and use: what makes an address shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRow {
    /// Its id.
    pub id: SessionId,
    /// Its token as lower-case text; may be no address at all.
    pub token: String,
    /// Its destination.
    pub to: Address,
    /// The later of `created_at` and `accepted_at`.
    pub begins_at: Time,
    /// Until when it takes money.
    pub expires_at: Time,
}

/// Who else names an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressFacts {
    /// What it is about.
    pub destination: Destination,
    /// Some session of this network names it for this token.
    pub same_token: bool,
    /// Some session of this network names it.
    pub same_network: bool,
}

/// What a derivation says of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionWrite {
    /// Which one.
    pub id: SessionId,
    /// Its status.
    pub status: SessionStatus,
    /// By which it was judged: whole tokens as digits, kept from the first money on.
    pub tolerance: Option<String>,
    /// Whole tokens as digits.
    pub received: String,
    /// Whole tokens as digits.
    pub confirmed: String,
    /// Its newest canonical transfer.
    pub tx_id: Option<String>,
    /// What a part payment adds included.
    pub expires_at: Time,
    /// How much a part payment adds.
    pub topup: Duration,
    /// True when it waits for no money.
    pub closed: bool,
    /// The cursor at which it lost its last transfer.
    pub lost_at: Option<BlockNumber>,
}

/// A change of status that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Which session.
    pub id: SessionId,
    /// Its status before.
    pub from: SessionStatus,
    /// Its status now.
    pub to: SessionStatus,
}

pub(super) fn status(text: &str) -> Result<SessionStatus, Error> {
    SessionStatus::parse(text).ok_or_else(|| Error::Unreadable(format!("{text:?} is no payment status")))
}

impl Unit {
    /// Locks and reads the sessions of these destinations that may have to do with money mined since `horizon`, and `also`.
    /// Whom a person gave money that is not yet confirmed is among them, however long ago it was open.
    ///
    /// A row that another transaction holds is left out, not waited for: its destination is derived later.
    pub async fn lock_sessions(
        &mut self,
        slug: &Slug,
        destinations: &[Destination],
        horizon: Time,
        also: &[SessionId],
    ) -> Result<Vec<SessionRow>, Error> {
        let (tokens, recipients) = Destination::columns(destinations);
        let also: Vec<String> = also.iter().map(|id| id.0.clone()).collect();
        let rows = sqlx::query!(
            r#"SELECT s.id, s.network, s.currency, s.currency_address, s.deposit_address, trim_scale(s.amount)::text AS "amount!",
                      s.accepted_at, greatest(s.created_at, s.accepted_at) AS "begins_at!", s.expires_at, s.topup_seconds, s.cancelled_at,
                      s.payment_status, trim_scale(s.tolerance)::text AS "tolerance?", trim_scale(s.received_amount)::text AS "received!", trim_scale(s.confirmed_amount)::text AS "confirmed!",
                      s.tx_id, s.closed_at IS NOT NULL AS "closed!", s.lost_at_block, g.token AS "token!", g.recipient AS "recipient!"
                 FROM (SELECT i.token, i.recipient, o.id FROM unnest($2::text[], $3::text[]) AS i (token, recipient)
                         JOIN deposit_sessions o ON o.network = $1 AND o.to_address = i.recipient AND o.token_address = i.token AND o.closed_at IS NULL
                        UNION
                       SELECT i.token, i.recipient, o.id FROM unnest($2::text[], $3::text[]) AS i (token, recipient)
                         JOIN deposit_sessions o ON o.network = $1 AND o.to_address = i.recipient AND o.token_address = i.token AND o.expires_at >= $4
                        UNION
                       SELECT i.token, i.recipient, o.session_id FROM unnest($2::text[], $3::text[]) AS i (token, recipient)
                         JOIN transfers o ON o.network = $1 AND o.to_address = i.recipient AND o.token_address = i.token AND o.state = 'ORPHANED'
                        UNION
                       SELECT i.token, i.recipient, o.session_id FROM unnest($2::text[], $3::text[]) AS i (token, recipient)
                         JOIN transfers o ON o.network = $1 AND o.to_address = i.recipient AND o.token_address = i.token AND o.settled = 'assigned' AND o.state = 'SEEN'
                        UNION
                       SELECT i.token, i.recipient, o.id FROM unnest($2::text[], $3::text[]) AS i (token, recipient)
                         JOIN deposit_sessions o ON o.id = ANY($5) AND o.network = $1 AND o.to_address = i.recipient AND o.token_address = i.token
                      ) AS g (token, recipient, id)
                 JOIN deposit_sessions s ON s.id = g.id
                ORDER BY s.id
                  FOR NO KEY UPDATE OF s SKIP LOCKED"#,
            slug.as_str(),
            &tokens,
            &recipients,
            horizon,
            &also,
        )
        .fetch_all(self.connection())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(SessionRow {
                    id: SessionId(row.id),
                    destination: Destination::read(&row.token, &row.recipient)?,
                    network: row.network,
                    currency: row.currency,
                    currency_address: row.currency_address,
                    deposit_address: row.deposit_address,
                    amount: row.amount,
                    accepted_at: row.accepted_at,
                    begins_at: row.begins_at,
                    expires_at: row.expires_at,
                    topup: Duration::from_secs(codec::count(row.topup_seconds)),
                    cancelled_at: row.cancelled_at,
                    status: status(&row.payment_status)?,
                    tolerance: row.tolerance,
                    received: row.received,
                    confirmed: row.confirmed,
                    tx_id: row.tx_id,
                    closed: row.closed,
                    lost_at: row.lost_at_block.map(codec::number).transpose()?,
                })
            })
            .collect()
    }

    /// Every session of this network that names one of these addresses and may have to do with money mined since
    /// `horizon`, or is among what [`Unit::lock_sessions`] locks besides, in a snapshot no older than the locks.
    pub async fn sessions_around(
        &mut self,
        slug: &Slug,
        destinations: &[Destination],
        horizon: Time,
        also: &[SessionId],
    ) -> Result<Vec<GroupRow>, Error> {
        let also: Vec<String> = also.iter().map(|id| id.0.clone()).collect();
        let recipients: Vec<String> = destinations.iter().map(|d| codec::address_text(d.to)).collect();
        let rows = sqlx::query!(
            r#"SELECT s.id, s.token_address AS "token!", s.to_address AS "to!", greatest(s.created_at, s.accepted_at) AS "begins_at!", s.expires_at
                 FROM (SELECT o.id FROM unnest($2::text[]) AS i (recipient)
                         JOIN deposit_sessions o ON o.network = $1 AND o.to_address = i.recipient AND o.closed_at IS NULL
                        UNION
                       SELECT o.id FROM unnest($2::text[]) AS i (recipient)
                         JOIN deposit_sessions o ON o.network = $1 AND o.to_address = i.recipient AND o.expires_at >= $3
                        UNION
                       SELECT o.session_id FROM unnest($2::text[]) AS i (recipient)
                         JOIN transfers o ON o.network = $1 AND o.to_address = i.recipient AND o.state = 'ORPHANED'
                        UNION
                       SELECT o.session_id FROM unnest($2::text[]) AS i (recipient)
                         JOIN transfers o ON o.network = $1 AND o.to_address = i.recipient AND o.settled = 'assigned' AND o.state = 'SEEN'
                        UNION
                       SELECT o.id FROM unnest($2::text[]) AS i (recipient)
                         JOIN deposit_sessions o ON o.id = ANY($4) AND o.network = $1 AND o.to_address = i.recipient) AS g (id)
                 JOIN deposit_sessions s ON s.id = g.id"#,
            slug.as_str(),
            &recipients,
            horizon,
            &also,
        )
        .fetch_all(self.connection())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(GroupRow {
                    id: SessionId(row.id),
                    token: row.token,
                    to: codec::address(&row.to)?,
                    begins_at: row.begins_at,
                    expires_at: row.expires_at,
                })
            })
            .collect()
    }

    /// Who else names these addresses, ever.
    pub async fn address_facts(
        &mut self,
        slug: &Slug,
        destinations: &[Destination],
    ) -> Result<Vec<AddressFacts>, Error> {
        let (tokens, recipients) = Destination::columns(destinations);
        let rows = sqlx::query!(
            r#"SELECT g.token AS "token!", g.recipient AS "recipient!",
                      EXISTS (SELECT FROM deposit_sessions s WHERE s.to_address = g.recipient AND s.network = $1 AND s.token_address = g.token) AS "same_token!",
                      EXISTS (SELECT FROM deposit_sessions s WHERE s.to_address = g.recipient AND s.network = $1) AS "same_network!"
                 FROM unnest($2::text[], $3::text[]) AS g (token, recipient)"#,
            slug.as_str(),
            &tokens,
            &recipients,
        )
        .fetch_all(self.connection())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(AddressFacts {
                    destination: Destination::read(&row.token, &row.recipient)?,
                    same_token: row.same_token,
                    same_network: row.same_network,
                })
            })
            .collect()
    }

    /// Writes what a derivation changed; the events are the database's own doing (I6).
    pub async fn write_sessions(&mut self, writes: &[SessionWrite]) -> Result<(), Error> {
        let text = |read: fn(&SessionWrite) -> String| writes.iter().map(read).collect::<Vec<_>>();
        let tolerances: Vec<Option<String>> = writes.iter().map(|w| w.tolerance.clone()).collect();
        let tx_ids: Vec<Option<String>> = writes.iter().map(|w| w.tx_id.clone()).collect();
        let expiries: Vec<Time> = writes.iter().map(|w| w.expires_at).collect();
        let topups: Vec<i64> = writes.iter().map(|w| i64::try_from(w.topup.as_secs()).unwrap_or(i64::MAX)).collect();
        let closed: Vec<bool> = writes.iter().map(|w| w.closed).collect();
        let lost: Vec<Option<i64>> = writes.iter().map(|w| w.lost_at.map(codec::height)).collect();
        sqlx::query!(
            "UPDATE deposit_sessions s SET payment_status = n.status, received_amount = n.received::numeric,
                    confirmed_amount = n.confirmed::numeric, tx_id = n.tx_id, expires_at = n.expires_at, topup_seconds = n.topup,
                    closed_at = CASE WHEN n.closed THEN coalesce(s.closed_at, clock_timestamp()) END, lost_at_block = n.lost,
                    confirmed_at = CASE WHEN n.status IN ('CONFIRMED', 'OVERPAID') THEN coalesce(s.confirmed_at, clock_timestamp()) END,
                    tolerance = n.tolerance::numeric
               FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::bigint[], $8::boolean[], $9::bigint[],
                           $10::text[])
                    AS n (id, status, received, confirmed, tx_id, expires_at, topup, closed, lost, tolerance)
              WHERE s.id = n.id",
            &text(|w| w.id.0.clone()),
            &text(|w| w.status.as_str().to_owned()),
            &text(|w| w.received.clone()),
            &text(|w| w.confirmed.clone()),
            &tx_ids as &[Option<String>],
            &expiries,
            &topups,
            &closed,
            &lost as &[Option<i64>],
            &tolerances as &[Option<String>],
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
