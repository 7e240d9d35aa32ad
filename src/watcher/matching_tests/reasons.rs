//! Why a transfer pays nobody: each reason, and which of two comes first.

use super::*;

#[test]
fn nothing_is_zero_before_all_else() {
    let own = Entry { from: sender(DEPOSIT), ..pays(0, 10) };
    assert_eq!(World::new(&[session("a", 100)], &[own]).named(Named::OtherToken).say(), "zero");
}

#[test]
fn to_oneself_is_a_self_transfer_before_it_is_internal() {
    let own = Entry { from: sender(DEPOSIT), ..pays(100, 10) };
    let mut world = World::new(&[session("a", 100)], &[own]);
    assert_eq!(world.say(), "self_transfer");
    world.rules.own_addresses.push(sender(DEPOSIT));
    assert_eq!(world.say(), "self_transfer");
}

#[test]
fn our_own_money_pays_nobody() {
    let sweep = pays_by(TREASURY, 100, 10);
    assert_eq!(say(&[session("a", 100)], std::slice::from_ref(&sweep)), "internal");
    assert_eq!(say(&[session("a", 100)], &[had(sweep.clone(), "a")]), "internal");
    assert_eq!(World::new(&[], &[sweep]).named(Named::OtherToken).say(), "internal");
}

#[test]
fn an_address_named_for_something_else_says_so() {
    for (named, reason) in [
        (Named::OtherToken, "wrong_token"),
        (Named::OtherNetwork, "wrong_network"),
        (Named::Unusable, "invalid_session"),
        (Named::Usable, "late"),
    ] {
        assert_eq!(World::new(&[], &[pays(100, 10)]).named(named).say(), reason);
    }
}

/// A session of each kind, for a transfer at 1000: not begun, cancelled, expired, paid, open.
fn kinds(amount: u64) -> [Session; 4] {
    [
        Session { begins_at: at(2000), ..session("early", amount) },
        Session { cancelled_at: Some(at(5)), ..session("cancelled", amount) },
        Session { expires_at: at(5), ..session("late", amount) },
        session("paid", amount),
    ]
}

#[test]
fn the_first_reason_that_applies_is_told() {
    let [early, cancelled, late, paid] = kinds(100);
    let first = |sessions: &[Session]| {
        let reversed: Vec<Session> = sessions.iter().rev().cloned().collect();
        let transfers = [stands(pays(100, 3), "paid"), pays(77, 1000)];
        let said = say(sessions, &transfers);
        assert_eq!(say(&reversed, &transfers), said);
        said
    };
    assert_eq!(first(&[early, cancelled.clone(), late.clone(), paid.clone()]), "early");
    assert_eq!(first(&[cancelled, late.clone(), paid.clone()]), "cancelled");
    assert_eq!(first(&[late, paid.clone()]), "late");
    assert_eq!(first(&[paid]), "already_paid");
}

#[test]
fn a_session_is_early_before_it_is_cancelled_or_late() {
    let a = Session { begins_at: at(5000), cancelled_at: Some(at(5)), expires_at: at(5), ..session("a", 100) };
    assert_eq!(say(std::slice::from_ref(&a), &[pays(100, 1000)]), "early");
    let begun = Session { begins_at: at(0), ..a };
    assert_eq!(say(&[begun], &[pays(100, 1000)]), "cancelled");
}

#[test]
fn a_session_of_just_this_amount_explains_it_better_than_others() {
    let [early, cancelled, late, paid] = kinds(77);
    let open = [session("open", 5000), session("other", 6000)];
    for (meant, reason) in [(early, "early"), (cancelled, "cancelled"), (late, "late"), (paid, "already_paid")] {
        let transfers = [stands(pays(77, 3), "paid"), pays(77, 1000)];
        let sessions = [kinds(100)[0].clone(), meant, open[0].clone(), open[1].clone()];
        let world = World::new(&sessions, &transfers);
        assert_eq!(world.say(), reason);
    }
}

#[test]
fn with_an_open_session_of_another_amount_it_is_a_mismatch() {
    let [early, cancelled, late, _] = kinds(100);
    assert_eq!(say(&[early, cancelled, late, session("open", 5000)], &[pays(77, 1000)]), "amount_mismatch");
}

#[test]
fn dust_that_was_meant_for_a_closed_session_is_late_rather() {
    let old = Session { begins_at: at(-900_000), expires_at: at(-800_000), ..session("old", 5) };
    assert_eq!(say(&[session("a", 1000), old], &[pays(5, 10), pays(6, 11)]), "late dust");
}

#[test]
fn what_never_pays_is_confirmed_as_such() {
    assert_eq!(
        say(&[session("a", 100)], &[verified(pays(0, 1)), pays(0, 2), verified(pays(100, 5000))]),
        "zero! zero late!"
    );
}

#[test]
fn every_reason_is_reached() {
    let said: Vec<String> = vec![
        say(&[session("a", 100)], &[pays(0, 1)]),
        say(&[session("a", 100)], &[Entry { from: sender(DEPOSIT), ..pays(1, 1) }]),
        say(&[session("a", 100)], &[pays_by(TREASURY, 1, 1)]),
        World::new(&[], &[pays(1, 1)]).named(Named::OtherToken).say(),
        World::new(&[], &[pays(1, 1)]).named(Named::OtherNetwork).say(),
        World::new(&[], &[pays(1, 1)]).named(Named::Unusable).say(),
        say(&[session("a", 100)], &[pays(100, -61)]),
        say(&[Session { cancelled_at: Some(at(0)), ..session("a", 100) }], &[pays(100, 1)]),
        say(&[session("a", 100)], &[pays(100, 1801)]),
        say(&[session("a", 100)], &[stands(pays(100, 1), "a"), pays(100, 2)]),
        say(&[session("a", 100), session("b", 100)], &[pays(100, 1)]),
        say(&[session("a", 1000)], &[pays(1, 1)]),
        say(&[session("a", 100), session("b", 100)], &[pays(99, 1)]),
    ];
    assert_eq!(said, Unmatched::ALL.map(|reason| reason.as_str().to_owned()));
}
