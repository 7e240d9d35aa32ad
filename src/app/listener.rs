//! Addresses we listen at: taken once, before anything else starts, and kept, so that a task that serves on one can be
//! started again on the same. Not for what is served.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::sleep;

use super::supervisor::{Task, beat};
use crate::cli::Failure;

/// How often a listener shows that it is there.
const BEAT_EVERY: Duration = Duration::from_secs(5);

/// Takes the address that `key` of the configuration names.
pub(super) fn bind(key: &str, at: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(at).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|error| {
        let why = match error.kind() == io::ErrorKind::AddrInUse {
            true => "is in use; does another one run here?".to_owned(),
            false => format!("cannot be listened at: {error}."),
        };
        Failure::failed(format!("{key} {at} {why} Set {key} to a free address"))
    })
}

/// Where it listens in fact: port 0 asks for any.
pub(super) fn address(listener: &TcpListener, asked: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(asked)
}

/// A task that serves on it.
pub(super) fn task(
    name: &'static str,
    listener: TcpListener,
    serve: impl Fn(tokio::net::TcpListener) -> BoxFuture<'static, ()> + Send + Sync + 'static,
) -> Task {
    let work = move || -> BoxFuture<'static, ()> {
        match listener.try_clone().and_then(tokio::net::TcpListener::from_std) {
            Ok(listener) => {
                let serving = serve(listener);
                Box::pin(async move {
                    tokio::select! {
                        () = serving => {}
                        () = beats(name) => {}
                    }
                })
            }
            Err(error) => Box::pin(async move { tracing::error!(name, %error, "the listener cannot be used") }),
        }
    };
    Task { name, network: String::new(), work: Box::new(work) }
}

async fn beats(name: &str) {
    loop {
        beat(name, "");
        sleep(BEAT_EVERY).await;
    }
}
