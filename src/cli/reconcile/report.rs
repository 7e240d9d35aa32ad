//! What a run found, printed: as text for people, as JSON whole, as CSV the lines. Not for finding it.

use serde::Serialize;

use super::compare::{Line, Sums};
use super::span::Span;
use crate::cli::exit::Failure;
use crate::cli::output::{self, Columns, Output};
use crate::domain::{Token, format_decimal};

const LINE: Columns = Columns {
    text: &["kind", "block_number", "tx_hash", "log_index", "token", "to_address", "chain_units", "here_units"],
    csv: &[
        "kind",
        "block_number",
        "block_hash",
        "tx_hash",
        "log_index",
        "token",
        "to_address",
        "chain_units",
        "here_units",
        "ledger_units",
        "state",
        "session_id",
        "told_by",
        "denied_by",
        "what",
    ],
};
const TOKEN: Columns = Columns {
    text: &["token", "transfers", "chain", "here", "confirmed", "ledger", "waiting"],
    csv: &["token", "transfers", "chain", "here", "confirmed", "ledger", "waiting"],
};

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) network: String,
    /// Null where nothing was left to compare.
    pub(super) from_block: Option<u64>,
    pub(super) to_block: Option<u64>,
    pub(super) endpoint: Option<String>,
    pub(super) tokens: Vec<TokenLine>,
    #[serde(flatten)]
    pub(super) left: Left,
    pub(super) differences: Vec<Line>,
    pub(super) balances: Vec<Line>,
}

/// What is on the chain, to an address that a session names, not stored, and no difference.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(super) struct Left {
    /// Rightly: it came before a session named the address, or long after.
    pub(super) left_out: u64,
    /// A rescan is still to read its block.
    pub(super) not_yet: u64,
    /// Its token was not followed there, and no rescan has read its block.
    pub(super) not_read: u64,
}

/// A token's sums, in whole tokens and in base units.
#[derive(Debug, Serialize)]
pub(super) struct TokenLine {
    token: String,
    transfers: u64,
    chain: String,
    here: String,
    confirmed: String,
    ledger: String,
    chain_units: String,
    here_units: String,
    confirmed_units: String,
    ledger_units: String,
    waiting: u64,
}

impl TokenLine {
    pub(super) fn new(token: &Token, sums: &Sums, ledger_units: &str) -> TokenLine {
        let whole = |units: crate::domain::Units| units.to_decimal(token.decimals);
        let ledger = match ledger_units.strip_prefix('-') {
            Some(digits) => format!("-{}", format_decimal(digits, token.decimals)),
            None => format_decimal(ledger_units, token.decimals),
        };
        TokenLine {
            token: token.key.to_string(),
            transfers: sums.transfers,
            chain: whole(sums.chain),
            here: whole(sums.here),
            confirmed: whole(sums.confirmed),
            ledger,
            chain_units: sums.chain.to_string(),
            here_units: sums.here.to_string(),
            confirmed_units: sums.confirmed.to_string(),
            ledger_units: ledger_units.to_owned(),
            waiting: sums.waiting,
        }
    }
}

impl Report {
    /// Nothing is left to compare.
    pub(super) fn empty(network: &str) -> Report {
        let (network, left) = (network.to_owned(), Left::default());
        let (tokens, differences, balances) = (Vec::new(), Vec::new(), Vec::new());
        Report { network, from_block: None, to_block: None, endpoint: None, tokens, left, differences, balances }
    }

    /// Nothing is compared yet.
    pub(super) fn of(network: &str, span: Span, endpoint: &str) -> Report {
        let (from_block, to_block) = (Some(span.from.0), Some(span.to.0));
        Report { from_block, to_block, endpoint: Some(endpoint.to_owned()), ..Report::empty(network) }
    }

    /// How many transfers are on the chain and here.
    pub(super) fn transfers(&self) -> u64 {
        self.tokens.iter().fold(0, |sum: u64, token| sum.saturating_add(token.transfers))
    }

    /// The blocks, in words.
    pub(super) fn blocks(&self) -> Option<String> {
        Some(format!("blocks {} to {}", self.from_block?, self.to_block?))
    }

    /// What was compared, in a line.
    pub(super) fn headline(&self) -> String {
        let network = &self.network;
        match self.blocks().zip(self.endpoint.as_ref()) {
            Some((blocks, endpoint)) => format!("network {network}, {blocks}, asked of {endpoint}"),
            None => format!("network {network}: no block is due that was not compared before"),
        }
    }

    pub(super) fn print(&self, output: Output) -> Result<(), Failure> {
        let Report { differences, balances, .. } = self;
        match output {
            Output::Json => output::json(self),
            Output::Csv => output::table(&[&differences[..], &balances[..]].concat(), LINE, output),
            Output::Text => self.text(),
        }
    }

    fn text(&self) -> Result<(), Failure> {
        let Report { differences, balances, .. } = self;
        output::print(&(self.headline() + "\n"))?;
        if self.from_block.is_none() {
            return Ok(());
        }
        output::table(&self.tokens, TOKEN, Output::Text)?;
        let Left { left_out, not_yet, not_read } = self.left;
        for (count, why) in [
            (left_out, "rightly not stored: none named them in time"),
            (not_yet, "not stored yet: a rescan is still to read their blocks, and then these are due again"),
            (not_read, "not stored: their token was not followed there, and no rescan has read their blocks"),
        ] {
            if count > 0 {
                output::print(&format!("{count} transfers to addresses of sessions are {why}\n"))?;
            }
        }
        for line in differences.iter().chain(balances) {
            output::print(&(self.sentence(line) + "\n"))?;
        }
        if differences.is_empty() { output::print("no difference\n") } else { Ok(()) }
    }

    fn sentence(&self, line: &Line) -> String {
        let kind = if line.kind.is_difference() { "difference" } else { "balance   " };
        let token = line.token.as_deref().unwrap_or("-");
        let of = match (&line.tx_hash, line.log_index, &line.to_address) {
            (Some(tx), Some(index), _) => format!("block {}, {tx} {index}, {token}", line.block_number),
            (_, _, Some(to)) => format!("{to}, {token}"),
            _ => format!("block {}", line.block_number),
        };
        let mut text = format!("{kind}  {of}: {}", line.what);
        if !line.denied_by.is_empty() {
            text.push_str(&format!("; {} says as it is here", line.denied_by.join(", ")));
        }
        text.replace(char::is_control, " ")
    }
}
