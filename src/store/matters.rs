//! What a decision of a person finds: the transfer it is about, and the session that is to have it. Not for the decision
//! ([`super::settlements`]), nor for whether it may be.

use super::sessions::Destination;
use super::{Error, Store, Unit, codec, settlements};
use crate::domain::{Address, Deed, LogId, SessionId, SessionStatus, Slug, TransferState, TxHash, Units, Unmatched};

/// What a transfer is, wherever it stands: not its place, where an endpoint may have invented another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Money {
    /// Its transaction.
    pub tx_hash: TxHash,
    /// Sender.
    pub from: Address,
    /// Token and recipient.
    pub destination: Destination,
    /// Base units.
    pub units: Units,
}

impl Money {
    pub(super) fn read(tx: &str, token: &str, from: &str, to: &str, units: &str) -> Result<Money, Error> {
        Ok(Money {
            tx_hash: codec::hash(tx)?,
            from: codec::address(from)?,
            destination: Destination::read(token, to)?,
            units: codec::units(units)?,
        })
    }
}

/// The transfer that a decision is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matter {
    /// The row.
    pub log: LogId,
    /// What it holds.
    pub money: Money,
    /// What the chain says of it.
    pub state: TransferState,
    /// The session it pays, or once paid.
    pub session: Option<SessionId>,
    /// Why it pays none; `None` also where that is not derived yet.
    pub reason: Option<Unmatched>,
    /// The decision that holds for it.
    pub decided: Option<(i64, Deed)>,
}

/// The session that it is to be given to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payee {
    /// Its id.
    pub id: SessionId,
    /// Slug as written.
    pub network: String,
    /// As compared; `None` where it is no destination.
    pub destination: Option<Destination>,
    /// Symbol as written.
    pub currency: String,
    /// Token contract as written.
    pub currency_address: String,
    /// Destination as written.
    pub deposit_address: String,
    /// Whole tokens as plain digits.
    pub amount: String,
    /// Whole tokens as plain digits, seen ones included.
    pub received: String,
    /// As committed.
    pub status: SessionStatus,
    /// What it has received is its amount, less its tolerance.
    pub has_all: bool,
}

async fn matter<'c>(by: impl sqlx::PgExecutor<'c>, slug: &Slug, log: LogId) -> Result<Option<Matter>, Error> {
    let row = sqlx::query!(
        r#"SELECT t.tx_hash AS "tx_hash!", t.token_address AS "token!", t.from_address AS "from!", t.to_address AS "to!",
                  t.amount_units::text AS "units!", t.state AS "state!", t.session_id AS "session?", t.reason AS "reason?", d.id AS "decision?", d.kind AS "kind?", d.session_id AS "payee?",
                  d.refund_tx AS "refund_tx?"
             FROM transfers t LEFT JOIN settlements d ON d.id = t.settlement
            WHERE t.network = $1 AND t.block_hash = $2 AND t.log_index = $3"#,
        slug.as_str(),
        codec::hash_text(log.block_hash),
        codec::index(log.log_index),
    )
    .fetch_optional(by)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let decided = match (row.decision, row.kind) {
        (Some(id), Some(kind)) => Some((id, settlements::deed(&kind, row.payee, row.refund_tx.as_deref())?)),
        _ => None,
    };
    let state = TransferState::parse(&row.state);
    Ok(Some(Matter {
        log,
        money: Money::read(&row.tx_hash, &row.token, &row.from, &row.to, &row.units)?,
        state: state.ok_or_else(|| Error::Unreadable(format!("{:?} is no state of a transfer", row.state)))?,
        session: row.session.map(SessionId),
        reason: row.reason.as_deref().and_then(Unmatched::parse),
        decided,
    }))
}

async fn payee<'c>(by: impl sqlx::PgExecutor<'c>, id: &SessionId) -> Result<Option<Payee>, Error> {
    let row = sqlx::query!(
        r#"SELECT s.network AS "network!", s.token_address AS "token!", s.to_address AS "to!", s.currency AS "currency!",
                  s.currency_address AS "currency_address!", s.deposit_address AS "deposit_address!",
                  trim_scale(s.amount)::text AS "amount!", trim_scale(s.received_amount)::text AS "received!", s.payment_status AS "payment_status!",
                  s.received_amount >= s.amount - coalesce(s.tolerance, 0) AS "has_all!"
             FROM deposit_sessions s
            WHERE s.id = $1"#,
        id.0,
    )
    .fetch_optional(by)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Payee {
        id: id.clone(),
        network: row.network,
        destination: Destination::read(&row.token, &row.to).ok(),
        currency: row.currency,
        currency_address: row.currency_address,
        deposit_address: row.deposit_address,
        amount: row.amount,
        received: row.received,
        status: super::sessions::status(&row.payment_status)?,
        has_all: row.has_all,
    }))
}

impl Store {
    /// A log of a transaction as a decision about it finds it: in the block that stands on the chain, or else the newest.
    pub async fn matter_of(&self, slug: &Slug, tx: TxHash, log_index: u64) -> Result<Option<Matter>, Error> {
        let block = sqlx::query_scalar!(
            r#"SELECT block_hash FROM transfers WHERE network = $1 AND tx_hash = $2 AND log_index = $3
                ORDER BY state = 'ORPHANED', settlement IS NULL, block_number DESC, orphaned_at DESC LIMIT 1"#,
            slug.as_str(),
            codec::hash_text(tx),
            codec::index(log_index),
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(block) = block else { return Ok(None) };
        let log = LogId { block_hash: codec::hash(&block)?, log_index };
        // Between the two questions another log may have come to stand in its place.
        Ok(matter(&self.pool, slug, log).await?.filter(|matter| matter.money.tx_hash == tx))
    }

    /// A session as a decision to pay it finds it.
    pub async fn payee(&self, id: &SessionId) -> Result<Option<Payee>, Error> {
        payee(&self.pool, id).await
    }
}

impl Unit {
    /// A transfer as a decision about it finds it.
    pub async fn matter(&mut self, slug: &Slug, log: LogId) -> Result<Option<Matter>, Error> {
        matter(self.connection(), slug, log).await
    }

    /// [`Store::payee`] in this unit, which holds its row from here on; `None` where another transaction does.
    pub async fn held_payee(&mut self, id: &SessionId) -> Result<Option<Payee>, Error> {
        let held = sqlx::query!("SELECT id FROM deposit_sessions WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED", id.0)
            .fetch_optional(self.connection())
            .await?;
        if held.is_none() {
            return Ok(None);
        }
        payee(self.connection(), id).await
    }
}
