//! `webhooks …`: endpoints here, their deliveries in `deliveries`. The same desk as the API's does the work.

mod deliveries;

use std::sync::Arc;

use serde::Serialize;

use super::args_webhooks::{Webhooks, WebhooksCreate, WebhooksList, WebhooksOne};
use super::exit::Failure;
use super::output::{Columns, Output};
use super::{businesses, connect, output, refusals};
use crate::deposits::Office;
use crate::domain::{BusinessId, Secret, WebhookId};
use crate::keys::Keyring;
use crate::settings::Settings;
use crate::webhooks::{Desk, Endpoint, NewEndpoint, Refusal};

/// Fields of an endpoint: what people need, and everything.
const COLUMNS: Columns = Columns {
    text: &["id", "business_id", "url", "events", "failing_since", "disabled_reason"],
    csv: &["id", "business_id", "url", "events", "created_at", "failing_since", "disabled_at", "disabled_reason"],
};
/// The same where a secret was made.
const WITH_SECRET: Columns = Columns {
    text: &["id", "business_id", "url", "events", "secret"],
    csv: &[
        "id",
        "business_id",
        "url",
        "events",
        "created_at",
        "failing_since",
        "disabled_at",
        "disabled_reason",
        "secret",
    ],
};

/// An endpoint and its new secret: the only time that it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    endpoint: Endpoint,
    secret: String,
}

pub(super) async fn run(settings: &Settings, asked: &Webhooks) -> Result<(), Failure> {
    let store = connect::ready(&settings.database).await?;
    let api = &settings.api;
    let keyring = api.sealing_key.as_ref().map(|key| Arc::new(Keyring::new(key, api.previous_sealing_key.as_ref())));
    let office = Office::new(Arc::new(settings.clone()), store.clone());
    let desk = Desk::new(settings, store, keyring);
    // A business that was mistyped is told with its nearest, before anything is asked of it.
    businesses::known(&office, asked.business()).await?;
    match asked {
        Webhooks::Create(asked) => create(&desk, asked).await,
        Webhooks::List(asked) => list(&desk, asked).await,
        Webhooks::Show(asked) => {
            one(desk.get(&id(asked)).await.and_then(|found| found.ok_or(Refusal::NotFound)), asked)
        }
        Webhooks::Disable(asked) => one(desk.disable(&id(asked)).await, asked),
        Webhooks::Enable(asked) => one(desk.enable(&id(asked)).await, asked),
        Webhooks::Rotate(asked) => {
            let (endpoint, secret) = desk.rotate(&id(asked)).await.map_err(|refusal| refused(refusal, &asked.id))?;
            shown(endpoint, &secret, asked.shape.output)
        }
        Webhooks::Deliveries(asked) => deliveries::list(&desk, asked).await,
        Webhooks::Retry(asked) => deliveries::retry(&desk, asked).await,
    }
}

async fn create(desk: &Desk, asked: &WebhooksCreate) -> Result<(), Failure> {
    let new = NewEndpoint { url: asked.url.clone(), events: asked.events.clone() };
    let made = desk.create(&BusinessId(asked.business.clone()), &new).await;
    let (endpoint, secret) = made.map_err(|refusal| refused(refusal, &asked.business))?;
    shown(endpoint, &secret, asked.shape.output)
}

async fn list(desk: &Desk, asked: &WebhooksList) -> Result<(), Failure> {
    let listed = match &asked.business {
        Some(business) => desk.list(&BusinessId(business.clone())).await,
        None => desk.list_all().await,
    };
    let lines = listed.map_err(|refusal| refused(refusal, asked.business.as_deref().unwrap_or_default()))?;
    output::table(&lines, COLUMNS, asked.shape.output)
}

fn id(asked: &WebhooksOne) -> WebhookId {
    WebhookId(asked.id.clone())
}

fn one(found: Result<Endpoint, Refusal>, asked: &WebhooksOne) -> Result<(), Failure> {
    let endpoint = found.map_err(|refusal| refused(refusal, &asked.id))?;
    output::one(&endpoint, COLUMNS, asked.shape.output)
}

fn shown(endpoint: Endpoint, secret: &Secret<String>, shape: Output) -> Result<(), Failure> {
    output::one(&Shown { endpoint, secret: secret.expose().clone() }, WITH_SECRET, shape)
}

/// Why it was not done, about what was asked for.
fn refused(refusal: Refusal, about: &str) -> Failure {
    match refusal {
        Refusal::Faults(faults) => refusals::usage(&faults, &[("events", "event")]),
        Refusal::NotFound => {
            Failure::failed(format!("there is no {about:?}; `deposit-watcher webhooks list` shows endpoints"))
        }
        Refusal::NoSealingKey => connect::no_sealing_key(),
        Refusal::EndpointDisabled => {
            Failure::failed("its endpoint is disabled; `deposit-watcher webhooks enable` it first")
        }
        Refusal::Store(error) => error.into(),
        other @ Refusal::TooMany(_) => Failure::failed(other),
    }
}
