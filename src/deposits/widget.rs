//! Widgets as they are asked for: every field held against the configuration and the others, then added.

use serde_json::Value;

use super::field::{self, Faults};
use super::opening::destination;
use super::{Office, Refusal, Widget, schema};
use crate::domain::{BusinessId, Fault, Secret, Units, WidgetId};
use crate::keys::{digest, random_id, random_secret, same};
use crate::settings::{Network, Settings};

/// Active widgets of one business.
const AT_MOST: u32 = 10;
/// Entries of one list.
const ENTRIES: usize = 100;
/// Decimals of a bound: as fine as any token's.
const DECIMALS: u8 = 32;

/// A widget as it is asked for.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each field is told at WidgetRow")]
pub struct NewWidget {
    pub name: String,
    pub mode: String,
    pub min_amount: Option<String>,
    pub max_amount: Option<String>,
    pub allowed_networks: Vec<String>,
    pub allowed_currencies: Vec<String>,
    pub allowed_deposit_addresses: Vec<String>,
    pub allowed_domains: Vec<String>,
    pub success_url: Option<String>,
    pub cancel_url: Option<String>,
    pub default_currency: Option<String>,
    pub default_currency_address: Option<String>,
    pub default_network: Option<String>,
    pub default_deposit_address: Option<String>,
    pub metadata_schema: Option<Value>,
}

impl Office {
    /// Adds a widget; returns it with its client secret, which is shown here only.
    pub async fn create_widget(
        &self,
        business: &BusinessId,
        new: &NewWidget,
    ) -> Result<(Widget, Secret<String>), Refusal> {
        if self.store.businesses(Some(business)).await?.is_empty() {
            return Err(Refusal::NotFound);
        }
        let widget = examine(&self.settings, business, new).map_err(Refusal::Faults)?;
        let secret = random_secret("ws_");
        let added = self.store.add_widget(&widget, &digest(secret.expose().as_bytes()), AT_MOST.into()).await?;
        match added {
            true => Ok((self.widget(&widget.id).await?, secret)),
            false => Err(Refusal::TooManyWidgets(AT_MOST)),
        }
    }

    /// All that is wrong with a widget that is asked for.
    pub fn faults_of_widget(&self, business: &BusinessId, new: &NewWidget) -> Vec<Fault> {
        examine(&self.settings, business, new).err().unwrap_or_default()
    }

    /// The widget of this id, active or not.
    pub async fn widget(&self, id: &WidgetId) -> Result<Widget, Refusal> {
        self.store.widget(id).await?.ok_or(Refusal::NotFound)
    }

    /// All widgets, or a business's.
    pub async fn widgets(&self, business: Option<&BusinessId>) -> Result<Vec<Widget>, Refusal> {
        Ok(self.store.widgets(business).await?)
    }

    /// Whether this is a client secret of that widget; of one that does not exist nothing is.
    pub async fn knows_widget_secret(&self, id: &WidgetId, offered: &str) -> Result<bool, Refusal> {
        let offered = digest(offered.as_bytes());
        let known = self.store.widget_digests(id).await?;
        Ok(known.iter().fold(false, |found, known| found | same(known, &offered)))
    }

    /// Gives a widget another client secret; the one before is good for `webhooks.secret_overlap` more.
    pub async fn rotate_widget(&self, id: &WidgetId) -> Result<Secret<String>, Refusal> {
        let secret = random_secret("ws_");
        let overlap = self.settings.webhooks.secret_overlap.as_secs_f64();
        match self.store.rotate_widget(id, &digest(secret.expose().as_bytes()), overlap).await? {
            true => Ok(secret),
            false => Err(Refusal::NotFound),
        }
    }

    /// Closes a widget, or opens it again where its business may have one more.
    pub async fn set_widget_disabled(&self, id: &WidgetId, disabled: bool) -> Result<Widget, Refusal> {
        let widget = self.widget(id).await?;
        if disabled {
            self.store.disable_widget(id).await?;
        } else if !self.store.enable_widget(id, &widget.business_id, AT_MOST.into()).await? {
            return Err(Refusal::TooManyWidgets(AT_MOST));
        }
        self.widget(id).await
    }
}

/// Holds a widget against the configuration; every fault at once.
fn examine(settings: &Settings, business: &BusinessId, new: &NewWidget) -> Result<Widget, Vec<Fault>> {
    let mut faults = Faults::default();
    faults.note("name", field::text(&new.name, 128));
    amounts(new, &mut faults);
    let networks: Vec<&Network> = settings.networks.iter().filter(|network| network.enabled).collect();
    let known = |slug: &str| networks.iter().any(|network| network.slug.as_str() == slug);
    let symbol =
        |symbol: &str| networks.iter().any(|network| network.tokens.iter().any(|token| token.symbol == symbol));
    let watched = |text: &str| {
        if known(text) { Ok(text.to_owned()) } else { Err("is no network that is watched here".to_owned()) }
    };
    let coin = |text: &str| {
        if symbol(text) { Ok(text.to_owned()) } else { Err("is no token's symbol that is watched here".to_owned()) }
    };
    let place = |text: &str| place(text, &networks);
    let allowed_networks = list("allowedNetworks", &new.allowed_networks, watched, &mut faults);
    let allowed_currencies = list("allowedCurrencies", &new.allowed_currencies, coin, &mut faults);
    let allowed_deposit_addresses = list("allowedDepositAddresses", &new.allowed_deposit_addresses, place, &mut faults);
    let allowed_domains = list("allowedDomains", &new.allowed_domains, field::domain, &mut faults);
    for (name, url) in [("successUrl", &new.success_url), ("cancelUrl", &new.cancel_url)] {
        faults.note(name, url.as_deref().map_or(Ok(()), field::page));
    }
    if let Some(schema) = &new.metadata_schema {
        faults.note("metadataSchema", schema::usable(schema));
    }
    let widget = Widget {
        id: WidgetId(random_id("wid_")),
        business_id: business.clone(),
        name: new.name.clone(),
        mode: new.mode.clone(),
        min_amount: new.min_amount.clone(),
        max_amount: new.max_amount.clone(),
        allowed_networks,
        allowed_currencies,
        allowed_deposit_addresses,
        allowed_domains,
        success_url: new.success_url.clone(),
        cancel_url: new.cancel_url.clone(),
        default_currency: new.default_currency.clone(),
        default_currency_address: new.default_currency_address.clone(),
        default_network: new.default_network.clone(),
        default_deposit_address: new.default_deposit_address.clone(),
        metadata_schema: new.metadata_schema.clone(),
        created_at: crate::domain::Time::default(),
        disabled_at: None,
    };
    defaults(&widget, &networks, &mut faults);
    faults.end()?;
    Ok(widget)
}

fn amounts(new: &NewWidget, faults: &mut Faults) {
    let read = |text: &Option<String>| text.as_deref().map(amount).transpose();
    let least = faults.note("minAmount", read(&new.min_amount)).flatten();
    let most = faults.note("maxAmount", read(&new.max_amount)).flatten();
    if let (Some(least), Some(most)) = (least, most)
        && least > most
    {
        faults.add("maxAmount", "must not be less than minAmount");
    }
    match new.mode.as_str() {
        "CUSTOMER_AMOUNT" => {}
        "FIXED_AMOUNT" if least.is_some() && least == most => {}
        "FIXED_AMOUNT" => faults.add("minAmount", "must be given and be the same as maxAmount with mode FIXED_AMOUNT"),
        _ => faults.add("mode", "must be FIXED_AMOUNT or CUSTOMER_AMOUNT"),
    }
}

fn amount(text: &str) -> Result<Units, String> {
    let read = if (1..=32).contains(&text.len()) { Units::parse(text, DECIMALS).ok() } else { None };
    let wrong = || "must be 1 to 32 ASCII digits with at most one point, and more than 0".to_owned();
    read.filter(|amount| !amount.is_zero()).ok_or_else(wrong)
}

/// Where money may arrive on any of the networks, in lower case.
fn place(text: &str, networks: &[&Network]) -> Result<String, String> {
    let address = field::address(text)?;
    networks.iter().try_for_each(|network| destination(address, network))?;
    Ok(format!("{address:#x}"))
}

/// Every entry as `read` gives it, sorted, each once.
fn list(
    field: &str,
    given: &[String],
    read: impl Fn(&str) -> Result<String, String>,
    faults: &mut Faults,
) -> Vec<String> {
    if given.len() > ENTRIES {
        faults.add(field, format!("must have at most {ENTRIES} entries"));
        return Vec::new();
    }
    let mut entries = Vec::new();
    for (at, text) in given.iter().enumerate() {
        entries.extend(faults.note(&format!("{field}.{at}"), read(text)));
    }
    entries.sort_unstable();
    entries.dedup();
    entries
}

/// What a page begins with must be what the widget allows.
fn defaults(widget: &Widget, networks: &[&Network], faults: &mut Faults) {
    let within = |list: &[String], text: &str| list.is_empty() || list.iter().any(|one| one == text);
    let slug = widget.default_network.as_deref();
    let network = slug.and_then(|slug| networks.iter().find(|network| network.slug.as_str() == slug));
    if slug.is_some_and(|slug| network.is_none() || !within(&widget.allowed_networks, slug)) {
        faults.add("defaultNetwork", "must be a network that this widget allows");
    }
    let symbol =
        |symbol: &str| networks.iter().any(|network| network.tokens.iter().any(|token| token.symbol == symbol));
    if widget.default_currency.as_deref().is_some_and(|one| !symbol(one) || !within(&widget.allowed_currencies, one)) {
        faults.add("defaultCurrency", "must be a currency that this widget allows");
    }
    if let Some(text) = &widget.default_currency_address {
        let read = field::address(text).and_then(|address| {
            let token = network.and_then(|network| network.tokens.iter().find(|token| token.address == address));
            let token = token.ok_or_else(|| "must be a token of defaultNetwork".to_owned())?;
            match widget.default_currency.as_deref() == Some(&token.symbol) {
                true => Ok(()),
                false => Err("must be the token whose symbol is defaultCurrency".to_owned()),
            }
        });
        faults.note("defaultCurrencyAddress", read);
    }
    if let Some(text) = &widget.default_deposit_address {
        let read = place(text, networks).and_then(|address| {
            let allowed = within(&widget.allowed_deposit_addresses, &address);
            if allowed { Ok(()) } else { Err("must be an address that this widget allows".to_owned()) }
        });
        faults.note("defaultDepositAddress", read);
    }
}

#[cfg(test)]
#[path = "widget_tests.rs"]
mod tests;
