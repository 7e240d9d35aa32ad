//! Traces: nothing without being asked for; asked for, the story of a deposit, from the request that opens its session to
//! the webhook that tells of it, without a secret in any byte; and a collector that takes nothing holds nothing up.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

use crate::merchant::{base, curl, made, token};
use crate::rig::{Chain, Collector, Manner, Process, Rig, Shop, Span, keep_secret, until};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";
/// What a collector asks of whoever sends.
const KEY: &str = "x-collector-key";
const COLLECTORS_KEY: &str = "of-the-collector-7d1c0b6e5f2a";
/// What a shop may have in its webhook's address.
const SHOPS_KEY: &str = "of-the-shop-4e7b9a0c1d2e";
/// The thread that sends, as Linux shortens its name.
const THREAD: &str = "OpenTelemetry.T";

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap().to_owned()
}

fn sends(process: &Process) -> bool {
    process.threads().iter().any(|name| name.trim() == THREAD)
}

/// Pays a session and sees it confirmed.
async fn confirms(rig: &Rig, chain: &Chain, id: &str) {
    rig.paid(chain, id).await;
    chain.bury().await;
    rig.becomes(id, "CONFIRMED").await;
}

/// Every step of a network was traced well: with its endpoint's key in its questions, and its transaction committed.
async fn tells_of_a_step(collector: &Collector, what: &str, is: impl Fn(&Span) -> bool) -> Span {
    let step = collector.hears(what, |span| span.name == "step" && is(span)).await;
    assert_eq!((step.kind, step.parent.as_str(), step.failed), (SpanKind::Internal, "", false), "{step:?}");
    assert_eq!(step.say("deposit_watcher.network"), "anvil");
    let rpc = collector.child(&step, "a call of that step", |span| !span.say("rpc.system.name").is_empty()).await;
    assert_eq!((rpc.kind, rpc.name.as_str()), (SpanKind::Client, rpc.say("rpc.method")), "{rpc:?}");
    assert_eq!((rpc.say("rpc.system.name"), rpc.say("deposit_watcher.endpoint")), ("jsonrpc", "local"));
    let transaction = collector.child(&step, "its transaction", |span| span.name == "transaction").await;
    assert_eq!((transaction.say("db.system.name"), transaction.say("db.operation.name")), ("postgresql", "COMMIT"));
    step
}

#[tokio::test]
async fn a_deposit_is_told_from_the_request_to_the_webhook_and_no_secret_with_it() {
    let (chain, shop) = (Chain::start().await, Shop::open().await);
    let collector = Collector::open(Manner::Takes).await;
    let rig = Rig::new(&[chain.section()]).await;
    made(&rig, &["businesses", "create", "shop", "--name", "The shop"]).await;
    let key = made(&rig, &["api-keys", "create", "--business", "shop", "--name", "checkout"]).await;
    let widget = made(&rig, &["widgets", "create", "--business", "shop", "--name", "checkout"]).await;
    let url = format!("{}?key={SHOPS_KEY}", shop.url());
    let endpoint = made(&rig, &["webhooks", "create", "--business", "shop", "--url", &url]).await;
    shop.trust(endpoint["secret"].as_str().unwrap());
    let token = token(&text(&key, "id"), &text(&key, "secret"));
    for secret in [&token, &text(&key, "secret"), &text(&widget, "secret"), &text(&endpoint, "secret")] {
        keep_secret(secret);
    }
    keep_secret(SHOPS_KEY);
    keep_secret(COLLECTORS_KEY);

    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.endpoint()),
        ("OTEL_EXPORTER_OTLP_HEADERS", &*format!("{KEY}={COLLECTORS_KEY}")),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=proving"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ];
    // Whatever it is given, its log may tell nothing of it.
    let mut process = rig.run_with("trace", &variables).await;
    process.is_ready().await;
    assert!(sends(&process));

    let to = chain.address();
    let order = json!({
        "amount": "5", "currency": "USDC", "network": "anvil", "currencyAddress": chain.usdc.address,
        "depositAddress": to,
    });
    let (order, base) = (order.to_string(), base(&process).await);
    let url = format!("{base}/widgets/{}/create-session", text(&widget, "id"));
    let bearer = format!("Authorization: Bearer {token}");
    let asks = |id: &str, sampled: &str| {
        let carried = format!("traceparent: 00-{TRACE}-{CALLER}-{sampled}");
        let id = format!("X-Request-Id: {id}");
        let headers = ["-H", &bearer, "-H", "Content-Type: application/json", "-H", &id, "-H", &carried];
        curl(&[&headers[..], &["-H", "Idempotency-Key: order-7", "-d", &order, &url]].concat())
    };
    let (status, session) = asks("sampled", "01");
    assert_eq!(status, 201, "{session}");
    assert_eq!(asks("unsampled", "00").1, session);
    let id = text(&session, "id");
    keep_secret(&text(&session, "clientSecret"));
    let secret = format!("X-Client-Secret: {}", text(&session, "clientSecret"));
    let read = format!("{base}/widgets/deposit-sessions/{id}?canary=of-a-query");
    assert_eq!(curl(&["-H", &secret, "-H", "X-Request-Id: read", &read]).0, 200);
    let nowhere = format!("{base}/canary-of-a-path");
    assert_eq!(curl(&["-H", "X-Request-Id: nowhere", &nowhere]).0, 404);
    let paid = chain.pay(1, to, 5).await;
    shop.hears("deposit.pending").await;
    chain.bury().await;
    let confirmed = shop.hears("deposit.confirmed").await;

    // The caller's trace goes on, where he traces.
    let request = |id: &'static str| move |span: &Span| span.say("deposit_watcher.request.id") == id;
    let asked = collector.hears("the request", request("sampled")).await;
    assert_eq!((asked.trace.as_str(), asked.parent.as_str(), asked.kind), (TRACE, CALLER, SpanKind::Server));
    let route = "/api/v1/widgets/{widgetId}/create-session";
    assert_eq!((asked.name.as_str(), asked.say("http.route")), (&*format!("POST {route}"), route));
    assert_eq!((asked.say("http.request.method"), asked.say("http.response.status_code")), ("POST", "201"));
    let kept = collector.child(&asked, "its transaction", |span| span.name == "transaction").await;
    assert_eq!(kept.say("db.operation.name"), "COMMIT");
    let reading = collector.hears("the second request", request("read")).await;
    assert_eq!((reading.parent.as_str(), reading.say("http.response.status_code"), reading.failed), ("", "200", false));
    let lost = collector.hears("the third request", request("nowhere")).await;
    assert_eq!((lost.name.as_str(), lost.say("http.response.status_code"), lost.failed), ("GET", "404", false));

    // A step sees it, another one confirms it.
    let seen =
        tells_of_a_step(&collector, "the first look", |span| span.count("deposit_watcher.transfers.matched") == 1);
    let seen = seen.await;
    let (from, to) = (seen.count("deposit_watcher.scanned.from"), seen.count("deposit_watcher.scanned.to"));
    assert!((from + 1..=to).contains(&paid.block.number.0), "{seen:?}");
    assert_eq!(
        (seen.say("deposit_watcher.step.kind"), seen.count("deposit_watcher.scanned.blocks")),
        ("scan", to - from)
    );
    assert_eq!(seen.count("deposit_watcher.sessions.changed"), 1);
    let settled = tells_of_a_step(&collector, "the second look", |span| {
        span.count("deposit_watcher.transfers.confirmed") == 1 && span.count("deposit_watcher.sessions.changed") == 1
    });
    assert!(settled.await.count("deposit_watcher.confirmed.to") >= paid.block.number.0);

    // And the shop is told.
    let told = collector.hears("the webhook", |span| span.say("deposit_watcher.webhook.event") == confirmed.id).await;
    assert_eq!((told.name.as_str(), told.kind, told.parent.as_str()), ("POST", SpanKind::Client, ""));
    assert_eq!((told.say("http.request.method"), told.say("http.response.status_code")), ("POST", "204"));
    assert_eq!(told.say("deposit_watcher.webhook.endpoint"), text(&endpoint, "id"));
    assert!(!told.failed, "{told:?}");

    process.terminate().await;
    let log = process.stderr();
    let lines = ["step", "rpc", "request", "webhook", "transaction"]
        .map(|name| log.matches(&format!("\"name\":\"{name}\"")).count());
    assert_eq!(lines, [0; 5], "the log is the same with traces and without");
    let spans = collector.spans();
    let unsampled = spans.iter().find(|span| request("unsampled")(span));
    assert!(unsampled.is_none(), "its caller does not trace: {unsampled:?}");
    for span in &spans {
        let sender = ["service.name", "service.version", "deployment.environment.name"].map(|key| span.sender(key));
        assert_eq!(sender, ["deposit-watcher", env!("CARGO_PKG_VERSION"), "proving"]);
    }
    for head in collector.heads() {
        assert!(head.starts_with("POST /canary-of-the-collector/v1/traces HTTP/1.1"), "{head}");
        assert!(head.contains(&format!("{KEY}: {COLLECTORS_KEY}")), "{head}");
    }
}

#[tokio::test]
async fn nothing_is_sent_unless_asked_for_and_the_last_is_sent_at_the_end() {
    let chain = Chain::start().await;
    let collector = Collector::open(Manner::Takes).await;
    let rig = Rig::new(&[chain.section()]).await;
    let here = ("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.endpoint());
    for (id, variables) in [
        ("dep_plain", &[("OTEL_SERVICE_NAME", "shop")][..]),
        ("dep_disabled", &[here, ("OTEL_SDK_DISABLED", "true")]),
        ("dep_none", &[here, ("OTEL_TRACES_EXPORTER", "none")]),
    ] {
        let mut process = rig.run_with("info", variables).await;
        process.is_ready().await;
        confirms(&rig, &chain, id).await;
        assert!(!sends(&process), "{id}");
        process.terminate().await;
        assert_eq!(collector.guests(), 0, "{id}");
    }

    // An hour passes for no batch: what came did so at the end.
    let variables = [here, ("OTEL_BSP_SCHEDULE_DELAY", "3600000"), ("OTEL_SERVICE_NAME", "shop")];
    let variables =
        [&variables[..], &[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "100000"), ("OTEL_BSP_MAX_QUEUE_SIZE", "100000")]];
    let mut process = rig.run_with("info", &variables.concat()).await;
    process.is_ready().await;
    confirms(&rig, &chain, "dep_last").await;
    assert_eq!(collector.guests(), 0);
    process.terminate().await;
    let confirmed = |span: &Span| span.count("deposit_watcher.transfers.confirmed") == 1;
    assert_eq!(collector.spans().into_iter().filter(confirmed).count(), 1);
    assert!(collector.spans().iter().all(|span| span.sender("service.name") == "shop"));
}

#[tokio::test]
async fn a_collector_that_takes_nothing_holds_nothing_up() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    let collector = Collector::open(Manner::Hangs).await;
    let nobody = {
        let gone = Collector::open(Manner::Takes).await;
        gone.endpoint()
    };
    let warning = "the collector does not take traces";
    let small = ("OTEL_BSP_MAX_QUEUE_SIZE", "4");
    for (id, endpoint) in [("dep_silent", &*collector.endpoint()), ("dep_nobody", &*nobody)] {
        let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "50"), small];
        let mut process = rig.run_with("info", &variables).await;
        process.is_ready().await;
        confirms(&rig, &chain, id).await;
        if id == "dep_nobody" {
            until("it is told", async || process.said("WARN", warning).pop()).await;
            process.goes_round("anvil").await;
            assert_eq!(process.said("WARN", warning).len(), 1, "once a minute");
        }
        process.terminate().await;
    }
    assert!(collector.guests() > 0, "the silent one was asked");

    // One that refuses is told of, and that it takes them again.
    collector.becomes(Manner::Refuses);
    let here = collector.endpoint();
    let variables = [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &*here), ("OTEL_BSP_SCHEDULE_DELAY", "50")];
    let mut process = rig.run_with("info", &variables).await;
    let refused = until("it is told", async || process.said("WARN", warning).pop()).await;
    assert_eq!(refused["error"], "answered with HTTP status 401");
    collector.becomes(Manner::Takes);
    until("it is told again", async || process.said("INFO", "the collector takes traces again").pop()).await;
    process.terminate().await;
}

#[tokio::test]
async fn what_is_not_built_in_is_told() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    let here = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    for (variable, value, fault) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "\"grpc\" is not built in; set http/protobuf"),
        ("OTEL_TRACES_EXPORTER", "jaeger", "\"jaeger\" is not built in; otlp sends to a collector"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "canary", "is no address of a collector"),
    ] {
        for command in ["run", "watch", "api", "status"] {
            let output = rig.command_with("info", &[here, (variable, value)], &[command]).await;
            assert_eq!(output.code, 78, "{variable} {command}: {}", output.stderr);
            assert!(output.stderr.contains(&format!("{variable}: {fault}")), "{}", output.stderr);
        }
    }
}
