//! Opens a session: what was asked is examined, then amount, address and session are taken in one transaction.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::opening::{Examined, NOT_ALLOWED, Opening, examine};
use super::{Office, Refusal, RequestKey, Widget};
use crate::domain::{Fault, SessionId, Time};
use crate::keys::random_id;
use crate::settings::{AmountClash, Sessions};
use crate::store::{Error, NewSession, OpenOutcome, Reservation};

/// A session as it was opened; what is kept under an idempotency key. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    /// Its id.
    pub id: String,
    /// `CREATED`
    pub payment_status: String,
    /// What is to be paid, in whole tokens.
    pub amount: String,
    /// What was asked for: `amount` may be a little more, so that it is nobody else's.
    pub requested_amount: String,
    /// Symbol.
    pub currency: String,
    /// Slug.
    pub network: String,
    /// Token contract, with its checksum.
    pub currency_address: String,
    /// Where the money is to arrive, with its checksum.
    pub deposit_address: String,
    /// Until when it takes money.
    pub expires_at: String,
    /// False on test networks.
    pub livemode: bool,
}

impl Office {
    /// All that is wrong with an opening, as far as can be told without asking for it.
    pub fn faults_of_opening(&self, widget: &Widget, opening: &Opening) -> Vec<Fault> {
        examine(&self.settings, widget, opening).err().unwrap_or_default()
    }

    /// Opens a session through a widget. With a key, the same request opens one session however often it comes, and is
    /// answered as it was even where the widget's rules are others by then.
    pub async fn open(&self, widget: &Widget, opening: &Opening, key: Option<&RequestKey>) -> Result<Opened, Refusal> {
        let examined = match examine(&self.settings, widget, opening) {
            Ok(examined) => examined,
            Err(faults) => return self.answered(key).await?.unwrap_or(Err(Refusal::Faults(faults))),
        };
        let new = session(widget, opening, &examined, &self.settings.sessions);
        let blank = opened(&new, &examined);
        let kept = {
            let blank = blank.clone();
            move |amount: &str, expires_at| serde_json::to_value(blank.with(amount, expires_at)).unwrap_or(Value::Null)
        };
        match self.store.open_session(&new, reservation(&self.settings.sessions), key, kept).await {
            Ok(OpenOutcome::Opened(amount, expires_at)) => Ok(blank.with(&amount, expires_at)),
            Ok(known) => told(known),
            Err(error) => Err(refused(error)),
        }
    }

    /// Opens a session for the operator: by no widget's rules, but its amount and address are held to the same ones.
    pub async fn open_plain(&self, new: &NewSession) -> Result<(), Refusal> {
        match self.store.open_session(new, reservation(&self.settings.sessions), None, |_, _| Value::Null).await {
            Ok(OpenOutcome::Opened(..)) => Ok(()),
            Ok(known) => told(known).map(drop),
            Err(error) => Err(refused(error)),
        }
    }

    /// What came of an earlier request with this key.
    async fn answered(&self, key: Option<&RequestKey>) -> Result<Option<Result<Opened, Refusal>>, Refusal> {
        let Some(key) = key else { return Ok(None) };
        Ok(self.store.known_request(key).await?.map(told))
    }
}

impl Opened {
    fn with(&self, amount: &str, expires_at: Time) -> Opened {
        Opened { amount: amount.to_owned(), expires_at: super::view::time(expires_at), ..self.clone() }
    }
}

/// What is said where no session was opened now.
fn told(outcome: OpenOutcome) -> Result<Opened, Refusal> {
    match outcome {
        OpenOutcome::Again(answer) => {
            Ok(serde_json::from_value(answer).map_err(|error| Error::Unreadable(error.to_string()))?)
        }
        OpenOutcome::KeyReused => Err(Refusal::KeyReused),
        OpenOutcome::KeyBusy => Err(Refusal::KeyBusy),
        OpenOutcome::AnothersAddress => Err(Refusal::Faults(vec![Fault::new("depositAddress", NOT_ALLOWED)])),
        OpenOutcome::Opened(..) => Err(Refusal::Store(Error::Unreadable("an opening told twice".to_owned()))),
    }
}

fn session(widget: &Widget, opening: &Opening, examined: &Examined<'_>, sessions: &Sessions) -> NewSession {
    NewSession {
        id: SessionId(random_id("dep_")),
        business: Some(widget.business_id.clone()),
        widget: Some(widget.id.clone()),
        opened_by: opening.opened_by.as_str(),
        amount: examined.amount.to_decimal(examined.token.decimals),
        currency: examined.token.symbol.clone(),
        network: examined.network.slug.clone(),
        token: examined.token.address,
        to: examined.to,
        lives: sessions.expires_after.as_secs_f64(),
        email: opening.customer_email.clone(),
        reference: opening.customer_reference.clone(),
        metadata: opening.metadata.clone().map(Value::Object),
    }
}

/// What is told of a session, but for what only the database knows: its amount and until when it lives.
fn opened(new: &NewSession, examined: &Examined<'_>) -> Opened {
    Opened {
        id: new.id.0.clone(),
        payment_status: "CREATED".to_owned(),
        amount: String::new(),
        requested_amount: new.amount.clone(),
        currency: new.currency.clone(),
        network: new.network.to_string(),
        currency_address: new.token.to_checksum(None),
        deposit_address: new.to.to_checksum(None),
        expires_at: String::new(),
        livemode: !examined.network.testnet,
    }
}

/// How amounts are kept apart.
pub(super) fn reservation(sessions: &Sessions) -> Reservation {
    let clash = match sessions.amount_clash {
        AmountClash::Bump => "bump",
        AmountClash::Tag => "tag",
        AmountClash::Reject => "reject",
        AmountClash::Allow => "allow",
    };
    Reservation { clash, reuse_after: sessions.amount_reuse_after.as_secs_f64() }
}

/// Which rule the database says was broken.
pub(super) fn refused(error: Error) -> Refusal {
    match &error {
        Error::Refused { rule, .. } if rule == "amount_claims_pkey" => Refusal::AmountClash,
        Error::Refused { rule, message } if rule == "22023" && message.ends_with("decimals") => {
            Refusal::Faults(vec![Fault::new("amount", "is finer than the token is on its chain")])
        }
        Error::Refused { rule, .. } if rule == "22023" => {
            let why = "is configured, but no watcher has followed it yet; try again when one has started";
            Refusal::Faults(vec![Fault::new("currencyAddress", why)])
        }
        Error::Unavailable(_) | Error::LeaseLost | Error::Refused { .. } | Error::Unreadable(_) | Error::Schema(_) => {
            Refusal::Store(error)
        }
    }
}
