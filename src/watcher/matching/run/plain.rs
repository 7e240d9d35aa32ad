//! What a run asks of few, asked of everybody, as slowly and plainly as can be: the answers must be the same.

use std::collections::BTreeSet;

use super::*;

/// Derives, and compares the answers at each transfer.
pub(in crate::watcher) fn compare(group: &Group<'_>, rules: &Rules) {
    let mut run = Run::new(group, rules);
    for (index, entry) in group.transfers.iter().enumerate() {
        answers_agree(&run, entry);
        run.follow(index, entry);
        ties_agree(&run);
    }
    group.transfers.iter().for_each(|entry| answers_agree(&run, entry));
}

fn answers_agree(run: &Run<'_>, entry: &Entry) {
    let all = || run.payees.numbers();
    let open: Vec<usize> = all().filter(|session| run.closed(*session, entry).is_none()).collect();
    let found = run.open(entry);
    assert_eq!(found.len(), open.len().min(2));
    assert!(found.iter().all(|session| open.contains(session)));
    let unsure =
        |session: usize| run.payees.get(session).unwrap().is_unsure() && run.untimely(session, entry).is_none();
    assert_eq!(run.certain(entry), !all().any(unsure));
    for count in [Count::SoFar, Count::InAll] {
        assert_eq!(run.due_exactly(entry, count), due_exactly(run, entry, count));
    }
    assert_eq!(run.reason(&found, entry, Unmatched::AmountMismatch), reason(run, &open, entry));
    for session in &run.group.sessions {
        assert_eq!(run.is_exclusive(session, entry), is_exclusive(run, session, entry));
    }
}

fn due_exactly(run: &Run<'_>, entry: &Entry, count: Count) -> Vec<usize> {
    let due = |unpaid: bool| {
        let fits = |session: &usize| {
            let payee = run.payees.get(*session).unwrap();
            let paid = payee.paid(count);
            paid.is_zero() == unpaid
                && paid < payee.least
                && payee.session.amount.saturating_sub(paid) == entry.units
                && run.untimely(*session, entry).is_none()
        };
        run.payees.numbers().filter(fits).collect::<Vec<_>>()
    };
    let whole = due(true);
    if whole.is_empty() { due(false) } else { whole }
}

fn reason(run: &Run<'_>, open: &[usize], entry: &Entry) -> Unmatched {
    let closed = |session: usize| {
        let accepted_at = run.payees.get(session).unwrap().session.accepted_at;
        let came_after = entry.confirmed_at.is_some_and(|at| at < accepted_at);
        Some((came_after, run.closed(session, entry)?))
    };
    let is_meant = |session: &usize| run.payees.get(*session).unwrap().session.amount == entry.units;
    let meant = run.payees.numbers().filter(is_meant).filter_map(closed).min();
    match (meant, open, run.payees.numbers().filter_map(closed).min()) {
        (Some((false, closed)), _, _) | (_, [], Some((_, closed))) => closed.into(),
        (_, [], None) => Unmatched::Late,
        (_, _, _) => Unmatched::AmountMismatch,
    }
}

fn is_exclusive(run: &Run<'_>, session: &Session, entry: &Entry) -> bool {
    let earliest = entry.paid_at.checked_sub_signed(run.rules.reuse_after);
    let latest = later(entry.paid_at, run.rules.clock_skew);
    !run.group.neighbours.iter().any(|other| {
        let until = other.begins_at.max(later(other.expires_at, run.rules.expiry_grace));
        let recent = earliest.is_none_or(|earliest| until >= earliest);
        other.id != session.id && other.begins_at <= latest && recent
    })
}

/// What is kept of ties is what a look at all that is held finds.
fn ties_agree(run: &Run<'_>) {
    for (units, ties) in &run.ties {
        for (sessions, first) in ties {
            let mut senders = BTreeSet::new();
            let held = run.held.iter().map(|held| (*held, &run.group.transfers[*held]));
            let equals = held.filter(|(_, e)| e.units == *units && run.equal(e) == *sessions && senders.insert(e.from));
            assert_eq!(*first, equals.take(sessions.len()).collect::<Vec<_>>());
        }
    }
}
