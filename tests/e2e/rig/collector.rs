//! A collector of traces: takes OTLP over HTTP as OpenTelemetry's collector does, and keeps what came; or takes nothing.
//! What comes must hold no secret but those that are the collector's own: its path and its key.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{Span as Sent, span::SpanKind, status::StatusCode};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep};

use super::{discreet, until};

/// How it treats who comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Takes all.
    Takes,
    /// Refuses all.
    Refuses,
    /// Never answers.
    Hangs,
}

/// A span as it came.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Its parent's id; empty for none.
    pub(crate) parent: String,
    pub(crate) failed: bool,
    attributes: BTreeMap<String, String>,
    resource: BTreeMap<String, String>,
}

impl Span {
    /// An attribute as text; empty where there is none.
    pub(crate) fn say(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }

    /// An attribute that is a number; 0 where there is none.
    pub(crate) fn count(&self, key: &str) -> u64 {
        self.attributes.get(key).map_or(0, |text| text.parse().unwrap())
    }

    /// An attribute of whoever sent it.
    pub(crate) fn sender(&self, key: &str) -> &str {
        self.resource.get(key).map_or("", String::as_str)
    }
}

/// The listener; it ends with this value.
pub(crate) struct Collector {
    at: SocketAddr,
    inside: Arc<Inside>,
    listening: JoinHandle<()>,
}

struct Inside {
    manner: Mutex<Manner>,
    /// Head and body of each request that was taken.
    taken: Mutex<Vec<(String, Vec<u8>)>>,
    guests: AtomicUsize,
}

impl Collector {
    /// Listens on a free port.
    pub(crate) async fn open(manner: Manner) -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (manner, taken) = (Mutex::new(manner), Mutex::default());
        let inside = Arc::new(Inside { manner, taken, guests: AtomicUsize::new(0) });
        let shared = inside.clone();
        let listening = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                shared.guests.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(answer(stream, shared.clone()));
            }
        });
        Collector { at, inside, listening }
    }

    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` must say to lead here; its path is a secret as a vendor's may be.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}/canary-of-the-collector", self.at)
    }

    /// From now on it is so.
    pub(crate) fn becomes(&self, manner: Manner) {
        *self.inside.manner.lock().unwrap() = manner;
    }

    /// How many connections were opened.
    pub(crate) fn guests(&self) -> usize {
        self.inside.guests.load(Ordering::SeqCst)
    }

    /// All that came; it is looked through for secrets.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let taken = self.inside.taken.lock().unwrap().clone();
        let all = taken.iter().flat_map(|(head, body)| {
            let others = head.lines().skip(1).filter(|line| !line.starts_with("x-collector-key: "));
            discreet(&others.collect::<Vec<_>>().join("\n"));
            discreet(&String::from_utf8_lossy(body));
            read(&ExportTraceServiceRequest::decode(body.as_slice()).expect("it is OTLP"))
        });
        all.collect()
    }

    /// First lines and headers of the requests that were taken.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.inside.taken.lock().unwrap().iter().map(|(head, _)| head.clone()).collect()
    }

    /// Waits for a span that is so.
    pub(crate) async fn hears(&self, what: &str, is: impl Fn(&Span) -> bool) -> Span {
        until(&format!("the collector hears of {what}"), async || self.spans().into_iter().find(|span| is(span))).await
    }

    /// Waits for a child of `parent` that is so.
    pub(crate) async fn child(&self, parent: &Span, what: &str, is: impl Fn(&Span) -> bool) -> Span {
        let of = |span: &Span| span.parent == parent.id && span.trace == parent.trace;
        self.hears(what, |span| of(span) && is(span)).await
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn answer(mut stream: TcpStream, inside: Arc<Inside>) {
    let Some((head, body)) = request(&mut stream).await else { return };
    let manner = *inside.manner.lock().unwrap();
    let says = match manner {
        Manner::Takes => "200 OK",
        Manner::Refuses => "401 Unauthorized",
        // Until the sender is gone.
        Manner::Hangs => return sleep(Duration::from_secs(600)).await,
    };
    if manner == Manner::Takes {
        inside.taken.lock().unwrap().push((head, body));
    }
    let answer = format!("HTTP/1.1 {says}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// Head and body; `None` where the sender went away midway.
async fn request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let (mut bytes, mut part) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        let count = stream.read(&mut part).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&part[..count]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok()).unwrap();
        if bytes.len() >= end + 4 + length {
            return Some((head, bytes[end + 4..].to_vec()));
        }
    }
}

fn read(request: &ExportTraceServiceRequest) -> Vec<Span> {
    let mut spans = Vec::new();
    for resource in &request.resource_spans {
        let sender = resource.resource.as_ref().map(|resource| attributes(&resource.attributes)).unwrap_or_default();
        let sent = resource.scope_spans.iter().flat_map(|scope| &scope.spans);
        spans.extend(sent.map(|sent| span(sent, &sender)));
    }
    spans
}

fn span(sent: &Sent, sender: &BTreeMap<String, String>) -> Span {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(sent.end_time_unix_nano >= sent.start_time_unix_nano, "{sent:?}");
    Span {
        name: sent.name.clone(),
        kind: sent.kind(),
        trace: hex(&sent.trace_id),
        id: hex(&sent.span_id),
        parent: hex(&sent.parent_span_id),
        failed: sent.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error),
        attributes: attributes(&sent.attributes),
        resource: sender.clone(),
    }
}

fn attributes(sent: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(is)) => is.to_string(),
        other => panic!("an attribute of a kind that we do not send: {other:?}"),
    };
    let all = sent.iter().map(|pair| (pair.key.clone(), text(&pair.value)));
    let read: BTreeMap<String, String> = all.collect();
    assert_eq!(read.len(), sent.len(), "an attribute came twice: {sent:?}");
    read
}
