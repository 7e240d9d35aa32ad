//! `sessions …`: look, open, cancel. One file a command; what a session shows and why is in `explain`.

mod cancel;
mod create;
mod explain;
mod list;
mod show;

use super::args::Sessions;
use super::exit::Failure;
use super::names;
use super::output::Columns;
use crate::domain::SessionId;
use crate::settings::Settings;
use crate::store::{SessionLine, Store};

/// Fields of a session: what people need, and everything.
const COLUMNS: Columns = Columns {
    text: &["id", "status", "amount", "received", "confirmed", "currency", "network", "expires_at"],
    csv: &[
        "id",
        "status",
        "amount",
        "received",
        "confirmed",
        "currency",
        "network",
        "currency_address",
        "deposit_address",
        "tx_id",
        "created_at",
        "accepted_at",
        "expires_at",
        "cancelled_at",
        "confirmed_at",
        "closed_at",
        "unusable",
    ],
};

pub(super) async fn run(settings: &Settings, asked: &Sessions) -> Result<(), Failure> {
    match asked {
        Sessions::List(asked) => list::run(settings, asked).await,
        Sessions::Show(asked) => show::run(settings, asked).await,
        Sessions::Create(asked) => create::run(settings, asked).await,
        Sessions::Cancel(asked) => cancel::run(settings, asked).await,
    }
}

/// The session of this id, or why there is none.
async fn find(store: &Store, id: &SessionId) -> Result<SessionLine, Failure> {
    let found = store.session_lines(Some(id), None, None, 1).await?.pop();
    match found {
        Some(found) => Ok(found),
        None => Err(names::no_session(store, id).await),
    }
}
