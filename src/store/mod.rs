//! The only room that knows SQL. It reads and writes rows and says which rule a refused write broke; what to write is
//! decided elsewhere.
//!
//! A write of the watcher goes through a [`Unit`]: one transaction that is committed whole, by its fence, or not at all.

#![allow(clippy::as_conversions, reason = "the only way to tell query! of an array of nullable texts")]

mod admission;
mod aside;
mod blocks;
mod books;
mod businesses;
mod codec;
mod deliveries;
mod demo_rows;
mod errand;
mod expiry;
mod history;
mod lease;
mod lines;
mod lookup;
mod matters;
mod networks;
mod openings;
mod outbox;
mod overview;
mod payment_steps;
mod payments;
mod pruning;
mod reconciled;
mod reconciliations;
mod reports;
mod rescans;
mod schema;
mod sessions;
mod settlements;
mod statements;
mod tickets;
mod together;
mod tokens;
mod transfers;
mod unit;
mod viewing;
mod webhooks;
mod widgets;

use sqlx::Executor;
use sqlx::postgres::PgConnectOptions;

pub use admission::{Examined, UnexaminedRow};
pub use blocks::{BlockTime, RecordedBlock};
pub use books::Finding;
pub use businesses::{ApiKeyRow, BusinessRow, KeyMaterial, SigningKey};
pub use deliveries::{DueEndpoint, EventRow, Reserved, Settlement, Work};
pub use demo_rows::PlainSession;
pub use history::HistoryLine;
pub use lease::{Fence, Lease, ToBeHad};
pub use lines::Connections;
pub use lookup::{Found, Named};
pub use matters::{Matter, Money, Payee};
pub use networks::{Cursor, NetworkRow, Pinned};
pub use openings::{NewSession, OpenOutcome, RequestKey, Reservation};
pub use outbox::{AttemptLine, DeliveryLine, DeliveryQuery, Queue, Retried};
pub use overview::{NetworkStatus, SessionLine, TransferLine, UnmatchedCount};
pub use payment_steps::{Chosen, NewPayment, PaymentAdded, PaymentCancelled};
pub use payments::PaymentRow;
pub use pruning::{Old, Pruned};
pub use reconciled::{PastRun, ReconcileFigures, Reconciliation, Reread};
pub use reconciliations::{BookedTransfer, Came, Duty, Untold};
pub use reports::{Account, LedgerLine, Reading, Scope, Settling, Unfinished};
pub use rescans::{Rescan, RescanReason};
pub use schema::{MIGRATIONS, Schema};
pub use sessions::{AddressFacts, Destination, GroupRow, SessionRow, SessionWrite, Transition};
pub use settlements::{SettlementAsked, SettlementLine};
pub use statements::{DayLine, SessionStatement, UnmatchedStatement};
pub use tokens::PinnedToken;
pub use transfers::{StoredTransfer, TransferVerdict};
pub use unit::Unit;
pub use viewing::{SessionFilter, ViewedSession};
pub use webhooks::{Inserted, NewWebhook, SealedSecret, WebhookEndpoint};
pub use widgets::WidgetRow;

use crate::settings::Database;
use lines::Lines;
use lookup::Looker;
use together::Together;

/// Why the database did not do what was asked, by what the caller does next.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// It is away, busy or out of room: wait and try again.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// Another watcher works the network now, or the cursor moved: nothing was written.
    #[error("the network is worked by another watcher: nothing was written")]
    LeaseLost,
    /// The database refused what must never be.
    #[error("database refused ({rule}): {message}")]
    Refused {
        /// The constraint, or the SQLSTATE where none is named.
        rule: String,
        /// What it said.
        message: String,
    },
    /// A row holds what this version cannot read.
    #[error("database holds what cannot be read: {0}")]
    Unreadable(String),
    /// Its schema is not the one this program was built with.
    #[error("database schema: {0}")]
    Schema(String),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let Some(database) = error.as_database_error() else {
            return Error::Unavailable(error.to_string());
        };
        let code = database.code().unwrap_or_default().into_owned();
        let passing = ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class));
        if passing || ["25006", "25P02", "25P03", "55P03"].contains(&code.as_str()) {
            return Error::Unavailable(format!("{code}: {}", database.message()));
        }
        let rule = database.constraint().map_or(code, str::to_owned);
        Error::Refused { rule, message: database.message().to_owned() }
    }
}

/// The database, reached through a guarded pool.
#[derive(Debug, Clone)]
pub struct Store {
    pool: Lines,
    lookup: Together<Looker>,
}

impl Store {
    /// A pool that connects when it is first used.
    pub fn new(database: &Database) -> Result<Store, Error> {
        let options: PgConnectOptions = database
            .url
            .expose()
            .as_str()
            .parse()
            .map_err(|_| Error::Unavailable("the database URL cannot be read".to_owned()))?;
        let options = options.application_name("deposit-watcher");
        let options = if database.pgbouncer { options.statement_cache_capacity(0) } else { options };
        let pool = Lines::new(options, database.max_connections, database.pgbouncer);
        // Two, so that the database reads while the last answers are written; a small pool has no second connection to spare.
        let clerks = if database.max_connections < 4 { 1 } else { 2 };
        let lookup = Together::new(clerks, {
            let pool = pool.clone();
            move || Looker::new(pool.clone())
        });
        Ok(Store { pool, lookup })
    }

    /// One round trip, to see that it answers.
    pub async fn ping(&self) -> Result<(), Error> {
        self.pool.execute(sqlx::raw_sql("select 1")).await?;
        Ok(())
    }

    /// Why the server that answers cannot be used, where it cannot: it is a standby, or takes no writes.
    pub fn refusal(&self) -> Option<&'static str> {
        self.pool.refusal()
    }

    /// What the connections do that may be open.
    pub fn connections(&self) -> Connections {
        self.pool.connections()
    }

    /// Waits for open connections to end.
    pub async fn close(&self) {
        self.pool.unbounded().close().await;
    }
}
