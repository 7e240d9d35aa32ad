//! Receives webhooks. Crates: axum, serde_json, standardwebhooks, tokio.
//! `WEBHOOK_SECRET=whsec_… PORT=8090 cargo run --example receiver`

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Router, routing::post};
use serde_json::Value;
use standardwebhooks::Webhook;

/// In earnest both are tables, written in the transaction that does the work.
#[derive(Default)]
struct Known {
    handled: HashSet<String>,
    newest: HashMap<String, u64>,
}

type Receiver = Arc<(Webhook, Mutex<Known>)>;

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let (webhook, known) = receiver.as_ref();
    // Several signatures, 5 minutes of tolerance, constant time: the crate's work.
    let Ok(()) = webhook.verify(&body, &headers) else { return StatusCode::BAD_REQUEST };
    let Ok(event) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST };
    let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if known.handled.contains(id) {
        return StatusCode::NO_CONTENT;
    }
    let word = |at| event.pointer(at).and_then(Value::as_str).unwrap_or("-").to_owned();
    let session = word("/data/sessionId");
    let sequence = event.get("sequence").and_then(Value::as_u64).unwrap_or_default();
    if session == "-" || sequence > known.newest.get(&session).copied().unwrap_or_default() {
        println!("{} {session} {} {sequence}", word("/type"), word("/data/status")); // here the work is done
        known.newest.insert(session, sequence);
    }
    known.handled.insert(id.to_owned());
    StatusCode::NO_CONTENT
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let webhook = Webhook::new(&std::env::var("WEBHOOK_SECRET")?)?;
    let port: u16 = std::env::var("PORT").unwrap_or_else(|_| "8090".to_owned()).parse()?;
    let routes = Router::new().fallback(post(receive)).with_state(Arc::new((webhook, Mutex::default())));
    axum::serve(tokio::net::TcpListener::bind(("127.0.0.1", port)).await?, routes).await?;
    Ok(())
}
