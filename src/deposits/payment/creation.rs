//! Makes a payment of what a business asks for: once for each `depositId`, with its session where there is nothing to
//! choose. Not for what a request must be by itself ([`super::request`]).

use serde_json::{Value, json};

use super::deposit::Personal;
use super::offer::{Offer, fixed};
use super::request::{Checked, Metadatum, PaymentRequest, check};
use super::{NOT_ITS_OWN, fields, renamed, row, session};
use crate::deposits::field;
use crate::deposits::open::{refused, reservation};
use crate::deposits::opening::amount_of;
use crate::deposits::{Office, Refusal, Widget, schema};
use crate::domain::{ApiKeyId, Fault, Language, Secret};
use crate::keys::{Keyring, digest, same};
use crate::store::{Error, NewPayment, NewSession, PaymentAdded, PaymentRow};

impl Office {
    /// The widget that says where the money of a key's payments goes, whatever its state.
    pub async fn bound_widget(&self, key: &ApiKeyId) -> Result<Widget, Refusal> {
        let widget = self.store.widget_of_key(key).await?;
        widget.ok_or(Refusal::NotBound(
            "the key that signed the token is bound to no widget; make one with `api-keys create --widget`",
        ))
    }

    /// All that is wrong with a request, as far as can be told without asking for it.
    pub fn faults_of_payment(&self, widget: &Widget, asked: &PaymentRequest) -> Vec<Fault> {
        let form = check(asked).err().unwrap_or_default();
        // Of a field that makes no sense by itself its own fault is enough.
        let told = |field: &str| form.iter().any(|fault| fault.field.split('.').next() == Some(field));
        let rules = self.faults_by_rules(widget, asked).into_iter().filter(|fault| !told(&fault.field)).collect();
        [form, rules].concat()
    }

    /// Makes a payment through a widget and returns what its link carries. The same request is answered the same however
    /// often it comes, even where the widget's rules are others by then.
    pub async fn create_payment(
        &self,
        keyring: &Keyring,
        widget: &Widget,
        asked: &PaymentRequest,
    ) -> Result<Secret<String>, Refusal> {
        let checked = match check(asked) {
            Ok(checked) => checked,
            Err(_) => return Err(Refusal::Faults(self.faults_of_payment(widget, asked))),
        };
        let link = Link::of(keyring, widget, &checked);
        let against = match (Offer::of(&self.settings, widget), self.faults_by_rules(widget, asked)) {
            (Err(why), _) => Some(Refusal::NotBound(why)),
            (Ok(_), faults) if !faults.is_empty() => Some(Refusal::Faults(faults)),
            (Ok(_), _) => None,
        };
        let Some(refusal) = against else { return self.add(keyring, widget, &checked, &link).await };
        let known = self.store.payment(&widget.business_id, &checked.deposit_id).await?;
        known.map_or(Err(refusal), |known| link.again(&known))
    }

    async fn add(
        &self,
        keyring: &Keyring,
        widget: &Widget,
        asked: &Checked,
        link: &Link,
    ) -> Result<Secret<String>, Refusal> {
        let offer = Offer::of(&self.settings, widget).map_err(Refusal::NotBound)?;
        let new = self.payment(keyring, widget, asked, link)?;
        let only = new.amount.as_deref().and_then(|amount| offer.only(widget, amount));
        let first = only.map(|(only, amount)| {
            let session = session(&new.business, &new.deposit_id, &new.metadata, widget, only, amount);
            (NewSession { lives: new.session_lives, ..session }, reservation(&self.settings.sessions))
        });
        match self.store.add_payment(&new, first).await {
            Ok(PaymentAdded::New) => Ok(link.current.clone()),
            Ok(PaymentAdded::Known(known)) => link.again(&known),
            Ok(PaymentAdded::AnothersAddress) => Err(Refusal::NotBound(NOT_ITS_OWN)),
            Err(error) => Err(renamed(refused(error), "")),
        }
    }

    fn payment(&self, keyring: &Keyring, widget: &Widget, asked: &Checked, link: &Link) -> Result<NewPayment, Refusal> {
        // Of a widget with one amount the customer has none to say.
        let fixed = fixed(widget).map(str::to_owned);
        let page = &self.settings.page;
        Ok(NewPayment {
            deposit_id: asked.deposit_id.clone(),
            business: widget.business_id.clone(),
            widget: widget.id.clone(),
            token: digest(link.current.expose().as_bytes()),
            request: link.request,
            amount: asked.amount.clone().or(fixed),
            return_url: asked.return_url.clone(),
            statement: asked.statement.clone(),
            reason: asked.reason.clone(),
            country: asked.country.clone(),
            language: asked.language.map(Language::as_str),
            metadata: plain(&asked.metadata),
            pii: sealed(keyring, widget, asked)?,
            link_lives: page.link_lives.as_secs_f64(),
            session_lives: page.session_lives.as_secs_f64(),
        })
    }

    /// What the widget has against it.
    fn faults_by_rules(&self, widget: &Widget, asked: &PaymentRequest) -> Vec<Fault> {
        let mut faults = Vec::new();
        let listed = || field::origin(&asked.return_url).is_some_and(|host| widget.allowed_domains.contains(&host));
        if !widget.allowed_domains.is_empty() && !listed() {
            faults.push(Fault::new("returnUrl", "must be on one of the widget's domains"));
        }
        if let (Some(amount), Ok(offer)) = (&asked.amount, Offer::of(&self.settings, widget)) {
            let tried: Vec<_> = offer.all.iter().map(|one| amount_of(widget, amount, Some(one.token))).collect();
            if tried.iter().all(Result::is_err) {
                faults.extend(tried.into_iter().find_map(Result::err).map(|why| Fault::new("amount", why)));
            }
        }
        if !asked.metadata.is_empty() || widget.metadata_schema.is_some() {
            let found = schema::faults(&fields(&plain(&asked.metadata)), widget.metadata_schema.as_ref());
            faults.extend(found.into_iter().map(|why| Fault::new("metadata", why)));
        }
        faults
    }
}

/// What is not personal.
fn open(metadata: &[Metadatum]) -> impl Iterator<Item = &Metadatum> {
    metadata.iter().filter(|one| !one.pii)
}

/// The column: pairs of name and value.
fn plain(metadata: &[Metadatum]) -> Value {
    open(metadata).map(|one| json!([one.name, one.value.expose()])).collect()
}

/// What is personal, for this payment's row; nothing where nothing is.
fn sealed(keyring: &Keyring, widget: &Widget, asked: &Checked) -> Result<Option<Vec<u8>>, Refusal> {
    let personal: Vec<&Metadatum> = asked.metadata.iter().filter(|one| one.pii).collect();
    if personal.is_empty() && asked.msisdn.is_none() {
        return Ok(None);
    }
    let pairs = personal.into_iter().map(|one| (one.name.clone(), one.value.expose().clone())).collect();
    let personal = Personal { msisdn: asked.msisdn.as_ref().map(|number| number.expose().clone()), metadata: pairs };
    let text = Secret::new(serde_json::to_vec(&personal).unwrap_or_default());
    let sealed = keyring.seal(&row(&widget.business_id, &asked.deposit_id), text.expose());
    sealed.map(Some).map_err(|_| Refusal::Store(Error::Unreadable("personal data cannot be sealed".to_owned())))
}

/// What a payment's link carries and what its request is known by, with each sealing key that is good.
struct Link {
    current: Secret<String>,
    previous: Option<Secret<String>>,
    request: [u8; 32],
    before: Option<[u8; 32]>,
}

impl Link {
    fn of(keyring: &Keyring, widget: &Widget, asked: &Checked) -> Link {
        let (row, meaning) = (row(&widget.business_id, &asked.deposit_id), asked.meaning());
        let (current, previous) = keyring.links(&row);
        let (request, before) = keyring.marks(meaning.expose());
        Link { current, previous, request, before }
    }

    /// The link that was given before, to who asks the same again.
    fn again(&self, known: &PaymentRow) -> Result<Secret<String>, Refusal> {
        let equal = [Some(self.request), self.before].into_iter().flatten().any(|mark| same(&mark, &known.request));
        let given = |link: &&Secret<String>| same(&digest(link.expose().as_bytes()), &known.token);
        let link = [Some(&self.current), self.previous.as_ref()].into_iter().flatten().find(given);
        // Where the sealing key was lost since, neither is known again.
        link.filter(|_| equal).cloned().ok_or(Refusal::DepositIdReused)
    }
}
