//! Events on their way: numbered after commit, reserved, settled. Not for people's questions about them: those are in
//! [`super::outbox`].
//!
//! A reservation is committed before anything is sent and ends by itself: whoever reserved may die at any moment.

use super::webhooks::SealedSecret;
use super::{Error, Store};
use crate::domain::Time;

/// The advisory lock of the one sequencer.
pub(super) const SEQUENCER: (i32, i32) = (0x6465_7077, 1);

/// What there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Committed events that have no number.
    pub unsequenced: bool,
    /// Deliveries whose time has come.
    pub due: bool,
}

/// An endpoint with deliveries whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueEndpoint {
    /// Its id.
    pub id: String,
    /// Nothing has reached it lately.
    pub failing: bool,
    /// How many are being sent to it, by whomever.
    pub sending: i64,
}

/// A delivery that is ours to send, once, until the lease is over.
#[derive(Debug, Clone)]
pub struct Reserved {
    /// Its id.
    pub id: String,
    /// To whom.
    pub endpoint: String,
    /// Where.
    pub url: String,
    /// Which attempt this is, the first being 1.
    pub attempt: i32,
    /// Until when it is ours.
    pub lease: Time,
    /// Whether the endpoint was failing when this was reserved.
    pub failing: bool,
    /// What is sent.
    pub event: EventRow,
}

/// An event as it was committed, with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// `evt_…`
    pub id: String,
    /// `deposit.…`
    pub kind: String,
    /// When its transaction began.
    pub created_at: Time,
    /// Gapless per business.
    pub sequence: i64,
    /// Whose.
    pub business_id: String,
    /// The session's widget.
    pub widget_id: Option<String>,
    /// False on test networks.
    pub livemode: bool,
    /// Whether the session had stopped waiting for money; none where there is no session.
    pub closed: Option<bool>,
    /// The rest, as JSON.
    pub data: String,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    /// Which delivery.
    pub id: String,
    /// Its endpoint.
    pub endpoint: String,
    /// As reserved.
    pub attempt: i32,
    /// As reserved: another's attempt is not settled.
    pub lease: Time,
    /// `DELIVERED`, `WAITING` or `DEAD`.
    pub state: &'static str,
    /// Seconds until the next attempt, while it waits.
    pub pause: f64,
    /// As the attempt's line names it.
    pub outcome: &'static str,
    /// The HTTP status.
    pub status: Option<i16>,
    /// Why it failed, in short.
    pub error: Option<String>,
    /// How long it took.
    pub millis: i32,
}

impl Store {
    /// One look, cheap while there is nothing to do.
    pub async fn webhook_work(&self) -> Result<Work, Error> {
        let work = sqlx::query_as!(
            Work,
            r#"SELECT EXISTS (SELECT FROM events WHERE sequence IS NULL) AS "unsequenced!",
                      EXISTS (SELECT FROM webhook_deliveries WHERE state = 'WAITING' AND next_attempt_at <= now()) AS "due!""#
        );
        Ok(work.fetch_one(&self.pool).await?)
    }

    /// Numbers up to `most` committed events, oldest first, and lays out what is to be delivered. Returns how many;
    /// none while another process is at it.
    ///
    /// The lock comes first and the look after it: whoever numbered before us has committed, and we see it. An event
    /// that was visible to an earlier call has a smaller number than one that was not.
    pub async fn sequence_events(&self, most: i64) -> Result<u64, Error> {
        let mut unit = self.unit().await?;
        let lock = sqlx::query!(r#"SELECT pg_try_advisory_xact_lock($1, $2) AS "ours!""#, SEQUENCER.0, SEQUENCER.1);
        if !lock.fetch_one(unit.connection()).await?.ours {
            unit.abandon().await?;
            return Ok(0);
        }
        let numbered = sqlx::query!(
            r#"WITH batch AS (
                   SELECT id, business_id, position FROM events WHERE sequence IS NULL ORDER BY position LIMIT $1
               ), numbered AS (
                   SELECT b.id, b.business_id,
                          coalesce(s.last, 0) + row_number() OVER (PARTITION BY b.business_id ORDER BY b.position) AS sequence
                     FROM batch b LEFT JOIN event_sequences s ON s.business_id = b.business_id
               ), raised AS (
                   INSERT INTO event_sequences (business_id, last) SELECT business_id, max(sequence) FROM numbered GROUP BY business_id
                   ON CONFLICT (business_id) DO UPDATE SET last = EXCLUDED.last
               ), given AS (
                   UPDATE events e SET sequence = n.sequence FROM numbered n WHERE e.id = n.id
                   RETURNING e.id, e.type, e.business_id, e.session_id, e.sequence, e.created_at
               ), laid_out AS (
                   INSERT INTO webhook_deliveries (endpoint_id, event_id, session_id, business_id, sequence)
                   SELECT w.id, g.id, g.session_id, g.business_id, g.sequence
                     FROM given g JOIN webhook_endpoints w ON w.business_id = g.business_id
                    WHERE w.disabled_at IS NULL AND w.created_at <= g.created_at
                      AND (cardinality(w.event_types) = 0 OR g.type = ANY (w.event_types))
               )
               SELECT count(*) AS "count!" FROM given"#,
            most
        )
        .fetch_one(unit.connection())
        .await?;
        unit.commit_unfenced().await?;
        Ok(super::codec::count(numbered.count))
    }

    /// Active endpoints with deliveries that are due. Walks from endpoint to endpoint along the index, however many
    /// deliveries wait for one.
    pub async fn due_endpoints(&self) -> Result<Vec<DueEndpoint>, Error> {
        let rows = sqlx::query_as!(
            DueEndpoint,
            r#"WITH RECURSIVE waiting (id) AS (
                   (SELECT endpoint_id FROM webhook_deliveries WHERE state = 'WAITING' ORDER BY endpoint_id LIMIT 1)
                   UNION ALL
                   SELECT (SELECT d.endpoint_id FROM webhook_deliveries d WHERE d.state = 'WAITING' AND d.endpoint_id > w.id
                            ORDER BY d.endpoint_id LIMIT 1)
                     FROM waiting w WHERE w.id IS NOT NULL
               )
               SELECT w.id, w.failing_since IS NOT NULL AS "failing!",
                      (SELECT count(*) FROM webhook_deliveries d
                        WHERE d.endpoint_id = w.id AND d.state = 'WAITING' AND d.sending AND d.next_attempt_at > now()) AS "sending!"
                 FROM waiting JOIN webhook_endpoints w ON w.id = waiting.id JOIN businesses b ON b.id = w.business_id
                WHERE w.disabled_at IS NULL AND b.disabled_at IS NULL
                  AND EXISTS (SELECT FROM webhook_deliveries d
                               WHERE d.endpoint_id = w.id AND d.state = 'WAITING' AND d.next_attempt_at <= now())"#
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// Reserves up to so many deliveries of each of these endpoints for `lease` seconds, those that waited longest
    /// first, and commits that. One of a session is left while an earlier one is untried or on its way.
    pub async fn reserve_deliveries(&self, allowed: &[(String, i64)], lease: f64) -> Result<Vec<Reserved>, Error> {
        let (endpoints, counts): (Vec<String>, Vec<i64>) = allowed.iter().cloned().unzip();
        let mut unit = self.unit().await?;
        // In two statements, and the look at the session as a value: PostgreSQL guesses how many rows come out of a limit
        // that it does not know, and would read the whole table.
        let free = sqlx::query_scalar!(
            r#"SELECT d.id AS "id!" FROM unnest($1::text[], $2::bigint[]) AS a (endpoint, most)
                CROSS JOIN LATERAL (
                    SELECT d.id FROM webhook_deliveries d
                     WHERE d.endpoint_id = a.endpoint AND d.state = 'WAITING' AND d.next_attempt_at <= now()
                       AND (SELECT s.id FROM webhook_deliveries s
                             WHERE s.endpoint_id = d.endpoint_id AND s.session_id = d.session_id AND s.state = 'WAITING'
                               AND s.sequence < d.sequence AND (s.attempts = 0 OR s.sending AND s.next_attempt_at > now()) LIMIT 1) IS NULL
                     ORDER BY d.next_attempt_at, d.sequence LIMIT a.most FOR UPDATE SKIP LOCKED) d"#,
            &endpoints,
            &counts,
        )
        .fetch_all(unit.connection())
        .await?;
        let rows = sqlx::query!(
            r#"WITH ours AS (
                   UPDATE webhook_deliveries d
                      SET attempts = d.attempts + 1, sending = true, next_attempt_at = clock_timestamp() + make_interval(secs => $2)
                    WHERE d.id = ANY ($1)
                   RETURNING d.id, d.endpoint_id, d.event_id, d.attempts, d.next_attempt_at
               )
               SELECT o.id, o.endpoint_id, w.url, o.attempts, o.next_attempt_at AS lease, w.failing_since IS NOT NULL AS "failing!",
                      e.id AS event_id, e.type AS kind, e.created_at, e.sequence AS "sequence!", e.business_id,
                      e.data ->> 'widgetId' AS widget_id, coalesce((e.data ->> 'livemode')::boolean, true) AS "livemode!",
                      (e.data ->> 'final')::boolean AS closed, (e.data - 'widgetId' - 'livemode' - 'final')::text AS "data!"
                 FROM ours o JOIN webhook_endpoints w ON w.id = o.endpoint_id JOIN events e ON e.id = o.event_id
                ORDER BY e.sequence"#,
            &free,
            lease,
        )
        .fetch_all(unit.connection())
        .await?;
        unit.commit_unfenced().await?;
        let reserved = rows.into_iter().map(|row| Reserved {
            id: row.id,
            endpoint: row.endpoint_id,
            url: row.url,
            attempt: row.attempts,
            lease: row.lease,
            failing: row.failing,
            event: EventRow {
                id: row.event_id,
                kind: row.kind,
                created_at: row.created_at,
                sequence: row.sequence,
                business_id: row.business_id,
                widget_id: row.widget_id,
                livemode: row.livemode,
                closed: row.closed,
                data: row.data,
            },
        });
        Ok(reserved.collect())
    }

    /// The secrets that sign for these endpoints now, the newest of each first.
    pub async fn webhook_secrets(&self, endpoints: &[String]) -> Result<Vec<(String, SealedSecret)>, Error> {
        let rows = sqlx::query!(
            "SELECT endpoint_id, id, sealed FROM webhook_secrets
              WHERE endpoint_id = ANY ($1) AND (expires_at IS NULL OR expires_at > now()) ORDER BY endpoint_id, created_at DESC",
            endpoints
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.endpoint_id, SealedSecret { id: row.id, sealed: row.sealed })).collect())
    }

    /// Writes what came of attempts. One that is no longer ours is only recorded: it was reserved anew, asked for again,
    /// or its endpoint was disabled meanwhile; that it arrived counts even then.
    pub async fn settle_deliveries(&self, settled: &[Settlement]) -> Result<(), Error> {
        let mut unit = self.unit().await?;
        // Endpoints first and in order, as whoever disables one does: so nobody waits in a circle.
        let wells: Vec<bool> = settled.iter().map(|one| one.state == "DELIVERED").collect();
        let endpoints: Vec<&str> = settled.iter().map(|one| one.endpoint.as_str()).collect();
        sqlx::query!(
            "WITH told AS (
                 SELECT endpoint, bool_or(well) AS well FROM unnest($1::text[], $2::bool[]) AS u (endpoint, well) GROUP BY endpoint
             ), changed AS (
                 SELECT w.id, t.well FROM webhook_endpoints w JOIN told t ON t.endpoint = w.id
                  WHERE (w.failing_since IS NULL) <> t.well ORDER BY w.id FOR NO KEY UPDATE OF w
             )
             UPDATE webhook_endpoints w SET failing_since = CASE WHEN c.well THEN NULL ELSE clock_timestamp() END
               FROM changed c WHERE w.id = c.id",
            &endpoints as &[&str],
            &wells,
        )
        .execute(unit.connection())
        .await?;
        let ids: Vec<&str> = settled.iter().map(|one| one.id.as_str()).collect();
        let attempts: Vec<i32> = settled.iter().map(|one| one.attempt).collect();
        let leases: Vec<Time> = settled.iter().map(|one| one.lease).collect();
        let states: Vec<&str> = settled.iter().map(|one| one.state).collect();
        let pauses: Vec<f64> = settled.iter().map(|one| one.pause).collect();
        let outcomes: Vec<&str> = settled.iter().map(|one| one.outcome).collect();
        let statuses: Vec<Option<i16>> = settled.iter().map(|one| one.status).collect();
        let errors: Vec<Option<&str>> = settled.iter().map(|one| one.error.as_deref()).collect();
        let millis: Vec<i32> = settled.iter().map(|one| one.millis).collect();
        sqlx::query!(
            "WITH told AS (
                 SELECT * FROM unnest($1::text[], $2::int[], $3::timestamptz[], $4::text[], $5::float8[], $6::text[], $7::smallint[], $8::text[], $9::int[])
                            AS t (id, attempt, lease, state, pause, outcome, status, error, millis)
             ), lines AS (
                 INSERT INTO webhook_attempts (delivery_id, outcome, status, error, duration_ms)
                 SELECT id, outcome, status, error, millis FROM told ON CONFLICT DO NOTHING
             )
             UPDATE webhook_deliveries d
                SET state = t.state, sending = false, last_status = t.status, last_error = t.error,
                    next_attempt_at = CASE WHEN t.state = 'WAITING' THEN clock_timestamp() + make_interval(secs => t.pause) ELSE d.next_attempt_at END,
                    finished_at = CASE WHEN t.state <> 'WAITING' THEN clock_timestamp() END
               FROM told t
              WHERE d.id = t.id AND d.attempts = t.attempt AND d.next_attempt_at = t.lease AND d.sending
                AND (d.state = 'WAITING' OR t.state = 'DELIVERED')",
            &ids as &[&str],
            &attempts,
            &leases,
            &states as &[&str],
            &pauses,
            &outcomes as &[&str],
            &statuses as &[Option<i16>],
            &errors as &[Option<&str>],
            &millis,
        )
        .execute(unit.connection())
        .await?;
        unit.commit_unfenced().await?;
        Ok(())
    }
}
