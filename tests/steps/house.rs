//! One network with its chain, its nodes, its database and its watcher. Not a test.

use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, U256};
use deposit_watcher::chain::{EndpointState, Pool};
use deposit_watcher::domain::{
    BlockNumber, ChainId, EndpointKey, Finality, Percent, Secret, Slug, Token, TokenKey, Units,
};
use deposit_watcher::settings::{
    Ambiguous, AmountClash, Database as DatabaseSettings, Endpoint, Network, PartialPayments, Sessions, Verify,
};
use deposit_watcher::store::Store;
use deposit_watcher::watcher::{Error, Step, Watcher};
use sqlx::{Executor, PgPool};

use crate::scripted::{DecimalsAnswer, Node, TOKEN, Tx, World, account};
use crate::support::Database;

const CHAIN: u64 = 31_337;
/// Where customers pay.
pub(crate) const SHOP: u64 = 1;

/// A shop on a chain of its own, its sessions in a database of its own.
pub(crate) struct House {
    pub(crate) sql: PgPool,
    pub(crate) store: Store,
    pub(crate) world: World,
    pub(crate) nodes: Vec<Node>,
    pub(crate) network: Network,
    pub(crate) sessions: Sessions,
    pool: Arc<Pool>,
    watcher: Watcher,
}

/// `count` whole tokens of the test token, which has 6 decimals.
pub(crate) fn tokens(count: u64) -> U256 {
    U256::from(count) * U256::from(1_000_000)
}

impl House {
    /// With so many nodes, each of an operator of its own, the first one best.
    pub(crate) async fn new(nodes: usize) -> House {
        House::with(nodes, |_, _| {}).await
    }

    /// The same with other settings.
    pub(crate) async fn with(nodes: usize, change: impl FnOnce(&mut Network, &mut Sessions)) -> House {
        let database = Database::create(&sqlx::migrate!("./migrations")).await;
        let settings = DatabaseSettings {
            url: Secret::new(database.url().parse().unwrap()),
            max_connections: 4,
            connect_timeout: Duration::from_secs(5),
            pgbouncer: false,
        };
        let (sql, store) = (database.pool().await, Store::new(&settings).unwrap());
        let world = World::new(CHAIN);
        world.set_decimals(TOKEN, DecimalsAnswer::Is(6));
        let now = u64::try_from(chrono::Utc::now().timestamp()).unwrap();
        (0..20).for_each(|n| _ = world.mine_at(now - 40 + 2 * n, vec![]));
        let names: Vec<String> = (0..nodes).map(|n| format!("node_{n}")).collect();
        let nodes: Vec<Node> = names.iter().map(|name| world.node(name)).collect();
        let (mut network, mut sessions) = (network(&names), sessions());
        change(&mut network, &mut sessions);
        let pool = reach(&network, &nodes);
        let watcher = hire(&store, &network, &sessions, pool.clone()).await;
        House { sql, store, world, nodes, network, sessions, pool, watcher }
    }

    /// A new process with the configuration as it is now.
    pub(crate) async fn restart(&mut self) {
        self.hire(reach(&self.network, &self.nodes)).await;
    }

    /// A new process that reaches its nodes like this.
    pub(crate) async fn hire(&mut self, pool: Arc<Pool>) {
        self.run("DELETE FROM leases").await;
        self.watcher = hire(&self.store, &self.network, &self.sessions, pool.clone()).await;
        self.pool = pool;
    }

    /// One step.
    pub(crate) async fn step(&mut self) -> Result<Step, Error> {
        self.pool.forgive();
        self.watcher.step().await
    }

    /// One step as a process makes it: an endpoint that is paused stays so.
    pub(crate) async fn step_in_earnest(&mut self) -> Result<Step, Error> {
        self.watcher.step().await
    }

    /// How each endpoint is.
    pub(crate) fn endpoints(&self) -> Vec<EndpointState> {
        self.pool.report().into_iter().map(|report| report.state).collect()
    }

    /// Steps until two in a row have no more to do: a block is looked at twice in two steps. None may fail.
    pub(crate) async fn settle(&mut self) {
        let mut quiet = 0;
        for _ in 0..50 {
            let step = self.step().await.unwrap();
            assert!(step.trouble.is_none(), "{:?}", step.trouble);
            quiet = if step.more { 0 } else { quiet + 1 };
            if quiet == 2 {
                return;
            }
        }
        panic!("still more to do after 50 steps");
    }

    /// Steps that may fail.
    pub(crate) async fn steps(&mut self, count: usize) {
        for _ in 0..count {
            _ = self.step().await;
        }
    }

    /// Opens a session of the test token at the shop.
    pub(crate) async fn open(&self, id: &str, amount: u64) {
        self.open_at(id, amount, account(SHOP)).await;
    }

    /// Opens a session of the test token.
    pub(crate) async fn open_at(&self, id: &str, amount: u64, to: Address) {
        let insert = "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address)
                      VALUES ($1, $2::bigint, 'USD', 'net', $3, $4)";
        let amount = i64::try_from(amount).unwrap();
        let query = sqlx::query(insert).bind(id).bind(amount).bind(TOKEN.to_string()).bind(to.to_string());
        query.execute(&self.sql).await.unwrap();
    }

    /// A payment to the shop, not mined yet.
    pub(crate) fn pay(&self, units: U256) -> Tx {
        self.world.pay(TOKEN, account(99), account(SHOP), units)
    }

    /// Plain SQL.
    pub(crate) async fn run(&self, sql: &'static str) {
        self.sql.execute(sqlx::raw_sql(sql)).await.unwrap();
    }

    /// SQL of an outside program; what the database says where it refuses.
    #[allow(clippy::disallowed_types, reason = "the attacks are written here")]
    pub(crate) async fn attempt(&self, sql: String) -> Result<(), String> {
        let done = self.sql.execute(sqlx::AssertSqlSafe(sql)).await;
        done.map(|_| ()).map_err(|error| format!("{:?}", error.into_database_error()))
    }

    /// What a query that gives one text gives.
    pub(crate) async fn text(&self, sql: &'static str) -> Option<String> {
        sqlx::query_scalar(sql).fetch_one(&self.sql).await.unwrap()
    }

    /// A session's status.
    pub(crate) async fn status(&self, id: &str) -> String {
        let query = sqlx::query_scalar("SELECT payment_status FROM deposit_sessions WHERE id = $1").bind(id);
        query.fetch_one(&self.sql).await.unwrap()
    }

    /// What the books find; nothing, if all is well.
    pub(crate) async fn books(&self) -> Vec<String> {
        let query = sqlx::query_scalar("SELECT rule || ' ' || subject || ' ' || detail FROM deposit_watcher_books");
        query.fetch_all(&self.sql).await.unwrap()
    }

    /// Where the cursor stands.
    pub(crate) async fn scanned(&self) -> u64 {
        let row = self.store.network(&self.network.slug).await.unwrap().unwrap();
        row.cursor.unwrap().block.number.0
    }

    /// How far the second look has come.
    pub(crate) async fn confirmed(&self) -> BlockNumber {
        self.store.network(&self.network.slug).await.unwrap().unwrap().cursor.unwrap().confirmed
    }
}

fn reach(network: &Network, nodes: &[Node]) -> Arc<Pool> {
    let transports = network.endpoints.iter().zip(nodes).map(|(e, node)| (e.key.clone(), node.transport()));
    Arc::new(Pool::with_transports(network, transports.collect()))
}

async fn hire(store: &Store, network: &Network, sessions: &Sessions, pool: Arc<Pool>) -> Watcher {
    store.introduce_network(&network.slug, network.chain_id, network.testnet).await.unwrap();
    let lease = store.take_lease(&network.slug, "us", "digest", true).await.unwrap().unwrap();
    Watcher::new(Arc::new(network.clone()), Arc::new(sessions.clone()), store.clone(), pool, lease.fence)
}

fn network(names: &[String]) -> Network {
    let endpoints = names.iter().zip(0..).map(|(name, priority)| Endpoint {
        key: EndpointKey::parse(name).unwrap(),
        url: Secret::new("http://127.0.0.1:1/".parse().unwrap()),
        priority,
        operator: name.clone(),
    });
    Network {
        slug: Slug::parse("net").unwrap(),
        chain_id: ChainId(CHAIN),
        enabled: true,
        testnet: true,
        finality: Finality::Confirmations(3),
        min_age: Duration::ZERO,
        poll_interval: Duration::ZERO,
        step_interval: Duration::ZERO,
        second_look_delay: Duration::ZERO,
        max_block_range: 2_000,
        reorg_window: 64,
        reorg_grace: Duration::from_secs(3_600),
        revert_after: Duration::ZERO,
        max_clock_drift: None,
        max_lag: Duration::from_secs(60),
        start_block: None,
        max_backfill: Duration::from_secs(3_600),
        quorum: 1,
        verify: Verify::Logs,
        partial_payments: PartialPayments::Exclusive,
        ambiguous: Ambiguous::Hold,
        endpoints: endpoints.collect(),
        tokens: vec![Token {
            key: TokenKey::parse("usd").unwrap(),
            symbol: "USD".to_owned(),
            address: TOKEN,
            decimals: 6,
            tolerance: Units::ZERO,
            min_partial: Percent(10_000),
        }],
    }
}

fn sessions() -> Sessions {
    Sessions {
        expires_after: Duration::from_secs(1_800),
        expiry_grace: Duration::ZERO,
        clock_skew: Duration::from_secs(60),
        topup_time: Duration::from_secs(900),
        amount_clash: AmountClash::Allow,
        amount_reuse_after: Duration::from_secs(86_400),
        late_window: Duration::from_secs(30 * 86_400),
        own_addresses: Vec::new(),
    }
}
