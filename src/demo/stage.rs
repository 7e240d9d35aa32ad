//! What the demo plays on: PostgreSQL with a database of its own, anvil with two tokens, and the real binary as a child
//! that watches them. Not for what happens there: see [`super::script`].
//!
//! No address of a database is ever taken from outside, neither by the demo nor by its child, which has no environment.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use alloy::primitives::U256;
use anyhow::{Context, bail};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::cast::Coin;
use super::guard::{Guard, READY_WITHIN};
use super::shop::Shop;
use super::{Anvil, Call, Evm, Postgres, Tools};
use crate::domain::{Address, ChainId, Secret, Slug, Units};
use crate::settings::Database;
use crate::store::Store;

/// The network's key in networks.toml.
pub(super) const NETWORK: &str = "anvil";
/// How deep a block must be.
pub(super) const CONFIRMATIONS: u64 = 3;
/// Payers, each with enough for any payment.
const PAYERS: &str = "24";
const MINTED: u64 = 1_000_000_000;
const LOOK_EVERY: Duration = Duration::from_millis(50);
const BINARY: &str = "deposit-watcher";
const CONFIG: &str = "networks.toml";

/// Everything that runs. What is declared first ends first.
#[derive(Debug)]
pub(super) struct Stage {
    watcher: Guard,
    /// Who opens sessions and hears of them.
    pub(super) shop: Shop,
    /// A client of the chain.
    pub(super) evm: Evm,
    /// The watcher's database.
    pub(super) store: Store,
    /// The tokens' contracts, as [`Coin::ALL`] has them.
    pub(super) tokens: Vec<(Coin, Address)>,
    /// Accounts that hold both tokens.
    pub(super) payers: Vec<Address>,
    /// The network's key, parsed.
    pub(super) slug: Slug,
    admin_port: u16,
    database_url: String,
    _anvil: Anvil,
    _postgres: Postgres,
}

impl Stage {
    /// Starts everything and returns when the watcher is ready.
    pub(super) async fn build(tools: &Tools) -> anyhow::Result<Stage> {
        let (postgres, anvil) = servers(tools.clone()).await?;
        let evm = Evm::new(anvil.url())?;
        let (tokens, payers) = mint(&evm).await?;
        let slug = Slug::parse(NETWORK)?;
        let database_url = postgres.url(Store::DEMO_DATABASE);
        let store = database(&postgres, &database_url, &slug).await?;
        let (admin_port, http_port) = (free_port()?, free_port()?);
        let config = config(&database_url, admin_port, http_port, &anvil, &tokens);
        let guard = spawn_blocking(move || prepare(&config)).await??;
        let shop = Shop::found(&store, &guard.folder().join(CONFIG), http_port).await?;
        let watcher = spawn_blocking(move || start(guard)).await??;
        let stage = Stage {
            watcher,
            shop,
            evm,
            store,
            tokens,
            payers,
            slug,
            admin_port,
            database_url,
            _anvil: anvil,
            _postgres: postgres,
        };
        stage.ready().await?;
        Ok(stage)
    }

    /// The token's contract.
    pub(super) fn token(&self, coin: Coin) -> anyhow::Result<Address> {
        let found = self.tokens.iter().find(|(known, _)| *known == coin);
        found.map(|(_, address)| *address).context("the token is not deployed")
    }

    /// The configuration that the watcher runs with.
    pub(super) fn config(&self) -> PathBuf {
        self.watcher.folder().join(CONFIG)
    }

    /// Where the watcher writes its log.
    pub(super) fn log(&self) -> PathBuf {
        self.watcher.folder().join("log")
    }

    /// The watcher's metrics.
    pub(super) fn metrics_url(&self) -> String {
        format!("http://127.0.0.1:{}/metrics", self.admin_port)
    }

    /// The watcher's database.
    pub(super) fn database_url(&self) -> &str {
        &self.database_url
    }

    /// An error with the watcher's last words once it is gone.
    pub(super) fn alive(&self) -> anyhow::Result<()> {
        match self.watcher.exited() {
            true => bail!("the watcher ended; its last words:\n{}", self.watcher.log()),
            false => Ok(()),
        }
    }

    async fn ready(&self) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).no_proxy().build()?;
        let url = format!("http://127.0.0.1:{}/readyz?verbose", self.admin_port);
        let (begun, mut last) = (Instant::now(), "nothing".to_owned());
        while begun.elapsed() < READY_WITHIN {
            self.alive()?;
            if let Ok(answer) = client.get(&url).send().await {
                if answer.status().is_success() {
                    return Ok(());
                }
                last = answer.text().await.unwrap_or_default();
            }
            sleep(LOOK_EVERY).await;
        }
        let (seconds, log) = (READY_WITHIN.as_secs(), self.watcher.log());
        bail!("the watcher is not ready after {seconds} s; /readyz said {last:?}; its last words:\n{log}")
    }
}

/// Both at once; each blocks for some hundred milliseconds.
async fn servers(tools: Tools) -> anyhow::Result<(Postgres, Anvil)> {
    let also = tools.clone();
    let postgres = spawn_blocking(move || Postgres::start(&tools));
    let anvil = spawn_blocking(move || Anvil::start(&also, &["--no-mining", "--accounts", PAYERS]));
    let (postgres, anvil) = (postgres.await, anvil.await);
    Ok((postgres??, anvil??))
}

/// The tokens, and accounts that hold them: two blocks.
async fn mint(evm: &Evm) -> anyhow::Result<(Vec<(Coin, Address)>, Vec<Address>)> {
    let accounts = evm.accounts().await?;
    let (issuer, payers) = accounts.split_first().context("anvil has no accounts")?;
    let mut tokens = Vec::new();
    for coin in Coin::ALL {
        let token = evm.deploy(*issuer, coin.contract()).await?;
        for payer in payers {
            evm.send(*issuer, token, &Call::Mint(*payer, Units(U256::from(MINTED)))).await?;
        }
        tokens.push((coin, token));
    }
    evm.mine(1).await?;
    Ok((tokens, payers.to_vec()))
}

/// A database that nobody has used: another chain's networks cannot be in it, and it is looked at all the same.
async fn database(postgres: &Postgres, url: &str, slug: &Slug) -> anyhow::Result<Store> {
    let first = connect(&postgres.url("postgres"))?;
    first.create_demo_database().await?;
    first.close().await;
    let store = connect(url)?;
    store.migrate().await?;
    for status in store.network_statuses().await? {
        let network = store.network(&Slug::parse(&status.network)?).await?;
        if network.is_some_and(|network| network.pinned.chain_id != ChainId(Anvil::CHAIN_ID)) {
            bail!("the database holds the network {}, which is not the demo's {slug}: not touched", status.network);
        }
    }
    Ok(store)
}

fn connect(url: &str) -> anyhow::Result<Store> {
    Ok(Store::new(&Database {
        url: Secret::new(url.parse()?),
        max_connections: 4,
        connect_timeout: Duration::from_secs(10),
        pgbouncer: false,
    })?)
}

/// 32 random bytes in hexadecimal digits.
fn random_key() -> String {
    rand::random::<[u8; 32]>().map(|byte| format!("{byte:02x}")).concat()
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn config(database: &str, admin: u16, http: u16, anvil: &Anvil, tokens: &[(Coin, Address)]) -> String {
    let mut text = format!(
        include_str!("networks.toml"),
        database = database,
        admin = admin,
        http = http,
        sealing_key = random_key(),
        network = NETWORK,
        chain = Anvil::CHAIN_ID,
        confirmations = CONFIRMATIONS,
        ws = anvil.ws_url(),
    );
    for (coin, address) in tokens {
        let head = format!("\n[networks.{NETWORK}.tokens.{}]\n", coin.key());
        let body = format!("symbol = \"{}\"\naddress = \"{address}\"\ndecimals = 6\n", coin.symbol());
        text.push_str(&head);
        text.push_str(&body);
    }
    text
}

/// A folder with the configuration and this very program.
fn prepare(config: &str) -> anyhow::Result<Guard> {
    let guard = Guard::new(&std::env::temp_dir(), None, "TERM")?;
    let program = std::env::current_exe().context("cannot tell which program this is")?;
    symlink(program, guard.folder().join(BINARY))?;
    write(&guard.folder().join(CONFIG), config)?;
    Ok(guard)
}

/// `run`, as anyone would start it.
fn start(mut guard: Guard) -> anyhow::Result<Guard> {
    guard.start(&["./deposit-watcher", "run", "--config", CONFIG])?;
    Ok(guard)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
