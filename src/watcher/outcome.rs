//! What a session shows, given the canonical transfers that pay it. Pure: a session's life as a function.

use crate::domain::{SessionStatus, Units};

/// What its transfers add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    /// All canonical transfers.
    pub received: Units,
    /// The confirmed ones.
    pub confirmed: Units,
    /// True when there is at least one.
    pub any: bool,
    /// True when every one is confirmed.
    pub all_confirmed: bool,
}

/// The status that follows from the sums; `before` decides only where there is no money.
pub fn status(amount: Units, tolerance: Units, sums: Sums, before: SessionStatus) -> SessionStatus {
    if !sums.any {
        return match before {
            SessionStatus::Created | SessionStatus::Expired => before,
            SessionStatus::Pending | SessionStatus::Confirmed | SessionStatus::Underpaid | SessionStatus::Overpaid => {
                SessionStatus::Pending
            }
        };
    }
    if !sums.all_confirmed {
        return SessionStatus::Pending;
    }
    if sums.confirmed > amount {
        SessionStatus::Overpaid
    } else if sums.confirmed >= amount.saturating_sub(tolerance) {
        SessionStatus::Confirmed
    } else {
        SessionStatus::Underpaid
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SessionStatus::{Confirmed, Created, Expired, Overpaid, Pending, Underpaid};
    use alloy::primitives::U256;

    fn at(received: u64, confirmed: u64, tolerance: u64, before: SessionStatus) -> SessionStatus {
        let units = |n| Units(U256::from(n));
        let sums = Sums {
            received: units(received),
            confirmed: units(confirmed),
            any: received > 0,
            all_confirmed: received == confirmed,
        };
        status(units(100), units(tolerance), sums, before)
    }

    #[test]
    fn without_money_only_the_past_tells() {
        for (before, now) in
            [(Created, Created), (Expired, Expired), (Pending, Pending), (Confirmed, Pending), (Underpaid, Pending)]
        {
            assert_eq!(at(0, 0, 0, before), now);
        }
    }

    #[test]
    fn money_is_pending_until_all_of_it_is_confirmed() {
        assert_eq!(at(100, 0, 0, Created), Pending);
        assert_eq!(at(100, 99, 0, Expired), Pending);
        assert_eq!(at(100, 100, 0, Pending), Confirmed);
    }

    #[test]
    fn confirmed_sums_are_compared_exactly() {
        assert_eq!(at(99, 99, 0, Pending), Underpaid);
        assert_eq!(at(99, 99, 1, Pending), Confirmed);
        assert_eq!(at(98, 98, 1, Pending), Underpaid);
        assert_eq!(at(101, 101, 1, Pending), Overpaid);
    }
}
