//! The demo's merchant: a business with a widget and a webhook endpoint, who opens and cancels sessions over HTTP as any
//! shop would, sends customers to payment pages, and hears of all of it by webhooks. Not for paying: customers do that in [`super::script`].

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::cast::Role;
use super::checkout::Checkout;
use super::receiver::{Heard, Receiver};
use super::stage::NETWORK;
use super::till::Till;
use crate::deposits::{NewWidget, Office};
use crate::domain::{Address, BusinessId, SessionId};
use crate::keys::Keyring;
use crate::settings;
use crate::store::Store;
use crate::webhooks::{Desk, NewEndpoint};

/// The business's id.
pub(super) const BUSINESS: &str = "demo-shop";

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Shop {
    client: reqwest::Client,
    api: String,
    widget: String,
    widget_secret: String,
    receiver: Receiver,
    till: Arc<Till>,
    checkout: Checkout,
    /// Sessions by name with the secret of each.
    opened: Mutex<BTreeMap<&'static str, (SessionId, String)>>,
}

impl Shop {
    /// Sets up business, widget and endpoint with the configuration that the API at `port` will run with.
    pub(super) async fn found(store: &Store, config: &Path, port: u16) -> anyhow::Result<Shop> {
        let settings = settings::load(&[config.to_owned()], std::iter::empty(), &[]);
        let settings = Arc::new(settings.map_err(|faults| anyhow::anyhow!("{faults}"))?);
        let key = settings.api.sealing_key.as_ref().context("the demo's configuration has no sealing key")?;
        let keyring = Arc::new(Keyring::new(key, None));
        let (office, business) = (Office::new(settings.clone(), store.clone()), BusinessId(BUSINESS.to_owned()));
        office.create_business(Some(BUSINESS), "The demo's shop").await?;
        let (widget, secret) = office.create_widget(&business, &widget()).await?;
        let receiver = Receiver::start().await?;
        let desk = Desk::new(&settings, store.clone(), Some(keyring.clone()));
        let endpoint = NewEndpoint { url: receiver.url(), events: Vec::new() };
        let (_, signing) = desk.create(&business, &endpoint).await?;
        receiver.trust(signing.expose());
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy().build()?;
        let (api, widget_secret) = (format!("http://127.0.0.1:{port}"), secret.expose().clone());
        let pages = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let returns = Checkout::returns(pages.local_addr()?);
        let till = Till::open(client.clone(), api.clone(), office, keyring, business, returns).await?;
        let till = Arc::new(till);
        let checkout = Checkout::open(pages, till.clone())?;
        let widget = widget.id.0;
        Ok(Shop { client, api, widget, widget_secret, receiver, till, checkout, opened: Mutex::default() })
    }

    /// Opens the session of a role; returns its id.
    pub(super) async fn open(&self, role: Role, token: Address) -> anyhow::Result<SessionId> {
        let part = role.part();
        let body = json!({
            "amount": part.amount, "currency": part.coin.symbol(), "network": NETWORK, "currencyAddress": token,
            "depositAddress": role.address(), "customerReference": part.name,
        });
        let path = format!("{}/create-session", self.widget);
        let session = self.post(&path, &self.widget_secret, part.name, &body).await?;
        let text = |field: &str| session.get(field).and_then(Value::as_str).map(str::to_owned);
        let (id, secret) = text("id").zip(text("clientSecret")).context("the API's answer is no session")?;
        let id = SessionId(id);
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).insert(part.name, (id.clone(), secret));
        Ok(id)
    }

    /// Asks for the payment of a role, and returns the link that its customer is sent.
    pub(super) async fn ask(&self, role: Role) -> anyhow::Result<String> {
        self.till.ask(role).await
    }

    /// Where a reader becomes a customer.
    pub(super) fn checkout_url(&self) -> String {
        self.checkout.url()
    }

    /// Cancels the session of a role.
    pub(super) async fn cancel(&self, role: Role) -> anyhow::Result<()> {
        let (id, secret) = self.session(role)?;
        let path = format!("deposit-sessions/{id}/cancel-session");
        self.post(&path, &secret, "cancel", &json!({})).await.map(drop)
    }

    /// The session of a role and its secret.
    fn session(&self, role: Role) -> anyhow::Result<(SessionId, String)> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.get(role.part().name).cloned().context("the session is not open")
    }

    /// A command that reads the session of a role.
    pub(super) fn curl(&self, role: Role) -> anyhow::Result<String> {
        let (id, secret) = self.session(role)?;
        Ok(format!("curl -H 'X-Client-Secret: {secret}' {}/api/v1/widgets/deposit-sessions/{id}", self.api))
    }

    /// Where the API describes itself.
    pub(super) fn description_url(&self) -> String {
        format!("{}/openapi.json", self.api)
    }

    /// What webhooks told so far.
    pub(super) fn heard(&self) -> Heard {
        self.receiver.heard()
    }

    async fn post(&self, path: &str, secret: &str, key: &str, body: &Value) -> anyhow::Result<Value> {
        let url = format!("{}/api/v1/widgets/{path}", self.api);
        let request = self.client.post(url).header("x-client-secret", secret).header("idempotency-key", key);
        let request = request.header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.context("the API does not answer")?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "the API answered {status} to {path}: {text}");
        Ok(serde_json::from_str(&text)?)
    }
}

/// A widget that takes the addresses of all roles.
fn widget() -> NewWidget {
    NewWidget {
        name: "checkout".to_owned(),
        mode: "CUSTOMER_AMOUNT".to_owned(),
        allowed_deposit_addresses: Role::ALL.map(|role| role.address().to_string()).to_vec(),
        ..NewWidget::default()
    }
}
