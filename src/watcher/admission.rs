//! From a row that anybody may have written to a session that can be matched, or why it cannot. Pure.

use crate::domain::{Address, AddressError, AmountError, Session, Token, Units, Unusable, parse_address};
use crate::settings::Network;
use crate::store::{SessionRow, UnexaminedRow};

/// What a row says that decides whether it can be used.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Symbol.
    pub currency: &'a str,
    /// Token contract.
    pub currency_address: &'a str,
    /// Destination.
    pub deposit_address: &'a str,
    /// Whole tokens as plain digits.
    pub amount: &'a str,
}

impl<'a> From<&'a UnexaminedRow> for Claim<'a> {
    fn from(row: &'a UnexaminedRow) -> Self {
        Claim {
            currency: &row.currency,
            currency_address: &row.currency_address,
            deposit_address: &row.deposit_address,
            amount: &row.amount,
        }
    }
}

/// Examines a row against its network (`None`: not configured or not enabled): its token, destination and base units.
pub fn examine<'n>(claim: Claim<'_>, network: Option<&'n Network>) -> Result<(&'n Token, Address, Units), Unusable> {
    let network = network.ok_or(Unusable::UnknownNetwork)?;
    let token_address = parse_address(claim.currency_address).map_err(unusable_address)?;
    let token = network.tokens.iter().find(|token| token.address == token_address).ok_or(Unusable::UnknownToken)?;
    if token.symbol != claim.currency {
        return Err(Unusable::CurrencyMismatch);
    }
    let to = parse_address(claim.deposit_address).map_err(unusable_address)?;
    if to == token.address || to == Address::ZERO {
        return Err(Unusable::ForbiddenAddress);
    }
    let amount = Units::parse(claim.amount, token.decimals).map_err(|error| match error {
        AmountError::TooManyDecimals => Unusable::TooManyDecimals,
        AmountError::Malformed | AmountError::TooLarge => Unusable::AmountTooLarge,
    })?;
    Ok((token, to, amount))
}

fn unusable_address(error: AddressError) -> Unusable {
    match error {
        AddressError::Malformed => Unusable::MalformedAddress,
        AddressError::Checksum => Unusable::Checksum,
    }
}

/// Admits a locked row of this network. Its expiry is taken back to what it was before a part payment moved it.
pub fn admit(row: &SessionRow, network: &Network) -> Result<Session, Unusable> {
    let claim = Claim {
        currency: &row.currency,
        currency_address: &row.currency_address,
        deposit_address: &row.deposit_address,
        amount: &row.amount,
    };
    let (token, address, amount) = examine(claim, Some(network))?;
    Ok(session(row, token, address, amount))
}

/// What a row was that can no longer be used: its books still follow the transfers it has. `None` where it never could.
pub fn retired(row: &SessionRow, token: &Token) -> Option<Session> {
    Some(session(row, token, row.destination.to, Units::parse(&row.amount, token.decimals).ok()?))
}

fn session(row: &SessionRow, token: &Token, address: Address, amount: Units) -> Session {
    let own = row.tolerance.as_deref().and_then(|own| Units::parse(own, token.decimals).ok());
    Session {
        id: row.id.clone(),
        token: token.key.clone(),
        address,
        amount,
        tolerance: own.unwrap_or_else(|| token.tolerance_for(amount)),
        accepted_at: row.accepted_at,
        begins_at: row.begins_at,
        expires_at: row.expires_at.checked_sub_signed(super::span(row.topup)).unwrap_or(row.expires_at),
        cancelled_at: row.cancelled_at,
    }
}
