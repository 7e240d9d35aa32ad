//! Every status in every condition, and the screen that it makes.

use super::super::scenes::{self, Scene, TX, after, choice, noon, payment, session};
use super::*;

fn screen(scene: &Scene) -> Screen {
    scene.facts().screen()
}

#[test]
fn each_scene_is_drawn_as_it_is_called() {
    for scene in scenes::all() {
        let name = screen(&scene).name();
        assert!(scene.name.starts_with(name), "{} is {name}", scene.name);
    }
}

#[test]
fn every_status_in_every_condition_has_its_screen() {
    // Status, received, missing, closed, cancelled, reverted, in time: the screen, and whether it shows an address.
    for (status, received, missing, closed, cancelled, reverted, in_time, expected, address) in [
        ("CREATED", "0", "5", false, false, false, true, "waiting", true),
        ("CREATED", "0", "5", false, false, false, false, "waiting", false),
        ("CREATED", "0", "5", false, false, true, true, "reverted", true),
        ("PENDING", "0", "5", false, false, false, true, "waiting", true),
        ("PENDING", "0", "5", false, false, false, false, "waiting", false),
        ("PENDING", "5", "0", false, false, false, true, "seen", false),
        ("PENDING", "5", "0", false, false, false, false, "seen", false),
        ("PENDING", "2", "3", false, false, false, true, "seen", false),
        ("PENDING", "5", "0", false, false, true, true, "reverted", false),
        ("PENDING", "0", "5", false, false, true, true, "reverted", true),
        ("PENDING", "0", "5", false, false, true, false, "reverted", false),
        ("UNDERPAID", "2", "3", false, false, false, true, "underpaid", true),
        ("UNDERPAID", "2", "3", false, false, false, false, "expired", false),
        ("UNDERPAID", "2", "3", true, false, false, true, "expired", false),
        ("UNDERPAID", "2", "3", false, false, true, true, "underpaid", true),
        ("UNDERPAID", "2", "3", true, false, true, true, "expired", false),
        ("CONFIRMED", "5", "0", true, false, false, true, "paid", false),
        ("CONFIRMED", "5", "0", true, false, true, true, "paid", false),
        ("CONFIRMED", "5", "0", false, false, false, false, "paid", false),
        ("OVERPAID", "7", "0", true, false, false, true, "overpaid", false),
        ("OVERPAID", "7", "0", true, false, true, false, "overpaid", false),
        ("EXPIRED", "0", "5", true, false, false, false, "expired", false),
        ("EXPIRED", "0", "5", true, false, false, true, "expired", false),
        ("EXPIRED", "0", "5", true, true, false, true, "cancelled", false),
        ("EXPIRED", "0.00", "5", true, true, false, false, "cancelled", false),
        ("EXPIRED", "2", "3", true, true, false, true, "expired", false),
        ("EXPIRED", "0", "5", true, false, true, false, "reverted", false),
    ] {
        let scene = Scene::of("", session(status, received, missing)).whose(|view| {
            (view.closed, view.reverted) = (closed, reverted);
            view.cancelled_at = cancelled.then(|| "2026-11-28T14:01:00.000Z".to_owned());
        });
        let scene = scene.but(|scene| scene.now = if in_time { noon() } else { after(14) });
        let shown = screen(&scene);
        let case =
            format!("{status} {received} closed {closed} cancelled {cancelled} reverted {reverted} in time {in_time}");
        assert_eq!(shown.name(), expected, "{case}");
        let shows = format!("{shown:?}").contains(&View::waiting().deposit_address);
        assert_eq!(shows, address, "{case}: {shown:?}");
        let paid = ["paid", "overpaid"].contains(&shown.name());
        assert_eq!(paid, ["CONFIRMED", "OVERPAID"].contains(&status), "{case}");
        assert_eq!(shown.comes_back() == Return::Itself, paid, "{case}");
    }
}

#[test]
fn before_a_choice_time_and_the_customer_decide() {
    let unchosen = |cancelled: bool, minutes_on: i64| {
        let mut payment = payment();
        payment.cancelled_at = cancelled.then(noon);
        let choices = vec![choice("polygon", "USDC", false), choice("base", "USDC", false)];
        let scene =
            Scene { payment, session: None, coin: None, choices, ..Scene::of("", session("CREATED", "0", "1")) };
        screen(&scene.but(|scene| scene.now = after(minutes_on)))
    };
    assert_eq!(unchosen(false, 14).name(), "expired");
    assert_eq!(unchosen(true, 0), Screen::Cancelled);
    assert_eq!(unchosen(true, 14), Screen::Cancelled);
    let Screen::Choose(choose) = unchosen(false, 13) else { panic!("it may be chosen") };
    // Somebody who presses the button at once has chosen something.
    let preferred: Vec<bool> = choose.offers.iter().map(|offer| offer.preferred).collect();
    assert_eq!((preferred, choose.symbol()), (vec![true, false], Some("USDC")));
    assert!(unchosen(false, 0).can_be_cancelled());
}

#[test]
fn what_is_due_is_the_rest_and_as_wallets_read_it() {
    let Screen::Underpaid(short) = screen(&Scene::of("", session("UNDERPAID", "1000", "234.5"))) else { panic!() };
    assert_eq!((short.due.amount.as_str(), short.received.as_str()), ("234.5", "1000"));
    let wallet = short.due.wallet.unwrap();
    assert!(
        wallet.link.ends_with("@137/transfer?address=0x70997970C51812dc3A010C7d01b50e0d17dc79C8&uint256=234500000"),
        "{}",
        wallet.link
    );
    assert!(wallet.calldata.ends_with(&format!("{:x}", 234_500_000)), "{}", wallet.calldata);
    assert_eq!((wallet.chain.as_str(), wallet.code), ("0x89", code::svg(&wallet.link)));
    assert_eq!(short.due.address_code, code::svg("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"));
    // To a network or token that nobody watches any more nobody is to pay.
    let Screen::Waiting(waiting) = screen(&Scene::of("", session("CREATED", "0", "1")).but(|scene| scene.coin = None))
    else {
        panic!()
    };
    assert_eq!(waiting, Waiting { due: None, vanished: false, watched: false });
}

#[test]
fn a_transaction_has_left_where_there_was_one() {
    for lost in [false, true] {
        let view = View { lost, ..session("PENDING", "0", "5") };
        let Screen::Waiting(waiting) = screen(&Scene::of("", view)) else { panic!() };
        assert_eq!(waiting.vanished, lost);
    }
    // What is reverted and not whole yet is told so.
    for (received, missing, short) in [("5", "0", false), ("2", "3", true)] {
        let view = View { reverted: true, ..session("PENDING", received, missing) };
        let Screen::Reverted(reverted) = screen(&Scene::of("", view)) else { panic!() };
        assert_eq!(reverted.short, short);
    }
}

#[test]
fn confirmations_are_never_more_than_are_needed() {
    let progress = |done, needed| {
        let view = View { confirmations: done, required_confirmations: needed, ..session("PENDING", "5", "0") };
        let Screen::Seen(seen) = screen(&Scene::of("", view)) else { panic!() };
        assert_eq!(seen.progress.transaction, TX);
        (seen.progress.done, seen.progress.needed)
    };
    assert_eq!(progress(Some(3), Some(12)), (3, Some(12)));
    assert_eq!(progress(Some(40), Some(12)), (12, Some(12)));
    assert_eq!(progress(None, Some(12)), (0, Some(12)));
    assert_eq!(progress(Some(40), None), (40, None));
}
