//! What is asked for when a session is opened, held against the widget's rules and the configuration. Pure: what is free
//! at an address is the database's affair ([`super::open`]).

use serde_json::{Map, Value};

use super::field::{self, Faults};
use super::{Widget, schema};
use crate::domain::{Address, AmountError, Fault, Token, Units};
use crate::settings::{Network, Settings};

/// Who asks, and so whose word the session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenedBy {
    /// The business itself, by its token.
    Server,
    /// Whoever holds the widget's secret: perhaps the customer's browser.
    Widget,
}

impl OpenedBy {
    /// As the column has it.
    pub fn as_str(self) -> &'static str {
        match self {
            OpenedBy::Server => "server",
            OpenedBy::Widget => "widget",
        }
    }
}

/// A request to open a session, as it came.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Whole tokens.
    pub amount: String,
    /// Symbol of the token.
    pub currency: String,
    /// Slug.
    pub network: String,
    /// Token contract.
    pub currency_address: String,
    /// Where the money is to arrive.
    pub deposit_address: String,
    /// The customer's e-mail address.
    pub customer_email: Option<String>,
    /// The business's own reference.
    pub customer_reference: Option<String>,
    /// Whatever the business wants to find again.
    pub metadata: Option<Map<String, Value>>,
    /// The `Origin` header, where there was one.
    pub origin: Option<String>,
    /// Who asks.
    pub opened_by: OpenedBy,
}

/// What an opening comes to.
#[derive(Debug)]
pub(super) struct Examined<'s> {
    pub(super) network: &'s Network,
    pub(super) token: &'s Token,
    pub(super) to: Address,
    pub(super) amount: Units,
}

/// What an address must not be, though it is one: money sent there is lost.
pub fn destination(to: Address, network: &Network) -> Result<(), &'static str> {
    match to.is_zero() || network.tokens.iter().any(|token| token.address == to) {
        true => Err("is the zero address or a token's contract: money sent there is lost"),
        false => Ok(()),
    }
}

/// The word for every address that a widget does not take, whatever the reason: it tells nothing of other businesses.
pub(super) const NOT_ALLOWED: &str = "is not allowed by this widget";

/// Holds an opening against all rules; every fault at once.
pub(super) fn examine<'s>(
    settings: &'s Settings,
    widget: &Widget,
    opening: &Opening,
) -> Result<Examined<'s>, Vec<Fault>> {
    let mut faults = Faults::default();
    let network = network(settings, widget, opening, &mut faults);
    let token = token(network, opening, &mut faults);
    currency(widget, opening, token, &mut faults);
    let amount = amount(widget, opening, token, &mut faults);
    let to = to(widget, opening, network, &mut faults);
    besides(widget, opening, &mut faults);
    faults.end()?;
    // Each that is missing left a fault above.
    let (Some(network), Some(token), Some(to), Some(amount)) = (network, token, to, amount) else {
        return Err(vec![Fault::new("", "cannot be read")]);
    };
    Ok(Examined { network, token, to, amount })
}

fn network<'s>(settings: &'s Settings, widget: &Widget, opening: &Opening, faults: &mut Faults) -> Option<&'s Network> {
    let slug = opening.network.as_str();
    let watched = settings.networks.iter().find(|network| network.enabled && network.slug.as_str() == slug);
    let allowed = widget.allowed_networks.is_empty() || widget.allowed_networks.iter().any(|allowed| allowed == slug);
    let read = match watched {
        _ if !(4..=66).contains(&slug.chars().count()) && watched.is_none() => {
            Err("must have 4 to 66 characters and be a network that is watched here".to_owned())
        }
        None => Err("is not watched here".to_owned()),
        Some(_) if !allowed => Err(NOT_ALLOWED.to_owned()),
        Some(network) => Ok(network),
    };
    faults.note("network", read)
}

fn token<'n>(network: Option<&'n Network>, opening: &Opening, faults: &mut Faults) -> Option<&'n Token> {
    let text = opening.currency_address.as_str();
    let read = match text.is_empty() {
        true => Err("is empty, which means the network's own coin: that is not supported yet".to_owned()),
        false => field::address(text),
    };
    // Of a network that is not watched no token can be told: its own fault is enough.
    let configured = |address| network.map(|network| network.tokens.iter().find(|token| token.address == address));
    let read = read.and_then(|address| match configured(address) {
        Some(None) => Err("is no token that is watched on this network".to_owned()),
        Some(token @ Some(_)) => Ok(token),
        None => Ok(None),
    });
    faults.note("currencyAddress", read).flatten()
}

fn currency(widget: &Widget, opening: &Opening, token: Option<&Token>, faults: &mut Faults) {
    let symbol = opening.currency.as_str();
    let legal = (2..=8).contains(&symbol.len()) && symbol.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let allowed = widget.allowed_currencies.is_empty() || widget.allowed_currencies.iter().any(|one| one == symbol);
    if !legal {
        faults.add("currency", "must be 2 to 8 characters of A-Z and 0-9");
    } else if token.is_some_and(|token| token.symbol != symbol) {
        faults.add("currency", "is not the symbol of currencyAddress");
    } else if !allowed {
        faults.add("currency", NOT_ALLOWED);
    }
}

fn amount(widget: &Widget, opening: &Opening, token: Option<&Token>, faults: &mut Faults) -> Option<Units> {
    faults.note("amount", amount_of(widget, &opening.amount, token))
}

/// An amount of this token that the widget takes. Without a token only the form can be judged: as fine as 32 characters
/// can be.
pub(super) fn amount_of(widget: &Widget, text: &str, token: Option<&Token>) -> Result<Units, String> {
    let decimals = token.map_or(32, |token| token.decimals);
    let read = Units::parse(text, decimals).map_err(|error| match error {
        AmountError::Malformed => "must be ASCII digits with at most one point".to_owned(),
        AmountError::TooManyDecimals => format!("has more than the token's {decimals} decimals"),
        AmountError::TooLarge => "is more than any token holds".to_owned(),
    });
    let read = match (1..=32).contains(&text.chars().count()) {
        true => read.and_then(|units| if units.is_zero() { Err("must be more than 0".to_owned()) } else { Ok(units) }),
        false => Err("must have 1 to 32 characters".to_owned()),
    };
    read.and_then(|units| token.map_or(Ok(()), |_| in_range(widget, units, decimals)).map(|()| units))
}

fn in_range(widget: &Widget, amount: Units, decimals: u8) -> Result<(), String> {
    // A bound finer than this token lies between two of its amounts.
    let least = widget.min_amount.as_deref().map(|least| (bound(least, decimals), least));
    let most = widget.max_amount.as_deref().map(|most| (bound(most, decimals), most));
    match (least, most) {
        (Some((Some((least, exact)), text)), _) if widget.mode == "FIXED_AMOUNT" && (amount != least || !exact) => {
            Err(format!("must be {text}, the widget's amount"))
        }
        (Some((Some((least, exact)), text)), _) if amount < least || (amount == least && !exact) => {
            Err(format!("must be at least {text}"))
        }
        (Some((None, text)), _) => Err(format!("must be at least {text}")),
        (_, Some((Some((most, _)), text))) if amount > most => Err(format!("must be at most {text}")),
        _ => Ok(()),
    }
}

/// Base units at or just below a bound, and whether exactly at it; nothing where it is beyond every amount.
fn bound(text: &str, decimals: u8) -> Option<(Units, bool)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let kept: String = fraction.chars().take(usize::from(decimals)).collect();
    let exact = fraction.len() <= usize::from(decimals);
    Units::parse(&format!("{whole}.{kept}"), decimals).ok().map(|units| (units, exact))
}

fn to(widget: &Widget, opening: &Opening, network: Option<&Network>, faults: &mut Faults) -> Option<Address> {
    let text = opening.deposit_address.as_str();
    let read = match (1..=128).contains(&text.chars().count()) {
        true => field::address(text),
        false => Err("must have 1 to 128 characters".to_owned()),
    };
    let read = read.and_then(|to| {
        network.map_or(Ok(()), |network| destination(to, network)).map_err(str::to_owned)?;
        let listed = widget.allowed_deposit_addresses.iter().any(|allowed| *allowed == format!("{to:#x}"));
        let free = widget.allowed_deposit_addresses.is_empty() && opening.opened_by == OpenedBy::Server;
        if listed || free { Ok(to) } else { Err(NOT_ALLOWED.to_owned()) }
    });
    faults.note("depositAddress", read)
}

/// What decides about no money.
fn besides(widget: &Widget, opening: &Opening, faults: &mut Faults) {
    if let Some(email) = &opening.customer_email {
        faults.note("customerEmail", field::text(email, 128).and_then(|()| plausible(email)));
    }
    if let Some(reference) = &opening.customer_reference {
        faults.note("customerReference", field::text(reference, 128));
    }
    let metadata = Value::Object(opening.metadata.clone().unwrap_or_default());
    // A schema may demand fields, so it is asked about metadata that is absent too.
    if opening.metadata.is_some() || widget.metadata_schema.is_some() {
        for fault in schema::faults(&metadata, widget.metadata_schema.as_ref()) {
            faults.add("metadata", fault);
        }
    }
    if !origin_allowed(widget, opening) {
        faults.add("origin", "is no domain that this widget allows");
    }
    if widget.disabled_at.is_some() {
        faults.add("", "this widget is not active");
    }
}

/// Something on both sides of one `@`, without spaces: more only a letter can tell.
fn plausible(email: &str) -> Result<(), String> {
    let fits =
        email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
    if fits && !email.contains(char::is_whitespace) { Ok(()) } else { Err("must be an e-mail address".to_owned()) }
}

/// Browsers always say where a request comes from; a server need not.
fn origin_allowed(widget: &Widget, opening: &Opening) -> bool {
    let listed = |origin: &String| field::origin(origin).is_some_and(|host| widget.allowed_domains.contains(&host));
    match (&opening.origin, opening.opened_by) {
        _ if widget.allowed_domains.is_empty() => true,
        (Some(origin), _) => listed(origin),
        (None, OpenedBy::Server) => true,
        (None, OpenedBy::Widget) => false,
    }
}

#[cfg(test)]
#[path = "opening_tests.rs"]
mod tests;
