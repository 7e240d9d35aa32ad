//! `webhooks deliveries` and `webhooks retry`: what is on its way, and sending it again.

use super::refused;
use crate::cli::args_webhooks::{WebhooksDeliveries, WebhooksOne};
use crate::cli::exit::Failure;
use crate::cli::output::{self, Columns, Output};
use crate::domain::{BusinessId, DeliveryId, WebhookId};
use crate::webhooks::{Delivery, DeliveryFilter, Desk, Refusal};

const COLUMNS: Columns = Columns {
    text: &[
        "id",
        "event_type",
        "session_id",
        "sequence",
        "state",
        "attempts",
        "next_attempt_at",
        "last_status",
        "last_error",
    ],
    csv: &[
        "id",
        "endpoint_id",
        "business_id",
        "event_id",
        "event_type",
        "session_id",
        "sequence",
        "state",
        "attempts",
        "next_attempt_at",
        "last_status",
        "last_error",
        "created_at",
        "finished_at",
    ],
};
const ATTEMPTS: Columns = Columns { text: &["at", "outcome", "status", "error", "duration_ms"], csv: &[] };

pub(super) async fn list(desk: &Desk, asked: &WebhooksDeliveries) -> Result<(), Failure> {
    if let Some(id) = &asked.id {
        let found = desk.delivery(&DeliveryId(id.clone())).await.and_then(|found| found.ok_or(Refusal::NotFound));
        return show(&found.map_err(|refusal| refused(refusal, id))?, asked.shape.output);
    }
    let filter = DeliveryFilter {
        state: asked.state,
        endpoint: asked.endpoint.clone().map(WebhookId),
        cursor: None,
        limit: Some(asked.limit),
    };
    let page = match &asked.business {
        Some(business) => desk.deliveries(&BusinessId(business.clone()), &filter).await,
        None => desk.all_deliveries(&filter).await,
    };
    let page = page.map_err(|refusal| refused(refusal, asked.business.as_deref().unwrap_or_default()))?;
    output::table(&page.items, COLUMNS, asked.shape.output)
}

pub(super) async fn retry(desk: &Desk, asked: &WebhooksOne) -> Result<(), Failure> {
    let retried = desk.retry(&DeliveryId(asked.id.clone())).await;
    let delivery = retried.map_err(|refusal| refused(refusal, &asked.id))?;
    output::one(&delivery.line, COLUMNS, asked.shape.output)
}

fn show(delivery: &Delivery, shape: Output) -> Result<(), Failure> {
    match shape {
        Output::Json => output::json(delivery),
        Output::Csv => output::table(std::slice::from_ref(&delivery.line), COLUMNS, Output::Csv),
        Output::Text => {
            output::card(&delivery.line, COLUMNS.csv)?;
            output::print("\n")?;
            output::table(&delivery.log, ATTEMPTS, Output::Text)
        }
    }
}
