//! What a stranger may send: tens of thousands of transfers to an address that thousands of sessions name. The bounds are
//! generous: whoever asks each session for each transfer takes minutes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::*;

const SESSIONS: u64 = 5_000;
const TRANSFERS: i64 = 50_000;

/// A session every 17 seconds, which is one day, each of half an hour and of an amount of its own.
fn a_day() -> Vec<Session> {
    (0..SESSIONS)
        .map(|n| {
            let begins = 17 * i64::try_from(n).unwrap();
            Session {
                accepted_at: at(begins),
                begins_at: at(begins),
                expires_at: at(begins + 1800),
                ..session(&format!("s{n}"), 1_000_000 + n)
            }
        })
        .collect()
}

/// The least there is, again and again, every other one verified.
fn dust(second: impl Fn(i64) -> i64) -> Vec<Entry> {
    (0..TRANSFERS).map(|n| Entry { verified: n % 2 == 0, ..pays(1, second(n)) }).collect()
}

/// How often each session or reason is told.
fn told(world: &World) -> BTreeMap<String, i64> {
    let started = Instant::now();
    let verdicts = world.verdicts();
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let mut told = BTreeMap::new();
    for verdict in verdicts {
        let word = match verdict.assignment {
            Assignment::Session(id) => id.0,
            Assignment::None(reason) => reason.as_str().to_owned(),
        };
        *told.entry(word).or_default() += 1;
    }
    told
}

fn times<const N: usize>(words: [(&str, i64); N]) -> BTreeMap<String, i64> {
    words.map(|(word, times)| (word.to_owned(), times)).into()
}

#[test]
fn dust_among_open_sessions_is_no_burden_and_who_pays_in_the_midst_of_it_is_found() {
    let mut transfers = dust(|n| n * 17 / 10);
    transfers.insert(25_000, pays_by(2, 1_002_500, 42_500));
    let told = told(&World::new(&a_day(), &transfers));
    assert_eq!(told, times([("amount_mismatch", TRANSFERS), ("s2500", 1)]));
}

#[test]
fn dust_before_and_after_all_sessions_is_no_burden() {
    let half = TRANSFERS / 2;
    let transfers = dust(|n| if n < half { n - 100_000 } else { n + 100_000 });
    assert_eq!(told(&World::new(&a_day(), &transfers)), times([("early", half), ("late", half)]));
}

#[test]
fn dust_at_the_only_open_session_is_no_burden() {
    let began = at(-200_000);
    let mut sessions = a_day();
    sessions.push(Session { accepted_at: began, begins_at: began, expires_at: at(0), ..session("long", 1_000_000) });
    // Half of it is paid and in doubt, so that nothing else is certain.
    let transfers = [vec![pays(500_000, -199_000)], dust(|n| n * 2 - 190_000)].concat();
    assert_eq!(told(&World::new(&sessions, &transfers)), times([("dust", TRANSFERS), ("long", 1)]));
}

#[test]
fn a_tie_that_is_never_released_is_no_burden() {
    let brief = Session { expires_at: at(10), ..session("c", 1) };
    let sessions = [session("a", 1), session("b", 1), brief];
    let half = TRANSFERS / 2;
    let mut transfers = dust(|n| if n < half { 5 } else { 20 });
    transfers.insert(0, pays_by(2, 1, 5));
    assert_eq!(told(&World::new(&sessions, &transfers)), times([("ambiguous", TRANSFERS + 1)]));
}
