//! `webhooks …` on the command line. Not for what the commands do.

use clap::{Args, Subcommand};

use super::args::Shape;
use crate::webhooks::{DeliveryState, EVENT_TYPES};

/// `webhooks …`
#[derive(Debug, Subcommand)]
pub enum Webhooks {
    /// Send events to a URL; prints the signing secret, once.
    #[command(after_help = "Example:\n  deposit-watcher webhooks create --url https://shop.example/hooks \
        --event deposit.confirmed --event deposit.reverted")]
    Create(WebhooksCreate),
    /// Endpoints, those of one business or all.
    #[command(after_help = "Example:\n  deposit-watcher webhooks list --business default")]
    List(WebhooksList),
    /// One endpoint.
    #[command(after_help = "Example:\n  deposit-watcher webhooks show we_5f3e9a")]
    Show(WebhooksOne),
    /// Send it nothing more; what waits for it is given up.
    #[command(after_help = "Example:\n  deposit-watcher webhooks disable we_5f3e9a")]
    Disable(WebhooksOne),
    /// Send it what happens from now on.
    #[command(after_help = "Example:\n  deposit-watcher webhooks enable we_5f3e9a")]
    Enable(WebhooksOne),
    /// Give it a new signing secret, printed once; the old one signs as well for webhooks.secret_overlap.
    #[command(after_help = "Example:\n  deposit-watcher webhooks rotate we_5f3e9a")]
    Rotate(WebhooksOne),
    /// The newest deliveries; of one, its attempts.
    #[command(after_help = "Example:\n  deposit-watcher webhooks deliveries --state DEAD")]
    Deliveries(WebhooksDeliveries),
    /// Send a delivery again, with the same id and the same bytes.
    #[command(after_help = "Example:\n  deposit-watcher webhooks retry whd_5f3e9a")]
    Retry(WebhooksOne),
}

impl Webhooks {
    /// The business that is asked about, where one is.
    pub fn business(&self) -> Option<&str> {
        match self {
            Webhooks::Create(asked) => Some(&asked.business),
            Webhooks::List(asked) => asked.business.as_deref(),
            Webhooks::Deliveries(asked) => asked.business.as_deref(),
            Webhooks::Show(_)
            | Webhooks::Disable(_)
            | Webhooks::Enable(_)
            | Webhooks::Rotate(_)
            | Webhooks::Retry(_) => None,
        }
    }
}

/// `webhooks create`
#[derive(Debug, Args)]
pub struct WebhooksCreate {
    /// Where events are sent.
    #[arg(long)]
    pub url: String,
    /// Only events of this type; several may be given.
    #[arg(long = "event", value_name = "TYPE", value_parser = EVENT_TYPES)]
    pub events: Vec<String>,
    /// Whose events.
    #[arg(long, default_value = "default")]
    pub business: String,
    /// How it is printed.
    #[command(flatten)]
    pub shape: Shape,
}

/// `webhooks list`
#[derive(Debug, Args)]
pub struct WebhooksList {
    /// Only of this business.
    #[arg(long)]
    pub business: Option<String>,
    /// How it is printed.
    #[command(flatten)]
    pub shape: Shape,
}

/// `webhooks show`, `disable`, `enable`, `rotate`, `retry`
#[derive(Debug, Args)]
pub struct WebhooksOne {
    /// Its id.
    pub id: String,
    /// How it is printed.
    #[command(flatten)]
    pub shape: Shape,
}

/// `webhooks deliveries`
#[derive(Debug, Args)]
pub struct WebhooksDeliveries {
    /// This delivery, with its attempts.
    #[arg(conflicts_with_all = ["business", "endpoint", "state", "limit"])]
    pub id: Option<String>,
    /// Only of this business.
    #[arg(long)]
    pub business: Option<String>,
    /// Only to this endpoint.
    #[arg(long, value_name = "ID")]
    pub endpoint: Option<String>,
    /// Only in this state: WAITING, DELIVERED, DEAD.
    #[arg(long, value_parser = state)]
    pub state: Option<DeliveryState>,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub limit: u32,
    /// How it is printed.
    #[command(flatten)]
    pub shape: Shape,
}

fn state(text: &str) -> Result<DeliveryState, String> {
    DeliveryState::parse(text).ok_or_else(|| "is WAITING, DELIVERED or DEAD".to_owned())
}
