//! A screen as HTML: the document, and the `<main>` in it that is sent anew at each change. Whatever strangers wrote is
//! text here: the templates escape it, and set it apart from the direction of the rest.

use askama::Template;

use super::assets::{ASSETS, Assets};
use super::screen::{Facts, Return, Screen};
use super::words::Words;
use super::{language, returning};
use crate::deposits::{Choice, Payment, View, live};
use crate::domain::{Language, Time};

/// How many blocks the test tools mine where nobody says.
const MINED: u32 = 12;

/// A whole document.
#[derive(Template)]
#[template(path = "layout.html")]
pub(super) struct Document<'d> {
    /// In which language.
    pub(super) words: Words,
    /// Of the window.
    pub(super) title: String,
    /// Whose page it is.
    pub(super) payee: Option<&'d str>,
    /// Without JavaScript it is loaded again by itself.
    pub(super) refreshes: bool,
    /// What stands before every path of ours.
    pub(super) prefix: &'d str,
    /// Where this page is.
    pub(super) here: &'d str,
    /// What it loads.
    pub(super) assets: &'d Assets,
    /// Its content, written already.
    pub(super) main: String,
}

impl Document<'_> {
    /// The languages that it can be had in, as links and people name them.
    fn languages(&self) -> Vec<(&'static str, String)> {
        let named = |one| match one {
            Language::En => (language::tag(one), self.words.say("in-english")),
            Language::Fr => (language::tag(one), self.words.say("in-french")),
        };
        Language::ALL.map(named).to_vec()
    }
}

/// Where a page is and in which language it speaks.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// In which language.
    pub(super) words: Words,
    /// What stands before every path of ours: the path of the public URL.
    pub(super) prefix: String,
    /// The payment's own path.
    pub(super) base: String,
}

/// What the customer entered, and what is wrong with it.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    /// The choice's key.
    pub(super) chosen: String,
    /// The amount as he typed it.
    pub(super) typed: String,
    /// All that is wrong.
    pub(super) faults: Vec<Wrong>,
    /// What the test tools answered, in English.
    pub(super) told: Option<String>,
}

/// Something wrong with what was entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is not offered.
    Choice,
    /// It is no amount, or not within the limits.
    Amount,
    /// Another payment has this amount at this address now.
    Clash,
    /// The shop cannot be paid so.
    Nothing,
}

impl Wrong {
    fn says(self) -> &'static str {
        match self {
            Wrong::Choice => "fault-choice",
            Wrong::Amount => "fault-amount",
            Wrong::Clash => "fault-clash",
            Wrong::Nothing => "choose-none",
        }
    }

    /// The element that it is about.
    fn leads_to(self) -> &'static str {
        match self {
            Wrong::Choice | Wrong::Clash | Wrong::Nothing => "choice",
            Wrong::Amount => "amount",
        }
    }
}

#[derive(Template)]
#[template(path = "main.html")]
struct Main<'m> {
    words: Words,
    head: Head<'m>,
    screen: &'m Screen,
    title: String,
}

/// What every screen shows or does.
struct Head<'m> {
    payment: &'m Payment,
    coin: Option<&'m Choice>,
    entry: &'m Entry,
    base: &'m str,
    symbol: &'m str,
    network: String,
    now: Time,
    state: Option<String>,
    live: bool,
    waits: bool,
    testnet: bool,
    tools: bool,
    mined: u32,
    back: Option<String>,
    returns_itself: bool,
}

impl Head<'_> {
    fn is_chosen(&self, offer: &Choice) -> bool {
        match self.entry.chosen.as_str() {
            "" => offer.preferred,
            chosen => offer.key() == chosen,
        }
    }

    fn amount_is_wrong(&self) -> bool {
        self.entry.faults.contains(&Wrong::Amount)
    }
}

/// A screen at its place.
pub(super) struct Sheet<'s> {
    place: &'s Place,
    facts: Facts<'s>,
    entry: &'s Entry,
    screen: Screen,
}

impl<'s> Sheet<'s> {
    /// What these facts show.
    pub(super) fn new(place: &'s Place, facts: Facts<'s>, entry: &'s Entry) -> Sheet<'s> {
        Sheet { place, facts, entry, screen: facts.screen() }
    }

    /// The `<main>` alone. An error is a template that cannot be written, which tests would have found.
    pub(super) fn main(&self) -> Result<String, askama::Error> {
        let (words, head) = (self.place.words, self.head());
        Main { words, head, screen: &self.screen, title: self.title() }.render()
    }

    /// The whole document.
    pub(super) fn document(&self) -> Result<String, askama::Error> {
        Document {
            words: self.place.words,
            title: self.title(),
            payee: Some(&self.facts.payment.business_name),
            refreshes: self.waits(),
            prefix: &self.place.prefix,
            here: &self.place.base,
            assets: &ASSETS,
            main: self.main()?,
        }
        .render()
    }

    /// For money, so that more is to come.
    fn waits(&self) -> bool {
        self.facts.session.is_some_and(|session| !session.closed)
    }

    fn title(&self) -> String {
        let state = self.place.words.say(match &self.screen {
            Screen::Choose(_) => "choose-title",
            Screen::Waiting(waiting) if waiting.due.is_none() => "waiting-over-state",
            Screen::Waiting(_) => "waiting-state",
            Screen::Seen(_) => "seen-state",
            Screen::Underpaid(_) => "underpaid-state",
            Screen::Paid(_) => "paid-state",
            Screen::Overpaid(_) => "overpaid-state",
            Screen::Expired(expired) if expired.received.is_some() => "short-state",
            Screen::Expired(_) => "expired-state",
            Screen::Cancelled => "cancelled-state",
            Screen::Reverted(_) => "reverted-state",
        });
        format!("{state} · {}", self.facts.payment.business_name)
    }

    fn head(&self) -> Head<'_> {
        let Facts { payment, session, coin, now, .. } = self.facts;
        let returns = self.screen.comes_back();
        let testnet = match session {
            Some(session) => !session.livemode,
            None => !self.facts.choices.is_empty() && self.facts.choices.iter().all(|choice| choice.testnet),
        };
        Head {
            payment,
            coin,
            entry: self.entry,
            base: &self.place.base,
            symbol: session.map_or("", |session| &session.currency),
            network: session.map(|session| self.place.words.network(&session.network)).unwrap_or_default(),
            now,
            // Without it the page hears once more what it shows already.
            state: session.and_then(|session| live::version(session).ok()),
            live: session.is_some(),
            waits: self.waits(),
            testnet,
            tools: coin.is_some_and(|coin| coin.testnet),
            mined: MINED,
            back: match returns {
                Return::No => None,
                Return::Button | Return::Itself => returning::url(&payment.return_url, &payment.deposit_id),
            },
            returns_itself: returns == Return::Itself,
        }
    }
}

/// A payment whose page stays open: all that is drawn anew when its session changes.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    /// Where.
    pub(super) place: Place,
    /// What is paid.
    pub(super) payment: Payment,
    /// In what.
    pub(super) coin: Option<Choice>,
}

impl Standing {
    /// The `<main>` of a state at a time.
    pub(super) fn main(&self, session: &View, now: Time) -> String {
        let (payment, coin) = (&self.payment, self.coin.as_ref());
        let facts = Facts { payment, session: Some(session), coin, choices: &[], now };
        Sheet::new(&self.place, facts, &Entry::default()).main().unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "sheet_tests.rs"]
mod tests;
