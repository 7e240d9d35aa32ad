//! `sessions list`: the newest sessions.

use super::COLUMNS;
use crate::cli::args::SessionsList;
use crate::cli::exit::Failure;
use crate::cli::{connect, names, output};
use crate::domain::SessionStatus;
use crate::settings::Settings;

pub(super) async fn run(settings: &Settings, asked: &SessionsList) -> Result<(), Failure> {
    let store = connect::ready(&settings.database).await?;
    names::filter(settings, &store, asked.network.as_deref()).await?;
    let status = asked.status.map(SessionStatus::as_str);
    let lines = store.session_lines(None, asked.network.as_deref(), status, asked.limit).await?;
    output::table(&lines, COLUMNS, asked.shape.output)
}
