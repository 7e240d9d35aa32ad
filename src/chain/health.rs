//! Whether an endpoint may be read from now, and when next if not. No I/O: time is an argument.
//!
//! One that was never inspected, or not since its connection broke or it lied, is not usable: it might serve another
//! chain. Its head only rises: a lower one than before is lag and no word about the chain. Not for choosing between
//! endpoints: that is the pool's work.

use std::time::Duration;

use tokio::time::Instant;

use super::abreast::Standing;
use super::range::Learned;
use super::retry::Delays;
use crate::domain::{BlockNumber, ChainId, EndpointKey, Header};

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
/// While no other endpoint can be asked, an error's pause is no longer than this: an outage ends for us soon after it ends.
const LAST_HOPE: Duration = Duration::from_secs(15);
/// A head below an earlier one is the new measure after this long: the chain itself went back.
const LOWER_FOR_GOOD: Duration = Duration::from_secs(600);

/// What an endpoint is, in one word, as it was found the last time it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndpointState {
    /// Not inspected yet.
    Unchecked,
    /// May be read from.
    Alive,
    /// May be read from where nothing better is: its head is behind the others'.
    Behind,
    /// Its head stands still. May be read from where nothing better is, and as ever where no head moves.
    Stalled,
    /// Serves another chain id or genesis.
    WrongChain,
    /// Asked us to slow down; busy, not dead.
    RateLimited,
    /// Said what cannot be, and is left alone for a while.
    Lying,
    /// Gives no answers, or errors.
    Down,
}

impl EndpointState {
    /// All of them.
    pub const ALL: [EndpointState; 8] = [
        EndpointState::Unchecked,
        EndpointState::Alive,
        EndpointState::Behind,
        EndpointState::Stalled,
        EndpointState::WrongChain,
        EndpointState::RateLimited,
        EndpointState::Lying,
        EndpointState::Down,
    ];

    /// As reports, logs and metrics have it.
    pub fn as_str(self) -> &'static str {
        match self {
            EndpointState::Unchecked => "unchecked",
            EndpointState::Alive => "alive",
            EndpointState::Behind => "behind",
            EndpointState::Stalled => "stalled",
            EndpointState::WrongChain => "wrong_chain",
            EndpointState::RateLimited => "rate_limited",
            EndpointState::Lying => "lying",
            EndpointState::Down => "down",
        }
    }

    /// Answers, on the right chain: it may be read from at least where nothing better is.
    pub fn is_usable(self) -> bool {
        matches!(self, EndpointState::Alive | EndpointState::Behind | EndpointState::Stalled)
    }
}

/// What `check` and readiness say of an endpoint.
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
    /// What it said last that cannot be, redacted, and how long ago; whatever else went wrong since.
    pub lied: Option<(String, Duration)>,
    /// When it is asked again, if it waits.
    pub retry_in: Option<Duration>,
    /// What is known of its limits.
    pub range: Learned,
    /// The requests a second that it is sent at most, once it has asked us to slow down.
    pub pace: Option<u64>,
}

impl EndpointReport {
    /// On one line: what it is, why where it is not well, and what is learned of it.
    pub fn words(&self) -> String {
        let (key, state) = (&self.key, self.state.as_str());
        let mut words = match &self.last_error {
            Some((why, _)) if self.state != EndpointState::Alive => format!("{key} is {state} ({why})"),
            _ => format!("{key} is {state}"),
        };
        for (limit, of) in self.limits() {
            words.extend(limit.map(|limit| format!(", at most {limit} {of}")));
        }
        words
    }

    /// Whether there is more to say than that all is well.
    pub fn is_news(&self) -> bool {
        self.state != EndpointState::Alive || self.limits().iter().any(|(limit, _)| limit.is_some())
    }

    fn limits(&self) -> [(Option<u64>, &'static str); 3] {
        [(self.range.blocks, "blocks at once"), (self.range.results, "logs at once"), (self.pace, "requests a second")]
    }
}

/// The highest head it gave, when, and the first one: what lies between says how fast its chain is.
#[derive(Debug)]
struct Rise {
    highest: Header,
    at: Instant,
    first: Header,
}

impl Rise {
    fn block_time(&self) -> Option<Duration> {
        let blocks = u32::try_from(self.highest.block.number.above(self.first.block.number)).ok()?;
        let time = self.highest.time.signed_duration_since(self.first.time).to_std().ok()?;
        time.checked_div(blocks)
    }
}

/// An endpoint's health.
#[derive(Debug)]
pub(super) struct Health {
    checked: bool,
    trouble: Option<EndpointState>,
    retry_at: Option<Instant>,
    standing: Standing,
    pub(super) wrong: Option<(ChainId, String)>,
    pub(super) head: Option<Header>,
    rise: Option<Rise>,
    /// The last head that its subscription told.
    pub(super) pushed: Option<Header>,
    last_error: Option<(String, Instant)>,
    /// When trouble last began, and how long it had to wait.
    troubled: Option<(Instant, Duration)>,
    lied: Option<(String, Instant)>,
    pauses: Delays,
    rests: Delays,
}

impl Health {
    pub(super) fn new() -> Health {
        Health {
            checked: false,
            trouble: None,
            retry_at: None,
            standing: Standing::Abreast,
            wrong: None,
            head: None,
            rise: None,
            pushed: None,
            last_error: None,
            troubled: None,
            lied: None,
            pauses: Delays::new(PAUSE.0, PAUSE.1),
            rests: Delays::new(REST.0, REST.1),
        }
    }

    /// May it be read from: it passed its inspection and does not wait?
    pub(super) fn usable(&self, now: Instant) -> bool {
        self.checked && self.wrong.is_none() && !self.waits(now)
    }

    /// Usable, and its head is with the others'.
    pub(super) fn abreast(&self, now: Instant) -> bool {
        self.usable(now) && matches!(self.standing, Standing::Abreast | Standing::Still)
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
        let held = matches!(self.trouble, Some(EndpointState::RateLimited | EndpointState::Lying));
        held && self.waits(now)
    }

    /// Trouble lasts until an answer ends it; one whose pause is over is asked again, but not alive yet.
    pub(super) fn state(&self) -> EndpointState {
        match self.trouble {
            _ if self.wrong.is_some() => EndpointState::WrongChain,
            Some(trouble) => trouble,
            _ if !self.checked => EndpointState::Unchecked,
            _ => match self.standing {
                Standing::Abreast => EndpointState::Alive,
                Standing::Behind => EndpointState::Behind,
                Standing::Stalled | Standing::Still => EndpointState::Stalled,
            },
        }
    }

    pub(super) fn last_error(&self, now: Instant) -> Option<(String, Duration)> {
        self.last_error.as_ref().map(|(reason, at)| (reason.clone(), now.saturating_duration_since(*at)))
    }

    pub(super) fn lied(&self, now: Instant) -> Option<(String, Duration)> {
        self.lied.as_ref().map(|(reason, at)| (reason.clone(), now.saturating_duration_since(*at)))
    }

    /// How long its head has stood still, and its chain's usual time from block to block where two heads tell it.
    pub(super) fn still(&self, now: Instant) -> (Duration, Option<Duration>) {
        self.rise
            .as_ref()
            .map_or((Duration::ZERO, None), |rise| (now.saturating_duration_since(rise.at), rise.block_time()))
    }

    /// It gave this head. Returns the highest it ever gave: a lower one is a node that lags, or another one behind the
    /// same address.
    pub(super) fn saw(&mut self, head: Header, now: Instant) -> BlockNumber {
        let before = self.head.replace(head);
        let first = self.rise.as_ref().map_or(head, |rise| rise.first);
        let above = |rise: &Rise| {
            let (highest, block) = (rise.highest.block, head.block);
            let for_good = now.saturating_duration_since(rise.at) >= LOWER_FOR_GOOD;
            block != highest && (block.number >= highest.number || for_good)
        };
        if self.rise.as_ref().is_none_or(above) {
            let first = if head.block.number < first.block.number { head } else { first };
            self.rise = Some(Rise { highest: head, at: now, first });
            self.standing = match self.standing {
                Standing::Still => Standing::Abreast,
                Standing::Stalled => Standing::Behind,
                standing @ (Standing::Abreast | Standing::Behind) => standing,
            };
        } else if let Some(before) = before.filter(|before| before.block.number > head.block.number) {
            let reason = format!("its head went backwards, from {} to {}", before.block.number, head.block.number);
            self.note(reason, now);
        }
        self.rise.as_ref().map_or(head, |rise| rise.highest).block.number
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
        if self.lied.as_ref().is_some_and(|(_, at)| now.saturating_duration_since(*at) > REST.1) {
            self.rests.reset();
        }
    }

    /// An inspection found the right chain and this head.
    pub(super) fn inspected(&mut self, head: Header, now: Instant) -> BlockNumber {
        (self.checked, self.wrong) = (true, None);
        self.answered(now);
        self.saw(head, now)
    }

    /// What the inspection of all found of its head, and why where that is news.
    pub(super) fn stands(&mut self, standing: Standing, why: impl FnOnce() -> String, now: Instant) {
        if standing != Standing::Abreast && standing != self.standing {
            self.note(why(), now);
        }
        self.standing = standing;
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
        (self.checked, self.lied) = (false, Some((reason.clone(), now)));
        let rest = self.rests.pause();
        self.stop(EndpointState::Lying, rest, reason, now);
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

    /// Nobody else can be asked: the pause after an error is cut to [`LAST_HOPE`]. What was asked for, and the rest of a
    /// liar, last as long as they last.
    pub(super) fn hurry(&mut self) {
        let most = self.troubled.and_then(|(at, _)| at.checked_add(LAST_HOPE));
        if self.trouble == Some(EndpointState::Down) {
            self.retry_at = self.retry_at.map(|at| most.map_or(at, |most| at.min(most)));
        }
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
