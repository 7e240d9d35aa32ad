//! An endpoint's ups and downs on a clock that the test moves.

#![allow(clippy::arithmetic_side_effects)]

use super::*;
use crate::domain::{BlockHash, BlockNumber, BlockRef, time_from_unix};

fn head() -> Header {
    let block = BlockRef { number: BlockNumber(9), hash: BlockHash::repeat_byte(9) };
    Header { block, parent: BlockHash::ZERO, time: time_from_unix(9).unwrap() }
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
    assert_eq!(health.state(), EndpointState::SetAside);
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
