//! A canary in every part of an endpoint's URL, and every text this room can produce.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use deposit_watcher::chain::{Limits, Pool};

use super::network::network;
use super::servers::{http, whole};

const CANARY: &str = "canary";

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Endpoints of both kinds that fail in their own ways, one of them repeating its own address.
async fn urls() -> Vec<String> {
    let echo = http(|_| {
        let message = "invalid key canary0123456789 for https://canary.example/v2/canary0123456789?key=canary-key-1";
        let body = format!(r#"{{"jsonrpc":"2.0","id":0,"error":{{"code":-32000,"message":"{message}"}}}}"#);
        whole("403 Forbidden", "", &body)
    })
    .await;
    let parts = "v2/canary0123456789?key=canary-key-1#canary-fragment";
    vec![
        format!("http://canaryuser:canarypass@{}/{parts}", echo.addr),
        format!("http://127.0.0.1:9/{parts}"),
        format!("https://canary-host.invalid/{parts}"),
        format!("ws://127.0.0.1:9/{parts}"),
        format!("ws://{}/{parts}", echo.addr),
        format!("wss://canary-host.invalid/{parts}"),
        format!("wss://{}/{parts}", echo.addr),
    ]
}

#[tokio::test]
async fn no_text_holds_an_endpoints_address() {
    let sink = Sink::default();
    let writer = sink.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let limits = Limits { connect: Duration::from_millis(500), total: Duration::from_secs(1), ..Limits::default() };
    for url in urls().await {
        let network = network(&[("one", &url, "us")]);
        let pool = Pool::connect_within(&network, limits).unwrap();
        let _heads = pool.heads();
        let first = pool.first().await.unwrap_err();
        pool.forgive();
        let latest = pool.endpoints()[0].latest().await.unwrap_err();
        let texts = format!("{first} {first:?} {latest} {latest:?} {pool:?} {:?} {network:?}", pool.report());
        assert!(!texts.contains(CANARY), "{texts}");
        assert!(latest.to_string().contains("endpoint one"), "{latest}");
    }
    let logs = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    assert!(logs.contains("endpoint changed"));
    // hyper tells the host, and no more, where it connects, at its finest level: telemetry shows that of nobody's crate.
    let hosts = |line: &str| {
        line.contains(" TRACE ")
            && line.contains(" hyper_util::client::")
            && !line.replace("canary-host", "").contains(CANARY)
    };
    let told = logs.lines().filter(|line| line.contains(CANARY) && !hosts(line)).collect::<Vec<_>>();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn a_url_of_another_kind_is_refused_without_being_said() {
    let network = network(&[("one", "ftp://canary.example/canary", "us")]);
    let error = Pool::connect(&network).unwrap_err();
    assert!(error.to_string().contains("endpoint one") && !error.to_string().contains(CANARY), "{error}");
}
