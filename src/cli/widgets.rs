//! `widgets …`: the rules by which sessions are opened, and their client secrets.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::args_accounts::{Listed, One, Widgets, WidgetsCreate};
use super::exit::Failure;
use super::output::{Columns, Output};
use super::refusals::refused;
use super::{businesses, connect, given, output};
use crate::deposits::{NewWidget, Office, Refusal, Widget};
use crate::domain::{BusinessId, Secret, WidgetId};
use crate::settings::Settings;

/// Fields of a widget: what people need in a list, and everything.
const COLUMNS: Columns = Columns {
    text: &["id", "business_id", "name", "mode", "min_amount", "max_amount", "disabled_at"],
    csv: &[
        "id",
        "business_id",
        "name",
        "mode",
        "min_amount",
        "max_amount",
        "allowed_networks",
        "allowed_currencies",
        "allowed_deposit_addresses",
        "allowed_domains",
        "success_url",
        "cancel_url",
        "default_currency",
        "default_currency_address",
        "default_network",
        "default_deposit_address",
        "metadata_schema",
        "created_at",
        "disabled_at",
    ],
};
/// The same where a secret was made.
const WITH_SECRET: Columns = Columns {
    text: &["id", "business_id", "name", "secret"],
    csv: &["id", "business_id", "name", "mode", "min_amount", "max_amount", "created_at", "disabled_at", "secret"],
};
/// Its flags that are not called like its fields.
const FLAGS: &[(&str, &str)] = &[
    ("minAmount", "min"),
    ("maxAmount", "max"),
    ("allowedNetworks", "network"),
    ("allowedCurrencies", "currency"),
    ("allowedDepositAddresses", "address"),
    ("allowedDomains", "domain"),
    ("defaultDepositAddress", "default-address"),
];
/// Larger is no schema that a widget takes.
const SCHEMA_BYTES: u64 = 1 << 20;

/// A widget and its new secret: the only time that it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    widget: Widget,
    secret: String,
}

pub(super) async fn run(settings: &Settings, asked: &Widgets) -> Result<(), Failure> {
    match asked {
        Widgets::Create(asked) => {
            let new = new(asked)?;
            create(&connect::office(settings).await?, asked, &new).await
        }
        Widgets::List(asked) => list(&connect::office(settings).await?, asked).await,
        Widgets::Show(one) => shown(connect::office(settings).await?.widget(&id(one)).await, one),
        Widgets::Disable(one) => shown(connect::office(settings).await?.set_widget_disabled(&id(one), true).await, one),
        Widgets::Enable(one) => shown(connect::office(settings).await?.set_widget_disabled(&id(one), false).await, one),
        Widgets::Rotate(one) => rotate(&connect::office(settings).await?, one).await,
    }
}

async fn create(office: &Office, asked: &WidgetsCreate, new: &NewWidget) -> Result<(), Failure> {
    let business = asked.business.as_str();
    match office.create_widget(&BusinessId(business.to_owned()), new).await {
        Ok((widget, secret)) => with_secret(widget, &secret, asked.shape.output),
        Err(Refusal::NotFound) => Err(businesses::unknown(office, business).await),
        Err(refusal) => Err(refused(refusal, FLAGS, "widgets", business)),
    }
}

async fn list(office: &Office, asked: &Listed) -> Result<(), Failure> {
    let business = businesses::known(office, asked.business.as_deref()).await?;
    let widgets = office.widgets(business.as_ref()).await;
    let widgets = widgets.map_err(|refusal| refused(refusal, FLAGS, "widgets", ""))?;
    output::table(&widgets, COLUMNS, asked.shape.output)
}

async fn rotate(office: &Office, one: &One) -> Result<(), Failure> {
    let refused = |refusal| refused(refusal, FLAGS, "widgets", &one.id);
    let secret = office.rotate_widget(&id(one)).await.map_err(refused)?;
    let widget = office.widget(&id(one)).await.map_err(refused)?;
    with_secret(widget, &secret, one.shape.output)
}

fn id(one: &One) -> WidgetId {
    WidgetId(one.id.clone())
}

fn shown(widget: Result<Widget, Refusal>, one: &One) -> Result<(), Failure> {
    let widget = widget.map_err(|refusal| refused(refusal, FLAGS, "widgets", &one.id))?;
    output::one(&widget, COLUMNS, one.shape.output)
}

fn with_secret(widget: Widget, secret: &Secret<String>, shape: Output) -> Result<(), Failure> {
    output::one(&Shown { widget, secret: secret.expose().clone() }, WITH_SECRET, shape)
}

fn new(asked: &WidgetsCreate) -> Result<NewWidget, Failure> {
    Ok(NewWidget {
        name: asked.name.clone(),
        mode: asked.mode.clone(),
        min_amount: asked.min.clone(),
        max_amount: asked.max.clone(),
        allowed_networks: asked.network.clone(),
        allowed_currencies: asked.currency.clone(),
        allowed_deposit_addresses: asked.address.clone(),
        allowed_domains: asked.domain.clone(),
        success_url: asked.success_url.clone(),
        cancel_url: asked.cancel_url.clone(),
        default_currency: asked.default_currency.clone(),
        default_currency_address: asked.default_currency_address.clone(),
        default_network: asked.default_network.clone(),
        default_deposit_address: asked.default_address.clone(),
        metadata_schema: asked.metadata_schema.as_deref().map(schema).transpose()?,
    })
}

fn schema(path: &Path) -> Result<Value, Failure> {
    let text = given::file("metadata-schema", path, SCHEMA_BYTES)?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("--metadata-schema: {} is no JSON: {error}", path.display())))
}
