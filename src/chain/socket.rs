//! JSON-RPC over one WebSocket: one task owns the socket, requests are matched by id.
//!
//! Any violation of the protocol, a frame that is no JSON-RPC, or a peer that is silent past a request's deadline drops
//! the socket and fails what is pending; nothing is ever sent twice (a poison request would kill each new socket as
//! well). The next request dials again, at least [`Limits::rebuild`] after the last time. Not for subscriptions: those
//! have a socket of their own (`heads`), so that requests cannot hide its silence.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use alloy::rpc::json_rpc::{ErrorPayload, Id, RequestPacket, ResponsePacket};
use alloy::transports::{TransportError, TransportFut};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use tower::Service;
use url::Url;

use super::wire::{self, Limits, Wire};
use crate::domain::Secret;

pub(super) type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Answer = Result<ResponsePacket, TransportError>;

/// More requests than this at once are the caller's mistake.
const QUEUE: usize = 64;

/// One endpoint's WebSocket transport; clones share the socket.
#[derive(Debug, Clone)]
pub(super) struct Socket {
    url: Secret<Url>,
    limits: Limits,
    line: Arc<Mutex<Line>>,
}

/// The way to the task that owns the socket, and when it was last dialled.
#[derive(Debug, Default)]
struct Line {
    jobs: Option<mpsc::Sender<Job>>,
    dialled: Option<Instant>,
}

#[derive(Debug)]
struct Job {
    text: String,
    ids: Vec<Id>,
    batch: bool,
    deadline: Instant,
    reply: oneshot::Sender<Answer>,
}

impl Socket {
    /// Dials nothing yet.
    pub(super) fn new(url: Secret<Url>, limits: Limits) -> Socket {
        wire::install_tls();
        Socket { url, limits, line: Arc::default() }
    }

    async fn send(self, packet: RequestPacket) -> Answer {
        let ids = packet.requests().iter().map(|request| request.id().clone()).collect();
        let text = serde_json::to_string(&packet).map_err(TransportError::ser_err)?;
        let now = Instant::now();
        let deadline = now.checked_add(self.limits.total).unwrap_or(now);
        let (reply, answer) = oneshot::channel();
        let job = Job { text, ids, batch: wire::is_batch(&packet), deadline, reply };
        self.line().send(job).await.map_err(|_| Wire::broken("closed the socket"))?;
        answer.await.map_err(|_| Wire::broken("closed the socket"))?
    }

    /// The way to the living task, or to a new one.
    fn line(&self) -> mpsc::Sender<Job> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(jobs) = line.jobs.as_ref().filter(|jobs| !jobs.is_closed()) {
            return jobs.clone();
        }
        let (jobs, queue) = mpsc::channel(QUEUE);
        let now = Instant::now();
        let soonest = line.dialled.and_then(|dialled| dialled.checked_add(self.limits.rebuild)).unwrap_or(now);
        line.dialled = Some(soonest.max(now));
        line.jobs = Some(jobs.clone());
        tokio::spawn(own(self.url.clone(), self.limits, soonest, queue));
        jobs
    }
}

impl Service<RequestPacket> for Socket {
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

/// Connects within its time; messages are capped.
pub(super) async fn dial(url: &Secret<Url>, limits: Limits) -> Result<Stream, Wire> {
    let bounds = WebSocketConfig::default().max_message_size(Some(limits.bytes)).max_frame_size(Some(limits.bytes));
    let connecting = connect_async_with_config(url.expose().as_str(), Some(bounds), true);
    match timeout(limits.connect, connecting).await {
        Ok(Ok((stream, _))) => Ok(stream),
        Ok(Err(error)) => Err(broken(&error, limits)),
        Err(_) => Err(Wire::Timeout),
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

/// Dials, then carries requests and answers until something breaks or nobody asks any more.
async fn own(url: Secret<Url>, limits: Limits, soonest: Instant, mut queue: mpsc::Receiver<Job>) {
    sleep_until(soonest).await;
    let mut pending = Pending::default();
    let end = match dial(&url, limits).await {
        Ok(stream) => carry(stream, limits, &mut queue, &mut pending).await,
        Err(wire) => wire,
    };
    queue.close();
    while let Ok(job) = queue.try_recv() {
        pending.0.push(job);
    }
    pending.fail(&end);
}

async fn carry(mut stream: Stream, limits: Limits, queue: &mut mpsc::Receiver<Job>, pending: &mut Pending) -> Wire {
    loop {
        let oldest = pending.0.iter().map(|job| job.deadline).min();
        let never = Instant::now().checked_add(limits.total).unwrap_or_else(Instant::now);
        tokio::select! {
            job = queue.recv() => {
                let Some(mut job) = job else { return Wire::broken("is no longer asked") };
                let text = std::mem::take(&mut job.text);
                pending.0.push(job);
                match timeout(limits.total, stream.send(Message::text(text))).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return broken(&error, limits),
                    Err(_) => return Wire::Timeout,
                }
            }
            message = stream.next() => match read(message, limits) {
                Ok(None) => {}
                Ok(Some(text)) => if let Err(wire) = pending.answer(text.as_bytes()) { return wire },
                Err(wire) => return wire,
            },
            () = sleep_until(oldest.unwrap_or(never)), if oldest.is_some() => return Wire::Timeout,
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
        Some(Ok(Message::Close(_))) | None => Err(Wire::broken("closed the socket")),
        Some(Err(error)) => Err(broken(&error, limits)),
    }
}

/// Requests sent and not answered. Few at a time: a list is enough.
#[derive(Default)]
struct Pending(Vec<Job>);

impl Pending {
    /// Hands an answer to the request it belongs to; an answer to nothing is a violation, a nameless error is everyone's.
    fn answer(&mut self, body: &[u8]) -> Result<(), Wire> {
        let packet: ResponsePacket =
            serde_json::from_slice(body).map_err(|_| Wire::broken("sent something that is not JSON-RPC"))?;
        let ids: Vec<&Id> = match &packet {
            ResponsePacket::Single(response) => vec![&response.id],
            ResponsePacket::Batch(responses) => responses.iter().map(|response| &response.id).collect(),
        };
        if let Some(at) = self.0.iter().position(|job| ids.iter().any(|id| job.ids.contains(id))) {
            let job = self.0.swap_remove(at);
            // The asker may have left; that is no trouble.
            let _ = job.reply.send(wire::read(body, job.batch));
            return Ok(());
        }
        match wire::lone_error(&packet).filter(|_| ids.iter().all(|id| **id == Id::None)) {
            Some(error) => {
                self.refuse(error);
                Ok(())
            }
            None => Err(Wire::broken("answered a request that was not made")),
        }
    }

    fn refuse(&mut self, error: &ErrorPayload) {
        for job in self.0.drain(..) {
            let _ = job.reply.send(Err(TransportError::ErrorResp(error.clone())));
        }
    }

    fn fail(&mut self, wire: &Wire) {
        for job in self.0.drain(..) {
            let _ = job.reply.send(Err(wire.clone().into()));
        }
    }
}
