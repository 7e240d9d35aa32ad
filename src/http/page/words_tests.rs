//! Both languages say the same things, everything that is said is used, and numbers and times read as they should.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::*;

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/page")
}

/// Every file of the page of this ending, joined.
fn sources(below: &str, ending: &str) -> String {
    let files = fs::read_dir(here().join(below)).unwrap().map(|entry| entry.unwrap().path());
    let files =
        files.filter(|path| path.to_str().is_some_and(|path| path.ends_with(ending) && !path.contains("tests")));
    files.map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// The keys of a language and the values that each is written with.
fn keys(language: Language) -> BTreeSet<(String, BTreeSet<String>)> {
    let text = messages(language);
    assert!(FluentResource::try_new(text.to_owned()).is_ok(), "{language:?} cannot be read");
    let mut found: Vec<(String, BTreeSet<String>)> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some((key, _)) = line.split_once(" =").filter(|_| !line.starts_with(' ')) {
            found.push((key.to_owned(), BTreeSet::new()));
        }
        let values = line.split('$').skip(1).map(|rest| rest.split([' ', '}']).next().unwrap().to_owned());
        found.last_mut().into_iter().for_each(|(_, known)| known.extend(values.clone()));
    }
    let unique: BTreeSet<_> = found.iter().map(|(key, _)| key).collect();
    assert_eq!(unique.len(), found.len(), "a key stands twice in {language:?}");
    found.into_iter().collect()
}

#[test]
fn both_languages_say_the_same_things() {
    let (english, french) = (keys(Language::En), keys(Language::Fr));
    let differ: Vec<_> = english.symmetric_difference(&french).collect();
    assert!(differ.is_empty() && english.len() > 100, "{differ:?}");
    for (key, values) in english {
        let args: FluentArgs<'_> = values.iter().map(|value| (value.as_str(), FluentValue::from(2))).collect();
        for language in Language::ALL {
            let said = Words::of(language).written(&key, Some(&args));
            assert!(!said.is_empty() && !said.contains("{$") && said != key, "{language:?} {key}: {said}");
        }
    }
}

#[test]
fn every_message_is_used_and_every_one_used_is_there() {
    let sources = [sources("", ".rs"), sources("templates", ".html")].concat();
    let known: BTreeSet<String> = keys(Language::En).into_iter().map(|(key, _)| key).collect();
    let unused: Vec<_> = known.iter().filter(|key| !sources.contains(&format!("\"{key}\""))).collect();
    assert!(unused.is_empty(), "said nowhere: {unused:?}");
    let asked = ["words.say(\"", "words.with(\"", "self.written(\"", "self.with(\""].into_iter();
    let asked = asked.flat_map(|call| sources.split(call).skip(1)).map(|rest| rest.split('"').next().unwrap());
    let missing: Vec<_> = asked.filter(|key| !known.contains(*key)).collect();
    assert!(missing.is_empty(), "without a message: {missing:?}");
}

/// What of a template is neither tag nor instruction.
fn text_of(template: &str) -> String {
    let mut text = template.to_owned();
    for (open, close) in [("{#", "#}"), ("{%", "%}"), ("{{", "}}"), ("<", ">")] {
        while let Some(start) = text.find(open) {
            let end = text[start..]
                .find(close)
                .map_or(text.len(), |end| start.saturating_add(end).saturating_add(close.len()));
            text.replace_range(start..end, " ");
        }
    }
    text
}

#[test]
fn templates_say_nothing_of_their_own() {
    for entry in fs::read_dir(here().join("templates")).unwrap() {
        let path = entry.unwrap().path();
        let text = text_of(&fs::read_to_string(&path).unwrap());
        assert!(!text.contains(char::is_alphabetic), "{}: {:?}", path.display(), text.trim());
    }
    assert!(text_of("<p class=\"x\">{{ a }} Pay{% if b > 1 %}</p>").contains("Pay"));
}

#[test]
fn numbers_are_grouped_as_each_language_does() {
    let (english, french) = (Words::of(Language::En), Words::of(Language::Fr));
    for (plain, en, fr) in [
        ("1234.5", "1,234.50", "1\u{202f}234,50"),
        ("0.000001", "0.000001", "0,000001"),
        ("5", "5.00", "5,00"),
        ("1000000", "1,000,000.00", "1\u{202f}000\u{202f}000,00"),
        ("999", "999.00", "999,00"),
        ("123456.789", "123,456.789", "123\u{202f}456,789"),
    ] {
        assert_eq!((english.number(plain).as_str(), french.number(plain).as_str()), (en, fr), "{plain}");
    }
    assert_eq!(french.money("5", "USDC"), "5,00\u{a0}USDC");
    assert_eq!(english.between("5", "2500"), "Between 5.00 and 2,500.00.");
}

#[test]
fn times_are_written_out_and_in_utc() {
    let time = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc);
    let (english, french) = (Words::of(Language::En), Words::of(Language::Fr));
    let (first, other) = (time("2026-08-01T09:05:00Z"), time("2026-12-28T23:59:59.123Z"));
    assert_eq!(english.moment(&first), "1 August 2026, 09:05 UTC");
    assert_eq!(french.moment(&first), "1er août 2026 à 09:05 UTC");
    assert_eq!(english.moment(&other), "28 December 2026, 23:59 UTC");
    assert_eq!(french.moment(&other), "28 décembre 2026 à 23:59 UTC");
    assert_eq!(
        (french.clock(&first).as_str(), english.machine(&other).as_str()),
        ("09:05 UTC", "2026-12-28T23:59:59.123Z")
    );
}

#[test]
fn plurals_are_each_language_s_own() {
    let (english, french) = (Words::of(Language::En), Words::of(Language::Fr));
    assert_eq!(english.confirmations(&0, &1), "0 of 1 confirmation");
    assert_eq!(english.confirmations(&1, &12), "1 of 12 confirmations");
    // In French nothing is one, too.
    assert_eq!(french.confirmations(&0, &12), "0 confirmation sur 12");
    assert_eq!(french.confirmations(&1, &12), "1 confirmation sur 12");
    assert_eq!(french.confirmations(&2, &12), "2 confirmations sur 12");
}

#[test]
fn names_and_addresses_are_made_for_the_eye() {
    let words = Words::of(Language::En);
    assert_eq!(words.network("base_sepolia"), "Base Sepolia");
    assert_eq!(words.network("bnb"), "BNB");
    assert_eq!(words.fours("0x709979"), ["0x70", "9979"]);
}
