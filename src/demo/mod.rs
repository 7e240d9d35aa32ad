//! The ground that demo and tests stand on: a PostgreSQL and an anvil of our own, tokens to move, a line to cut. And the
//! demo itself: [`run`] plays a story on that ground, with the real binary as the watcher, and judges how it ends.
//!
//! ```text
//! show ── stage    what runs: PostgreSQL, anvil, the watcher with its API
//!    │  ├─ shop     who opens sessions over HTTP ── receiver   and hears of them by webhooks
//!    │  │           or sends its customers a link ── till, checkout, customer
//!    │  ├─ script   what happens ── cast   to which sessions, and how they must end
//!    │  └─ scene    how things stand
//!    └──── screen   what is seen of it
//! ```
//!
//! Roof, beside [`crate::app`]: nothing of the house imports it. Only for chain 31337 and databases it made itself.
//! Everything it starts dies with us, however we die (see [`guard`]). The binaries come from `make tools`.
//!
//! ```no_run
//! use deposit_watcher::demo::{Anvil, Contract, Evm, Postgres, Tools};
//! # async fn example() -> anyhow::Result<()> {
//! let tools = Tools::at(Tools::FOLDER);
//! let (postgres, anvil) = (Postgres::start(&tools)?, Anvil::start(&tools, &[])?);
//! let evm = Evm::new(anvil.url())?;
//! let payer = evm.account(0).await?;
//! let token = evm.deploy(payer, Contract::Plain6).await?;
//! # Ok(())
//! # }
//! ```

pub mod anvil;
mod cast;
mod checkout;
mod customer;
pub mod evm;
pub mod guard;
pub mod postgres;
pub mod proxy;
mod receiver;
mod scene;
mod screen;
mod script;
mod shop;
mod show;
mod stage;
mod till;
pub mod tokens;
pub mod tools;

pub use anvil::Anvil;
pub use evm::{Evm, Receipt, Remined};
pub use postgres::{Postgres, Stop};
pub use proxy::Proxy;
pub use show::{Options, run};
pub use tokens::{Call, Contract};
pub use tools::Tools;
