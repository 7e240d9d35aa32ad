//! When a transfer is in time: every border to the second, for one session.

use super::*;

/// What becomes of 100 paid at a second to one session of 100.
fn paid_at(session: &Session, second: i64) -> String {
    say(std::slice::from_ref(session), &[pays(100, second)])
}

#[test]
fn a_session_begins_clock_skew_before_it_was_opened() {
    let seen = |second| Entry { seen_at: at(0), ..pays(100, second) };
    assert_eq!(say(&[session("a", 100)], &[seen(-60)]), "a");
    assert_eq!(say(&[session("a", 100)], &[seen(-61)]), "early");
}

#[test]
fn what_was_stored_before_it_was_accepted_never_pays() {
    let seen = |second| Entry { seen_at: at(second), ..pays(100, 0) };
    assert_eq!(say(&[session("a", 100)], &[seen(0)]), "a");
    assert_eq!(say(&[session("a", 100)], &[seen(-1)]), "early");
    let later = Session { accepted_at: at(50), ..session("a", 100) };
    assert_eq!(say(std::slice::from_ref(&later), &[seen(49)]), "early");
    assert_eq!(say(&[later], &[seen(50)]), "a");
}

#[test]
fn a_session_may_begin_after_it_was_accepted() {
    let later = Session { begins_at: at(100), ..session("a", 100) };
    assert_eq!((paid_at(&later, 39), paid_at(&later, 40)), ("early".to_owned(), "a".to_owned()));
}

#[test]
fn it_ends_at_its_expiry() {
    let a = session("a", 100);
    assert_eq!((paid_at(&a, 1800), paid_at(&a, 1801)), ("a".to_owned(), "late".to_owned()));
}

#[test]
fn grace_is_added_to_the_expiry() {
    let paid = |second| World::new(&[session("a", 100)], &[pays(100, second)]).grace(7).say();
    assert_eq!((paid(1807), paid(1808)), ("a".to_owned(), "late".to_owned()));
}

#[test]
fn it_ends_at_its_cancelling() {
    let a = Session { cancelled_at: Some(at(30)), ..session("a", 100) };
    assert_eq!((paid_at(&a, 30), paid_at(&a, 31)), ("a".to_owned(), "cancelled".to_owned()));
}

#[test]
fn however_late_it_is_seen_its_own_time_counts() {
    assert_eq!(say(&[session("a", 100)], &[Entry { seen_at: at(90_000), ..pays(100, 1800) }]), "a");
}

#[test]
fn a_part_payment_moves_the_expiry_once() {
    let paid = |second| say(&[session("a", 100)], &[pays(30, 10), pays(20, 1700), pays(50, second)]);
    assert_eq!(paid(2700), "a a a");
    assert_eq!(paid(2701), "a a late");
}

#[test]
fn grace_counts_from_the_moved_expiry() {
    let paid = |second| World::new(&[session("a", 100)], &[pays(30, 10), pays(70, second)]).grace(7).say();
    assert_eq!((paid(2707), paid(2708)), ("a a".to_owned(), "a late".to_owned()));
}

#[test]
fn a_part_payment_that_stands_moves_it_too() {
    let paid = |second| say(&[session("a", 100)], &[stands(pays(30, 10), "a"), pays(70, second)]);
    assert_eq!((paid(2700), paid(2701)), ("a".to_owned(), "late".to_owned()));
}

#[test]
fn paid_in_full_nothing_moves() {
    assert_eq!(say(&[session("a", 100)], &[pays(100, 10), pays(100, 1801)]), "a late");
}

#[test]
fn cancelling_beats_the_moved_expiry() {
    let a = Session { cancelled_at: Some(at(1000)), ..session("a", 100) };
    assert_eq!(say(&[a], &[pays(30, 10), pays(70, 1001)]), "a cancelled");
}

#[test]
fn times_at_the_end_of_the_calendar_do_not_wrap() {
    let end = Session { expires_at: Time::MAX_UTC, ..session("a", 100) };
    let world = World::new(&[end], &[pays(30, 10), pays(70, 100_000)]).grace(7);
    assert_eq!(world.say(), "a a");
    let start = Session { begins_at: Time::MIN_UTC, ..session("a", 100) };
    assert_eq!(say(&[start], &[Entry { paid_at: Time::MIN_UTC, ..pays(100, 1) }]), "a");
}
