//! The recorder behind the table: installed once, rendered on request. Not for HTTP.

use metrics::Recorder;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::labels::{Labels, configure, configured, sets};
use super::metrics::{Description, Kind};
use super::table::{BUILD_INFO, TABLE};
use crate::domain::Slug;

/// What `/metrics` shows.
#[derive(Debug, Clone)]
pub struct Exposition(PrometheusHandle);

/// Why no recorder could be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A row of the table is unusable.
    #[error("the metrics table is unusable: {0}")]
    Table(#[from] BuildError),
    /// A process has one recorder.
    #[error("another metrics recorder is installed already")]
    Twice,
}

impl Exposition {
    /// Every series, as Prometheus' text format 0.0.4.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Sorts samples into buckets. Who serves calls it now and then, or they pile up while nobody scrapes.
    pub fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

/// Installs the process' recorder, every metric described. What is counted before is lost.
pub fn install() -> Result<Exposition, InstallError> {
    let (recorder, exposition) = recorder()?;
    metrics::set_global_recorder(recorder).map_err(|_| InstallError::Twice)?;
    Ok(exposition)
}

/// A recorder of its own: a test gives it to `metrics::with_local_recorder` and sees only what it did itself.
pub fn recorder() -> Result<(PrometheusRecorder, Exposition), InstallError> {
    let mut builder = PrometheusBuilder::new();
    for metric in TABLE.iter().filter(|metric| metric.kind == Kind::Histogram) {
        builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), metric.buckets)?;
    }
    let recorder = builder.build_recorder();
    TABLE.iter().for_each(|metric| describe(&recorder, metric));
    let exposition = Exposition(recorder.handle());
    Ok((recorder, exposition))
}

fn describe(recorder: &PrometheusRecorder, metric: &Description) {
    let (name, unit, help) = (metric.name.into(), Some(metric.unit), metric.help.into());
    match metric.kind {
        Kind::Counter => recorder.describe_counter(name, unit, help),
        Kind::Gauge => recorder.describe_gauge(name, unit, help),
        Kind::Histogram => recorder.describe_histogram(name, unit, help),
    }
}

/// Lets every series exist at 0 (a counter born at 1 hides its first increase, a gauge never set is absent) and says
/// which networks are configured: others are `other` from now on. An empty histogram shows all its buckets at 0.
pub fn initialise(labels: Labels) {
    configure(labels);
    let all = configured(Clone::clone);
    TABLE.iter().for_each(|metric| initialise_sets(metric, &all, |_| true));
    BUILD_INFO.set(&[env!("CARGO_PKG_VERSION")], true);
}

/// Sets the gauges of a network to 0, except those of this process' own tasks: who does not hold a network's lock does
/// not speak for it, nor for its endpoints.
pub fn release(slug: &Slug) {
    let of_networks = |metric: &Description| metric.labels.first().is_some_and(|label| label.name == "network");
    let all = configured(Clone::clone);
    for metric in TABLE.iter().filter(|metric| metric.kind == Kind::Gauge && of_networks(metric)) {
        initialise_sets(metric, &all, |set| set.first().map(String::as_str) == Some(slug.as_str()));
    }
}

fn initialise_sets(metric: &Description, all: &Labels, wanted: impl Fn(&[String]) -> bool) {
    for set in sets(metric.labels, all).iter().filter(|set| wanted(set)) {
        metric.initialise(&set.iter().map(String::as_str).collect::<Vec<_>>());
    }
}
