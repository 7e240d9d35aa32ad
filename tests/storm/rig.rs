//! What a scenario or a seed of the storm stands on: a scripted world with two nodes of two operators, a database of its
//! own, and a watcher that is stepped by hand, dropped in the middle of a step, or followed by another one.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use alloy::primitives::{Address, U256};
use deposit_watcher::chain::Pool;
use deposit_watcher::domain::{
    BlockNumber, ChainId, EndpointKey, Finality, LogId, Percent, Secret, Slug, Token, TokenKey, Units,
};
use deposit_watcher::settings::{
    Ambiguous, AmountClash, Database as DatabaseSettings, Endpoint, Network, PartialPayments, Sessions, Verify,
};
use deposit_watcher::store::{self, Fence, Matter, Store};
use deposit_watcher::watcher::{Error, Step, Watcher};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor, PgPool};

use crate::scripted::{DecimalsAnswer, Node, OTHER_TOKEN, PAYER, TOKEN, Tx, World};
use crate::support::Database;

/// A step that asks for no more does so within so many; a bound for loops, not a time.
const QUIET_WITHIN: u32 = 400;

/// More than there are connections that may have died.
pub(crate) const TRIES: u32 = 12;

/// The network and its rules, to be changed before the first step.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) network: Network,
    pub(crate) sessions: Sessions,
}

impl Default for Rules {
    /// Three confirmations, a window of 16 blocks, nothing waits for a clock, two tokens with 6 and 18 decimals.
    fn default() -> Rules {
        let day = Duration::from_secs(24 * 60 * 60);
        let token = |key: &str, symbol: &str, address, decimals| Token {
            key: TokenKey::parse(key).unwrap(),
            symbol: symbol.to_owned(),
            address,
            decimals,
            tolerance: Units::ZERO,
            min_partial: Percent(10_000),
        };
        let network = Network {
            slug: Slug::parse("net").unwrap(),
            chain_id: ChainId(31_337),
            enabled: true,
            testnet: true,
            finality: Finality::Confirmations(3),
            min_age: Duration::ZERO,
            poll_interval: Duration::ZERO,
            step_interval: Duration::ZERO,
            second_look_delay: Duration::ZERO,
            max_block_range: 2_000,
            reorg_window: 16,
            reorg_grace: Duration::from_secs(60 * 60),
            revert_after: Duration::ZERO,
            max_clock_drift: None,
            max_lag: Duration::from_secs(60),
            start_block: Some(BlockNumber(1)),
            max_backfill: day,
            quorum: 1,
            verify: Verify::Logs,
            partial_payments: PartialPayments::Exclusive,
            ambiguous: Ambiguous::Hold,
            endpoints: vec![endpoint("one", 1, "one"), endpoint("two", 2, "two")],
            tokens: vec![token("usd", "USD", TOKEN, 6), token("eur", "EUR", OTHER_TOKEN, 18)],
        };
        let sessions = Sessions {
            expires_after: Duration::from_secs(30 * 60),
            expiry_grace: Duration::ZERO,
            clock_skew: Duration::from_secs(60),
            topup_time: Duration::from_secs(15 * 60),
            amount_clash: AmountClash::Bump,
            amount_reuse_after: day,
            late_window: day * 30,
            own_addresses: Vec::new(),
        };
        Rules { network, sessions }
    }
}

/// A node's place in the configuration.
pub(crate) fn endpoint(name: &str, priority: u32, operator: &str) -> Endpoint {
    Endpoint {
        key: EndpointKey::parse(name).unwrap(),
        url: Secret::new("http://127.0.0.1:1/".parse().unwrap()),
        priority,
        operator: operator.to_owned(),
    }
}

/// Everything that one test stands on.
pub(crate) struct Rig {
    pub(crate) rules: Rules,
    pub(crate) world: World,
    /// First by priority, and what content faults happen to.
    pub(crate) one: Node,
    /// Of another operator.
    pub(crate) two: Node,
    /// All of them, one a configured endpoint, best first.
    pub(crate) nodes: Vec<Node>,
    /// What an outside program has: no mark of the watcher.
    pub(crate) outside: PgPool,
    pub(crate) store: Store,
    pub(crate) watcher: Watcher,
    /// The node of one or both as the watcher knows them.
    pub(crate) pool: Arc<Pool>,
    database: Database,
    holders: u32,
    only_one: bool,
}

impl Rig {
    /// With default rules.
    pub(crate) async fn new() -> Rig {
        Rig::with(Rules::default()).await
    }

    /// The world stands at genesis; block 1 is mined at a minute from now, so that chain time is never behind the clock.
    pub(crate) async fn with(rules: Rules) -> Rig {
        Rig::build(rules, false).await
    }

    /// With the first endpoint only.
    pub(crate) async fn with_one_endpoint(rules: Rules) -> Rig {
        Rig::build(rules, true).await
    }

    async fn build(rules: Rules, only_one: bool) -> Rig {
        let database = Database::create(&sqlx::migrate!("./migrations")).await;
        let settings = DatabaseSettings {
            url: Secret::new(database.url().parse().unwrap()),
            max_connections: 4,
            connect_timeout: Duration::from_secs(10),
            pgbouncer: false,
        };
        let store = Store::new(&settings).unwrap();
        let outside = outside(&database).await;
        let world = World::new(31_337);
        let nodes: Vec<Node> =
            rules.network.endpoints.iter().map(|endpoint| world.node(endpoint.key.as_str())).collect();
        let (one, two) = (nodes[0].clone(), nodes[1].clone());
        for token in &rules.network.tokens {
            world.set_decimals(token.address, DecimalsAnswer::Is(token.decimals));
        }
        let now: i64 = sqlx::query_scalar("SELECT ceil(extract(epoch FROM now()))::bigint + 60")
            .fetch_one(&outside)
            .await
            .unwrap();
        world.mine_at(now.unsigned_abs(), vec![]);
        let network = &rules.network;
        store.introduce_network(&network.slug, network.chain_id, network.testnet).await.unwrap();
        let pool = pool(&rules, &nodes, only_one);
        let lease = store.take_lease(&network.slug, "holder 0", "digest", true).await.unwrap().unwrap();
        let watcher = new_watcher(&rules, &store, &pool, lease.fence);
        Rig { rules, world, one, two, nodes, outside, store, watcher, pool, database, holders: 0, only_one }
    }

    /// Where its database is.
    pub(crate) fn url(&self) -> String {
        self.database.url()
    }

    /// Ends it: hundreds of seeds must not fill the disk.
    pub(crate) async fn remove(self) {
        self.outside.close().await;
        self.store.close().await;
        self.database.remove().await;
    }

    /// One step; waiting times of endpoints are forgiven, since no clock moves here.
    pub(crate) async fn step(&mut self) -> Result<Step, Error> {
        self.pool.forgive();
        self.watcher.step().await
    }

    /// A step that is dropped at its k-th poll, as a crash between any two awaits; `None` when it did not come to its end.
    pub(crate) async fn step_cut_short(&mut self, polls: u32) -> Option<Result<Step, Error>> {
        self.pool.forgive();
        let outcome = {
            let mut step = std::pin::pin!(self.watcher.step());
            some_polls(step.as_mut(), polls).await
        };
        if outcome.is_none() {
            self.restart().await;
        }
        outcome
    }

    /// Steps until there is nothing to do, whatever single steps come to; panics when that takes for ever.
    pub(crate) async fn settle(&mut self) {
        let mut quiet = 0;
        let mut last = String::new();
        for _ in 0..QUIET_WITHIN {
            match self.step().await {
                Ok(step) if !step.more && step.trouble.is_none() && step.kind == "idle" => quiet += 1,
                outcome => (quiet, last) = (0, format!("{outcome:?}")),
            }
            if quiet == 2 {
                return;
            }
        }
        panic!("not quiet after {QUIET_WITHIN} steps; the last that was not idle: {last}");
    }

    /// Mines what brings the newest block to its end: enough for the second look to be due and deep.
    pub(crate) async fn conclude(&mut self) {
        let later = self.time() + 301;
        self.world.mine_at(later.unsigned_abs(), vec![]);
        let deep = match self.rules.network.finality {
            Finality::Confirmations(n) => n + 1,
            Finality::Safe | Finality::Finalized => 33,
        };
        self.world.mine_empty(deep);
        self.settle().await;
    }

    /// The same holder begins anew and remembers nothing.
    pub(crate) async fn restart(&mut self) {
        self.take_over().await;
    }

    /// The lease is taken from its holder; returns the old watcher, which does not know.
    pub(crate) async fn take_over(&mut self) -> Watcher {
        self.expire_lease().await;
        self.holders += 1;
        let holder = format!("holder {}", self.holders);
        let slug = self.rules.network.slug.clone();
        // Where the database is in trouble the next one tries again, as it does for its whole life.
        let mut tries = 0;
        let lease = loop {
            match self.store.take_lease(&slug, &holder, "digest", true).await {
                Err(store::Error::Unavailable(_)) if tries < TRIES => tries += 1,
                taken => break taken.unwrap().expect("the lease is free"),
            }
        };
        self.pool = pool(&self.rules, &self.nodes, self.only_one);
        std::mem::replace(&mut self.watcher, new_watcher(&self.rules, &self.store, &self.pool, lease.fence))
    }

    /// The watcher, out of the rig: what is left in its place never held the network.
    pub(crate) fn lay_down(&mut self) -> Watcher {
        let nobody = Fence { network: self.rules.network.slug.clone(), number: 0 };
        std::mem::replace(&mut self.watcher, new_watcher(&self.rules, &self.store, &self.pool, nobody))
    }

    /// As if its holder had not renewed it in time.
    pub(crate) async fn expire_lease(&self) {
        self.outside.execute("UPDATE leases SET expires_at = '-infinity'").await.unwrap();
    }

    /// Chain time: the newest block's.
    pub(crate) fn time(&self) -> i64 {
        self.world.head().time.timestamp()
    }

    /// A transaction that pays so many millionths of the token with 6 decimals.
    pub(crate) fn pay(&self, to: Address, millionths: u64) -> Tx {
        self.world.pay(TOKEN, PAYER, to, U256::from(millionths))
    }

    /// The next block, with these in it, and steps until nothing is left to do.
    pub(crate) async fn mined(&mut self, txs: Vec<Tx>) {
        self.world.mine(txs);
        self.settle().await;
    }

    /// So many empty blocks, and steps until nothing is left to do.
    pub(crate) async fn deeper(&mut self, blocks: u64) {
        self.world.mine_empty(blocks);
        self.settle().await;
    }

    /// Opens a session as an outside API does: begun at chain time, living for so many seconds of it.
    pub(crate) async fn open(&self, id: &str, to: Address, amount: &str, lives: i64) {
        self.open_for(id, TOKEN, "USD", to, amount, lives).await;
    }

    /// The same for any token.
    pub(crate) async fn open_for(&self, id: &str, token: Address, symbol: &str, to: Address, amount: &str, lives: i64) {
        sqlx::query(
            "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address, created_at, expires_at)
             VALUES ($1, $2::numeric, $3, 'net', $4, $5, to_timestamp($6), to_timestamp($6 + $7))",
        )
        .bind(id)
        .bind(amount)
        .bind(symbol)
        .bind(token.to_string())
        .bind(to.to_string())
        .bind(self.time())
        .bind(lives)
        .execute(&self.outside)
        .await
        .unwrap();
    }

    /// `STATUS received confirmed` of a session.
    pub(crate) async fn session(&self, id: &str) -> String {
        sqlx::query_scalar(
            "SELECT concat_ws(' ', payment_status, trim_scale(received_amount), trim_scale(confirmed_amount))
               FROM deposit_sessions WHERE id = $1",
        )
        .bind(id)
        .fetch_one(&self.outside)
        .await
        .unwrap()
    }

    /// Types of a session's events, in order, without `deposit.`.
    pub(crate) async fn told(&self, id: &str) -> String {
        sqlx::query_scalar(
            "SELECT coalesce(string_agg(replace(type, 'deposit.', ''), ' ' ORDER BY position), '') FROM events WHERE session_id = $1",
        )
        .bind(id)
        .fetch_one(&self.outside)
        .await
        .unwrap()
    }

    /// A transfer as whoever decides about it finds it.
    pub(crate) async fn matter(&self, log: LogId) -> Matter {
        let mut unit = self.store.unit().await.unwrap();
        let matter = unit.matter(&self.rules.network.slug, log).await.unwrap().unwrap();
        unit.abandon().await.unwrap();
        matter
    }

    /// Whose each canonical transfer is, in chain order: `session STATE` or `reason STATE`.
    pub(crate) async fn owners(&self) -> Vec<String> {
        sqlx::query_scalar(
            "SELECT coalesce(session_id, reason, 'nobody') || ' ' || state FROM transfers WHERE state <> 'ORPHANED'
              ORDER BY block_number, log_index",
        )
        .fetch_all(&self.outside)
        .await
        .unwrap()
    }

    /// Cursor and second look: (scanned, confirmed).
    pub(crate) async fn cursor(&self) -> (i64, i64) {
        sqlx::query_as("SELECT coalesce(scanned_number, -1), coalesce(confirmed_number, -1) FROM networks")
            .fetch_one(&self.outside)
            .await
            .unwrap()
    }

    /// Fails when the books find anything.
    pub(crate) async fn assert_books(&self) {
        let findings = self.store.books(100).await.unwrap();
        assert!(findings.is_empty(), "the books: {findings:#?}");
    }
}

/// What an outside program has. It may write while the database is read-only by default for everybody else.
async fn outside(database: &Database) -> PgPool {
    let options: PgConnectOptions = database.url().parse().unwrap();
    let options = options.options([("default_transaction_read_only", "off")]);
    PgPoolOptions::new().max_connections(5).connect_with(options).await.unwrap()
}

fn pool(rules: &Rules, nodes: &[Node], only_one: bool) -> Arc<Pool> {
    let keys = rules.network.endpoints.iter().map(|endpoint| endpoint.key.clone());
    let mut transports: Vec<_> = keys.zip(nodes.iter().map(Node::transport)).collect();
    transports.truncate(if only_one { 1 } else { transports.len() });
    Arc::new(Pool::with_transports(&rules.network, transports))
}

fn new_watcher(rules: &Rules, store: &Store, pool: &Arc<Pool>, fence: Fence) -> Watcher {
    let (network, sessions) = (Arc::new(rules.network.clone()), Arc::new(rules.sessions.clone()));
    Watcher::new(network, sessions, store.clone(), pool.clone(), fence)
}

/// Polls a future at most so often; what it came to, if it did.
pub(crate) async fn some_polls<F: Future>(mut future: Pin<&mut F>, polls: u32) -> Option<F::Output> {
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}
