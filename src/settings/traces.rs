//! Whether traces are wanted, as the standard variables of OpenTelemetry say it, and whether what they ask for is built in:
//! who asks for what is not there is told so, for a collector that hears nothing says nothing.
//!
//! Only what decides about that is read here. How much is sampled, batched and sent with which headers the SDK reads from
//! the same environment itself. Not for sending: that is the room `telemetry`.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use super::Problems;
use super::problems::shown;
use crate::domain::Secret;

/// Where OTLP over HTTP goes when nobody says where.
const DEFAULT_ENDPOINT: &str = "http://localhost:4318";
/// What the standard gives a collector to answer.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest timeout, in milliseconds.
const LONGEST: u64 = 600_000;
/// What the SDK can sample by.
const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];
/// Kinds of certificates that the standard would have read from files.
const CERTIFICATES: [&str; 3] = ["CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"];

/// Traces are wanted, and can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traces {
    /// The whole address; it may hold a vendor's key.
    pub endpoint: Secret<Url>,
    /// What the collector is given to answer.
    pub timeout: Duration,
    /// `OTEL_SERVICE_NAME`
    pub service: Option<String>,
    /// Whether a request's `traceparent` is continued.
    pub continues: bool,
}

/// What is set, empty values left out.
struct Variables<'v>(BTreeMap<&'v str, &'v str>);

impl<'v> Variables<'v> {
    fn get(&self, name: &str) -> Option<&'v str> {
        self.0.get(name).copied()
    }

    /// The variable about traces alone, or else the one about all signals: its name, and its value.
    fn either(&self, what: &str) -> Option<(String, &'v str)> {
        let names = [format!("OTEL_EXPORTER_OTLP_TRACES_{what}"), format!("OTEL_EXPORTER_OTLP_{what}")];
        names.into_iter().find_map(|name| self.get(&name).map(|value| (name, value)))
    }
}

/// What `variables` say; `None` where they ask for no traces, or for what cannot be had.
pub(super) fn read(variables: &[(String, String)], problems: &mut Problems) -> Option<Traces> {
    let set =
        variables.iter().map(|(name, value)| (name.as_str(), value.trim())).filter(|(_, value)| !value.is_empty());
    let set = Variables(set.collect());
    if !wanted(&set, problems) {
        return None;
    }
    let (endpoint, timeout) = (endpoint(&set, problems), timeout(&set, problems));
    protocol(&set, problems);
    headers(&set, problems);
    sampler(&set, problems);
    absent(&set, problems);
    let (continues, service) = (continues(&set, problems), set.get("OTEL_SERVICE_NAME").map(str::to_owned));
    Some(Traces { endpoint: endpoint?, timeout: timeout?, service, continues })
}

fn wanted(set: &Variables<'_>, problems: &mut Problems) -> bool {
    const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
    if set.get("OTEL_SDK_DISABLED").is_some_and(|disabled| disabled.eq_ignore_ascii_case("true")) {
        return false;
    }
    let named: Vec<&str> = set.get(EXPORTER).unwrap_or_default().split(',').map(str::trim).collect();
    let others = named.iter().filter(|name| !["", "otlp", "none"].contains(name));
    for other in others {
        let fault = format!("{} is not built in; otlp sends to a collector, none sends nothing", shown(other));
        problems.add(EXPORTER, "", fault);
    }
    !named.contains(&"none") && (named.contains(&"otlp") || set.either("ENDPOINT").is_some())
}

/// Of traces as it is written, of all signals with the path of traces.
fn endpoint(set: &Variables<'_>, problems: &mut Problems) -> Option<Secret<Url>> {
    let (name, text) = set.either("ENDPOINT").unwrap_or(("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), DEFAULT_ENDPOINT));
    let parsed = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    let Some(mut url) = parsed else {
        problems.add(name, "", "is no address of a collector; write it as http://localhost:4318");
        return None;
    };
    let whole = name.contains("TRACES");
    if let (false, Ok(mut path)) = (whole, url.path_segments_mut()) {
        path.pop_if_empty().extend(["v1", "traces"]);
    }
    Some(Secret::new(url))
}

fn timeout(set: &Variables<'_>, problems: &mut Problems) -> Option<Duration> {
    let Some((name, text)) = set.either("TIMEOUT") else { return Some(DEFAULT_TIMEOUT) };
    let millis = text.parse().ok().filter(|millis| (1..=LONGEST).contains(millis));
    if millis.is_none() {
        problems.add(name, "", format!("{} is no number of milliseconds from 1 to {LONGEST}", shown(text)));
    }
    millis.map(Duration::from_millis)
}

fn protocol(set: &Variables<'_>, problems: &mut Problems) {
    let Some((name, asked)) = set.either("PROTOCOL").filter(|(_, asked)| *asked != "http/protobuf") else { return };
    let cure = "set http/protobuf, and the collector's port for that, usually 4318";
    problems.add(name, "", format!("{} is not built in; {cure}", shown(asked)));
}

/// The SDK drops what it cannot read of them, and then the collector refuses whoever did not say who he is.
fn headers(set: &Variables<'_>, problems: &mut Problems) {
    let Some((name, text)) = set.either("HEADERS") else { return };
    let token = |name: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        !name.is_empty() && name.bytes().all(plain)
    };
    let readable = |pair: &str| pair.split_once('=').is_some_and(|(name, _)| token(name.trim()));
    if !text.split(',').map(str::trim).filter(|pair| !pair.is_empty()).all(readable) {
        problems.add(name, "", "cannot be read; write name=value,name=value with values in percent encoding");
    }
}

fn sampler(set: &Variables<'_>, problems: &mut Problems) {
    const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
    let Some(asked) = set.get(SAMPLER) else { return };
    if !SAMPLERS.contains(&asked) {
        let fault = format!("{} is not built in; there are {}", shown(asked), SAMPLERS.join(", "));
        problems.add(SAMPLER, "", fault);
    }
    let ratio = set.get("OTEL_TRACES_SAMPLER_ARG").filter(|_| asked.ends_with("traceidratio"));
    if let Some(text) = ratio.filter(|text| !text.parse::<f64>().is_ok_and(|ratio| (0.0..=1.0).contains(&ratio))) {
        problems.add("OTEL_TRACES_SAMPLER_ARG", "", format!("{} is no number from 0 to 1", shown(text)));
    }
}

/// What is asked for and is not built in.
fn absent(set: &Variables<'_>, problems: &mut Problems) {
    if let Some((name, asked)) = set.either("COMPRESSION").filter(|(_, asked)| !asked.eq_ignore_ascii_case("none")) {
        problems.add(name, "", format!("{} is not built in; remove it", shown(asked)));
    }
    for (name, _) in CERTIFICATES.iter().filter_map(|what| set.either(what)) {
        let cure = "remove it; the system's certificates count, and SSL_CERT_FILE names others";
        problems.add(name, "", format!("is not built in; {cure}"));
    }
}

fn continues(set: &Variables<'_>, problems: &mut Problems) -> bool {
    const PROPAGATORS: &str = "OTEL_PROPAGATORS";
    let named: Vec<&str> = set.get(PROPAGATORS).unwrap_or("tracecontext").split(',').map(str::trim).collect();
    // Nothing here reads baggage, and nothing is sent onwards: whether it is carried makes no difference.
    for other in named.iter().filter(|name| !["", "tracecontext", "baggage", "none"].contains(name)) {
        problems.add(PROPAGATORS, "", format!("{} is not built in; there are tracecontext and none", shown(other)));
    }
    named.contains(&"tracecontext") && !named.contains(&"none")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(variables: &[(&str, &str)]) -> (Option<Traces>, String) {
        let variables: Vec<_> = variables.iter().map(|(n, v)| (format!("OTEL_{n}"), (*v).to_owned())).collect();
        let mut problems = Problems::default();
        let traces = read(&variables, &mut problems);
        (traces, problems.to_string())
    }

    fn granted(variables: &[(&str, &str)]) -> Traces {
        let (traces, problems) = told(variables);
        assert_eq!(problems, "", "{variables:?}");
        traces.unwrap_or_else(|| panic!("no traces: {variables:?}"))
    }

    const HERE: (&str, &str) = ("EXPORTER_OTLP_ENDPOINT", "http://here:4318");

    #[test]
    fn nothing_is_sent_unless_asked_for() {
        for variables in [
            &[][..],
            &[("SERVICE_NAME", "shop"), ("EXPORTER_OTLP_PROTOCOL", "grpc"), ("TRACES_SAMPLER", "xray")],
            &[("EXPORTER_OTLP_ENDPOINT", " ")],
            &[HERE, ("SDK_DISABLED", "True")],
            &[HERE, ("TRACES_EXPORTER", "none")],
            &[("TRACES_EXPORTER", "none")],
        ] {
            assert_eq!(told(variables), (None, String::new()), "{variables:?}");
        }
        for variables in [&[HERE][..], &[HERE, ("SDK_DISABLED", "false")], &[("TRACES_EXPORTER", "otlp")]] {
            granted(variables);
        }
    }

    #[test]
    fn the_address_is_that_of_traces_or_is_made_it() {
        let traces = "EXPORTER_OTLP_TRACES_ENDPOINT";
        for (variables, expected) in [
            (&[HERE][..], "http://here:4318/v1/traces"),
            (&[("EXPORTER_OTLP_ENDPOINT", "https://here/otlp/?k=1")], "https://here/otlp/v1/traces?k=1"),
            (&[HERE, (traces, "https://there/as/it/is")], "https://there/as/it/is"),
            (&[("TRACES_EXPORTER", "otlp")], "http://localhost:4318/v1/traces"),
        ] {
            assert_eq!(granted(variables).endpoint.expose().as_str(), expected);
        }
    }

    #[test]
    fn what_else_is_said_is_read() {
        let plain = granted(&[HERE]);
        assert_eq!((plain.timeout, plain.service, plain.continues), (DEFAULT_TIMEOUT, None, true));
        let more = [
            HERE,
            ("SERVICE_NAME", "shop"),
            ("EXPORTER_OTLP_TIMEOUT", "9"),
            ("EXPORTER_OTLP_TRACES_TIMEOUT", "700"),
            ("EXPORTER_OTLP_HEADERS", "x-key=a%20b, y=,"),
            ("EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
            ("EXPORTER_OTLP_COMPRESSION", "none"),
            ("TRACES_SAMPLER", "parentbased_traceidratio"),
            ("TRACES_SAMPLER_ARG", "0.25"),
            ("PROPAGATORS", "none"),
        ];
        let more = granted(&more);
        let said = (more.timeout, more.service.as_deref(), more.continues);
        assert_eq!(said, (Duration::from_millis(700), Some("shop"), false));
    }

    #[test]
    fn what_cannot_be_had_is_told_by_its_name_and_without_secrets() {
        for (name, value, expected) in [
            ("EXPORTER_OTLP_PROTOCOL", "grpc", "\"grpc\" is not built in; set http/protobuf"),
            ("EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "\"http/json\" is not built in"),
            ("TRACES_EXPORTER", "otlp,zipkin", "\"zipkin\" is not built in; otlp sends"),
            ("EXPORTER_OTLP_TRACES_ENDPOINT", "canary:4317", "is no address of a collector"),
            ("EXPORTER_OTLP_TIMEOUT", "10s", "\"10s\" is no number of milliseconds from 1 to 600000"),
            ("EXPORTER_OTLP_HEADERS", "canary", "cannot be read"),
            ("EXPORTER_OTLP_HEADERS", "a b=canary", "cannot be read"),
            ("TRACES_SAMPLER", "jaeger_remote", "\"jaeger_remote\" is not built in; there are always_on"),
            ("EXPORTER_OTLP_COMPRESSION", "gzip", "\"gzip\" is not built in; remove it"),
            ("EXPORTER_OTLP_CERTIFICATE", "/canary.pem", "is not built in; remove it; the system's"),
            ("PROPAGATORS", "tracecontext,b3", "\"b3\" is not built in"),
        ] {
            let (_, problems) = told(&[HERE, (name, value)]);
            assert!(problems.starts_with(&format!("OTEL_{name}: {expected}")), "{problems}");
            assert!(!problems.contains("canary") && problems.lines().count() == 1, "{problems}");
        }
        let (_, problems) = told(&[HERE, ("TRACES_SAMPLER", "traceidratio"), ("TRACES_SAMPLER_ARG", "25")]);
        assert_eq!(problems, "OTEL_TRACES_SAMPLER_ARG: \"25\" is no number from 0 to 1");
    }
}
