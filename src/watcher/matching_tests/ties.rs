//! Ties: held, released oldest to oldest by different senders, confirmed together; or broken by age where written.

use super::*;

fn two() -> [Session; 2] {
    [Session { begins_at: at(-1), accepted_at: at(-1), ..session("b", 100) }, session("a", 100)]
}

fn three() -> [Session; 3] {
    [session("a", 100), session("b", 100), session("c", 100)]
}

#[test]
fn one_transfer_waits_when_two_tie() {
    assert_eq!(say(&two(), &[verified(pays(100, 10))]), "ambiguous!");
    assert_eq!(say(&three(), &[pays(100, 10), pays_by(2, 100, 11)]), "ambiguous ambiguous");
}

#[test]
fn as_many_transfers_as_sessions_go_oldest_to_oldest() {
    assert_eq!(say(&two(), &[pays(100, 10), pays_by(2, 100, 11)]), "b a");
    let transfers = [pays(100, 10), pays_by(2, 100, 11), pays_by(3, 100, 12), pays_by(4, 100, 13)];
    assert_eq!(say(&three(), &transfers), "a b c already_paid");
}

#[test]
fn of_the_same_age_the_lesser_id_is_older() {
    let [a, b, c] = three();
    assert_eq!(say(&[c, b, a], &[pays(100, 1), pays_by(2, 100, 2), pays_by(3, 100, 3)]), "a b c");
}

#[test]
fn age_is_when_it_was_accepted_not_when_it_says_it_began() {
    let [b, a] = two();
    let posing = Session { begins_at: at(-500), ..a };
    assert_eq!(say(&[posing, b], &[pays(100, 10), pays_by(2, 100, 11)]), "b a");
}

#[test]
fn the_same_sender_twice_releases_nothing() {
    assert_eq!(say(&two(), &[pays(100, 10), pays(100, 11)]), "ambiguous ambiguous");
    let transfers = [pays(100, 10), pays(100, 11), pays_by(2, 100, 12)];
    assert_eq!(say(&three(), &transfers), "ambiguous ambiguous ambiguous");
}

#[test]
fn a_second_of_the_same_sender_comes_too_late_once_the_tie_is_confirmed() {
    let seen = [pays(100, 10), pays(100, 11), pays_by(2, 100, 12)];
    assert_eq!(say(&two(), &seen), "b ambiguous a");
    assert_eq!(say(&two(), &seen.map(verified)), "b! already_paid! a!");
}

#[test]
fn a_tie_is_confirmed_only_as_a_whole() {
    assert_eq!(say(&two(), &[verified(pays(100, 10)), pays_by(2, 100, 11)]), "b a");
    assert_eq!(say(&two(), &[pays(100, 10), verified(pays_by(2, 100, 11))]), "b a");
    assert_eq!(say(&two(), &[verified(pays(100, 10)), verified(pays_by(2, 100, 11))]), "b! a!");
}

#[test]
fn one_confirmed_while_it_waited_is_released_only_by_verified_ones() {
    assert_eq!(say(&two(), &[waits(pays(100, 10)), pays_by(2, 100, 11)]), "ambiguous! ambiguous");
    assert_eq!(say(&two(), &[waits(pays(100, 10)), verified(pays_by(2, 100, 11))]), "b! a!");
    let transfers = [waits(pays(100, 10)), waits(pays_by(2, 100, 11)), pays_by(3, 100, 12)];
    assert_eq!(say(&three(), &transfers), "ambiguous! ambiguous! ambiguous");
}

#[test]
fn only_transfers_that_tie_for_the_same_sessions_count() {
    let [b, a] = two();
    let transfers = [pays(100, 10), pays_by(2, 200, 11)];
    assert_eq!(say(&[b.clone(), a.clone(), session("x", 200), session("y", 200)], &transfers), "ambiguous ambiguous");
    // The first ties for three, the second for two of them.
    let brief = Session { expires_at: at(10), ..session("c", 100) };
    assert_eq!(say(&[a, b, brief], &[pays(100, 10), pays_by(2, 100, 11)]), "ambiguous ambiguous");
}

#[test]
fn one_that_expired_since_does_not_release_what_waits() {
    let [b, a] = two();
    let brief = Session { expires_at: at(10), ..b };
    assert_eq!(say(&[a, brief], &[pays(100, 10), pays_by(2, 100, 11)]), "ambiguous a");
}

#[test]
fn whole_amounts_come_before_remainders() {
    let a = Session { expires_at: at(4000), ..session("a", 100) };
    let b = Session { begins_at: at(500), accepted_at: at(500), ..session("b", 60) };
    assert_eq!(say(&[a, b], &[pays(40, 10), pays(60, 600), pays(60, 601)]), "a b a");
}

#[test]
fn equal_remainders_tie() {
    let parts = [stands(pays(40, 1), "a"), stands(pays(140, 2), "b")];
    let sessions = [session("a", 100), session("b", 200)];
    let with = |more: &[Entry]| say(&sessions, &[parts.as_slice(), more].concat());
    assert_eq!(with(&[pays(60, 10)]), "ambiguous");
    assert_eq!(with(&[pays(60, 10), pays_by(2, 60, 11)]), "a b");
}

#[test]
fn by_age_where_it_is_written() {
    let world = World::new(&two(), &[pays(100, 10), pays(100, 11), pays(100, 12)]).by_age();
    assert_eq!(world.say(), "b a already_paid");
    let by_age: Vec<bool> = world.verdicts().iter().map(|verdict| verdict.by_age).collect();
    assert_eq!(by_age, [true, false, false]);
    let held = World::new(&two(), &[pays(100, 10), pays_by(2, 100, 11)]);
    assert!(held.verdicts().iter().all(|verdict| !verdict.by_age));
}

#[test]
fn a_second_tie_of_the_same_amount_starts_anew() {
    let later = |name| Session { begins_at: at(500), accepted_at: at(500), ..session(name, 100) };
    let [b, a] = two();
    let transfers = [pays(100, 10), pays_by(2, 100, 11), pays(100, 600), pays_by(2, 100, 601)];
    assert_eq!(say(&[a, b, later("c"), later("d")], &transfers), "b a c d");
}

#[test]
fn ten_thousand_held_transfers_are_no_burden() {
    let many: Vec<Entry> = (0..10_000).map(|second| pays(100, second / 10)).collect();
    let started = std::time::Instant::now();
    assert_eq!(World::new(&two(), &many).verdicts().len(), 10_000);
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
}
