//! The description of the API, OpenAPI 3.1, gathered from the handlers beside this file and written once. Here stands only
//! what they share: credentials, and the answers that every route can give.

use axum::body::Bytes;
use axum::http::header;
use axum::response::IntoResponse;
use utoipa::IntoResponses;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder};

use crate::http::problem::{Code, FieldFault, PaymentError, Problem};

/// What any route may answer instead.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "it describes answers")]
pub(super) enum Refusals {
    /// Parameters are wrong, or what is asked for cannot be done now
    #[response(status = 400, content_type = "application/problem+json")]
    Faults(Problem),
    /// No credential that is good for this
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(Problem),
    /// There is none, or it is another's
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// What it would change is not as it must be
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// Too many requests
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(Problem),
    /// Our fault
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(Problem),
    /// The database does not answer
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// What a route that takes a body may answer instead.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "it describes answers")]
pub(super) enum BodyRefusals {
    /// Fields are wrong, or the body is no JSON
    #[response(status = 400, content_type = "application/problem+json")]
    Faults(Problem),
    /// No credential that is good for this
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(Problem),
    /// There is none, or it is another's
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// The body took too long
    #[response(status = 408, content_type = "application/problem+json")]
    Timeout(Problem),
    /// The amount is taken, or the first request with this key is under way
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// The body is too long
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The body is not application/json
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(Problem),
    /// The Idempotency-Key was used for another request
    #[response(status = 422, content_type = "application/problem+json")]
    KeyReused(Problem),
    /// Too many requests
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(Problem),
    /// Our fault
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(Problem),
    /// The database does not answer
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// What a route about payments may answer instead.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "it describes answers")]
pub(super) enum PaymentRefusals {
    /// Parameters are wrong
    #[response(status = 400)]
    Faults(PaymentError),
    /// No credential that is good for this
    #[response(status = 401)]
    Unauthorized(PaymentError),
    /// Too many requests
    #[response(status = 429)]
    RateLimited(PaymentError),
    /// Our fault
    #[response(status = 500)]
    Internal(PaymentError),
    /// The database does not answer
    #[response(status = 503)]
    Unavailable(PaymentError),
}

/// What the route that makes payments may answer instead.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "it describes answers")]
pub(super) enum PaymentBodyRefusals {
    /// Fields are wrong, the body is no JSON, or the `depositId` is another payment's
    #[response(status = 400)]
    Faults(PaymentError),
    /// No credential that is good for this
    #[response(status = 401)]
    Unauthorized(PaymentError),
    /// Nothing says where the money would go
    #[response(status = 403)]
    NotBound(PaymentError),
    /// The body took too long
    #[response(status = 408)]
    Timeout(PaymentError),
    /// The amount is taken
    #[response(status = 409)]
    Conflict(PaymentError),
    /// The body is too long
    #[response(status = 413)]
    TooLarge(PaymentError),
    /// The body is not application/json
    #[response(status = 415)]
    MediaType(PaymentError),
    /// Too many requests
    #[response(status = 429)]
    RateLimited(PaymentError),
    /// Our fault
    #[response(status = 500)]
    Internal(PaymentError),
    /// The database does not answer
    #[response(status = 503)]
    Unavailable(PaymentError),
}

/// What routes are added to.
pub(super) fn document() -> OpenApi {
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
    let token = token
        .description(Some("Signed by a key of the business (`api-keys create`), HS256 or EdDSA, with `kid` and `exp`"));
    let header =
        |what: &str| SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description("X-Client-Secret", what)));
    let ticket = ApiKey::Query(ApiKeyValue::with_description("ticket", "From `events-ticket`, good once"));
    // Schemas of refusals are not gathered from the handlers.
    let components = ComponentsBuilder::new()
        .schema_from::<Problem>()
        .schema_from::<Code>()
        .schema_from::<FieldFault>()
        .schema_from::<PaymentError>()
        .security_scheme("token", SecurityScheme::Http(token.build()))
        .security_scheme("widgetSecret", header("The widget's secret, `ws_…`"))
        .security_scheme("sessionSecret", header("The session's secret, `cs_…`"))
        .security_scheme("ticket", SecurityScheme::ApiKey(ticket));
    let info = InfoBuilder::new().title("deposit-watcher").version(env!("CARGO_PKG_VERSION")).description(Some(
        "Deposit sessions, payments by link, and webhooks that tell of them. Amounts are decimal text of whole tokens.",
    ));
    OpenApiBuilder::new().info(info).components(Some(components.build())).build()
}

/// The whole description as it is sent.
pub(super) fn written(document: &OpenApi) -> Bytes {
    Bytes::from(document.to_json().unwrap_or_default())
}

/// `/openapi.json`
pub(super) async fn show(document: Bytes) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], document)
}
