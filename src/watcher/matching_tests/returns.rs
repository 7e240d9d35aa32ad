//! Rule 1: what was re-mined returns to the session it had, where that still takes it and a tie does not forbid it.

use super::*;

#[test]
fn it_returns_whatever_the_rules_would_say() {
    let sessions = [session("a", 100), session("b", 77)];
    assert_eq!(say(&sessions, &[had(pays(77, 10), "a")]), "a");
    assert_eq!(say(&sessions, &[had(pays(5, 10), "a"), pays(95, 11)]), "a a");
}

#[test]
fn it_does_not_return_to_who_takes_no_more() {
    let sessions = [session("a", 100), session("b", 77)];
    assert_eq!(say(&sessions, &[pays(100, 9), had(pays(77, 10), "a")]), "a b");
    assert_eq!(say(&sessions, &[had(pays(100, 1801), "a")]), "late");
    assert_eq!(say(&sessions, &[had(pays(100, 10), "gone")]), "a");
    assert_eq!(say(&sessions, &[stands(pays(100, 900), "a"), had(pays(100, 1000), "a")]), "already_paid");
    assert_eq!(say(&sessions, &[had(pays(100, 10), "a"), stands(pays(100, 900), "a")]), "already_paid");
}

#[test]
fn a_thief_whose_half_of_a_tie_did_not_return_gets_nothing() {
    // Both were mined and released: the victim's to the older session, the thief's. Then the thief's left for good.
    let sessions = [session("thief", 100), session("victim", 100)];
    let older = Session { accepted_at: at(-1), ..sessions[0].clone() };
    let sessions = [older, sessions[1].clone()];
    assert_eq!(say(&sessions, &[had(verified(pays(100, 10)), "thief")]), "ambiguous!");
    let both = [had(pays(100, 10), "thief"), had(pays_by(2, 100, 11), "victim")];
    assert_eq!(say(&sessions, &both), "thief victim");
}

#[test]
fn where_age_breaks_ties_it_returns() {
    let sessions = [session("a", 100), session("b", 100)];
    assert_eq!(World::new(&sessions, &[had(pays(100, 10), "b")]).by_age().say(), "b");
}

#[test]
fn others_that_tie_do_not_keep_it_from_its_own() {
    let sessions = [session("a", 100), session("b", 100), session("c", 500)];
    assert_eq!(say(&sessions, &[had(pays(100, 10), "c")]), "c");
}

#[test]
fn its_first_time_decides_not_its_new_block() {
    let moved = Entry { paid_at: at(1800), seen_at: at(1805), ..pays(100, 2500) };
    assert_eq!(say(&[session("a", 100)], &[had(moved, "a")]), "a");
}
