//! What finance asks: the ledger's lines of a period, and what they come to by day, session and transfer. Reads only, all
//! of it from one state of the database.
//!
//! What is asked for here of a period that is over stays as it is: the ledger is appended to at the database's clock, its
//! lines say themselves which transfer they are about, and all that is read besides are columns that are never rewritten.
//! The exceptions are named `…_now`, and a token's symbol, which is as last configured.

use super::errand::{Errand, READING};
use super::lines::Bounded;
use super::unit::left_behind;
use super::{Error, Store};
use crate::domain::Time;

/// One state of the database.
pub struct Reading(pub(super) Errand);

/// What a report is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// From this moment on.
    pub from: Time,
    /// Up to this moment and without it.
    pub to: Time,
    /// Only of this network.
    pub network: Option<String>,
    /// Only of this business's sessions.
    pub business: Option<String>,
    /// Only of this session.
    pub session: Option<String>,
}

/// Whether something may still be booked into a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settling {
    /// The database's clock.
    pub now: Time,
    /// Transactions that wrote, have not ended, and may have begun before the period's end.
    pub unfinished: Vec<Unfinished>,
}

/// A transaction that wrote and has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Which one: the process of the server that it belongs to, or the name under which it was prepared.
    pub name: String,
    /// When it began, where we may see that.
    pub began_at: Option<Time>,
}

/// A line of the ledger, which says what transfer it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerLine {
    /// Its number.
    pub line: i64,
    /// When it was booked.
    pub booked_at: Time,
    /// `confirm`, `revert`, `assign`, `release` or `refund`.
    pub kind: String,
    /// Slug.
    pub network: String,
    /// The token's symbol as last configured.
    pub token: Option<String>,
    /// Of the token.
    pub decimals: Option<i16>,
    /// Token contract.
    pub token_address: String,
    /// Whose session, where it is about one.
    pub business_id: Option<String>,
    /// Which session.
    pub session_id: Option<String>,
    /// What that session asks for, whole tokens.
    pub asked: Option<String>,
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
    /// Whole tokens, negative where it takes back.
    pub amount: String,
    /// Base units, the same.
    pub units: String,
    /// Of the session, as it is now.
    pub status_now: Option<String>,
    /// The same.
    pub reference_now: Option<String>,
    /// The same.
    pub email_now: Option<String>,
}

/// Accounts that a ledger's lines touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
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
}

impl Store {
    /// What may still be booked before a moment. Asked before the state that is reported is opened: what has ended by then is
    /// seen in it.
    pub async fn settling(&self, before: Time) -> Result<Settling, Error> {
        let now = sqlx::query!(r#"SELECT clock_timestamp() AS "now!""#).fetch_one(&self.pool).await?.now;
        let rows = sqlx::query!(
            r#"SELECT coalesce('process ' || process || ' (transaction ' || transaction || ')', 'prepared ' || transaction) AS "name!",
                      began_at FROM deposit_watcher_unfinished($1) ORDER BY began_at, 1"#,
            before,
        );
        let rows = rows.fetch_all(&self.pool).await?;
        let unfinished = rows.into_iter().map(|row| Unfinished { name: row.name, began_at: row.began_at });
        Ok(Settling { now, unfinished: unfinished.collect() })
    }

    /// Opens one state of the database, as it is at the first question.
    pub async fn reading(&self) -> Result<Reading, Error> {
        let lines = self.pool.clone();
        let begun = tokio::spawn(async move { Errand::begin(&lines, &READING).await });
        Ok(Reading(begun.await.unwrap_or_else(left_behind)?))
    }
}

impl Reading {
    pub(super) fn connection(&mut self) -> Bounded<'_> {
        Bounded(&mut self.0)
    }

    /// Nothing more is asked.
    pub async fn end(self) -> Result<(), Error> {
        self.0.rollback().await
    }

    /// Networks that the database or its sessions name.
    pub async fn networks(&mut self) -> Result<Vec<String>, Error> {
        let rows = sqlx::query!(
            r#"SELECT slug AS "slug!" FROM networks UNION SELECT network FROM deposit_sessions ORDER BY 1 LIMIT 1000"#
        );
        Ok(rows.fetch_all(self.connection()).await?.into_iter().map(|row| row.slug).collect())
    }

    /// The business of this id, or those whose ids stand next to it in order: which there are, and which sessions name.
    pub async fn businesses_like(&mut self, id: &str) -> Result<Vec<String>, Error> {
        let rows = sqlx::query!(
            r#"WITH named AS (SELECT DISTINCT business_id COLLATE "C" AS id FROM deposit_sessions WHERE business_id IS NOT NULL)
               (SELECT id AS "id!" FROM businesses WHERE id <= $1 ORDER BY id DESC LIMIT 5)
               UNION (SELECT id FROM businesses WHERE id > $1 ORDER BY id LIMIT 5)
               UNION (SELECT id FROM named WHERE id <= $1 ORDER BY id DESC LIMIT 5)
               UNION (SELECT id FROM named WHERE id > $1 ORDER BY id LIMIT 5)"#,
            super::codec::name(id),
        );
        Ok(rows.fetch_all(self.connection()).await?.into_iter().map(|row| row.id).collect())
    }

    /// The session of this id, or those whose ids stand next to it in order.
    pub async fn sessions_like(&mut self, id: &str) -> Result<Vec<String>, Error> {
        let rows = sqlx::query!(
            r#"(SELECT id AS "id!" FROM deposit_sessions WHERE id <= $1 ORDER BY id DESC LIMIT 5)
               UNION ALL (SELECT id FROM deposit_sessions WHERE id > $1 ORDER BY id LIMIT 5)"#,
            super::codec::name(id),
        );
        Ok(rows.fetch_all(self.connection()).await?.into_iter().map(|row| row.id).collect())
    }

    /// The next lines of the ledger behind this one, by time and number. `paid`: only what counts for sessions.
    pub async fn ledger_lines(
        &mut self,
        scope: &Scope,
        paid: bool,
        behind: (Time, i64),
        limit: i64,
    ) -> Result<Vec<LedgerLine>, Error> {
        let lines = sqlx::query_as!(
            LedgerLine,
            r#"SELECT l.id AS line, l.booked_at, l.kind, l.network, k.symbol AS "token?", k.decimals AS "decimals?", l.token_address,
                      CASE WHEN l.session_id IS NOT NULL THEN coalesce(s.business_id, 'default') END AS business_id,
                      l.session_id, trim_scale(s.amount)::text AS asked, l.from_address, l.to_address, l.block_number,
                      l.block_hash, l.block_time, l.tx_hash, l.log_index,
                      trim_scale(l.amount)::text AS "amount!", l.units::text AS "units!", s.payment_status AS "status_now?",
                      s.customer_reference AS reference_now, s.customer_email AS email_now
                 FROM ledger l
                 LEFT JOIN tokens k ON k.network = l.network AND k.address = l.token_address
                 LEFT JOIN deposit_sessions s ON s.id = l.session_id
                WHERE (l.booked_at, l.id) > ($1, $2) AND l.booked_at < $3
                  AND ($4::text IS NULL OR l.network = $4) AND ($5::text IS NULL OR l.session_id = $5)
                  AND ($6::text IS NULL OR l.session_id IS NOT NULL AND coalesce(s.business_id, 'default') = $6)
                  AND (NOT $7 OR l.session_id IS NOT NULL AND l.kind <> 'refund')
                ORDER BY l.booked_at, l.id LIMIT $8"#,
            behind.0,
            behind.1,
            scope.to,
            scope.network,
            scope.session,
            scope.business,
            paid,
            limit,
        );
        Ok(lines.fetch_all(self.connection()).await?)
    }

    /// The accounts of all those lines, in no order.
    pub async fn ledger_accounts(&mut self, scope: &Scope) -> Result<Vec<Account>, Error> {
        let accounts = sqlx::query_as!(
            Account,
            r#"SELECT l.network, k.symbol AS "token?", k.decimals AS "decimals?", l.token_address,
                      CASE WHEN l.session_id IS NOT NULL THEN coalesce(s.business_id, 'default') END AS business_id
                 FROM ledger l
                 LEFT JOIN tokens k ON k.network = l.network AND k.address = l.token_address
                 LEFT JOIN deposit_sessions s ON s.id = l.session_id
                WHERE l.booked_at >= $1 AND l.booked_at < $2
                  AND ($3::text IS NULL OR l.network = $3) AND ($4::text IS NULL OR l.session_id = $4)
                  AND ($5::text IS NULL OR l.session_id IS NOT NULL AND coalesce(s.business_id, 'default') = $5)
                GROUP BY 1, 2, 3, 4, 5"#,
            scope.from,
            scope.to,
            scope.network,
            scope.session,
            scope.business,
        );
        Ok(accounts.fetch_all(self.connection()).await?)
    }
}
