//! Where the demo's shop takes payments by link: bearer tokens that it signs itself, `POST /v1/widget/sessions`, and
//! `GET /v1/deposits/{depositId}` to hear how one stands. Not for the customer: see [`super::customer`].

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::cast::{Coin, Role};
use crate::deposits::{NewWidget, Office, Signer};
use crate::domain::{Address, ApiKeyId, BusinessId, Secret, WidgetId};
use crate::keys::{Keyring, hmac_sha256, random_id};

/// What a reader of the demo is asked to pay, in whole tokens.
const PRICE: &str = "25";
/// How long a token is good, in seconds.
const TOKEN_LIVES: u64 = 60;
/// A business may have ten active widgets, and two are the cast's.
const COUNTERS: usize = 6;

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Till {
    client: reqwest::Client,
    api: String,
    office: Office,
    keyring: Arc<Keyring>,
    business: BusinessId,
    returns: String,
    cast: Counter,
    /// Of the readers who came, the oldest first.
    readers: Mutex<VecDeque<WidgetId>>,
}

/// A key that is bound to a widget: what is asked for with it goes to that widget's address.
#[derive(Debug)]
struct Counter {
    widget: WidgetId,
    key: ApiKeyId,
    secret: Secret<String>,
}

impl Till {
    /// Opens with a widget and a key for the cast. Customers come back to `returns`.
    pub(super) async fn open(
        client: reqwest::Client,
        api: String,
        office: Office,
        keyring: Arc<Keyring>,
        business: BusinessId,
        returns: String,
    ) -> anyhow::Result<Till> {
        let cast = counter(&office, &keyring, &business, Role::Linked.address(), &[Coin::Dollar]).await?;
        Ok(Till { client, api, office, keyring, business, returns, cast, readers: Mutex::default() })
    }

    /// Asks for the payment of a role; returns its link.
    pub(super) async fn ask(&self, role: Role) -> anyhow::Result<String> {
        self.payment(&self.cast, role.part().amount, "EN").await
    }

    /// Asks a reader for a payment, to an address that nobody has used and in whatever token; returns its link.
    pub(super) async fn ask_reader(&self, language: &str) -> anyhow::Result<String> {
        let counter =
            counter(&self.office, &self.keyring, &self.business, rand::random::<[u8; 20]>().into(), &[]).await?;
        let link = self.payment(&counter, PRICE, language).await?;
        let closed = {
            let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
            readers.push_back(counter.widget);
            if readers.len() > COUNTERS { readers.pop_front() } else { None }
        };
        if let Some(widget) = closed {
            self.office.set_widget_disabled(&widget, true).await?;
        }
        Ok(link)
    }

    /// How a payment stands.
    pub(super) async fn status(&self, deposit_id: &str) -> anyhow::Result<Option<Value>> {
        let url = format!("{}/v1/deposits/{deposit_id}", self.api);
        let answer = self.client.get(url).bearer_auth(self.cast.token()?).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "the API answered {status}: {text}");
        let found: Vec<Value> = serde_json::from_str(&text)?;
        Ok(found.into_iter().next())
    }

    async fn payment(&self, counter: &Counter, amount: &str, language: &str) -> anyhow::Result<String> {
        let body = json!({
            "depositId": uuid(), "returnUrl": self.returns, "amount": amount, "language": language,
            "reason": "One demo", "statementDescription": "The demos shop",
        });
        let request = self.client.post(format!("{}/v1/widget/sessions", self.api)).bearer_auth(counter.token()?);
        let request = request.header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.context("the API does not answer")?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "the API answered {status} to a payment: {text}");
        let answer: Value = serde_json::from_str(&text)?;
        let link = answer.get("redirectUrl").and_then(Value::as_str);
        Ok(link.context("the API's answer is no payment")?.to_owned())
    }
}

impl Counter {
    /// A fresh bearer token (JWT, HS256).
    fn token(&self) -> anyhow::Result<String> {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let expires = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs().saturating_add(TOKEN_LIVES);
        let text =
            format!("{}.{}", part(json!({ "alg": "HS256", "kid": self.key.0 })), part(json!({ "exp": expires })));
        let signature = hmac_sha256(self.secret.expose().as_bytes(), &[text.as_bytes()]);
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

async fn counter(
    office: &Office,
    keyring: &Keyring,
    business: &BusinessId,
    address: Address,
    coins: &[Coin],
) -> anyhow::Result<Counter> {
    let new = NewWidget {
        name: "payment page".to_owned(),
        mode: "CUSTOMER_AMOUNT".to_owned(),
        allowed_currencies: coins.iter().map(|coin| coin.symbol().to_owned()).collect(),
        default_deposit_address: Some(address.to_string()),
        ..NewWidget::default()
    };
    let (widget, _) = office.create_widget(business, &new).await?;
    let signer = Signer::Secret(keyring);
    let (key, secret) = office.create_bound_api_key(business, "till", Some(&widget.id), signer).await?;
    Ok(Counter { widget: widget.id, key: key.id, secret: secret.context("the key has no secret")? })
}

/// A random UUID (RFC 9562, version 4).
fn uuid() -> String {
    let hex = random_id("");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_one_of_version_4() {
        let one = uuid();
        assert_eq!(one.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_eq!((one.get(14..15), one.get(19..20)), (Some("4"), Some("a")), "{one}");
        assert_ne!(one, uuid());
    }
}
