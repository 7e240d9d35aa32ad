//! When sessions begin and end, as the database sees it: expiry by committed chain time, and what is due around it.

use super::sessions::{Transition, status};
use super::{Error, Store, Unit, codec};
use crate::domain::{Address, BlockNumber, SessionId, Slug, Time};

impl Unit {
    /// Ends the waiting of sessions whose time ran out by chain time, and of cancelled ones without money (I9).
    ///
    /// `cursor` is the one that this unit commits, `expired_by` its time less what is granted. Only sessions of `tokens`,
    /// which the cursor covers. A session that lost its transfer waits until `lost_at + hold`. At most 5,000 a step;
    /// held rows are left for later.
    pub async fn expire(
        &mut self,
        slug: &Slug,
        tokens: &[Address],
        cursor: BlockNumber,
        expired_by: Time,
        hold: u64,
    ) -> Result<Vec<Transition>, Error> {
        let tokens: Vec<String> = tokens.iter().copied().map(codec::address_text).collect();
        let rows = sqlx::query!(
            r#"UPDATE deposit_sessions s
                  SET payment_status = CASE s.received_amount WHEN 0 THEN 'EXPIRED' ELSE s.payment_status END, closed_at = clock_timestamp()
                 FROM (SELECT x.id, x.payment_status FROM deposit_sessions x
                        WHERE x.network = $1 AND x.closed_at IS NULL AND x.token_address = ANY($2)
                          AND (x.received_amount = 0 AND x.payment_status IN ('CREATED', 'PENDING') OR x.payment_status = 'UNDERPAID')
                          AND (x.expires_at < $4 OR x.cancelled_at IS NOT NULL)
                          AND (x.lost_at_block IS NULL OR x.lost_at_block + $5 <= $3)
                          AND NOT EXISTS (SELECT FROM pending_derivations p WHERE p.network = $1 AND p.token_address = x.token_address AND p.to_address = x.to_address)
                        LIMIT 5000 FOR NO KEY UPDATE SKIP LOCKED) was
                WHERE s.id = was.id
            RETURNING s.id, was.payment_status AS "from!", s.payment_status AS "to!""#,
            slug.as_str(),
            &tokens,
            codec::height(cursor),
            expired_by,
            i64::try_from(hold).unwrap_or(i64::MAX),
        )
        .fetch_all(self.connection())
        .await?;
        rows.into_iter()
            .map(|row| Ok(Transition { id: SessionId(row.id), from: status(&row.from)?, to: status(&row.to)? }))
            .collect()
    }
}

impl Store {
    /// Of these transfers' (recipient, block number), those that a session had named before their block was first
    /// looked at: the first look should have had them.
    pub async fn named_in_time(
        &self,
        slug: &Slug,
        places: &[(Address, BlockNumber)],
    ) -> Result<Vec<(Address, BlockNumber)>, Error> {
        let recipients: Vec<String> = places.iter().map(|(to, _)| codec::address_text(*to)).collect();
        let heights: Vec<i64> = places.iter().map(|(_, number)| codec::height(*number)).collect();
        let rows = sqlx::query!(
            r#"SELECT n.recipient AS "recipient!", n.number AS "number!" FROM unnest($2::text[], $3::bigint[]) AS n (recipient, number)
                WHERE EXISTS (SELECT FROM deposit_sessions s WHERE s.to_address = n.recipient AND s.accepted_at <
                      (SELECT b.looked_at FROM blocks b WHERE b.network = $1 AND b.canonical AND b.number >= n.number ORDER BY b.number LIMIT 1))"#,
            slug.as_str(),
            &recipients,
            &heights,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok((codec::address(&row.recipient)?, codec::number(row.number)?))).collect()
    }

    /// True when an open session's `expires_at` lies between two times: the second look is due there.
    pub async fn expiring_between(&self, slug: &Slug, after: Time, until: Time) -> Result<bool, Error> {
        let row = sqlx::query!(
            r#"SELECT EXISTS (SELECT FROM deposit_sessions
                               WHERE network = $1 AND expires_at > $2 AND expires_at <= $3
                                 AND payment_status IN ('CREATED', 'PENDING', 'EXPIRED', 'UNDERPAID')) AS "due!""#,
            slug.as_str(),
            after,
            until,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(row.due)
    }

    /// When the oldest session of this network began that still may be paid (of one token, where given).
    pub async fn oldest_open_begin(
        &self,
        slug: &Slug,
        token: Option<Address>,
        since: Option<Time>,
    ) -> Result<Option<Time>, Error> {
        let row = sqlx::query!(
            r#"SELECT min(greatest(created_at, accepted_at)) AS oldest FROM deposit_sessions
                WHERE network = $1 AND ($3::timestamptz IS NULL OR accepted_at >= $3 OR closed_at IS NULL) AND (CASE WHEN $2::text IS NULL THEN closed_at IS NULL ELSE token_address = $2 END)"#,
            slug.as_str(),
            token.map(codec::address_text),
            since,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(row.oldest)
    }
}
