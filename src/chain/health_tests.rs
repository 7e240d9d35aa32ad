//! An endpoint's ups and downs on a clock that the test moves.

#![allow(clippy::arithmetic_side_effects)]

use super::*;
use crate::domain::{BlockHash, BlockNumber, BlockRef, time_from_unix};

fn head() -> Header {
    head_at(9)
}

/// A block every two seconds.
fn head_at(number: u64) -> Header {
    let block = BlockRef { number: BlockNumber(number), hash: BlockHash::left_padding_from(&number.to_be_bytes()) };
    Header { block, parent: BlockHash::ZERO, time: time_from_unix(2 * number).unwrap() }
}

fn alive(now: Instant) -> Health {
    let mut health = Health::new();
    health.inspected(head(), now);
    health
}

#[test]
fn nothing_is_usable_before_it_was_inspected() {
    let now = Instant::now();
    let mut health = Health::new();
    assert!(!health.usable(now) && health.due(now));
    assert_eq!(health.state(), EndpointState::Unchecked);
    health.answered(now);
    assert!(!health.usable(now));
    health.inspected(head(), now);
    assert!(health.usable(now) && !health.due(now));
}

#[test]
fn an_error_answer_pauses_and_a_broken_connection_asks_for_an_inspection() {
    let now = Instant::now();
    let mut health = alive(now);
    let wait = health.refused("x".to_owned(), now);
    assert!(!health.usable(now) && health.usable(now + wait));
    assert_eq!(health.state(), EndpointState::Down);
    let wait = health.broke("y".to_owned(), now);
    assert!(!health.usable(now + wait) && health.due(now + wait) && !health.due(now));
    assert_eq!(health.state(), EndpointState::Down);
}

#[test]
fn retry_after_is_obeyed_and_success_elsewhere_does_not_cut_it_short() {
    let now = Instant::now();
    let mut health = alive(now);
    let minute = Duration::from_secs(60);
    assert_eq!(health.limited(Some(minute), "slow down".to_owned(), now), minute);
    health.answered(now);
    health.refused("lesser".to_owned(), now);
    assert!(!health.usable(now + minute / 2));
    assert_eq!(health.state(), EndpointState::RateLimited);
    assert!(health.usable(now + minute));
    assert!(health.limited(Some(minute * 60), "x".to_owned(), now) <= LONGEST_OBEYED);
}

#[test]
fn misbehaviour_rests_longer_each_time_and_needs_an_inspection() {
    let now = Instant::now();
    let mut health = alive(now);
    health.misbehaved("lied".to_owned(), now);
    let first = health.wait(now);
    assert!(first >= Duration::from_secs(7));
    health.inspected(head(), now);
    assert!(!health.usable(now), "an inspection does not end the rest");
    let later = now + first;
    health.inspected(head(), later);
    assert!(health.usable(later));
    for _ in 0..3 {
        health.misbehaved("again".to_owned(), later);
    }
    assert!(health.wait(later) > first);
    assert_eq!(health.state(), EndpointState::Lying);
}

#[test]
fn pauses_grow_while_some_answers_are_good_and_others_are_not() {
    let mut now = Instant::now();
    let mut health = alive(now);
    let waits: Vec<_> = (0..12)
        .map(|_| {
            let wait = health.refused("logs".to_owned(), now);
            now += wait;
            assert_eq!(health.state(), EndpointState::Down);
            health.answered(now);
            assert_eq!(health.state(), EndpointState::Alive);
            wait
        })
        .collect();
    assert!(waits[11] > Duration::from_secs(30), "{waits:?}");
    health.answered(now + Duration::from_secs(600));
    assert!(health.refused("logs".to_owned(), now + Duration::from_secs(600)) < Duration::from_secs(1));
}

#[test]
fn a_wrong_chain_is_never_usable_until_it_is_right() {
    let now = Instant::now();
    let mut health = alive(now);
    health.is_wrong(ChainId(2), "chain id 2".to_owned(), now);
    let later = now + QUARANTINE * 2;
    assert!(!health.usable(later) && health.due(later));
    assert_eq!(health.state(), EndpointState::WrongChain);
    health.inspected(head(), later);
    assert!(health.usable(later));
}

#[test]
fn a_lie_is_kept_whatever_goes_wrong_later() {
    let now = Instant::now();
    let mut health = alive(now);
    health.misbehaved("invented a log".to_owned(), now);
    let later = now + health.wait(now);
    health.inspected(head(), later);
    health.broke("hung up".to_owned(), later);
    assert_eq!(health.last_error(later).unwrap().0, "hung up");
    assert_eq!(health.lied(later), Some(("invented a log".to_owned(), later - now)));
}

#[test]
fn a_head_only_rises_and_a_lower_one_is_lag() {
    let now = Instant::now();
    let seconds = |count| now + Duration::from_secs(count);
    let mut health = alive(now);
    assert_eq!(health.saw(head_at(12), seconds(1)), BlockNumber(12));
    assert_eq!(health.last_error(now), None);
    assert_eq!(health.saw(head_at(11), seconds(5)), BlockNumber(12));
    assert_eq!(health.head, Some(head_at(11)));
    assert_eq!(health.last_error(seconds(5)).unwrap().0, "its head went backwards, from 12 to 11");
    assert_eq!(health.state(), EndpointState::Alive);
    assert_eq!(health.saw(head_at(12), seconds(6)), BlockNumber(12));
    assert_eq!(health.still(seconds(11)).0, Duration::from_secs(10), "back to where it was is no progress");
    health.saw(head_at(13), seconds(12));
    assert_eq!(health.still(seconds(12)), (Duration::ZERO, Some(Duration::from_secs(2))));
    let sibling = Header { block: BlockRef { hash: BlockHash::ZERO, ..head_at(13).block }, ..head_at(13) };
    health.saw(sibling, seconds(20));
    assert_eq!(health.still(seconds(20)).0, Duration::ZERO, "another block at the top is progress");
}

#[test]
fn a_chain_that_went_back_is_the_new_measure_after_a_while() {
    let now = Instant::now();
    let mut health = alive(now);
    health.saw(head_at(50), now);
    let soon = now + LOWER_FOR_GOOD - Duration::from_secs(1);
    assert_eq!(health.saw(head_at(20), soon), BlockNumber(50));
    let late = now + LOWER_FOR_GOOD;
    assert_eq!(health.saw(head_at(21), late), BlockNumber(21));
    assert_eq!(health.still(late).0, Duration::ZERO);
}

#[test]
fn how_it_stands_decides_whether_it_is_a_last_resort() {
    let now = Instant::now();
    let mut health = alive(now);
    for (standing, state, abreast) in [
        (Standing::Behind, EndpointState::Behind, false),
        (Standing::Stalled, EndpointState::Stalled, false),
        (Standing::Still, EndpointState::Stalled, true),
        (Standing::Abreast, EndpointState::Alive, true),
    ] {
        health.stands(standing, || format!("{standing:?}"), now);
        assert!(health.usable(now));
        assert_eq!((health.state(), health.abreast(now)), (state, abreast));
    }
    assert_eq!(health.last_error(now).unwrap().0, "Still", "each is told, but that all is well again");
    health.stands(Standing::Stalled, String::new, now);
    health.saw(head_at(10), now);
    assert_eq!(health.state(), EndpointState::Behind, "it moves again");
    health.stands(Standing::Still, String::new, now);
    health.saw(head_at(11), now);
    assert_eq!(health.state(), EndpointState::Alive, "a chain at rest got its next block");
}

#[test]
fn while_nobody_else_can_be_asked_an_error_pauses_for_little() {
    let mut now = Instant::now();
    let mut health = alive(now);
    for _ in 0..12 {
        health.broke("no route".to_owned(), now);
        now += Duration::from_millis(1);
    }
    assert!(health.wait(now) > Duration::from_secs(30));
    health.hurry();
    assert!(health.wait(now) <= LAST_HOPE && health.wait(now) > Duration::from_secs(10));
    for stop in [
        |health: &mut Health, now| _ = health.limited(Some(Duration::from_secs(120)), "wait".to_owned(), now),
        |health: &mut Health, now| health.is_wrong(ChainId(2), "chain id 2".to_owned(), now),
    ] {
        stop(&mut health, now);
        let before = health.wait(now);
        health.hurry();
        assert_eq!(health.wait(now), before);
    }
    let mut liar = alive(now);
    (0..5).for_each(|_| liar.misbehaved("lied".to_owned(), now));
    let before = liar.wait(now);
    liar.hurry();
    assert!(liar.wait(now) == before && before > LAST_HOPE);
}

#[test]
fn metrics_know_every_state() {
    assert_eq!(EndpointState::ALL.map(EndpointState::as_str), crate::telemetry::ENDPOINT_STATES);
}
