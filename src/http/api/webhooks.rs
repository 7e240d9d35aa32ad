//! Webhook endpoints and their deliveries over HTTP, for the business they belong to.

use axum::Json;
use axum::extract::{RawQuery, Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::caller::{Asked, Id};
use super::openapi::{BodyRefusals, Refusals};
use super::query::Query;
use crate::deposits::time;
use crate::domain::{BusinessId, DeliveryId, WebhookId};
use crate::http::body::{self, Fields};
use crate::http::problem::{Code, Problem};
use crate::webhooks::{self as room, DeliveryFilter, DeliveryState, NewEndpoint};

/// An endpoint to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "it describes what `create` reads")]
pub(super) struct CreateEndpoint {
    /// https, without a user, on a public address.
    #[schema(min_length = 1, max_length = 2048, example = "https://shop.example.com/hooks/deposits")]
    url: String,
    /// Types of events; none, or an empty list: all.
    events: Option<Vec<String>>,
}

/// Where a business hears of its deposits.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Endpoint {
    /// Its id.
    id: String,
    /// Where events are sent.
    url: String,
    /// Which types; empty: all.
    events: Vec<String>,
    /// Events from before are not sent.
    created_at: String,
    /// Since when no attempt has succeeded.
    #[schema(required)]
    failing_since: Option<String>,
    /// Since when nothing is sent.
    #[schema(required)]
    disabled_at: Option<String>,
    /// `asked`, or `gone` where the receiver answered 410.
    #[schema(required)]
    disabled_reason: Option<String>,
}

impl From<room::Endpoint> for Endpoint {
    fn from(endpoint: room::Endpoint) -> Self {
        Endpoint {
            id: endpoint.id,
            url: endpoint.url,
            events: endpoint.events,
            created_at: time(endpoint.created_at),
            failing_since: endpoint.failing_since.map(time),
            disabled_at: endpoint.disabled_at.map(time),
            disabled_reason: endpoint.disabled_reason,
        }
    }
}

/// An endpoint with a new secret, which is shown here only.
#[derive(Serialize, ToSchema)]
pub(super) struct SecretEndpoint {
    #[serde(flatten)]
    endpoint: Endpoint,
    /// What signatures are made with.
    secret: String,
}

/// All endpoints of a business.
#[derive(Serialize, ToSchema)]
pub(super) struct EndpointList {
    /// Oldest first, disabled ones included.
    items: Vec<Endpoint>,
}

/// One event on its way to one endpoint.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeliveryLine {
    /// Its id.
    id: String,
    /// To whom.
    endpoint_id: String,
    /// What: also the `webhook-id` of every attempt.
    event_id: String,
    /// The event's type.
    event_type: String,
    /// The session it tells of.
    #[schema(required)]
    session_id: Option<String>,
    /// The event's number.
    sequence: i64,
    /// `WAITING`, `DELIVERED` or `DEAD`
    state: String,
    /// How often it was sent since it began or was last asked for again.
    attempts: i32,
    /// While it waits: when it is sent next.
    #[schema(required)]
    next_attempt_at: Option<String>,
    /// The receiver's last HTTP status.
    #[schema(required)]
    last_status: Option<i16>,
    /// Why the last attempt failed.
    #[schema(required)]
    last_error: Option<String>,
    /// When it was laid out.
    created_at: String,
    /// When it was delivered or given up.
    #[schema(required)]
    finished_at: Option<String>,
}

impl From<room::DeliveryLine> for DeliveryLine {
    fn from(line: room::DeliveryLine) -> Self {
        DeliveryLine {
            id: line.id,
            endpoint_id: line.endpoint_id,
            event_id: line.event_id,
            event_type: line.event_type,
            session_id: line.session_id,
            sequence: line.sequence,
            state: line.state,
            attempts: line.attempts,
            next_attempt_at: line.next_attempt_at.map(time),
            last_status: line.last_status,
            last_error: line.last_error,
            created_at: time(line.created_at),
            finished_at: line.finished_at.map(time),
        }
    }
}

/// An attempt that ended.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attempt {
    /// When it ended.
    at: String,
    /// `delivered`, `timeout`, …
    outcome: String,
    /// The receiver's HTTP status.
    #[schema(required)]
    status: Option<i16>,
    /// Why it failed.
    #[schema(required)]
    error: Option<String>,
    /// How long it took, in milliseconds.
    duration_ms: i32,
}

/// A delivery with what came of its attempts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delivery {
    #[serde(flatten)]
    line: DeliveryLine,
    /// Those that ended, oldest first, 100 at most.
    log: Vec<Attempt>,
}

impl From<room::Delivery> for Delivery {
    fn from(delivery: room::Delivery) -> Self {
        let attempt = |attempt: room::Attempt| Attempt {
            at: time(attempt.at),
            outcome: attempt.outcome,
            status: attempt.status,
            error: attempt.error,
            duration_ms: attempt.duration_ms,
        };
        Delivery { line: delivery.line.into(), log: delivery.log.into_iter().map(attempt).collect() }
    }
}

/// Part of a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeliveryPage {
    /// Newest first.
    items: Vec<DeliveryLine>,
    /// The `cursor` of the next part; null on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[allow(dead_code, reason = "it describes what `deliveries` reads")]
struct DeliveryQuery {
    /// Only in this state.
    #[param(pattern = "^(WAITING|DELIVERED|DEAD)$")]
    state: Option<String>,
    /// Only to this endpoint.
    endpoint_id: Option<String>,
    /// `nextCursor` of the part before.
    cursor: Option<String>,
    /// 50 if not given.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

impl App {
    /// An endpoint of the business that asks.
    async fn own_endpoint(&self, asked: &Asked, id: String) -> Result<WebhookId, Problem> {
        let (business, id) = (self.business(asked).await?, WebhookId(id));
        let found = self.0.desk.get(&id).await?.filter(|endpoint| endpoint.business_id == business.0);
        found.map(|_| id).ok_or_else(|| Problem::new(Code::NotFound))
    }

    /// A delivery of the business that asks.
    async fn own_delivery(&self, asked: &Asked, id: String) -> Result<(DeliveryId, room::Delivery), Problem> {
        let (business, id) = (self.business(asked).await?, DeliveryId(id));
        let found = self.0.desk.delivery(&id).await?.filter(|delivery| delivery.line.business_id == business.0);
        found.map(|delivery| (id, delivery)).ok_or_else(|| Problem::new(Code::NotFound))
    }
}

/// Create an endpoint.
#[utoipa::path(post, path = "/api/v1/businesses/{businessId}/webhook-endpoints", tag = "webhooks",
    params(("businessId" = String, Path)), request_body = CreateEndpoint, security(("token" = [])),
    responses((status = 201, description = "Created", body = SecretEndpoint), BodyRefusals))]
pub(super) async fn create(
    State(app): State<App>,
    asked: Asked,
    Id(id): Id,
    request: Request,
) -> Result<(StatusCode, Json<SecretEndpoint>), Problem> {
    let business = app.own_business(&asked, &id).await?;
    let mut fields = Fields::parse(&body::bytes(request).await?)?;
    let new = NewEndpoint { url: fields.required("url"), events: fields.texts("events") };
    let form = fields.end();
    if !form.is_empty() {
        return Err(Problem::faults(body::both(form, app.0.desk.faults(&new))));
    }
    let (endpoint, secret) = app.0.desk.create(&business, &new).await?;
    let endpoint = SecretEndpoint { endpoint: endpoint.into(), secret: secret.expose().clone() };
    Ok((StatusCode::CREATED, Json(endpoint)))
}

/// List a business's endpoints.
#[utoipa::path(get, path = "/api/v1/businesses/{businessId}/webhook-endpoints", tag = "webhooks",
    params(("businessId" = String, Path)), security(("token" = [])),
    responses((status = 200, description = "All of them", body = EndpointList), Refusals))]
pub(super) async fn list(State(app): State<App>, asked: Asked, Id(id): Id) -> Result<Json<EndpointList>, Problem> {
    let business: BusinessId = app.own_business(&asked, &id).await?;
    let items = app.0.desk.list(&business).await?;
    Ok(Json(EndpointList { items: items.into_iter().map(Endpoint::from).collect() }))
}

/// Read an endpoint.
#[utoipa::path(get, path = "/api/v1/webhook-endpoints/{endpointId}", tag = "webhooks",
    params(("endpointId" = String, Path)), security(("token" = [])),
    responses((status = 200, description = "As it stands", body = Endpoint), Refusals))]
pub(super) async fn read(State(app): State<App>, asked: Asked, Id(id): Id) -> Result<Json<Endpoint>, Problem> {
    let id = app.own_endpoint(&asked, id).await?;
    let endpoint = app.0.desk.get(&id).await?.ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(Json(endpoint.into()))
}

/// Send an endpoint nothing more; what waits for it is dead.
#[utoipa::path(post, path = "/api/v1/webhook-endpoints/{endpointId}/disable", tag = "webhooks",
    params(("endpointId" = String, Path)), security(("token" = [])),
    responses((status = 200, description = "Disabled", body = Endpoint), Refusals))]
pub(super) async fn disable(State(app): State<App>, asked: Asked, Id(id): Id) -> Result<Json<Endpoint>, Problem> {
    let id = app.own_endpoint(&asked, id).await?;
    Ok(Json(app.0.desk.disable(&id).await?.into()))
}

/// Send an endpoint what happens from now on.
#[utoipa::path(post, path = "/api/v1/webhook-endpoints/{endpointId}/enable", tag = "webhooks",
    params(("endpointId" = String, Path)), security(("token" = [])),
    responses((status = 200, description = "Enabled", body = Endpoint), Refusals))]
pub(super) async fn enable(State(app): State<App>, asked: Asked, Id(id): Id) -> Result<Json<Endpoint>, Problem> {
    let id = app.own_endpoint(&asked, id).await?;
    Ok(Json(app.0.desk.enable(&id).await?.into()))
}

/// Give an endpoint a new secret; the one before signs as well for a while.
#[utoipa::path(post, path = "/api/v1/webhook-endpoints/{endpointId}/rotate-secret", tag = "webhooks",
    params(("endpointId" = String, Path)), security(("token" = [])),
    responses((status = 200, description = "With its new secret", body = SecretEndpoint), Refusals))]
pub(super) async fn rotate_secret(
    State(app): State<App>,
    asked: Asked,
    Id(id): Id,
) -> Result<Json<SecretEndpoint>, Problem> {
    let id = app.own_endpoint(&asked, id).await?;
    let (endpoint, secret) = app.0.desk.rotate(&id).await?;
    Ok(Json(SecretEndpoint { endpoint: endpoint.into(), secret: secret.expose().clone() }))
}

/// List a business's deliveries, newest first.
#[utoipa::path(get, path = "/api/v1/businesses/{businessId}/webhook-deliveries", tag = "webhooks",
    params(("businessId" = String, Path), DeliveryQuery), security(("token" = [])),
    responses((status = 200, description = "A part of the list", body = DeliveryPage), Refusals))]
pub(super) async fn deliveries(
    State(app): State<App>,
    asked: Asked,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> Result<Json<DeliveryPage>, Problem> {
    let business = app.own_business(&asked, &id).await?;
    let mut query = Query::read(query.as_deref());
    let all = DeliveryState::ALL.map(DeliveryState::as_str).join(", ");
    let filter = DeliveryFilter {
        state: query.choice("state", DeliveryState::parse, &all),
        // No id of ours holds what the database cannot.
        endpoint: query.text("endpointId").map(|id| WebhookId(id.replace('\0', "\u{fffd}"))),
        cursor: query.text("cursor"),
        limit: query.number("limit").map(|limit| u32::try_from(limit).unwrap_or(u32::MAX)),
    };
    query.end()?;
    let page = app.0.desk.deliveries(&business, &filter).await?;
    let items = page.items.into_iter().map(DeliveryLine::from).collect();
    Ok(Json(DeliveryPage { items, next_cursor: page.next_cursor }))
}

/// Read a delivery with its attempts.
#[utoipa::path(get, path = "/api/v1/webhook-deliveries/{deliveryId}", tag = "webhooks",
    params(("deliveryId" = String, Path)), security(("token" = [])),
    responses((status = 200, description = "As it stands", body = Delivery), Refusals))]
pub(super) async fn delivery(State(app): State<App>, asked: Asked, Id(id): Id) -> Result<Json<Delivery>, Problem> {
    Ok(Json(app.own_delivery(&asked, id).await?.1.into()))
}

/// Send a delivery again, with the same id and the same body.
#[utoipa::path(post, path = "/api/v1/webhook-deliveries/{deliveryId}/retry", tag = "webhooks",
    params(("deliveryId" = String, Path)), security(("token" = [])),
    responses((status = 202, description = "It will be sent at once", body = Delivery), Refusals))]
pub(super) async fn retry(
    State(app): State<App>,
    asked: Asked,
    Id(id): Id,
) -> Result<(StatusCode, Json<Delivery>), Problem> {
    let (id, _) = app.own_delivery(&asked, id).await?;
    Ok((StatusCode::ACCEPTED, Json(app.0.desk.retry(&id).await?.into())))
}
