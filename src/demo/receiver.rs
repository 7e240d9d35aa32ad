//! A shop's end of the demo's webhooks: listens on loopback, recomputes both signatures over the bytes that came, counts
//! what it hears and notices what is heard twice or never. Not an example for integrators: those are in `deploy/examples`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::keys::hmac_sha256;

/// More than any event of ours.
const BYTES: u64 = 64 * 1_024;
const PATIENCE: Duration = Duration::from_secs(5);

/// A listener that is not yet told its secret: the endpoint must exist before there is one.
#[derive(Debug)]
pub(super) struct Receiver {
    at: SocketAddr,
    shop: Arc<Mutex<Shop>>,
    serving: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shop {
    secret: String,
    heard: Heard,
}

/// What came so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    /// Events by type without its `deposit.`, each counted once.
    pub(super) types: BTreeMap<String, u64>,
    /// Deliveries of events that had come before.
    pub(super) again: u64,
    /// Why deliveries were not believed.
    pub(super) refused: Vec<String>,
    ids: BTreeSet<String>,
    sequences: BTreeSet<u64>,
}

impl Heard {
    /// How many different events came.
    pub(super) fn events(&self) -> usize {
        self.ids.len()
    }

    /// True when their numbers are 1, 2, 3, … without a gap.
    pub(super) fn gapless(&self) -> bool {
        self.sequences.iter().copied().eq((1..).take(self.ids.len()))
    }
}

impl Receiver {
    /// Listens on a free port.
    pub(super) async fn start() -> anyhow::Result<Receiver> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (at, shop) = (listener.local_addr()?, Arc::default());
        let serving = tokio::spawn(serve(listener, Arc::clone(&shop)));
        Ok(Receiver { at, shop, serving })
    }

    /// Where it is to be told.
    pub(super) fn url(&self) -> String {
        format!("http://{}/deposits", self.at)
    }

    /// The secret as the endpoint's creation showed it.
    pub(super) fn trust(&self, secret: &str) {
        secret.clone_into(&mut lock(&self.shop).secret);
    }

    /// What came so far.
    pub(super) fn heard(&self) -> Heard {
        lock(&self.shop).heard.clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn lock(shop: &Mutex<Shop>) -> std::sync::MutexGuard<'_, Shop> {
    shop.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, shop: Arc<Mutex<Shop>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shop = shop.clone();
        tokio::spawn(async move {
            let answered = timeout(PATIENCE, answer(stream, &shop)).await;
            if let Ok(Err(error)) = answered {
                lock(&shop).heard.refused.push(format!("{error:#}"));
            }
        });
    }
}

/// One request a connection; what is not believed is told to the sender as well.
async fn answer(stream: TcpStream, shop: &Mutex<Shop>) -> anyhow::Result<()> {
    let mut stream = BufReader::new(stream);
    let (headers, body) = request(&mut stream).await?;
    let believed = believe(&headers, &body, &lock(shop).secret);
    let status = if believed.is_ok() { "204 No Content" } else { "400 Bad Request" };
    if let Ok((id, event)) = &believed {
        note(&mut lock(shop).heard, id, event);
    }
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.shutdown().await?;
    believed.map(drop)
}

fn note(heard: &mut Heard, id: &str, event: &Value) {
    if !heard.ids.insert(id.to_owned()) {
        heard.again = heard.again.saturating_add(1);
        return;
    }
    let text = event.get("type").and_then(Value::as_str).unwrap_or_default();
    let count = heard.types.entry(text.trim_start_matches("deposit.").to_owned()).or_default();
    *count = count.saturating_add(1);
    heard.sequences.extend(event.get("sequence").and_then(Value::as_u64));
}

type Headers = BTreeMap<String, String>;

/// The headers, names in lower case, and the whole body.
async fn request(stream: &mut BufReader<TcpStream>) -> anyhow::Result<(Headers, Vec<u8>)> {
    let mut bounded = stream.take(BYTES);
    let (mut headers, mut line) = (Headers::new(), String::new());
    bounded.read_line(&mut line).await?;
    ensure!(line.starts_with("POST "), "not a POST");
    loop {
        line.clear();
        bounded.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length: u64 = headers.get("content-length").context("no length")?.parse()?;
    ensure!(length <= BYTES, "too long");
    let mut body = vec![0; usize::try_from(length)?];
    bounded.read_exact(&mut body).await?;
    Ok((headers, body))
}

/// The event and its id, once both signatures are ours over these very bytes.
fn believe(headers: &Headers, body: &[u8], secret: &str) -> anyhow::Result<(String, Value)> {
    let header = |name: &str| headers.get(name).with_context(|| format!("no {name}"));
    let key = STANDARD.decode(secret.trim_start_matches("whsec_"))?;
    let (id, at) = (header("webhook-id")?, header("webhook-timestamp")?);
    let signed = hmac_sha256(&key, &[id.as_bytes(), b".", at.as_bytes(), b".", body]);
    let expected = format!("v1,{}", STANDARD.encode(signed));
    ensure!(header("webhook-signature")?.split(' ').any(|one| one == expected), "webhook-signature is not ours");
    let plain = hmac_sha256(secret.as_bytes(), &[body]).map(|byte| format!("{byte:02x}")).concat();
    ensure!(*header("x-platform-signature")? == plain, "x-platform-signature is not ours");
    let event: Value = serde_json::from_slice(body)?;
    if event.get("id").and_then(Value::as_str) != Some(id) {
        bail!("webhook-id is not the event's");
    }
    Ok((id.clone(), event))
}
