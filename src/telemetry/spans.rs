//! Every span in one place: its name, its kind, its attributes. Names are those of OpenTelemetry's semantic conventions
//! where they have one, else they begin with `deposit_watcher.`.
//!
//! No span holds an address, a path, a header or a body: keys live in them. Where nobody wants traces no span exists, and
//! asking for one costs a look at a flag. Not for sending them: that is [`super::traces`].

use std::fmt::Display;

use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::field::{Empty, display};
use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::traces;

/// By which they are told from all other spans: what the macros below take by themselves.
pub(super) const TARGET: &str = module_path!();

/// What a step did: numbers of blocks, and what was committed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// The cursor's block before and after; the higher one is after, unless the chain was followed back.
    pub scanned: Option<(u64, u64)>,
    /// The second look's watermark before and after.
    pub confirmed: Option<(u64, u64)>,
    /// Transfers that were found to pay a session.
    pub matched: u64,
    /// Transfers that were found to pay none.
    pub unmatched: u64,
    /// Transfers that were confirmed and pay a session.
    pub settled: u64,
    /// Confirmed transfers that left the chain.
    pub reverted: u64,
    /// Sessions whose status changed.
    pub sessions: u64,
}

/// One step of a network.
pub fn step(network: &str) -> Span {
    info_span!(
        "step",
        otel.status_code = Empty,
        otel.status_description = Empty,
        error.type = Empty,
        deposit_watcher.network = network,
        deposit_watcher.step.kind = Empty,
        deposit_watcher.halted = Empty,
        deposit_watcher.scanned.from = Empty,
        deposit_watcher.scanned.to = Empty,
        deposit_watcher.scanned.blocks = Empty,
        deposit_watcher.confirmed.from = Empty,
        deposit_watcher.confirmed.to = Empty,
        deposit_watcher.transfers.matched = Empty,
        deposit_watcher.transfers.unmatched = Empty,
        deposit_watcher.transfers.confirmed = Empty,
        deposit_watcher.transfers.reverted = Empty,
        deposit_watcher.sessions.changed = Empty,
    )
}

/// What a step came to, as far as it came.
pub fn stepped(span: &Span, told: &Told) {
    if let Some((from, to)) = told.scanned {
        span.record("deposit_watcher.scanned.from", from).record("deposit_watcher.scanned.to", to);
        span.record("deposit_watcher.scanned.blocks", to.saturating_sub(from));
    }
    if let Some((from, to)) = told.confirmed {
        span.record("deposit_watcher.confirmed.from", from).record("deposit_watcher.confirmed.to", to);
    }
    span.record("deposit_watcher.transfers.matched", told.matched);
    span.record("deposit_watcher.transfers.unmatched", told.unmatched);
    span.record("deposit_watcher.transfers.confirmed", told.settled);
    span.record("deposit_watcher.transfers.reverted", told.reverted);
    span.record("deposit_watcher.sessions.changed", told.sessions);
}

/// One question to an endpoint, which may be a batch of calls.
pub fn rpc(network: &str, endpoint: impl Display, method: &'static str) -> Span {
    info_span!(
        "rpc",
        otel.name = method,
        otel.kind = "client",
        otel.status_code = Empty,
        error.type = Empty,
        rpc.system.name = "jsonrpc",
        rpc.method = method,
        jsonrpc.protocol.version = "2.0",
        deposit_watcher.network = network,
        deposit_watcher.endpoint = %endpoint,
        deposit_watcher.rpc.calls = Empty,
    )
}

/// Which calls the question at hand holds.
pub fn calls(methods: impl Iterator<Item = &'static str>) {
    let span = Span::current();
    if !span.is_none() {
        span.record("deposit_watcher.rpc.calls", methods.collect::<Vec<_>>().join(","));
    }
}

/// One attempt to deliver a webhook. Where to is said by the endpoint's id alone.
pub fn delivery(endpoint: &str, delivery: &str, event: &str, attempt: i32) -> Span {
    info_span!(
        "webhook",
        otel.name = "POST",
        otel.kind = "client",
        otel.status_code = Empty,
        error.type = Empty,
        http.request.method = "POST",
        http.request.resend_count = attempt.saturating_sub(1),
        http.response.status_code = Empty,
        deposit_watcher.webhook.endpoint = endpoint,
        deposit_watcher.webhook.delivery = delivery,
        deposit_watcher.webhook.event = event,
    )
}

/// One request to the API or the payment page: `route` is the pattern of its path. It goes on with the trace that its
/// caller began, where `carried` gives the headers of one and `OTEL_PROPAGATORS` does not forbid it.
pub fn request<'h>(
    method: &'static str,
    route: Option<&str>,
    id: &str,
    carried: impl Fn(&'static str) -> Option<&'h str>,
) -> Span {
    let span = info_span!(
        "request",
        otel.name = Empty,
        otel.kind = "server",
        otel.status_code = Empty,
        error.type = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        deposit_watcher.request.id = id,
    );
    if span.is_disabled() {
        return span;
    }
    match route {
        Some(route) => span.record("otel.name", display(format_args!("{method} {route}"))),
        None => span.record("otel.name", method),
    };
    if traces::continues() {
        let carried = Carried { parent: carried(PARENT), state: carried(STATE) };
        // It fails only where the span has begun to be sent.
        let _ = span.set_parent(TraceContextPropagator::new().extract(&carried));
    }
    span
}

/// One transaction of work that is traced. What goes on in the background has no span to be a part of, and gets none.
pub fn transaction() -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    info_span!("transaction", otel.kind = "client", db.system.name = "postgresql", db.operation.name = Empty,)
}

/// How a transaction ended: `COMMIT` or `ROLLBACK`.
pub fn ended(span: &Span, how: &'static str) {
    span.record("db.operation.name", how);
}

/// A request was answered with this status; that it was our fault is said besides.
pub fn answered(span: &Span, status: u16) {
    span.record("http.response.status_code", status);
    if status >= 500 {
        failed(span, &status.to_string());
    }
}

/// An attempt to deliver ended: with a status, if there was one, and as `outcome` says where it was no success.
pub fn attempted(span: &Span, status: Option<u16>, outcome: &str, delivered: bool) {
    if let Some(status) = status {
        span.record("http.response.status_code", status);
    }
    if !delivered {
        failed(span, outcome);
    }
}

/// It failed; `kind` is one of few words.
pub fn failed(span: &Span, kind: &str) {
    span.record("otel.status_code", "ERROR").record("error.type", kind);
}

/// Why a step failed, in the words of the log.
pub fn because(span: &Span, reason: impl Display) {
    span.record("otel.status_description", display(reason));
}

/// What a step was: its kind, and whether the network is halted.
pub fn kind(span: &Span, kind: &str, halted: bool) {
    span.record("deposit_watcher.step.kind", kind).record("deposit_watcher.halted", halted);
}

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";

/// The headers of W3C Trace Context.
struct Carried<'h> {
    parent: Option<&'h str>,
    state: Option<&'h str>,
}

impl Extractor for Carried<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            PARENT => self.parent,
            STATE => self.state,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![PARENT, STATE]
    }
}
