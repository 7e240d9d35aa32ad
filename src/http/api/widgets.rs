//! Widgets over HTTP: created by their business, their rules read by whoever opens sessions with them.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::App;
use super::caller::{Asked, Id};
use super::openapi::{BodyRefusals, Refusals};
use crate::deposits::{NewWidget, Widget, time};
use crate::domain::WidgetId;
use crate::http::body::{self, Fields};
use crate::http::problem::Problem;

/// A widget to create.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "it describes what `new_widget` reads")]
pub(super) struct CreateWidget {
    /// For people.
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    /// `FIXED_AMOUNT`, with `minAmount` equal to `maxAmount`, or `CUSTOMER_AMOUNT`.
    #[schema(pattern = "^(FIXED_AMOUNT|CUSTOMER_AMOUNT)$")]
    mode: String,
    /// Whole tokens.
    #[schema(min_length = 1, max_length = 32)]
    min_amount: Option<String>,
    /// Whole tokens.
    #[schema(min_length = 1, max_length = 32)]
    max_amount: Option<String>,
    /// Empty: all that are watched.
    #[schema(max_items = 100)]
    allowed_networks: Option<Vec<String>>,
    /// Symbols; empty: all that are configured.
    #[schema(max_items = 100)]
    allowed_currencies: Option<Vec<String>>,
    /// Empty: none with the widget's secret, any with a token.
    #[schema(max_items = 100)]
    allowed_deposit_addresses: Option<Vec<String>>,
    /// Host names that requests with the widget's secret must come from; empty: all.
    #[schema(max_items = 100)]
    allowed_domains: Option<Vec<String>>,
    /// http or https.
    #[schema(max_length = 2048)]
    success_url: Option<String>,
    /// http or https.
    #[schema(max_length = 2048)]
    cancel_url: Option<String>,
    /// One that the widget allows.
    default_currency: Option<String>,
    /// A token of `defaultNetwork`.
    default_currency_address: Option<String>,
    /// One that the widget allows.
    default_network: Option<String>,
    /// One that the widget allows.
    default_deposit_address: Option<String>,
    /// JSON Schema that `metadata` must match; at most 16 KiB, without references and `unevaluated…`.
    metadata_schema: Option<Map<String, Value>>,
}

/// A widget's rules.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WidgetConfig {
    /// Its id.
    id: String,
    /// For people.
    name: String,
    /// `FIXED_AMOUNT` or `CUSTOMER_AMOUNT`
    mode: String,
    /// Whole tokens.
    #[schema(required)]
    min_amount: Option<String>,
    /// Whole tokens.
    #[schema(required)]
    max_amount: Option<String>,
    /// Empty: all that are watched.
    allowed_networks: Vec<String>,
    /// Empty: all that are configured.
    allowed_currencies: Vec<String>,
    /// Empty: none with the widget's secret, any with a token.
    allowed_deposit_addresses: Vec<String>,
    /// Empty: all.
    allowed_domains: Vec<String>,
    /// Where a customer goes afterwards.
    #[schema(required)]
    success_url: Option<String>,
    /// Where a customer goes who gives up.
    #[schema(required)]
    cancel_url: Option<String>,
    /// What a page begins with.
    #[schema(required)]
    default_currency: Option<String>,
    /// What a page begins with.
    #[schema(required)]
    default_currency_address: Option<String>,
    /// What a page begins with.
    #[schema(required)]
    default_network: Option<String>,
    /// What a page begins with.
    #[schema(required)]
    default_deposit_address: Option<String>,
    /// What `metadata` must match.
    #[schema(required)]
    metadata_schema: Option<Value>,
    /// False: it opens no sessions.
    active: bool,
    /// When it came.
    created_at: String,
}

impl From<Widget> for WidgetConfig {
    fn from(widget: Widget) -> Self {
        WidgetConfig {
            id: widget.id.0,
            name: widget.name,
            mode: widget.mode,
            min_amount: widget.min_amount,
            max_amount: widget.max_amount,
            allowed_networks: widget.allowed_networks,
            allowed_currencies: widget.allowed_currencies,
            allowed_deposit_addresses: widget.allowed_deposit_addresses,
            allowed_domains: widget.allowed_domains,
            success_url: widget.success_url,
            cancel_url: widget.cancel_url,
            default_currency: widget.default_currency,
            default_currency_address: widget.default_currency_address,
            default_network: widget.default_network,
            default_deposit_address: widget.default_deposit_address,
            metadata_schema: widget.metadata_schema,
            active: widget.disabled_at.is_none(),
            created_at: time(widget.created_at),
        }
    }
}

/// A widget that was created, with the secret that is shown here only.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreatedWidget {
    #[serde(flatten)]
    widget: WidgetConfig,
    /// Opens sessions through this widget; may be in the customer's browser.
    client_secret: String,
}

/// Create a widget.
#[utoipa::path(post, path = "/api/v1/businesses/{businessId}/widgets/create-widget", tag = "widgets",
    params(("businessId" = String, Path)), request_body = CreateWidget, security(("token" = [])),
    responses((status = 201, description = "Created", body = CreatedWidget), BodyRefusals))]
pub(super) async fn create(
    State(app): State<App>,
    asked: Asked,
    Id(id): Id,
    request: Request,
) -> Result<(StatusCode, Json<CreatedWidget>), Problem> {
    let business = app.own_business(&asked, &id).await?;
    let mut fields = Fields::parse(&body::bytes(request).await?)?;
    let new = new_widget(&mut fields);
    let form = fields.end();
    if !form.is_empty() {
        return Err(Problem::faults(body::both(form, app.0.office.faults_of_widget(&business, &new))));
    }
    let (widget, secret) = app.0.office.create_widget(&business, &new).await?;
    Ok((StatusCode::CREATED, Json(CreatedWidget { widget: widget.into(), client_secret: secret.expose().clone() })))
}

fn new_widget(fields: &mut Fields) -> NewWidget {
    NewWidget {
        name: fields.required("name"),
        mode: fields.required("mode"),
        min_amount: fields.text("minAmount"),
        max_amount: fields.text("maxAmount"),
        allowed_networks: fields.texts("allowedNetworks"),
        allowed_currencies: fields.texts("allowedCurrencies"),
        allowed_deposit_addresses: fields.texts("allowedDepositAddresses"),
        allowed_domains: fields.texts("allowedDomains"),
        success_url: fields.text("successUrl"),
        cancel_url: fields.text("cancelUrl"),
        default_currency: fields.text("defaultCurrency"),
        default_currency_address: fields.text("defaultCurrencyAddress"),
        default_network: fields.text("defaultNetwork"),
        default_deposit_address: fields.text("defaultDepositAddress"),
        metadata_schema: fields.object("metadataSchema").map(Value::Object),
    }
}

/// Read a widget's rules.
#[utoipa::path(get, path = "/api/v1/widgets/{widgetId}/config", tag = "widgets", params(("widgetId" = String, Path)),
    security(("token" = []), ("widgetSecret" = [])),
    responses((status = 200, description = "Its rules", body = WidgetConfig), Refusals))]
pub(super) async fn config(State(app): State<App>, asked: Asked, Id(id): Id) -> Result<Json<WidgetConfig>, Problem> {
    let (_, widget) = app.widget(&asked, &WidgetId(id)).await?;
    Ok(Json(widget.into()))
}
