//! What stands around every request: its id, its rate, its time, its answer's headers, its line in the log and in the
//! metrics. Whatever happens inside, the answer is one that can be read.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tokio::time::timeout;
use tracing::Instrument;

use super::App;
use super::caller::Client;
use crate::http::limits::client_address;
use crate::http::page;
use crate::http::problem::{Code, Dialect, Problem, Told};
use crate::http::server::Peer;
use crate::keys::random_id;
use crate::telemetry::{self, spans};

/// What a request is given; a stream has begun by then.
const PATIENCE: Duration = Duration::from_secs(10);
/// The header that names a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What pages of other origins may reach: everything there is asked with a header that only who was given it can send.
const OPEN_TO_PAGES: &str = "/api/v1/widgets/";
/// Where errors are told as the contract of payments wants it.
const PAYMENTS: &str = "/v1/";
/// Headers a page may send.
const PAGES_SEND: &str = "content-type, x-client-secret, idempotency-key, last-event-id, x-request-id";

/// See the head of this file.
pub(super) async fn around(State(app): State<App>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = request_id(request.headers());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let name = telemetry::http_method(method.as_str());
    let headers = request.headers();
    let carried = |header: &'static str| headers.get(header).and_then(|value| value.to_str().ok());
    let span = spans::request(name, route.as_deref(), &id, carried);
    let open = request.uri().path().starts_with(OPEN_TO_PAGES);
    let dialect = dialect(&app, &request);
    let answer = match method == Method::OPTIONS && open {
        true => preflight(),
        false => inside(&app, request, next).instrument(span.clone()).await,
    };
    let told = answer.extensions().get::<Told>().cloned();
    let mut answer = match told {
        // Written again with the id in it; the header that an inner layer added stays.
        Some(told) => {
            let mut whole = told.with_id(&id, dialect);
            if let Some(allow) = answer.headers().get(header::ALLOW) {
                whole.headers_mut().insert(header::ALLOW, allow.clone());
            }
            whole
        }
        None => answer,
    };
    dress(answer.headers_mut(), &id, open);
    let (status, spent) = (answer.status(), begun.elapsed());
    spans::answered(&span, status.as_u16());
    telemetry::HTTP_REQUESTS_TOTAL.add(&[name, telemetry::http_status(status.as_u16())], 1);
    telemetry::HTTP_REQUEST_DURATION_SECONDS.observe(&[name], spent);
    tracing::debug!(
        request = id,
        method = name,
        route = route.as_deref(),
        status = status.as_u16(),
        ?spent,
        "answered"
    );
    answer
}

/// Asks inside, where the rate allows it.
async fn inside(app: &App, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().map(|Peer(address)| *address);
    if let Some(peer) = peer {
        let client = client_of(app, peer, request.headers());
        if let Err(pause) = app.0.rates.allow_address(client) {
            return Problem::new(Code::RateLimited).retry_after(pause).into_response();
        }
        request.extensions_mut().insert(Client(client));
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    carried(reads, async move { next.run(request).await }).await
}

/// Carries out what is asked, in its time; whatever panics is an answer like others. What may change something is in a task
/// of its own: though its client hangs up, it is not left midway.
async fn carried(reads: bool, asked: impl Future<Output = Response> + Send + 'static) -> Response {
    let asked = AssertUnwindSafe(asked).catch_unwind();
    let answered = match reads {
        true => timeout(PATIENCE, asked).await.map(Result::ok),
        false => {
            timeout(PATIENCE, tokio::spawn(asked.in_current_span())).await.map(|ended| ended.ok().and_then(Result::ok))
        }
    };
    match answered {
        Ok(Some(answer)) => answer,
        Ok(None) => Problem::new(Code::Internal).into_response(),
        Err(_) => Problem::new(Code::Unavailable).retry_after(Duration::from_secs(1)).into_response(),
    }
}

/// In which form whoever asks wants to be told what went wrong.
fn dialect(app: &App, request: &Request) -> Dialect {
    let payments = request.uri().path().starts_with(PAYMENTS);
    match page::language_of_notice(request.uri(), request.headers()) {
        Some(language) => Dialect::Page(language, page::Front::of(&app.0.settings.http)),
        None if payments => Dialect::Payments,
        None => Dialect::Problem,
    }
}

fn client_of(app: &App, peer: SocketAddr, headers: &HeaderMap) -> std::net::IpAddr {
    let forwarded = headers.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes);
    client_address(peer, forwarded, &app.0.settings.api.trusted_proxies)
}

/// The client's own name for its request where it is one that a log can hold, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let plain = |id: &&str| {
        (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let given = headers.get(&REQUEST_ID).and_then(|id| id.to_str().ok()).filter(plain);
    given.map_or_else(|| random_id("req_"), str::to_owned)
}

fn preflight() -> Response {
    let mut answer = StatusCode::NO_CONTENT.into_response();
    let mut set = |name: HeaderName, value: &'static str| {
        drop(answer.headers_mut().insert(name, HeaderValue::from_static(value)))
    };
    set(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST");
    set(header::ACCESS_CONTROL_ALLOW_HEADERS, PAGES_SEND);
    set(header::ACCESS_CONTROL_MAX_AGE, "600");
    answer
}

fn dress(headers: &mut HeaderMap, id: &str, open: bool) {
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    // All but what never changes.
    if !headers.get(header::CACHE_CONTROL).is_some_and(|says| says.as_bytes().ends_with(b"immutable")) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if open {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        let seen = HeaderValue::from_static("x-request-id, retry-after");
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, seen);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_panics_or_lasts_too_long_is_answered() {
        for reads in [true, false] {
            let fallen = carried(reads, async { panic!("as the test wants it") }).await;
            assert_eq!(fallen.status(), StatusCode::INTERNAL_SERVER_ERROR, "{reads}");
            let late = carried(reads, std::future::pending()).await;
            assert_eq!(late.status(), StatusCode::SERVICE_UNAVAILABLE, "{reads}");
            let done = carried(reads, async { StatusCode::NO_CONTENT.into_response() }).await;
            assert_eq!(done.status(), StatusCode::NO_CONTENT, "{reads}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_change_something_is_done_though_its_client_hangs_up() {
        let done = Arc::new(Notify::new());
        let changing = {
            let done = Arc::clone(&done);
            async move {
                tokio::time::sleep(Duration::from_secs(2)).await;
                done.notify_one();
                StatusCode::NO_CONTENT.into_response()
            }
        };
        assert!(timeout(Duration::from_secs(1), carried(false, changing)).await.is_err());
        timeout(Duration::from_secs(5), done.notified()).await.expect("left midway");
    }
}
