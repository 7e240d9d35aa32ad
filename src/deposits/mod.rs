//! What API and command line ask for: sessions opened, read, watched, cancelled, and the widgets by whose
//! rules.
//!
//! An [`Office`] says yes and does it, or says why not ([`Refusal`]), all that is wrong at once. Not for who may ask: a
//! face has made sure of that. Never calls a watcher: what it writes, the watcher finds.

mod api_key;
mod business;
mod field;
#[cfg(test)]
mod ground;
pub mod live;
mod open;
mod opening;
mod payment;
mod schema;
pub mod simulation;
mod tickets;
mod view;
mod widget;

use std::sync::Arc;

pub use api_key::{Signer, public_key};
pub use open::Opened;
pub use opening::{OpenedBy, Opening, destination};
pub use payment::{Choice, Deposit, DepositStatus, MetadataField, Metadatum, Payment, PaymentRequest, Visit};
pub use tickets::Ticket;
pub use view::{ListFilter, Page, View, time};
pub use widget::NewWidget;

pub use crate::store::{ApiKeyRow as ApiKey, BusinessRow as Business, RequestKey, WidgetRow as Widget};

use crate::domain::{Fault, SessionId};
use crate::settings::Settings;
use crate::store::{self, Store};

/// Where sessions are opened, read and cancelled. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Office {
    pub(in crate::deposits) store: Store,
    pub(in crate::deposits) settings: Arc<Settings>,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// What was asked makes no sense, field by field.
    #[error("{} faults", .0.len())]
    Faults(Vec<Fault>),
    /// There is no such thing.
    #[error("there is none")]
    NotFound,
    /// No amount near the one asked for is free at this address.
    #[error("the amount is another session's at this address")]
    AmountClash,
    /// Money was seen, or it is over.
    #[error("only a session without money can be cancelled, while it is open")]
    CannotCancel,
    /// The idempotency key was used for something else.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The first request with this idempotency key is not answered yet.
    #[error("the first request with this idempotency key is still under way")]
    KeyBusy,
    /// The business has as many active widgets as it may.
    #[error("the business has {0} active widgets, and may have no more")]
    TooManyWidgets(u32),
    /// The link was not opened in time.
    #[error("the link was not opened in time")]
    Gone,
    /// The business has another payment of this id.
    #[error("the depositId is another payment's")]
    DepositIdReused,
    /// Nothing says where the money of a payment would go.
    #[error("{0}")]
    NotBound(&'static str),
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Office {
    /// Of these settings.
    pub fn new(settings: Arc<Settings>, store: Store) -> Office {
        Office { store, settings }
    }

    /// Ends an open session for the operator, though money came; false where there is none of this id that is open.
    pub async fn close(&self, id: &SessionId) -> Result<bool, Refusal> {
        Ok(self.store.cancel_session(id).await?)
    }

    /// Ends a session for which no money was seen. A transfer mined until now still counts, whenever it is seen.
    pub async fn cancel(&self, id: &SessionId) -> Result<(), Refusal> {
        if self.store.cancel_unpaid_session(id).await? {
            return Ok(());
        }
        match self.store.view_sessions(std::slice::from_ref(id)).await?.is_empty() {
            true => Err(Refusal::NotFound),
            false => Err(Refusal::CannotCancel),
        }
    }
}
