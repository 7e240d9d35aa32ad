//! All that the page says, from the message files, and numbers and times as people read them. Nothing of this is for
//! machines: what is copied or sent is written elsewhere, plainly.

use std::sync::LazyLock;

use chrono::{Datelike, SecondsFormat};
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

use super::language::tag;
use crate::domain::{Language, Time};

const ENGLISH: &str = include_str!("messages/en.ftl");
const FRENCH: &str = include_str!("messages/fr.ftl");

type Bundle = FluentBundle<FluentResource>;

static BUNDLES: LazyLock<[Bundle; 2]> = LazyLock::new(|| Language::ALL.map(bundle));

/// What a language says. Copies say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Words {
    language: Language,
}

fn messages(language: Language) -> &'static str {
    match language {
        Language::En => ENGLISH,
        Language::Fr => FRENCH,
    }
}

fn bundle(language: Language) -> Bundle {
    // A test reads both files: that they are whole is known before anything runs.
    let identifier: LanguageIdentifier = tag(language).parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![identifier]);
    // What is put into a sentence are our own numbers; what strangers wrote stands in elements of its own.
    bundle.set_use_isolating(false);
    let resource = FluentResource::try_new(messages(language).to_owned()).unwrap_or_else(|(read, _)| read);
    bundle.add_resource_overriding(resource);
    bundle
}

impl Words {
    /// The words of a language.
    pub(super) fn of(language: Language) -> Words {
        Words { language }
    }

    /// The language as documents name it.
    pub(super) fn tag(self) -> &'static str {
        tag(self.language)
    }

    /// A message.
    pub(super) fn say(self, key: &str) -> String {
        self.written(key, None)
    }

    /// A message with one value in it.
    pub(super) fn with<'v>(self, key: &str, name: &'v str, value: impl Into<FluentValue<'v>>) -> String {
        let mut values = FluentArgs::new();
        values.set(name, value);
        self.written(key, Some(&values))
    }

    /// How many confirmations there are of how many.
    pub(super) fn confirmations(self, done: &u64, needed: &u64) -> String {
        let mut values = FluentArgs::new();
        values.set("done", *done);
        values.set("needed", *needed);
        self.written("seen-confirmations", Some(&values))
    }

    fn written(self, key: &str, values: Option<&FluentArgs<'_>>) -> String {
        let [english, french] = &*BUNDLES;
        let bundle = match self.language {
            Language::En => english,
            Language::Fr => french,
        };
        let pattern = bundle.get_message(key).and_then(|message| message.value());
        let mut errors = Vec::new();
        // A test asks for every key that is used: none is missing.
        pattern
            .map_or_else(|| key.to_owned(), |pattern| bundle.format_pattern(pattern, values, &mut errors).into_owned())
    }

    /// A decimal number as people of this language read it: 1,234.50 or 1 234,50. Every digit of it stays; where it has a
    /// fraction, or none, two places are the least.
    pub(super) fn number(self, plain: &str) -> String {
        let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
        let (between, point) = match self.language {
            Language::En => (',', '.'),
            // A narrow space at which no line breaks.
            Language::Fr => ('\u{202f}', ','),
        };
        format!("{}{point}{fraction:0<2}", grouped(whole, between))
    }

    /// A number of something with its unit, which no line tears apart.
    pub(super) fn money(self, plain: &str, symbol: &str) -> String {
        format!("{}\u{a0}{symbol}", self.number(plain))
    }

    /// A day and a time of it.
    pub(super) fn moment(self, time: &Time) -> String {
        let mut values = FluentArgs::new();
        values.set("day", time.day());
        values.set("month", time.month());
        values.set("year", time.year().to_string());
        values.set("clock", time.format("%H:%M").to_string());
        self.written("moment", Some(&values))
    }

    /// Between which amounts one is to be typed.
    pub(super) fn between(self, least: &str, most: &str) -> String {
        let mut values = FluentArgs::new();
        values.set("least", self.number(least));
        values.set("most", self.number(most));
        self.written("choose-amount-between", Some(&values))
    }

    /// What must not be sent, and where not.
    pub(super) fn only(self, symbol: &str, network: &str) -> String {
        let mut values = FluentArgs::new();
        values.set("symbol", symbol.to_owned());
        values.set("network", network.to_owned());
        self.written("address-only", Some(&values))
    }

    /// A network's key as a name: `base_sepolia` is Base Sepolia.
    pub(super) fn network(self, slug: &str) -> String {
        let capital = |word: &str| {
            // BNB and OP are said letter by letter.
            if word.len() <= 3 {
                return word.to_uppercase();
            }
            let mut letters = word.chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
        };
        slug.split('_').map(capital).collect::<Vec<_>>().join(" ")
    }

    /// An address in fours, for the eye.
    pub(super) fn fours(self, text: &str) -> Vec<String> {
        let letters: Vec<char> = text.chars().collect();
        letters.chunks(4).map(|four| four.iter().collect()).collect()
    }

    /// A time as `<time datetime>` has it.
    pub(super) fn machine(self, time: &Time) -> String {
        time.to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// A time of the day at hand.
    pub(super) fn clock(self, time: &Time) -> String {
        self.with("clock", "clock", time.format("%H:%M").to_string())
    }
}

/// Digits in threes from the right.
fn grouped(digits: &str, between: char) -> String {
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        let left = digits.len().saturating_sub(at);
        if at > 0 && left.is_multiple_of(3) {
            text.push(between);
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
