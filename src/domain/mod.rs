//! The trade's nouns, valid by type. Floor 0: no async, no I/O, no clock.
//!
//! What is parsed here once needs no second look inside the house. What decides (matching, planning) lives in
//! [`crate::watcher`]; what is read from outside lives in [`crate::settings`], [`crate::chain`] and [`crate::store`].

pub mod address;
pub mod amount;
pub mod balance;
pub mod block;
pub mod business;
pub mod calendar;
pub mod language;
pub mod network;
pub mod secret;
pub mod session;
pub mod settlement;
pub mod token;
pub mod transfer;

pub use address::{Address, AddressError, TxHash, parse_address};
pub use amount::{AmountError, Units, format_decimal};
pub use balance::Balance;
pub use block::{BlockHash, BlockNumber, BlockRef, Header, Time, time_from_unix};
pub use business::{ApiKeyId, BusinessId, DeliveryId, Fault, WebhookId, WidgetId};
pub use calendar::{Period, PeriodError, Zone};
pub use language::Language;
pub use network::{ChainId, EndpointKey, Finality, MAINNET_CHAIN_IDS, Slug, SlugError, TESTNET_CHAIN_IDS};
pub use secret::Secret;
pub use session::{Session, SessionId, SessionStatus, Unusable};
pub use settlement::{Deed, Settled};
pub use token::{Percent, Token, TokenKey};
pub use transfer::{Assignment, LogId, Transfer, TransferState, Unmatched};
