//! Rule 3: part payments, overpayments, dust and tolerance on an exclusive address, and what makes one shared.

use super::super::matching::is_topped_up;
use super::*;

fn alone(amount: u64, payments: &[u64]) -> World {
    let transfers: Vec<Entry> = payments.iter().zip(10..).map(|(&paid, second)| pays(paid, second)).collect();
    World::new(&[session("a", amount)], &transfers)
}

#[test]
fn parts_add_up_until_the_amount_is_reached() {
    assert_eq!(alone(100, &[40, 59, 1, 1]).say(), "a a a already_paid");
    assert_eq!(alone(100, &[40, 60, 60]).say(), "a a already_paid");
}

#[test]
fn one_transfer_may_exceed_what_is_due_and_ends_it() {
    assert_eq!(alone(100, &[101, 10]).say(), "a already_paid");
    assert_eq!(alone(100, &[99, 100, 100]).say(), "a a already_paid");
}

#[test]
fn less_than_the_least_part_is_dust() {
    assert_eq!(alone(1000, &[9, 10]).say(), "dust a");
    assert_eq!(alone(1001, &[10, 11]).say(), "dust a");
}

#[test]
fn the_least_part_is_of_the_whole_amount_unless_it_is_just_what_is_due() {
    assert_eq!(alone(1000, &[995, 6, 4, 5]).say(), "a dust dust a");
}

#[test]
fn never_takes_only_what_is_due() {
    assert_eq!(alone(100, &[99, 101, 100]).never_parts().say(), "amount_mismatch amount_mismatch a");
    assert_eq!(alone(100, &[99, 100]).never_parts().tolerance(1).say(), "a already_paid");
    assert_eq!(alone(100, &[98, 101]).never_parts().tolerance(1).say(), "amount_mismatch amount_mismatch");
}

#[test]
fn within_the_tolerance_it_is_paid_in_full() {
    assert_eq!(alone(1000, &[995, 5]).tolerance(5).say(), "a already_paid");
    assert_eq!(alone(1000, &[994, 6]).tolerance(5).say(), "a a");
    assert_eq!(alone(1000, &[500, 495, 5]).tolerance(5).say(), "a a already_paid");
    assert_eq!(alone(1000, &[500, 494, 6]).tolerance(5).say(), "a a a");
}

#[test]
fn the_tolerance_is_never_more_than_a_hundredth() {
    assert_eq!(alone(1000, &[990, 10]).tolerance(500).say(), "a already_paid");
    assert_eq!(alone(1000, &[989, 11]).tolerance(500).say(), "a a");
    assert_eq!(alone(99, &[98, 1]).tolerance(500).say(), "a a");
    assert_eq!(alone(1000, &[989, 990]).tolerance(500).never_parts().say(), "amount_mismatch a");
}

/// Whatever the token's has become since.
#[test]
fn the_tolerance_of_a_session_is_its_own() {
    for (own, now, said) in [(5, 0, "a already_paid"), (0, 5, "a a")] {
        let mut world = alone(1000, &[995, 5]).tolerance(now);
        world.sessions[0].tolerance = units(own);
        assert_eq!(world.say(), said, "{own}, and {now} now");
        world.transfers[0] = stands(world.transfers[0].clone(), "a");
        assert_eq!(world.say(), &said[2..], "{own}, and {now} now, its first money confirmed");
    }
}

#[test]
fn within_the_tolerance_dust_pays_too() {
    let mut world = alone(1000, &[980, 11]).tolerance(9);
    world.token.min_partial = Percent(20_000);
    assert_eq!(world.say(), "a a");
}

#[test]
fn on_a_shared_address_only_the_exact_amount_pays() {
    let two = [session("a", 1000), session("b", 2000)];
    let transfers = [pays(999, 10), pays(1001, 11), pays(9, 12), pays(2000, 13), pays(1000, 14)];
    let world = World::new(&two, &transfers).tolerance(10);
    assert_eq!(world.say(), "amount_mismatch amount_mismatch amount_mismatch b a");
}

#[test]
fn what_is_due_is_exact_on_an_address_that_became_shared() {
    let later = Session { begins_at: at(500), accepted_at: at(500), ..session("b", 77) };
    let transfers = [pays(40, 10), pays(59, 600), pays(61, 601), pays(60, 602)];
    assert_eq!(say(&[session("a", 100), later], &transfers), "a amount_mismatch amount_mismatch a");
}

#[test]
fn another_session_shares_the_address_from_its_beginning() {
    let paid = |second| World::new(&[session("a", 100)], &[pays(40, second)]).beside(500, 2300).say();
    assert_eq!((paid(439), paid(440)), ("a".to_owned(), "amount_mismatch".to_owned()));
}

#[test]
fn another_session_shares_the_address_for_a_day_after_it_ended() {
    let day = 86_400;
    let a = Session { expires_at: at(2 * day), ..session("a", 100) };
    let paid = |second| World::new(std::slice::from_ref(&a), &[pays(40, second)]).beside(-5 * day, 1000).say();
    assert_eq!((paid(1000 + day), paid(1001 + day)), ("amount_mismatch".to_owned(), "a".to_owned()));
    let graced = |second| World::new(std::slice::from_ref(&a), &[pays(40, second)]).beside(0, 1000).grace(7).say();
    assert_eq!((graced(1007 + day), graced(1008 + day)), ("amount_mismatch".to_owned(), "a".to_owned()));
}

#[test]
fn a_session_that_ended_before_it_began_was_still_named() {
    let a = Session { expires_at: at(200_000), ..session("a", 100) };
    let paid = |second| World::new(std::slice::from_ref(&a), &[pays(40, second)]).beside(0, -500_000).say();
    assert_eq!((paid(86_400), paid(86_401)), ("amount_mismatch".to_owned(), "a".to_owned()));
}

#[test]
fn the_exact_amount_pays_beside_others() {
    assert_eq!(World::new(&[session("a", 100)], &[pays(100, 10)]).beside(0, 1800).say(), "a");
}

#[test]
fn topped_up_is_who_once_had_less_than_the_least() {
    let a = Session { tolerance: units(5), ..session("a", 1000) };
    let topped = |paid: &[u64]| is_topped_up(&a, paid.iter().map(|&n| units(n)));
    assert!(!topped(&[]));
    assert!(topped(&[994]) && topped(&[994, 6]) && topped(&[1, 998, 1]));
    assert!(!topped(&[995]) && !topped(&[1000]) && !topped(&[1001, 1]));
}
