//! `sessions cancel`: takes no more money. What was mined until now still counts.

use std::sync::Arc;

use super::{COLUMNS, find};
use crate::cli::args::SessionsShow;
use crate::cli::exit::Failure;
use crate::cli::refusals::refused;
use crate::cli::{connect, output};
use crate::deposits::Office;
use crate::domain::SessionId;
use crate::settings::Settings;

pub(super) async fn run(settings: &Settings, asked: &SessionsShow) -> Result<(), Failure> {
    let store = connect::ready(&settings.database).await?;
    let id = SessionId(asked.id.clone());
    let office = Office::new(Arc::new(settings.clone()), store.clone());
    let cancelled = office.close(&id).await.map_err(|refusal| refused(refusal, &[], "sessions", &id.0))?;
    let session = find(&store, &id).await?;
    if cancelled {
        return output::table(&[session], COLUMNS, asked.shape.output);
    }
    let why = if session.cancelled_at.is_some() { "cancelled already" } else { "closed" };
    Err(Failure::failed(format!("session {} is {why}: it is {} and stays so", session.id, session.status)))
}
