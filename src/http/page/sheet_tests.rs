//! Every screen in every language: what it must hold, and what it must not.

use super::super::scenes::{self, Scene, TX};
use super::super::screen::Screen;
use super::*;

const ADDRESS: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

fn place(language: Language) -> Place {
    Place { words: Words::of(language), prefix: String::new(), base: "/pay/TOKEN".to_owned() }
}

fn main_of(scene: &Scene, language: Language) -> String {
    Sheet::new(&place(language), scene.facts(), &Entry::default()).main().unwrap()
}

/// The text that is read, without tags.
fn read(html: &str) -> String {
    let mut text = String::new();
    for piece in html.split('<') {
        text.push_str(piece.split_once('>').map_or(piece, |(_, text)| text));
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn each(check: impl Fn(&Scene, Language, &str)) {
    for language in Language::ALL {
        for scene in scenes::all() {
            check(&scene, language, &main_of(&scene, language));
        }
    }
}

#[test]
fn a_screen_shows_where_to_only_while_money_counts() {
    each(|scene, _, html| {
        let due = scene.facts().screen().until().is_some() && scene.session.is_some();
        let copies = html.contains(&format!("data-copy=\"{ADDRESS}\""));
        assert_eq!((copies, read(html).contains(ADDRESS)), (due, due), "{}", scene.name);
        assert_eq!(
            (html.contains("<svg class=\"code\""), html.contains("data-calldata")),
            (due, due && scene.coin.is_some()),
            "{}",
            scene.name
        );
        assert_eq!(html.contains("ethereum:"), due && scene.coin.is_some(), "{}", scene.name);
    });
}

#[test]
fn amounts_are_read_locally_and_copied_plainly() {
    each(|scene, language, html| {
        let shown = match scene.facts().screen() {
            Screen::Waiting(waiting) => waiting.due.map(|due| due.amount),
            Screen::Seen(seen) => Some(seen.received),
            Screen::Underpaid(short) => Some(short.due.amount),
            Screen::Paid(receipt) | Screen::Overpaid(receipt) => Some(receipt.received),
            Screen::Expired(expired) => expired.received,
            Screen::Choose(_) | Screen::Cancelled | Screen::Reverted(_) => None,
        };
        let Some(amount) = shown else { return };
        let figure = Words::of(language).money(&amount, "USDC");
        assert!(html.contains(&figure) && html.contains(&format!("value=\"{amount}\"")), "{} {figure}", scene.name);
    });
    let html = main_of(&scenes::all()[3], Language::Fr);
    assert!(html.contains("data-copy=\"1234.5\"") && html.contains("&#38;uint256=1234500000\""), "{html}");
}

#[test]
fn nothing_is_called_paid_that_is_not_confirmed() {
    each(|scene, language, html| {
        let paid = ["paid", "overpaid"].contains(&scene.facts().screen().name());
        let word = Words::of(language).say("paid-state");
        let state = read(html.split("class=\"state").nth(1).unwrap_or_default().split("</p>").next().unwrap());
        assert_eq!(state.contains(&word), paid, "{}: {state}", scene.name);
        assert_eq!(html.contains("data-return>"), paid, "{}", scene.name);
        assert_eq!(
            html.contains("https://shop.example/done?order=7&#38;depositId=f4401bd2"),
            scene.facts().screen().comes_back() != Return::No,
            "{}",
            scene.name
        );
    });
}

#[test]
fn every_screen_names_payee_reason_and_reference_and_has_one_heading() {
    each(|scene, language, html| {
        for told in
            ["Atelier Lumière", "Order 7: two lamps", "ATELIER LUMIERE 7", "f4401bd2-1568-4140-bf2d-eb77d2b2b639"]
        {
            assert!(read(html).contains(told), "{}: {told}", scene.name);
        }
        assert_eq!(html.matches("<h1").count(), 1, "{}", scene.name);
        assert_eq!(html.matches("<main").count(), 1, "{}", scene.name);
        let whole = Sheet::new(&place(language), scene.facts(), &Entry::default()).document().unwrap();
        assert!(
            whole.contains(&format!("<html lang=\"{}\">", language::tag(language))) && whole.contains(html),
            "{}",
            scene.name
        );
        for forbidden in [" style=", "<style", "javascript:", " onclick", "http-equiv=\"Content"] {
            assert!(!whole.contains(forbidden), "{}: {forbidden}", scene.name);
        }
        // The only script is the module.
        assert_eq!(whole.matches("<script").count(), 1, "{}", scene.name);
        let session = scene.session.as_ref();
        assert_eq!(html.contains("data-live"), session.is_some(), "{}", scene.name);
        let waits = session.is_some_and(|session| !session.closed);
        assert_eq!(whole.contains("http-equiv=\"refresh\""), waits, "{}", scene.name);
        let ids: Vec<&str> = whole.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        let unique: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{}: an id stands twice: {ids:?}", scene.name);
        let assets = &*ASSETS;
        let size = whole.len() + assets.style.length() + assets.script.length() + assets.icon.length();
        assert!(size <= 60_000, "{} and all that it loads are {size} bytes", scene.name);
    });
}

#[test]
fn what_strangers_wrote_is_text() {
    let hostile = "<script>alert(1)</script><img src=x onerror=\"a\">'\u{202e}&amp;😀{{ 7 }}";
    each(|scene, language, _| {
        let scene = scene.clone().but(|scene| {
            scene.payment.business_name = hostile.to_owned();
            scene.payment.reason = Some(hostile.to_owned());
            scene.payment.statement = Some(hostile.to_owned());
            scene.payment.metadata = vec![(hostile.to_owned(), hostile.to_owned())];
        });
        let entry = Entry { typed: hostile.to_owned(), told: Some(hostile.to_owned()), ..Entry::default() };
        let html = Sheet::new(&place(language), scene.facts(), &entry).document().unwrap();
        assert!(
            !html.contains("alert(1)</script>") && !html.contains("<img") && !html.contains("onerror=\""),
            "{}",
            scene.name
        );
        let text = "&#60;script&#62;alert(1)&#60;/script&#62;&#60;img src=x onerror=&#34;a&#34;&#62;&#39;\u{202e}&#38;amp;😀{{ 7 }}";
        // Set apart, so that it turns nothing else around.
        assert!(html.matches(&format!("<bdi>{text}</bdi>")).count() >= 3, "{}: {html}", scene.name);
    });
}

#[test]
fn test_tools_are_shown_on_test_networks_alone() {
    each(|scene, language, html| {
        let test = scene.session.as_ref().is_some_and(|session| !session.livemode);
        assert_eq!(
            (html.contains("/simulate"), html.contains(&Words::of(language).say("testnet"))),
            (test, test),
            "{}",
            scene.name
        );
        assert_eq!(scene.name == "waiting-testnet", test);
    });
}

#[test]
fn progress_is_counted_or_left_to_the_chain() {
    let html = |name| main_of(scenes::all().iter().find(|scene| scene.name == name).unwrap(), Language::En);
    assert!(read(&html("seen")).contains("3 of 12 confirmations") && html("seen").contains(TX));
    assert!(
        read(&html("seen-tag")).contains("Being finalised by the network")
            && html("seen-tag").contains("<progress aria")
    );
    assert!(read(&html("reverted-again")).contains("3 of 12 confirmations"));
    assert!(
        html("waiting-nudged").contains("value=\"1234.500007\"")
            || html("waiting-nudged").contains("Please send exactly this amount")
    );
}

/// The event behind it is also written where a person took the money from the session.
#[test]
fn what_is_no_longer_confirmed_may_be_the_shops_correction() {
    let reverted = |scene: &&Scene| matches!(scene.facts().screen(), Screen::Reverted(_));
    for (language, shop) in [(Language::En, "the shop has corrected"), (Language::Fr, "la boutique a corrigé")] {
        let scenes = scenes::all();
        let pages: Vec<String> = scenes.iter().filter(reverted).map(|scene| main_of(scene, language)).collect();
        assert!(pages.len() >= 3 && pages.iter().all(|html| read(html).contains(shop)), "{language:?}");
    }
}

#[test]
fn what_was_entered_stands_there_again_with_what_is_wrong() {
    let scene = &scenes::all()[1];
    let faults = vec![Wrong::Choice, Wrong::Amount, Wrong::Clash];
    let entry = Entry { chosen: scene.choices[2].key(), typed: "1e3".to_owned(), faults, told: None };
    let html = Sheet::new(&place(Language::En), scene.facts(), &entry).main().unwrap();
    assert!(html.contains("value=\"1e3\" aria-invalid=\"true\"") && html.contains("href=\"#amount\""), "{html}");
    assert_eq!(
        html.split(" checked").next().unwrap().rsplit("value=\"").next().unwrap(),
        format!("{}\" required", scene.choices[2].key())
    );
}
