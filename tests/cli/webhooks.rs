//! Webhook endpoints from the command line, and what a running watcher sends to them.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use sqlx::Executor;

use super::program::{Ended, MIGRATIONS, Program};
use super::support::Database;
use super::watching::{Watcher, ask};

const HOOKS: &str = "[webhooks]\nallow_http = true\nallowed_networks = [\"127.0.0.0/8\"]\nretry_after = [\"1h\"]\n";
const KEYED: &str = "[api]\nsealing_key = \"0707070707070707070707070707070707070707070707070707070707070707\"\n";

/// A program whose webhooks may go to this machine.
struct Shop {
    program: Program,
    database: Database,
}

impl Shop {
    async fn new() -> Shop {
        let database = Database::create(&MIGRATIONS).await;
        let program = Program::at(&database.url());
        program.file("hooks.toml", HOOKS);
        program.file("keyed.toml", &format!("{HOOKS}{KEYED}"));
        Shop { program, database }
    }

    fn arguments<'a>(file: &'a str, line: &'a str) -> Vec<&'a str> {
        let files = ["--config", "networks.toml", "--config", file];
        files.into_iter().chain(line.split_whitespace()).collect()
    }

    fn run(&self, line: &str) -> Ended {
        self.program.run(&Shop::arguments("keyed.toml", line))
    }

    fn json(&self, line: &str) -> Value {
        self.program.json(&Shop::arguments("keyed.toml", line))
    }

    fn watch(&self, file: &str) -> Watcher {
        Watcher::start(&self.program, &Shop::arguments(file, "watch"))
    }

    async fn open(&self, id: &'static str) {
        let insert = "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address)
            VALUES ($1, 1, 'USDC', 'anvil', '0x5fbdb2315678afecb367f032d93f642f64180aa3', '0xab')";
        sqlx::query(insert).bind(id).execute(&self.database.pool().await).await.unwrap();
    }

    /// The state of the only delivery, once it is this.
    fn delivery(&self, state: &str) -> Value {
        for _ in 0..150 {
            let listed = self.json("webhooks deliveries");
            if listed[0]["state"] == state {
                return listed[0].clone();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("never {state}: {}", self.json("webhooks deliveries"));
    }
}

/// Answers each request with this status and passes it on.
fn receiver(status: u16) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hooks?key=hunter2", listener.local_addr().unwrap());
    let (send, seen) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut text = String::new();
            let mut chunk = [0; 8_192];
            while !text.ends_with('}') {
                match stream.read(&mut chunk) {
                    Ok(got) if got > 0 => text.push_str(std::str::from_utf8(&chunk[..got]).unwrap()),
                    _ => break,
                }
            }
            let _ = write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            if send.send(text).is_err() {
                return;
            }
        }
    });
    (url, seen)
}

#[tokio::test]
async fn an_endpoint_is_made_listed_rotated_and_disabled() {
    let shop = Shop::new().await;
    let made = shop.json("webhooks create --url https://shop.example/hooks --event deposit.confirmed");
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert!(id.starts_with("we_") && id.len() == 35 && secret.starts_with("whsec_"), "{made}");
    let shown = shop.json(&format!("webhooks show {id}"));
    assert_eq!((&shown["url"], &shown["business_id"]), (&"https://shop.example/hooks".into(), &"default".into()));
    let rotated = shop.json(&format!("webhooks rotate {id}"));
    assert_ne!(rotated["secret"], made["secret"]);
    for output in ["text", "json", "csv"] {
        let listed = shop.run(&format!("webhooks list --business default --output {output}"));
        assert!(listed.code == 0 && listed.stdout.contains(id) && !listed.stdout.contains("whsec_"), "{listed:?}");
    }
    assert_eq!(shop.json(&format!("webhooks disable {id}"))["disabled_reason"], "asked");
    assert_eq!(shop.json(&format!("webhooks enable {id}"))["disabled_reason"], Value::Null);

    let refused = |line: &str, code| shop.run(line).reason(code);
    assert!(refused("webhooks create --url http://10.0.0.1/", 2).contains("--url: names an address"));
    assert!(
        refused("webhooks create --url https://shop.example --business nobody", 2).contains("no business \"nobody\"")
    );
    for words in [
        "create --url https://shop.example/ --business defalt",
        "list --business defalt",
        "deliveries --business defalt",
    ] {
        assert!(refused(&format!("webhooks {words}"), 2).contains("did you mean default?"), "{words}");
    }
    assert!(refused("webhooks show we_unknown", 1).contains("we_unknown"));
    assert!(refused("webhooks deliveries whd_unknown", 1).contains("whd_unknown"));
    assert!(refused("webhooks retry whd_unknown", 1).contains("whd_unknown"));
    assert_eq!(shop.run("webhooks create --url https://shop.example --event deposit.paid").code, 2);
    let keyless = shop.program.run(&Shop::arguments("hooks.toml", "webhooks create --url https://shop.example"));
    assert!(keyless.reason(78).contains("api.sealing_key"));
}

#[tokio::test]
async fn a_watcher_with_a_sealing_key_sends_and_shows_it() {
    let shop = Shop::new().await;
    let (url, seen) = receiver(200);
    shop.json(&format!("webhooks create --url {url}"));
    let mut watcher = shop.watch("keyed.toml");
    let admin = watcher.admin();
    shop.open("dep_cli").await;
    let sent = seen.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(sent.contains("\"type\":\"deposit.created\"") && sent.contains("dep_cli"), "{sent}");
    let line = shop.delivery("DELIVERED");
    let id = line["id"].as_str().unwrap();
    assert_eq!(shop.json(&format!("webhooks deliveries {id}"))["log"][0]["outcome"], "delivered");
    let metrics = ask(&admin, "/metrics");
    assert!(metrics.contains("\ndeposit_watcher_webhook_attempts_total{outcome=\"delivered\"} 1\n"), "{metrics}");
    let beats = metrics.lines().any(|line| {
        line.starts_with("deposit_watcher_task_heartbeat_timestamp_seconds{task=\"courier\"") && !line.ends_with(" 0")
    });
    assert!(beats, "{metrics}");
    assert_eq!(shop.json(&format!("webhooks retry {id}"))["state"], "WAITING");
    let again = seen.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(again.split("\r\n\r\n").nth(1), sent.split("\r\n\r\n").nth(1), "the same bytes");
    shop.delivery("DELIVERED");
    watcher.signal("TERM");
    let log = watcher.rest();
    assert!(log.iter().any(|line| line.contains("drained")), "{log:?}");
    assert!(!log.iter().any(|line| line.contains("hunter2") || line.contains("whsec_")), "{log:?}");
}

#[tokio::test]
async fn what_fails_is_told_by_id_and_counted() {
    let shop = Shop::new().await;
    let (url, seen) = receiver(410);
    let made = shop.json(&format!("webhooks create --url {url}"));
    let mut watcher = shop.watch("keyed.toml");
    watcher.until("watching");
    shop.open("dep_cli").await;
    seen.recv_timeout(Duration::from_secs(10)).unwrap();
    let told = watcher.until("a webhook endpoint answered 410 and is disabled");
    assert_eq!(told["endpoint"], made["id"]);
    assert!(!told.to_string().contains("127.0.0.1"), "{told}");
    let id = shop.delivery("DEAD")["id"].as_str().unwrap().to_owned();
    assert!(shop.run(&format!("webhooks retry {id}")).reason(1).contains("webhooks enable"));
}

#[tokio::test]
async fn a_watcher_without_a_sealing_key_says_that_it_sends_nothing() {
    let shop = Shop::new().await;
    let (url, seen) = receiver(200);
    shop.json(&format!("webhooks create --url {url}"));
    let mut watcher = shop.watch("hooks.toml");
    let told = watcher.until("api.sealing_key is not set: webhooks are kept and not sent from here");
    assert_eq!(told["endpoints"], 1);
    let admin = watcher.admin();
    shop.open("dep_cli").await;
    assert!(seen.recv_timeout(Duration::from_secs(2)).is_err(), "sent unsigned");
    assert!(!ask(&admin, "/metrics").contains("task=\"courier\""));
    let unsequenced: i64 = sqlx::query_scalar("SELECT count(*) FROM events WHERE sequence IS NULL")
        .fetch_one(&shop.database.pool().await)
        .await
        .unwrap();
    assert_eq!(unsequenced, 1);
    shop.database
        .pool()
        .await
        .execute("UPDATE webhook_endpoints SET disabled_at = now(), disabled_reason = 'asked'")
        .await
        .unwrap();
    let mut quiet = shop.watch("hooks.toml");
    quiet.until("watching");
    quiet.signal("TERM");
    assert!(!quiet.rest().iter().any(|line| line.contains("sealing_key")));
}
