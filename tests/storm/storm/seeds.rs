//! Seeds that once found something, each named after what it found. A change of the deeds gives them other stories; what
//! they found has a scenario of its own besides.

use super::run;

fn passes(seed: u64) {
    if let Err(failure) = run(seed) {
        panic!("{failure}");
    }
}

#[test]
fn money_left_and_came_back_while_its_session_was_held() {
    passes(207);
}

#[test]
fn an_invented_transfer_is_taken_away_at_the_very_end() {
    passes(257);
}

#[test]
fn confirmed_by_a_rewind_that_met_a_held_row() {
    passes(1_230);
}

#[test]
fn a_tie_stays_told_apart_when_the_money_that_told_it_is_gone() {
    passes(2_034);
}

#[test]
fn a_tie_is_told_apart_by_rule_once_the_money_that_told_it_was_gone() {
    passes(530);
}

#[test]
fn a_tie_is_told_apart_by_the_money_that_told_it_and_came_back() {
    passes(2_906);
}

#[test]
fn what_waited_in_dispute_is_explained_by_what_was_confirmed_meanwhile() {
    passes(3_692);
}

#[test]
fn a_decision_about_an_invented_log_ends_where_another_one_stands_in_its_place() {
    passes(3_856);
}
