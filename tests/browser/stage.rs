//! What a flow stands on, and what it may ask for: a shop, a payment on the chain, a block, a reorganisation, time that
//! passes, a line that is cut. Each deed is a word and a JSON object, and gives one back.

use std::fs;
use std::net::TcpListener;

use alloy::primitives::U256;
use deposit_watcher::demo::{Call, Contract, Proxy};
use deposit_watcher::domain::{Address, Units};
use serde_json::{Value, json};

use crate::rig::{Chain, Process, Rig, Token};

/// A chain with two tokens, a database, the binary, and the line through which browsers reach it.
pub(crate) struct Stage {
    chain: Chain,
    dai: Token,
    rig: Rig,
    process: Process,
    line: Proxy,
    shops: u32,
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} of {value} is no text"))
}

/// Whole tokens of 18 decimals.
fn ether(whole: u64) -> Units {
    Units(U256::from(whole) * U256::from(10).pow(U256::from(18)))
}

impl Stage {
    /// Starts everything and waits until it is ready.
    pub(crate) async fn build() -> Stage {
        let chain = Chain::start().await;
        let payer = chain.payers[0];
        let dai = chain.evm.deploy(payer, Contract::Plain18).await.unwrap();
        chain.evm.pay(payer, dai, &Call::Mint(chain.payers[1], ether(1_000_000))).await.unwrap();
        let mut section = chain.section();
        let dai = Token::new("DAI", dai, 18);
        section.tokens.push(dai.clone());
        let rig = Rig::new(&[section]).await;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let line = Proxy::start(port).await.unwrap();
        let listener = "[http]\nlisten = \"127.0.0.1:";
        let written = fs::read_to_string(rig.config()).unwrap();
        assert!(written.contains(&format!("{listener}0\"")), "the rig's configuration has no listener of this form");
        let public = format!("{listener}{port}\"\npublic_url = \"{}\"", line.url());
        fs::write(rig.config(), written.replace(&format!("{listener}0\""), &public)).unwrap();
        let process = rig.run().await;
        process.is_ready().await;
        process.api().await;
        Stage { chain, dai, rig, process, line, shops: 0 }
    }

    /// Asserts that the books are right and that the binary ends as it should.
    pub(crate) async fn strike(mut self) {
        self.rig.books_are_right().await;
        self.process.terminate().await;
    }

    /// Does a deed.
    pub(crate) async fn perform(&mut self, deed: &str, with: &Value) -> Value {
        match deed {
            "shop" => return self.shop(with).await,
            "pay" => return self.pay(with).await,
            "mine" => self.chain.evm.mine(with["blocks"].as_u64().unwrap()).await.unwrap(),
            "reorganise" => self.reorganise(with["depth"].as_u64().unwrap()).await,
            "kill link" => self.change("opens_until", text(with, "depositId")).await,
            "end session" => self.end_session(text(with, "depositId")).await,
            "cut" => self.line.cut().await,
            "mend" => self.line.mend().await.unwrap(),
            unknown => panic!("a flow asks for {unknown:?}"),
        }
        Value::Null
    }

    /// A business with a widget, a key bound to it, and an address that nobody has used.
    async fn shop(&mut self, with: &Value) -> Value {
        self.shops += 1;
        let (business, address) = (format!("shop-{}", self.shops), self.chain.address());
        let to = address.to_string();
        self.made(&["businesses", "create", &business, "--name", with["name"].as_str().unwrap_or("Café Lumière")])
            .await;
        let mut words = vec!["widgets", "create", "--business", &business, "--name", "checkout"];
        words.extend(["--address", &to, "--default-address", &to]);
        for (field, flag) in [("currency", "--currency"), ("domain", "--domain"), ("min", "--min"), ("max", "--max")] {
            words.extend(with[field].as_str().iter().flat_map(|value| [flag, value]));
        }
        let widget = self.made(&words).await;
        let widget = text(&widget, "id");
        let key =
            self.made(&["api-keys", "create", "--business", &business, "--name", "server", "--widget", widget]).await;
        let token = |token: &Token| json!({ "address": token.address.to_string(), "decimals": token.decimals });
        json!({
            "api": self.line.url(), "key": key["id"], "secret": key["secret"], "address": to, "chainId": 31_337,
            "tokens": { "USDC": token(&self.chain.usdc), "DAI": token(&self.dai) },
        })
    }

    async fn made(&self, words: &[&str]) -> Value {
        let output = self.rig.command(&[words, &["--output", "json"]].concat()).await;
        assert_eq!(output.code, 0, "{words:?}: {}", output.stderr);
        serde_json::from_str(&output.stdout).unwrap()
    }

    /// So many base units of a token, in a block of their own.
    async fn pay(&self, with: &Value) -> Value {
        let token = if text(with, "symbol") == "DAI" { &self.dai } else { &self.chain.usdc };
        let (to, units): (Address, U256) = (text(with, "to").parse().unwrap(), text(with, "units").parse().unwrap());
        let call = Call::Transfer(to, Units(units));
        let receipt = self.chain.evm.pay(self.chain.payers[1], token.address, &call).await.unwrap();
        json!({ "hash": receipt.hash.to_string() })
    }

    /// Takes the newest blocks away, once they are known, and mines empty ones in their place.
    async fn reorganise(&self, depth: u64) {
        self.rig.scanned("anvil", &self.chain).await;
        self.chain.evm.reorganise(depth, &[]).await.unwrap();
    }

    /// Lets a time of a payment have been a second ago.
    async fn change(&self, column: &str, deposit: &str) {
        let sql = format!(
            "UPDATE payments SET {column} = clock_timestamp() - interval '1 second' WHERE deposit_id = $1 RETURNING 1"
        );
        let changed = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(deposit).fetch_all(&self.rig.pool).await.unwrap();
        assert_eq!(changed.len(), 1, "no payment {deposit}");
    }

    /// The payment's time is over, and blocks of later say so.
    async fn end_session(&self, deposit: &str) {
        self.change("expires_at", deposit).await;
        let sql = "UPDATE deposit_sessions SET expires_at = clock_timestamp() - interval '1 second' \
                   WHERE id = (SELECT session_id FROM payments WHERE deposit_id = $1)";
        sqlx::query(sql).bind(deposit).execute(&self.rig.pool).await.unwrap();
        self.chain.evm.mine(5).await.unwrap();
    }
}
