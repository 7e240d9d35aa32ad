//! One derivation at work: the rules of matching, applied to one transfer after the other. Not for what goes in and comes
//! out, which is next door, nor for whom a transfer may concern: that is [`super::payees`].

#[cfg(test)]
pub(super) mod plain;

use std::collections::BTreeMap;

use super::payees::{Count, Payee, Payees};
use super::spans::{Spans, earlier, later};
use super::{Entry, Group, Named, Rules, Standing, Verdict};
use crate::domain::{Assignment, Session, SessionId, Units, Unmatched};
use crate::settings::{Ambiguous, PartialPayments};

/// Why a session does not take a transfer; in the order in which reasons apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Closed {
    Early,
    Cancelled,
    Late,
    Paid,
}

impl From<Closed> for Unmatched {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Early => Unmatched::Early,
            Closed::Cancelled => Unmatched::Cancelled,
            Closed::Late => Unmatched::Late,
            Closed::Paid => Unmatched::AlreadyPaid,
        }
    }
}

/// For which sessions held transfers tie, and the first of these transfers: one a sender, no more than there are sessions.
type Ties<'a> = BTreeMap<Vec<usize>, Vec<(usize, &'a Entry)>>;

pub(super) struct Run<'a> {
    group: &'a Group<'a>,
    rules: &'a Rules,
    payees: Payees<'a>,
    /// How long each session that names the address makes it shared.
    neighbours: Spans,
    pub(super) verdicts: Vec<Option<Verdict>>,
    /// Transfers held because sessions tie for them, in chain order.
    held: Vec<usize>,
    /// The ties of an amount, until a session that lacks it, or comes to lack it, receives something.
    ties: BTreeMap<Units, Ties<'a>>,
}

impl<'a> Run<'a> {
    pub(super) fn new(group: &'a Group<'a>, rules: &'a Rules) -> Run<'a> {
        let mut neighbours = Spans::new(group.neighbours.iter().map(|other| other.begins_at));
        for (number, other) in group.neighbours.iter().enumerate() {
            neighbours.set(number, Some(other.begins_at.max(later(other.expires_at, rules.expiry_grace))));
        }
        Run {
            group,
            rules,
            payees: Payees::new(group, rules),
            neighbours,
            verdicts: vec![None; group.transfers.len()],
            held: Vec::new(),
            ties: BTreeMap::new(),
        }
    }

    /// Goes on to the next transfer.
    pub(super) fn follow(&mut self, index: usize, entry: &Entry) {
        match &entry.standing {
            Standing::Open => self.place(index, entry),
            Standing::Pays(session) => self.stand(index, session, entry),
            Standing::Settled(reason) => self.rest(index, entry, *reason),
        }
    }

    /// What stands counts where it stands in the chain.
    fn stand(&mut self, index: usize, id: &SessionId, entry: &Entry) {
        self.confirm(index, entry, Assignment::Session(id.clone()));
        if let Some(session) = self.payees.number(id) {
            self.receive(session, |payee| payee.arrive(entry));
        }
    }

    /// What stands without an owner counts nowhere.
    fn rest(&mut self, index: usize, entry: &Entry, reason: Option<Unmatched>) {
        if let Some(reason) = reason {
            self.confirm(index, entry, Assignment::None(reason));
        }
    }

    /// What a person settled before it was confirmed is so once it was looked at twice: no rule has a say in whose it is.
    fn confirm(&mut self, index: usize, entry: &Entry, assignment: Assignment) {
        if let Some(slot) = self.verdicts.get_mut(index).filter(|_| entry.confirmed_at.is_none()) {
            *slot = Some(Verdict { id: entry.id, assignment, confirmed: entry.verified, by_age: false });
        }
    }

    fn place(&mut self, index: usize, entry: &Entry) {
        if let Some(reason) = self.never(entry) {
            return self.leave(index, entry, reason);
        }
        let equal = self.equal(entry);
        let open = |session: &usize| self.closed(*session, entry).is_none();
        let returned = entry.had.as_ref().and_then(|had| self.payees.number(had)).filter(open);
        match (returned, equal.as_slice()) {
            // What it had may have come from a tie whose other transfer did not return: then it is a tie again.
            (Some(session), tied) if !(self.holds() && tied.len() > 1 && tied.contains(&session)) => {
                self.pay(index, entry, session);
            }
            (_, [one]) => self.pay(index, entry, *one),
            (_, [oldest, _, ..]) if !self.holds() => self.pay_by_age(index, entry, *oldest),
            (_, tied @ [_, _, ..]) => self.hold(index, entry, tied),
            (_, []) => match self.part(&self.open(entry), entry) {
                Ok(session) => self.pay(index, entry, session),
                Err(reason) => self.leave(index, entry, reason),
            },
        }
    }

    /// Reasons that hold whatever the sessions are.
    fn never(&self, entry: &Entry) -> Option<Unmatched> {
        if entry.units.is_zero() {
            return Some(Unmatched::Zero);
        }
        if entry.from == entry.to {
            return Some(Unmatched::SelfTransfer);
        }
        if self.rules.own_addresses.contains(&entry.from) {
            return Some(Unmatched::Internal);
        }
        match self.group.named {
            Named::OtherNetwork => Some(Unmatched::WrongNetwork),
            Named::OtherToken => Some(Unmatched::WrongToken),
            Named::Unusable => Some(Unmatched::InvalidSession),
            Named::Usable => None,
        }
    }

    /// Rule 2: the sessions that the amount fits, oldest first. A tie is told as if the chain ended here: what was
    /// confirmed since leaves in doubt what was in doubt.
    fn equal(&self, entry: &Entry) -> Vec<usize> {
        let tied = if self.holds() { self.due_exactly(entry, Count::SoFar) } else { Vec::new() };
        if tied.len() > 1 { tied } else { self.due_exactly(entry, Count::InAll) }
    }

    /// Sessions whose whole amount it is and that received nothing, else those whose remainder it is. Oldest first.
    fn due_exactly(&self, entry: &Entry, count: Count) -> Vec<usize> {
        let timely = |session: &usize| self.untimely(*session, entry).is_none();
        let whole = |session: &usize| self.payees.get(*session).is_some_and(|payee| payee.paid(count).is_zero());
        let mut due: Vec<usize> = self.payees.lacking(entry.units, count, entry.paid_at).filter(timely).collect();
        if due.iter().any(whole) {
            due.retain(whole);
        }
        due.sort_unstable();
        due
    }

    fn holds(&self) -> bool {
        self.rules.ambiguous == Ambiguous::Hold
    }

    fn pay_by_age(&mut self, index: usize, entry: &Entry, oldest: usize) {
        self.pay(index, entry, oldest);
        if let Some(Some(verdict)) = self.verdicts.get_mut(index) {
            verdict.by_age = matches!(verdict.assignment, Assignment::Session(_));
        }
    }

    /// A tie: held until as many equal transfers from different senders have come as sessions tie, then oldest to
    /// oldest. One that was confirmed while it waited is released only when all of them are looked at twice.
    fn hold(&mut self, index: usize, entry: &Entry, tied: &[usize]) {
        self.leave(index, entry, Unmatched::Ambiguous);
        self.held.push(index);
        let equals = self.equals(index, entry.units, tied);
        let awaits = |session: &usize| self.payees.get(*session).is_some_and(|payee| !payee.coming.is_zero());
        if equals.len() < tied.len() || tied.iter().any(awaits) {
            return;
        }
        let confirmed = self.certain(entry) && equals.iter().all(|(_, e)| e.verified);
        if !confirmed && equals.iter().any(|(_, e)| e.confirmed_at.is_some()) {
            return;
        }
        for (&(held, entry), &session) in equals.iter().zip(tied) {
            self.assign(held, entry, session, confirmed);
        }
        self.held.retain(|held| !equals.iter().any(|(released, _)| released == held));
    }

    /// The first held transfers, one a sender, for which exactly these sessions tie as things stand now. Where the ties of
    /// the amount still hold, only the last one held is new.
    fn equals(&mut self, last: usize, units: Units, tied: &[usize]) -> Vec<(usize, &'a Entry)> {
        let (mut ties, new) = match self.ties.remove(&units) {
            Some(ties) => (ties, vec![last]),
            None => (Ties::new(), self.held.clone()),
        };
        for held in new {
            let Some(entry) = self.group.transfers.get(held).filter(|entry| entry.units == units) else { continue };
            let sessions = self.equal(entry);
            let most = sessions.len();
            let first = ties.entry(sessions).or_default();
            if first.len() < most && first.iter().all(|(_, other)| other.from != entry.from) {
                first.push((held, entry));
            }
        }
        let equals = ties.get(tied).cloned().unwrap_or_default();
        self.ties.insert(units, ties);
        equals
    }

    /// What is still held when all who tied for it are certainly paid comes too late, rather than being in doubt.
    pub(super) fn close_held(&mut self) {
        for index in std::mem::take(&mut self.held) {
            let Some(entry) = self.group.transfers.get(index) else { continue };
            let meant = self.payees.of_amount(entry.units).any(|session| self.closed(session, entry).is_none());
            if self.certain(entry) && !meant && self.equal(entry).is_empty() {
                let reason = self.reason(&self.open(entry), entry, Unmatched::AmountMismatch);
                self.leave(index, entry, reason);
            }
        }
    }

    /// The sessions that take it: none, one, or two of several.
    fn open(&self, entry: &Entry) -> Vec<usize> {
        let open = |session: &usize| self.closed(*session, entry).is_none();
        self.payees.unpaid(entry.paid_at).filter(open).take(2).collect()
    }

    /// Rule 3: on an exclusive address a part payment, an overpayment, or paid in full within the tolerance.
    fn part(&self, open: &[usize], entry: &Entry) -> Result<usize, Unmatched> {
        let mismatch = || self.reason(open, entry, Unmatched::AmountMismatch);
        let [only] = open else { return Err(mismatch()) };
        let Some(payee) = self.payees.get(*only).filter(|payee| self.is_exclusive(payee.session, entry)) else {
            return Err(mismatch());
        };
        let amount = payee.session.amount;
        let due = amount.saturating_sub(payee.paid(Count::InAll));
        let tolerated = due.saturating_sub(payee.session.tolerance);
        if tolerated <= entry.units && entry.units <= due {
            return Ok(*only);
        }
        if self.rules.partial_payments == PartialPayments::Never {
            return Err(mismatch());
        }
        let least = self.group.token.min_partial.of(amount);
        if entry.units < least { Err(self.reason(open, entry, Unmatched::Dust)) } else { Ok(*only) }
    }

    /// True when no other session names the address near this transfer's time: one that is open then, or was until
    /// less than `reuse_after` before, as an amount is taken that long.
    fn is_exclusive(&self, session: &Session, entry: &Entry) -> bool {
        let earliest = earlier(entry.paid_at, self.rules.reuse_after);
        let latest = later(entry.paid_at, self.rules.clock_skew);
        let other = |number: usize| self.group.neighbours.get(number).is_some_and(|other| other.id != session.id);
        !self.neighbours.reaching(earliest, latest).any(other)
    }

    /// Rule 4: why nobody takes it. A session of just this amount explains it better than others, one that came after it
    /// was confirmed worse than all; what is said of a session that would take money comes last.
    fn reason(&self, open: &[usize], entry: &Entry, otherwise: Unmatched) -> Unmatched {
        let closed = |session: usize| {
            let accepted_at = self.payees.get(session)?.session.accepted_at;
            let came_after = entry.confirmed_at.is_some_and(|at| at < accepted_at);
            Some((came_after, self.closed(session, entry)?))
        };
        let meant = self.payees.of_amount(entry.units).filter_map(closed).min();
        if let Some((false, closed)) = meant {
            return closed.into();
        }
        if !open.is_empty() {
            return otherwise;
        }
        let first = match entry.confirmed_at {
            None => self.payees.telling().filter_map(closed).min(),
            // Who came after that is told apart. It is asked once: what is confirmed and has a reason stands.
            Some(_) => self.payees.numbers().filter_map(closed).min(),
        };
        first.map_or(Unmatched::Late, |(_, closed)| closed.into())
    }

    /// Why a session takes no such transfer, if it does not.
    fn closed(&self, session: usize, entry: &Entry) -> Option<Closed> {
        let paid = self.payees.get(session).is_some_and(|payee| payee.paid(Count::InAll) >= payee.least);
        self.untimely(session, entry).or(paid.then_some(Closed::Paid))
    }

    /// Why it is not in time for a session, if it is not.
    fn untimely(&self, session: usize, entry: &Entry) -> Option<Closed> {
        let payee = self.payees.get(session)?;
        if entry.paid_at < payee.begins || entry.seen_at < payee.session.accepted_at {
            return Some(Closed::Early);
        }
        if payee.session.cancelled_at.is_some_and(|cancelled| cancelled < entry.paid_at) {
            return Some(Closed::Cancelled);
        }
        (payee.expires() < entry.paid_at).then_some(Closed::Late)
    }

    /// True when nothing that the second look may yet refute tells whose the transfer is.
    fn certain(&self, entry: &Entry) -> bool {
        !self.payees.unsure(entry.paid_at).any(|session| self.untimely(session, entry).is_none())
    }

    /// Gives it to a session, unless it is confirmed and what tells its owner is not.
    fn pay(&mut self, index: usize, entry: &Entry, session: usize) {
        let confirmed = entry.verified && self.certain(entry);
        if entry.confirmed_at.is_some() && !confirmed {
            return self.leave(index, entry, Unmatched::Ambiguous);
        }
        self.assign(index, entry, session, confirmed);
    }

    fn assign(&mut self, index: usize, entry: &Entry, session: usize, confirmed: bool) {
        self.receive(session, |payee| payee.receive(entry.units, confirmed));
        if let (Some(slot), Some(payee)) = (self.verdicts.get_mut(index), self.payees.get(session)) {
            let assignment = Assignment::Session(payee.session.id.clone());
            *slot = Some(Verdict { id: entry.id, assignment, confirmed, by_age: false });
        }
    }

    /// Lets a session receive something. Who ties for what it lacked, or lacks now, is told anew.
    fn receive(&mut self, session: usize, receive: impl FnOnce(&mut Payee<'a>)) {
        for units in self.payees.change(session, receive) {
            self.ties.remove(&units);
        }
    }

    fn leave(&mut self, index: usize, entry: &Entry, reason: Unmatched) {
        let confirmed = entry.confirmed_at.is_some() || (entry.verified && self.certain(entry));
        if let Some(slot) = self.verdicts.get_mut(index) {
            *slot = Some(Verdict { id: entry.id, assignment: Assignment::None(reason), confirmed, by_age: false });
        }
    }
}
