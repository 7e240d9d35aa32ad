//! Local servers that misbehave: HTTP answers as raw bytes in pieces, WebSockets that a test speaks for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Bytes of an answer, each after a pause.
pub(crate) type Pieces = Vec<(Duration, Vec<u8>)>;

/// A server and how many requests reached it.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    pub(crate) hits: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

/// Serves each request's JSON body by `answer`, then closes the connection.
pub(crate) async fn http(answer: impl Fn(Value) -> Pieces + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server { addr: listener.local_addr().unwrap(), hits: Arc::default() };
    let (hits, answer) = (server.hits.clone(), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (hits, answer) = (hits.clone(), answer.clone());
            tokio::spawn(async move {
                let (mut stream, body) = receive(stream).await;
                hits.fetch_add(1, Ordering::SeqCst);
                for (pause, bytes) in answer(body) {
                    tokio::time::sleep(pause).await;
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                let _ = stream.shutdown().await;
            });
        }
    });
    server
}

async fn receive(mut stream: TcpStream) -> (TcpStream, Value) {
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut buffer).await.unwrap_or(0);
        seen.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&seen).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return (stream, serde_json::from_str(body).unwrap_or_default());
            }
        }
        if read == 0 {
            return (stream, Value::Null);
        }
    }
}

/// A whole HTTP answer at once.
pub(crate) fn whole(status: &str, headers: &str, body: &str) -> Pieces {
    let length = body.len();
    let text = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
    vec![(Duration::ZERO, text.into_bytes())]
}

/// A header as any chain would give it.
pub(crate) fn header(number: u64) -> Value {
    let hash = |of: u64| format!("0x{:064x}", of.wrapping_add(0xabc));
    json!({ "number": format!("{number:#x}"), "hash": hash(number), "parentHash": hash(number.wrapping_sub(1)),
            "timestamp": format!("{:#x}", 1_700_000_000 + number) })
}

/// The answer of an honest node of this chain id with ten blocks, to a call or a batch.
pub(crate) fn honest(chain_id: u64, asked: &Value) -> Value {
    if let Some(calls) = asked.as_array() {
        return calls.iter().map(|call| honest(chain_id, call)).collect();
    }
    let result = match asked["method"].as_str().unwrap_or_default() {
        "eth_chainId" => json!(format!("{chain_id:#x}")),
        "eth_getBlockByNumber" if asked["params"][0] == "0x0" => header(0),
        "eth_getBlockByNumber" => header(9),
        "eth_getLogs" => json!([]),
        _ => Value::Null,
    };
    json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result })
}

/// A 200 answer with this JSON.
pub(crate) fn ok(body: &Value) -> Pieces {
    whole("200 OK", "content-type: application/json\r\n", &body.to_string())
}
