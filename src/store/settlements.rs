//! What persons decided about transfers: asked for by a row, carried out by the network's holder, kept for good. Not for
//! judging it: that is the watcher's.

use super::matters::{Matter, Money};
use super::sessions::Destination;
use super::{Error, Store, Unit, codec};
use crate::domain::{Deed, LogId, SessionId, Settled, Slug, Time, TxHash};

/// A decision that waits to be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettlementAsked {
    /// Its row.
    pub id: i64,
    /// Where the transfer stood when it was asked.
    pub log: LogId,
    /// The transfer that was judged.
    pub money: Money,
    /// What is to become of it.
    pub deed: Deed,
    /// A release of the same that was asked for before this was carried out.
    pub withdrawn_by: Option<i64>,
}

/// A line of the audit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SettlementLine {
    /// Its number.
    pub settlement: i64,
    /// Slug.
    pub network: String,
    /// The transfer's transaction.
    pub tx_hash: String,
    /// Its index within the block.
    pub log_index: i64,
    /// Token contract.
    pub token_address: String,
    /// Sender.
    pub from_address: String,
    /// Recipient.
    pub to_address: String,
    /// Base units.
    pub amount_units: String,
    /// `assign`, `ignore`, `refund` or `release`.
    pub kind: String,
    /// The session it was given to.
    pub session_id: Option<String>,
    /// What sent it back.
    pub refund_tx: Option<String>,
    /// Why.
    pub note: String,
    /// Who, by the database.
    pub database_user: String,
    /// Who, by his machine.
    pub os_user: String,
    /// When.
    pub asked_at: Time,
    /// When the holder answered.
    pub answered_at: Option<Time>,
    /// `done`, `nothing` (it was so already) or `refused`; none while it waits.
    pub outcome: Option<String>,
    /// The same in words.
    pub answer: Option<String>,
    /// Of a release: what it took back.
    pub undoes: Option<i64>,
}

pub(super) fn deed(kind: &str, session: Option<String>, refund_tx: Option<&str>) -> Result<Deed, Error> {
    let tx = refund_tx.map(codec::hash).transpose()?;
    Deed::read(kind, session.map(SessionId), tx).ok_or_else(|| Error::Unreadable(format!("{kind:?} is no decision")))
}

impl Store {
    /// Asks for a decision to be carried out, or finds that the same is asked for and waits; returns its number.
    pub async fn ask_settlement(
        &self,
        slug: &Slug,
        matter: &Matter,
        deed: &Deed,
        note: &str,
        os_user: &str,
    ) -> Result<i64, Error> {
        let Matter { log, money, .. } = matter;
        let session = deed.session().map(|session| session.0.as_str());
        let refund_tx = deed.refund_tx().map(codec::hash_text);
        let row = sqlx::query!(
            r#"WITH waiting AS (
                 -- The same, and nothing else asked for since.
                 SELECT w.id FROM (SELECT id, kind, session_id, refund_tx, tx_hash, token_address, from_address, to_address, amount_units
                                     FROM settlements
                                    WHERE network = $1 AND block_hash = $2 AND log_index = $3 AND outcome IS NULL ORDER BY id DESC LIMIT 1) w
                  WHERE w.kind = $4 AND w.session_id IS NOT DISTINCT FROM $5 AND w.refund_tx IS NOT DISTINCT FROM $6
                    AND (w.tx_hash, w.token_address, w.from_address, w.to_address, w.amount_units) = ($9, $10, $11, $12, $13::text::numeric)
               ), asked AS (
                 INSERT INTO settlements (network, block_hash, log_index, kind, session_id, refund_tx, note, os_user,
                                          tx_hash, token_address, from_address, to_address, amount_units)
                 SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::text::numeric WHERE NOT EXISTS (SELECT FROM waiting) RETURNING id)
               SELECT id AS "id!" FROM waiting UNION ALL SELECT id FROM asked"#,
            slug.as_str(),
            codec::hash_text(log.block_hash),
            codec::index(log.log_index),
            deed.as_str(),
            session,
            refund_tx,
            note,
            os_user,
            codec::hash_text(money.tx_hash),
            codec::address_text(money.destination.token),
            codec::address_text(money.from),
            codec::address_text(money.destination.to),
            money.units.to_string(),
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(row.id)
    }

    /// Decisions that wait for the holder, oldest first.
    pub async fn asked_settlements(&self, slug: &Slug, limit: i64) -> Result<Vec<SettlementAsked>, Error> {
        let rows = sqlx::query!(
            r#"SELECT d.id AS "id!", d.block_hash AS "block_hash!", d.log_index AS "log_index!", d.kind AS "kind!", d.session_id, d.refund_tx,
                      d.tx_hash, d.token_address, d.from_address, d.to_address, d.amount_units::text AS "units!",
                      (SELECT min(l.id) FROM settlements l WHERE l.network = d.network AND l.block_hash = d.block_hash AND l.log_index = d.log_index
                          AND l.id > d.id AND l.kind = 'release' AND l.outcome IS NULL
                          AND (l.tx_hash, l.token_address, l.from_address, l.to_address, l.amount_units)
                            = (d.tx_hash, d.token_address, d.from_address, d.to_address, d.amount_units)) AS withdrawn_by
                 FROM settlements d WHERE d.network = $1 AND d.outcome IS NULL ORDER BY d.id LIMIT $2"#,
            slug.as_str(),
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(SettlementAsked {
                    id: row.id,
                    log: LogId { block_hash: codec::hash(&row.block_hash)?, log_index: codec::count(row.log_index) },
                    money: Money::read(
                        &row.tx_hash,
                        &row.token_address,
                        &row.from_address,
                        &row.to_address,
                        &row.units,
                    )?,
                    deed: deed(&row.kind, row.session_id, row.refund_tx.as_deref())?,
                    withdrawn_by: row.withdrawn_by,
                })
            })
            .collect()
    }

    /// What was decided about the transfers of a transaction, or one decision by its number; oldest first.
    pub async fn settlement_lines(
        &self,
        tx: Option<TxHash>,
        settlement: Option<i64>,
    ) -> Result<Vec<SettlementLine>, Error> {
        let rows = sqlx::query_as!(
            SettlementLine,
            r#"SELECT d.id AS "settlement!", d.network AS "network!", d.tx_hash AS "tx_hash!", d.log_index AS "log_index!",
                      d.token_address AS "token_address!", d.from_address AS "from_address!", d.to_address AS "to_address!", d.amount_units::text AS "amount_units!",
                      d.kind AS "kind!", d.session_id AS "session_id?", d.refund_tx AS "refund_tx?", d.note AS "note!", d.database_user AS "database_user!",
                      d.os_user AS "os_user!", d.asked_at AS "asked_at!", d.answered_at AS "answered_at?", d.outcome AS "outcome?",
                      d.answer AS "answer?", d.undoes AS "undoes?"
                 FROM settlements d WHERE ($1::text IS NULL OR d.tx_hash = $1) AND ($2::bigint IS NULL OR d.id = $2) ORDER BY d.id"#,
            tx.map(codec::hash_text),
            settlement,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }
}

impl Unit {
    /// Lets a decision hold for a transfer that was nobody's; a derivation in this unit says what follows. False when it
    /// is not as it was judged.
    pub async fn settle(&mut self, slug: &Slug, asked: &SettlementAsked, how: Settled) -> Result<bool, Error> {
        let set = sqlx::query!(
            "UPDATE transfers SET settled = $4, settlement = $5, session_id = $6, reason = CASE WHEN $6::text IS NULL THEN reason END
              WHERE network = $1 AND block_hash = $2 AND log_index = $3 AND state <> 'ORPHANED' AND session_id IS NULL AND settlement IS NULL",
            slug.as_str(),
            codec::hash_text(asked.log.block_hash),
            codec::index(asked.log.log_index),
            how.as_str(),
            asked.id,
            asked.deed.session().map(|session| session.0.as_str()),
        )
        .execute(self.connection())
        .await?;
        Ok(set.rows_affected() == 1)
    }

    /// Takes a decision from the transfer it holds for. One that is confirmed is held as one that nobody can tell whose
    /// it is, so that a derivation in this unit tells it by the rules; one whose block left forgets whose it was.
    pub async fn unsettle(&mut self, slug: &Slug, log: LogId, settlement: i64) -> Result<bool, Error> {
        let set = sqlx::query!(
            "UPDATE transfers SET settled = NULL, settlement = NULL, session_id = NULL,
                    reason = CASE WHEN state = 'CONFIRMED' THEN 'ambiguous' END
              WHERE network = $1 AND block_hash = $2 AND log_index = $3 AND settlement = $4",
            slug.as_str(),
            codec::hash_text(log.block_hash),
            codec::index(log.log_index),
            settlement,
        )
        .execute(self.connection())
        .await?;
        Ok(set.rows_affected() == 1)
    }

    /// Answers whoever asked, once.
    pub async fn answer_settlement(
        &mut self,
        id: i64,
        outcome: &str,
        answer: &str,
        undoes: Option<i64>,
    ) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE settlements SET answered_at = clock_timestamp(), outcome = $2, answer = $3, undoes = $4 WHERE id = $1 AND outcome IS NULL",
            id,
            outcome,
            answer,
            undoes,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Transfers at these destinations that a person had settled, whose block left the chain, and that stand on it again in
    /// another get back what was decided of them. Equal ones of one transaction do so in their order, one for each decision.
    pub async fn restore_settled(&mut self, slug: &Slug, destinations: &[Destination]) -> Result<(), Error> {
        let (tokens, recipients) = Destination::columns(destinations);
        sqlx::query!(
            "WITH homeless AS (
               SELECT o.settlement, o.settled, o.session_id, o.reason, o.tx_hash, o.token_address, o.from_address, o.to_address, o.amount_units,
                      row_number() OVER (PARTITION BY o.tx_hash, o.token_address, o.from_address, o.to_address, o.amount_units
                                             ORDER BY o.log_index, o.settlement) AS place
                 FROM unnest($2::text[], $3::text[]) AS g (token, recipient)
                 JOIN transfers o ON o.network = $1 AND o.to_address = g.recipient AND o.token_address = g.token
                                 AND o.state = 'ORPHANED' AND o.settlement IS NOT NULL
                WHERE NOT EXISTS (SELECT FROM blocks k WHERE k.network = $1 AND k.hash = o.block_hash AND k.canonical)
             ), back AS (
               SELECT c.block_hash, c.log_index, c.tx_hash, c.token_address, c.from_address, c.to_address, c.amount_units,
                      row_number() OVER (PARTITION BY c.tx_hash, c.token_address, c.from_address, c.to_address, c.amount_units
                                             ORDER BY c.block_number, c.log_index) AS place
                 FROM transfers c
                WHERE c.network = $1 AND c.state = 'SEEN' AND c.settlement IS NULL AND c.tx_hash IN (SELECT h.tx_hash FROM homeless h)
             ), found AS (
               SELECT b.block_hash, b.log_index, h.settlement, h.settled, h.session_id, h.reason
                 FROM homeless h JOIN back b USING (tx_hash, token_address, from_address, to_address, amount_units, place)
             ), left_behind AS (
               UPDATE transfers t SET settlement = NULL FROM found f WHERE t.settlement = f.settlement)
             UPDATE transfers t SET settlement = f.settlement, settled = f.settled, session_id = f.session_id, reason = f.reason
               FROM found f WHERE t.network = $1 AND t.block_hash = f.block_hash AND t.log_index = f.log_index",
            slug.as_str(),
            &tokens,
            &recipients,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
