//! Which session a transfer pays. Pure: no clock, no I/O, no memory of earlier runs.
//!
//! [`derive`] takes the canonical transfers of one destination (network, token, address) and the sessions that name it,
//! and goes through the transfers in chain order. What is confirmed or settled by a person stands; everything else is
//! derived anew each time, so a transfer that came, left or returned leaves no mark that the final chain does not
//! explain (I4). SPEC §4 has the rules; the numbers below are its.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use crate::domain::{Address, Assignment, LogId, Session, SessionId, Time, Token, Units, Unmatched};
use crate::settings::{Ambiguous, Network, PartialPayments, Sessions};

/// The operator's decisions that matching knows.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Whether a session may be paid in parts.
    pub partial_payments: PartialPayments,
    /// What happens to a tie.
    pub ambiguous: Ambiguous,
    /// Senders that never pay.
    pub own_addresses: Vec<Address>,
    /// How far a session reaches back before it began.
    pub clock_skew: TimeDelta,
    /// How long after `expires_at` a transfer counts.
    pub expiry_grace: TimeDelta,
    /// How much longer a part-paid session takes money.
    pub topup_time: TimeDelta,
    /// How long an address stays shared with a session that named it.
    pub reuse_after: TimeDelta,
}

impl Rules {
    /// The rules of a network.
    pub fn new(network: &Network, sessions: &Sessions) -> Rules {
        Rules {
            partial_payments: network.partial_payments,
            ambiguous: network.ambiguous,
            own_addresses: sessions.own_addresses.clone(),
            clock_skew: super::span(sessions.clock_skew),
            expiry_grace: super::span(sessions.expiry_grace),
            topup_time: super::span(sessions.topup_time),
            reuse_after: super::span(sessions.amount_reuse_after),
        }
    }
}

/// One destination: what a derivation is about.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// The token.
    pub token: &'a Token,
    /// The usable sessions of this token at this address.
    pub sessions: Vec<Session>,
    /// Every session at this address on this network, of any token, usable or not.
    pub neighbours: Vec<Neighbour>,
    /// What else is known of the address.
    pub named: Named,
    /// The canonical transfers, in chain order.
    pub transfers: Vec<Entry>,
}

/// A session that names the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Its id.
    pub id: SessionId,
    /// When it began.
    pub begins_at: Time,
    /// Until when it takes money.
    pub expires_at: Time,
}

/// Who names an address at all, now or long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// Sessions on other networks only.
    OtherNetwork,
    /// Sessions of this network for other tokens only.
    OtherToken,
    /// Sessions for this token, none of which can be used.
    Unusable,
    /// Usable sessions for this token.
    Usable,
}

/// A canonical transfer to the destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its identity.
    pub id: LogId,
    /// Sender.
    pub from: Address,
    /// Recipient.
    pub to: Address,
    /// Base units.
    pub units: Units,
    /// The time that decides whether it is in time.
    pub paid_at: Time,
    /// When it was first stored.
    pub seen_at: Time,
    /// What stands already: its assignment is confirmed or was settled by a person.
    pub standing: Standing,
    /// The session it had before a reorganisation.
    pub had: Option<SessionId>,
    /// The second look agreed.
    pub verified: bool,
    /// It is CONFIRMED already, though it may wait for an owner.
    pub confirmed: bool,
}

/// Whether a transfer's owner may still change by rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is derived.
    Open,
    /// It pays this session and stays.
    Pays(SessionId),
    /// It belongs to nobody and stays so.
    Settled,
}

/// What was derived of a transfer that was open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Which one.
    pub id: LogId,
    /// Whose it is.
    pub assignment: Assignment,
    /// True when it may be confirmed: it, and the transfers it was told apart by, were looked at twice.
    pub confirmed: bool,
    /// True when a tie was broken by age because the operator wrote `ambiguous = "oldest"`.
    pub by_age: bool,
}

/// Derives the owner of every open transfer of the group, in chain order.
pub fn derive(group: &Group<'_>, rules: &Rules) -> Vec<Verdict> {
    let mut run = Run::new(group, rules);
    for (index, entry) in group.transfers.iter().enumerate() {
        if entry.standing == Standing::Open {
            run.place(index, entry);
        }
    }
    run.verdicts.into_iter().flatten().collect()
}

/// Whether a session received a part of its amount at some point of the derivation: then it takes money for longer.
pub fn is_topped_up(session: &Session, token: &Token, paid: impl IntoIterator<Item = Units>) -> bool {
    let least = session.amount.saturating_sub(token.tolerance_for(session.amount));
    let mut received = Units::ZERO;
    paid.into_iter().any(|units| {
        received = received.saturating_add(units);
        received < least
    })
}

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

/// What a session has received so far in this run.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    received: Units,
    part_paid: bool,
}

struct Run<'a> {
    group: &'a Group<'a>,
    rules: &'a Rules,
    tallies: Vec<Tally>,
    verdicts: Vec<Option<Verdict>>,
    /// Transfers held because sessions tie for them, in chain order.
    held: Vec<usize>,
}

impl<'a> Run<'a> {
    fn new(group: &'a Group<'a>, rules: &'a Rules) -> Run<'a> {
        let mut run = Run {
            group,
            rules,
            tallies: vec![Tally::default(); group.sessions.len()],
            verdicts: vec![None; group.transfers.len()],
            held: Vec::new(),
        };
        // What stands comes first: no rule may take from it.
        for entry in &group.transfers {
            if let Standing::Pays(id) = &entry.standing
                && let Some(session) = group.sessions.iter().position(|session| session.id == *id)
            {
                run.receive(session, entry.units);
            }
        }
        run
    }

    fn place(&mut self, index: usize, entry: &Entry) {
        if let Some(reason) = self.never(entry) {
            return self.leave(index, entry, reason);
        }
        let open: Vec<usize> = self.sessions().filter(|&session| self.closed(session, entry).is_none()).collect();
        if entry.confirmed {
            return self.hold(index, entry, &open);
        }
        if let Some(&returned) = open.iter().find(|&&session| Some(self.id(session)) == entry.had.as_ref()) {
            return self.pay(index, entry, returned);
        }
        match self.equal(&open, entry.units).as_slice() {
            [] => {}
            [one] => return self.pay(index, entry, *one),
            tied => return self.tie(index, entry, tied),
        }
        match self.part(&open, entry) {
            Ok(session) => self.pay(index, entry, session),
            Err(reason) => self.leave(index, entry, reason),
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

    /// Rule 2: sessions whose whole amount it is and that received nothing, else those whose remainder it is.
    /// Oldest first.
    fn equal(&self, open: &[usize], units: Units) -> Vec<usize> {
        let due = |unpaid: bool| {
            let mut sessions: Vec<usize> = open
                .iter()
                .copied()
                .filter(|&session| self.tally(session).received.is_zero() == unpaid && self.due(session) == units)
                .collect();
            sessions.sort_by_key(|&session| self.session(session).map(|s| (s.accepted_at, s.id.clone())));
            sessions
        };
        let whole = due(true);
        if whole.is_empty() { due(false) } else { whole }
    }

    /// It was confirmed while sessions tied for it. From then on only equal transfers for all of them, or a person, say
    /// whose it is: a session that is left over because its rival was paid or ended may be a thief's.
    fn hold(&mut self, index: usize, entry: &Entry, open: &[usize]) {
        match self.equal(open, entry.units).as_slice() {
            [] | [_] => {
                self.leave(index, entry, Unmatched::Ambiguous);
                self.held.push(index);
            }
            tied => self.tie(index, entry, tied),
        }
    }

    /// A tie: held until as many equal transfers from different senders have come as sessions tie, then oldest to
    /// oldest. One that was confirmed while it waited is released only when all of them are looked at twice.
    fn tie(&mut self, index: usize, entry: &Entry, tied: &[usize]) {
        if self.rules.ambiguous == Ambiguous::Oldest
            && let Some(&oldest) = tied.first()
        {
            self.pay(index, entry, oldest);
            if let Some(Some(verdict)) = self.verdicts.get_mut(index) {
                verdict.by_age = true;
            }
            return;
        }
        self.leave(index, entry, Unmatched::Ambiguous);
        self.held.push(index);
        let mut senders = BTreeSet::new();
        let equals: Vec<usize> = self
            .held
            .iter()
            .copied()
            .filter(|&held| {
                self.ties_for(held, tied) && self.group.transfers.get(held).is_some_and(|e| senders.insert(e.from))
            })
            .take(tied.len())
            .collect();
        let entries: Vec<&Entry> = equals.iter().filter_map(|&held| self.group.transfers.get(held)).collect();
        let verified = entries.iter().all(|e| e.verified);
        if entries.len() < tied.len() || (!verified && entries.iter().any(|e| e.confirmed)) {
            return;
        }
        for (&held, (&session, entry)) in equals.iter().zip(tied.iter().zip(entries)) {
            self.receive(session, entry.units);
            self.assign(held, entry, session, verified);
        }
        self.held.retain(|held| !equals.contains(held));
    }

    /// True when exactly these sessions tie for a held transfer, as things stand now.
    fn ties_for(&self, held: usize, tied: &[usize]) -> bool {
        self.group.transfers.get(held).is_some_and(|entry| {
            let open: Vec<usize> = self.sessions().filter(|&session| self.closed(session, entry).is_none()).collect();
            self.equal(&open, entry.units) == tied
        })
    }

    /// Rule 3: on an exclusive address a part payment, an overpayment, or paid in full within the tolerance.
    fn part(&self, open: &[usize], entry: &Entry) -> Result<usize, Unmatched> {
        let [only] = open else { return Err(self.reason(open, entry)) };
        let (Some(session), true) = (self.session(*only), self.is_exclusive(*only, entry)) else {
            return Err(self.reason(open, entry));
        };
        let due = self.due(*only);
        let tolerated = due.saturating_sub(self.group.token.tolerance_for(session.amount));
        if tolerated <= entry.units && entry.units <= due {
            return Ok(*only);
        }
        if self.rules.partial_payments == PartialPayments::Never {
            return Err(self.reason(open, entry));
        }
        let least = self.group.token.min_partial.of(session.amount);
        if entry.units < least { Err(Unmatched::Dust) } else { Ok(*only) }
    }

    /// True when no other session names the address near this transfer's time.
    fn is_exclusive(&self, session: usize, entry: &Entry) -> bool {
        let earliest = entry.paid_at.checked_sub_signed(self.rules.reuse_after);
        let latest = entry.paid_at.checked_add_signed(self.rules.clock_skew);
        !self.group.neighbours.iter().any(|other| {
            let begun = latest.is_none_or(|latest| other.begins_at <= latest);
            let recent = earliest.is_none_or(|earliest| other.begins_at >= earliest);
            let open = self.later(other.expires_at, self.rules.expiry_grace) >= entry.paid_at;
            Some(&other.id) != self.session(session).map(|s| &s.id) && begun && (recent || open)
        })
    }

    /// Rule 4: why nobody takes it. A session of just this amount explains it better than others.
    fn reason(&self, open: &[usize], entry: &Entry) -> Unmatched {
        let why = |sessions: &mut dyn Iterator<Item = usize>| {
            sessions.filter_map(|session| self.closed(session, entry)).min()
        };
        let meant = |&session: &usize| self.session(session).is_some_and(|s| s.amount == entry.units);
        if let Some(closed) = why(&mut self.sessions().filter(meant)) {
            return closed.into();
        }
        if open.is_empty() {
            why(&mut self.sessions()).map_or(Unmatched::Late, Unmatched::from)
        } else {
            Unmatched::AmountMismatch
        }
    }

    /// Why a session takes no such transfer, if it does not.
    fn closed(&self, session: usize, entry: &Entry) -> Option<Closed> {
        let s = self.session(session)?;
        let tally = self.tally(session);
        let begins = s.begins_at.checked_sub_signed(self.rules.clock_skew).unwrap_or(s.begins_at);
        if entry.paid_at < begins || entry.seen_at < s.accepted_at {
            return Some(Closed::Early);
        }
        if s.cancelled_at.is_some_and(|cancelled| cancelled < entry.paid_at) {
            return Some(Closed::Cancelled);
        }
        let expires = if tally.part_paid { self.later(s.expires_at, self.rules.topup_time) } else { s.expires_at };
        if self.later(expires, self.rules.expiry_grace) < entry.paid_at {
            return Some(Closed::Late);
        }
        (tally.received >= self.least(s)).then_some(Closed::Paid)
    }

    fn later(&self, time: Time, by: TimeDelta) -> Time {
        time.checked_add_signed(by).unwrap_or(time)
    }

    /// From here on a session has its amount and takes no more.
    fn least(&self, session: &Session) -> Units {
        session.amount.saturating_sub(self.group.token.tolerance_for(session.amount))
    }

    fn due(&self, session: usize) -> Units {
        self.session(session).map_or(Units::ZERO, |s| s.amount.saturating_sub(self.tally(session).received))
    }

    fn pay(&mut self, index: usize, entry: &Entry, session: usize) {
        self.receive(session, entry.units);
        self.assign(index, entry, session, entry.verified);
    }

    fn receive(&mut self, session: usize, units: Units) {
        let least = self.session(session).map(|s| self.least(s));
        if let (Some(tally), Some(least)) = (self.tallies.get_mut(session), least) {
            tally.received = tally.received.saturating_add(units);
            tally.part_paid |= tally.received < least;
        }
    }

    fn assign(&mut self, index: usize, entry: &Entry, session: usize, confirmed: bool) {
        if let (Some(slot), Some(session)) = (self.verdicts.get_mut(index), self.group.sessions.get(session)) {
            let assignment = Assignment::Session(session.id.clone());
            *slot = Some(Verdict { id: entry.id, assignment, confirmed, by_age: false });
        }
    }

    fn leave(&mut self, index: usize, entry: &Entry, reason: Unmatched) {
        if let Some(slot) = self.verdicts.get_mut(index) {
            let assignment = Assignment::None(reason);
            *slot = Some(Verdict { id: entry.id, assignment, confirmed: entry.verified, by_age: false });
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
