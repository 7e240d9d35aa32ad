//! One derivation at work: the rules of matching, applied to one transfer after the other. Not for what goes in and comes
//! out, which is next door.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::TimeDelta;

use super::{Entry, Group, Named, Rules, Standing, Verdict};
use crate::domain::{Address, Assignment, Session, SessionId, Time, Units, Unmatched};
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

/// What a session receives in this run.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    /// Up to the transfer at hand, in chain order.
    received: Units,
    /// From transfers that stand, further on in the chain: no rule may take their place.
    coming: Units,
    /// The part of `coming` that a person gave and the second look may yet refute.
    doubtful: Units,
    /// The part of `received` that is confirmed.
    sure: Units,
    /// It had received less than its amount.
    part_paid: bool,
}

impl Tally {
    /// As if the chain ended here: what tells a tie, so that what was confirmed since does not untie it.
    fn so_far(self) -> Units {
        self.received
    }

    /// With what stands further on: what may still be taken.
    fn in_all(self) -> Units {
        self.received.saturating_add(self.coming)
    }

    /// True while a transfer that the second look may yet refute counts for it.
    fn unsure(self) -> bool {
        self.sure != self.received || !self.doubtful.is_zero()
    }
}

pub(super) struct Run<'a> {
    group: &'a Group<'a>,
    rules: &'a Rules,
    /// Where each session stands in the group.
    places: HashMap<&'a SessionId, usize>,
    tallies: Vec<Tally>,
    pub(super) verdicts: Vec<Option<Verdict>>,
    /// Transfers held because sessions tie for them, in chain order.
    held: Vec<usize>,
    /// Who sent held transfers of an amount: too few senders, and no tie is looked for.
    senders: BTreeMap<Units, BTreeSet<Address>>,
}

impl<'a> Run<'a> {
    pub(super) fn new(group: &'a Group<'a>, rules: &'a Rules) -> Run<'a> {
        let mut run = Run {
            group,
            rules,
            places: group.sessions.iter().enumerate().map(|(session, s)| (&s.id, session)).collect(),
            tallies: vec![Tally::default(); group.sessions.len()],
            verdicts: vec![None; group.transfers.len()],
            held: Vec::new(),
            senders: BTreeMap::new(),
        };
        for entry in &group.transfers {
            if let Standing::Pays(id) = &entry.standing
                && let Some(tally) = run.places.get(id).and_then(|&session| run.tallies.get_mut(session))
            {
                tally.coming = tally.coming.saturating_add(entry.units);
                if !entry.verified {
                    tally.doubtful = tally.doubtful.saturating_add(entry.units);
                }
            }
        }
        run
    }

    /// What stands counts where it stands in the chain.
    pub(super) fn stand(&mut self, index: usize, id: &SessionId, entry: &Entry) {
        self.confirm(index, entry, Assignment::Session(id.clone()));
        let Some(&session) = self.places.get(id) else { return };
        if let Some(tally) = self.tallies.get_mut(session) {
            tally.coming = tally.coming.saturating_sub(entry.units);
            if !entry.verified {
                tally.doubtful = tally.doubtful.saturating_sub(entry.units);
            }
        }
        self.receive(session, entry.units, entry.verified);
    }

    /// What stands without an owner counts nowhere.
    pub(super) fn rest(&mut self, index: usize, entry: &Entry, reason: Option<Unmatched>) {
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

    pub(super) fn place(&mut self, index: usize, entry: &Entry) {
        if let Some(reason) = self.never(entry) {
            return self.leave(index, entry, reason);
        }
        let equal = self.equal(entry);
        let open = |&session: &usize| self.closed(session, entry).is_none();
        let returned = entry.had.as_ref().and_then(|had| self.places.get(had)).copied().filter(open);
        match (returned, equal.as_slice()) {
            // What it had may have come from a tie whose other transfer did not return: then it is a tie again.
            (Some(session), tied) if !(self.holds() && tied.len() > 1 && tied.contains(&session)) => {
                self.pay(index, entry, session);
            }
            (_, [one]) => self.pay(index, entry, *one),
            (_, [oldest, _, ..]) if !self.holds() => self.pay_by_age(index, entry, *oldest),
            (_, tied @ [_, _, ..]) => self.hold(index, entry, tied),
            (_, []) => match self.part(&self.sessions().filter(open).collect::<Vec<_>>(), entry) {
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
        let tied = if self.holds() { self.due_exactly(entry, Tally::so_far) } else { Vec::new() };
        if tied.len() > 1 { tied } else { self.due_exactly(entry, Tally::in_all) }
    }

    /// Sessions whose whole amount it is and that received nothing, else those whose remainder it is. Oldest first.
    fn due_exactly(&self, entry: &Entry, paid: fn(Tally) -> Units) -> Vec<usize> {
        let due = |unpaid: bool| {
            let fits = |&(session, s): &(usize, &Session)| {
                let paid = paid(self.tally(session));
                paid.is_zero() == unpaid
                    && paid < self.least(s)
                    && s.amount.saturating_sub(paid) == entry.units
                    && self.untimely(session, entry).is_none()
            };
            let mut sessions: Vec<_> = self.group.sessions.iter().enumerate().filter(fits).collect();
            sessions.sort_by_key(|(_, s)| (s.accepted_at, &s.id));
            sessions.into_iter().map(|(session, _)| session).collect::<Vec<_>>()
        };
        let whole = due(true);
        if whole.is_empty() { due(false) } else { whole }
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
        let senders = self.senders.entry(entry.units).or_default();
        senders.insert(entry.from);
        if senders.len() < tied.len() || tied.iter().any(|&session| !self.tally(session).coming.is_zero()) {
            return;
        }
        let equals = self.equals(entry.units, tied);
        let confirmed = self.certain(entry) && equals.iter().all(|(_, e)| e.verified);
        if equals.len() < tied.len() || (!confirmed && equals.iter().any(|(_, e)| e.confirmed_at.is_some())) {
            return;
        }
        for (&(held, entry), &session) in equals.iter().zip(tied) {
            self.assign(held, entry, session, confirmed);
        }
        self.held.retain(|held| !equals.iter().any(|(released, _)| released == held));
    }

    /// The first held transfers, one a sender, for which exactly these sessions tie as things stand now.
    fn equals(&self, units: Units, tied: &[usize]) -> Vec<(usize, &'a Entry)> {
        let mut senders = BTreeSet::new();
        let held = self.held.iter().filter_map(|&held| Some((held, self.group.transfers.get(held)?)));
        held.filter(|(_, e)| e.units == units && self.equal(e) == tied && senders.insert(e.from))
            .take(tied.len())
            .collect()
    }

    /// What is still held when all who tied for it are certainly paid comes too late, rather than being in doubt.
    pub(super) fn close_held(&mut self) {
        for index in std::mem::take(&mut self.held) {
            let Some(entry) = self.group.transfers.get(index) else { continue };
            let open: Vec<usize> = self.sessions().filter(|&session| self.closed(session, entry).is_none()).collect();
            let meant = |&session: &usize| self.session(session).is_some_and(|s| s.amount == entry.units);
            if self.certain(entry) && !open.iter().any(meant) && self.equal(entry).is_empty() {
                let reason = self.reason(&open, entry, Unmatched::AmountMismatch);
                self.leave(index, entry, reason);
            }
        }
    }

    /// Rule 3: on an exclusive address a part payment, an overpayment, or paid in full within the tolerance.
    fn part(&self, open: &[usize], entry: &Entry) -> Result<usize, Unmatched> {
        let mismatch = || self.reason(open, entry, Unmatched::AmountMismatch);
        let [only] = open else { return Err(mismatch()) };
        let (Some(session), true) = (self.session(*only), self.is_exclusive(*only, entry)) else {
            return Err(mismatch());
        };
        let due = session.amount.saturating_sub(self.tally(*only).in_all());
        let tolerated = due.saturating_sub(session.tolerance);
        if tolerated <= entry.units && entry.units <= due {
            return Ok(*only);
        }
        if self.rules.partial_payments == PartialPayments::Never {
            return Err(mismatch());
        }
        let least = self.group.token.min_partial.of(session.amount);
        if entry.units < least { Err(self.reason(open, entry, Unmatched::Dust)) } else { Ok(*only) }
    }

    /// True when no other session names the address near this transfer's time: one that is open then, or was until
    /// less than `reuse_after` before, as an amount is taken that long.
    fn is_exclusive(&self, session: usize, entry: &Entry) -> bool {
        let earliest = entry.paid_at.checked_sub_signed(self.rules.reuse_after);
        let latest = self.later(entry.paid_at, self.rules.clock_skew);
        !self.group.neighbours.iter().any(|other| {
            let until = other.begins_at.max(self.later(other.expires_at, self.rules.expiry_grace));
            let recent = earliest.is_none_or(|earliest| until >= earliest);
            other.id != *self.id(session) && other.begins_at <= latest && recent
        })
    }

    /// Rule 4: why nobody takes it. A session of just this amount explains it better than others, one that came after it
    /// was confirmed worse than all; what is said of a session that would take money comes last.
    fn reason(&self, open: &[usize], entry: &Entry, otherwise: Unmatched) -> Unmatched {
        let closed = |(session, s): (usize, &Session)| {
            let came_after = entry.confirmed_at.is_some_and(|at| at < s.accepted_at);
            Some((came_after, self.closed(session, entry)?))
        };
        let sessions = || self.group.sessions.iter().enumerate();
        let meant = sessions().filter(|(_, s)| s.amount == entry.units).filter_map(closed).min();
        if let Some((false, closed)) = meant {
            return closed.into();
        }
        if !open.is_empty() {
            return otherwise;
        }
        sessions().filter_map(closed).min().map_or(Unmatched::Late, |(_, closed)| closed.into())
    }

    /// Why a session takes no such transfer, if it does not.
    fn closed(&self, session: usize, entry: &Entry) -> Option<Closed> {
        let paid = self.session(session).is_some_and(|s| self.tally(session).in_all() >= self.least(s));
        self.untimely(session, entry).or(paid.then_some(Closed::Paid))
    }

    /// Why it is not in time for a session, if it is not.
    fn untimely(&self, session: usize, entry: &Entry) -> Option<Closed> {
        let s = self.session(session)?;
        let begins = s.begins_at.checked_sub_signed(self.rules.clock_skew).unwrap_or(Time::MIN_UTC);
        if entry.paid_at < begins || entry.seen_at < s.accepted_at {
            return Some(Closed::Early);
        }
        if s.cancelled_at.is_some_and(|cancelled| cancelled < entry.paid_at) {
            return Some(Closed::Cancelled);
        }
        let part_paid = self.tally(session).part_paid;
        let expires = if part_paid { self.later(s.expires_at, self.rules.topup_time) } else { s.expires_at };
        (self.later(expires, self.rules.expiry_grace) < entry.paid_at).then_some(Closed::Late)
    }

    fn later(&self, time: Time, by: TimeDelta) -> Time {
        time.checked_add_signed(by).unwrap_or(Time::MAX_UTC)
    }

    /// From here on a session has its amount and takes no more.
    fn least(&self, session: &Session) -> Units {
        session.least()
    }

    /// True when nothing that the second look may yet refute tells whose the transfer is.
    fn certain(&self, entry: &Entry) -> bool {
        !self.sessions().any(|session| self.tally(session).unsure() && self.untimely(session, entry).is_none())
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
        self.receive(session, entry.units, confirmed);
        if let (Some(slot), Some(session)) = (self.verdicts.get_mut(index), self.group.sessions.get(session)) {
            let assignment = Assignment::Session(session.id.clone());
            *slot = Some(Verdict { id: entry.id, assignment, confirmed, by_age: false });
        }
    }

    fn receive(&mut self, session: usize, units: Units, confirmed: bool) {
        let least = self.session(session).map(|s| self.least(s));
        if let (Some(tally), Some(least)) = (self.tallies.get_mut(session), least) {
            tally.received = tally.received.saturating_add(units);
            tally.part_paid |= tally.received < least;
            if confirmed {
                tally.sure = tally.sure.saturating_add(units);
            }
        }
    }

    fn leave(&mut self, index: usize, entry: &Entry, reason: Unmatched) {
        let confirmed = entry.confirmed_at.is_some() || (entry.verified && self.certain(entry));
        if let Some(slot) = self.verdicts.get_mut(index) {
            *slot = Some(Verdict { id: entry.id, assignment: Assignment::None(reason), confirmed, by_age: false });
        }
    }

    fn sessions(&self) -> std::ops::Range<usize> {
        0..self.group.sessions.len()
    }

    fn session(&self, session: usize) -> Option<&'a Session> {
        self.group.sessions.get(session)
    }

    fn id(&self, session: usize) -> &SessionId {
        static NONE: SessionId = SessionId(String::new());
        self.session(session).map_or(&NONE, |s| &s.id)
    }

    fn tally(&self, session: usize) -> Tally {
        self.tallies.get(session).copied().unwrap_or_default()
    }
}
