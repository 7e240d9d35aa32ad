//! The sessions of a group as those who may be paid: when each takes money, and what it has up to the transfer at hand.
//!
//! A stranger sends as many transfers as he likes to an address that any number of sessions name, and they are derived while
//! a transaction waits. So a transfer asks only the sessions that it may concern, and those are found here. Not for the
//! rules: [`super::run`] puts them to whoever is found.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use super::spans::{Spans, earlier, later};
use super::{Entry, Group, Rules, Standing};
use crate::domain::{Session, SessionId, Time, Units};

/// How a payee's money is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Count {
    /// As if the chain ended here: what tells a tie, so that what was confirmed since does not untie it.
    SoFar,
    /// With what stands further on: what may still be taken.
    InAll,
}

/// A session in this run.
#[derive(Debug)]
pub(super) struct Payee<'a> {
    pub(super) session: &'a Session,
    /// From here on it has its amount and takes no more.
    pub(super) least: Units,
    /// What is mined before this comes too early.
    pub(super) begins: Time,
    /// What is mined after this comes too late.
    expires: Time,
    /// The same once it had received less than its amount.
    expires_topped_up: Time,
    /// Up to the transfer at hand, in chain order.
    received: Units,
    /// From transfers that stand, further on in the chain: no rule may take their place.
    pub(super) coming: Units,
    /// The part of `coming` that a person gave and the second look may yet refute.
    doubtful: Units,
    /// The part of `received` that is confirmed.
    sure: Units,
    /// It had received less than its amount.
    part_paid: bool,
}

impl<'a> Payee<'a> {
    fn new(session: &'a Session, rules: &Rules) -> Payee<'a> {
        Payee {
            session,
            least: session.least(),
            begins: earlier(session.begins_at, rules.clock_skew),
            expires: later(session.expires_at, rules.expiry_grace),
            expires_topped_up: later(later(session.expires_at, rules.topup_time), rules.expiry_grace),
            received: Units::ZERO,
            coming: Units::ZERO,
            doubtful: Units::ZERO,
            sure: Units::ZERO,
            part_paid: false,
        }
    }

    /// What it has.
    pub(super) fn paid(&self, count: Count) -> Units {
        match count {
            Count::SoFar => self.received,
            Count::InAll => self.received.saturating_add(self.coming),
        }
    }

    /// What it lacks, unless it has its amount.
    fn lacks(&self, count: Count) -> Option<Units> {
        let paid = self.paid(count);
        (paid < self.least).then(|| self.session.amount.saturating_sub(paid))
    }

    /// True while a transfer that the second look may yet refute counts for it.
    pub(super) fn is_unsure(&self) -> bool {
        self.sure != self.received || !self.doubtful.is_zero()
    }

    /// What is mined after this comes too late.
    pub(super) fn expires(&self) -> Time {
        if self.part_paid { self.expires_topped_up } else { self.expires }
    }

    /// What is mined after this comes too late, or after it was cancelled.
    fn ends(&self) -> Time {
        let expires = self.expires();
        self.session.cancelled_at.map_or(expires, |cancelled| cancelled.min(expires))
    }

    fn dues(&self, number: usize) -> Vec<Due> {
        let due = |count| Some(Due { count, units: self.lacks(count)?, until: self.ends(), number });
        [Count::SoFar, Count::InAll].into_iter().filter_map(due).collect()
    }

    /// This stands further on.
    fn expect(&mut self, entry: &Entry) {
        self.coming = self.coming.saturating_add(entry.units);
        if !entry.verified {
            self.doubtful = self.doubtful.saturating_add(entry.units);
        }
    }

    /// What was expected is the transfer at hand.
    pub(super) fn arrive(&mut self, entry: &Entry) {
        self.coming = self.coming.saturating_sub(entry.units);
        if !entry.verified {
            self.doubtful = self.doubtful.saturating_sub(entry.units);
        }
        self.receive(entry.units, entry.verified);
    }

    /// It is given this.
    pub(super) fn receive(&mut self, units: Units, confirmed: bool) {
        self.received = self.received.saturating_add(units);
        self.part_paid |= self.received < self.least;
        if confirmed {
            self.sure = self.sure.saturating_add(units);
        }
    }
}

/// What somebody lacks, and until when it may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    count: Count,
    units: Units,
    until: Time,
    number: usize,
}

/// All of them. The number of each is its place in the order of age: 0 is the oldest.
#[derive(Debug)]
pub(super) struct Payees<'a> {
    all: Vec<Payee<'a>>,
    by_id: HashMap<&'a SessionId, usize>,
    by_amount: HashMap<Units, Vec<usize>>,
    by_due: BTreeSet<Due>,
    by_expiry: BTreeSet<(Time, usize)>,
    /// When those take money that lack some.
    unpaid: Spans,
    /// When those take money that are unsure.
    unsure: Spans,
    begins_last: Option<usize>,
    cancelled_first: Option<usize>,
}

impl<'a> Payees<'a> {
    pub(super) fn new(group: &'a Group<'a>, rules: &Rules) -> Payees<'a> {
        let sessions = group.sessions.iter();
        let mut all: Vec<Payee<'a>> = sessions.map(|session| Payee::new(session, rules)).collect();
        all.sort_by_key(|payee| (payee.session.accepted_at, &payee.session.id));
        let by_id: HashMap<&'a SessionId, usize> = all.iter().map(|payee| &payee.session.id).zip(0..).collect();
        for entry in &group.transfers {
            if let Standing::Pays(id) = &entry.standing
                && let Some(payee) = by_id.get(id).and_then(|&number| all.get_mut(number))
            {
                payee.expect(entry);
            }
        }
        let mut by_amount: HashMap<Units, Vec<usize>> = HashMap::new();
        for (number, payee) in all.iter().enumerate() {
            by_amount.entry(payee.session.amount).or_default().push(number);
        }
        let begins = all.iter().map(|payee| payee.begins);
        let cancelled = all.iter().zip(0..).filter_map(|(payee, number)| Some((payee.session.cancelled_at?, number)));
        let mut payees = Payees {
            by_due: BTreeSet::new(),
            by_expiry: BTreeSet::new(),
            unpaid: Spans::new(begins.clone()),
            unsure: Spans::new(begins.clone()),
            begins_last: begins.zip(0..).max().map(|(_, number)| number),
            cancelled_first: cancelled.min().map(|(_, number)| number),
            all,
            by_id,
            by_amount,
        };
        for number in payees.numbers() {
            payees.enter(number);
        }
        payees
    }

    pub(super) fn numbers(&self) -> Range<usize> {
        0..self.all.len()
    }

    pub(super) fn get(&self, number: usize) -> Option<&Payee<'a>> {
        self.all.get(number)
    }

    /// Which one has this id.
    pub(super) fn number(&self, id: &SessionId) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// Those whose whole amount it is.
    pub(super) fn of_amount(&self, units: Units) -> impl Iterator<Item = usize> {
        self.by_amount.get(&units).into_iter().flatten().copied()
    }

    /// Those who lack just this and have not ended by `time`. In no order of age.
    pub(super) fn lacking(&self, units: Units, count: Count, time: Time) -> impl Iterator<Item = usize> {
        let dues = self.by_due.range(Due { count, units, until: time, number: 0 }..);
        dues.take_while(move |due| (due.count, due.units) == (count, units)).map(|due| due.number)
    }

    /// Those who lack money, have begun by `time` and have not ended.
    pub(super) fn unpaid(&self, time: Time) -> impl Iterator<Item = usize> {
        self.unpaid.reaching(time, time)
    }

    /// Those who are unsure, have begun by `time` and have not ended.
    pub(super) fn unsure(&self, time: Time) -> impl Iterator<Item = usize> {
        self.unsure.reaching(time, time)
    }

    /// Where all are closed to a transfer, the first reason that any of them has is a reason of one of these: whoever begins
    /// last or came last, was cancelled first or expires first.
    pub(super) fn telling(&self) -> impl Iterator<Item = usize> {
        let came_last = self.all.len().checked_sub(1);
        let expires_first = self.by_expiry.first().map(|(_, number)| *number);
        [self.begins_last, came_last, self.cancelled_first, expires_first].into_iter().flatten()
    }

    /// Lets one change, so that it is found by what it is then. Returns the amounts that it lacked and those that it lacks.
    pub(super) fn change(&mut self, number: usize, change: impl FnOnce(&mut Payee<'a>)) -> Vec<Units> {
        let mut dues = self.strike(number);
        if let Some(payee) = self.all.get_mut(number) {
            change(payee);
        }
        dues.extend(self.enter(number));
        dues.into_iter().map(|due| due.units).collect()
    }

    fn strike(&mut self, number: usize) -> Vec<Due> {
        let Some(payee) = self.all.get(number) else { return Vec::new() };
        let dues = payee.dues(number);
        for due in &dues {
            self.by_due.remove(due);
        }
        self.by_expiry.remove(&(payee.expires(), number));
        dues
    }

    fn enter(&mut self, number: usize) -> Vec<Due> {
        let Some(payee) = self.all.get(number) else { return Vec::new() };
        let dues = payee.dues(number);
        self.by_due.extend(&dues);
        self.by_expiry.insert((payee.expires(), number));
        self.unpaid.set(number, payee.lacks(Count::InAll).map(|_| payee.ends()));
        self.unsure.set(number, payee.is_unsure().then(|| payee.ends()));
        dues
    }
}
