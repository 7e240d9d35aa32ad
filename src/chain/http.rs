//! JSON-RPC over HTTP with bounds: connection, total time, bytes; no redirects, no proxies from the environment.
//!
//! alloy's own HTTP transport has no byte cap, reads delta-seconds only and loses `Retry-After` beside a JSON body. Not
//! for judging answers: a body is read before a status, and what either means is said in `call`.

use std::task::{Context, Poll};
use std::time::Duration;

use alloy::rpc::json_rpc::{RequestPacket, ResponsePacket};
use alloy::transports::{TransportError, TransportFut};
use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use tower::Service;
use url::Url;

use super::wire::{self, Limits, Wire};
use crate::domain::Secret;

/// One endpoint's HTTP transport; clones share the client and its connections.
#[derive(Debug, Clone)]
pub(super) struct Http {
    client: Client,
    url: Secret<Url>,
    limits: Limits,
}

/// A client for one endpoint.
pub(super) fn client(limits: Limits) -> Result<Client, reqwest::Error> {
    wire::install_tls();
    Client::builder()
        .connect_timeout(limits.connect)
        .timeout(limits.total)
        .read_timeout(limits.idle)
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .tcp_keepalive(Duration::from_secs(30))
        .pool_idle_timeout(Duration::from_secs(60))
        .user_agent(concat!("deposit-watcher/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(reqwest::Error::without_url)
}

impl Http {
    pub(super) fn new(client: Client, url: Secret<Url>, limits: Limits) -> Http {
        Http { client, url, limits }
    }

    async fn send(self, packet: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let body = serde_json::to_vec(&packet).map_err(TransportError::ser_err)?;
        let request = self.client.post(self.url.expose().clone()).header(CONTENT_TYPE, "application/json").body(body);
        let response = request.send().await.map_err(broken)?;
        let (status, retry_after) = (response.status(), retry_after(response.headers(), Utc::now()));
        let body = read(response, self.limits.bytes).await;
        if status.is_success() {
            return wire::read(&body?, wire::is_batch(&packet));
        }
        let said = body.ok().and_then(|body| serde_json::from_slice::<ResponsePacket>(&body).ok());
        let error = said.as_ref().and_then(wire::lone_error).cloned();
        Err(Wire::Status { status: status.as_u16(), error, retry_after }.into())
    }
}

impl Service<RequestPacket> for Http {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, packet: RequestPacket) -> Self::Future {
        Box::pin(self.clone().send(packet))
    }
}

/// The body, dropped as soon as it is too long.
async fn read(mut response: Response, most: usize) -> Result<Vec<u8>, Wire> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len().saturating_add(chunk.len()) > most {
            return Err(Wire::TooLong(most));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// reqwest's errors print the URL; of theirs only the cause at the bottom is kept.
fn broken(error: reqwest::Error) -> Wire {
    if error.is_timeout() {
        return Wire::Timeout;
    }
    let what = if error.is_connect() { "cannot be connected to" } else { "broke off" };
    let error = error.without_url();
    let causes = std::iter::successors(std::error::Error::source(&error), |error| error.source());
    match causes.last() {
        Some(cause) => Wire::Broken(format!("{what}: {cause}")),
        None => Wire::broken(what),
    }
}

/// `Retry-After` in seconds or as an HTTP date; nothing for a date that has passed.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => DateTime::parse_from_rfc2822(text).ok()?.signed_duration_since(now).to_std().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = DateTime::parse_from_rfc3339("2026-11-21T10:00:00Z").unwrap().to_utc();
        for (text, expected) in [
            ("7", Some(7)),
            (" 120 ", Some(120)),
            ("Sat, 21 Nov 2026 10:00:30 GMT", Some(30)),
            ("Sat, 21 Nov 2026 09:00:30 GMT", None),
            ("soon", None),
            ("-1", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{text}");
        }
    }
}
