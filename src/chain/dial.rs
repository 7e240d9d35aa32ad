//! How one endpoint's WebSockets are dialled: within their time, with capped messages, and never in a storm. Requests and
//! heads have a socket each; both take their turn here, so that the endpoint sees at most one rebuild in
//! [`Limits::rebuild`], whatever breaks. Not for what is said over them: `socket` and `heads`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use url::Url;

use super::retry::Delays;
use super::wire::{self, Limits, Wire};
use crate::domain::Secret;

pub(super) type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A socket that lived for this many of the least pauses, and was of use, has proved itself.
const PROVED: u32 = 5;

/// The way to one endpoint; clones share its turns.
#[derive(Debug, Clone)]
pub(super) struct Dialler {
    pub(super) url: Secret<Url>,
    pub(super) limits: Limits,
    /// The last turn given.
    last: Arc<Mutex<Option<Instant>>>,
}

impl Dialler {
    /// Dials nothing yet.
    pub(super) fn new(url: Secret<Url>, limits: Limits) -> Dialler {
        Dialler { url, limits, last: Arc::default() }
    }

    /// Whether its URL is one of a WebSocket.
    pub(super) fn is_socket(&self) -> bool {
        matches!(self.url.expose().scheme(), "ws" | "wss")
    }

    /// The turns of one kind of socket; pauses between them grow up to `longest`.
    pub(super) fn turns(&self, longest: Duration) -> Turns {
        let least = self.limits.rebuild;
        Turns { dialler: self.clone(), dialled: None, delays: Delays::new(least, longest.max(least)) }
    }

    /// Connects within its time; messages are capped.
    pub(super) async fn dial(&self) -> Result<Stream, Wire> {
        wire::install_tls();
        let most = Some(self.limits.bytes);
        let bounds = WebSocketConfig::default().max_message_size(most).max_frame_size(most);
        let connecting = connect_async_with_config(self.url.expose().as_str(), Some(bounds), true);
        match timeout(self.limits.connect, connecting).await {
            Ok(Ok((stream, _))) => Ok(stream),
            Ok(Err(error)) => Err(broken(&error, self.limits)),
            Err(_) => Err(Wire::Timeout),
        }
    }

    /// Not before `earliest`, and apart from every other turn.
    fn rebuild_at(&self, earliest: Instant) -> Instant {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let apart = last.and_then(|last| last.checked_add(self.limits.rebuild));
        *last.insert(apart.map_or(earliest, |apart| apart.max(earliest)))
    }
}

/// When one kind of socket may be dialled.
#[derive(Debug)]
pub(super) struct Turns {
    dialler: Dialler,
    dialled: Option<Instant>,
    delays: Delays,
}

impl Turns {
    /// The next turn: the first is now, the others some time after the one before.
    pub(super) fn next(&mut self, now: Instant) -> Instant {
        let at = match self.dialled {
            None => now,
            Some(dialled) => {
                let pause = self.delays.pause().max(self.dialler.limits.rebuild);
                let earliest = dialled.checked_add(pause).unwrap_or(now);
                self.dialler.rebuild_at(earliest.max(now))
            }
        };
        self.dialled = Some(at);
        at
    }

    /// A socket ended that was of use: where it lived for a while, pauses start small again.
    pub(super) fn was_of_use(&mut self, now: Instant) {
        let long = self.dialler.limits.rebuild.saturating_mul(PROVED);
        if self.dialled.is_some_and(|dialled| now.saturating_duration_since(dialled) >= long) {
            self.delays.reset();
        }
    }
}

/// What tungstenite says, without what may hold a URL.
pub(super) fn broken(error: &tungstenite::Error, limits: Limits) -> Wire {
    use tungstenite::Error as E;
    use tungstenite::error::CapacityError;
    match error {
        E::Capacity(CapacityError::MessageTooLong { .. }) => Wire::TooLong(limits.bytes),
        E::Http(response) => Wire::Status { status: response.status().as_u16(), error: None, retry_after: None },
        E::Io(error) => Wire::Broken(format!("broke off: {}", error.kind())),
        E::Tls(_) => Wire::broken("has no TLS that can be trusted"),
        E::ConnectionClosed | E::AlreadyClosed => Wire::broken("closed the socket"),
        E::Protocol(error) => Wire::Broken(format!("broke the WebSocket protocol: {error}")),
        E::Url(_) | E::HttpFormat(_) => Wire::broken("has a URL that cannot be dialled"),
        E::Capacity(_) | E::WriteBufferFull(_) | E::Utf8(_) | E::AttackAttempt => {
            Wire::broken("broke the WebSocket protocol")
        }
    }
}

/// The text of a data message; `None` for pings and pongs.
pub(super) fn read(
    message: Option<Result<Message, tungstenite::Error>>,
    limits: Limits,
) -> Result<Option<tungstenite::Utf8Bytes>, Wire> {
    match message {
        Some(Ok(Message::Text(text))) => Ok(Some(text)),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
        Some(Ok(Message::Binary(_) | Message::Frame(_))) => Err(Wire::broken("sent a frame that is no text")),
        // Providers close so whoever asks too much.
        Some(Ok(Message::Close(Some(frame)))) if frame.code == CloseCode::Policy => Err(Wire::TooFast),
        Some(Ok(Message::Close(_))) | None => Err(Wire::broken("closed the socket")),
        Some(Err(error)) => Err(broken(&error, limits)),
    }
}
