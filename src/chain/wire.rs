//! What both kinds of transport share: limits, the bytes of an answer to JSON-RPC packets, and what can go wrong below
//! JSON-RPC. Not for the meaning of an error answer: that is `refusal`.

use std::time::Duration;

use alloy::rpc::json_rpc::{ErrorPayload, RequestPacket, ResponsePacket, ResponsePayload};
use alloy::transports::{TransportError, TransportErrorKind};

/// Bounds of every call to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// To be connected, TLS and WebSocket handshake included.
    pub connect: Duration,
    /// From question to last byte.
    pub total: Duration,
    /// Between two reads of an HTTP body.
    pub idle: Duration,
    /// The longest answer, in bytes.
    pub bytes: usize,
    /// How long a `newHeads` subscription may be silent before its socket is taken for dead.
    pub silence: Duration,
    /// The least time between two rebuilt WebSockets of one endpoint.
    pub rebuild: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connect: Duration::from_secs(5),
            total: Duration::from_secs(20),
            idle: Duration::from_secs(10),
            bytes: 32 << 20,
            silence: Duration::from_secs(60),
            rebuild: Duration::from_secs(1),
        }
    }
}

/// Trouble below JSON-RPC. Its texts name no URL.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Wire {
    /// No answer within its time.
    #[error("gave no answer in time")]
    Timeout,
    /// Connection, TLS, protocol, HTML, a body cut short.
    #[error("{0}")]
    Broken(String),
    /// A socket closed with the code that providers use for it.
    #[error("closed the socket: too many requests")]
    TooFast,
    /// More than [`Limits::bytes`].
    #[error("sent more than {0} bytes")]
    TooLong(usize),
    /// An HTTP status that is no success, with what its body and headers said.
    #[error("answered with HTTP status {status}")]
    Status {
        /// The status.
        status: u16,
        /// The body's JSON-RPC error, where it was one.
        error: Option<ErrorPayload>,
        /// `Retry-After`.
        retry_after: Option<Duration>,
    },
}

impl Wire {
    pub(super) fn broken(what: impl Into<String>) -> Wire {
        Wire::Broken(what.into())
    }
}

impl From<Wire> for TransportError {
    fn from(wire: Wire) -> TransportError {
        TransportErrorKind::custom(wire)
    }
}

/// The JSON-RPC error of a packet that is one error and no more: an answer to a single call, or a batch refused whole.
pub(super) fn lone_error(packet: &ResponsePacket) -> Option<&ErrorPayload> {
    match packet {
        ResponsePacket::Single(response) => match &response.payload {
            ResponsePayload::Failure(error) => Some(error),
            ResponsePayload::Success(_) => None,
        },
        ResponsePacket::Batch(responses) => match responses.as_slice() {
            [only] => only.payload.as_error(),
            _ => None,
        },
    }
}

/// Reads an answer. A batch that is answered by one error is that error.
pub(super) fn read(body: &[u8], batch: bool) -> Result<ResponsePacket, TransportError> {
    let packet: ResponsePacket =
        serde_json::from_slice(body).map_err(|_| Wire::broken("sent something that is not JSON-RPC"))?;
    match (&packet, batch) {
        (ResponsePacket::Single(_), true) => match lone_error(&packet) {
            Some(error) => Err(TransportError::ErrorResp(error.clone())),
            None => Err(Wire::broken("answered a batch with one result").into()),
        },
        (ResponsePacket::Batch(_), false) => Err(Wire::broken("answered one call with a batch").into()),
        (ResponsePacket::Single(_), false) | (ResponsePacket::Batch(_), true) => Ok(packet),
    }
}

/// Whether a packet goes out as an array.
pub(super) fn is_batch(packet: &RequestPacket) -> bool {
    packet.as_batch().is_some()
}

/// TLS without a choice of provider at compile time needs one at run time; whoever installed one first keeps it.
pub fn install_tls() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Lost only against another thread that installed one just now.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
