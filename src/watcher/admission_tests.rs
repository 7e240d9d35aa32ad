//! Which rows can be used: every reason, every spelling of an address, amounts from one base unit to 2^256−1.

#![allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

use std::time::Duration;

use alloy::primitives::{Address, U256};
use chrono::TimeDelta;

use super::admission::{Claim, admit, examine, retired};
use crate::domain::{
    ChainId, Finality, Percent, SessionId, SessionStatus, Slug, Time, Token, TokenKey, Units, Unusable, time_from_unix,
};
use crate::settings::{Ambiguous, Network, PartialPayments, Verify};
use crate::store::{Destination, SessionRow};

const USDC: &str = "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359";
const ALICE: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
const ZERO: &str = "0x0000000000000000000000000000000000000000";

fn network(decimals: u8) -> Network {
    let token = |key: &str, symbol: &str, address: &str, decimals| Token {
        key: TokenKey::parse(key).unwrap(),
        symbol: symbol.to_owned(),
        address: address.parse().unwrap(),
        decimals,
        tolerance: Units::ZERO,
        min_partial: Percent(10_000),
    };
    Network {
        slug: Slug::parse("polygon").unwrap(),
        chain_id: ChainId(137),
        enabled: true,
        testnet: false,
        finality: Finality::Finalized,
        min_age: Duration::ZERO,
        poll_interval: Duration::ZERO,
        step_interval: Duration::ZERO,
        second_look_delay: Duration::ZERO,
        max_block_range: 2000,
        reorg_window: 1024,
        reorg_grace: Duration::ZERO,
        revert_after: Duration::ZERO,
        max_clock_drift: None,
        max_lag: Duration::ZERO,
        start_block: None,
        max_backfill: Duration::ZERO,
        quorum: 1,
        verify: Verify::Logs,
        partial_payments: PartialPayments::Exclusive,
        ambiguous: Ambiguous::Hold,
        endpoints: Vec::new(),
        tokens: vec![
            token("dai", "DAI", "0x8f3cf7ad23cd3cadbd9735aff958023239c6a063", 18),
            token("usdc", "USDC", &USDC.to_lowercase(), decimals),
        ],
    }
}

const GOOD: Claim<'static> = Claim { currency: "USDC", currency_address: USDC, deposit_address: ALICE, amount: "100" };

fn outcome(claim: Claim<'_>, decimals: u8) -> Result<(String, Address, String), Unusable> {
    examine(claim, Some(&network(decimals)))
        .map(|(token, to, amount)| (token.key.as_str().to_owned(), to, amount.to_string()))
}

#[test]
fn a_good_row_says_token_destination_and_base_units() {
    assert_eq!(outcome(GOOD, 6), Ok(("usdc".to_owned(), ALICE.parse().unwrap(), "100000000".to_owned())));
}

#[test]
fn every_reason() {
    let upper_zero = ZERO.replace("0x", "0X");
    for (claim, reason) in [
        (Claim { currency_address: ALICE, ..GOOD }, Unusable::UnknownToken),
        (Claim { currency_address: ZERO, ..GOOD }, Unusable::UnknownToken),
        (Claim { currency: "DAI", ..GOOD }, Unusable::CurrencyMismatch),
        (Claim { currency: "usdc", ..GOOD }, Unusable::CurrencyMismatch),
        (Claim { currency: "", ..GOOD }, Unusable::CurrencyMismatch),
        (Claim { currency_address: "", ..GOOD }, Unusable::MalformedAddress),
        (Claim { deposit_address: "", ..GOOD }, Unusable::MalformedAddress),
        (Claim { deposit_address: "alice.eth", ..GOOD }, Unusable::MalformedAddress),
        (Claim { deposit_address: &ALICE[..41], ..GOOD }, Unusable::MalformedAddress),
        (Claim { currency_address: "0x3C499c542cEF5E3811e1192ce70d8cC03d5c3359", ..GOOD }, Unusable::Checksum),
        (Claim { deposit_address: "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", ..GOOD }, Unusable::Checksum),
        (Claim { deposit_address: USDC, ..GOOD }, Unusable::ForbiddenAddress),
        (Claim { deposit_address: ZERO, ..GOOD }, Unusable::ForbiddenAddress),
        (Claim { deposit_address: &upper_zero, ..GOOD }, Unusable::ForbiddenAddress),
        (Claim { amount: "0.0000001", ..GOOD }, Unusable::TooManyDecimals),
        (Claim { amount: &format!("1{}", "0".repeat(77)), ..GOOD }, Unusable::AmountTooLarge),
    ] {
        assert_eq!(outcome(claim, 6), Err(reason), "{claim:?}");
    }
    assert_eq!(examine(GOOD, None).map(|_| ()), Err(Unusable::UnknownNetwork));
}

#[test]
fn the_first_fault_is_told() {
    let all = Claim { currency: "X", currency_address: "?", deposit_address: "?", amount: "0.0000001" };
    assert_eq!(examine(all, None).map(|_| ()), Err(Unusable::UnknownNetwork));
    for (claim, reason) in [
        (all, Unusable::MalformedAddress),
        (Claim { currency_address: ALICE, ..all }, Unusable::UnknownToken),
        (Claim { currency_address: USDC, ..all }, Unusable::CurrencyMismatch),
        (Claim { currency_address: USDC, currency: "USDC", ..all }, Unusable::MalformedAddress),
        (Claim { deposit_address: ZERO, amount: "0.0000001", ..GOOD }, Unusable::ForbiddenAddress),
    ] {
        assert_eq!(outcome(claim, 6), Err(reason), "{claim:?}");
    }
}

#[test]
fn addresses_in_every_case_are_the_same_20_bytes() {
    let spellings = |text: &str| {
        [text.to_owned(), text.to_lowercase(), text.to_uppercase(), text.to_uppercase().replace("0X", "0x")]
    };
    for token in spellings(USDC) {
        for to in spellings(ALICE) {
            let claim = Claim { currency_address: &token, deposit_address: &to, ..GOOD };
            assert_eq!(outcome(claim, 6), outcome(GOOD, 6), "{token} {to}");
        }
        assert_eq!(outcome(Claim { deposit_address: &token, ..GOOD }, 6), Err(Unusable::ForbiddenAddress), "{token}");
    }
}

#[test]
fn another_token_s_contract_may_be_a_destination() {
    assert!(outcome(Claim { deposit_address: "0x8f3cf7ad23cd3cadbd9735aff958023239c6a063", ..GOOD }, 6).is_ok());
}

#[test]
fn amounts_are_exact_to_the_last_base_unit() {
    let max = U256::MAX.to_string();
    let over = "115792089237316195423570985008687907853269984665640564039457584007913129639936";
    let point = |digits: &str, at: usize| format!("{}.{}", &digits[..at], &digits[at..]);
    let one = format!("0.{}1", "0".repeat(76));
    for (amount, decimals, units) in [
        ("0.000000000000000001", 18, Ok("1")),
        ("0.000000000000000001", 17, Err(Unusable::TooManyDecimals)),
        ("0.0000000000000000010000", 18, Ok("1")),
        ("1.500000000", 6, Ok("1500000")),
        ("7.000", 0, Ok("7")),
        ("7.1", 0, Err(Unusable::TooManyDecimals)),
        (&max, 0, Ok(&max)),
        (over, 0, Err(Unusable::AmountTooLarge)),
        (&max, 1, Err(Unusable::AmountTooLarge)),
        (&point(&max, 60), 18, Ok(&max)),
        (&format!("{}0", point(&max, 60)), 18, Ok(&max)),
        (&point(over, 60), 18, Err(Unusable::AmountTooLarge)),
        (&point(&max, 1), 77, Ok(&max)),
        (&point(over, 1), 77, Err(Unusable::AmountTooLarge)),
        ("2", 77, Err(Unusable::AmountTooLarge)),
        (&one, 77, Ok("1")),
        (&one, 76, Err(Unusable::TooManyDecimals)),
    ] {
        let said = outcome(Claim { amount, ..GOOD }, decimals).map(|(_, _, units)| units);
        assert_eq!(said, units.map(str::to_owned), "{amount} of {decimals}");
    }
}

fn at(second: i64) -> Time {
    time_from_unix(1_000_000).unwrap() + TimeDelta::seconds(second)
}

fn row() -> SessionRow {
    SessionRow {
        id: SessionId("dep_1".to_owned()),
        destination: Destination { token: Address::ZERO, to: Address::ZERO },
        network: "polygon".to_owned(),
        currency: "USDC".to_owned(),
        currency_address: USDC.to_owned(),
        deposit_address: ALICE.to_owned(),
        amount: "1.5".to_owned(),
        accepted_at: at(1),
        begins_at: at(2),
        expires_at: at(1800),
        topup: Duration::ZERO,
        cancelled_at: Some(at(3)),
        status: SessionStatus::Created,
        tolerance: None,
        received: "0".to_owned(),
        confirmed: "0".to_owned(),
        tx_id: None,
        closed: false,
        lost_at: None,
    }
}

#[test]
fn an_admitted_row_keeps_its_times() {
    let session = admit(&row(), &network(6)).unwrap();
    assert_eq!((session.id.0.as_str(), session.token.as_str()), ("dep_1", "usdc"));
    assert_eq!((session.address, session.amount.to_string()), (ALICE.parse().unwrap(), "1500000".to_owned()));
    assert_eq!((session.accepted_at, session.begins_at), (at(1), at(2)));
    assert_eq!((session.expires_at, session.cancelled_at), (at(1800), Some(at(3))));
    assert_eq!(admit(&row(), &network(0)), Err(Unusable::TooManyDecimals));
}

#[test]
fn a_session_with_money_keeps_its_tolerance() {
    let mut network = network(6);
    for (configured, own, held) in [
        ("0.01", None, "10000"),
        ("0.02", None, "15000"),
        ("0", Some("0.01"), "10000"),
        ("0.01", Some("0"), "0"),
        ("0", Some("0.2"), "200000"),
    ] {
        network.tokens[1].tolerance = Units::parse(configured, 6).unwrap();
        let row = SessionRow { tolerance: own.map(str::to_owned), ..row() };
        for session in [admit(&row, &network).unwrap(), retired(&row, &network.tokens[1]).unwrap()] {
            assert_eq!(session.tolerance.to_string(), held, "{configured}, {own:?}");
        }
    }
}

#[test]
fn what_a_part_payment_added_is_taken_back() {
    let moved = SessionRow { expires_at: at(2700), topup: Duration::from_secs(900), ..row() };
    assert_eq!(admit(&moved, &network(6)).unwrap().expires_at, at(1800));
    let endless = SessionRow { topup: Duration::MAX, ..row() };
    assert_eq!(admit(&endless, &network(6)).unwrap().expires_at, at(1800));
}
