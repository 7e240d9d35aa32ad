//! What stands: no rule takes its place, and it changes nothing of what was in doubt before it.

use super::*;

#[test]
fn what_stands_or_is_settled_is_not_told_again() {
    let settled = Entry { standing: Standing::Settled(Some(Unmatched::Late)), ..waits(pays(100, 10)) };
    assert_eq!(say(&[session("a", 100)], &[stands(pays(100, 10), "a")]), "");
    assert_eq!(say(&[session("a", 100)], &[settled, pays(100, 11)]), "a");
}

#[test]
fn an_earlier_transfer_does_not_take_its_place() {
    assert_eq!(say(&[session("a", 100)], &[pays(100, 5), stands(pays(100, 10), "a")]), "already_paid");
    assert_eq!(say(&[session("a", 100)], &[pays(70, 5), stands(pays(60, 10), "a"), pays(1, 11)]), "a already_paid");
    assert_eq!(say(&[session("a", 100)], &[pays(40, 5), stands(pays(60, 10), "a"), pays(1, 11)]), "a already_paid");
}

#[test]
fn what_pays_a_session_of_elsewhere_counts_nowhere() {
    assert_eq!(say(&[session("a", 100)], &[stands(pays(100, 5), "elsewhere"), pays(100, 10)]), "a");
}

#[test]
fn what_was_held_stays_held_when_one_of_the_sessions_is_paid_since() {
    // b takes the second: a had expired. By now it is confirmed; the first is in doubt still.
    let brief = Session { expires_at: at(10), ..session("a", 100) };
    let sessions = [brief, session("b", 100)];
    let first = waits(pays(100, 10));
    assert_eq!(say(&sessions, &[first.clone(), verified(pays_by(2, 100, 11))]), "ambiguous! b!");
    assert_eq!(say(&sessions, &[first, stands(pays_by(2, 100, 11), "b")]), "ambiguous!");
}

#[test]
fn a_tie_is_not_released_over_what_stands() {
    let sessions = [session("a", 100), session("b", 100)];
    let transfers = [waits(pays(100, 10)), verified(pays_by(2, 100, 11)), stands(pays_by(3, 100, 12), "b")];
    assert_eq!(say(&sessions, &transfers), "ambiguous! ambiguous!");
}

#[test]
fn a_person_unties_what_comes_after() {
    let sessions = [session("a", 100), session("b", 100)];
    assert_eq!(say(&sessions, &[stands(pays(100, 10), "b"), pays(100, 11)]), "a");
    assert_eq!(say(&sessions, &[stands(pays(100, 10), "a"), pays(100, 11), pays(100, 12)]), "b already_paid");
}

#[test]
fn what_is_held_comes_too_late_once_all_are_paid() {
    let sessions = [session("a", 100), session("b", 100)];
    let transfers = [stands(pays(100, 10), "a"), waits(pays(100, 11)), stands(pays_by(2, 100, 12), "b")];
    assert_eq!(say(&sessions, &transfers), "already_paid!");
    let three = [session("a", 100), session("b", 100), session("c", 100)];
    let both = [waits(pays(100, 10)), stands(pays_by(2, 100, 12), "b"), stands(pays_by(3, 100, 13), "a")];
    assert_eq!(say(&three, &both), "ambiguous!");
    assert_eq!(say(&sessions, &both), "already_paid!");
}

#[test]
fn what_was_held_is_not_explained_by_a_session_that_came_after_it_was_confirmed() {
    let came =
        |second| [session("a", 100), session("b", 100), Session { accepted_at: at(second), ..session("c", 100) }];
    let transfers = [stands(pays(100, 10), "a"), waits(pays(100, 11)), stands(pays_by(2, 100, 12), "b")];
    assert_eq!(say(&came(71), &transfers), "early!", "it was confirmed at 71");
    assert_eq!(say(&came(72), &transfers), "already_paid!");
    let alone = [Session { accepted_at: at(72), ..session("a", 100) }];
    assert_eq!(say(&alone, &[waits(pays(100, 11))]), "early!", "where there is no other one, it does");
}

#[test]
fn what_is_held_stays_in_doubt_while_one_it_was_meant_for_is_unpaid() {
    let brief = Session { expires_at: at(11), ..session("a", 100) };
    let transfers = [pays(100, 10), had(pays(30, 11), "a"), pays_by(2, 100, 12)].map(verified);
    assert_eq!(say(&[brief, session("b", 100)], &transfers), "ambiguous! a! b!");
}

#[test]
fn nothing_is_confirmed_by_what_the_second_look_may_refute() {
    // A liar's transfer that pays: what comes after is told by it, and waits for it.
    let lie = pays(100, 10);
    assert_eq!(say(&[session("a", 100)], &[lie.clone(), verified(pays(100, 11))]), "a already_paid");
    let sessions = [session("a", 100), Session { begins_at: at(80), accepted_at: at(80), ..session("b", 100) }];
    assert_eq!(say(&sessions, &[lie.clone(), verified(pays(100, 81))]), "a b");
    assert_eq!(say(&sessions, &[lie.clone(), verified(pays(100, 1801))]), "a late!");
    // One that is confirmed already keeps being held rather than becoming unconfirmed.
    assert_eq!(say(&sessions, &[lie, waits(pays(100, 81))]), "a ambiguous!");
}

#[test]
fn a_tie_is_not_confirmed_beside_a_session_paid_in_doubt() {
    let sessions = [session("a", 100), session("b", 100), session("c", 100)];
    let doubtful = had(pays(30, 5), "c");
    let transfers = [doubtful, verified(pays(100, 10)), verified(pays_by(2, 100, 11))];
    assert_eq!(say(&sessions, &transfers), "c a b");
}

/// What a person settled before it was confirmed is confirmed by the second look alone.
#[test]
fn what_a_person_settled_is_confirmed_when_it_was_looked_at_twice() {
    let given = |entry: Entry| Entry { standing: Standing::Pays(id("a")), ..entry };
    let left = |entry: Entry| Entry { standing: Standing::Settled(Some(Unmatched::Late)), ..entry };
    assert_eq!(say(&[session("a", 100)], &[given(pays(100, 10)), left(pays(100, 11))]), "a late");
    assert_eq!(say(&[session("a", 100)], &[given(verified(pays(100, 10))), left(verified(pays(100, 11)))]), "a! late!");
    // Not even a session that is none of this group, or money in doubt before it, has a say in that.
    let elsewhere = Entry { standing: Standing::Pays(id("elsewhere")), ..verified(pays(100, 12)) };
    assert_eq!(say(&[session("a", 100)], &[pays(100, 10), elsewhere]), "a elsewhere!");
}

/// A person's word is no second look: what is told by such money, before or after it, waits for it.
#[test]
fn what_is_told_by_an_unproven_gift_is_not_confirmed() {
    let given = |entry: Entry| Entry { standing: Standing::Pays(id("a")), ..entry };
    assert_eq!(say(&[session("a", 100)], &[given(pays(100, 10)), verified(pays(100, 11))]), "a already_paid");
    assert_eq!(say(&[session("a", 100)], &[verified(pays(100, 9)), given(pays(100, 10))]), "already_paid a");
    let both = [verified(pays(100, 9)), given(verified(pays(100, 10)))];
    assert_eq!(say(&[session("a", 100)], &both), "already_paid! a!");
}
