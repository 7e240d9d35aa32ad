//! `transfers list` and `transfers show`: what arrived at known addresses, whose it is, or why nobody's.

use super::args::{Transfers, TransfersList, TransfersShow};
use super::exit::Failure;
use super::output::{self, Columns, Output};
use super::{connect, names, reasons};
use crate::domain::{SessionId, parse_address};
use crate::settings::Settings;
use crate::store::TransferLine;

/// Fields of a transfer: what people need, and everything.
pub(super) const COLUMNS: Columns = Columns {
    text: &["network", "block_number", "tx_hash", "log_index", "amount", "state", "session_id", "reason"],
    csv: &[
        "network",
        "block_number",
        "block_hash",
        "block_time",
        "tx_hash",
        "log_index",
        "token_address",
        "from_address",
        "to_address",
        "amount_units",
        "amount",
        "state",
        "session_id",
        "reason",
        "seen_at",
        "confirmed_at",
    ],
};

/// More transfers of one transaction than fit in any block.
const ALL: i64 = 100_000;

pub(super) async fn run(settings: &Settings, asked: &Transfers) -> Result<(), Failure> {
    match asked {
        Transfers::List(asked) => list(settings, asked).await,
        Transfers::Show(asked) => show(settings, asked).await,
    }
}

async fn list(settings: &Settings, asked: &TransfersList) -> Result<(), Failure> {
    let to = asked.to.as_deref().map(parse_address).transpose();
    let to = to.map_err(|error| Failure::usage(format!("--to: the address {error}")))?.map(|to| format!("{to:#x}"));
    let store = connect::ready(&settings.database).await?;
    names::filter(settings, &store, asked.network.as_deref()).await?;
    let session = asked.session.clone().map(SessionId);
    let network = asked.network.as_deref();
    let lines =
        store.transfer_lines(network, session.as_ref(), to.as_deref(), None, asked.unmatched, asked.limit).await?;
    output::table(&lines, COLUMNS, asked.shape.output)
}

async fn show(settings: &Settings, asked: &TransfersShow) -> Result<(), Failure> {
    let store = connect::ready(&settings.database).await?;
    let hash = format!("{:#x}", asked.tx_hash);
    let lines = store.transfer_lines(None, None, None, Some(&hash), false, ALL).await?;
    if lines.is_empty() {
        let why = "it moved nothing to a known address, or its block was not scanned yet (`deposit-watcher status`)";
        return Err(Failure::failed(format!("no transfer of transaction {hash} is stored: {why}")));
    }
    if asked.shape.output != Output::Text {
        return output::table(&lines, COLUMNS, asked.shape.output);
    }
    for line in &lines {
        output::card(line, COLUMNS.csv)?;
        output::print(&format!("* {}\n\n", sentence(line)))?;
    }
    Ok(())
}

/// Whose it is, in words.
fn sentence(line: &TransferLine) -> String {
    let whose = match (&line.session_id, &line.reason) {
        (Some(session), _) if line.state == "ORPHANED" => format!("it paid session {session} while it stood"),
        (Some(session), _) => format!("it pays session {session}"),
        (None, Some(reason)) => format!("it pays no session: {}", reasons::unmatched_text(reason)),
        (None, None) => "it pays no session".to_owned(),
    };
    let chain = match line.state.as_str() {
        "SEEN" => "seen once; the second look has not confirmed it yet",
        "CONFIRMED" => "confirmed by both looks",
        _ => "its block left the chain in a reorganisation",
    };
    format!("{whose}; {chain}").replace(char::is_control, " ")
}
