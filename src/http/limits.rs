//! How much one address and one credential may ask, and whose address it is behind proxies. Not for what is answered to
//! who asks too much, nor for how many event streams may be open.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::{Quota, RateLimiter};
use ipnet::IpNet;

use crate::keys;
use crate::settings::Limits;

/// How many addresses or credentials are told apart; some ten megabytes of them.
const KEYS: usize = 100_000;
/// How many times the rate may come at once.
const BURST: u32 = 10;
const MINUTE: Duration = Duration::from_secs(60);
/// A full book is looked through this often at most.
const TIDY: Duration = Duration::from_secs(1);

type Limiter<K, C> = RateLimiter<K, Book<K, Nanos>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// What came lately from whom. A digest stands for a credential: short, and no secret.
pub(super) struct Rates<C: Clock = DefaultClock> {
    addresses: Limiter<IpAddr, C>,
    credentials: Limiter<[u8; 32], C>,
    failures: Book<IpAddr, Minute<C::Instant>>,
    failures_a_minute: u32,
    tidied: Mutex<C::Instant>,
    clock: C,
}

/// The failures of an address since the first of them, for a minute.
struct Minute<I> {
    began: I,
    failures: u32,
}

impl Rates {
    /// Nothing has come yet.
    pub(super) fn new(limits: &Limits) -> Rates {
        Rates::with(limits, KEYS, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Rates<C> {
    fn with(limits: &Limits, keys: usize, clock: C) -> Rates<C> {
        Rates {
            addresses: RateLimiter::new(quota(limits.requests_per_address), Book::new(keys), clock.clone()),
            credentials: RateLimiter::new(quota(limits.requests_per_credential), Book::new(keys), clock.clone()),
            failures: Book::new(keys),
            failures_a_minute: limits.failures_per_address,
            tidied: Mutex::new(clock.now()),
            clock,
        }
    }

    /// Takes one request from an address, or tells after what time it would.
    pub(super) fn allow_address(&self, address: IpAddr) -> Result<(), Duration> {
        self.tidy_when(self.addresses.len());
        self.addresses.check_key(&neighbourhood(address)).map_err(|not| not.wait_time_from(self.clock.now()))
    }

    /// Takes one request with a credential, or tells after what time it would.
    pub(super) fn allow_credential(&self, credential: &str) -> Result<(), Duration> {
        self.tidy_when(self.credentials.len());
        let digest = keys::digest(credential.as_bytes());
        self.credentials.check_key(&digest).map_err(|not| not.wait_time_from(self.clock.now()))
    }

    /// Whether an address may still try a credential; takes nothing. After what time it may, if not.
    pub(super) fn failures_left(&self, address: IpAddr) -> Result<(), Duration> {
        let known = self.failures.lock();
        let Some(minute) = known.get(&Some(neighbourhood(address))) else { return Ok(()) };
        let left = self.left(minute);
        if left.is_zero() || minute.failures < self.failures_a_minute { Ok(()) } else { Err(left) }
    }

    /// Counts a wrong credential from an address. Strangers to a full book are let off: a page for all of them would
    /// shut out every newcomer for a minute, and no number of tries finds a credential.
    pub(super) fn note_failure(&self, address: IpAddr) {
        self.tidy_when(self.failures.len());
        let now = self.clock.now();
        let mut known = self.failures.lock();
        let Some(own) = self.failures.place(&known, &neighbourhood(address)) else { return };
        let minute = known.entry(Some(own)).or_insert(Minute { began: now, failures: 0 });
        if self.left(minute).is_zero() {
            *minute = Minute { began: now, failures: 0 };
        }
        minute.failures = minute.failures.saturating_add(1);
    }

    /// Forgets who has been quiet for long enough to be a stranger again. To be called every minute.
    pub(super) fn prune(&self) {
        self.addresses.retain_recent();
        self.credentials.retain_recent();
        self.failures.lock().retain(|_, minute| !self.left(minute).is_zero());
    }

    /// What is left of a minute.
    fn left(&self, minute: &Minute<C::Instant>) -> Duration {
        MINUTE.saturating_sub(self.clock.now().duration_since(minute.began).into())
    }

    /// Strangers crowd in a full book: room is made without waiting for the minute, but not at every request.
    fn tidy_when(&self, keys: usize) {
        if keys < self.failures.most {
            return;
        }
        let now = self.clock.now();
        {
            let mut tidied = self.tidied.lock().unwrap_or_else(PoisonError::into_inner);
            if Duration::from(now.duration_since(*tidied)) < TIDY {
                return;
            }
            *tidied = now;
        }
        self.prune();
    }
}

fn quota(a_second: u32) -> Quota {
    let some = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    Quota::per_second(some(a_second)).allow_burst(some(a_second.saturating_mul(BURST)))
}

/// What is known of a bounded number of keys. Strangers to a full book share one page, so that a flood of addresses
/// takes neither our memory nor the place of those who were here before.
struct Book<K, V> {
    /// `None` is the strangers' page.
    pages: Mutex<HashMap<Option<K>, V>>,
    most: usize,
}

impl<K: Hash + Eq + Clone, V> Book<K, V> {
    fn new(most: usize) -> Book<K, V> {
        Book { pages: Mutex::new(HashMap::new()), most }
    }

    /// Every change is a single insertion: what a panic leaves behind is still true.
    fn lock(&self) -> MutexGuard<'_, HashMap<Option<K>, V>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, pages: &HashMap<Option<K>, V>, key: &K) -> Option<K> {
        let own = Some(key.clone());
        if pages.len() < self.most || pages.contains_key(&own) { own } else { None }
    }

    fn len(&self) -> usize {
        self.lock().len()
    }
}

impl<K: Hash + Eq + Clone> StateStore for Book<K, Nanos> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut pages = self.lock();
        let place = self.place(&pages, key);
        let (outcome, next) = measure(pages.get(&place).copied())?;
        pages.insert(place, next);
        Ok(outcome)
    }
}

impl<K: Hash + Eq + Clone> ShrinkableKeyedStateStore<K> for Book<K, Nanos> {
    fn retain_recent(&self, drop_below: Nanos) {
        let mut pages = self.lock();
        pages.retain(|_, next| *next > drop_below);
        pages.shrink_to_fit();
    }

    fn len(&self) -> usize {
        Book::len(self)
    }

    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

/// What counts as one address: of IPv6 the 64 bits that a network gives away at once.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// Who asks: the peer, or, when that is a trusted proxy, the nearest hop of `X-Forwarded-For` that is none. What stands
/// to the left of it, or of anything that is no address, anybody may have written.
pub(super) fn client_address<'h>(
    peer: SocketAddr,
    forwarded: impl DoubleEndedIterator<Item = &'h [u8]>,
    trusted: &[IpNet],
) -> IpAddr {
    let mut nearest = peer.ip().to_canonical();
    for hop in forwarded.rev().flat_map(|value| value.rsplit(|byte| *byte == b',')) {
        if !trusted.iter().any(|network| network.contains(&nearest)) {
            break;
        }
        let Some(address) = std::str::from_utf8(hop).ok().and_then(|hop| hop_address(hop.trim_matches([' ', '\t'])))
        else {
            break;
        };
        nearest = address.to_canonical();
    }
    nearest
}

/// With or without a port and brackets: proxies write all of it.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let bracketed = || bare?.parse().ok().map(IpAddr::V6);
    let with_port = || hop.parse().ok().map(|address: SocketAddr| address.ip());
    hop.parse().ok().or_else(bracketed).or_else(with_port)
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
