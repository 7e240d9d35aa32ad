//! Traces on their way to a collector: OTLP over HTTP, in batches, from a thread of their own. Off unless [`begin`] is
//! called, and then only [`spans`] are sent: no line of the log, nothing of other crates.
//!
//! Nobody waits for a collector. Spans queue up to a bound and are dropped beyond it; that it takes none is told in the log
//! when it begins and once a minute. Not for deciding whether and where to: that is the operator's, in the environment.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::SdkTracerProvider;
use reqwest::redirect::Policy;
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing::metadata::Metadata;
use tracing_subscriber::filter::{FilterFn, filter_fn};
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;
use url::Url;

use super::spans;
use crate::domain::Secret;

/// What we are called where nobody says otherwise.
const SERVICE: &str = "deposit-watcher";
/// The most that is read of a collector's answer, in bytes.
const MOST: usize = 64 << 10;
/// How often the same trouble is told.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Who sends, from [`begin`] until the process ends.
static SENDING: OnceLock<Sending> = OnceLock::new();

struct Sending {
    provider: SdkTracerProvider,
    continues: bool,
}

/// Where traces go.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The whole address.
    pub endpoint: Secret<Url>,
    /// What the collector is given to answer.
    pub timeout: Duration,
    /// Our name there, instead of [`SERVICE`] or that of `OTEL_RESOURCE_ATTRIBUTES`.
    pub service: Option<String>,
    /// Whether a request's `traceparent` is continued.
    pub continues: bool,
}

/// Why traces cannot be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// The HTTP client cannot be made.
    #[error("traces cannot be sent: {0}")]
    Client(reqwest::Error),
    /// The exporter does not take what the variables say. Its words may hold them, and are not repeated.
    #[error("traces cannot be sent: the exporter does not take what the variables OTEL_EXPORTER_OTLP_… say")]
    Exporter,
    /// They are sent already.
    #[error("traces are sent already")]
    Twice,
}

/// Sends spans from now on. TLS must be installed, and `runtime` live until [`end`]: requests are made there, batches and
/// sampling are the SDK's, as its variables say.
///
/// # Errors
///
/// When no exporter can be made of this, or there is one.
pub fn begin(to: Destination, runtime: Handle) -> Result<(), BeginError> {
    let sender = Sender::new(&to, runtime).map_err(BeginError::Client)?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(sender)
        .with_endpoint(to.endpoint.expose().as_str())
        .with_timeout(to.timeout)
        .with_protocol(Protocol::HttpBinary)
        .build()
        .map_err(|_| BeginError::Exporter)?;
    let provider = SdkTracerProvider::builder().with_resource(ourselves(to.service)).with_batch_exporter(exporter);
    let sending = Sending { provider: provider.build(), continues: to.continues };
    SENDING.set(sending).map_err(|_| BeginError::Twice)
}

/// Sends what is left, for so long at most. Nothing where nobody sends.
pub fn end(patience: Duration) {
    if let Some(sending) = SENDING.get() {
        // What did not go out in time is lost, and whoever looks for it has been told that the collector takes none.
        let _ = sending.provider.shutdown_with_timeout(patience);
    }
}

/// Whether a request's `traceparent` is continued.
pub(super) fn continues() -> bool {
    SENDING.get().is_some_and(|sending| sending.continues)
}

/// What turns spans into what is sent, if anybody sends.
pub(super) fn layer<S>() -> Option<impl Layer<S> + Send + Sync>
where
    S: Subscriber + for<'s> LookupSpan<'s> + Send + Sync,
{
    let tracer = SENDING.get()?.provider.tracer(SERVICE);
    let layer = tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false);
    Some(layer.with_target(false).with_tracked_inactivity(false).with_filter(only_ours()))
}

/// True of the spans of [`spans`].
pub(super) fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target() == spans::TARGET
}

/// The hint is the level of our spans: without one every line of every crate would be looked at.
fn only_ours() -> FilterFn {
    let ours: fn(&Metadata<'_>) -> bool = is_ours;
    filter_fn(ours).with_max_level_hint(LevelFilter::INFO)
}

/// Name and version; over them what `OTEL_RESOURCE_ATTRIBUTES` says, over that the name that was given for it alone.
fn ourselves(service: Option<String>) -> Resource {
    let ours = [KeyValue::new("service.name", SERVICE), KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))];
    let resource = Resource::builder_empty().with_attributes(ours);
    let resource = resource.with_detector(Box::new(TelemetryResourceDetector));
    let resource = resource.with_detector(Box::new(EnvResourceDetector::new()));
    resource.with_attributes(service.map(|service| KeyValue::new("service.name", service))).build()
}

/// Sends a batch, and tells the log how it goes. The thread of the batches has no runtime of its own, so that requests
/// are made on ours.
struct Sender {
    client: reqwest::Client,
    endpoint: Secret<Url>,
    runtime: Handle,
    trouble: Arc<Trouble>,
}

/// When it was last told that batches do not arrive; nothing while they do.
#[derive(Default)]
struct Trouble(Mutex<Option<Instant>>);

impl Sender {
    fn new(to: &Destination, runtime: Handle) -> Result<Sender, reqwest::Error> {
        let client = reqwest::Client::builder()
            .connect_timeout(to.timeout)
            .timeout(to.timeout)
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .pool_idle_timeout(Duration::from_secs(60))
            .user_agent(concat!("deposit-watcher/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(reqwest::Error::without_url)?;
        Ok(Sender { client, endpoint: to.endpoint.clone(), runtime, trouble: Arc::default() })
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

impl HttpClient for Sender {
    fn send_bytes<'s, 'a>(&'s self, request: Request<Bytes>) -> BoxFuture<'a, Result<Response<Bytes>, HttpError>>
    where
        's: 'a,
        Self: 'a,
    {
        let (parts, body) = request.into_parts();
        let asked = self.client.post(self.endpoint.expose().clone()).headers(parts.headers).body(body);
        let trouble = self.trouble.clone();
        let sending = self.runtime.spawn(async move {
            let answer = exchange(asked).await;
            trouble.tell(&answer);
            answer
        });
        Box::pin(async move { sending.await?.map_err(HttpError::from) })
    }
}

/// The answer; or why there is none, in words without the address.
async fn exchange(asked: reqwest::RequestBuilder) -> Result<Response<Bytes>, String> {
    let mut response = asked.send().await.map_err(broken)?;
    let mut answer = Response::builder().status(response.status());
    if let Some(headers) = answer.headers_mut() {
        // The exporter asks for no other one.
        headers
            .extend(response.headers().get("retry-after").map(|after| (reqwest::header::RETRY_AFTER, after.clone())));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len().saturating_add(chunk.len()) > MOST {
            return Err(format!("the answer is longer than {MOST} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    answer.body(Bytes::from(body)).map_err(|_| "the answer cannot be read".to_owned())
}

/// reqwest's errors print the URL; of theirs only the cause at the bottom is kept.
fn broken(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let error = error.without_url();
    let what = if error.is_connect() { "cannot be connected to" } else { "broke off" };
    let mut bottom: &dyn Error = &error;
    while let Some(below) = bottom.source() {
        bottom = below;
    }
    let bottom = bottom.to_string();
    format!("{what}: {}", bottom.replace(char::is_control, " "))
}

impl Trouble {
    fn tell(&self, answer: &Result<Response<Bytes>, String>) {
        let error = match answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("answered with HTTP status {}", answer.status().as_u16())),
            Err(why) => Some(why.clone()),
        };
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (error, *told) {
            (None, None) => {}
            (None, Some(_)) => {
                *told = None;
                tracing::info!("the collector takes traces again");
            }
            (Some(_), Some(at)) if at.elapsed() < TELL_EVERY => {}
            (Some(error), _) => {
                *told = Some(Instant::now());
                tracing::warn!(error, "the collector does not take traces; nothing else waits for it");
            }
        }
    }
}
