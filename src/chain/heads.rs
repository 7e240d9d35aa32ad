//! `newHeads` of one WebSocket endpoint: "look now", a hint that may be lost.
//!
//! A socket of its own, because a subscription beside requests never notices that it died. Its deadline is absolute
//! since the last head that was news: pings, other messages and the same head again do not move it. It reconnects for
//! ever, with growing delays. Not a source of anything: deposits come from blocks that are asked for.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;

use super::dial::{self, Dialler, Stream};
use super::endpoint::Endpoint;
use super::json::HeaderJson;
use super::wire::{Limits, Wire};
use crate::domain::Header;

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
pub(super) async fn listen(endpoint: Arc<Endpoint>, dialler: Dialler, heads: Heads) {
    let mut turns = dialler.turns(LONGEST_PAUSE);
    loop {
        sleep_until(turns.next(Instant::now())).await;
        let (wire, heard) = hear(&endpoint, &dialler, &heads).await;
        if heard {
            turns.was_of_use(Instant::now());
        }
        tracing::debug!(endpoint = %endpoint.key(), reason = %endpoint.clean(&wire.to_string()), "newHeads ended");
    }
}

/// One socket's life: how it ended, and whether it ever gave a head.
async fn hear(endpoint: &Endpoint, dialler: &Dialler, heads: &Heads) -> (Wire, bool) {
    let mut stream = match subscribe(dialler).await {
        Ok(stream) => stream,
        Err(wire) => return (wire, false),
    };
    let (mut since, mut last) = (Instant::now(), None);
    loop {
        let deadline = since.checked_add(dialler.limits.silence).unwrap_or(since);
        let head = match timeout_at(deadline, next(&mut stream, dialler.limits, last)).await {
            Ok(Ok(head)) => head,
            Ok(Err(wire)) => return (wire, last.is_some()),
            Err(_) => return (Wire::broken("gave no head for too long"), last.is_some()),
        };
        (since, last) = (Instant::now(), Some(head));
        if endpoint.saw_head(head) {
            heads.send_replace(Some(head));
        }
    }
}

async fn subscribe(dialler: &Dialler) -> Result<Stream, Wire> {
    let mut stream = dialler.dial().await?;
    match timeout(dialler.limits.connect, stream.send(Message::text(SUBSCRIBE))).await {
        Ok(Ok(())) => Ok(stream),
        Ok(Err(error)) => Err(dial::broken(&error, dialler.limits)),
        Err(_) => Err(Wire::Timeout),
    }
}

/// The next head that is not `last`, whatever else comes in between; a head may precede the answer to the subscription.
async fn next(stream: &mut Stream, limits: Limits, last: Option<Header>) -> Result<Header, Wire> {
    loop {
        let Some(text) = dial::read(stream.next().await, limits)? else { continue };
        let notice: Notice = serde_json::from_str(&text).map_err(|_| Wire::broken("sent a frame that is no head"))?;
        if notice.error.is_some() {
            return Err(Wire::broken("refuses the subscription to newHeads"));
        }
        if let Some(params) = notice.params {
            let head = params.result.mined().map_err(|fault| Wire::broken(fault.reason()))?;
            if last != Some(head) {
                return Ok(head);
            }
        }
    }
}
