//! Whether an endpoint may be read from now, and when next if not. No I/O: time is an argument.
//!
//! One that was never inspected, or not since its connection broke or it misbehaved, is not usable: it might serve
//! another chain. Not for choosing between endpoints: that is the pool's work.

use std::time::Duration;

use tokio::time::Instant;

use super::range::Learned;
use super::retry::Delays;
use crate::domain::{ChainId, EndpointKey, Header};

/// After an error, about this long, doubling.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(60));
/// After an answer that cannot be, about this long, doubling.
const REST: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(600));
/// Trouble is over when none came for so long, and for twice its last pause.
const CALM: Duration = Duration::from_secs(5);
/// After another chain's answer.
const QUARANTINE: Duration = Duration::from_secs(60);
/// `Retry-After` is obeyed up to this.
const LONGEST_OBEYED: Duration = Duration::from_secs(300);
/// A rate limit without a time is left alone at least this long.
const LEAST_RATE_PAUSE: Duration = Duration::from_secs(1);

/// What an endpoint is, in one word, as it was found the last time it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndpointState {
    /// Not inspected yet.
    Unchecked,
    /// May be read from.
    Alive,
    /// May be read from where nothing better is: its head is behind the others'.
    Behind,
    /// Gives no answers, or errors.
    Down,
    /// Asked us to slow down; busy, not dead.
    RateLimited,
    /// Said what cannot be, and is left alone for a while.
    SetAside,
    /// Serves another chain id or genesis.
    WrongChain,
}

impl EndpointState {
    /// As reports and logs have it.
    pub fn as_str(self) -> &'static str {
        match self {
            EndpointState::Unchecked => "unchecked",
            EndpointState::Alive => "alive",
            EndpointState::Behind => "behind",
            EndpointState::Down => "down",
            EndpointState::RateLimited => "rate_limited",
            EndpointState::SetAside => "set_aside",
            EndpointState::WrongChain => "wrong_chain",
        }
    }
}

/// What `status`, `check`, readiness and metrics say of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointReport {
    /// Its key.
    pub key: EndpointKey,
    /// Who runs it.
    pub operator: String,
    /// Lower is asked first.
    pub priority: u32,
    /// How it is.
    pub state: EndpointState,
    /// The last head it gave.
    pub head: Option<Header>,
    /// What went wrong last, redacted, and how long ago.
    pub last_error: Option<(String, Duration)>,
    /// When it is asked again, if it waits.
    pub retry_in: Option<Duration>,
    /// What is known of its limits.
    pub range: Learned,
}

/// An endpoint's health.
#[derive(Debug)]
pub(super) struct Health {
    checked: bool,
    trouble: Option<EndpointState>,
    retry_at: Option<Instant>,
    behind: bool,
    pub(super) wrong: Option<(ChainId, String)>,
    pub(super) head: Option<Header>,
    /// The last head that its subscription told.
    pub(super) pushed: Option<Header>,
    last_error: Option<(String, Instant)>,
    /// When trouble last began, and how long it had to wait.
    troubled: Option<(Instant, Duration)>,
    misbehaved: Option<Instant>,
    pauses: Delays,
    rests: Delays,
}

impl Health {
    pub(super) fn new() -> Health {
        Health {
            checked: false,
            trouble: None,
            retry_at: None,
            behind: false,
            wrong: None,
            head: None,
            pushed: None,
            last_error: None,
            troubled: None,
            misbehaved: None,
            pauses: Delays::new(PAUSE.0, PAUSE.1),
            rests: Delays::new(REST.0, REST.1),
        }
    }

    /// May it be read from?
    pub(super) fn usable(&self, now: Instant) -> bool {
        self.checked && self.wrong.is_none() && !self.waits(now)
    }

    /// Usable, and its head is with the others'.
    pub(super) fn abreast(&self, now: Instant) -> bool {
        self.usable(now) && !self.behind
    }

    /// Would an inspection now make it usable?
    pub(super) fn due(&self, now: Instant) -> bool {
        !self.checked && !self.waits(now)
    }

    fn waits(&self, now: Instant) -> bool {
        self.retry_at.is_some_and(|at| at > now)
    }

    /// How long it still waits; zero if it does not.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.retry_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }

    /// True while a `Retry-After` or a rest runs that nothing may cut short.
    pub(super) fn must_rest(&self, now: Instant) -> bool {
        let held = matches!(self.trouble, Some(EndpointState::RateLimited | EndpointState::SetAside));
        held && self.waits(now)
    }

    /// Trouble lasts until an answer ends it; one whose pause is over is asked again, but not alive yet.
    pub(super) fn state(&self) -> EndpointState {
        match self.trouble {
            _ if self.wrong.is_some() => EndpointState::WrongChain,
            Some(trouble) => trouble,
            _ if !self.checked => EndpointState::Unchecked,
            _ if self.behind => EndpointState::Behind,
            _ => EndpointState::Alive,
        }
    }

    pub(super) fn last_error(&self, now: Instant) -> Option<(String, Duration)> {
        self.last_error.as_ref().map(|(reason, at)| (reason.clone(), now.saturating_duration_since(*at)))
    }

    /// A call went well. Pauses start small again only once trouble stays away: one that answers some methods and
    /// refuses others would else be asked for ever at the shortest pause.
    pub(super) fn answered(&mut self, now: Instant) {
        if self.must_rest(now) {
            return;
        }
        (self.trouble, self.retry_at) = (None, None);
        let recent =
            |(at, wait): (Instant, Duration)| now.saturating_duration_since(at) < wait.saturating_mul(2).max(CALM);
        if !self.troubled.is_some_and(recent) {
            self.pauses.reset();
        }
        if self.misbehaved.is_some_and(|at| now.saturating_duration_since(at) > REST.1) {
            self.misbehaved = None;
            self.rests.reset();
        }
    }

    /// An inspection found the right chain and this head.
    pub(super) fn inspected(&mut self, head: Header, now: Instant) {
        (self.checked, self.wrong, self.head) = (true, None, Some(head));
        self.answered(now);
    }

    /// Whether the inspection of all found its head behind.
    pub(super) fn set_behind(&mut self, behind: bool) {
        self.behind = behind;
    }

    /// Connection trouble: what answers next may be another node. Returns how long to wait.
    pub(super) fn broke(&mut self, reason: String, now: Instant) -> Duration {
        self.checked = false;
        self.pause(EndpointState::Down, None, reason, now)
    }

    /// An error answer.
    pub(super) fn refused(&mut self, reason: String, now: Instant) -> Duration {
        self.pause(EndpointState::Down, None, reason, now)
    }

    /// Too fast.
    pub(super) fn limited(&mut self, retry_after: Option<Duration>, reason: String, now: Instant) -> Duration {
        self.pause(EndpointState::RateLimited, retry_after, reason, now)
    }

    /// It said what cannot be.
    pub(super) fn misbehaved(&mut self, reason: String, now: Instant) {
        (self.checked, self.misbehaved) = (false, Some(now));
        let rest = self.rests.pause();
        self.stop(EndpointState::SetAside, rest, reason, now);
    }

    /// It serves another chain.
    pub(super) fn is_wrong(&mut self, found: ChainId, reason: String, now: Instant) {
        (self.checked, self.wrong) = (false, Some((found, reason.clone())));
        self.stop(EndpointState::WrongChain, QUARANTINE, reason, now);
    }

    /// Worth a line in a report, not a pause.
    pub(super) fn note(&mut self, reason: String, now: Instant) {
        self.last_error = Some((reason, now));
    }

    /// Forgets every waiting time.
    pub(super) fn forgive(&mut self) {
        self.retry_at = None;
        self.pauses.reset();
        self.rests.reset();
    }

    fn pause(&mut self, state: EndpointState, told: Option<Duration>, reason: String, now: Instant) -> Duration {
        let pause = self.pauses.pause();
        let least = if state == EndpointState::RateLimited { LEAST_RATE_PAUSE } else { Duration::ZERO };
        let wait = told.map_or(pause.max(least), |told| told.min(LONGEST_OBEYED));
        self.stop(state, wait, reason, now);
        wait
    }

    /// The longer wait stands; a lesser trouble does not cut a greater one short.
    fn stop(&mut self, state: EndpointState, wait: Duration, reason: String, now: Instant) {
        let at = now.checked_add(wait).unwrap_or(now);
        self.troubled = Some((now, wait));
        if !self.must_rest(now) || self.retry_at.is_none_or(|old| old < at) {
            (self.trouble, self.retry_at) = (Some(state), Some(at));
        }
        self.note(reason, now);
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
