//! The one HTTP request of an attempt, bounded in every way: where it goes, how long it takes, how much is read. Not for
//! what follows from its answer: that is the courier's.
//!
//! Names are resolved by us and only addresses that [`guard`] admits are handed to the connector, so what was judged is
//! what is dialled. A connector asks no resolver about an address that stands in the URL: those are judged before.

use std::error::Error as Cause;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode};
use tokio::time::timeout;
use url::Url;

use super::{guard, target};
use crate::chain::install_tls;
use crate::settings::Webhooks;

/// The most that is read of an answer, in bytes. Nothing of it is kept: it is read so that the connection can be used
/// again.
const MOST: usize = 16 << 10;
/// How long that may take once the status is known.
const DRAIN: Duration = Duration::from_secs(1);
/// The longest reason that is kept, in characters.
const REASON: usize = 200;

/// Finds the addresses of a name.
pub trait Lookup: Send + Sync {
    /// Every address of `host`.
    fn addresses(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy)]
pub struct System;

impl Lookup for System {
    fn addresses(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// How an attempt ended, as metrics and the attempt's line name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A 2xx.
    Delivered,
    /// Another status.
    Refused,
    /// A 3xx: none is followed.
    Redirect,
    /// 410: the receiver wants no more.
    Gone,
    /// No status in time.
    Timeout,
    /// No connection: no such name, nobody there, no TLS.
    Connect,
    /// It leads where we do not go.
    Blocked,
    /// Its secret cannot be opened, so nothing was sent.
    Unsigned,
    /// The connection broke, or what came was no HTTP.
    Other,
}

impl Outcome {
    /// As metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Refused => "refused_status",
            Outcome::Redirect => "redirect",
            Outcome::Gone => "gone",
            Outcome::Timeout => "timeout",
            Outcome::Connect => "connect",
            Outcome::Blocked => "blocked",
            Outcome::Unsigned => "unsigned",
            Outcome::Other => "other",
        }
    }

    fn of(status: StatusCode) -> Outcome {
        match status.as_u16() {
            200..=299 => Outcome::Delivered,
            300..=399 => Outcome::Redirect,
            410 => Outcome::Gone,
            ..=199 | 400.. => Outcome::Refused,
        }
    }
}

/// How long an attempt may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// To be connected, name and TLS included.
    pub connect: Duration,
    /// In all.
    pub total: Duration,
}

/// What is sent.
#[derive(Debug, Clone)]
pub struct Message {
    /// Where.
    pub url: String,
    /// `webhook-id`
    pub id: String,
    /// `webhook-timestamp`
    pub timestamp: i64,
    /// `webhook-signature`
    pub standard: String,
    /// `X-Platform-Signature`
    pub platform: String,
    /// The body.
    pub body: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// How it ended.
    pub outcome: Outcome,
    /// The HTTP status, if there was one.
    pub status: Option<u16>,
    /// Why it is no success. Holds neither the URL nor anything the receiver wrote.
    pub error: Option<String>,
    /// How long the receiver asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl Answer {
    /// Ended before there was a status.
    pub fn without_status(outcome: Outcome, error: impl Into<String>) -> Answer {
        let error: String = error.into().chars().take(REASON).collect();
        Answer { outcome, status: None, error: Some(error), retry_after: None }
    }
}

/// Sends webhooks; clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    rules: Arc<Webhooks>,
}

impl Client {
    /// A client that goes where `rules` allow and finds names with `lookup`.
    pub fn new(rules: Arc<Webhooks>, lookup: Arc<dyn Lookup>, patience: Patience) -> Result<Client, reqwest::Error> {
        install_tls();
        let http = reqwest::Client::builder()
            .dns_resolver(Arc::new(Guarded { lookup, allowed: rules.allowed_networks.clone().into() }))
            .connect_timeout(patience.connect)
            .timeout(patience.total)
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_max_idle_per_host(8)
            .user_agent(concat!("deposit-watcher/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(reqwest::Error::without_url)?;
        Ok(Client { http, rules })
    }

    /// Sends it once and says how that ended.
    pub async fn send(&self, message: Message) -> Answer {
        let Ok(url) = Url::parse(&message.url) else {
            return Answer::without_status(Outcome::Blocked, "the URL cannot be read");
        };
        if let Err(why) = target::admissible(&url, &self.rules) {
            return Answer::without_status(Outcome::Blocked, format!("the URL {why}"));
        }
        let request = self
            .http
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", message.id)
            .header("webhook-timestamp", message.timestamp)
            .header("webhook-signature", message.standard)
            .header("x-platform-signature", message.platform)
            .body(message.body);
        match request.send().await {
            Ok(response) => answered(response).await,
            Err(error) => failed(error),
        }
    }
}

/// The status alone decides; what follows it is read to its end if that comes soon.
async fn answered(response: Response) -> Answer {
    let status = response.status();
    let outcome = Outcome::of(status);
    let error = (outcome != Outcome::Delivered).then(|| format!("answered with HTTP status {}", status.as_u16()));
    let retry_after = retry_after(response.headers(), Utc::now());
    let _ = timeout(DRAIN, drain(response)).await;
    Answer { outcome, status: Some(status.as_u16()), error, retry_after }
}

async fn drain(mut response: Response) {
    let mut left = MOST;
    while let Ok(Some(chunk)) = response.chunk().await {
        match left.checked_sub(chunk.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// reqwest's errors print the URL; of theirs only the cause at the bottom is kept.
fn failed(error: reqwest::Error) -> Answer {
    let error = error.without_url();
    if let Some(shut) = causes(&error).find_map(|cause| cause.downcast_ref::<Shut>()) {
        return Answer::without_status(Outcome::Blocked, shut.to_string());
    }
    if error.is_timeout() {
        return Answer::without_status(Outcome::Timeout, "gave no answer in time");
    }
    let (outcome, what) = match error.is_connect() {
        true => (Outcome::Connect, "cannot be connected to"),
        false => (Outcome::Other, "broke off"),
    };
    let bottom = causes(&error).last().map(ToString::to_string).unwrap_or_default();
    Answer::without_status(outcome, format!("{what}: {}", bottom.replace(char::is_control, " ")))
}

/// An error and what caused it, the bottom last.
fn causes<'a>(error: &'a (dyn Cause + 'static)) -> impl Iterator<Item = &'a (dyn Cause + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Cause + 'static)| (*error).source())
}

/// `Retry-After` in seconds or as an HTTP date; nothing for a date that has passed.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => DateTime::parse_from_rfc2822(text).ok()?.signed_duration_since(now).to_std().ok(),
    }
}

/// Every address of the name is one that we do not go to.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("its name leads to no address on the public internet")]
struct Shut;

/// Hands out only addresses that are admitted.
struct Guarded {
    lookup: Arc<dyn Lookup>,
    allowed: Arc<[IpNet]>,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (found, allowed) = (self.lookup.addresses(name.as_str().to_owned()), self.allowed.clone());
        Box::pin(async move {
            let found = found.await?;
            let open: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| guard::admits(*address, &allowed))
                // The port is the URL's.
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            if open.is_empty() {
                return Err(Shut.into());
            }
            let open: Addrs = Box::new(open.into_iter());
            Ok(open)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_decides() {
        for (status, outcome) in [
            (200, Outcome::Delivered),
            (204, Outcome::Delivered),
            (299, Outcome::Delivered),
            (300, Outcome::Redirect),
            (307, Outcome::Redirect),
            (399, Outcome::Redirect),
            (400, Outcome::Refused),
            (409, Outcome::Refused),
            (410, Outcome::Gone),
            (411, Outcome::Refused),
            (500, Outcome::Refused),
            (999, Outcome::Refused),
        ] {
            assert_eq!(Outcome::of(StatusCode::from_u16(status).unwrap()), outcome, "{status}");
        }
    }

    #[test]
    fn metrics_know_every_outcome() {
        let all = [
            Outcome::Delivered,
            Outcome::Refused,
            Outcome::Redirect,
            Outcome::Gone,
            Outcome::Timeout,
            Outcome::Connect,
            Outcome::Blocked,
            Outcome::Unsigned,
            Outcome::Other,
        ];
        assert_eq!(all.map(Outcome::as_str), crate::telemetry::WEBHOOK_OUTCOMES);
    }

    #[test]
    fn reasons_are_short() {
        let answer = Answer::without_status(Outcome::Other, "x".repeat(5_000));
        assert_eq!(answer.error.unwrap().len(), REASON);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = DateTime::parse_from_rfc3339("2026-11-21T10:00:00Z").unwrap().to_utc();
        for (text, expected) in [
            ("7", Some(7)),
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
