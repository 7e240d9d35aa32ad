//! What the tests of this room stand on: a configuration, a widget that allows everything. Not tests.

use std::sync::LazyLock;

use super::{View, Widget};
use crate::domain::{BusinessId, Time, WidgetId};
use crate::settings::{Settings, load};

pub(super) const TOKEN: &str = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
pub(super) const SHOP: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

const NETWORKS: &str = r#"
[networks.anvil]
chain_id = 31337
finality = "confirmations"
confirmations = 3
rpc.local.url = "http://127.0.0.1:1"
tokens.usdc = { symbol = "USDC", address = "0x5FbDB2315678afecb367f032d93F642f64180aa3", decimals = 6 }

[networks.dark]
chain_id = 31338
enabled = false
finality = "confirmations"
confirmations = 3
rpc.local.url = "http://127.0.0.1:1"
tokens.usdt = { symbol = "USDT", address = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512", decimals = 6 }
"#;

/// One network that is watched, one that is not.
pub(super) fn settings() -> Settings {
    static LOADED: LazyLock<Settings> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("networks.toml");
        std::fs::write(&file, NETWORKS).unwrap();
        let environment = [("DATABASE_URL".to_owned(), "postgres://nobody@127.0.0.1:1/none".to_owned())];
        load(&[file], environment.into_iter(), &[]).unwrap()
    });
    LOADED.clone()
}

/// A widget that allows everything.
pub(super) fn widget() -> Widget {
    Widget {
        id: WidgetId("wid_1".to_owned()),
        business_id: BusinessId("default".to_owned()),
        name: "shop".to_owned(),
        mode: "CUSTOMER_AMOUNT".to_owned(),
        min_amount: None,
        max_amount: None,
        allowed_networks: Vec::new(),
        allowed_currencies: Vec::new(),
        allowed_deposit_addresses: Vec::new(),
        allowed_domains: Vec::new(),
        success_url: None,
        cancel_url: None,
        default_currency: None,
        default_currency_address: None,
        default_network: None,
        default_deposit_address: None,
        metadata_schema: None,
        created_at: Time::default(),
        disabled_at: None,
    }
}

/// A session in this status.
pub(super) fn view(status: &str, closed: bool) -> View {
    View {
        business: BusinessId("default".to_owned()),
        closed,
        payment_status: status.to_owned(),
        amount: "5".to_owned(),
        requested_amount: "5".to_owned(),
        missing_amount: "5".to_owned(),
        network: "anvil".to_owned(),
        currency_address: TOKEN.to_owned(),
        deposit_address: SHOP.to_owned(),
        required_confirmations: None,
        created_at: String::new(),
        expires_at: String::new(),
        livemode: false,
        ..View::waiting()
    }
}
