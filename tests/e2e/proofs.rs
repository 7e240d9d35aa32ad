//! `verify = "receipts"` on a real chain: real receipts of every kind that anvil makes are proven, and an endpoint that
//! tells logs and receipts falsely confirms nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alloy::primitives::{Bytes, U256};
use axum::Router;
use axum::extract::State;
use deposit_watcher::chain::{Pool, transfer_input};
use deposit_watcher::domain::{Address, TxHash};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::rig::{Chain, Rig, Section, units, until};

const RECEIPTS: &str = "verify = \"receipts\"";

/// The blob of nothing but zeros has the point at infinity as commitment and proof; this is the hash that names it.
const BLOB: &str = "0x010657f37554c781402a22917dee2f75def7ab966d7b770905398eba3c444014";

/// What makes a transaction one of each kind, by its type.
fn kinds() -> [(&'static str, Value); 5] {
    let infinity = format!("0xc0{}", "00".repeat(47));
    let blob = format!("0x{}", "00".repeat(131_072));
    let fees = json!({ "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1" });
    let with = |more: Value| {
        let mut all = fees.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    // Signed by nobody: it authorises nothing, and the transaction is one of its kind all the same.
    let nobody = json!({ "chainId": "0x7a69", "address": Address::ZERO, "nonce": "0x0", "yParity": "0x0", "r": "0x1", "s": "0x1" });
    [
        ("0x0", json!({ "gasPrice": "0x77359400" })),
        ("0x1", json!({ "gasPrice": "0x77359400", "accessList": [{ "address": Address::ZERO, "storageKeys": [] }] })),
        ("0x2", fees.clone()),
        (
            "0x3",
            with(json!({ "maxFeePerBlobGas": "0x77359400", "blobVersionedHashes": [BLOB], "blobs": [blob],
                "commitments": [infinity], "proofs": [infinity] })),
        ),
        ("0x4", with(json!({ "authorizationList": [nobody] }))),
    ]
}

async fn send(chain: &Chain, from: Address, to: Option<Address>, data: Bytes, kind: &str, more: Value) -> TxHash {
    let mut tx = json!({ "from": from, "data": data, "gas": "0x60000", "type": kind });
    tx.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    if let Some(to) = to {
        tx["to"] = json!(to);
    }
    // Before its first blob anvil prepares for a while, on a busy machine for half a minute.
    let asked = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction", "params": [tx] }).to_string();
    let request = http().post(chain.anvil.url()).header("content-type", "application/json").body(asked);
    let answer = request.timeout(Duration::from_secs(180)).send().await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    serde_json::from_value(answer["result"].clone()).unwrap_or_else(|_| panic!("{kind}: {answer}"))
}

fn http() -> reqwest::Client {
    deposit_watcher::chain::install_tls();
    reqwest::Client::new()
}

/// One block with a payment by each kind of transaction, one that fails and one that creates a contract.
#[tokio::test]
async fn payments_by_every_kind_of_transaction_are_proven_and_confirm() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section().with(RECEIPTS)]).await;
    let mut process = rig.run().await;
    chain.evm.set_automine(false).await.unwrap();
    let mut sent = Vec::new();
    for (payer, (kind, more)) in kinds().into_iter().enumerate() {
        let (id, shop) = (format!("dep_{kind}"), chain.address());
        rig.open(&id, "5", &chain.usdc, shop).await;
        let pays = transfer_input(shop, units(5));
        sent.push((
            send(&chain, chain.payers[payer + 1], Some(chain.usdc.address), pays, kind, more).await,
            kind,
            "0x1",
        ));
    }
    let fails = transfer_input(chain.address(), units(u64::MAX / 2));
    sent.push((send(&chain, chain.payers[7], Some(chain.usdc.address), fails, "0x2", json!({})).await, "0x2", "0x0"));
    let creates = Bytes::from_static(&[0x60, 0x00, 0x60, 0x00, 0xf3]);
    sent.push((send(&chain, chain.payers[8], None, creates, "0x2", json!({})).await, "0x2", "0x1"));
    chain.evm.mine(1).await.unwrap();
    chain.evm.set_automine(true).await.unwrap();
    let mut block = Value::Null;
    for (hash, kind, status) in &sent {
        let receipt = chain.evm.request("eth_getTransactionReceipt", json!([hash])).await.unwrap();
        assert_eq!((receipt["type"].as_str(), receipt["status"].as_str()), (Some(*kind), Some(*status)), "{hash}");
        assert!(block.is_null() || block == receipt["blockHash"], "all in one block");
        block = receipt["blockHash"].clone();
    }
    chain.bury().await;
    for (kind, _) in kinds() {
        assert_eq!(rig.becomes(&format!("dep_{kind}"), "CONFIRMED").await.confirmed, "5", "{kind}");
    }
    assert_eq!(process.metrics().await.count("disputed_transfers", &[]), 0);
    rig.books_are_right().await;

    // The same block by the proof itself, and by the doctor on the newest ones.
    let settings = deposit_watcher::settings::load(&[rig.config()], std::iter::empty(), &[]).unwrap();
    let pool = Pool::connect(&settings.networks[0]).unwrap();
    let endpoint = pool.first().await.unwrap();
    let number = chain.evm.head().await.unwrap().block.number.minus(2);
    let header = endpoint.header(number).await.unwrap().unwrap();
    let proof = endpoint.proof(header.block, &[chain.usdc.address]).await.unwrap().unwrap();
    assert_eq!((proof.receipts, proof.logs.transfers.len(), proof.header), (7, 5, header));
    let checked = rig.command(&["check"]).await;
    assert!(checked.stdout.contains("proves block") && checked.stdout.contains("by its 7 receipts"), "{checked:?}");
    process.terminate().await;
}

/// In front of anvil: while it lies, each transfer to the shop is told as one of a hundred tokens, in logs and in
/// receipts alike.
struct Liar {
    url: String,
    lies: Arc<AtomicBool>,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
struct Tale {
    behind: String,
    shop: Address,
    lies: Arc<AtomicBool>,
    client: reqwest::Client,
}

impl Liar {
    async fn start(behind: String, shop: Address) -> Liar {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let lies = Arc::new(AtomicBool::new(true));
        let tale = Tale { behind, shop, lies: lies.clone(), client: http() };
        let router = Router::new().fallback(told).with_state(tale);
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Liar { url, lies, serving }
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn told(State(tale): State<Tale>, asked: String) -> ([(&'static str, &'static str); 1], String) {
    let request = tale.client.post(&tale.behind).header("content-type", "application/json").body(asked);
    let mut answer: Value = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
    if tale.lies.load(Ordering::Relaxed) {
        enlarge(&mut answer, tale.shop);
    }
    ([("content-type", "application/json")], answer.to_string())
}

/// Whatever is a log of a transfer to the shop, wherever it stands in an answer.
fn enlarge(value: &mut Value, shop: Address) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| enlarge(item, shop)),
        Value::Object(fields) => {
            let to_shop = fields.get("topics").is_some_and(|topics| topics[2] == json!(shop.into_word()));
            if to_shop {
                let units: U256 = units(100).0;
                fields["data"] = json!(Bytes::from(units.to_be_bytes::<32>()));
            }
            fields.values_mut().for_each(|field| enlarge(field, shop));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The reason for the setting: one endpoint, 1 paid, 100 told. Logs confirm what it tells, receipts never do.
#[tokio::test]
async fn an_endpoint_that_enlarges_a_payment_confirms_it_by_logs_and_never_by_receipts() {
    for (verify, lied) in [("verify = \"logs\"", "CONFIRMED"), (RECEIPTS, "PENDING")] {
        let chain = Chain::start().await;
        let shop = chain.address();
        let liar = Liar::start(chain.anvil.url(), shop).await;
        let section = Section::new(liar.url.clone(), std::slice::from_ref(&chain.usdc)).with(verify);
        let rig = Rig::new(&[section]).await;
        rig.open("dep_lied", "100", &chain.usdc, shop).await;
        let mut process = rig.run().await;
        chain.pay(1, shop, 1).await;
        rig.becomes("dep_lied", "PENDING").await;
        chain.bury().await;
        rig.scanned("anvil", &chain).await;
        if verify != RECEIPTS {
            assert_eq!(rig.becomes("dep_lied", lied).await.confirmed, "100", "nothing says otherwise");
            process.terminate().await;
            continue;
        }
        until("it is told", async || (!process.said("ERROR", "are in dispute").is_empty()).then_some(())).await;
        // The doctor sees what the endpoint does, and says what to do about it.
        let checked = rig.command(&["check"]).await;
        let finding = "finding  endpoint anvil.local: proves nothing of block";
        assert!(checked.code == 3 && checked.stdout.contains(finding), "{checked:?}");
        assert!(checked.stdout.contains("cure: if the network's other endpoints say the same"), "{checked:?}");
        chain.evm.mine(10).await.unwrap();
        rig.scanned("anvil", &chain).await;
        for _ in 0..3 {
            process.goes_round("anvil").await;
        }
        let shown = rig.shown("dep_lied").await;
        assert_eq!((shown.status.as_str(), shown.confirmed.as_str()), (lied, "0"));
        assert_eq!(process.metrics().await.count("disputed_transfers", &["network=\"anvil\""]), 1);
        assert_eq!(process.said("ERROR", "are in dispute").len(), 1, "told once, not in every step");

        liar.lies.store(false, Ordering::Relaxed);
        assert_eq!(rig.becomes("dep_lied", "UNDERPAID").await.confirmed, "1");
        let metrics = process.metrics().await;
        assert_eq!(metrics.count("second_look_corrections_total", &["kind=\"invented\""]), 1);
        rig.books_are_right().await;
        process.terminate().await;
    }
}

/// Where it is known that nothing can be proven, the setting is refused before anything runs.
#[tokio::test]
async fn chains_that_cannot_be_proven_refuse_the_setting() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[Section { chain_id: 80_002, ..chain.section() }.with(RECEIPTS)]).await;
    for command in ["run", "watch", "check"] {
        let output = rig.command(&[command]).await;
        assert_eq!(output.code, 78, "{output:?}");
        let told = "networks.anvil.verify: is receipts, which chain 80002 cannot prove: its nodes list receipts of state syncs";
        assert!(output.stderr.contains(told), "{}", output.stderr);
    }
}
