//! What the API answers when it does not do what was asked: `application/problem+json` (RFC 9457) with a stable code.
//! Not for deciding that: the handlers and rooms below do.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::page;
use crate::domain::{Fault, Language};
use crate::{deposits, store, webhooks};

/// Why something was not done; programs go by this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Code {
    /// Fields are wrong; `errors` names each.
    ValidationFailed,
    /// The body is no JSON, or names a key twice.
    MalformedJson,
    /// No credential that is good for this.
    Unauthorized,
    /// There is none, or it is another's.
    NotFound,
    /// The path is known, the method is not.
    MethodNotAllowed,
    /// The link was not opened in time.
    Gone,
    /// Nothing says where the money would go: the token's key is bound to no widget that can be used.
    NotBound,
    /// The `depositId` was used for another payment.
    DepositIdReused,
    /// No amount near the one asked for is free at this address.
    AmountClash,
    /// Money was seen, or the session is over.
    CannotCancel,
    /// The business has as many active widgets as it may.
    TooManyWidgets,
    /// The business has as many active endpoints as it may.
    TooManyWebhookEndpoints,
    /// Nothing is sent to a disabled endpoint.
    EndpointDisabled,
    /// The `Idempotency-Key` was used for another request.
    IdempotencyKeyReused,
    /// The first request with this `Idempotency-Key` is still under way.
    IdempotencyKeyInUse,
    /// The body is longer than 64 KiB.
    PayloadTooLarge,
    /// The body is not `application/json`.
    UnsupportedMediaType,
    /// The request took longer than it may.
    RequestTimeout,
    /// Too many requests or streams; `Retry-After` says when to come back.
    RateLimited,
    /// The database does not answer; `Retry-After` says when to come back.
    Unavailable,
    /// Our fault; the log knows more by the request's id.
    Internal,
}

impl Code {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Code::ValidationFailed
            | Code::MalformedJson
            | Code::CannotCancel
            | Code::DepositIdReused
            | Code::TooManyWidgets
            | Code::TooManyWebhookEndpoints => StatusCode::BAD_REQUEST,
            Code::Unauthorized => StatusCode::UNAUTHORIZED,
            Code::NotBound => StatusCode::FORBIDDEN,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::Gone => StatusCode::GONE,
            Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Code::AmountClash | Code::EndpointDisabled | Code::IdempotencyKeyInUse => StatusCode::CONFLICT,
            Code::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Code::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Code::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Code::ValidationFailed => "The request has faults",
            Code::MalformedJson => "The body is no JSON that can be read",
            Code::Unauthorized => "No credential that is good for this",
            Code::NotFound => "There is none",
            Code::MethodNotAllowed => "Not with this method",
            Code::Gone => "The link was not opened in time",
            Code::NotBound => "Nothing says where the money would go",
            Code::DepositIdReused => "The depositId was used for another payment",
            Code::AmountClash => "The amount is taken at this address",
            Code::CannotCancel => "Only an open session without money can be cancelled",
            Code::TooManyWidgets => "The business has as many widgets as it may",
            Code::TooManyWebhookEndpoints => "The business has as many webhook endpoints as it may",
            Code::EndpointDisabled => "The endpoint is disabled",
            Code::IdempotencyKeyReused => "The Idempotency-Key was used for another request",
            Code::IdempotencyKeyInUse => "The first request with this Idempotency-Key is under way",
            Code::PayloadTooLarge => "The body is too long",
            Code::UnsupportedMediaType => "The body is not application/json",
            Code::RequestTimeout => "The request took too long",
            Code::RateLimited => "Too many requests",
            Code::Unavailable => "The database does not answer",
            Code::Internal => "Something went wrong here",
        }
    }
}

/// The body of every answer that is no success.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Problem {
    /// Always `about:blank`: `code` says which problem it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The code in words.
    title: &'static str,
    /// The answer's status.
    status: u16,
    /// Stable; programs go by this.
    code: Code,
    /// More about this case, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// With `validation_failed`: every field that is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldFault>,
    /// As in the header `x-request-id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// Seconds.
    #[serde(skip)]
    retry_after: Option<u32>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct FieldFault {
    /// As the request names it; empty for the whole.
    field: String,
    /// What is wrong, as a sentence that the field begins.
    message: String,
}

/// The body of every answer below `/v1/` that is no success.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PaymentError {
    /// As in the header `x-request-id`.
    error_id: String,
    /// Stable; programs go by this. Our codes in capitals, such as `VALIDATION_FAILED`.
    error_code: String,
    /// For people: all that is wrong, by field.
    error_message: String,
}

/// How a problem is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dialect {
    /// RFC 9457.
    Problem,
    /// [`PaymentError`]
    Payments,
    /// A page for people who speak this language.
    Page(Language, page::Front),
}

/// Lets the outermost layer add the request's id.
#[derive(Debug, Clone)]
pub(super) struct Told(Problem);

impl Problem {
    /// This problem and nothing more to say.
    pub(super) fn new(code: Code) -> Problem {
        let status = code.status().as_u16();
        let (kind, title) = ("about:blank", code.title());
        Problem { kind, title, status, code, detail: None, errors: Vec::new(), request_id: None, retry_after: None }
    }

    /// With what is known of this case.
    pub(super) fn because(self, detail: impl Into<String>) -> Problem {
        Problem { detail: Some(detail.into()), ..self }
    }

    /// To be tried again after this time.
    pub(super) fn retry_after(self, pause: Duration) -> Problem {
        // Rounded up: who comes sooner would be refused again.
        let seconds = u32::try_from(pause.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
        Problem { retry_after: Some(seconds), ..self }
    }

    /// These fields are wrong.
    pub(super) fn faults(faults: Vec<Fault>) -> Problem {
        let errors = faults.into_iter().map(|fault| FieldFault { field: fault.field, message: fault.message });
        Problem { errors: errors.collect(), ..Problem::new(Code::ValidationFailed) }
    }
}

impl Told {
    /// The answer in this dialect, with the request's id in it.
    pub(super) fn with_id(self, id: &str, dialect: Dialect) -> Response {
        let problem = Problem { request_id: Some(id.to_owned()), ..self.0 };
        match dialect {
            Dialect::Problem => problem.into_response(),
            Dialect::Payments => {
                let body = serde_json::to_vec(&problem.in_words(id)).unwrap_or_default();
                problem.answer("application/json", body)
            }
            Dialect::Page(language, front) => {
                let notice = page::notice(problem.code, problem.retry_after, language, &front);
                notice.unwrap_or_else(|| problem.into_response())
            }
        }
    }
}

impl Problem {
    fn in_words(&self, id: &str) -> PaymentError {
        let code = serde_json::to_value(self.code).unwrap_or_default();
        let faults = self.errors.iter().map(|fault| match fault.field.as_str() {
            "" => fault.message.clone(),
            field => format!("{field} {}", fault.message),
        });
        let more: Vec<String> = self.detail.clone().into_iter().chain(faults).collect();
        PaymentError {
            error_id: id.to_owned(),
            error_code: code.as_str().unwrap_or_default().to_uppercase(),
            error_message: if more.is_empty() {
                self.title.to_owned()
            } else {
                format!("{}: {}", self.title, more.join("; "))
            },
        }
    }

    fn answer(&self, kind: &'static str, body: Vec<u8>) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = Response::new(Body::from(body));
        *answer.status_mut() = status;
        let mut set = |name: HeaderName, value: HeaderValue| drop(answer.headers_mut().insert(name, value));
        set(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if status == StatusCode::UNAUTHORIZED {
            set(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            set(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut answer = self.answer("application/problem+json", serde_json::to_vec(&self).unwrap_or_default());
        answer.extensions_mut().insert(Told(self));
        answer
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Problem {
        match &error {
            store::Error::Unavailable(_) | store::Error::Schema(_) => {
                tracing::warn!(%error, "the API cannot reach the database");
                Problem::new(Code::Unavailable).retry_after(Duration::from_secs(1))
            }
            store::Error::LeaseLost | store::Error::Refused { .. } | store::Error::Unreadable(_) => {
                tracing::error!(%error, "the database refused what the API asked");
                Problem::new(Code::Internal)
            }
        }
    }
}

impl From<deposits::Refusal> for Problem {
    fn from(refusal: deposits::Refusal) -> Problem {
        use deposits::Refusal;
        match refusal {
            Refusal::Faults(faults) => Problem::faults(faults),
            Refusal::NotFound => Problem::new(Code::NotFound),
            Refusal::AmountClash => {
                Problem::new(Code::AmountClash).because("ask for another amount, or use another address")
            }
            Refusal::CannotCancel => Problem::new(Code::CannotCancel),
            Refusal::KeyReused => Problem::new(Code::IdempotencyKeyReused),
            Refusal::Gone => Problem::new(Code::Gone),
            Refusal::DepositIdReused => Problem::new(Code::DepositIdReused),
            Refusal::NotBound(why) => Problem::new(Code::NotBound).because(why),
            Refusal::KeyBusy => Problem::new(Code::IdempotencyKeyInUse),
            Refusal::TooManyWidgets(most) => {
                Problem::new(Code::TooManyWidgets).because(format!("at most {most} active ones"))
            }
            Refusal::Store(error) => error.into(),
        }
    }
}

impl From<webhooks::Refusal> for Problem {
    fn from(refusal: webhooks::Refusal) -> Problem {
        use webhooks::Refusal;
        match refusal {
            Refusal::Faults(faults) => Problem::faults(faults),
            Refusal::NotFound => Problem::new(Code::NotFound),
            Refusal::TooMany(most) => {
                Problem::new(Code::TooManyWebhookEndpoints).because(format!("at most {most} active ones"))
            }
            Refusal::EndpointDisabled => Problem::new(Code::EndpointDisabled),
            Refusal::NoSealingKey => {
                tracing::error!("the API serves without a sealing key");
                Problem::new(Code::Internal)
            }
            Refusal::Store(error) => error.into(),
        }
    }
}
