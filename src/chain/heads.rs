//! `newHeads` of one WebSocket endpoint: "look now", a hint that may be lost.
//!
//! A socket of its own, because a subscription beside requests never notices that it died. Its deadline is absolute
//! since the last head: pings and other messages do not move it. It reconnects for ever, with growing delays. Not a
//! source of anything: deposits come from blocks that are asked for.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use url::Url;

use super::endpoint::Endpoint;
use super::json::HeaderJson;
use super::retry::Delays;
use super::socket::{self, Stream};
use super::wire::{Limits, Wire};
use crate::domain::{Header, Secret};

const SUBSCRIBE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}"#;
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The merged channel of a network's heads.
pub(super) type Heads = watch::Sender<Option<Header>>;

/// What comes over the socket: the answer to the subscription, or a head.
#[derive(serde::Deserialize)]
struct Notice {
    error: Option<serde_json::Value>,
    params: Option<Params>,
}

#[derive(serde::Deserialize)]
struct Params {
    result: HeaderJson,
}

/// Listens for ever; only heads of an endpoint that may be read from are passed on.
pub(super) async fn listen(endpoint: Arc<Endpoint>, url: Secret<Url>, limits: Limits, heads: Heads) {
    let mut delays = Delays::new(limits.rebuild, LONGEST_PAUSE.max(limits.rebuild));
    loop {
        let dialled = Instant::now();
        let (wire, heard) = hear(&endpoint, &url, limits, &heads).await;
        if heard {
            delays.reset();
        }
        tracing::debug!(endpoint = %endpoint.key(), reason = %endpoint.clean(&wire.to_string()), "newHeads ended");
        let rest = limits.rebuild.saturating_sub(dialled.elapsed());
        sleep(delays.pause().max(rest)).await;
    }
}

/// One socket's life: how it ended, and whether it ever gave a head.
async fn hear(endpoint: &Endpoint, url: &Secret<Url>, limits: Limits, heads: &Heads) -> (Wire, bool) {
    let mut stream = match subscribe(url, limits).await {
        Ok(stream) => stream,
        Err(wire) => return (wire, false),
    };
    let (mut last, mut heard) = (Instant::now(), false);
    loop {
        let deadline = last.checked_add(limits.silence).unwrap_or(last);
        let head = match timeout_at(deadline, next(&mut stream, limits)).await {
            Ok(Ok(head)) => head,
            Ok(Err(wire)) => return (wire, heard),
            Err(_) => return (Wire::broken("gave no head for too long"), heard),
        };
        (last, heard) = (Instant::now(), true);
        if endpoint.saw_head(head) {
            heads.send_replace(Some(head));
        }
    }
}

async fn subscribe(url: &Secret<Url>, limits: Limits) -> Result<Stream, Wire> {
    let mut stream = socket::dial(url, limits).await?;
    let sending = tokio::time::timeout(limits.connect, stream.send(Message::text(SUBSCRIBE)));
    match sending.await {
        Ok(Ok(())) => Ok(stream),
        Ok(Err(error)) => Err(socket::broken(&error, limits)),
        Err(_) => Err(Wire::Timeout),
    }
}

/// The next head, whatever else comes in between; a head may precede the answer to the subscription.
async fn next(stream: &mut Stream, limits: Limits) -> Result<Header, Wire> {
    loop {
        let Some(text) = socket::read(stream.next().await, limits)? else { continue };
        let notice: Notice = serde_json::from_str(&text).map_err(|_| Wire::broken("sent a frame that is no head"))?;
        if notice.error.is_some() {
            return Err(Wire::broken("refuses the subscription to newHeads"));
        }
        if let Some(params) = notice.params {
            return params.result.mined().map_err(|fault| Wire::broken(fault.reason()));
        }
    }
}
