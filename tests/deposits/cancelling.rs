//! Cancelling: what may be cancelled, and what comes of it when the money arrives at the same moment.

use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::U256;
use deposit_watcher::chain::Pool;
use deposit_watcher::deposits::{Refusal, Widget};
use deposit_watcher::settings::Network;
use deposit_watcher::watcher::Watcher;
use sqlx::Executor;

use crate::rig::{Rig, but, opening, session};
use crate::scripted::{DecimalsAnswer, PAYER, TOKEN, World, account};
use crate::support::Database;

async fn status(rig: &Rig, id: &str) -> (String, bool) {
    let query = sqlx::query_as("SELECT payment_status, cancelled_at IS NOT NULL FROM deposit_sessions WHERE id = $1");
    query.bind(id).fetch_one(&rig.pool).await.unwrap()
}

#[tokio::test]
async fn a_session_without_money_is_cancelled_once() {
    let rig = Rig::new().await;
    let widget = rig.widget().await;
    let created = rig.office.open(&widget, &opening(), None).await.unwrap().id;
    let pending = rig.office.open(&widget, &opening(), None).await.unwrap().id;
    let set = sqlx::query("UPDATE deposit_sessions SET payment_status = 'PENDING' WHERE id = $1").bind(&pending);
    set.execute(&rig.pool).await.unwrap();
    for id in [&created, &pending] {
        rig.office.cancel(&session(id)).await.unwrap();
        assert_eq!(status(&rig, id).await, ("EXPIRED".to_owned(), true));
        assert!(rig.office.read(&session(id)).await.unwrap().cancelled_at.is_some());
        assert!(matches!(rig.office.cancel(&session(id)).await, Err(Refusal::CannotCancel)));
    }
    assert!(matches!(rig.office.cancel(&session("dep_none")).await, Err(Refusal::NotFound)));
    assert_eq!(rig.books().await, Vec::<String>::new());
}

/// A chain of our own, a watcher that follows it, and the office beside.
struct Shop {
    rig: Rig,
    world: World,
    watcher: Watcher,
    pool: Arc<Pool>,
    widget: Widget,
}

impl Shop {
    async fn new() -> Shop {
        let database = Database::create(&sqlx::migrate!("./migrations")).await;
        let sql = database.pool().await;
        let rig = Rig::over(&database, sql, "");
        let network = hurried(rig.settings.networks.iter().find(|network| network.slug.as_str() == "anvil").unwrap());
        let world = World::new(network.chain_id.0);
        world.set_decimals(TOKEN, DecimalsAnswer::Is(6));
        let now = now();
        (0..20).for_each(|n| _ = world.mine_at(now - 40 + 2 * n, vec![]));
        let node = world.node("local");
        let pool =
            Arc::new(Pool::with_transports(&network, vec![(network.endpoints[0].key.clone(), node.transport())]));
        rig.store.introduce_network(&network.slug, network.chain_id, network.testnet).await.unwrap();
        let lease = rig.store.take_lease(&network.slug, "us", "digest", true).await.unwrap().unwrap();
        let sessions = Arc::new(rig.settings.sessions.clone());
        let watcher = Watcher::new(Arc::new(network), sessions, rig.store.clone(), pool.clone(), lease.fence);
        let widget = rig.widget().await;
        let mut shop = Shop { rig, world, watcher, pool, widget };
        shop.settle().await;
        shop
    }

    async fn settle(&mut self) {
        let mut quiet = 0;
        for _ in 0..50 {
            self.pool.forgive();
            let step = self.watcher.step().await.unwrap();
            assert!(step.trouble.is_none(), "{:?}", step.trouble);
            quiet = if step.more { 0 } else { quiet + 1 };
            if quiet == 2 {
                return;
            }
        }
        panic!("still more to do after 50 steps");
    }

    /// A session at an address of its own; not mined yet, what pays it.
    async fn open(&self, number: u64) -> (String, crate::scripted::Tx) {
        let to = account(number);
        let asked = but(|o| o.deposit_address = format!("{to:#x}"));
        let opened = self.rig.office.open(&self.widget, &asked, None).await.unwrap();
        (opened.id, self.world.pay(TOKEN, PAYER, to, U256::from(5_000_000)))
    }
}

fn hurried(network: &Network) -> Network {
    Network {
        min_age: Duration::ZERO,
        poll_interval: Duration::ZERO,
        step_interval: Duration::ZERO,
        second_look_delay: Duration::ZERO,
        revert_after: Duration::ZERO,
        max_clock_drift: None,
        ..network.clone()
    }
}

fn now() -> u64 {
    u64::try_from(chrono::Utc::now().timestamp()).unwrap()
}

#[tokio::test]
async fn a_session_whose_payment_was_seen_is_not_cancelled() {
    let mut shop = Shop::new().await;
    let (id, payment) = shop.open(1).await;
    shop.world.mine(vec![payment]);
    shop.settle().await;
    assert_eq!(status(&shop.rig, &id).await, ("PENDING".to_owned(), false));
    assert!(matches!(shop.rig.office.cancel(&session(&id)).await, Err(Refusal::CannotCancel)));
    let view = shop.rig.office.read(&session(&id)).await.unwrap();
    assert_eq!((view.received_amount.as_str(), view.missing_amount.as_str()), ("5", "0"));
    assert_eq!((view.confirmations, view.required_confirmations), (Some(1), Some(3)));
    shop.world.mine_empty(4);
    shop.settle().await;
    assert_eq!(status(&shop.rig, &id).await, ("CONFIRMED".to_owned(), false));
    assert!(matches!(shop.rig.office.cancel(&session(&id)).await, Err(Refusal::CannotCancel)));
    assert_eq!(shop.rig.books().await, Vec::<String>::new());
}

/// Who cancels while the watcher sees the payment either hears no, and it is paid; or hears yes, and what was mined before
/// still counts. Never both, never neither, and the books are right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancellation_that_races_the_payment_has_one_outcome() {
    const ROUNDS: u64 = 60;
    let mut shop = Shop::new().await;
    let mut outcomes = Vec::new();
    for round in 1..=ROUNDS {
        let (id, payment) = shop.open(round).await;
        shop.world.mine_at(now().max(shop.world.head().time.timestamp().unsigned_abs()), vec![payment]);
        shop.pool.forgive();
        let (office, asked) = (shop.rig.office.clone(), session(&id));
        // From before the step begins to after it has ended.
        let offset = Duration::from_micros(300 * (round - 1));
        let cancelling = tokio::spawn(async move {
            tokio::time::sleep(offset).await;
            office.cancel(&asked).await
        });
        shop.watcher.step().await.unwrap();
        let cancelled = match cancelling.await.unwrap() {
            Ok(()) => true,
            Err(Refusal::CannotCancel) => false,
            Err(other) => panic!("round {round}: {other:?}"),
        };
        assert_eq!(shop.rig.books().await, Vec::<String>::new(), "round {round}");
        outcomes.push((id, cancelled));
    }
    shop.world.mine_empty(5);
    shop.settle().await;
    for (round, (id, cancelled)) in (1..).zip(&outcomes) {
        let view = shop.rig.office.read(&session(id)).await.unwrap();
        assert_eq!(view.cancelled_at.is_some(), *cancelled, "round {round}: {view:?}");
        // It was mined in the second in which it was opened, before any of this: it counts either way.
        let paid = (view.payment_status.as_str(), view.received_amount.as_str(), view.confirmed_amount.as_str());
        assert_eq!(paid, ("CONFIRMED", "5", "5"), "round {round}, cancelled {cancelled}: {view:?}");
    }
    let yes = outcomes.iter().filter(|(_, cancelled)| *cancelled).count();
    assert!(yes > 0 && yes < outcomes.len(), "no race: {yes} of {ROUNDS} were cancelled");
    let events = "SELECT count(*) FROM events WHERE type = 'deposit.confirmed'";
    shop.rig.pool.execute("SELECT 1").await.unwrap();
    assert_eq!(shop.rig.count(events).await, i64::try_from(ROUNDS).unwrap());
    assert_eq!(shop.rig.books().await, Vec::<String>::new());
}
