//! The words of `transfers`: what to look at, and what a person decides about money without an owner.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::args::Shape;
use crate::domain::TxHash;

/// `transfers …`
#[derive(Debug, Subcommand)]
pub enum Transfers {
    /// The newest transfers to known addresses, and what is decided of them or waits to be.
    #[command(after_help = "Example:\n  deposit-watcher transfers list --network polygon --unmatched")]
    List(TransfersList),
    /// The transfers of one transaction, why each pays a session or none, and what persons decided of it.
    #[command(after_help = "Example:\n  deposit-watcher transfers show \
        0x7f9fade1c0d57a7af66ab4ead79fade1c0d57a7af66ab4ead7c2c2eb7b11a913")]
    Show(TransfersShow),
    /// Give a transfer that pays nobody to a session of the same network, token and address.
    #[command(after_help = "Example:\n  deposit-watcher transfers assign polygon \
        0x7f9fade1c0d57a7af66ab4ead79fade1c0d57a7af66ab4ead7c2c2eb7b11a913 12 dep_5f3e9a --note \"paid late, ticket 812\"\n\n\
        It counts like any other: seen until the second look has confirmed it. The session may be expired; it must not have \
        all its money.")]
    Assign(TransfersAssign),
    /// Close a transfer that pays nobody: it is listed as unmatched no more.
    #[command(after_help = "Example:\n  deposit-watcher transfers ignore polygon \
        0x7f9fade1c0d57a7af66ab4ead79fade1c0d57a7af66ab4ead7c2c2eb7b11a913 12 --note \"our own test\"")]
    Ignore(TransfersIgnore),
    /// Book that a confirmed transfer that pays nobody was sent back. It sends nothing itself.
    #[command(after_help = "Example:\n  deposit-watcher transfers refund polygon \
        0x7f9fade1c0d57a7af66ab4ead79fade1c0d57a7af66ab4ead7c2c2eb7b11a913 12 \
        --tx 0x91d1b0c5b7a6c7e0f2f8f4f9b3a4f3b56b1c65f0b9ea1d5f6f0c3c8a1e7d2b40 --note \"paid twice\"")]
    Refund(TransfersRefund),
    /// Undo what was decided of a transfer: the rules say again whose it is.
    #[command(after_help = "Example:\n  deposit-watcher transfers release polygon \
        0x7f9fade1c0d57a7af66ab4ead79fade1c0d57a7af66ab4ead7c2c2eb7b11a913 12 --note \"was another customer\"")]
    Release(TransfersIgnore),
}

/// `transfers list`
#[derive(Debug, Args)]
pub struct TransfersList {
    /// Only of this network.
    #[arg(long)]
    pub network: Option<String>,
    /// Only those that pay this session, or once did.
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
    /// Only to this address.
    #[arg(long, value_name = "ADDRESS")]
    pub to: Option<String>,
    /// Only those that pay nobody and that nobody has settled.
    #[arg(long)]
    pub unmatched: bool,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1_000_000))]
    pub limit: i64,
    /// How it is printed.
    #[command(flatten)]
    pub shape: Shape,
}

/// `transfers show`
#[derive(Debug, Args)]
pub struct TransfersShow {
    /// 0x and 64 hexadecimal digits.
    #[arg(value_parser = tx_hash)]
    pub tx_hash: TxHash,
    /// How it is printed.
    #[command(flatten)]
    pub shape: Shape,
}

/// Which transfer, why, and how long to wait.
#[derive(Debug, Args)]
pub struct Decision {
    /// Why; kept with who and when.
    #[arg(long, value_name = "TEXT", value_parser = note)]
    pub note: String,
    /// How long to wait until it is carried out.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = super::args::duration)]
    pub timeout: Duration,
    /// How it is printed.
    #[command(flatten)]
    pub shape: Shape,
}

/// A transfer as a person names it.
#[derive(Debug, Clone, Args)]
pub struct Which {
    /// A configured network.
    pub network: String,
    /// Its transaction: 0x and 64 hexadecimal digits.
    #[arg(value_parser = tx_hash)]
    pub tx_hash: TxHash,
    /// Its log's index within the block, as `transfers show` tells it.
    #[arg(value_parser = clap::value_parser!(u64).range(..=i64::MAX.unsigned_abs()))]
    pub log_index: u64,
}

/// `transfers assign`
#[derive(Debug, Args)]
pub struct TransfersAssign {
    /// Which one.
    #[command(flatten)]
    pub which: Which,
    /// The session's id.
    pub session: String,
    /// Why.
    #[command(flatten)]
    pub decision: Decision,
}

/// `transfers ignore` and `transfers release`
#[derive(Debug, Args)]
pub struct TransfersIgnore {
    /// Which one.
    #[command(flatten)]
    pub which: Which,
    /// Why.
    #[command(flatten)]
    pub decision: Decision,
}

/// `transfers refund`
#[derive(Debug, Args)]
pub struct TransfersRefund {
    /// Which one.
    #[command(flatten)]
    pub which: Which,
    /// The transaction that sent the money back.
    #[arg(long, value_name = "HASH", value_parser = tx_hash)]
    pub tx: TxHash,
    /// Why.
    #[command(flatten)]
    pub decision: Decision,
}

fn tx_hash(text: &str) -> Result<TxHash, String> {
    let whole = text.strip_prefix("0x").is_some_and(|digits| digits.len() == 64);
    let hash = if whole { text.parse().ok() } else { None };
    hash.ok_or_else(|| "write 0x and 64 hexadecimal digits".to_owned())
}

fn note(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 2_000 || text.contains('\0') {
        return Err("write 1 to 2000 characters: why it is decided so".to_owned());
    }
    Ok(text.to_owned())
}
