//! What a unit of work did, told to metrics and logs once it is committed and never before.

use crate::domain::{Assignment, SessionStatus, Slug, Time, Token, TokenKey, Units};
use crate::store::{StoredTransfer, Transition};
use crate::telemetry as t;
use crate::telemetry::spans::Told;

use super::matching::Verdict;
use super::second_look::count;

/// Collected while a unit of work is open.
#[derive(Debug, Default)]
pub(super) struct Effects {
    transitions: Vec<(Transition, Option<TokenKey>)>,
    matched: Vec<(TokenKey, &'static str)>,
    invalid: Vec<(TokenKey, u64)>,
    ignored: Vec<(TokenKey, u64)>,
    confirmed: Vec<(TokenKey, u8, Units)>,
    detected: Vec<std::time::Duration>,
    settled: Vec<std::time::Duration>,
    by_age: u64,
    /// Confirmed transfers that left the chain.
    pub(super) reverted: u64,
    /// Transfers that the second look added.
    pub(super) missed: u64,
    /// Transfers that the second look took away.
    pub(super) invented: u64,
    /// Blocks with transfers whose time the second look put right.
    pub(super) misdated: u64,
}

impl Effects {
    pub(super) fn session(&mut self, transition: Transition, token: &Token) {
        if transition.from != transition.to {
            self.transitions.push((transition, Some(token.key.clone())));
        }
    }

    pub(super) fn expired(&mut self, transitions: Vec<Transition>) {
        let changed = transitions.into_iter().filter(|transition| transition.from != transition.to);
        self.transitions.extend(changed.map(|transition| (transition, None)));
    }

    pub(super) fn verdict(
        &mut self,
        now: Time,
        token: &Token,
        stored: &StoredTransfer,
        verdict: &Verdict,
        fresh: bool,
    ) {
        let pays = match verdict.assignment {
            Assignment::Session(_) => true,
            Assignment::None(_) => false,
        };
        let age = now.signed_duration_since(stored.paid_at).to_std().unwrap_or_default();
        if fresh {
            self.matched.push((token.key.clone(), if pays { "matched" } else { "unmatched" }));
            if pays {
                self.detected.push(age);
            }
        }
        self.by_age = self.by_age.saturating_add(u64::from(verdict.by_age && fresh));
        if verdict.confirmed && pays {
            self.confirmed.push((token.key.clone(), token.decimals, stored.units));
            self.settled.push(age);
        }
    }

    /// Confirmed money that a person gave to a session.
    pub(super) fn given(&mut self, token: Option<&Token>, units: Units) {
        self.confirmed.extend(token.map(|token| (token.key.clone(), token.decimals, units)));
    }

    pub(super) fn invalid(&mut self, token: &TokenKey, logs: u64) {
        self.invalid.push((token.clone(), logs));
    }

    pub(super) fn ignored(&mut self, token: &TokenKey, logs: u64) {
        self.ignored.push((token.clone(), logs));
    }

    /// Tells what was committed, and gives its numbers.
    pub(super) fn tell(self, slug: &Slug) -> Told {
        let (network, numbers) = (slug.as_str(), self.numbers());
        for (token, outcome) in self.matched {
            t::TRANSFERS_TOTAL.add(&[network, token.as_str(), outcome], 1);
        }
        for (outcome, counts) in [("invalid", self.invalid), ("ignored", self.ignored)] {
            for (token, logs) in counts {
                t::TRANSFERS_TOTAL.add(&[network, token.as_str(), outcome], logs);
            }
        }
        for (token, decimals, units) in self.confirmed {
            t::CONFIRMED_AMOUNT_TOTAL.add(&[network, token.as_str()], units, decimals);
        }
        for age in self.detected {
            t::DETECTION_LATENCY_SECONDS.observe(&[network], age);
        }
        for age in self.settled {
            t::CONFIRMATION_LATENCY_SECONDS.observe(&[network], age);
        }
        t::AMBIGUOUS_OLDEST_TOTAL.add(&[network], self.by_age);
        t::REVERTED_TOTAL.add(&[network], self.reverted);
        t::SECOND_LOOK_CORRECTIONS_TOTAL.add(&[network, "missed"], self.missed);
        t::SECOND_LOOK_CORRECTIONS_TOTAL.add(&[network, "invented"], self.invented);
        t::SECOND_LOOK_CORRECTIONS_TOTAL.add(&[network, "misdated"], self.misdated);
        if self.reverted > 0 {
            tracing::error!(
                network,
                transfers = self.reverted,
                "confirmed transfers left the chain: sessions reverted"
            );
        }
        if self.missed > 0 || self.invented > 0 || self.misdated > 0 {
            tracing::error!(
                network,
                missed = self.missed,
                invented = self.invented,
                misdated = self.misdated,
                "the second look corrected the first"
            );
        }
        for (transition, token) in self.transitions {
            tell_transition(network, &transition, token.as_ref());
        }
        numbers
    }

    fn numbers(&self) -> Told {
        let matched = count(self.matched.iter().filter(|(_, outcome)| *outcome == "matched").count());
        Told {
            matched,
            unmatched: count(self.matched.len()).saturating_sub(matched),
            settled: count(self.confirmed.len()),
            reverted: self.reverted,
            sessions: count(self.transitions.len()),
            ..Told::default()
        }
    }
}

fn tell_transition(network: &str, transition: &Transition, token: Option<&TokenKey>) {
    let (from, to) = (transition.from.as_str(), transition.to.as_str());
    t::SESSION_TRANSITIONS_TOTAL.add(&[network, from, to], 1);
    let paid = match transition.to {
        SessionStatus::Confirmed | SessionStatus::Overpaid | SessionStatus::Underpaid => true,
        SessionStatus::Created | SessionStatus::Pending | SessionStatus::Expired => false,
    };
    if let (true, Some(token)) = (paid, token) {
        t::CONFIRMED_SESSIONS_TOTAL.add(&[network, token.as_str()], 1);
    }
    tracing::info!(network, session = %transition.id, from, to, "session changed");
}
