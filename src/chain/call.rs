//! How an endpoint is asked: deadline, batches within its limit, metrics, and what each outcome does to its health.
//! Not for what is asked.

use std::future::Future;
use std::sync::atomic::Ordering;

use alloy::rpc::json_rpc::{RpcRecv, RpcSend};
use alloy::transports::{TransportError, TransportErrorKind};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::Instrument;

use super::endpoint::Endpoint;
use super::error::{Error, Fault};
use super::pace::Pace;
use super::range::Limit;
use super::refusal;
use super::wire::Wire;
use crate::telemetry::spans;

/// Calls at once to an endpoint that takes no batches.
const ABREAST: usize = 8;

/// One JSON-RPC call of several.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) params: Value,
    /// How many blocks its answer spans; 0 where that says nothing.
    pub(super) blocks: u64,
}

pub(super) type Raw = Result<Box<RawValue>, Fault>;

tokio::task_local! {
    /// There while what is asked is about the past.
    static PAST: ();
}

/// Does `work`, all of whose questions are about the past. Who refuses one may have dropped what is old and serve the looks
/// as well as ever: it is not paused for that, and the error is [`Error::Refuses`].
pub async fn of_the_past<T>(work: impl Future<Output = T>) -> T {
    PAST.scope((), work).await
}

impl Endpoint {
    /// Does `work`, counts it as `method`, and settles what it means for this endpoint. Where `work` is about a range,
    /// `blocks` says how many blocks were asked for, so that a refusal teaches; else it is 0. Each request in it waits
    /// for its turn and has its deadline ([`Endpoint::send`]).
    pub(super) async fn ask<T>(
        &self,
        method: &'static str,
        blocks: u64,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Error> {
        let started = Instant::now();
        let span = spans::rpc(self.observer.network(), self.key(), method);
        let outcome = work.instrument(span.clone()).await;
        let label = outcome.as_ref().map_or_else(Fault::outcome, |_| "ok");
        if outcome.is_err() {
            spans::failed(&span, label);
        }
        self.observer.request(method, label, started.elapsed());
        match outcome {
            Ok(answer) => {
                self.change(|health, now| health.answered(now));
                self.with_pace(Pace::answered);
                Ok(answer)
            }
            Err(fault) => {
                let before = self.learned();
                self.learn(&fault, blocks);
                self.tell_learned(before);
                Err(self.settle(fault))
            }
        }
    }

    /// Sends one request in its turn, within its deadline.
    async fn send<T>(&self, request: impl Future<Output = Result<T, TransportError>>, blocks: u64) -> Result<T, Fault> {
        sleep_until(self.with_pace(Pace::turn)).await;
        match timeout(self.limits.total, request).await {
            Ok(answer) => answer.map_err(|error| fault(error, blocks)),
            Err(_) => Err(Fault::Timeout),
        }
    }

    fn learned(&self) -> (Option<u64>, Option<u64>, Option<u64>) {
        let range = self.with_range(|range| range.learned());
        (range.blocks, range.results, self.with_pace(|pace, _| pace.learned()))
    }

    fn tell_learned(&self, before: (Option<u64>, Option<u64>, Option<u64>)) {
        let learned @ (blocks, results, requests_a_second) = self.learned();
        if learned != before {
            let (network, endpoint) = (self.observer.network(), self.key());
            tracing::info!(network, %endpoint, blocks, results, requests_a_second, "endpoint's limit learned");
        }
    }

    fn learn(&self, fault: &Fault, blocks: u64) {
        match fault {
            // Nothing is narrower than one block.
            Fault::TooWide { limit, .. } if blocks == 1 && *limit == Limit::default() => {}
            Fault::TooWide { limit, .. } if blocks > 0 => self.with_range(|range| range.refused(blocks, *limit)),
            // Many nodes say "too much" by never answering.
            Fault::Timeout if blocks > 1 => self.with_range(|range| range.refused(blocks, Limit::default())),
            Fault::RateLimited { .. } => self.with_pace(Pace::limited),
            Fault::Timeout
            | Fault::TooWide { .. }
            | Fault::Outage(_)
            | Fault::Refused(_)
            | Fault::Unsupported(_)
            | Fault::Missing(_)
            | Fault::Misbehaving(_)
            | Fault::Batch { .. } => {}
        }
    }

    /// Puts this endpoint's name on a fault and draws the consequence for its health.
    fn settle(&self, fault: Fault) -> Error {
        let endpoint = self.key().clone();
        let reason = self.clean(fault.reason());
        let said = reason.clone();
        let retry_after = match fault {
            // Asked for less, or in another way, it is as good as before.
            Fault::TooWide { limit, .. } => {
                self.change(|health, now| health.note(said, now));
                return Error::TooWide { endpoint, reason, suggested: limit.suggested };
            }
            Fault::Misbehaving(_) => {
                self.change(|health, now| health.misbehaved(said, now));
                return Error::Misbehaving { endpoint, reason };
            }
            Fault::Refused(_) | Fault::Missing(_) | Fault::Unsupported(_) if PAST.try_with(|_| ()).is_ok() => {
                self.change(|health, now| health.note(said, now));
                return Error::Refuses { endpoint, reason };
            }
            Fault::Timeout | Fault::Outage(_) => Some(self.change(|health, now| health.broke(said, now))),
            Fault::RateLimited { retry_after, .. } => {
                Some(self.change(|health, now| health.limited(retry_after, said, now)))
            }
            Fault::Refused(_) | Fault::Missing(_) | Fault::Batch { .. } => {
                Some(self.change(|health, now| health.refused(said, now)))
            }
            Fault::Unsupported(_) => {
                self.change(|health, now| health.note(said, now));
                None
            }
        };
        Error::Transient { endpoint: Some(endpoint), reason, retry_after }
    }

    /// One call.
    pub(super) async fn one<R: RpcRecv>(&self, method: &'static str, params: impl RpcSend) -> Result<R, Fault> {
        self.send(self.client.request(method, params), 0).await
    }

    /// Several calls in one request, or in as few as this endpoint takes; each has its own outcome, in order.
    pub(super) async fn many(&self, calls: &[Call]) -> Result<Vec<Raw>, Fault> {
        spans::calls(calls.iter().map(|call| call.method));
        let mut answers = Vec::with_capacity(calls.len());
        while answers.len() < calls.len() {
            let most = self.batch_limit.load(Ordering::Relaxed).max(1);
            let rest = calls.get(answers.len()..).unwrap_or_default();
            if most == 1 {
                answers.extend(self.singly(rest).await);
                break;
            }
            let chunk = rest.get(..most.min(rest.len())).unwrap_or_default();
            match self.batch(chunk).await {
                Err(Fault::Batch { limit, .. }) if chunk.len() > 1 => self.learn_batch(chunk.len(), limit),
                outcome => answers.extend(outcome?),
            }
        }
        Ok(answers)
    }

    async fn singly(&self, calls: &[Call]) -> Vec<Raw> {
        let asked = calls
            .iter()
            .map(|call| async { self.send(self.client.request(call.method, call.params.clone()), call.blocks).await });
        futures_util::stream::iter(asked.collect::<Vec<_>>()).buffered(ABREAST).collect().await
    }

    async fn batch(&self, calls: &[Call]) -> Result<Vec<Raw>, Fault> {
        if calls.len() == 1 {
            return Ok(self.singly(calls).await);
        }
        let blocks = calls.iter().map(|call| call.blocks).max().unwrap_or_default();
        let mut batch = self.client.new_batch();
        let mut waiters = Vec::with_capacity(calls.len());
        for call in calls {
            let waiter = batch.add_call::<_, Box<RawValue>>(call.method, &call.params);
            waiters.push(waiter.map_err(|error| fault(error, 0))?);
        }
        self.send(batch.send(), blocks).await?;
        let mut answers = Vec::with_capacity(calls.len());
        for (waiter, call) in waiters.into_iter().zip(calls) {
            match waiter.await.map_err(|error| fault(error, call.blocks)) {
                Err(refused @ Fault::Batch { .. }) => return Err(refused),
                answer => answers.push(answer),
            }
        }
        Ok(answers)
    }

    fn learn_batch(&self, asked: usize, limit: Option<u64>) {
        let half = asked.checked_div(2).unwrap_or(1).max(1);
        let told = limit.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| (1..asked).contains(limit));
        self.batch_limit.store(told.unwrap_or(half), Ordering::Relaxed);
    }
}

/// Reads one answer of several.
pub(super) fn parse<T: DeserializeOwned>(raw: Option<Raw>) -> Result<T, Fault> {
    let raw = raw.unwrap_or_else(|| Err(Fault::Misbehaving("left a call unanswered".to_owned())))?;
    serde_json::from_str(raw.get()).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> Fault {
    Fault::Misbehaving(format!("gave a result that cannot be read: {error}"))
}

/// What an error of alloy's client means for a call that spans `blocks` blocks.
pub(super) fn fault(error: TransportError, blocks: u64) -> Fault {
    match error {
        TransportError::ErrorResp(error) => refusal::classify(error.code, &error.message, blocks),
        TransportError::DeserError { err, .. } => unreadable(&err),
        TransportError::NullResp => Fault::Misbehaving("gave no result".to_owned()),
        TransportError::Transport(TransportErrorKind::MissingBatchResponse(_)) => {
            Fault::Misbehaving("left a call of a batch unanswered".to_owned())
        }
        TransportError::Transport(kind) if kind.is_http_error() => {
            let status = kind.as_http_error().map_or(0, |error| error.status);
            below(&Wire::Status { status, error: None, retry_after: kind.retry_after() }, blocks)
        }
        TransportError::Transport(kind) => match kind.as_custom().and_then(|error| error.downcast_ref::<Wire>()) {
            Some(wire) => below(wire, blocks),
            None => Fault::Outage(kind.to_string()),
        },
        TransportError::SerError(_) | TransportError::LocalUsageError(_) | TransportError::UnsupportedFeature(_) => {
            Fault::Refused("was not asked: the question could not be written".to_owned())
        }
    }
}

fn below(wire: &Wire, blocks: u64) -> Fault {
    match wire {
        Wire::Timeout | Wire::Status { status: 408 | 504, error: None, .. } => Fault::Timeout,
        Wire::Broken(reason) => Fault::Outage(reason.clone()),
        Wire::TooFast => Fault::RateLimited { reason: wire.to_string(), retry_after: None },
        Wire::TooLong(_) if blocks > 0 => Fault::TooWide { reason: wire.to_string(), limit: Limit::default() },
        Wire::TooLong(_) => Fault::Misbehaving(wire.to_string()),
        Wire::Status { status, error, retry_after } => {
            // Behind these statuses an error that nobody knows is about who asks, not about how much.
            let blocks = if matches!(status, 401..=403 | 429 | 503) { blocks.min(1) } else { blocks };
            let said = error.as_ref().map(|error| refusal::classify(error.code, &error.message, blocks));
            let limited = |reason: String| Fault::RateLimited { reason, retry_after: *retry_after };
            match said {
                Some(wide @ (Fault::TooWide { .. } | Fault::Batch { .. })) => wide,
                Some(Fault::RateLimited { reason, .. }) => limited(reason),
                Some(said) if *status == 429 => limited(said.reason().to_owned()),
                None if *status == 429 || retry_after.is_some() => limited(wire.to_string()),
                Some(said) => said,
                None => Fault::Outage(wire.to_string()),
            }
        }
    }
}
