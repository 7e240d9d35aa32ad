//! Businesses with everything they can have, and every credential there is, good and bad.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deposit_watcher::deposits::{NewWidget, PaymentRequest, Signer};
use deposit_watcher::domain::{ApiKeyId, BusinessId, SessionId, WidgetId};
use deposit_watcher::keys::hmac_sha256;
use deposit_watcher::webhooks::NewEndpoint;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use crate::asking::Ask;
use crate::server::{Server, wish};

/// A business and an id of each kind that is its own, with what proves who asks.
pub(crate) struct Owner {
    pub(crate) business: String,
    pub(crate) key: (String, String),
    pub(crate) ed: (String, Ed25519KeyPair),
    pub(crate) widget: String,
    pub(crate) widget_secret: String,
    /// The one before the last rotation, expired since.
    pub(crate) old_widget_secret: String,
    pub(crate) session: String,
    pub(crate) session_secret: String,
    pub(crate) endpoint: String,
    pub(crate) delivery: String,
    /// The id of a payment by link.
    pub(crate) deposit: String,
}

impl Owner {
    /// A business of this name with one of everything; its sessions go to an address of its own.
    pub(crate) async fn settle(server: &Server, name: &str, to: &str) -> Owner {
        let office = &server.office;
        let business = office.create_business(Some(name), name).await.unwrap().id;
        let pair = Ed25519KeyPair::from_seed_unchecked(&rand::random::<[u8; 32]>()).unwrap();
        let public = Signer::Public(pair.public_key().as_ref().try_into().unwrap());
        let new = NewWidget {
            name: "checkout".to_owned(),
            mode: "CUSTOMER_AMOUNT".to_owned(),
            allowed_deposit_addresses: vec![to.to_owned()],
            ..NewWidget::default()
        };
        let (widget, old) = office.create_widget(&business, &new).await.unwrap();
        let (bound, sealed) = (Some(&widget.id), Signer::Secret(&server.keyring));
        let shared = office.create_bound_api_key(&business, "shared", bound, sealed).await.unwrap();
        let signed = office.create_bound_api_key(&business, "signed", bound, public).await.unwrap();
        let secret = office.rotate_widget(&widget.id).await.unwrap();
        let expire = "UPDATE widget_secrets SET expires_at = now() - interval '1 second' WHERE expires_at IS NOT NULL";
        sqlx::query(expire).execute(&server.pool).await.unwrap();
        let endpoint = NewEndpoint { url: "https://shop.example.com/hooks".to_owned(), events: Vec::new() };
        let (endpoint, _) = server.desk.create(&business, &endpoint).await.unwrap();
        let mut owner = Owner {
            business: business.0,
            key: (shared.0.id.0, shared.1.unwrap().expose().clone()),
            ed: (signed.0.id.0, pair),
            widget: widget.id.0,
            widget_secret: secret.expose().clone(),
            old_widget_secret: old.expose().clone(),
            session: String::new(),
            session_secret: String::new(),
            endpoint: endpoint.id,
            delivery: format!("whd_{:032x}", rand::random::<u128>()),
            deposit: deposit_id(),
        };
        owner.open(server, to).await;
        owner
    }

    async fn open(&mut self, server: &Server, to: &str) {
        let mut body = wish("10");
        body["depositAddress"] = json!(to);
        let ask = Ask::post(&format!("/api/v1/widgets/{}/create-session", self.widget));
        let opened = ask.with("Authorization", &self.bearer()).json(&body).at(server.at).await;
        assert_eq!(opened.status, 201, "{opened:?}");
        self.session = opened.json()["id"].as_str().unwrap().to_owned();
        self.session_secret = opened.json()["clientSecret"].as_str().unwrap().to_owned();
        let widget = server.office.widget(&self.widget_id()).await.unwrap();
        let (deposit_id, return_url) = (self.deposit.clone(), "https://shop.example.com/back".to_owned());
        let request = PaymentRequest { deposit_id, return_url, ..PaymentRequest::default() };
        server.office.create_payment(&server.keyring, &widget, &request).await.unwrap();
        // As the sequencer lays it out.
        let lay = "INSERT INTO webhook_deliveries (id, endpoint_id, event_id, business_id, sequence) \
            SELECT $1, $2, e.id, $3, 1 FROM events e WHERE e.session_id = $4 LIMIT 1";
        let laid = sqlx::query(lay).bind(&self.delivery).bind(&self.endpoint).bind(&self.business).bind(&self.session);
        assert_eq!(laid.execute(&server.pool).await.unwrap().rows_affected(), 1);
    }

    /// `Bearer …` of a token that is good for a minute.
    pub(crate) fn bearer(&self) -> String {
        self.says(&head("HS256", &self.key.0), &json!({ "exp": now() + 60 }))
    }

    /// The same by the other kind of key.
    pub(crate) fn bearer_ed(&self) -> String {
        let sign = |text: &[u8]| self.ed.1.sign(text).as_ref().to_vec();
        token(&head("EdDSA", &self.ed.0), &json!({ "exp": now() + 60 }), sign)
    }

    /// Signed by the shared key, whatever it says.
    pub(crate) fn says(&self, head: &Value, claims: &Value) -> String {
        token(head, claims, |text| hmac_sha256(self.key.1.as_bytes(), &[text]).to_vec())
    }

    /// Tokens and what looks like some, none of them good for anything.
    pub(crate) fn bad_tokens(&self) -> Vec<(&'static str, String)> {
        let (good, claims) = (head("HS256", &self.key.0), json!({ "exp": now() + 60 }));
        let public = self.ed.1.public_key().as_ref();
        let confused = token(&head("HS256", &self.ed.0), &claims, |text| hmac_sha256(public, &[text]).to_vec());
        let mut bent = self.bearer();
        let last = if bent.pop() == Some('A') { 'E' } else { 'A' };
        bent.push(last);
        vec![
            ("expired", self.says(&good, &json!({ "exp": now() - 120 }))),
            ("never expires", self.says(&good, &json!({}))),
            ("not yet", self.says(&good, &json!({ "exp": now() + 900, "nbf": now() + 600 }))),
            ("expires as a word", self.says(&good, &json!({ "exp": "tomorrow" }))),
            ("another algorithm", self.says(&head("HS512", &self.key.0), &claims)),
            ("alg none", token(&head("none", &self.key.0), &claims, |_| Vec::new())),
            ("alg none, signed", self.says(&head("none", &self.key.0), &claims)),
            ("the public key as a secret", confused),
            ("another's key id", self.says(&head("HS256", &self.ed.0), &claims)),
            ("unknown key id", self.says(&head("HS256", &format!("key_{:032x}", 7)), &claims)),
            ("key id of SQL", self.says(&head("HS256", "key_' OR '1'='1"), &claims)),
            ("no key id", self.says(&json!({ "alg": "HS256" }), &claims)),
            ("tampered", bent),
            ("no token", "Bearer rubbish".to_owned()),
            ("empty", "Bearer ".to_owned()),
            ("another scheme", "Basic c2hvcDpzaG9w".to_owned()),
            ("a secret as a token", format!("Bearer {}", self.key.1)),
            ("too long", format!("Bearer {}.e30.e30", "e30".repeat(3_000))),
        ]
    }

    /// A token by a key that was good and is disabled.
    pub(crate) async fn disabled_key(&self, server: &Server) -> String {
        let business = BusinessId(self.business.clone());
        let (key, secret) =
            server.office.create_api_key(&business, "ended", Signer::Secret(&server.keyring)).await.unwrap();
        server.office.disable_api_key(&ApiKeyId(key.id.0.clone())).await.unwrap();
        let secret = secret.unwrap();
        let sign = |text: &[u8]| hmac_sha256(secret.expose().as_bytes(), &[text]).to_vec();
        token(&head("HS256", &key.id.0), &json!({ "exp": now() + 60 }), sign)
    }

    /// A fresh ticket to its session.
    pub(crate) async fn ticket(&self, server: &Server) -> String {
        let ticket = server.office.issue_ticket(&SessionId(self.session.clone())).await.unwrap();
        ticket.ticket.expose().clone()
    }

    pub(crate) fn widget_id(&self) -> WidgetId {
        WidgetId(self.widget.clone())
    }
}

/// A UUIDv4.
pub(crate) fn deposit_id() -> String {
    let random = format!("{:032x}", rand::random::<u128>());
    format!("{}-{}-4{}-a{}-{}", &random[..8], &random[8..12], &random[13..16], &random[17..20], &random[20..])
}

/// A payment by link of this id.
pub(crate) fn payment(deposit: &str) -> Value {
    json!({ "depositId": deposit, "returnUrl": "https://shop.example.com/back", "amount": "7.5", "reason": "Order 17" })
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) fn head(algorithm: &str, key: &str) -> Value {
    json!({ "alg": algorithm, "kid": key })
}

pub(crate) fn token(head: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let text = format!("{}.{}", part(head.to_string().as_bytes()), part(claims.to_string().as_bytes()));
    format!("Bearer {text}.{}", part(&sign(text.as_bytes())))
}
