//! A session's state as Server-Sent Events, and the tickets by which browsers come to it.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::caller::{Asked, Id};
use super::openapi::Refusals;
use super::query::Query;
use crate::deposits::live::{TooManyViewers, Update, Watch};
use crate::domain::SessionId;
use crate::http::problem::{Code, Problem};
use crate::telemetry;

/// How often a silent stream shows that the line is alive.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// A ticket to a session's stream.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewTicket {
    /// For `?ticket=`; good once.
    ticket: String,
    /// A minute from now.
    expires_at: String,
}

/// One event of a stream, as an `EventSource` hands it over.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it describes what `next` writes")]
struct SessionEvent {
    /// For `Last-Event-ID`.
    id: String,
    /// The whole session as it stands: the JSON that reading it answers.
    data: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it describes what `stream` reads")]
struct TicketParameter {
    /// From `events-ticket`, where no header can be sent.
    ticket: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "it describes what `stream` reads")]
struct Seen {
    /// The `id` of the state that was seen last: nothing is sent until something has changed.
    #[param(rename = "Last-Event-ID")]
    last_event_id: Option<String>,
}

/// A ticket to the session's stream, for browsers.
#[utoipa::path(post, path = "/api/v1/widgets/deposit-sessions/{sessionId}/events-ticket", tag = "sessions",
    params(("sessionId" = String, Path)), security(("token" = []), ("sessionSecret" = [])),
    responses((status = 201, description = "Good once, for a minute", body = NewTicket), Refusals))]
pub(super) async fn ticket(
    State(app): State<App>,
    asked: Asked,
    Id(id): Id,
) -> Result<(StatusCode, Json<NewTicket>), Problem> {
    let id = SessionId(id);
    app.session(&asked, &id).await?;
    let new = app.0.office.issue_ticket(&id).await?;
    let expires_at = crate::deposits::time(new.expires_at);
    Ok((StatusCode::CREATED, Json(NewTicket { ticket: new.ticket.expose().clone(), expires_at })))
}

/// Watch a session: each event is the whole session as it stands.
#[utoipa::path(get, path = "/api/v1/widgets/deposit-sessions/{sessionId}/events", tag = "sessions",
    params(("sessionId" = String, Path), TicketParameter, Seen),
    security(("token" = []), ("sessionSecret" = []), ("ticket" = [])),
    responses((status = 200, description = "A stream; ends when the session no longer waits for money", body = SessionEvent,
        content_type = "text/event-stream"), Refusals))]
pub(super) async fn stream(
    State(app): State<App>,
    asked: Asked,
    Id(id): Id,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = SessionId(id);
    let mut query = Query::read(query.as_deref());
    match query.text("ticket") {
        Some(ticket) => app.by_ticket(&asked, &id, &ticket).await?,
        None => drop(app.session(&asked, &id).await?),
    }
    query.end()?;
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let watch = app.0.live.watch(&id, seen).map_err(crowded)?;
    Ok(streamed(watch, |update| update.json.clone()))
}

/// A watch as it goes over the wire, each update as `written`.
pub(in crate::http) fn streamed<W>(watch: Watch, written: W) -> Response
where
    W: Fn(&Update) -> String + Send + 'static,
{
    let events = stream::unfold(Watching { watch, told: Told::Nothing, written, _viewer: Viewer::enter() }, next);
    let mut answer = Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE_EVERY)).into_response();
    // Proxies that gather answers would keep a customer waiting.
    answer.headers_mut().insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
    answer
}

/// One stream.
struct Watching<W> {
    watch: Watch,
    told: Told,
    written: W,
    _viewer: Viewer,
}

/// What a stream said last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Nothing, or a state after which others come.
    Nothing,
    /// The state that is the last.
    Last,
    /// That the house closes.
    Goodbye,
}

async fn next<W: Fn(&Update) -> String>(mut watching: Watching<W>) -> Option<(Result<Event, Infallible>, Watching<W>)> {
    let event = match (watching.watch.next().await, watching.told) {
        (Some(update), _) => {
            watching.told = if update.last { Told::Last } else { Told::Nothing };
            Event::default().id(update.id.clone()).data((watching.written)(&update))
        }
        // Ended before its session did: whoever still watches comes back, perhaps to another process.
        (None, Told::Nothing) => {
            watching.told = Told::Goodbye;
            Event::default().comment("closing")
        }
        (None, Told::Last | Told::Goodbye) => return None,
    };
    Some((Ok(event), watching))
}

pub(in crate::http) fn crowded(error: TooManyViewers) -> Problem {
    Problem::new(Code::RateLimited).because(error.to_string()).retry_after(Duration::from_secs(5))
}

impl App {
    /// A ticket that leads to another session is no ticket to this one.
    async fn by_ticket(&self, asked: &Asked, id: &SessionId, ticket: &str) -> Result<(), Problem> {
        self.not_failing(asked)?;
        match self.0.office.redeem_ticket(ticket).await? {
            Some(session) if session == *id && !self.0.office.read(id).await?.shut => Ok(()),
            Some(_) | None => {
                self.failed(asked);
                Err(Problem::new(Code::Unauthorized))
            }
        }
    }
}

/// Counted while it watches.
struct Viewer;

impl Viewer {
    fn enter() -> Viewer {
        telemetry::EVENT_STREAMS.rise();
        Viewer
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        telemetry::EVENT_STREAMS.fall();
    }
}
