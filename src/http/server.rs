//! Accepts connections and serves a router on them, with the limits that `axum::serve` does not have: a deadline for
//! the request's head, a small buffer for it, a bounded number of connections, a bounded life. Not for routes.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::Service;

/// How much of everything is given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections served at once; more wait in the kernel's queue.
    connections: usize,
    /// A connection's life: who never reads its answers holds no place for ever.
    life: Duration,
}

impl Limits {
    /// A handful of machines that ask for metrics.
    pub(super) const ADMIN: Limits = Limits { connections: 64, life: Duration::from_secs(600) };
    /// Customers, some of whom watch a session for its whole life.
    pub(super) const API: Limits = Limits { connections: 16_384, life: Duration::from_secs(3_600) };
}

/// Who is at the other end of the connection, among a request's extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// From a connection's last answer, or its start, to the end of the next request's head.
const HEAD: Duration = Duration::from_secs(10);
/// Bytes of a request's head; hyper takes no less than 8,192.
const HEAD_BYTES: usize = 16 * 1_024;
/// What a request under way is given to end when the connection or the house closes.
const GRACE: Duration = Duration::from_secs(3);
/// The pause after a failed accept: out of file descriptors, the next one fails too.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves `routes` until `shutdown`; returns when no connection is left, after 3 s at the latest.
pub(super) async fn serve(listener: TcpListener, routes: Router, limits: Limits, shutdown: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < limits.connections => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(connection(stream, peer, routes.clone(), limits.life, shutdown.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, peer: SocketAddr, routes: Router, life: Duration, shutdown: CancellationToken) {
    let routes = tower::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        routes.clone().call(request)
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        // How a connection ended is its client's affair.
        _ = serving.as_mut() => return,
        () = shutdown.cancelled() => {}
        () = sleep(life) => {}
    }
    serving.as_mut().graceful_shutdown();
    let _ = timeout(GRACE, serving).await;
}
