//! `pay`: each deed drives a session to the state that it should have, and nothing is sent where real money may be.

use deposit_watcher::demo::Evm;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::rig::{Chain, Output, Rig, Section, units, until};

/// A deed that is done: what it printed as JSON.
async fn pay(rig: &Rig, words: &[&str]) -> Value {
    let output = rig.command(&[&["pay"], words, &["--output", "json"]].concat()).await;
    assert_eq!(output.code, 0, "{words:?} {}", output.stderr);
    serde_json::from_str(&output.stdout).unwrap()
}

/// One that is not: the exit code, and the one line on stderr.
async fn refused(rig: &Rig, words: &[&str]) -> (i32, String) {
    let Output { code, stdout, stderr } = rig.command(&[&["pay"], words].concat()).await;
    assert_eq!(stdout, "", "{words:?}");
    (code, stderr.lines().last().unwrap_or_default().to_owned())
}

fn tx(done: &Value, index: usize) -> String {
    done["paid"][index]["tx_hash"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn exactly_or_less_and_then_the_rest() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    rig.open("dep_exact", "12.5", &chain.usdc, chain.address()).await;
    rig.open("dep_less", "5", &chain.usdc, chain.address()).await;
    let mut process = rig.run().await;
    rig.scanned("anvil", &chain).await;

    let done = pay(&rig, &["dep_exact"]).await;
    let seen = rig.becomes("dep_exact", "PENDING").await;
    assert_eq!((seen.tx, seen.received.as_str()), (Some(tx(&done, 0)), "12.5"));
    assert_eq!((&done["deed"], &done["block"]), (&"exact".into(), &done["paid"][0]["block"]));
    let head = chain.evm.head().await.unwrap().block.number.0;
    assert_eq!(pay(&rig, &["dep_exact", "--mine", "2"]).await["block"], head + 2);
    rig.becomes("dep_exact", "CONFIRMED").await;
    let (code, why) = refused(&rig, &["dep_exact"]).await;
    assert!(code == 1 && why.contains("nothing is missing"), "{why}");

    pay(&rig, &["dep_less", "--less"]).await;
    rig.becomes("dep_less", "PENDING").await;
    pay(&rig, &["dep_less", "--mine", "2"]).await;
    assert_eq!(rig.becomes("dep_less", "UNDERPAID").await.confirmed, "2.5");
    pay(&rig, &["dep_less"]).await;
    pay(&rig, &["dep_less", "--mine", "2"]).await;
    assert_eq!(rig.becomes("dep_less", "CONFIRMED").await.confirmed, "5");
    assert_eq!(rig.events("dep_less").await, ["created", "pending", "underpaid", "pending", "confirmed"]);
    rig.books_are_right().await;
    process.terminate().await;
}

#[tokio::test]
async fn more_or_any_amount_or_twice() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    for id in ["dep_more", "dep_any", "dep_twice"] {
        rig.open(id, "5", &chain.usdc, chain.address()).await;
    }
    let mut process = rig.run().await;
    rig.scanned("anvil", &chain).await;
    pay(&rig, &["dep_more", "--more"]).await;
    pay(&rig, &["dep_any", "--amount", "7.25"]).await;
    let twice = pay(&rig, &["dep_twice", "--twice"]).await;
    pay(&rig, &["dep_more", "--mine", "3"]).await;
    assert_eq!(rig.becomes("dep_more", "OVERPAID").await.confirmed, "5.5");
    assert_eq!(rig.becomes("dep_any", "OVERPAID").await.confirmed, "7.25");
    assert_eq!(rig.becomes("dep_twice", "CONFIRMED").await.tx, Some(tx(&twice, 0)));
    rig.settles(tx(&twice, 1), "CONFIRMED", Some("already_paid")).await;
    // Where it is paid already, once more is the second time.
    let again = pay(&rig, &["dep_twice", "--twice"]).await;
    assert_eq!((again["paid"].as_array().unwrap().len(), &again["paid"][0]["amount"]), (1, &"5".into()));
    pay(&rig, &["dep_twice", "--mine", "2"]).await;
    rig.settles(tx(&again, 0), "CONFIRMED", Some("already_paid")).await;
    rig.books_are_right().await;
    process.terminate().await;
}

#[tokio::test]
async fn late() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    rig.open("dep_late", "5", &chain.usdc, chain.address()).await;
    let mut process = rig.run().await;
    rig.scanned("anvil", &chain).await;
    let done = pay(&rig, &["dep_late", "--late"]).await;
    assert!(done["advanced_seconds"].as_u64().unwrap() > 600, "{done}");
    rig.becomes("dep_late", "EXPIRED").await;
    pay(&rig, &["dep_late", "--mine", "2"]).await;
    rig.settles(tx(&done, 0), "CONFIRMED", Some("late")).await;
    assert_eq!(rig.shown("dep_late").await.status, "EXPIRED");
    // The time is past already.
    assert_eq!(pay(&rig, &["dep_late", "--late"]).await["advanced_seconds"], 0);
    rig.books_are_right().await;
    process.terminate().await;
}

#[tokio::test]
async fn a_payment_is_undone_seen_or_confirmed() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    rig.open("dep_undone", "5", &chain.usdc, chain.address()).await;
    let mut process = rig.run().await;
    rig.scanned("anvil", &chain).await;
    let (code, why) = refused(&rig, &["dep_undone", "--reorganise"]).await;
    assert!(code == 1 && why.contains("no payment on the chain"), "{why}");

    let paid = pay(&rig, &["dep_undone"]).await;
    rig.becomes("dep_undone", "PENDING").await;
    pay(&rig, &["dep_undone", "--mine", "1"]).await;
    let undone = pay(&rig, &["dep_undone", "--reorganise"]).await;
    assert_eq!((&undone["replaced"], &undone["undone"]), (&2.into(), &paid["paid"][0]["tx_hash"]));
    let gone = until("it is gone", async || Some(rig.shown("dep_undone").await).filter(|it| it.tx.is_none())).await;
    assert_eq!((gone.status.as_str(), gone.received.as_str()), ("PENDING", "0"));

    pay(&rig, &["dep_undone"]).await;
    pay(&rig, &["dep_undone", "--mine", "3"]).await;
    rig.becomes("dep_undone", "CONFIRMED").await;
    rig.scanned("anvil", &chain).await;
    // Too shallow: other blocks, the same payment.
    let shallow = pay(&rig, &["dep_undone", "--reorganise", "2"]).await;
    assert_eq!((&shallow["replaced"], &shallow["undone"]), (&2.into(), &Value::Null));
    rig.scanned("anvil", &chain).await;
    assert_eq!(pay(&rig, &["dep_undone", "--reorganise", "4"]).await["replaced"], 4);
    rig.becomes("dep_undone", "PENDING").await;
    assert_eq!(rig.events("dep_undone").await.last().unwrap(), "reverted");
    rig.books_are_right().await;
    process.terminate().await;
}

#[tokio::test]
async fn no_reorganisation_that_would_halt_the_network() {
    let chain = Chain::start_with(&["--slots-in-an-epoch", "4"]).await;
    let rig = Rig::new(&[Section { finality: "\"finalized\"", ..chain.section() }]).await;
    rig.open("dep_final", "5", &chain.usdc, chain.address()).await;
    let mut process = rig.run().await;
    rig.scanned("anvil", &chain).await;
    pay(&rig, &["dep_final"]).await;
    pay(&rig, &["dep_final", "--mine", "8"]).await;
    rig.becomes("dep_final", "CONFIRMED").await;
    let (code, why) = refused(&rig, &["dep_final", "--reorganise"]).await;
    assert!(code == 1 && why.contains("only the newest 8 blocks are not `finalized` yet"), "{why}");
    assert_eq!(pay(&rig, &["dep_final", "--reorganise", "8"]).await["replaced"], 8);
    rig.scanned("anvil", &chain).await;
    assert_eq!(rig.shown("dep_final").await.status, "CONFIRMED");
    process.terminate().await;

    rig.configure(&[chain.section().with("reorg_window = 4")]);
    let (code, why) = refused(&rig, &["dep_final", "--reorganise", "5"]).await;
    assert!(code == 1 && why.contains("5 blocks are more than reorg_window (4)"), "{why}");
}

#[tokio::test]
async fn a_chain_that_does_not_mine_by_itself_and_accounts_without_tokens() {
    let chain = Chain::start().await;
    // By WebSocket, for once.
    let rig = Rig::new(&[Section { url: chain.anvil.ws_url(), ..chain.section() }]).await;
    rig.open("dep_rich", "99000000.000001", &chain.usdc, chain.address()).await;
    let mut process = rig.run().await;
    rig.scanned("anvil", &chain).await;
    chain.evm.set_automine(false).await.unwrap();
    let done = pay(&rig, &["dep_rich"]).await;
    assert!(done["paid"][0]["block"].is_u64(), "{done}");
    rig.becomes("dep_rich", "PENDING").await;
    let text = rig.command(&["pay", "dep_rich", "--mine", "2"]).await;
    assert!(text.stdout.starts_with("mined 2 blocks\nanvil is at block "), "{text:?}");
    assert_eq!(rig.becomes("dep_rich", "CONFIRMED").await.confirmed, "99000000.000001");
    rig.books_are_right().await;
    process.terminate().await;
}

#[tokio::test]
async fn nothing_is_sent_where_it_should_not_be() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    rig.open("dep_here", "5", &chain.usdc, chain.address()).await;
    let mut process = rig.run().await;
    rig.scanned("anvil", &chain).await;
    process.terminate().await;
    let head = chain.evm.head().await.unwrap().block;

    let (code, why) = refused(&rig, &["dep_nowhere"]).await;
    assert!(code == 2 && why.contains("no session \"dep_nowhere\"; did you mean dep_here?"), "{why}");
    for (words, flag) in [
        (&["dep_here", "--amount", "0.0000001"], "--amount: has more decimals"),
        (&["dep_here", "--amount", "0"], "--amount: must"),
    ] {
        let (code, why) = refused(&rig, words).await;
        assert!(code == 2 && why.contains(flag), "{why}");
    }
    assert_eq!(refused(&rig, &["dep_here", "--mine", "1001"]).await.0, 2);
    let (code, why) = refused(&rig, &["dep_here", "--reorganise", "64"]).await;
    assert!(code == 1 && why.contains("the chain has only"), "{why}");

    rig.configure(&[chain.section().with("max_clock_drift = \"1m\"")]);
    let (code, why) = refused(&rig, &["dep_here", "--late"]).await;
    assert!(code == 1 && why.contains("more than max_clock_drift (1m)"), "{why}");
    let real = Section { chain_id: 424_242, ..chain.section() };
    rig.configure(std::slice::from_ref(&real));
    let (code, why) = refused(&rig, &["dep_here"]).await;
    assert!(code == 1 && why.contains("network anvil carries real money"), "{why}");
    rig.configure(&[real.with("testnet = true")]);
    let (code, why) = refused(&rig, &["dep_here"]).await;
    assert!(
        code == 1 && why.contains("endpoint local serves chain 31337 instead of 424242; nothing was sent"),
        "{why}"
    );
    rig.configure(&[Section { slug: "other".to_owned(), ..chain.section() }]);
    let (code, why) = refused(&rig, &["dep_here"]).await;
    assert!(code == 1 && why.contains("network anvil is not worked here"), "{why}");
    rig.configure(&[Section { tokens: Vec::new(), ..chain.section() }]);
    let (code, why) = refused(&rig, &["dep_here"]).await;
    assert!(code == 1 && why.contains("token is not configured"), "{why}");
    rig.configure(&[Section { url: "http://127.0.0.1:1".to_owned(), ..chain.section() }]);
    let (code, why) = refused(&rig, &["dep_here"]).await;
    assert!(code == 75 && why.contains("endpoint local: eth_chainId: cannot be connected to"), "{why}");

    assert_eq!(chain.evm.head().await.unwrap().block, head);
}

#[tokio::test]
async fn a_node_is_asked_who_it_is_before_it_is_asked_to_pay() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    rig.open("dep_here", "5", &chain.usdc, chain.address()).await;
    let mut process = rig.run().await;
    rig.scanned("anvil", &chain).await;
    process.terminate().await;
    for (chain_id, accounts, why) in [
        ("0x1", "[]", "serves chain 1, which carries real money; nothing was sent"),
        ("0x7a69", "[]", "has no unlocked accounts to pay from"),
    ] {
        let node = Scripted::start(chain_id, accounts).await;
        rig.configure(&[Section { url: node.url.clone(), ..chain.section() }]);
        let (code, told) = refused(&rig, &["dep_here"]).await;
        assert!(code == 1 && told.contains(why), "{told}");
        assert!(!node.asked().iter().any(|method| method.starts_with("eth_send")), "{:?}", node.asked());
    }
    // One that has accounts and none of anvil's methods.
    let node = Scripted::start("0x7a69", &format!("[\"{}\"]", chain.payers[0])).await;
    rig.configure(&[Section { url: node.url.clone(), ..chain.section() }]);
    let (_, told) = refused(&rig, &["dep_here"]).await;
    assert!(told.contains("cannot make some: only anvil can (anvil_dealERC20)"), "{told}");
    let (_, told) = refused(&rig, &["dep_here", "--reorganise", "1"]).await;
    assert!(told.contains("cannot replace blocks: only anvil can (anvil_reorg)"), "{told}");
    let (_, told) = refused(&rig, &["dep_here", "--mine", "1"]).await;
    assert!(told.contains("only test nodes such as anvil mine when told to"), "{told}");

    // The next endpoint that has accounts is taken.
    let none = Scripted::start("0x7a69", "[]").await;
    let both = Section { url: none.url.clone(), spare: Some(chain.anvil.url()), ..chain.section() };
    rig.configure(&[both]);
    assert_eq!(pay(&rig, &["dep_here"]).await["paid"][0]["amount"], "5");
    let evm = Evm::new(chain.anvil.url()).unwrap();
    let to: String =
        sqlx::query_scalar("SELECT deposit_address FROM deposit_sessions").fetch_one(&rig.pool).await.unwrap();
    assert_eq!(evm.balance(chain.usdc.address, to.parse().unwrap()).await.unwrap(), units(5));
}

/// A node of few words: who it is, its accounts, a block, nobody's money; nothing else.
struct Scripted {
    url: String,
    asked: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Scripted {
    async fn start(chain_id: &str, accounts: &str) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = std::sync::Arc::<std::sync::Mutex<Vec<String>>>::default();
        let (kept, chain_id, accounts) = (asked.clone(), format!("\"{chain_id}\""), accounts.to_owned());
        let serving = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = Vec::new();
                let call: Value = loop {
                    let mut part = [0; 4_096];
                    let count = stream.read(&mut part).await.unwrap();
                    assert!(count > 0, "the request broke off");
                    bytes.extend_from_slice(&part[..count]);
                    let text = String::from_utf8_lossy(&bytes);
                    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
                    if let Some(call) = body.and_then(|body| serde_json::from_str(&body).ok()) {
                        break call;
                    }
                };
                let method = call["method"].as_str().unwrap();
                kept.lock().unwrap().push(method.to_owned());
                let zero = format!("\"0x{}\"", "0".repeat(64));
                let block =
                    format!("{{\"number\":\"0x9\",\"hash\":{zero},\"parentHash\":{zero},\"timestamp\":\"0x1\"}}");
                let said = match method {
                    "eth_chainId" => format!("\"result\":{chain_id}"),
                    "eth_accounts" => format!("\"result\":{accounts}"),
                    "eth_call" => format!("\"result\":{zero}"),
                    "eth_getBlockByNumber" => format!("\"result\":{block}"),
                    _ => "\"error\":{\"code\":-32601,\"message\":\"the method it names does not exist/is not available\"}".to_owned(),
                };
                let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":{},{said}}}", call["id"]);
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length:";
                let _ = stream.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes()).await;
            }
        });
        Scripted { url, asked, serving }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
