//! Reads `[networks.SLUG.tokens.*]`: which contracts count as money, and their small allowances, turned into base units
//! and millionths at once. Nothing rounds. Not for asking the contract: what it says of its decimals is checked later.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::problems::shown;
use super::read::address;
use super::section::Section;
use super::value::whole;
use crate::domain::{Address, Percent, Token, TokenKey, Units};

/// Reads all tokens in order of their key. `None` where one is faulty.
pub(super) fn all(network: &mut Section) -> Option<Vec<Token>> {
    let mut symbols: BTreeMap<String, TokenKey> = BTreeMap::new();
    let mut addresses: BTreeMap<Address, TokenKey> = BTreeMap::new();
    network.each("tokens", TokenKey::parse, |key, section| {
        let token = one(key.clone(), section)?;
        if let Some(other) = symbols.insert(token.symbol.clone(), key.clone()) {
            section.fault("symbol", format!("is also that of tokens.{other}; give each its own"));
        }
        if let Some(other) = addresses.insert(token.address, key) {
            section.fault("address", format!("is also that of tokens.{other}; remove one of the two"));
        }
        Some(token)
    })
}

fn one(key: TokenKey, section: &mut Section) -> Option<Token> {
    let symbol = section.required("symbol", "write it as in symbol = \"USDC\"", symbol);
    let address = section.required("address", "write the contract's address", |text| address(text).and_then(contract));
    let decimals =
        section.required("decimals", "write what the contract's decimals() says, as in decimals = 6", decimals);
    let tolerance = section.text("tolerance", |text| tolerance(text, decimals));
    let min_partial = section.text("min_partial", percent).unwrap_or(ONE_PERCENT);
    Some(Token {
        key,
        symbol: symbol?,
        address: address?,
        decimals: decimals?,
        tolerance: tolerance.unwrap_or(Units::ZERO),
        min_partial,
    })
}

const ONE_PERCENT: Percent = Percent(10_000);

fn symbol(text: &str) -> Result<String, String> {
    let legal = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    if (2..=8).contains(&text.len()) && text.bytes().all(legal) {
        Ok(text.to_owned())
    } else {
        Err(format!("{} is not 2 to 8 of A-Z and 0-9; write such a symbol", shown(text)))
    }
}

fn contract(address: Address) -> Result<Address, String> {
    if address.is_zero() { Err("is the zero address; write the contract's".to_owned()) } else { Ok(address) }
}

fn decimals(text: &str) -> Result<u8, String> {
    let number = whole(text, &(0..=77))?;
    u8::try_from(number).map_err(|error| error.to_string())
}

/// Reads whole tokens as base units. Without the token's decimals only the form is checked.
fn tolerance(text: &str, decimals: Option<u8>) -> Result<Units, String> {
    let cure = "write whole tokens from 0 to 1000000 in quotes, such as \"0.01\"";
    let tokens = decimal(text).filter(|tokens| *tokens <= Decimal::from(1_000_000_u32));
    let tokens = tokens.ok_or_else(|| format!("{} is no such amount; {cure}", shown(text)))?;
    let Some(decimals) = decimals else { return Ok(Units::ZERO) };
    let units = Units::parse(&tokens.normalize().to_string(), decimals);
    units.map_err(|error| format!("{} {error}; {cure}", shown(text)))
}

/// Reads `1%` or `0.0001%` as millionths.
fn percent(text: &str) -> Result<Percent, String> {
    let percent = text.strip_suffix('%').and_then(decimal).filter(|percent| *percent <= Decimal::ONE_HUNDRED);
    let millionths = percent.and_then(|percent| percent.checked_mul(Decimal::from(10_000_u32)));
    let exact = millionths.map(|m| m.normalize()).filter(|m| m.scale() == 0);
    let share = exact.and_then(|m| u32::try_from(m.mantissa()).ok()).map(Percent);
    share.ok_or_else(|| {
        let cure = "write \"0%\" to \"100%\" with at most 4 decimals";
        format!("{} is no such share; {cure}", shown(text))
    })
}

/// Reads a decimal exactly: digits and at most one point, no more than 96 bits hold.
fn decimal(text: &str) -> Option<Decimal> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if plain { Decimal::from_str_exact(text).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percents_are_exact_or_refused() {
        for (text, millionths) in [
            ("1%", 10_000),
            ("0%", 0),
            ("100%", 1_000_000),
            ("0.0001%", 1),
            ("33.3333%", 333_333),
            ("2.50000000%", 25_000),
        ] {
            assert_eq!(percent(text), Ok(Percent(millionths)), "{text}");
        }
        for text in ["1", "%", "-1%", "100.0001%", "0.00001%", "1e1%", "1 %", "1_0%", "NaN%", "", "1..0%"] {
            assert!(percent(text).is_err(), "{text}");
        }
    }

    #[test]
    fn tolerances_are_base_units() {
        for (text, decimals, base) in
            [("0", 6, "0"), ("0.01", 6, "10000"), ("1000000", 0, "1000000"), ("0.000000000000000001", 18, "1")]
        {
            assert_eq!(tolerance(text, Some(decimals)), Ok(Units::parse_base(base).unwrap()), "{text}");
        }
        for text in ["", "-1", "1000000.1", "0.0000001", "1e2", "one", "1,5", "1_000"] {
            assert!(tolerance(text, Some(6)).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_share_in_millionths_reads_back(millionths in 0u32..=1_000_000) {
            let text = format!("{}.{:04}%", millionths / 10_000, millionths % 10_000);
            prop_assert_eq!(percent(&text), Ok(Percent(millionths)));
        }

        #[test]
        fn no_text_panics(text: String, decimals in 0u8..=77) {
            let _ = (percent(&text), tolerance(&text, Some(decimals)), symbol(&text));
        }

        #[test]
        fn a_tolerance_is_what_an_amount_would_be(micros in 0u64..=1_000_000_000_000, decimals in 6u8..=77) {
            let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
            prop_assert_eq!(tolerance(&text, Some(decimals)).ok(), Units::parse(&text, decimals).ok());
        }
    }
}
