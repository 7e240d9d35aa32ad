//! `reconcile` on an endpoint that hides logs, keeps no state, or answers only when we have gone back meanwhile.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use deposit_watcher::domain::Address;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{UNSEEN, kinds, paid, reconcile, tamper};
use crate::rig::{Chain, Rig, Section, until};

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// As the node behind it.
    Truly,
    /// Without the logs of transfers to this address.
    Hiding(Address),
    /// No call of a contract, as a node that has pruned its states.
    WithoutState,
    /// Not before it is told to.
    Slowly,
}

/// An endpoint before a node.
struct Liar {
    url: String,
    tale: Tale,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
struct Tale {
    behind: String,
    manner: Arc<watch::Sender<Manner>>,
    asked: Arc<Mutex<bool>>,
    client: reqwest::Client,
}

impl Liar {
    async fn start(behind: String) -> Liar {
        deposit_watcher::chain::install_tls();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (manner, asked) = (Arc::new(watch::Sender::new(Manner::Truly)), Arc::default());
        let tale = Tale { behind, manner, asked, client: reqwest::Client::new() };
        let router = Router::new().fallback(told).with_state(tale.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Liar { url, tale, serving }
    }

    fn answers(&self, manner: Manner) {
        *self.tale.asked.lock().unwrap() = false;
        self.tale.manner.send_replace(manner);
    }

    fn was_asked(&self) -> bool {
        *self.tale.asked.lock().unwrap()
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn told(State(tale): State<Tale>, asked: String) -> ([(&'static str, &'static str); 1], String) {
    *tale.asked.lock().unwrap() = true;
    let manner = *tale.manner.subscribe().wait_for(|manner| *manner != Manner::Slowly).await.unwrap();
    let request = tale.client.post(&tale.behind).header("content-type", "application/json").body(asked.clone());
    let mut answer: Value = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
    match manner {
        Manner::Truly | Manner::Slowly => {}
        Manner::Hiding(shop) => hide(&mut answer, shop),
        Manner::WithoutState => {
            let asked: Value = serde_json::from_str(&asked).unwrap();
            refuse(&asked, &mut answer);
        }
    }
    ([("content-type", "application/json")], answer.to_string())
}

/// No list holds a log of a transfer to the shop.
fn hide(value: &mut Value, shop: Address) {
    let to_shop = |item: &Value| item["topics"].get(2).is_some_and(|topic| *topic == json!(shop.into_word()));
    match value {
        Value::Array(items) => {
            items.retain(|item| !to_shop(item));
            items.iter_mut().for_each(|item| hide(item, shop));
        }
        Value::Object(fields) => fields.values_mut().for_each(|field| hide(field, shop)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Calls have no answer; the others have theirs.
fn refuse(asked: &Value, answer: &mut Value) {
    let batch = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    let calls: Vec<Value> =
        batch(asked).into_iter().filter(|one| one["method"] == "eth_call").map(|one| one["id"].clone()).collect();
    let refused = |one: &mut Value| {
        if calls.contains(&one["id"]) {
            let error = json!({ "code": -32000, "message": "missing trie node" });
            *one = json!({ "jsonrpc": "2.0", "id": one["id"], "error": error });
        }
    };
    if let Some(items) = answer.as_array_mut() { items.iter_mut().for_each(refused) } else { refused(answer) }
}

#[tokio::test]
async fn who_has_it_as_it_is_here_is_named() {
    let chain = Chain::start().await;
    let liar = Liar::start(chain.anvil.url()).await;
    let rig = Rig::new(&[Section { spare: Some(liar.url.clone()), ..chain.section() }]).await;
    paid(&chain, &rig).await;
    let shop: Address =
        rig.texts("SELECT to_address FROM transfers WHERE session_id = 'dep_one'").await[0].parse().unwrap();
    tamper(&rig, UNSEEN).await;
    liar.answers(Manner::Hiding(shop));
    let (code, report) = reconcile(&rig, &[]).await;
    let line = &report["differences"][0];
    assert_eq!((code, kinds(&report)), (3, vec!["missing_here"]), "{report}");
    assert_eq!((&line["told_by"], &line["denied_by"]), (&json!(["local"]), &json!(["spare"])), "{report}");
    let text = rig.command(&["reconcile", "--network", "anvil"]).await;
    assert!(text.stdout.contains("; spare says as it is here\n"), "{text:?}");
}

#[tokio::test]
async fn balances_of_a_node_without_states_are_75() {
    let chain = Chain::start().await;
    let liar = Liar::start(chain.anvil.url()).await;
    let rig = Rig::new(&[Section::new(liar.url.clone(), std::slice::from_ref(&chain.usdc))]).await;
    paid(&chain, &rig).await;
    liar.answers(Manner::WithoutState);
    let ended = rig.command(&["reconcile", "--network", "anvil", "--balances", "--timeout", "2s"]).await;
    let cure = "ask an endpoint that keeps old states by --endpoint, or leave --balances";
    assert!(ended.code == 75 && ended.stderr.contains(cure) && ended.stdout.is_empty(), "{ended:?}");
    assert_eq!(rig.number("SELECT count(*) FROM reconciliations").await, 0);
    assert_eq!(reconcile(&rig, &[]).await.0, 0);
}

/// What is compared while the network goes back would differ from a chain that it has left.
#[tokio::test]
async fn a_network_that_goes_back_meanwhile_is_75() {
    let chain = Chain::start().await;
    let liar = Liar::start(chain.anvil.url()).await;
    let rig = Rig::new(&[Section::new(liar.url.clone(), std::slice::from_ref(&chain.usdc))]).await;
    paid(&chain, &rig).await;
    for (back, forth) in [
        (
            "UPDATE networks SET confirmed_number = confirmed_number - 1",
            "UPDATE networks SET confirmed_number = confirmed_number + 1",
        ),
        (
            "UPDATE blocks SET canonical = false WHERE number >= (SELECT confirmed_number FROM networks)",
            "UPDATE blocks SET canonical = true WHERE NOT canonical",
        ),
    ] {
        liar.answers(Manner::Slowly);
        let meanwhile = async {
            until("it has begun", async || liar.was_asked().then_some(())).await;
            tamper(&rig, back).await;
            liar.answers(Manner::Truly);
        };
        let (ended, ()) = tokio::join!(rig.command(&["reconcile", "--network", "anvil"]), meanwhile);
        assert!(ended.code == 75 && ended.stderr.contains("went back while it was compared"), "{back}: {ended:?}");
        tamper(&rig, forth).await;
    }
    assert_eq!(rig.number("SELECT count(*) FROM reconciliations").await, 0);
    assert_eq!(reconcile(&rig, &[]).await.0, 0);
}
