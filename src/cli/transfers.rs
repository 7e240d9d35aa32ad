//! `transfers list` and `transfers show`: what arrived at known addresses, whose it is, or why nobody's, and what persons
//! decided of it. Not for deciding: that is below.

mod settle;

use super::args_transfers::{Transfers, TransfersList, TransfersShow};
use super::exit::Failure;
use super::output::{self, Columns, Output};
use super::{connect, names, reasons};
use crate::domain::{Deed, SessionId, parse_address};
use crate::settings::Settings;
use crate::store::{SettlementLine, TransferLine};

/// Fields of a transfer: what people need, and everything.
pub(super) const COLUMNS: Columns = Columns {
    text: &[
        "network",
        "block_number",
        "tx_hash",
        "log_index",
        "amount",
        "state",
        "session_id",
        "reason",
        "settled",
        "asked",
    ],
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
        "settled",
        "settlement",
        "asked",
    ],
};

/// More transfers of one transaction than fit in any block.
const ALL: i64 = 100_000;

pub(super) async fn run(settings: &Settings, asked: &Transfers) -> Result<(), Failure> {
    match asked {
        Transfers::List(asked) => list(settings, asked).await,
        Transfers::Show(asked) => show(settings, asked).await,
        Transfers::Assign(asked) => {
            let deed = Deed::Assign(SessionId(asked.session.clone()));
            settle::run(settings, &asked.which, &deed, &asked.decision).await
        }
        Transfers::Ignore(asked) => settle::run(settings, &asked.which, &Deed::Ignore, &asked.decision).await,
        Transfers::Refund(asked) => settle::run(settings, &asked.which, &Deed::Refund(asked.tx), &asked.decision).await,
        Transfers::Release(asked) => settle::run(settings, &asked.which, &Deed::Release, &asked.decision).await,
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
    let decisions = store.settlement_lines(Some(asked.tx_hash), None).await?;
    let text = asked.shape.output == Output::Text;
    if lines.is_empty() && (decisions.is_empty() || !text) {
        let why = "it moved nothing to a known address, or its block was not scanned yet (`deposit-watcher status`)";
        return Err(Failure::failed(format!("no transfer of transaction {hash} is stored: {why}")));
    }
    if !text {
        return output::table(&lines, COLUMNS, asked.shape.output);
    }
    for line in &lines {
        output::card(line, COLUMNS.csv)?;
        output::print(&format!("* {}\n", sentence(line)))?;
        for one in decisions.iter().filter(|one| is_about(one, line)) {
            output::print(&format!("* {}\n", decision(one)))?;
        }
        output::print("\n")?;
    }
    for one in decisions.iter().filter(|one| !lines.iter().any(|line| is_about(one, line))) {
        let SettlementLine { network, log_index, token_address, from_address, to_address, amount_units, .. } = one;
        let money = format!("{amount_units} base units of {token_address} from {from_address} to {to_address}");
        let told = format!("log {log_index} of {network} is not stored any more as it was judged: {money}");
        output::print(&format!("{told}\n* {}\n\n", decision(one)))?;
    }
    Ok(())
}

/// Whether a person decided about this money.
fn is_about(one: &SettlementLine, line: &TransferLine) -> bool {
    let judged =
        (&one.network, one.log_index, &one.token_address, &one.from_address, &one.to_address, &one.amount_units);
    (&line.network, line.log_index, &line.token_address, &line.from_address, &line.to_address, &line.amount_units)
        == judged
}

/// What a person decided, in words.
fn decision(line: &SettlementLine) -> String {
    let what = match (&line.session_id, &line.refund_tx) {
        (Some(session), _) => format!("assign to {session}"),
        (None, Some(tx)) => format!("refund by {tx}"),
        (None, None) => line.kind.clone(),
    };
    let (who, by, at) = (&line.os_user, &line.database_user, line.asked_at.format("%Y-%m-%d %H:%M:%S UTC"));
    let became = match (line.outcome.as_deref(), line.answer.as_deref()) {
        (Some("refused"), why) => format!("refused: {}", why.unwrap_or_default()),
        (Some(_), answer) => answer.unwrap_or_default().to_owned(),
        (None, _) => "it waits for the watcher that works the network".to_owned(),
    };
    let (number, note) = (line.settlement, &line.note);
    format!("settlement {number}, {what}, by {who} (database user {by}) at {at}: {note} ({became})")
        .replace(char::is_control, " ")
}

/// Whose it is, in words.
fn sentence(line: &TransferLine) -> String {
    let whose = match (&line.session_id, &line.reason) {
        (Some(session), _) if line.state == "ORPHANED" => format!("it paid session {session} while it stood"),
        (Some(session), _) if line.settlement.is_some() => format!("a person gave it to session {session}"),
        (Some(session), _) => format!("it pays session {session}"),
        (None, Some(reason)) if line.settlement.is_some() => {
            let how = line.settled.as_deref().unwrap_or("settled");
            format!("it was {how} by a person, and paid no session: {}", reasons::unmatched_text(reason))
        }
        (None, Some(reason)) => format!("it pays no session: {}", reasons::unmatched_text(reason)),
        (None, None) => "it pays no session".to_owned(),
    };
    let chain = match line.state.as_str() {
        "SEEN" => "seen once; the second look has not confirmed it yet",
        "CONFIRMED" => "confirmed by both looks",
        _ => "it is not on the chain: its block left in a reorganisation, or the second look did not find it",
    };
    format!("{whose}; {chain}").replace(char::is_control, " ")
}
