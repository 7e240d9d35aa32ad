//! Where the page's requests are answered. A link that is not known counts against the address that asks for it, like any
//! other wrong credential. Only a page that is shown to somebody opens its link: a look ahead does not.

use std::time::Instant;

use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use url::form_urlencoded;

use super::form::Form;
use super::language;
use super::notice::asked_language;
use super::screen::Facts;
use super::sheet::{Entry, Place, Sheet, Standing, Wrong};
use super::words::Words;
use super::{BELOW, Front, guard};
use crate::deposits::simulation::{Deed, NotSimulated};
use crate::deposits::{Refusal, Visit};
use crate::domain::{Language, SessionId, Time};
use crate::http::api::App;
use crate::http::api::caller::{Asked, Id};
use crate::http::api::events::{crowded, streamed};
use crate::http::problem::{Code, Problem};

/// The page.
pub(super) async fn show(
    State(app): State<App>,
    asked: Asked,
    Id(token): Id,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    app.not_failing(&asked)?;
    let visit = match method == Method::HEAD || looks_ahead(&headers) {
        true => app.0.office.glance(&token).await,
        false => app.0.office.visit(&token).await,
    };
    let visit = visit.map_err(|refusal| app.refused(&asked, refusal))?;
    let place = app.place(&token, query.as_deref(), &visit, &headers);
    app.drawn(&visit, &place, &Entry::default())
}

/// A browser that fetches what its user may want next shows it to nobody.
fn looks_ahead(headers: &HeaderMap) -> bool {
    let says = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_lowercase();
    ["sec-purpose", "purpose", "x-purpose", "x-moz"].into_iter().any(|name| {
        let purpose = says(name);
        purpose.contains("prefetch") || purpose.contains("prerender") || purpose.contains("preview")
    })
}

/// Each change as the `<main>` that shows it.
pub(super) async fn events(
    State(app): State<App>,
    asked: Asked,
    Id(token): Id,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let visit = app.glance(&asked, &token).await?;
    // Until something is chosen there is nothing to hear of: an `EventSource` takes this for the end.
    let Some(session) = &visit.session else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let seen = last.or_else(|| parameter(query.as_deref(), "seen"));
    let watch = app.0.live.watch(&SessionId(session.id.clone()), seen.as_deref()).map_err(crowded)?;
    let place = app.place(&token, query.as_deref(), &visit, &headers);
    let coin = app.0.office.coin(session);
    let (standing, begun, then) = (Standing { place, payment: visit.payment, coin }, Instant::now(), visit.now);
    Ok(streamed(watch.stay(), move |update| standing.main(&update.view, later(then, begun))))
}

/// The database's time by a clock that only goes on: no viewer asks for it.
fn later(then: Time, begun: Instant) -> Time {
    let passed = TimeDelta::from_std(begun.elapsed()).unwrap_or_default();
    then.checked_add_signed(passed).unwrap_or(then)
}

/// What the customer pays in, and how much where nobody said so.
pub(super) async fn choose(
    State(app): State<App>,
    asked: Asked,
    Id(token): Id,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    let (form, visit, place) = app.form(&asked, &token, query.as_deref(), request).await?;
    let (choice, typed) = (form.text("choice").unwrap_or_default(), form.text("amount"));
    let amount = typed.map(|typed| plain(typed, asked_language(query.as_deref())));
    let faults = match app.0.office.choose(&token, choice, amount.as_deref()).await {
        Ok(()) => return Ok(led_back(&place)),
        Err(Refusal::Faults(faults)) => faults.iter().filter_map(|fault| wrong(&fault.field)).collect(),
        Err(Refusal::AmountClash) => vec![Wrong::Clash],
        // The shop's address is none that it may use: for the customer there is nothing to choose.
        Err(Refusal::NotBound(_)) => vec![Wrong::Nothing],
        Err(refusal) => return Err(app.refused(&asked, refusal)),
    };
    // With nothing to correct it is over: the page says so.
    if faults.is_empty() {
        return Ok(led_back(&place));
    }
    let entry = Entry { chosen: choice.to_owned(), typed: typed.unwrap_or_default().to_owned(), faults, told: None };
    let mut answer = app.drawn(&visit, &place, &entry)?;
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    Ok(answer)
}

fn wrong(field: &str) -> Option<Wrong> {
    match field {
        "choice" => Some(Wrong::Choice),
        "amount" => Some(Wrong::Amount),
        _ => None,
    }
}

/// An amount as the API writes it, from what people type: blanks mean nothing, and in French a comma is the point. In
/// English it is not, since it may have been meant to group: that is for the customer to say.
fn plain(typed: &str, language: Option<Language>) -> String {
    let dense: String = typed.chars().filter(|letter| !letter.is_whitespace()).collect();
    match language {
        Some(Language::Fr) if !dense.contains('.') => dense.replacen(',', ".", 1),
        Some(Language::Fr | Language::En) | None => dense,
    }
}

/// Gives up.
pub(super) async fn cancel(
    State(app): State<App>,
    asked: Asked,
    Id(token): Id,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    let (.., place) = app.form(&asked, &token, query.as_deref(), request).await?;
    match app.0.office.cancel_payment(&token).await {
        // Where it is too late for that, the page shows why.
        Ok(()) | Err(Refusal::CannotCancel) => Ok(led_back(&place)),
        Err(refusal) => Err(app.refused(&asked, refusal)),
    }
}

/// Does on a test network what an integrator wants to see.
pub(super) async fn simulate(
    State(app): State<App>,
    asked: Asked,
    Id(token): Id,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    let (form, visit, place) = app.form(&asked, &token, query.as_deref(), request).await?;
    let session = visit.session.as_ref().ok_or(Problem::new(Code::NotFound))?;
    let deed = Deed::read(form.text("deed").unwrap_or_default(), form.text("value"));
    let deed = deed.map_err(|fault| Problem::faults(vec![fault]))?;
    let told = match app.0.office.simulate(&SessionId(session.id.clone()), &deed).await {
        Ok(_) => return Ok(led_back(&place)),
        Err(NotSimulated::NotFound | NotSimulated::NotATestnet(_)) => return Err(Problem::new(Code::NotFound)),
        Err(NotSimulated::Store(error)) => return Err(error.into()),
        Err(NotSimulated::Faults(faults)) => return Err(Problem::faults(faults)),
        Err(NotSimulated::Impossible(told) | NotSimulated::Unavailable(told)) => told,
    };
    let mut answer = app.drawn(&visit, &place, &Entry { told: Some(told), ..Entry::default() })?;
    *answer.status_mut() = StatusCode::CONFLICT;
    Ok(answer)
}

/// From a form's own path to the page.
pub(super) async fn back(
    State(app): State<App>,
    asked: Asked,
    Id(token): Id,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let visit = app.glance(&asked, &token).await?;
    Ok(led_back(&app.place(&token, query.as_deref(), &visit, &headers)))
}

/// See other.
fn led_back(place: &Place) -> Response {
    let mut answer = StatusCode::SEE_OTHER.into_response();
    let to = format!("{}?lang={}", place.base, place.words.tag());
    // A token that was found is plain letters.
    answer.headers_mut().insert(header::LOCATION, HeaderValue::from_str(&to).unwrap_or(HeaderValue::from_static("/")));
    answer
}

fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut parameters = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    parameters.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

impl App {
    async fn glance(&self, asked: &Asked, token: &str) -> Result<Visit, Problem> {
        self.not_failing(asked)?;
        self.0.office.glance(token).await.map_err(|refusal| self.refused(asked, refusal))
    }

    /// A form that the page itself sent, the payment that it is about, and where that is shown.
    async fn form(
        &self,
        asked: &Asked,
        token: &str,
        query: Option<&str>,
        request: Request,
    ) -> Result<(Form, Visit, Place), Problem> {
        let headers = request.headers().clone();
        let form = Form::read(request).await?;
        let visit = self.glance(asked, token).await?;
        let place = self.place(token, query, &visit, &headers);
        Ok((form, visit, place))
    }

    fn refused(&self, asked: &Asked, refusal: Refusal) -> Problem {
        if matches!(refusal, Refusal::NotFound) {
            self.failed(asked);
        }
        refusal.into()
    }

    fn place(&self, token: &str, query: Option<&str>, visit: &Visit, headers: &HeaderMap) -> Place {
        let header = headers.get(header::ACCEPT_LANGUAGE).and_then(|header| header.to_str().ok());
        let language = language::of_payment(asked_language(query), visit.payment.language, header);
        let Front { prefix, .. } = Front::of(&self.0.settings.http);
        Place { words: Words::of(language), base: format!("{prefix}{BELOW}{token}"), prefix }
    }

    fn drawn(&self, visit: &Visit, place: &Place, entry: &Entry) -> Result<Response, Problem> {
        let coin = visit.session.as_ref().and_then(|session| self.0.office.coin(session));
        let (payment, session) = (&visit.payment, visit.session.as_ref());
        let facts = Facts { payment, session, coin: coin.as_ref(), choices: &visit.choices, now: visit.now };
        let html = Sheet::new(place, facts, entry).document().map_err(|error| {
            tracing::error!(%error, "the payment page cannot be written");
            Problem::new(Code::Internal)
        })?;
        let Front { over_tls, .. } = Front::of(&self.0.settings.http);
        Ok(guard::page(html, &visit.payment.allowed_domains, over_tls))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_type_them() {
        let (en, fr) = (Some(Language::En), Some(Language::Fr));
        for (typed, language, read) in [
            (" 25.50 ", en, "25.50"),
            ("1 000", en, "1000"),
            ("25,50", fr, "25.50"),
            ("1\u{202f}234,5", fr, "1234.5"),
            ("25.50", fr, "25.50"),
            ("1,234.50", fr, "1,234.50"),
            ("1,234", en, "1,234"),
            ("1,234", None, "1,234"),
            ("1,2,3", fr, "1.2,3"),
        ] {
            assert_eq!(plain(typed, language), read, "{typed}");
        }
    }

    #[test]
    fn looks_ahead_are_told_by_their_headers() {
        let headers = |name: &'static str, value: &'static str| {
            [(axum::http::HeaderName::from_static(name), HeaderValue::from_static(value))]
                .into_iter()
                .collect::<HeaderMap>()
        };
        assert!(looks_ahead(&headers("sec-purpose", "prefetch;prerender")));
        assert!(looks_ahead(&headers("x-moz", "prefetch")));
        assert!(looks_ahead(&headers("purpose", "prefetch")));
        assert!(!looks_ahead(&headers("accept", "prefetch")));
        assert_eq!(parameter(Some("lang=fr&seen=a%20b"), "seen").as_deref(), Some("a b"));
    }
}
