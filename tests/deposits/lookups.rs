//! What requests name is looked up together: each is told its own, as it is when it asks, and nobody pays for another.

use std::time::Duration;

use deposit_watcher::deposits::{Named, Refusal, Signer};
use deposit_watcher::domain::{BusinessId, Secret, SessionId};
use deposit_watcher::keys::Keyring;
use deposit_watcher::store::Error;
use futures_util::future::join_all;
use tokio::task::JoinHandle;

use crate::rig::{Rig, checkout, opening, session};

/// Connections of ours that wait for somebody's lock.
const BLOCKED: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND application_name = 'deposit-watcher' AND wait_event_type = 'Lock'";
/// Ends the one of them that asked first.
const KILL_FIRST: &str = "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'deposit-watcher' AND wait_event_type = 'Lock'
    ORDER BY query_start LIMIT 1) AS first";
/// Ends all of ours.
const KILL: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()
    AND application_name = 'deposit-watcher'";

type Reading = JoinHandle<Result<String, Refusal>>;

fn read(rig: &Rig, id: &SessionId) -> Reading {
    let (office, id) = (rig.office.clone(), id.clone());
    tokio::spawn(async move { office.read(&id).await.map(|view| view.payment_status) })
}

async fn until_blocked(rig: &Rig, connections: i64) {
    for _ in 0..200 {
        if rig.count(BLOCKED).await >= connections {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("less than {connections} wait for the lock");
}

/// A session, and reads of it that stand behind one whose query waits for a lock.
async fn stuck(rig: &Rig, readers: usize) -> (sqlx::Transaction<'static, sqlx::Postgres>, Reading, Vec<Reading>) {
    let widget = rig.widget().await;
    let id = session(&rig.office.open(&widget, &opening(), None).await.unwrap().id);
    let mut blocker = rig.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE deposit_sessions IN ACCESS EXCLUSIVE MODE").execute(&mut *blocker).await.unwrap();
    let first = read(rig, &id);
    until_blocked(rig, 1).await;
    let others = (0..readers).map(|_| read(rig, &id)).collect();
    until_blocked(rig, 2).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    (blocker, first, others)
}

#[tokio::test]
async fn a_thousand_readers_take_two_connections() {
    let rig = Rig::new().await;
    let (blocker, first, others) = stuck(&rig, 1_000).await;
    assert_eq!(rig.count(BLOCKED).await, 2);
    // Who goes away while his query is under way takes nobody's answer with him.
    first.abort();
    blocker.rollback().await.unwrap();
    for other in others {
        assert_eq!(other.await.unwrap().unwrap(), "CREATED");
    }
}

#[tokio::test]
async fn a_look_that_dies_fails_its_own_askers_only() {
    let rig = Rig::new().await;
    let (blocker, first, others) = stuck(&rig, 10).await;
    assert_eq!(rig.count(KILL_FIRST).await, 1);
    let failed = first.await.unwrap();
    assert!(matches!(failed, Err(Refusal::Store(Error::Unavailable(_)))), "{failed:?}");
    blocker.rollback().await.unwrap();
    for other in others {
        assert_eq!(other.await.unwrap().unwrap(), "CREATED");
    }
}

#[tokio::test]
async fn a_connection_that_died_at_rest_costs_nobody_an_answer() {
    let rig = Rig::new().await;
    let widget = rig.widget().await;
    for _ in 0..3 {
        let id = session(&rig.office.open(&widget, &opening(), None).await.unwrap().id);
        assert_eq!(rig.office.read(&id).await.unwrap().payment_status, "CREATED");
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(rig.count(KILL).await > 0);
    }
}

/// Each sees what was written before it asked, though others always ask.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_seen_by_whoever_asks_after_it() {
    let rig = Rig::new().await;
    let widget = rig.widget().await;
    let asked = opening();
    let opened = join_all((0..8).map(|_| rig.office.open(&widget, &asked, None))).await;
    let ids: Vec<SessionId> = opened.into_iter().map(|opened| session(&opened.unwrap().id)).collect();
    let crowd = async {
        for _ in 0..50 {
            join_all(ids.iter().map(|id| rig.office.read(id))).await.into_iter().for_each(|view| drop(view.unwrap()));
        }
    };
    let changes = async {
        for id in &ids {
            assert_eq!(rig.office.read(id).await.unwrap().cancelled_at, None);
            rig.office.cancel(id).await.unwrap();
            assert!(rig.office.read(id).await.unwrap().cancelled_at.is_some(), "told what was before");
        }
    };
    tokio::join!(crowd, changes);
}

/// Keys, widgets and sessions of two businesses, asked for at the same moment.
#[tokio::test]
async fn each_is_told_its_own() {
    let rig = Rig::new().await;
    let keyring = Keyring::new(&Secret::new([7; 32]), None);
    let mut asked = Vec::new();
    for business in ["default", "other"] {
        let business = BusinessId(business.to_owned());
        let key = rig.office.create_api_key(&business, "server", Signer::Secret(&keyring)).await.unwrap().0.id;
        let widget = rig.office.create_widget(&business, &checkout()).await.unwrap().0;
        asked.push((business, Named { key: Some(key), widget: Some(widget.id), session: None }));
    }
    let nobody = Named { key: Some(deposit_watcher::domain::ApiKeyId("key_none".to_owned())), ..Named::default() };
    let looks = asked.iter().cycle().take(60).map(async |(business, named)| {
        let (found, none, nothing) = tokio::join!(
            rig.office.look_up(named.clone()),
            rig.office.look_up(nobody.clone()),
            rig.office.look_up(Named::default())
        );
        let (found, none, nothing) = (found.unwrap(), none.unwrap(), nothing.unwrap());
        assert_eq!(&found.key.unwrap().0, business);
        let widget = found.widget.unwrap();
        assert_eq!((Some(&widget.id), &widget.business_id), (named.widget.as_ref(), business));
        assert!(found.session.is_none() && none.key.is_none() && none.widget.is_none());
        assert!(nothing.key.is_none() && nothing.widget.is_none() && nothing.session.is_none());
    });
    join_all(looks).await;
}
