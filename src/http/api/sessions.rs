//! Deposit sessions over HTTP: opened through a widget, read, listed, cancelled.

use axum::Json;
use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::caller::{Asked, Caller, Id};
use super::openapi::{BodyRefusals, Refusals};
use super::query::Query;
use crate::deposits::{ListFilter, Opened, Opening, RequestKey, View, Widget};
use crate::domain::{Fault, SessionId, WidgetId};
use crate::http::body::{self, Fields};
use crate::http::problem::Problem;
use crate::keys::digest;

/// What may be asked for twice and is done once.
const CREATE: &str = "create-session";

/// A session to open.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "it describes what `opening` reads")]
pub(super) struct CreateSession {
    /// Whole tokens, more than 0, no finer than the token.
    #[schema(min_length = 1, max_length = 32, pattern = r"^(?=.*[1-9])[0-9]*\.?[0-9]*$", example = "100.5")]
    amount: String,
    /// Symbol of `currencyAddress`.
    #[schema(pattern = "^[A-Z0-9]{2,8}$", example = "USDC")]
    currency: String,
    /// One that is watched here and that the widget allows.
    #[schema(min_length = 1, max_length = 66, example = "polygon")]
    network: String,
    /// The token's contract.
    #[schema(max_length = 66, example = "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359")]
    currency_address: String,
    /// Where the money is to arrive.
    #[schema(min_length = 1, max_length = 128, example = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8")]
    deposit_address: String,
    /// The customer's.
    #[schema(min_length = 1, max_length = 128)]
    customer_email: Option<String>,
    /// Yours.
    #[schema(min_length = 1, max_length = 128)]
    customer_reference: Option<String>,
    /// At most 2,048 bytes as JSON, and as the widget's `metadataSchema` wants it.
    metadata: Option<Map<String, Value>>,
}

/// A session that was opened, with the secret that is shown here only.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreatedSession {
    #[serde(flatten)]
    session: Opened,
    /// Reads, watches and cancels this session.
    client_secret: String,
}

/// Part of a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionPage {
    items: Vec<View>,
    /// The `cursor` of the next part; null on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// That it is cancelled.
#[derive(Serialize, ToSchema)]
pub(super) struct Cancelled {
    /// `cancelled`
    status: &'static str,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "it describes what `request_key` reads")]
struct IdempotencyKey {
    /// The same request with the same key is carried out once within 24 hours.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    idempotency_key: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[allow(dead_code, reason = "it describes what `filter` reads")]
struct ListQuery {
    /// Only in this status.
    #[param(pattern = "^(CREATED|PENDING|CONFIRMED|EXPIRED|UNDERPAID|OVERPAID)$")]
    status: Option<String>,
    /// Only with this reference.
    #[param(min_length = 1, max_length = 128)]
    customer_reference: Option<String>,
    /// `nextCursor` of the part before.
    cursor: Option<String>,
    /// 50 if not given.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Open a session.
#[utoipa::path(post, path = "/api/v1/widgets/{widgetId}/create-session", tag = "sessions",
    params(("widgetId" = String, Path), IdempotencyKey), request_body = CreateSession,
    security(("token" = []), ("widgetSecret" = [])),
    responses((status = 201, description = "Opened", body = CreatedSession), BodyRefusals))]
pub(super) async fn create(
    State(app): State<App>,
    asked: Asked,
    Id(id): Id,
    request: Request,
) -> Result<(StatusCode, Json<CreatedSession>), Problem> {
    let (caller, widget) = app.widget(&asked, &WidgetId(id)).await?;
    let headers = request.headers().clone();
    let bytes = body::bytes(request).await?;
    let mut fields = Fields::parse(&bytes)?;
    let opening = opening(&mut fields, &headers, &caller);
    let key = request_key(&headers, &caller, &widget, &bytes);
    let form = [fields.end(), key.as_ref().err().cloned().into_iter().collect()].concat();
    if !form.is_empty() {
        return Err(Problem::faults(body::both(form, app.0.office.faults_of_opening(&widget, &opening))));
    }
    let session = app.0.office.open(&widget, &opening, key.ok().flatten().as_ref()).await?;
    let client_secret = app.0.keyring.session_secret(&SessionId(session.id.clone())).expose().clone();
    Ok((StatusCode::CREATED, Json(CreatedSession { session, client_secret })))
}

fn opening(fields: &mut Fields, headers: &HeaderMap, caller: &Caller) -> Opening {
    Opening {
        amount: fields.required("amount"),
        currency: fields.required("currency"),
        network: fields.required("network"),
        currency_address: fields.required("currencyAddress"),
        deposit_address: fields.required("depositAddress"),
        customer_email: fields.text("customerEmail"),
        customer_reference: fields.text("customerReference"),
        metadata: fields.object("metadata"),
        // One that is no text is none that a widget lists.
        origin: headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default().to_owned()),
        opened_by: caller.opened_by(),
    }
}

fn request_key(
    headers: &HeaderMap,
    caller: &Caller,
    widget: &Widget,
    body: &[u8],
) -> Result<Option<RequestKey>, Fault> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let plain = |key: &&str| (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    let key = key.to_str().ok().filter(plain);
    let key = key.ok_or_else(|| Fault::new("Idempotency-Key", "must be 1 to 255 visible ASCII characters"))?;
    Ok(Some(RequestKey {
        business: widget.business_id.clone(),
        credential: caller.credential(&widget.id),
        route: CREATE,
        key: key.to_owned(),
        request: digest(&[widget.id.0.as_bytes(), b"\n", body].concat()),
    }))
}

/// List a widget's sessions, newest first.
#[utoipa::path(get, path = "/api/v1/widgets/{widgetId}/deposit-sessions", tag = "sessions",
    params(("widgetId" = String, Path), ListQuery), security(("token" = [])),
    responses((status = 200, description = "A part of the list", body = SessionPage), Refusals))]
pub(super) async fn list(
    State(app): State<App>,
    asked: Asked,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> Result<Json<SessionPage>, Problem> {
    let widget = app.own_widget(&asked, &WidgetId(id)).await?;
    let mut query = Query::read(query.as_deref());
    let filter = ListFilter {
        status: query.text("status"),
        customer_reference: query.text("customerReference"),
        cursor: query.text("cursor"),
        limit: query.number("limit"),
    };
    query.end()?;
    let page = app.0.office.list(&widget.id, &filter).await?;
    Ok(Json(SessionPage { items: page.items, next_cursor: page.next_cursor }))
}

/// Read a session.
#[utoipa::path(get, path = "/api/v1/widgets/deposit-sessions/{sessionId}", tag = "sessions",
    params(("sessionId" = String, Path)), security(("token" = []), ("sessionSecret" = [])),
    responses((status = 200, description = "As it stands", body = View), Refusals))]
pub(super) async fn read(State(app): State<App>, asked: Asked, Id(id): Id) -> Result<Json<View>, Problem> {
    Ok(Json(app.session(&asked, &SessionId(id)).await?))
}

/// Cancel a session for which no money was seen.
#[utoipa::path(post, path = "/api/v1/widgets/deposit-sessions/{sessionId}/cancel-session", tag = "sessions",
    params(("sessionId" = String, Path)), security(("token" = []), ("sessionSecret" = [])),
    responses((status = 200, description = "Cancelled", body = Cancelled), Refusals))]
pub(super) async fn cancel(State(app): State<App>, asked: Asked, Id(id): Id) -> Result<Json<Cancelled>, Problem> {
    let id = SessionId(id);
    app.session(&asked, &id).await?;
    app.0.office.cancel(&id).await?;
    Ok(Json(Cancelled { status: "cancelled" }))
}
