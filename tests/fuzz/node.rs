//! A node that answers every request with the same bytes, and the endpoint that reads them.

use std::sync::Arc;
use std::task::{Context, Poll};

use alloy::rpc::json_rpc::{RequestPacket, ResponsePacket};
use alloy::transports::{BoxTransport, TransportError, TransportErrorKind, TransportFut};
use deposit_watcher::chain::{Endpoint, Pool};
use deposit_watcher::domain::EndpointKey;
use deposit_watcher::settings::{self, Network};
use tower::Service;

/// What stands in the endpoint's URL and must stand nowhere else.
pub(crate) const SECRET: &str = "kQ9vZ3wTxLmB";

#[derive(Debug, Clone)]
struct Node(Arc<Vec<u8>>);

impl Service<RequestPacket> for Node {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: RequestPacket) -> Self::Future {
        let read = serde_json::from_slice::<ResponsePacket>(&self.0);
        Box::pin(std::future::ready(read.map_err(|_| TransportErrorKind::custom_str("sent something else"))))
    }
}

/// A network with one endpoint whose URL holds [`SECRET`].
fn network() -> Network {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("networks.toml");
    let text = format!(
        "[networks.net]\nchain_id = 31337\n[networks.net.rpc.one]\nurl = \"http://127.0.0.1:1/{SECRET}\"\n\
         [networks.net.tokens.usd]\nsymbol = \"USD\"\naddress = \"0x00000000000000000000000000000000000000ee\"\ndecimals = 6\n"
    );
    std::fs::write(&file, text).unwrap();
    settings::load(&[file], std::iter::empty(), &[]).unwrap().networks.into_iter().next().unwrap()
}

/// An endpoint behind which these bytes are, new and knowing nothing.
pub(crate) fn endpoint(bytes: Vec<u8>) -> Arc<Endpoint> {
    static NETWORK: std::sync::OnceLock<Network> = std::sync::OnceLock::new();
    let transport = BoxTransport::new(Node(Arc::new(bytes)));
    let key = EndpointKey::parse("one").unwrap();
    let pool = Pool::with_transports(NETWORK.get_or_init(network), vec![(key, transport)]);
    pool.endpoints()[0].clone()
}

/// Runs one question to its end.
pub(crate) fn asked<T>(question: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime
        .block_on(async { tokio::time::timeout(std::time::Duration::from_secs(20), question).await.expect("it ends") })
}
