//! A shop that listens for webhooks: what comes is verified by a library that is not ours, kept, and answered; or, while
//! it is deaf to a type, taken and never answered, so that a process can be killed between commit and delivery.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep};

use super::until;

/// The listener; it ends with this value.
pub(crate) struct Shop {
    at: SocketAddr,
    inside: Arc<Mutex<Inside>>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Inside {
    secret: String,
    deaf_to: Option<&'static str>,
    /// Answered with 204.
    accepted: Vec<Event>,
    /// Taken and never answered.
    swallowed: Vec<Event>,
}

/// A delivery whose signature was right.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) body: String,
}

impl Event {
    /// Its JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Shop {
    /// Listens on a free port.
    pub(crate) async fn open() -> Shop {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (at, inside) = (listener.local_addr().unwrap(), Arc::<Mutex<Inside>>::default());
        let shared = inside.clone();
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answer(stream, shared.clone()));
            }
        });
        Shop { at, inside, serving }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks", self.at)
    }

    /// The endpoint's secret.
    pub(crate) fn trust(&self, secret: &str) {
        secret.clone_into(&mut self.inside.lock().unwrap().secret);
    }

    /// From now on it takes events of this type and does not answer; `None`: it answers all.
    pub(crate) fn deaf_to(&self, kind: Option<&'static str>) {
        self.inside.lock().unwrap().deaf_to = kind;
    }

    /// Types accepted so far.
    pub(crate) fn accepted(&self) -> Vec<String> {
        self.inside.lock().unwrap().accepted.iter().map(|event| event.kind.clone()).collect()
    }

    /// All that was accepted, in the order in which it came.
    pub(crate) fn all(&self) -> Vec<Event> {
        self.inside.lock().unwrap().accepted.clone()
    }

    /// Waits for an event of this type to be accepted.
    pub(crate) async fn hears(&self, kind: &str) -> Event {
        until(&format!("{kind} is heard"), async || {
            self.inside.lock().unwrap().accepted.iter().find(|event| event.kind == kind).cloned()
        })
        .await
    }

    /// Waits for one that it took and did not answer.
    pub(crate) async fn swallows(&self) -> Event {
        until("an event is swallowed", async || self.inside.lock().unwrap().swallowed.first().cloned()).await
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(mut stream: TcpStream, inside: Arc<Mutex<Inside>>) {
    let mut bytes = Vec::new();
    let mut part = [0; 4_096];
    let (head, body) = loop {
        let count = stream.read(&mut part).await.unwrap();
        assert!(count > 0, "the request broke off");
        bytes.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break (head.to_owned(), body.to_owned());
        }
    };
    let header = |name: &str| {
        let line = |line: &str| {
            line.split_once(": ").filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|x| x.1.to_owned())
        };
        head.lines().find_map(line).unwrap_or_default()
    };
    let headers = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let headers: reqwest::header::HeaderMap = headers
        .iter()
        .map(|name| (reqwest::header::HeaderName::from_static(name), header(name).parse().unwrap()))
        .collect();
    let secret = inside.lock().unwrap().secret.clone();
    Webhook::new(&secret).unwrap().verify(body.as_bytes(), &headers).expect("the signature is right");
    let kind = serde_json::from_str::<Value>(&body).unwrap()["type"].as_str().unwrap().to_owned();
    let event = Event { id: header("webhook-id"), kind, body };
    let deaf = {
        let mut inside = inside.lock().unwrap();
        let deaf = inside.deaf_to == Some(event.kind.as_str());
        if deaf {
            inside.swallowed.push(event)
        } else {
            inside.accepted.push(event)
        }
        deaf
    };
    if deaf {
        // Until the sender is gone.
        sleep(Duration::from_secs(60)).await;
    }
    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
}
