//! Which screen a payment shows: facts in, a screen out. Pure: no clock, no words, no HTML ([`super::sheet`]).
//!
//! Money that was received and is not confirmed is never called paid, and an address is shown only while money that is
//! sent to it still counts.

use chrono::{DateTime, Utc};

use super::code;
use super::wallet::{self, Transfer};
use crate::deposits::{Choice, Payment, View};
use crate::domain::{SessionStatus, Time};

/// What is known of a payment at a time of the database's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'f> {
    /// What was asked for.
    pub(super) payment: &'f Payment,
    /// By what it is paid, once that is chosen.
    pub(super) session: Option<&'f View>,
    /// What the session asks for, while it is configured.
    pub(super) coin: Option<&'f Choice>,
    /// What may be chosen.
    pub(super) choices: &'f [Choice],
    /// Now.
    pub(super) now: Time,
}

/// A screen. Amounts are whole tokens as the API writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Screen {
    /// The customer says in what he pays, and how much where nobody said so.
    Choose(Choose),
    /// Nothing has come.
    Waiting(Waiting),
    /// Something has come and is not certain.
    Seen(Seen),
    /// What came is certain and too little; the rest can still be paid.
    Underpaid(Underpaid),
    /// All is there.
    Paid(Receipt),
    /// More than all is there.
    Overpaid(Receipt),
    /// The time is over.
    Expired(Expired),
    /// The customer gave up, or the business did.
    Cancelled,
    /// What was certain is so no longer: it left the chain, or a person took it from the session.
    Reverted(Reverted),
}

/// What may be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choose {
    /// In what may be paid; exactly one is preferred.
    pub(super) offers: Vec<Choice>,
    /// How much, where that is given.
    pub(super) amount: Option<String>,
    /// The least that the customer may type.
    pub(super) least: Option<String>,
    /// The most.
    pub(super) most: Option<String>,
    /// Until when.
    pub(super) until: Time,
}

impl Choose {
    /// In what the amount is, where all that is offered agrees.
    pub(super) fn symbol(&self) -> Option<&str> {
        let first = &self.offers.first()?.symbol;
        self.offers.iter().all(|offer| offer.symbol == *first).then_some(first)
    }
}

/// Waiting for money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    /// What is to be paid; nothing once the time is over and the chain has not yet said so.
    pub(super) due: Option<Due>,
    /// A transaction that was seen is no longer on the chain.
    pub(super) vanished: bool,
    /// Its network and token are still watched.
    pub(super) watched: bool,
}

/// Seen, not certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// What came.
    pub(super) received: String,
    /// What was to come.
    pub(super) amount: String,
    /// Less came than was to come.
    pub(super) short: bool,
    /// How certain it is.
    pub(super) progress: Progress,
}

/// Too little.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Underpaid {
    /// What came.
    pub(super) received: String,
    /// What was to come.
    pub(super) amount: String,
    /// The rest.
    pub(super) due: Due,
}

/// All is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Receipt {
    /// What was to come.
    pub(super) amount: String,
    /// What came.
    pub(super) received: String,
    /// What came too much; "0" for nothing.
    pub(super) excess: String,
    /// The newest transaction.
    pub(super) transaction: Option<String>,
    /// When that was certain.
    pub(super) confirmed_at: Option<Time>,
}

/// Over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expired {
    /// What came, and was too little.
    pub(super) received: Option<String>,
    /// What was to come, where that was said.
    pub(super) amount: Option<String>,
}

/// No longer certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reverted {
    /// A transaction is on the chain again and is being confirmed.
    pub(super) progress: Option<Progress>,
    /// It is less than was asked for.
    pub(super) short: bool,
    /// What could be paid again.
    pub(super) due: Option<Due>,
}

/// How certain a transaction is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Progress {
    /// The transaction.
    pub(super) transaction: String,
    /// Blocks that stand on it, its own included; never more than are needed.
    pub(super) done: u64,
    /// How many are needed; nothing where the chain's own finality decides.
    pub(super) needed: Option<u64>,
}

/// What is to be paid, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due {
    /// How much.
    pub(super) amount: String,
    /// It differs a little from what was asked for, so that it is told apart.
    pub(super) nudged: bool,
    /// Where to, with its checksum.
    pub(super) address: String,
    /// The address as SVG.
    pub(super) address_code: String,
    /// How a wallet is told all of it.
    pub(super) wallet: Option<Wallet>,
    /// Until when.
    pub(super) until: Time,
}

/// A transfer as wallets are asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wallet {
    /// EIP-681.
    pub(super) link: String,
    /// The same as SVG.
    pub(super) code: String,
    /// The chain as wallets name it: hexadecimal.
    pub(super) chain: String,
    /// The token contract.
    pub(super) token: String,
    /// What its contract is called with.
    pub(super) calldata: String,
}

/// How the customer comes back to the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Return {
    /// Not from here.
    No,
    /// When he wants to.
    Button,
    /// By itself after a while.
    Itself,
}

impl Facts<'_> {
    /// The screen that these facts make.
    pub(super) fn screen(&self) -> Screen {
        match self.session {
            Some(session) => self.with_session(session),
            None if self.payment.cancelled_at.is_some() => Screen::Cancelled,
            None if self.now >= self.payment.expires_at => {
                Screen::Expired(Expired { received: None, amount: self.payment.amount.clone() })
            }
            None => Screen::Choose(self.choose()),
        }
    }

    fn choose(&self) -> Choose {
        let mut offers = self.choices.to_vec();
        let preferred = offers.iter().position(|offer| offer.preferred).unwrap_or_default();
        offers.iter_mut().enumerate().for_each(|(at, offer)| offer.preferred = at == preferred);
        let Self { payment, .. } = self;
        Choose {
            offers,
            amount: payment.amount.clone(),
            least: payment.least.clone(),
            most: payment.most.clone(),
            until: payment.expires_at,
        }
    }

    fn with_session(&self, session: &View) -> Screen {
        match SessionStatus::parse(&session.payment_status) {
            Some(SessionStatus::Confirmed) => Screen::Paid(receipt(session)),
            Some(SessionStatus::Overpaid) => Screen::Overpaid(receipt(session)),
            // Of what is underpaid the rest is the news, whatever went before.
            Some(SessionStatus::Created | SessionStatus::Pending | SessionStatus::Expired) if session.reverted => {
                Screen::Reverted(self.reverted(session))
            }
            Some(SessionStatus::Expired) if session.cancelled_at.is_some() && is_nothing(&session.received_amount) => {
                Screen::Cancelled
            }
            Some(SessionStatus::Expired) => Screen::Expired(expired(session)),
            Some(SessionStatus::Underpaid) => match self.due(session, &session.missing_amount) {
                Some(due) => Screen::Underpaid(Underpaid {
                    received: session.received_amount.clone(),
                    amount: session.amount.clone(),
                    due,
                }),
                None => Screen::Expired(expired(session)),
            },
            Some(SessionStatus::Created | SessionStatus::Pending) | None => self.open(session),
        }
    }

    fn open(&self, session: &View) -> Screen {
        let pending = session.payment_status == SessionStatus::Pending.as_str();
        match progress(session) {
            Some(progress) if pending => Screen::Seen(Seen {
                received: session.received_amount.clone(),
                amount: session.amount.clone(),
                short: !is_nothing(&session.missing_amount),
                progress,
            }),
            Some(_) | None => {
                let due = self.due(session, &session.missing_amount);
                Screen::Waiting(Waiting { due, vanished: pending && session.lost, watched: self.coin.is_some() })
            }
        }
    }

    fn reverted(&self, session: &View) -> Reverted {
        let progress = progress(session);
        let due = self.due(session, &session.missing_amount).filter(|_| progress.is_none());
        Reverted { progress, short: !is_nothing(&session.missing_amount), due }
    }

    /// What is to be paid, while money still counts and somebody watches for it.
    fn due(&self, session: &View, amount: &str) -> Option<Due> {
        let until = time(&session.expires_at)?;
        let open = self.coin.is_some()
            && !session.closed
            && session.cancelled_at.is_none()
            && self.now < until
            && !is_nothing(amount);
        open.then(|| Due {
            amount: amount.to_owned(),
            nudged: session.amount != session.requested_amount,
            address: session.deposit_address.clone(),
            address_code: code::svg(&session.deposit_address),
            wallet: self.coin.and_then(|coin| as_wallets_ask(coin, session, amount)),
            until,
        })
    }
}

fn as_wallets_ask(coin: &Choice, session: &View, amount: &str) -> Option<Wallet> {
    let transfer =
        Transfer::read(&session.currency_address, coin.chain_id, coin.decimals, &session.deposit_address, amount)?;
    let link = transfer.link();
    Some(Wallet {
        code: code::svg(&link),
        link,
        chain: wallet::chain(coin.chain_id),
        token: session.currency_address.clone(),
        calldata: transfer.calldata(),
    })
}

fn progress(session: &View) -> Option<Progress> {
    let needed = session.required_confirmations;
    let done = session.confirmations.unwrap_or_default();
    let done = needed.map_or(done, |needed| done.min(needed));
    session.tx_id.clone().map(|transaction| Progress { transaction, done, needed })
}

fn receipt(session: &View) -> Receipt {
    Receipt {
        amount: session.amount.clone(),
        received: session.received_amount.clone(),
        excess: wallet::excess(&session.received_amount, &session.amount),
        transaction: session.tx_id.clone(),
        confirmed_at: session.confirmed_at.as_deref().and_then(time),
    }
}

fn expired(session: &View) -> Expired {
    let received = Some(session.received_amount.clone()).filter(|received| !is_nothing(received));
    Expired { received, amount: Some(session.amount.clone()) }
}

/// True for "0" in all its lengths.
fn is_nothing(amount: &str) -> bool {
    !amount.bytes().any(|byte| (b'1'..=b'9').contains(&byte))
}

/// A time as a view writes it.
fn time(text: &str) -> Option<Time> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.with_timezone(&Utc))
}

impl Screen {
    /// As the page and whoever tests it call it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Screen::Choose(_) => "choose",
            Screen::Waiting(_) => "waiting",
            Screen::Seen(_) => "seen",
            Screen::Underpaid(_) => "underpaid",
            Screen::Paid(_) => "paid",
            Screen::Overpaid(_) => "overpaid",
            Screen::Expired(_) => "expired",
            Screen::Cancelled => "cancelled",
            Screen::Reverted(_) => "reverted",
        }
    }

    /// How the customer comes back from here. By itself only where all is well.
    pub(super) fn comes_back(&self) -> Return {
        match self {
            Screen::Choose(_) | Screen::Waiting(_) | Screen::Seen(_) | Screen::Underpaid(_) => Return::No,
            Screen::Paid(_) | Screen::Overpaid(_) => Return::Itself,
            Screen::Expired(_) | Screen::Cancelled | Screen::Reverted(_) => Return::Button,
        }
    }

    /// True where nothing has come, so that the customer may give up.
    pub(super) fn can_be_cancelled(&self) -> bool {
        match self {
            Screen::Choose(_) => true,
            Screen::Waiting(waiting) => waiting.due.is_some(),
            Screen::Seen(_)
            | Screen::Underpaid(_)
            | Screen::Paid(_)
            | Screen::Overpaid(_)
            | Screen::Expired(_)
            | Screen::Cancelled
            | Screen::Reverted(_) => false,
        }
    }

    /// Until when something can be done here.
    pub(super) fn until(&self) -> Option<Time> {
        match self {
            Screen::Choose(choose) => Some(choose.until),
            Screen::Waiting(waiting) => waiting.due.as_ref().map(|due| due.until),
            Screen::Underpaid(underpaid) => Some(underpaid.due.until),
            Screen::Reverted(reverted) => reverted.due.as_ref().map(|due| due.until),
            Screen::Seen(_) | Screen::Paid(_) | Screen::Overpaid(_) | Screen::Expired(_) | Screen::Cancelled => None,
        }
    }
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
