//! `sessions show`: one session, its history, what arrived at its address, and why it is or is not paid.

use serde::Serialize;

use super::explain::{Case, explain};
use super::{COLUMNS, find};
use crate::cli::args::SessionsShow;
use crate::cli::exit::Failure;
use crate::cli::output::{self, Columns, Output};
use crate::cli::{connect, transfers};
use crate::domain::{SessionId, Time};
use crate::settings::Settings;
use crate::store::{HistoryLine, SessionLine, Store, TransferLine};

/// At most so many transfers and events are looked at.
const MANY: i64 = 200;

const CSV: Columns = Columns {
    text: COLUMNS.text,
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
        "explanation",
    ],
};

/// Everything about one session.
#[derive(Debug, Serialize)]
struct Story {
    #[serde(flatten)]
    session: SessionLine,
    explanation: Vec<String>,
    history: Vec<HistoryLine>,
    transfers: Vec<TransferLine>,
}

pub(super) async fn run(settings: &Settings, asked: &SessionsShow) -> Result<(), Failure> {
    let store = connect::ready(&settings.database).await?;
    let story = story(settings, &store, &SessionId(asked.id.clone())).await?;
    match asked.shape.output {
        Output::Json => output::json(&story),
        Output::Csv => output::table(&[story], CSV, Output::Csv),
        Output::Text => text(&story),
    }
}

async fn story(settings: &Settings, store: &Store, id: &SessionId) -> Result<Story, Failure> {
    let session = find(store, id).await?;
    let history = store.session_history(id, MANY).await?;
    let to = session.deposit_address.to_lowercase();
    let mut transfers = store.transfer_lines(None, None, Some(&to), None, false, MANY).await?;
    let own = store.transfer_lines(None, Some(id), None, None, false, MANY).await?;
    let new: Vec<TransferLine> = own.into_iter().filter(|one| !transfers.contains(one)).collect();
    transfers.extend(new);
    let statuses = store.network_statuses().await?;
    let status = statuses.iter().find(|status| status.network == session.network);
    let case = Case {
        session: &session,
        transfers: &transfers,
        reverted: history.iter().any(|line| line.kind == "deposit.reverted"),
        network: settings.networks.iter().find(|network| network.slug.as_str() == session.network),
        status,
        now: statuses.first().map_or_else(Time::default, |status| status.now),
    };
    let explanation = explain(&case);
    Ok(Story { session, explanation, history, transfers })
}

fn text(story: &Story) -> Result<(), Failure> {
    output::card(&story.session, COLUMNS.csv)?;
    let lines = story.explanation.iter().map(|line| format!("* {}\n", line.replace(char::is_control, "\u{fffd}")));
    output::print(&format!("\n{}", lines.collect::<String>()))?;
    if !story.transfers.is_empty() {
        output::print("\n")?;
        output::table(&story.transfers, transfers::COLUMNS, Output::Text)?;
    }
    let history = Columns { text: &["at", "kind", "received", "tx_id"], csv: &[] };
    output::print("\n")?;
    output::table(&story.history, history, Output::Text)
}
