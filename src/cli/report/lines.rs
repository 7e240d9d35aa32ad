//! The columns of each report. Their names and their order are kept.

use chrono::SecondsFormat;

use super::sheet::{Cell, Coin, Line};
use crate::domain::{Time, Zone};
use crate::store::{DayLine, LedgerLine, SessionStatement, UnmatchedStatement};

/// A line of `ledger`.
pub(super) struct Booked(pub(super) LedgerLine);
/// A line of `deposits`.
pub(super) struct Deposit(pub(super) LedgerLine);
/// A line of `daily`: its day, and when that begins in the period.
pub(super) struct Daily(pub(super) String, pub(super) Time, pub(super) DayLine);
/// A line of `sessions`.
pub(super) struct Statement(pub(super) SessionStatement, pub(super) bool);
/// A line of `unmatched`.
pub(super) struct Unowned(pub(super) UnmatchedStatement);

/// To the microsecond, as the database has it.
pub(super) fn moment(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Blocks have whole seconds.
pub(super) fn second(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn text(words: &str) -> Cell {
    Cell::Text(words.to_owned())
}

fn exact(digits: &str) -> Cell {
    Cell::Exact(digits.to_owned())
}

fn day(zone: Zone, time: Time) -> Cell {
    Cell::Text(zone.day_of(time).to_string())
}

fn ledger_coin(line: &LedgerLine) -> Coin {
    Coin {
        network: line.network.clone(),
        address: line.token_address.clone(),
        symbol: line.token.clone(),
        decimals: line.decimals,
    }
}

impl Line for Booked {
    const COLUMNS: &'static [&'static str] = &[
        "line",
        "day",
        "booked_at",
        "kind",
        "business_id",
        "session_id",
        "network",
        "token",
        "token_address",
        "from_address",
        "to_address",
        "block_number",
        "block_hash",
        "block_time",
        "tx_hash",
        "log_index",
        "amount",
        "amount_units",
    ];
    const NOW: &'static [&'static str] = &[];
    const SUMS: &'static [&'static str] = &["amount"];

    fn cells(&self, zone: Zone) -> Vec<Cell> {
        let line = &self.0;
        vec![
            Cell::Count(line.line),
            day(zone, line.booked_at),
            Cell::Text(moment(line.booked_at)),
            text(&line.kind),
            line.business_id.clone().into(),
            line.session_id.clone().into(),
            text(&line.network),
            line.token.clone().into(),
            text(&line.token_address),
            text(&line.from_address),
            text(&line.to_address),
            Cell::Count(line.block_number),
            text(&line.block_hash),
            Cell::Text(second(line.block_time)),
            text(&line.tx_hash),
            Cell::Count(line.log_index),
            exact(&line.amount),
            exact(&line.units),
        ]
    }

    fn now(&self) -> Vec<Cell> {
        Vec::new()
    }

    fn coin(&self) -> Coin {
        ledger_coin(&self.0)
    }

    fn sums(&self) -> Vec<&str> {
        vec![&self.0.units]
    }
}

impl Line for Deposit {
    const COLUMNS: &'static [&'static str] = &[
        "line",
        "day",
        "booked_at",
        "kind",
        "business_id",
        "session_id",
        "asked",
        "network",
        "token",
        "token_address",
        "from_address",
        "deposit_address",
        "block_number",
        "block_time",
        "tx_hash",
        "log_index",
        "amount",
        "amount_units",
    ];
    const NOW: &'static [&'static str] = &["status_now", "customer_reference_now", "customer_email_now"];
    const SUMS: &'static [&'static str] = &["amount"];

    fn cells(&self, zone: Zone) -> Vec<Cell> {
        let line = &self.0;
        vec![
            Cell::Count(line.line),
            day(zone, line.booked_at),
            Cell::Text(moment(line.booked_at)),
            text(&line.kind),
            line.business_id.clone().into(),
            line.session_id.clone().into(),
            line.asked.clone().map_or(Cell::Nothing, Cell::Exact),
            text(&line.network),
            line.token.clone().into(),
            text(&line.token_address),
            text(&line.from_address),
            text(&line.to_address),
            Cell::Count(line.block_number),
            Cell::Text(second(line.block_time)),
            text(&line.tx_hash),
            Cell::Count(line.log_index),
            exact(&line.amount),
            exact(&line.units),
        ]
    }

    fn now(&self) -> Vec<Cell> {
        let line = &self.0;
        vec![line.status_now.clone().into(), line.reference_now.clone().into(), line.email_now.clone().into()]
    }

    fn coin(&self) -> Coin {
        ledger_coin(&self.0)
    }

    fn sums(&self) -> Vec<&str> {
        vec![&self.0.units]
    }
}

impl Line for Daily {
    const COLUMNS: &'static [&'static str] = &[
        "day",
        "begins_at",
        "business_id",
        "network",
        "token",
        "token_address",
        "lines",
        "credited",
        "credited_units",
        "taken_back",
        "taken_back_units",
        "unmatched",
        "unmatched_units",
        "refunded",
        "refunded_units",
        "net",
        "net_units",
    ];
    const NOW: &'static [&'static str] = &[];
    const SUMS: &'static [&'static str] = &["credited", "taken_back", "unmatched", "refunded", "net"];

    fn cells(&self, _zone: Zone) -> Vec<Cell> {
        let Daily(day, begins, line) = self;
        vec![
            text(day),
            Cell::Text(moment(*begins)),
            line.business_id.clone().into(),
            text(&line.network),
            line.token.clone().into(),
            text(&line.token_address),
            Cell::Count(line.lines),
            exact(&line.credited),
            exact(&line.credited_units),
            exact(&line.taken_back),
            exact(&line.taken_back_units),
            exact(&line.unmatched),
            exact(&line.unmatched_units),
            exact(&line.refunded),
            exact(&line.refunded_units),
            exact(&line.net),
            exact(&line.net_units),
        ]
    }

    fn now(&self) -> Vec<Cell> {
        Vec::new()
    }

    fn coin(&self) -> Coin {
        let line = &self.2;
        Coin {
            network: line.network.clone(),
            address: line.token_address.clone(),
            symbol: line.token.clone(),
            decimals: line.decimals,
        }
    }

    fn sums(&self) -> Vec<&str> {
        let line = &self.2;
        vec![&line.credited_units, &line.taken_back_units, &line.unmatched_units, &line.refunded_units, &line.net_units]
    }
}

impl Line for Statement {
    const COLUMNS: &'static [&'static str] = &[
        "session_id",
        "business_id",
        "network",
        "token",
        "token_address",
        "deposit_address",
        "opened_at",
        "opened_in_period",
        "asked",
        "confirmed_before",
        "confirmed_before_units",
        "confirmed_in_period",
        "confirmed_in_period_units",
        "confirmed_at_end",
        "confirmed_at_end_units",
        "difference",
        "paid",
        "booked_at",
    ];
    const NOW: &'static [&'static str] =
        &["status_now", "expires_at_now", "cancelled_at_now", "customer_reference_now", "customer_email_now"];
    const SUMS: &'static [&'static str] = &["confirmed_before", "confirmed_in_period", "confirmed_at_end"];

    fn cells(&self, _zone: Zone) -> Vec<Cell> {
        let Statement(session, opened) = self;
        vec![
            text(&session.session_id),
            text(&session.business_id),
            text(&session.network),
            text(&session.token),
            text(&session.token_address),
            text(&session.deposit_address),
            Cell::Text(moment(session.opened_at)),
            Cell::Flag(*opened),
            exact(&session.asked),
            exact(&session.before),
            exact(&session.before_units),
            exact(&session.moved),
            exact(&session.moved_units),
            exact(&session.at_end),
            exact(&session.at_end_units),
            exact(&session.difference),
            text(&session.paid),
            session.booked_at.map(moment).into(),
        ]
    }

    fn now(&self) -> Vec<Cell> {
        let session = &self.0;
        vec![
            text(&session.status_now),
            Cell::Text(moment(session.expires_now)),
            session.cancelled_now.map(moment).into(),
            session.reference_now.clone().into(),
            session.email_now.clone().into(),
        ]
    }

    fn coin(&self) -> Coin {
        let session = &self.0;
        Coin {
            network: session.network.clone(),
            address: session.token_address.clone(),
            symbol: Some(session.token.clone()),
            decimals: session.decimals,
        }
    }

    fn sums(&self) -> Vec<&str> {
        vec![&self.0.before_units, &self.0.moved_units, &self.0.at_end_units]
    }
}

impl Line for Unowned {
    const COLUMNS: &'static [&'static str] = &[
        "booked_at",
        "day",
        "network",
        "token",
        "token_address",
        "from_address",
        "to_address",
        "block_number",
        "block_hash",
        "block_time",
        "tx_hash",
        "log_index",
        "unmatched_before",
        "unmatched_before_units",
        "unmatched_in_period",
        "unmatched_in_period_units",
        "unmatched_at_end",
        "unmatched_at_end_units",
        "ignored_at_end",
        "ignored_at_end_units",
    ];
    const NOW: &'static [&'static str] = &["reason_now", "settled_now", "session_id_now"];
    const SUMS: &'static [&'static str] =
        &["unmatched_before", "unmatched_in_period", "unmatched_at_end", "ignored_at_end"];

    fn cells(&self, zone: Zone) -> Vec<Cell> {
        let transfer = &self.0;
        vec![
            Cell::Text(moment(transfer.booked_at)),
            day(zone, transfer.booked_at),
            text(&transfer.network),
            transfer.token.clone().into(),
            text(&transfer.token_address),
            text(&transfer.from_address),
            text(&transfer.to_address),
            Cell::Count(transfer.block_number),
            text(&transfer.block_hash),
            Cell::Text(second(transfer.block_time)),
            text(&transfer.tx_hash),
            Cell::Count(transfer.log_index),
            exact(&transfer.before),
            exact(&transfer.before_units),
            exact(&transfer.moved),
            exact(&transfer.moved_units),
            exact(&transfer.at_end),
            exact(&transfer.at_end_units),
            exact(&transfer.ignored),
            exact(&transfer.ignored_units),
        ]
    }

    fn now(&self) -> Vec<Cell> {
        let transfer = &self.0;
        vec![
            transfer.reason_now.clone().into(),
            transfer.settled_now.clone().into(),
            transfer.session_now.clone().into(),
        ]
    }

    fn coin(&self) -> Coin {
        let transfer = &self.0;
        Coin {
            network: transfer.network.clone(),
            address: transfer.token_address.clone(),
            symbol: transfer.token.clone(),
            decimals: transfer.decimals,
        }
    }

    fn sums(&self) -> Vec<&str> {
        vec![&self.0.before_units, &self.0.moved_units, &self.0.at_end_units, &self.0.ignored_units]
    }
}
