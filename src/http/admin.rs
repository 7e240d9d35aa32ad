//! The admin listener: `/metrics`, `/livez`, `/readyz`. For machines inside the deployment; not for customers, and
//! without authentication: it listens on loopback unless told otherwise, and shows no secret and no amount of anyone.

use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::health::{Part, Readiness};
use super::server;
use crate::telemetry::Exposition;

/// How often samples are sorted into buckets while nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Prometheus' text format; the version is part of the contract.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves until `shutdown`, then lets requests under way end (3 s at most) and returns.
pub async fn serve(listener: TcpListener, exposition: Exposition, readiness: Readiness, shutdown: CancellationToken) {
    let routes = routes(exposition.clone(), readiness);
    tokio::select! {
        () = server::serve(listener, routes, server::Limits::ADMIN, shutdown) => {}
        () = keep_up(&exposition) => {}
    }
}

fn routes(exposition: Exposition, readiness: Readiness) -> Router {
    Router::new().route("/metrics", get(metrics).with_state(exposition)).merge(health(readiness))
}

/// `/livez` and `/readyz`, wherever they are served.
pub(super) fn health(readiness: Readiness) -> Router {
    Router::new().route("/livez", get(livez)).route("/readyz", get(readyz).with_state(readiness))
}

async fn metrics(State(exposition): State<Exposition>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, TEXT_FORMAT)], exposition.render())
}

/// That this answers is all it says.
async fn livez() -> &'static str {
    "alive\n"
}

async fn readyz(State(readiness): State<Readiness>, RawQuery(query): RawQuery) -> impl IntoResponse {
    let parts = readiness.parts().await;
    let ready = parts.iter().all(|part| part.outcome.is_ok());
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = match (verbose(query.as_deref()), ready) {
        (true, _) => parts.iter().map(Part::line).collect(),
        (false, true) => "ready\n".to_owned(),
        (false, false) => "not ready; /readyz?verbose says why\n".to_owned(),
    };
    (status, [(header::CACHE_CONTROL, "no-store")], body)
}

fn verbose(query: Option<&str>) -> bool {
    let mut keys = query.unwrap_or_default().split('&').map(|pair| pair.split_once('=').map_or(pair, |(key, _)| key));
    keys.any(|key| key == "verbose")
}

async fn keep_up(exposition: &Exposition) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        exposition.upkeep();
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Instant;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::telemetry;

    struct House {
        at: SocketAddr,
        shutdown: CancellationToken,
        serving: JoinHandle<()>,
    }

    async fn house(parts: Vec<Part>) -> House {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (recorder, exposition) = telemetry::recorder().unwrap();
        ::metrics::with_local_recorder(&recorder, || telemetry::REVERTED_TOTAL.add(&["nowhere"], 2));
        let readiness = Readiness::new(move || std::future::ready(parts.clone()));
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, exposition, readiness, shutdown.clone()));
        House { at, shutdown, serving }
    }

    /// Sends a request as it is written and gives all that comes back until the connection is closed.
    async fn send(at: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn ask(at: SocketAddr, method: &str, path: &str) -> (u16, String, String) {
        let answer = send(at, &format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), head.to_lowercase(), body.to_owned())
    }

    fn part(name: &str, outcome: Result<(), &str>) -> Part {
        Part { name: name.to_owned(), outcome: outcome.map_err(str::to_owned) }
    }

    #[tokio::test]
    async fn metrics_are_prometheus_text() {
        let house = house(vec![]).await;
        let (status, head, body) = ask(house.at, "GET", "/metrics").await;
        assert_eq!(status, 200);
        assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
        assert!(body.contains("\ndeposit_watcher_reverted_total{network=\"other\"} 2\n"), "{body}");
    }

    #[tokio::test]
    async fn head_is_get_without_a_body() {
        let house = house(vec![]).await;
        for path in ["/metrics", "/livez", "/readyz"] {
            let (status, head, body) = ask(house.at, "HEAD", path).await;
            assert_eq!((status, body.as_str()), (200, ""), "{path}");
            assert!(head.contains("content-length: ") && !head.contains("content-length: 0"), "{path} {head}");
        }
    }

    #[tokio::test]
    async fn other_paths_and_methods_are_refused() {
        let house = house(vec![]).await;
        for path in ["/", "/metrics/", "/readyz/x", "/..%2fmetrics"] {
            assert_eq!(ask(house.at, "GET", path).await.0, 404, "{path}");
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let (status, head, _) = ask(house.at, method, "/metrics").await;
            assert_eq!(status, 405, "{method}");
            assert!(head.contains("allow: get,head"), "{head}");
        }
    }

    #[tokio::test]
    async fn ready_while_every_part_is() {
        let house = house(vec![part("database", Ok(())), part("network base", Ok(()))]).await;
        assert_eq!(ask(house.at, "GET", "/readyz").await.2, "ready\n");
        assert_eq!(ask(house.at, "GET", "/readyz?verbose").await.2, "ok database\nok network base\n");
    }

    #[tokio::test]
    async fn one_failing_part_is_503_and_verbose_says_which() {
        let house = house(vec![part("database", Ok(())), part("network polygon", Err("halted: too\ndeep"))]).await;
        assert_eq!(ask(house.at, "GET", "/livez").await.0, 200);
        assert_eq!(ask(house.at, "GET", "/readyz").await.0, 503);
        let (status, _, body) = ask(house.at, "GET", "/readyz?a=b&verbose=1").await;
        assert_eq!((status, body.as_str()), (503, "ok database\nfail network polygon: halted: too deep\n"));
    }

    #[tokio::test]
    async fn rubbish_and_endless_headers_are_refused() {
        let house = house(vec![]).await;
        assert!(send(house.at, "rubbish\r\n\r\n").await.starts_with("HTTP/1.1 400"));
        let long = format!("GET /livez HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(20_000));
        assert!(send(house.at, &long).await.starts_with("HTTP/1.1 431"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_never_ends_is_cut_off() {
        let house = house(vec![]).await;
        let started = tokio::time::Instant::now();
        for beginning in ["", "GET /livez HTTP/1.1\r\nHost: x\r\nX: "] {
            let answer = send(house.at, beginning).await;
            assert!(!answer.contains("200 OK"), "{answer}");
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn shutdown_ends_idle_connections_and_the_listener() {
        let house = house(vec![]).await;
        let mut idle = TcpStream::connect(house.at).await.unwrap();
        idle.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        assert!(idle.read(&mut [0; 1_024]).await.unwrap() > 0);
        let _silent = TcpStream::connect(house.at).await.unwrap();
        let started = Instant::now();
        house.shutdown.cancel();
        house.serving.await.unwrap();
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
        assert!(TcpStream::connect(house.at).await.is_err());
    }
}
