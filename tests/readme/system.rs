//! What documented commands are run against: two chains, PostgreSQL, the binary as `run`, and whatever an operator may have to
//! look at: sessions paid, part-paid and open, money without an owner, a delivery that is dead, last months' books. And
//! what the names and numbers in documents stand for there.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use chrono::{Months, Utc};
use serde_json::Value;
use sqlx::Executor;

use super::rig::{Chain, Process, Rig, Section, until};
use super::support::Database;

/// Nobody ever listens there.
const NOBODY: &str = "http://127.0.0.1:1/hooks";
/// Public keys of RFC 8032, 7.1.
const PUBLIC_KEYS: [(&str, &str); 2] = [
    ("public.pem", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"),
    ("new.pem", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"),
];
/// The transactions that documents print.
const PRINTED: [&str; 2] = [
    "0x1f0000000000000000000000000000000000000000000000000000000000aa01",
    "0x7f9fade1c0d57a7af66ab4ead79fade1c0d57a7af66ab4ead7c2c2eb7b11a913",
];
/// So deep a reorganisation is followed; a deeper one halts.
const WINDOW: u64 = 8;

/// What a word of a document stands for.
#[derive(Debug)]
pub(crate) struct Stand {
    /// In commands of ours that begin so.
    pub(crate) begins: &'static str,
    pub(crate) printed: &'static str,
    pub(crate) means: String,
}

/// It all ends with this value.
pub(crate) struct System {
    pub(crate) process: Process,
    pub(crate) rig: Rig,
    pub(crate) stands: Vec<Stand>,
    pub(crate) url: String,
    pub(crate) admin: SocketAddr,
    polygon: Chain,
    anvil: Chain,
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// What a command of ours made or lists.
async fn asked(rig: &Rig, words: &[&str]) -> Value {
    let output = rig.command(&[words, &["--output", "json"]].concat()).await;
    assert_eq!(output.code, 0, "{words:?}: {}", output.stderr);
    serde_json::from_str(&output.stdout).unwrap()
}

async fn made(rig: &Rig, words: &[&str]) -> String {
    asked(rig, words).await["id"].as_str().unwrap().to_owned()
}

impl System {
    pub(crate) async fn start() -> System {
        let anvil = Chain::start().await;
        let mut polygon = Chain::start_with(&["--chain-id", "31338"]).await;
        polygon.usdc = polygon.usdc.clone().of("polygon");
        let section = Section { chain_id: 31_338, ..polygon.section() };
        let section = section.with("testnet = true").with(&format!("reorg_window = {WINDOW}"));
        let database = Database::create(&deposit_watcher::store::MIGRATIONS).await;
        let rig = Rig::on(database.pool().await, &database.url(), &[anvil.section(), section]);
        let (http, admin) = (free(), free());
        let config = fs::read_to_string(rig.config()).unwrap();
        let config = config.replacen("[admin]\nlisten = \"127.0.0.1:0\"", &format!("[admin]\nlisten = \"{admin}\""), 1);
        let config = config.replacen("[http]\nlisten = \"127.0.0.1:0\"", &format!("[http]\nlisten = \"{http}\""), 1);
        // One attempt, one more, and a delivery is dead.
        fs::write(rig.config(), config.replacen("[webhooks]\n", "[webhooks]\nretry_after = [\"10ms\"]\n", 1)).unwrap();
        made(&rig, &["webhooks", "create", "--url", NOBODY]).await;
        let process = rig.run().await;
        process.is_ready().await;
        let stands = places(http, admin, &database.url());
        let url = database.url();
        let mut system = System { process, rig, stands, url, admin, polygon, anvil };
        system.open_and_pay().await;
        system.register().await;
        system.last_months_books().await;
        system
    }

    fn add(&mut self, begins: &'static str, printed: &'static str, means: impl Into<String>) {
        self.stands.push(Stand { begins, printed, means: means.into() });
    }

    /// Sessions in every state that can be had without waiting, and five payments that nobody expected.
    async fn open_and_pay(&mut self) {
        let (rig, polygon) = (&self.rig, &self.polygon);
        let [shop, less, seen] = [(); 3].map(|()| polygon.address());
        for (id, amount, to) in [("dep_paid", "5", shop), ("dep_less", "9", less), ("dep_seen", "7", seen)] {
            rig.open(id, amount, &polygon.usdc, to).await;
        }
        rig.open("dep_open", "3", &polygon.usdc, polygon.address()).await;
        for id in ["dep_pay", "dep_other"] {
            rig.open(id, "6", &self.anvil.usdc, self.anvil.address()).await;
        }
        rig.scanned("polygon", polygon).await;
        polygon.pay(1, shop, 5).await;
        let mut nobodys = Vec::new();
        for payer in 2..7 {
            nobodys.push(polygon.pay(payer, shop, 5).await.hash.to_string());
        }
        polygon.pay(1, less, 4).await;
        polygon.evm.mine(WINDOW).await.unwrap();
        rig.becomes("dep_paid", "CONFIRMED").await;
        rig.becomes("dep_less", "UNDERPAID").await;
        for tx in &nobodys {
            rig.settles(tx, "CONFIRMED", Some("already_paid")).await;
        }
        rig.open("dep_owed", "100", &polygon.usdc, shop).await;
        polygon.pay(1, seen, 7).await;
        rig.becomes("dep_seen", "PENDING").await;

        let first = rig.number("SELECT first_number + 1 FROM networks WHERE slug = 'polygon'").await.to_string();
        let last = rig.number("SELECT confirmed_number FROM networks WHERE slug = 'polygon'").await.to_string();
        let [finance, runbook] = PRINTED;
        let deeds = [
            ("transfers assign", finance),
            ("transfers refund", finance),
            ("transfers assign", runbook),
            ("transfers refund", runbook),
            ("transfers", runbook),
        ];
        for ((begins, printed), tx) in deeds.into_iter().zip(nobodys) {
            self.add(begins, printed, tx);
        }
        // Each payment is alone in its block.
        self.add("transfers", "12", "0");
        self.add("transfers assign", "dep_5f3e9a", "dep_owed");
        self.add("sessions show", "dep_5f3e9a", "dep_paid");
        self.add("sessions cancel", "dep_5f3e9a", "dep_open");
        self.add("pay", "dep_5f3e9a", "dep_pay");
        self.add("pay", "SESSION", "dep_other");
        for (printed, means) in [("70000000", &first), ("70001000", &last), ("70043200", &last), ("B", &first)] {
            self.add("", printed, means);
        }
        self.add("", "N", "polygon");
    }

    /// Who may open sessions, and who is told.
    async fn register(&mut self) {
        let rig = &self.rig;
        made(rig, &["businesses", "create", "shop", "--name", "The shop"]).await;
        let widget = made(rig, &["widgets", "create", "--business", "shop", "--name", "till"]).await;
        let endpoint = made(rig, &["webhooks", "create", "--url", NOBODY]).await;
        let mut keys = Vec::new();
        for (name, hexadecimal) in PUBLIC_KEYS {
            let path = rig.config().with_file_name(name);
            fs::write(&path, hexadecimal).unwrap();
            keys.push(made(rig, &["api-keys", "create", "--name", name, "--public-key", path.to_str().unwrap()]).await);
        }
        let shared = made(rig, &["api-keys", "create", "--name", "shared"]).await;
        let delivery = until("a delivery is dead", async || {
            let dead = asked(rig, &["webhooks", "deliveries", "--state", "DEAD"]).await;
            dead[0]["id"].as_str().map(str::to_owned)
        })
        .await;
        // A name that is free.
        for command in ["businesses create", "businesses disable", "businesses enable"] {
            self.add(command, "shop", "another");
        }
        self.add("api-keys rotate key_5f3e9a --public-key", "key_5f3e9a", &keys[0]);
        self.add("api-keys disable", "key_5f3e9a", &keys[1]);
        self.add("api-keys rotate", "key_5f3e9a", shared);
        for printed in ["wid_5f3e9a", "wid_…"] {
            self.add("", printed, &widget);
        }
        for printed in ["whd_5f3e9a", "whd_..."] {
            self.add("", printed, &delivery);
        }
        self.add("", "we_5f3e9a", endpoint);
    }

    /// What was booked until now was booked two months ago.
    async fn last_months_books(&mut self) {
        let now = Utc::now();
        let month = |ago| now.checked_sub_months(Months::new(ago)).unwrap().format("%Y-%m").to_string();
        let mut connection = self.rig.pool.acquire().await.unwrap();
        connection.execute("SET session_replication_role = replica").await.unwrap();
        let update =
            "UPDATE ledger SET booked_at = date_trunc('month', now()) - interval '1 month' - interval '5 days'";
        connection.execute(update).await.unwrap();
        connection.execute("RESET session_replication_role").await.unwrap();
        self.add("", "2026-10", month(2));
        self.add("", "2026-11", month(1));
    }

    /// The polygon chain leaves more blocks than are followed.
    pub(crate) async fn halt(&self) {
        self.polygon.evm.mine(1).await.unwrap();
        self.rig.scanned("polygon", &self.polygon).await;
        self.polygon.evm.reorganise(WINDOW + 2, &[]).await.unwrap();
        self.process.is_not_ready("fail network polygon: halted").await;
    }

    /// What was paid by a command is seen before the next one asks.
    pub(crate) async fn keeps_up(&self) {
        self.rig.scanned("anvil", &self.anvil).await;
    }

    /// A folder for a command, with the files that a reader has.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let folder = self.rig.config().with_file_name(name);
        fs::create_dir(&folder).unwrap();
        for name in ["networks.toml", "mine.toml"] {
            fs::copy(self.rig.config(), folder.join(name)).unwrap();
        }
        for (name, hexadecimal) in PUBLIC_KEYS {
            fs::write(folder.join(name), hexadecimal).unwrap();
        }
        // An answer that is an error is one.
        fs::write(folder.join(".curlrc"), "fail\n").unwrap();
        std::os::unix::fs::symlink(super::documents::top().join("migrations"), folder.join("migrations")).unwrap();
        folder
    }

    /// What a reader's shell has.
    pub(crate) fn environment(&self, folder: &Path) -> Vec<(String, String)> {
        let url: url::Url = self.url.parse().unwrap();
        let binary = Path::new(env!("CARGO_BIN_EXE_deposit-watcher")).parent().unwrap().display().to_string();
        let variables = [
            ("PATH", format!("{binary}:{}", std::env::var("PATH").unwrap())),
            ("HOME", folder.display().to_string()),
            ("DATABASE_URL", self.url.clone()),
            ("PGHOST", url.host_str().unwrap().to_owned()),
            ("PGPORT", url.port().unwrap().to_string()),
            ("PGUSER", url.username().to_owned()),
            ("PGDATABASE", url.path().trim_start_matches('/').to_owned()),
        ];
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The statement of an example, about the token and an address of the real chain.
    pub(crate) fn statement(&self, sql: &str) -> String {
        let address = self.polygon.address().to_string();
        let token = self.polygon.usdc.address.to_string();
        let example = [("0x…your deposit address…", address), ("0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359", token)];
        example.iter().fold(sql.to_owned(), |sql, (printed, means)| sql.replace(printed, means))
    }

    /// The process ends well, and the books are right after all that was done.
    pub(crate) async fn end(mut self) {
        self.process.is_ready().await;
        self.rig.books_are_right().await;
        self.process.terminate().await;
    }
}

/// Addresses that are printed.
fn places(http: SocketAddr, admin: SocketAddr, database: &str) -> Vec<Stand> {
    let places = [
        ("localhost:8080", http.to_string()),
        ("localhost:9464", admin.to_string()),
        ("0.0.0.0:9464", "127.0.0.1:0".to_owned()),
        ("0.0.0.0:8080", "127.0.0.1:0".to_owned()),
        ("https://shop.example/hooks", NOBODY.to_owned()),
        ("postgres://watcher@localhost/deposit_watcher", database.to_owned()),
    ];
    places.into_iter().map(|(printed, means)| Stand { begins: "", printed, means }).collect()
}
