//! Payments by link: what a customer who was sent to a page sees there, chooses and gives up. How one is asked for stands
//! in [`creation`], what the business is told of it in [`deposit`]. Not for the page itself.

mod creation;
mod deposit;
mod offer;
mod phone;
mod request;

use serde_json::{Map, Value};

pub use deposit::{Deposit, DepositStatus, MetadataField};
pub use offer::Choice;
pub use request::{Metadatum, PaymentRequest};

use super::field::Faults;
use super::open::{refused, reservation};
use super::opening::amount_of;
use super::{Office, Refusal, View, Widget};
use crate::domain::{BusinessId, Fault, Language, SessionId, Time, Units, WidgetId, parse_address};
use crate::keys::{digest, random_id};
use crate::store::{Chosen, NewSession, PaymentCancelled, PaymentRow};
use offer::Offer;

/// Said where a widget's address is another business's.
const NOT_ITS_OWN: &str = "the address that the widget names is not one that it may use";

/// A payment, without what is personal of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The business's own id of it.
    pub deposit_id: String,
    /// Whose it is.
    pub business: BusinessId,
    /// What that business is called.
    pub business_name: String,
    /// By whose rules it is paid.
    pub widget: WidgetId,
    /// The hosts whose pages may frame it; empty: none. Where it lists some, `return_url` is on one of them.
    pub allowed_domains: Vec<String>,
    /// Whole tokens; absent where the customer says how much.
    pub amount: Option<String>,
    /// The least that its widget takes.
    pub least: Option<String>,
    /// The most.
    pub most: Option<String>,
    /// Where the customer goes afterwards.
    pub return_url: String,
    /// What a statement is to say.
    pub statement: Option<String>,
    /// What it is for.
    pub reason: Option<String>,
    /// ISO 3166-1 alpha-3.
    pub country: Option<String>,
    /// In which the page begins.
    pub language: Option<Language>,
    /// Name and value.
    pub metadata: Vec<(String, String)>,
    /// When it was asked for.
    pub created_at: Time,
    /// From then on a link that was not opened is dead.
    pub opens_until: Time,
    /// Until when its session takes money.
    pub expires_at: Time,
    /// When its link was first opened.
    pub opened_at: Option<Time>,
    /// When it was cancelled.
    pub cancelled_at: Option<Time>,
    /// The session by which it is paid.
    pub session: Option<SessionId>,
}

/// What there is to see behind a link.
#[derive(Debug, Clone)]
pub struct Visit {
    /// What is paid.
    pub payment: Payment,
    /// Its session, once it has one.
    pub session: Option<View>,
    /// In what it can be paid; none once it has a session.
    pub choices: Vec<Choice>,
    /// What time the database has.
    pub now: Time,
}

impl Office {
    /// What is behind a link, which is now opened. `Gone` where that did not happen in time.
    pub async fn visit(&self, token: &str) -> Result<Visit, Refusal> {
        let row = self.linked(token).await?;
        if row.opened_at.is_some() {
            return self.seen(row).await;
        }
        self.store.open_payment(&digest(token.as_bytes())).await?;
        let row = self.linked(token).await?;
        self.seen(row).await
    }

    /// The same, and the link stays as it was.
    pub async fn glance(&self, token: &str) -> Result<Visit, Refusal> {
        let row = self.linked(token).await?;
        self.seen(row).await
    }

    /// Opens the session by which a payment is paid: in this, and of this amount where none was given. Once it has one, it
    /// is left as it is. To choose is to open the link.
    pub async fn choose(&self, token: &str, choice: &str, amount: Option<&str>) -> Result<(), Refusal> {
        let row = self.linked(token).await?;
        if row.session.is_some() {
            return Ok(());
        }
        let widget = self.widget(&row.widget).await?;
        let offer = Offer::of(&self.settings, &widget);
        let offer = offer.map_err(|why| Refusal::Faults(vec![Fault::new("choice", why)]))?;
        let (chosen, units) = pick(&offer, &widget, row.amount.as_deref(), choice, amount).map_err(Refusal::Faults)?;
        let session = session(&row.business, &row.deposit_id, &row.metadata, &widget, chosen, units);
        match self.store.choose_payment(&row, session, reservation(&self.settings.sessions)).await {
            Ok(Chosen::Done) => Ok(()),
            Ok(Chosen::Over) => Err(Refusal::Faults(vec![Fault::new("", "this payment is over")])),
            Ok(Chosen::AnothersAddress) => Err(Refusal::NotBound(NOT_ITS_OWN)),
            Err(error) => Err(renamed(refused(error), "choice")),
        }
    }

    /// Gives up a payment for which no money was seen, and its session with it.
    pub async fn cancel_payment(&self, token: &str) -> Result<(), Refusal> {
        let row = self.linked(token).await?;
        match self.store.cancel_payment(&row.business, &row.deposit_id).await? {
            PaymentCancelled::Done => Ok(()),
            PaymentCancelled::TooLate => Err(Refusal::CannotCancel),
        }
    }

    /// The token of a session as it is configured; none where nobody watches it any more.
    pub fn coin(&self, session: &View) -> Option<Choice> {
        let network = self
            .settings
            .networks
            .iter()
            .find(|network| network.enabled && network.slug.as_str() == session.network)?;
        let address = parse_address(&session.currency_address).ok()?;
        let token = network.tokens.iter().find(|token| token.address == address)?;
        Some(Choice::of(network, token, false))
    }

    /// The row of a link that is alive.
    async fn linked(&self, token: &str) -> Result<PaymentRow, Refusal> {
        let row = self.store.linked_payment(&digest(token.as_bytes())).await?;
        let row = row.filter(|row| !row.shut).ok_or(Refusal::NotFound)?;
        if row.opened_at.is_none() && row.now >= row.opens_until { Err(Refusal::Gone) } else { Ok(row) }
    }

    async fn seen(&self, row: PaymentRow) -> Result<Visit, Refusal> {
        let (session, choices) = match &row.session {
            Some(id) => (Some(self.read(id).await?), Vec::new()),
            None => (None, self.choices(&row).await?),
        };
        Ok(Visit { now: row.now, session, choices, payment: Payment::from(row) })
    }

    /// None where the widget has nothing to offer by now.
    async fn choices(&self, row: &PaymentRow) -> Result<Vec<Choice>, Refusal> {
        let widget = self.widget(&row.widget).await?;
        let Ok(offer) = Offer::of(&self.settings, &widget) else { return Ok(Vec::new()) };
        let fitting = offer.carrying(&widget, row.amount.as_deref());
        Ok(fitting.into_iter().map(|one| one.choice.clone()).collect())
    }
}

/// What was chosen of an offer and how much of it; all that is wrong at once.
fn pick<'o, 's>(
    offer: &'o Offer<'s>,
    widget: &Widget,
    given: Option<&str>,
    choice: &str,
    typed: Option<&str>,
) -> Result<(&'o offer::Offered<'s>, Units), Vec<Fault>> {
    let mut faults = Faults::default();
    let chosen = offer.carrying(widget, given).into_iter().find(|one| one.choice.key() == choice);
    let chosen = faults.note("choice", chosen.ok_or_else(|| "must be one of those that are offered".to_owned()));
    // What a customer types is held to the same form as what a business asks for.
    let typed = typed.map(request::amount).transpose();
    let amount = typed.and_then(|typed| given.map(str::to_owned).or(typed).ok_or_else(|| "is required".to_owned()));
    let amount = amount.and_then(|text| amount_of(widget, &text, chosen.map(|one| one.token)));
    let amount = faults.note("amount", amount);
    faults.end()?;
    chosen.zip(amount).ok_or_else(|| vec![Fault::new("", "cannot be read")])
}

/// The session of a payment. How long it lives is the payment's affair.
fn session(
    business: &BusinessId,
    deposit_id: &str,
    metadata: &Value,
    widget: &Widget,
    chosen: &offer::Offered<'_>,
    amount: Units,
) -> NewSession {
    let fields = fields(metadata);
    NewSession {
        id: SessionId(random_id("dep_")),
        business: Some(business.clone()),
        widget: Some(widget.id.clone()),
        opened_by: "server",
        amount: amount.to_decimal(chosen.token.decimals),
        currency: chosen.token.symbol.clone(),
        network: chosen.network.slug.clone(),
        token: chosen.token.address,
        to: chosen.to,
        lives: 0.0,
        email: None,
        reference: Some(deposit_id.to_owned()),
        metadata: Some(fields).filter(|fields| *fields != Value::Object(Map::new())),
    }
}

/// What a payment's link and its sealed part belong to. No id of a business holds a line's end.
fn row(business: &BusinessId, deposit_id: &str) -> String {
    format!("payment\n{business}\n{deposit_id}")
}

/// Names and values as the column has them.
fn pairs(metadata: &Value) -> Vec<(String, String)> {
    serde_json::from_value(metadata.clone()).unwrap_or_default()
}

/// The same as an object, as sessions have it.
fn fields(metadata: &Value) -> Value {
    pairs(metadata).into_iter().map(|(name, value)| (name, Value::String(value))).collect()
}

/// The database's faults by the names of this request's fields.
fn renamed(refusal: Refusal, token: &str) -> Refusal {
    let Refusal::Faults(mut faults) = refusal else { return refusal };
    faults
        .iter_mut()
        .filter(|fault| fault.field == "currencyAddress")
        .for_each(|fault| token.clone_into(&mut fault.field));
    Refusal::Faults(faults)
}

impl From<PaymentRow> for Payment {
    fn from(row: PaymentRow) -> Payment {
        Payment {
            metadata: pairs(&row.metadata),
            language: row.language.as_deref().and_then(Language::parse),
            deposit_id: row.deposit_id,
            business: row.business,
            business_name: row.business_name,
            widget: row.widget,
            allowed_domains: row.allowed_domains,
            amount: row.amount,
            least: row.least,
            most: row.most,
            return_url: row.return_url,
            statement: row.statement,
            reason: row.reason,
            country: row.country,
            created_at: row.created_at,
            opens_until: row.opens_until,
            expires_at: row.expires_at,
            opened_at: row.opened_at,
            cancelled_at: row.cancelled_at,
            session: row.session,
        }
    }
}
