//! A deposit session as the matching rules need it, and why a row cannot be one.

use super::{Address, Time, TokenKey, Units};

/// A session's id, as the opener chose it (`dep_…`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub String);

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A session's place in its life, as the column `deposit_sessions.payment_status` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionStatus {
    /// Opened, nothing received.
    Created,
    /// The customer has begun, or a transfer is seen and not yet confirmed.
    Pending,
    /// All money is there and confirmed.
    Confirmed,
    /// Time ran out or it was cancelled, without money.
    Expired,
    /// All that came is confirmed and is less than the amount.
    Underpaid,
    /// All that came is confirmed and is more than the amount.
    Overpaid,
}

impl SessionStatus {
    /// Every status, in the order of the metric's label.
    pub const ALL: [SessionStatus; 6] = [
        SessionStatus::Created,
        SessionStatus::Pending,
        SessionStatus::Confirmed,
        SessionStatus::Expired,
        SessionStatus::Underpaid,
        SessionStatus::Overpaid,
    ];

    /// As the column and the metric label have it.
    pub fn as_str(self) -> &'static str {
        match self {
            SessionStatus::Created => "CREATED",
            SessionStatus::Pending => "PENDING",
            SessionStatus::Confirmed => "CONFIRMED",
            SessionStatus::Expired => "EXPIRED",
            SessionStatus::Underpaid => "UNDERPAID",
            SessionStatus::Overpaid => "OVERPAID",
        }
    }

    /// Reads the column.
    pub fn parse(text: &str) -> Option<SessionStatus> {
        SessionStatus::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// A usable session: admitted against the configuration, its amount in base units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The configured token it asks for.
    pub token: TokenKey,
    /// Where the money is to arrive.
    pub address: Address,
    /// What was asked for.
    pub amount: Units,
    /// How much less is all of it: what held when its first money was seen, or holds now.
    pub tolerance: Units,
    /// When it was inserted, by the database's clock.
    pub accepted_at: Time,
    /// The later of `created_at` and `accepted_at`.
    pub begins_at: Time,
    /// In-time transfers are mined at or before this.
    pub expires_at: Time,
    /// Transfers mined after this no longer count.
    pub cancelled_at: Option<Time>,
}

impl Session {
    /// From here on it has its amount and takes no more.
    pub fn least(&self) -> Units {
        self.amount.saturating_sub(self.tolerance)
    }
}

/// Why a row can never be matched: the label of `sessions_invalid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unusable {
    /// No such network is configured and enabled.
    UnknownNetwork,
    /// No such token is configured on the network.
    UnknownToken,
    /// The symbol is not the token's.
    CurrencyMismatch,
    /// Token or destination is no address.
    MalformedAddress,
    /// Mixed case that is not the EIP-55 checksum.
    Checksum,
    /// The destination is the token contract or the zero address.
    ForbiddenAddress,
    /// The amount is finer than the token.
    TooManyDecimals,
    /// The amount is beyond 2^256−1 base units.
    AmountTooLarge,
}

impl Unusable {
    /// Every reason, in the order in which they are looked for.
    pub const ALL: [Unusable; 8] = [
        Unusable::UnknownNetwork,
        Unusable::UnknownToken,
        Unusable::CurrencyMismatch,
        Unusable::MalformedAddress,
        Unusable::Checksum,
        Unusable::ForbiddenAddress,
        Unusable::TooManyDecimals,
        Unusable::AmountTooLarge,
    ];

    /// As the metric label has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Unusable::UnknownNetwork => "unknown_network",
            Unusable::UnknownToken => "unknown_token",
            Unusable::CurrencyMismatch => "currency_mismatch",
            Unusable::MalformedAddress => "malformed_address",
            Unusable::Checksum => "checksum",
            Unusable::ForbiddenAddress => "forbidden_address",
            Unusable::TooManyDecimals => "too_many_decimals",
            Unusable::AmountTooLarge => "amount_too_large",
        }
    }
}
