//! In what a widget lets its payments be paid, and where the money goes. Pure; not for what was asked.

use crate::deposits::Widget;
use crate::deposits::field;
use crate::deposits::opening::{amount_of, destination};
use crate::domain::{Address, Token, Units};
use crate::settings::{Network, Settings};

/// Something that a payment can be paid in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Slug.
    pub network: String,
    /// EIP-155.
    pub chain_id: u64,
    /// Its money is play money.
    pub testnet: bool,
    /// The contract, with its checksum.
    pub token: String,
    /// Symbol.
    pub symbol: String,
    /// The token's.
    pub decimals: u8,
    /// It is what the widget begins with.
    pub preferred: bool,
}

impl Choice {
    pub(super) fn of(network: &Network, token: &Token, preferred: bool) -> Choice {
        Choice {
            network: network.slug.to_string(),
            chain_id: network.chain_id.0,
            testnet: network.testnet,
            token: token.address.to_checksum(None),
            symbol: token.symbol.clone(),
            decimals: token.decimals,
            preferred,
        }
    }

    /// What tells it from the others: `network:0x…` in lower case.
    pub fn key(&self) -> String {
        format!("{}:{}", self.network, self.token.to_lowercase())
    }
}

/// A choice, and what a session in it is made of.
#[derive(Debug)]
pub(super) struct Offered<'s> {
    pub(super) choice: Choice,
    pub(super) network: &'s Network,
    pub(super) token: &'s Token,
    pub(super) to: Address,
}

/// All that a widget offers; at least one.
#[derive(Debug)]
pub(super) struct Offer<'s> {
    /// What it begins with first, then as configured.
    pub(super) all: Vec<Offered<'s>>,
}

impl<'s> Offer<'s> {
    /// What this widget offers now, or why that is nothing.
    pub(super) fn of(settings: &'s Settings, widget: &Widget) -> Result<Offer<'s>, &'static str> {
        if widget.disabled_at.is_some() {
            return Err("the widget that the key is bound to is disabled; enable it, or use a key of another one");
        }
        let to = address(widget).ok_or("the widget that the key is bound to names no single deposit address: set defaultDepositAddress, or list exactly one in allowedDepositAddresses")?;
        let within = |list: &[String], text: &str| list.is_empty() || list.iter().any(|one| one == text);
        let networks = settings.networks.iter().filter(|network| network.enabled);
        let networks = networks.filter(|network| within(&widget.allowed_networks, network.slug.as_str()));
        let mut all = Vec::new();
        for network in networks.filter(|network| destination(to, network).is_ok()) {
            let tokens = network.tokens.iter().filter(|token| within(&widget.allowed_currencies, &token.symbol));
            let tokens = tokens.filter(|token| fixed(widget).is_none_or(|amount| carries(widget, amount, token)));
            all.extend(tokens.map(|token| {
                let choice = Choice::of(network, token, preferred(widget, network, token));
                Offered { choice, network, token, to }
            }));
        }
        all.sort_by_key(|one| !one.choice.preferred);
        match all.is_empty() {
            true => Err("the widget that the key is bound to allows no token that is watched here"),
            false => Ok(Offer { all }),
        }
    }

    /// What can be paid exactly so; all where no amount was given.
    pub(super) fn carrying(&self, widget: &Widget, amount: Option<&str>) -> Vec<&Offered<'s>> {
        let fits = |one: &&Offered<'s>| amount.is_none_or(|amount| carries(widget, amount, one.token));
        self.all.iter().filter(fits).collect()
    }

    /// The only one in which this amount can be paid.
    pub(super) fn only(&self, widget: &Widget, amount: &str) -> Option<(&Offered<'s>, Units)> {
        match self.carrying(widget, Some(amount)).as_slice() {
            [only] => amount_of(widget, amount, Some(only.token)).ok().map(|units| (*only, units)),
            _ => None,
        }
    }
}

/// The amount of a widget that has only one.
pub(super) fn fixed(widget: &Widget) -> Option<&str> {
    widget.min_amount.as_deref().filter(|_| widget.mode == "FIXED_AMOUNT")
}

fn carries(widget: &Widget, amount: &str, token: &Token) -> bool {
    amount_of(widget, amount, Some(token)).is_ok()
}

/// Where the money goes: the default address, else the only one that is allowed.
fn address(widget: &Widget) -> Option<Address> {
    let only = || match widget.allowed_deposit_addresses.as_slice() {
        [only] => Some(only),
        _ => None,
    };
    field::address(widget.default_deposit_address.as_ref().or_else(only)?).ok()
}

/// Whether it is all that the widget says it begins with.
fn preferred(widget: &Widget, network: &Network, token: &Token) -> bool {
    let slug = widget.default_network.as_deref().map(|slug| slug == network.slug.as_str());
    let symbol = widget.default_currency.as_deref().map(|symbol| symbol == token.symbol);
    let address = widget.default_currency_address.as_deref().map(|text| field::address(text) == Ok(token.address));
    let said = [slug, symbol, address];
    said.contains(&Some(true)) && !said.contains(&Some(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deposits::ground::{SHOP, TOKEN, settings, widget};

    fn shop() -> Widget {
        Widget { default_deposit_address: Some(SHOP.to_lowercase()), ..widget() }
    }

    fn keys(widget: &Widget) -> Result<Vec<String>, &'static str> {
        Offer::of(&settings(), widget).map(|offer| offer.all.iter().map(|one| one.choice.key()).collect())
    }

    #[test]
    fn a_widget_offers_what_it_allows_and_what_is_watched() {
        let usdc = format!("anvil:{}", TOKEN.to_lowercase());
        let only = Widget { allowed_deposit_addresses: vec![SHOP.to_lowercase()], ..widget() };
        for good in [shop(), only.clone(), Widget { allowed_networks: vec!["anvil".to_owned()], ..shop() }] {
            assert_eq!(keys(&good), Ok(vec![usdc.clone()]));
        }
        let two = vec![SHOP.to_lowercase(), "0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc".to_owned()];
        for (what, bad) in [
            ("no address", widget()),
            ("two addresses", Widget { allowed_deposit_addresses: two, ..widget() }),
            ("disabled", Widget { disabled_at: Some(crate::domain::Time::default()), ..shop() }),
            ("a network that is not watched", Widget { allowed_networks: vec!["dark".to_owned()], ..shop() }),
            ("another currency", Widget { allowed_currencies: vec!["EURC".to_owned()], ..shop() }),
            ("the token itself", Widget { default_deposit_address: Some(TOKEN.to_lowercase()), ..widget() }),
            ("an amount finer than the token", fixed_at("0.0000001")),
        ] {
            assert!(keys(&bad).is_err(), "{what}");
        }
        assert_eq!(keys(&fixed_at("0.000001")), Ok(vec![usdc]));
    }

    fn fixed_at(amount: &str) -> Widget {
        let amount = Some(amount.to_owned());
        Widget { mode: "FIXED_AMOUNT".to_owned(), min_amount: amount.clone(), max_amount: amount, ..shop() }
    }

    #[test]
    fn what_is_preferred_is_all_that_the_widget_begins_with() {
        let first = |change: fn(&mut Widget)| {
            let mut widget = shop();
            change(&mut widget);
            let settings = settings();
            Offer::of(&settings, &widget).unwrap().all[0].choice.preferred
        };
        assert!(!first(|_| {}));
        assert!(first(|widget| widget.default_currency = Some("USDC".to_owned())));
        assert!(first(|widget| widget.default_network = Some("anvil".to_owned())));
        assert!(first(|widget| widget.default_currency_address = Some(TOKEN.to_owned())));
        assert!(!first(|widget| {
            widget.default_network = Some("anvil".to_owned());
            widget.default_currency = Some("EURC".to_owned());
        }));
    }

    #[test]
    fn an_amount_is_carried_by_what_is_fine_enough() {
        let (settings, widget) = (settings(), shop());
        let offer = Offer::of(&settings, &widget).unwrap();
        assert_eq!(offer.carrying(&widget, None).len(), 1);
        assert_eq!(offer.carrying(&widget, Some("5.5")).len(), 1);
        assert!(offer.only(&widget, "5.5").is_some_and(|(_, units)| units.to_decimal(6) == "5.5"));
        assert!(offer.only(&widget, "0.0000001").is_none());
    }
}
