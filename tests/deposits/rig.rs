//! A database, an office, two businesses and their widgets. Not a test.

use std::sync::Arc;

use deposit_watcher::deposits::{NewWidget, Office, OpenedBy, Opening, Refusal, RequestKey, Widget};
use deposit_watcher::domain::{BusinessId, Fault, SessionId, WidgetId};
use deposit_watcher::settings::{self, Settings};
use deposit_watcher::store::Store;
use serde_json::Value;
use sqlx::{Executor, PgPool};

use crate::support::Database;

/// 6 decimals.
pub(crate) const USD: &str = "0x00000000000000000000000000000000000000ee";
/// 18 decimals, on another network.
pub(crate) const FINE: &str = "0x00000000000000000000000000000000000000ef";
/// Where the shop's money arrives.
pub(crate) const SHOP: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
/// Where else.
pub(crate) const OTHER: &str = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";

const NETWORKS: &str = r#"
[networks.anvil]
chain_id = 31337
finality = "confirmations"
confirmations = 3
rpc.local.url = "http://127.0.0.1:1"
tokens.usd = { symbol = "USD", address = "0x00000000000000000000000000000000000000ee", decimals = 6 }

[networks.fine]
chain_id = 31338
finality = "confirmations"
confirmations = 3
rpc.local.url = "http://127.0.0.1:1"
tokens.fine = { symbol = "FINE", address = "0x00000000000000000000000000000000000000ef", decimals = 18 }

[networks.closed]
chain_id = 31339
enabled = false
finality = "confirmations"
confirmations = 3
rpc.local.url = "http://127.0.0.1:1"
tokens.usd = { symbol = "USD", address = "0x00000000000000000000000000000000000000ee", decimals = 6 }
"#;

/// The business `default`, the business `other`, and an office.
pub(crate) struct Rig {
    pub(crate) pool: PgPool,
    pub(crate) store: Store,
    pub(crate) settings: Settings,
    pub(crate) office: Office,
}

impl Rig {
    pub(crate) async fn new() -> Rig {
        Rig::with("").await
    }

    /// With these lines of configuration, tables first.
    pub(crate) async fn with(lines: &str) -> Rig {
        Rig::founded(&Database::create(&sqlx::migrate!("./migrations")).await, lines).await
    }

    /// Over a database with nothing in it, with these lines of configuration.
    pub(crate) async fn founded(database: &Database, lines: &str) -> Rig {
        let pool = database.pool().await;
        pool.execute(
            "INSERT INTO networks (slug, chain_id, testnet) VALUES ('anvil', 31337, true), ('fine', 31338, false);
             INSERT INTO tokens (network, key, address, symbol, decimals, followed)
             VALUES ('anvil', 'usd', '0x00000000000000000000000000000000000000ee', 'USD', 6, true),
                    ('fine', 'fine', '0x00000000000000000000000000000000000000ef', 'FINE', 18, true);
             INSERT INTO businesses (id, name) VALUES ('other', 'other')",
        )
        .await
        .unwrap();
        Rig::over(database, pool, lines)
    }

    /// Over a database as it is.
    pub(crate) fn over(database: &Database, pool: PgPool, lines: &str) -> Rig {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("networks.toml");
        let head = format!("[database]\nurl = \"{}\"\nmax_connections = 20\n", database.url());
        std::fs::write(&path, format!("{head}{lines}\n{NETWORKS}")).unwrap();
        let settings = settings::load(&[path], std::iter::empty(), &[]).unwrap();
        let store = Store::new(&settings.database).unwrap();
        let office = Office::new(Arc::new(settings.clone()), store.clone());
        Rig { pool, store, settings, office }
    }

    /// A widget of this business that allows everything but what `change` says.
    pub(crate) async fn widget_of(&self, business: &str, change: impl FnOnce(&mut NewWidget)) -> Widget {
        let mut new = checkout();
        change(&mut new);
        self.office.create_widget(&BusinessId(business.to_owned()), &new).await.unwrap().0
    }

    pub(crate) async fn widget(&self) -> Widget {
        self.widget_of("default", |_| {}).await
    }

    /// The fields at fault when this is opened.
    pub(crate) async fn at_fault(&self, widget: &Widget, opening: &Opening) -> Vec<String> {
        let faults = match self.office.open(widget, opening, None).await {
            Err(Refusal::Faults(faults)) => faults,
            Ok(_) => Vec::new(),
            Err(other) => panic!("{other:?}"),
        };
        assert!(faults.iter().all(|fault| !fault.message.is_empty()));
        faults.into_iter().map(|fault| fault.field).collect()
    }

    /// What a query that gives one number gives.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    /// What the books find; nothing, if all is well.
    pub(crate) async fn books(&self) -> Vec<String> {
        let query = sqlx::query_scalar("SELECT rule || ' ' || subject || ' ' || detail FROM deposit_watcher_books");
        query.fetch_all(&self.pool).await.unwrap()
    }
}

pub(crate) fn checkout() -> NewWidget {
    NewWidget { name: "checkout".to_owned(), mode: "CUSTOMER_AMOUNT".to_owned(), ..NewWidget::default() }
}

/// A server asks for 5 USD at the shop.
pub(crate) fn opening() -> Opening {
    Opening {
        amount: "5".to_owned(),
        currency: "USD".to_owned(),
        network: "anvil".to_owned(),
        currency_address: USD.to_owned(),
        deposit_address: SHOP.to_owned(),
        customer_email: None,
        customer_reference: None,
        metadata: None,
        origin: None,
        opened_by: OpenedBy::Server,
    }
}

/// The same with a change.
pub(crate) fn but(change: impl FnOnce(&mut Opening)) -> Opening {
    let mut opening = opening();
    change(&mut opening);
    opening
}

pub(crate) fn key(business: &str, credential: &str, key: &str, request: u8) -> RequestKey {
    RequestKey {
        business: BusinessId(business.to_owned()),
        credential: credential.to_owned(),
        route: "create-session",
        key: key.to_owned(),
        request: [request; 32],
    }
}

pub(crate) fn metadata(value: Value) -> Option<serde_json::Map<String, Value>> {
    Some(value.as_object().unwrap().clone())
}

pub(crate) fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

pub(crate) fn session(id: &str) -> SessionId {
    SessionId(id.to_owned())
}

pub(crate) fn widget_id(id: &str) -> WidgetId {
    WidgetId(id.to_owned())
}

/// The faults of a refusal.
pub(crate) fn faults(refusal: Refusal) -> Vec<Fault> {
    let Refusal::Faults(faults) = refusal else { panic!("{refusal:?}") };
    faults
}
