//! What the house says about itself: every metric in one table, the log on stderr, and traces for whoever asks for them.
//!
//! ```
//! use deposit_watcher::telemetry::{self, Labels};
//!
//! let exposition = telemetry::install()?;
//! telemetry::initialise(Labels::default());
//! telemetry::REORGS_TOTAL.add(&["polygon"], 1);
//! assert!(exposition.render().contains("deposit_watcher_reorgs_total"));
//! # Ok::<(), telemetry::InstallError>(())
//! ```
//!
//! Not for serving them ([`crate::http`]), and not for deciding anything by them: nothing in the house reads a metric.

mod exposition;
mod labels;
pub mod logs;
mod metrics;
pub mod spans;
mod table;
pub mod traces;

pub use exposition::{Exposition, InstallError, initialise, install, recorder, release};
pub use labels::{
    ENDPOINT_STATES, Label, Labels, METHODS, NetworkLabels, RPC_OUTCOMES, WEBHOOK_OUTCOMES, WEBHOOK_STATES,
    http_method, http_status,
};
pub use metrics::{AmountCounter, Counter, Description, Gauge, Histogram, Kind, Measure};
pub use table::*;
