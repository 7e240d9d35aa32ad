//! Rates by a clock of our own, and addresses behind proxies.

use governor::clock::FakeRelativeClock;

use super::*;

const A: &str = "192.0.2.1";
const B: &str = "192.0.2.2";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn rates(a_second: u32, failures: u32, keys: usize) -> (Rates<FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    let limits = Limits {
        requests_per_address: a_second,
        requests_per_credential: a_second.saturating_mul(2),
        failures_per_address: failures,
        streams: 1,
    };
    (Rates::with(&limits, keys, clock.clone()), clock)
}

/// How many are let through before the first that is not.
fn let_through(mut ask: impl FnMut() -> Result<(), Duration>) -> usize {
    (0..100_000).take_while(|_| ask().is_ok()).count()
}

#[test]
fn ten_times_the_rate_at_once_and_then_the_rate() {
    let (rates, clock) = rates(5, 60, 100);
    assert_eq!(let_through(|| rates.allow_address(ip(A))), 50);
    assert_eq!(rates.allow_address(ip(A)), Err(Duration::from_millis(200)));
    assert_eq!(rates.allow_address(ip(B)), Ok(()));
    clock.advance(Duration::from_millis(199));
    assert_eq!(rates.allow_address(ip(A)), Err(Duration::from_millis(1)));
    clock.advance(Duration::from_millis(1));
    assert_eq!(let_through(|| rates.allow_address(ip(A))), 1);
    clock.advance(Duration::from_secs(3));
    assert_eq!(let_through(|| rates.allow_address(ip(A))), 15);
    clock.advance(Duration::from_secs(1_000_000));
    assert_eq!(let_through(|| rates.allow_address(ip(A))), 50);
}

#[test]
fn credentials_have_a_rate_of_their_own() {
    let (rates, clock) = rates(5, 60, 100);
    assert_eq!(let_through(|| rates.allow_credential("one")), 100);
    assert_eq!(rates.allow_credential("one"), Err(Duration::from_millis(100)));
    assert_eq!((rates.allow_credential("two"), rates.allow_address(ip(A))), (Ok(()), Ok(())));
    clock.advance(Duration::from_millis(100));
    assert_eq!(let_through(|| rates.allow_credential("one")), 1);
}

#[test]
fn extreme_rates_are_rates() {
    let (rates, clock) = rates(1_000_000, 1_000_000, 10);
    assert_eq!(let_through(|| rates.allow_address(ip(A))), 100_000);
    clock.advance(Duration::from_secs(3_000_000_000));
    assert_eq!(rates.allow_address(ip(A)), Ok(()));
    let (rates, _) = self::rates(1, 1, 10);
    assert_eq!(let_through(|| rates.allow_address(ip(A))), 10);
    assert_eq!(let_through(|| rates.allow_credential("")), 20);
    let limits = Limits { requests_per_address: 1, requests_per_credential: 1, failures_per_address: 1, streams: 1 };
    let rates = Rates::new(&limits);
    assert!(let_through(|| rates.allow_address(ip(A))) >= 10 && rates.addresses.len() == 1);
}

#[test]
fn one_network_is_one_address() {
    let (rates, _) = rates(1, 1, 100);
    for (one, other, same) in [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true),
        ("2001:db8:1:3::1", "2001:db8:1:4::1", false),
        ("198.51.100.1", "::ffff:198.51.100.1", true),
        ("198.51.100.2", "198.51.100.3", false),
        ("::ffff:198.51.100.4", "::ffff:198.51.100.5", false),
    ] {
        let_through(|| rates.allow_address(ip(one)));
        rates.note_failure(ip(one));
        assert_eq!(rates.allow_address(ip(other)).is_err(), same, "{one} {other}");
        assert_eq!(rates.failures_left(ip(other)).is_err(), same, "{one} {other}");
    }
}

#[test]
fn failures_are_counted_by_the_minute_and_looking_costs_nothing() {
    let (rates, clock) = rates(5, 3, 100);
    assert_eq!(let_through(|| rates.failures_left(ip(A))), 100_000);
    for _ in 0..3 {
        assert_eq!(rates.failures_left(ip(A)), Ok(()));
        rates.note_failure(ip(A));
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(rates.failures_left(ip(A)), Err(Duration::from_secs(57)));
    assert_eq!(rates.failures_left(ip(B)), Ok(()));
    // More of them, from requests that were already under way, do not make it longer.
    rates.note_failure(ip(A));
    rates.prune();
    clock.advance(Duration::from_secs(56));
    assert_eq!(rates.failures_left(ip(A)), Err(Duration::from_secs(1)));
    clock.advance(Duration::from_secs(1));
    assert_eq!(rates.failures_left(ip(A)), Ok(()));
    rates.note_failure(ip(A));
    rates.note_failure(ip(A));
    assert_eq!(rates.failures_left(ip(A)), Ok(()));
    rates.note_failure(ip(A));
    assert_eq!(rates.failures_left(ip(A)), Err(MINUTE));
    assert_eq!(rates.allow_address(ip(A)), Ok(()));
}

#[test]
fn who_is_quiet_is_forgotten_and_nobody_else() {
    let (rates, clock) = rates(1, 5, 100);
    for host in 0..50 {
        rates.allow_address(IpAddr::from([192, 0, 2, host])).unwrap();
        rates.allow_credential(&host.to_string()).unwrap();
        rates.note_failure(IpAddr::from([192, 0, 2, host]));
    }
    let kept = |rates: &Rates<_>| (rates.addresses.len(), rates.credentials.len(), rates.failures.len());
    rates.prune();
    assert_eq!(kept(&rates), (50, 50, 50));
    clock.advance(Duration::from_secs(59));
    assert_eq!(let_through(|| rates.allow_address(ip(A))), 10);
    rates.prune();
    assert_eq!(kept(&rates), (1, 0, 50));
    assert!(rates.allow_address(ip(A)).is_err());
    clock.advance(Duration::from_secs(1));
    rates.prune();
    assert_eq!(kept(&rates), (1, 0, 0));
    clock.advance(Duration::from_secs(60));
    rates.prune();
    assert!(rates.addresses.is_empty());
}

#[test]
fn a_flood_of_addresses_is_one_stranger() {
    let (rates, clock) = rates(1, 2, 3);
    let stranger = |at: u8| IpAddr::from([203, 0, 113, at]);
    for known in 0..3 {
        assert_eq!(let_through(|| rates.allow_address(IpAddr::from([192, 0, 2, known]))), 10);
        rates.note_failure(IpAddr::from([192, 0, 2, known]));
    }
    let mut at = 0;
    let all = let_through(|| {
        at += 1;
        rates.allow_address(stranger(at))
    });
    assert_eq!((all, rates.addresses.len()), (10, 4));
    for at in 0..200 {
        rates.note_failure(stranger(at));
        assert_eq!(rates.failures_left(stranger(at)), Ok(()));
        let _ = rates.allow_credential(&at.to_string());
    }
    assert_eq!((rates.failures.len(), rates.credentials.len()), (3, 4));
    // Those who were here before still have their own.
    rates.note_failure(ip(A));
    assert!(rates.failures_left(ip(A)).is_err() && rates.failures_left(ip(B)).is_ok());
    // Once they are quiet, room is made without waiting to be told.
    clock.advance(Duration::from_secs(61));
    assert_eq!(let_through(|| rates.allow_address(stranger(1))), 10);
    assert_eq!(let_through(|| rates.allow_address(stranger(2))), 10);
    assert_eq!((rates.addresses.len(), rates.failures.len()), (2, 0));
}

#[test]
fn a_full_book_is_tidied_once_a_second_at_most() {
    let (rates, clock) = rates(10, 2, 2);
    for at in [1, 2] {
        rates.allow_address(IpAddr::from([192, 0, 2, at])).unwrap();
    }
    clock.advance(Duration::from_millis(900));
    rates.allow_address(ip("192.0.2.3")).unwrap();
    assert_eq!(rates.addresses.len(), 3);
    clock.advance(Duration::from_millis(100));
    rates.allow_address(ip("192.0.2.4")).unwrap();
    assert!(rates.addresses.len() <= 2);
}

#[test]
fn the_nearest_hop_that_is_no_proxy_asks() {
    let nets = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpNet>>();
    let trusted = nets(&["10.0.0.0/8", "fd00::/8"]);
    for (peer, forwarded, expected) in [
        ("192.0.2.9:1", &["198.51.100.1"][..], "192.0.2.9"),
        ("10.0.0.1:1", &[], "10.0.0.1"),
        ("10.0.0.1:1", &["198.51.100.1"], "198.51.100.1"),
        ("[::ffff:10.0.0.1]:1", &["::ffff:198.51.100.1"], "198.51.100.1"),
        ("[fd00::1]:1", &["2001:db8::1"], "2001:db8::1"),
        // What the client wrote itself stands left of what the proxy saw.
        ("10.0.0.1:1", &["127.0.0.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1:1", &["10.0.0.7, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1:1", &["127.0.0.1", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1:1", &["198.51.100.1, 10.0.0.2,\t10.0.0.3 "], "198.51.100.1"),
        ("10.0.0.1:1", &["127.0.0.1, 198.51.100.1", "10.0.0.2", "::ffff:10.0.0.3"], "198.51.100.1"),
        ("10.0.0.1:1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        // Rubbish ends what can be believed.
        ("10.0.0.1:1", &["198.51.100.1, unknown"], "10.0.0.1"),
        ("10.0.0.1:1", &["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1:1", &["198.51.100.1, , 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1:1", &[""], "10.0.0.1"),
        ("10.0.0.1:1", &[",,,"], "10.0.0.1"),
        ("10.0.0.1:1", &["198.51.100.256"], "10.0.0.1"),
        ("10.0.0.1:1", &["[198.51.100.1]"], "10.0.0.1"),
        ("10.0.0.1:1", &["fe80::1%eth0"], "10.0.0.1"),
        ("10.0.0.1:1", &["198.51.100.1 198.51.100.2"], "10.0.0.1"),
        ("10.0.0.1:1", &["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1:1", &["[2001:db8::1]:4711, [fd00::2]"], "2001:db8::1"),
    ] {
        let found = client_address(peer.parse().unwrap(), forwarded.iter().map(|value| value.as_bytes()), &trusted);
        assert_eq!(found, ip(expected), "{peer} {forwarded:?}");
    }
    let nobody = client_address("10.0.0.1:1".parse().unwrap(), [b"198.51.100.1".as_slice()].into_iter(), &[]);
    assert_eq!(nobody, ip("10.0.0.1"));
    // What a client wrote that is no text hides nothing of what a proxy added to it.
    let rubbish = [b"\xff, 198.51.100.1".as_slice()].into_iter();
    assert_eq!(client_address("10.0.0.1:1".parse().unwrap(), rubbish, &trusted), ip("198.51.100.1"));
}
