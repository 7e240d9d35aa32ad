//! `sessions cancel`: takes no more money. What was mined until now still counts.

use super::{COLUMNS, find};
use crate::cli::args::SessionsShow;
use crate::cli::exit::Failure;
use crate::cli::{connect, output};
use crate::domain::SessionId;
use crate::settings::Settings;

pub(super) async fn run(settings: &Settings, asked: &SessionsShow) -> Result<(), Failure> {
    let store = connect::ready(&settings.database).await?;
    let id = SessionId(asked.id.clone());
    let cancelled = store.cancel_session(&id).await?;
    let session = find(&store, &id).await?;
    if cancelled {
        return output::table(&[session], COLUMNS, asked.shape.output);
    }
    let why = if session.cancelled_at.is_some() { "cancelled already" } else { "closed" };
    Err(Failure::failed(format!("session {} is {why}: it is {} and stays so", session.id, session.status)))
}
