//! What the ledger's lines of a period come to: by day, by session, and by transfer without an owner, each with what was
//! there before and what is there at the end. Not for the lines themselves.

use super::Error;
use super::reports::{Reading, Scope};
use crate::domain::Time;

/// What was booked on a day, of one token and one business, or of money without an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayLine {
    /// Which of the days asked for, from 0.
    pub day: usize,
    /// Slug.
    pub network: String,
    /// Symbol.
    pub token: Option<String>,
    /// Of the token.
    pub decimals: Option<i16>,
    /// Token contract.
    pub token_address: String,
    /// Whose; none where it belongs to no session.
    pub business_id: Option<String>,
    /// How many lines.
    pub lines: i64,
    /// What came to count for sessions, whole tokens and base units.
    pub credited: String,
    /// Base units.
    pub credited_units: String,
    /// What no longer counts for them; not above 0.
    pub taken_back: String,
    /// Base units.
    pub taken_back_units: String,
    /// Change of what belongs to nobody, refunds aside.
    pub unmatched: String,
    /// Base units.
    pub unmatched_units: String,
    /// What was sent back, below 0, less what of that was undone.
    pub refunded: String,
    /// Base units.
    pub refunded_units: String,
    /// Of all lines.
    pub net: String,
    /// Base units.
    pub net_units: String,
}

/// A session that was opened in a period or moved by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionStatement {
    /// Its id.
    pub session_id: String,
    /// Whose.
    pub business_id: String,
    /// Slug.
    pub network: String,
    /// Symbol as written.
    pub token: String,
    /// Of the token, where it is known.
    pub decimals: Option<i16>,
    /// Token contract.
    pub token_address: String,
    /// Where money is expected.
    pub deposit_address: String,
    /// When the database accepted it.
    pub opened_at: Time,
    /// Whole tokens.
    pub asked: String,
    /// Confirmed before the period.
    pub before: String,
    /// Base units.
    pub before_units: String,
    /// Confirmed in it, less what was taken back.
    pub moved: String,
    /// Base units.
    pub moved_units: String,
    /// Confirmed at its end.
    pub at_end: String,
    /// Base units.
    pub at_end_units: String,
    /// That, less what was asked for.
    pub difference: String,
    /// `no`, `partly`, `in_full` or `over`, at its end.
    pub paid: String,
    /// When something of it was booked last before the end.
    pub booked_at: Option<Time>,
    /// As it is now.
    pub status_now: String,
    /// The same.
    pub expires_now: Time,
    /// The same.
    pub cancelled_now: Option<Time>,
    /// The same.
    pub reference_now: Option<String>,
    /// The same.
    pub email_now: Option<String>,
}

/// A confirmed transfer that belonged to nobody for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmatchedStatement {
    /// Slug.
    pub network: String,
    /// Symbol.
    pub token: Option<String>,
    /// Of the token.
    pub decimals: Option<i16>,
    /// Token contract.
    pub token_address: String,
    /// Sender.
    pub from_address: String,
    /// Recipient.
    pub to_address: String,
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
    /// When it was first booked without an owner.
    pub booked_at: Time,
    /// Without an owner before the period.
    pub before: String,
    /// Base units.
    pub before_units: String,
    /// What came to be so in it, less what no longer is.
    pub moved: String,
    /// Base units.
    pub moved_units: String,
    /// At its end.
    pub at_end: String,
    /// Base units.
    pub at_end_units: String,
    /// Of that, what a person had closed by then.
    pub ignored: String,
    /// Base units.
    pub ignored_units: String,
    /// Why, as it is now.
    pub reason_now: Option<String>,
    /// What a person decided, as it is now.
    pub settled_now: Option<String>,
    /// Whose it is now.
    pub session_now: Option<String>,
}

impl Reading {
    /// What was booked on these days, each up to the next and the last up to the scope's end.
    pub async fn days(&mut self, scope: &Scope, starts: &[Time]) -> Result<Vec<DayLine>, Error> {
        let rows = sqlx::query!(
            r#"SELECT width_bucket(l.booked_at, $1::timestamptz[]) AS "day!", l.network, k.symbol AS "token?",
                      k.decimals AS "decimals?", l.token_address,
                      CASE WHEN l.session_id IS NOT NULL THEN coalesce(s.business_id, 'default') END AS business_id,
                      count(*) AS "lines!",
                      trim_scale(coalesce(sum(l.amount) FILTER (WHERE c.credited), 0))::text AS "credited!",
                      coalesce(sum(l.units) FILTER (WHERE c.credited), 0)::text AS "credited_units!",
                      trim_scale(coalesce(sum(l.amount) FILTER (WHERE c.taken_back), 0))::text AS "taken_back!",
                      coalesce(sum(l.units) FILTER (WHERE c.taken_back), 0)::text AS "taken_back_units!",
                      trim_scale(coalesce(sum(l.amount) FILTER (WHERE c.unmatched), 0))::text AS "unmatched!",
                      coalesce(sum(l.units) FILTER (WHERE c.unmatched), 0)::text AS "unmatched_units!",
                      trim_scale(coalesce(sum(l.amount) FILTER (WHERE l.kind = 'refund'), 0))::text AS "refunded!",
                      coalesce(sum(l.units) FILTER (WHERE l.kind = 'refund'), 0)::text AS "refunded_units!",
                      trim_scale(sum(l.amount))::text AS "net!", sum(l.units)::text AS "net_units!"
                 FROM ledger l
                CROSS JOIN LATERAL (SELECT l.session_id IS NOT NULL AND l.kind IN ('confirm', 'assign') AS credited,
                                           l.session_id IS NOT NULL AND l.kind IN ('revert', 'release') AS taken_back,
                                           l.session_id IS NULL AND l.kind <> 'refund' AS unmatched) c
                 LEFT JOIN tokens k ON k.network = l.network AND k.address = l.token_address
                 LEFT JOIN deposit_sessions s ON s.id = l.session_id
                WHERE l.booked_at >= $2 AND l.booked_at < $3
                  AND ($4::text IS NULL OR l.network = $4) AND ($5::text IS NULL OR l.session_id = $5)
                  AND ($6::text IS NULL OR l.session_id IS NOT NULL AND coalesce(s.business_id, 'default') = $6)
                GROUP BY 1, 2, 3, 4, 5, 6
                ORDER BY 1, l.network COLLATE "C", l.token_address COLLATE "C",
                         (CASE WHEN l.session_id IS NOT NULL THEN coalesce(s.business_id, 'default') END) COLLATE "C" NULLS FIRST"#,
            starts,
            scope.from,
            scope.to,
            scope.network,
            scope.session,
            scope.business,
        )
        .fetch_all(self.connection())
        .await?;
        let lines = rows.into_iter().map(|row| DayLine {
            day: usize::try_from(row.day).unwrap_or_default().saturating_sub(1),
            network: row.network,
            token: row.token,
            decimals: row.decimals,
            token_address: row.token_address,
            business_id: row.business_id,
            lines: row.lines,
            credited: row.credited,
            credited_units: row.credited_units,
            taken_back: row.taken_back,
            taken_back_units: row.taken_back_units,
            unmatched: row.unmatched,
            unmatched_units: row.unmatched_units,
            refunded: row.refunded,
            refunded_units: row.refunded_units,
            net: row.net,
            net_units: row.net_units,
        });
        Ok(lines.collect())
    }

    /// The sessions that were opened in the period or moved by it, in the order in which they were opened.
    pub async fn moved_sessions(&mut self, scope: &Scope) -> Result<Vec<String>, Error> {
        let rows = sqlx::query!(
            r#"SELECT s.id FROM deposit_sessions s
                WHERE s.id IN (SELECT o.id FROM deposit_sessions o WHERE o.accepted_at >= $1 AND o.accepted_at < $2
                               UNION
                               SELECT l.session_id FROM ledger l
                                WHERE l.booked_at >= $1 AND l.booked_at < $2 AND l.session_id IS NOT NULL AND l.kind <> 'refund')
                  AND ($3::text IS NULL OR s.network = $3) AND ($4::text IS NULL OR s.id = $4)
                  AND ($5::text IS NULL OR coalesce(s.business_id, 'default') = $5)
                ORDER BY s.accepted_at, s.id COLLATE "C""#,
            scope.from,
            scope.to,
            scope.network,
            scope.session,
            scope.business,
        );
        Ok(rows.fetch_all(self.connection()).await?.into_iter().map(|row| row.id).collect())
    }

    /// What the period did to these sessions, in the same order.
    pub async fn session_statements(&mut self, scope: &Scope, ids: &[String]) -> Result<Vec<SessionStatement>, Error> {
        let statements = sqlx::query_as!(
            SessionStatement,
            r#"SELECT s.id AS session_id, coalesce(s.business_id, 'default') AS "business_id!", s.network, s.currency AS token,
                      k.decimals AS "decimals?", s.token_address AS "token_address!", s.to_address AS "deposit_address!",
                      s.accepted_at AS opened_at, trim_scale(s.amount)::text AS "asked!",
                      trim_scale(m.before)::text AS "before!", m.before_units::text AS "before_units!",
                      trim_scale(m.at_end - m.before)::text AS "moved!", (m.at_end_units - m.before_units)::text AS "moved_units!",
                      trim_scale(m.at_end)::text AS "at_end!", m.at_end_units::text AS "at_end_units!",
                      trim_scale(m.at_end - s.amount)::text AS "difference!",
                      CASE WHEN m.at_end <= 0 THEN 'no' WHEN m.at_end < s.amount THEN 'partly' WHEN m.at_end = s.amount THEN 'in_full'
                           ELSE 'over' END AS "paid!", m.booked_at,
                      s.payment_status AS status_now, s.expires_at AS expires_now, s.cancelled_at AS cancelled_now,
                      s.customer_reference AS reference_now, s.customer_email AS email_now
                 FROM unnest($1::text[]) WITH ORDINALITY AS i (id, place)
                 JOIN deposit_sessions s ON s.id = i.id
                CROSS JOIN LATERAL (SELECT coalesce(sum(l.amount) FILTER (WHERE l.booked_at < $2), 0) AS before,
                                           coalesce(sum(l.units) FILTER (WHERE l.booked_at < $2), 0) AS before_units,
                                           coalesce(sum(l.amount), 0) AS at_end, coalesce(sum(l.units), 0) AS at_end_units,
                                           max(l.booked_at) AS booked_at
                                      FROM ledger l WHERE l.session_id = s.id AND l.kind <> 'refund' AND l.booked_at < $3) m
                 LEFT JOIN tokens k ON k.network = s.network AND k.address = s.token_address
                ORDER BY i.place"#,
            ids,
            scope.from,
            scope.to,
        );
        Ok(statements.fetch_all(self.connection()).await?)
    }

    /// The next lines about money without an owner behind this one, by time and number: which of them there are.
    pub async fn unowned_lines(
        &mut self,
        network: Option<&str>,
        to: Time,
        behind: (Time, i64),
        limit: i64,
    ) -> Result<Vec<(Time, i64)>, Error> {
        let lines = sqlx::query!(
            "SELECT l.booked_at, l.id FROM ledger l
              WHERE l.session_id IS NULL AND l.units <> 0 AND (l.booked_at, l.id) > ($3, $4) AND l.booked_at < $2
                AND ($1::text IS NULL OR l.network = $1)
              ORDER BY l.booked_at, l.id LIMIT $5",
            network,
            to,
            behind.0,
            behind.1,
            limit,
        );
        Ok(lines.fetch_all(self.connection()).await?.into_iter().map(|line| (line.booked_at, line.id)).collect())
    }

    /// Of the transfers that these lines are the first about: those that belonged to nobody when the period began, came to be
    /// so in it, or ceased to be. In the order of the lines.
    ///
    /// A transfer is what the lines say of it, for its row may come to say something else. A decision holds for it that was
    /// made since it was booked last, or with which it was.
    pub async fn unmatched_statements(
        &mut self,
        lines: &[i64],
        from: Time,
        to: Time,
    ) -> Result<Vec<UnmatchedStatement>, Error> {
        let statements = sqlx::query_as!(
            UnmatchedStatement,
            r#"SELECT l.network, k.symbol AS "token?", k.decimals AS "decimals?", l.token_address, l.from_address, l.to_address,
                      l.block_number, l.block_hash, l.block_time, l.tx_hash, l.log_index, l.booked_at,
                      trim_scale(m.before)::text AS "before!", m.before_units::text AS "before_units!",
                      trim_scale(m.at_end - m.before)::text AS "moved!", (m.at_end_units - m.before_units)::text AS "moved_units!",
                      trim_scale(m.at_end)::text AS "at_end!", m.at_end_units::text AS "at_end_units!",
                      CASE WHEN i.ignored THEN trim_scale(m.at_end) ELSE 0 END::text AS "ignored!",
                      CASE WHEN i.ignored THEN m.at_end_units ELSE 0 END::text AS "ignored_units!",
                      t.reason AS "reason_now?", t.settled AS "settled_now?",
                      CASE WHEN t.state <> 'ORPHANED' THEN t.session_id END AS session_now
                 FROM ledger l
                CROSS JOIN LATERAL (
                      SELECT (array_agg(x.id ORDER BY x.booked_at, x.id))[1] AS first, max(x.booked_at) AS last,
                             coalesce(sum(x.amount) FILTER (WHERE x.booked_at < $2), 0) AS before,
                             coalesce(sum(x.units) FILTER (WHERE x.booked_at < $2), 0) AS before_units,
                             sum(x.amount) AS at_end, sum(x.units) AS at_end_units, max(x.id) FILTER (WHERE x.units > 0) AS held
                        FROM ledger x
                       WHERE x.network = l.network AND x.block_hash = l.block_hash AND x.log_index = l.log_index
                         AND x.session_id IS NULL AND x.units <> 0 AND x.booked_at < $3
                         AND (x.tx_hash, x.token_address, x.from_address, x.to_address, abs(x.units))
                           = (l.tx_hash, l.token_address, l.from_address, l.to_address, abs(l.units))) m
                CROSS JOIN LATERAL (
                      SELECT m.at_end_units <> 0 AND EXISTS (
                             SELECT FROM ledger h
                               JOIN settlements d ON d.id = h.settlement
                                 OR d.network = h.network AND d.block_hash = h.block_hash AND d.log_index = h.log_index AND d.answered_at >= h.booked_at
                              WHERE h.id = m.held AND d.kind = 'ignore' AND d.outcome = 'done' AND d.answered_at < $3
                                AND NOT EXISTS (SELECT FROM settlements u WHERE u.undoes = d.id AND u.answered_at < $3)) AS ignored OFFSET 0) i
                 LEFT JOIN transfers t ON t.network = l.network AND t.block_hash = l.block_hash AND t.log_index = l.log_index
                  AND (t.tx_hash, t.token_address, t.from_address, t.to_address, t.amount_units)
                    = (l.tx_hash, l.token_address, l.from_address, l.to_address, abs(l.units))
                 LEFT JOIN tokens k ON k.network = l.network AND k.address = l.token_address
                WHERE l.id = ANY ($1) AND m.first = l.id AND (m.last >= $2 OR m.at_end_units <> 0)
                ORDER BY l.booked_at, l.id"#,
            lines,
            from,
            to,
        );
        Ok(statements.fetch_all(self.connection()).await?)
    }
}
