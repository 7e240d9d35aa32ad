//! Receivers of every manner, each on a port of its own; what they were sent is kept.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::rig::until;

/// How a receiver behaves once it has read a request.
#[derive(Debug, Clone)]
pub(crate) enum Manner {
    /// Answers with this status and these header lines.
    Says(u16, &'static str),
    /// Says the statuses one after the other; the last for ever.
    SaysInTurn(Vec<u16>),
    /// Never says anything.
    Hangs,
    /// Hangs so many times, then says 200.
    HangsFirst(usize),
    /// Sends its status line one byte a tenth of a second.
    DripsHead,
    /// Says 200 and then a body without end, one byte a tenth of a second.
    DripsBody,
    /// Says 200 and then a body without end, as fast as it can.
    Endless,
    /// Closes the connection at once.
    HangsUp,
    /// Accepts connections and never reads: no TLS, no HTTP.
    Dead,
    /// Says 200 after so long.
    Slow(Duration),
}

/// What came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) at: Instant,
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers))
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Whether the Standard Webhooks library takes it with this secret.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        let mut headers = reqwest::header::HeaderMap::new();
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            headers.insert(name, self.header(name).parse().unwrap());
        }
        standardwebhooks::Webhook::new(secret).unwrap().verify(&self.body, &headers).is_ok()
    }
}

/// A receiver; it closes when it is dropped.
pub(crate) struct Receiver {
    pub(crate) at: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    connections: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    pub(crate) async fn new(manner: Manner) -> Receiver {
        Receiver::at("127.0.0.1", manner).await
    }

    /// At this address of the loopback network.
    pub(crate) async fn at(address: &str, manner: Manner) -> Receiver {
        Receiver::listening(TcpListener::bind((address, 0)).await.unwrap(), manner)
    }

    pub(crate) fn listening(listener: TcpListener, manner: Manner) -> Receiver {
        let at = listener.local_addr().unwrap();
        let (seen, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
        let (keeping, counting) = (seen.clone(), connections.clone());
        let task = tokio::spawn(async move {
            // Dropped with this task, so that nothing outlives the receiver.
            let mut serving = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                *counting.lock().unwrap() += 1;
                serving.spawn(serve(stream, manner.clone(), keeping.clone()));
            }
        });
        Receiver { at, seen, connections, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks", self.at)
    }

    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// How often anybody connected.
    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    /// Waits until it has seen so many requests.
    pub(crate) async fn sees(&self, count: usize) -> Vec<Request> {
        until(&format!("{count} requests at {}", self.at), || async {
            let seen = self.seen();
            (seen.len() >= count).then_some(seen)
        })
        .await
    }
}

async fn serve(mut stream: TcpStream, manner: Manner, seen: Arc<Mutex<Vec<Request>>>) {
    if matches!(manner, Manner::Dead) {
        sleep(Duration::from_secs(3_600)).await;
    }
    while let Some(request) = read(&mut stream).await {
        let before = {
            let mut seen = seen.lock().unwrap();
            seen.push(request);
            seen.len() - 1
        };
        if behave(&mut stream, &manner, before).await.is_err() {
            return;
        }
    }
}

async fn behave(stream: &mut TcpStream, manner: &Manner, before: usize) -> std::io::Result<()> {
    let plain = |status: u16| format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nok");
    match manner {
        Manner::Says(status, lines) => {
            let text = format!("HTTP/1.1 {status} X\r\n{lines}content-length: 2\r\n\r\nok");
            stream.write_all(text.as_bytes()).await
        }
        Manner::SaysInTurn(statuses) => {
            let status = statuses[before.min(statuses.len() - 1)];
            stream.write_all(plain(status).as_bytes()).await
        }
        Manner::HangsFirst(times) if before >= *times => stream.write_all(plain(200).as_bytes()).await,
        Manner::Hangs | Manner::HangsFirst(_) | Manner::Dead => {
            sleep(Duration::from_secs(3_600)).await;
            Ok(())
        }
        Manner::DripsHead => drip(stream, "HTTP/1.1 200 OK and a very long reason").await,
        Manner::DripsBody => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await?;
            drip(stream, "x").await
        }
        Manner::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n").await?;
            loop {
                stream.write_all(&[b'x'; 65_536]).await?;
            }
        }
        Manner::HangsUp => Err(std::io::ErrorKind::ConnectionAborted.into()),
        Manner::Slow(after) => {
            sleep(*after).await;
            stream.write_all(plain(200).as_bytes()).await
        }
    }
}

/// Byte after byte, then the last one for a long time.
async fn drip(stream: &mut TcpStream, bytes: &str) -> std::io::Result<()> {
    for byte in bytes.bytes().chain(std::iter::repeat_n(b'x', 10_000)) {
        stream.write_all(&[byte]).await?;
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        let mut chunk = [0; 4_096];
        let got = stream.read(&mut chunk).await.ok().filter(|got| *got > 0)?;
        bytes.extend_from_slice(&chunk[..got]);
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let mut lines = text.lines();
    let line = lines.next().unwrap().to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = bytes[head + 4..].to_vec();
    while body.len() < length {
        let mut chunk = [0; 4_096];
        let got = stream.read(&mut chunk).await.ok().filter(|got| *got > 0)?;
        body.extend_from_slice(&chunk[..got]);
    }
    Some(Request { at: Instant::now(), line, headers, body })
}
