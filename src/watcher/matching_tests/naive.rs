//! The rules once more, as README tells them, as slowly and plainly as can be: every question is answered from the list
//! of payments so far. Shares nothing with `matching.rs` but its inputs. Nothing stands and all is verified.

use super::*;

struct Naive<'a> {
    world: &'a World,
    /// (transfer, session), in the order of giving.
    given: Vec<(usize, usize)>,
}

pub(super) fn judge(world: &World) -> Vec<String> {
    let mut naive = Naive { world, given: Vec::new() };
    let mut words: Vec<&str> = Vec::new();
    for transfer in 0..world.transfers.len() {
        let word = naive.look_at(transfer, &words);
        words.push(word);
    }
    let name = |transfer: usize| {
        let session = naive.given.iter().find(|given| given.0 == transfer).map(|given| given.1);
        let units = world.transfers[transfer].units;
        let meant = naive.candidates(transfer).into_iter().any(|s| world.sessions[s].amount == units);
        let nobody_left = words[transfer] == "ambiguous" && !meant && naive.exact(transfer).is_empty();
        let word = if nobody_left { naive.why(transfer).unwrap_or("amount_mismatch") } else { words[transfer] };
        session.map_or(word.to_owned(), |session| world.sessions[session].id.0.clone())
    };
    (0..words.len()).map(name).collect()
}

impl Naive<'_> {
    fn look_at(&mut self, transfer: usize, words: &[&str]) -> &'static str {
        let t = &self.world.transfers[transfer];
        let never = [
            (t.units == units(0), "zero"),
            (t.from == t.to, "self_transfer"),
            (self.world.rules.own_addresses.contains(&t.from), "internal"),
            (self.world.named == Named::OtherToken, "wrong_token"),
            (self.world.named == Named::OtherNetwork, "wrong_network"),
            (self.world.named == Named::Unusable, "invalid_session"),
        ];
        if let Some((_, word)) = never.into_iter().find(|(applies, _)| *applies) {
            return word;
        }
        let hold = self.world.rules.ambiguous == Ambiguous::Hold;
        let exact = self.exact(transfer);
        let candidates = self.candidates(transfer);
        if let Some(&had) = candidates.iter().find(|&&s| t.had.as_ref() == Some(&self.world.sessions[s].id))
            && (!hold || exact.len() < 2 || !exact.contains(&had))
        {
            self.given.push((transfer, had));
            return "paid";
        }
        if exact.len() == 1 || (exact.len() > 1 && !hold) {
            self.given.push((transfer, exact[0]));
            return "paid";
        }
        if exact.len() > 1 {
            self.release(transfer, &exact, words);
            return "ambiguous";
        }
        if let [only] = candidates[..]
            && self.exclusive(only, transfer)
        {
            let asked = self.world.sessions[only].amount.0.to::<i128>();
            let (due, paid) = (asked - self.sum(only), t.units.0.to::<i128>());
            let parts = self.world.rules.partial_payments == PartialPayments::Exclusive;
            let enough = paid * 1_000_000 >= asked * i128::from(self.world.token.min_partial.0);
            if (paid <= due && paid >= due - self.tolerance(only)) || (parts && enough) {
                self.given.push((transfer, only));
                return "paid";
            }
            return self.why(transfer).unwrap_or(if parts { "dust" } else { "amount_mismatch" });
        }
        self.why(transfer).unwrap_or("amount_mismatch")
    }

    fn release(&mut self, transfer: usize, exact: &[usize], words: &[&str]) {
        let transfers = &self.world.transfers;
        let mut group: Vec<usize> = Vec::new();
        for other in 0..=transfer {
            let waits = other == transfer || (words[other] == "ambiguous" && !self.given.iter().any(|g| g.0 == other));
            let new = group.iter().all(|&g| transfers[g].from != transfers[other].from);
            if waits && new && self.exact(other) == exact {
                group.push(other);
            }
        }
        if group.len() >= exact.len() {
            self.given.extend(group.into_iter().zip(exact.iter().copied()));
        }
    }

    fn sum(&self, session: usize) -> i128 {
        let paid = self.given.iter().filter(|given| given.1 == session);
        paid.map(|given| self.world.transfers[given.0].units.0.to::<i128>()).sum()
    }

    fn tolerance(&self, session: usize) -> i128 {
        let asked = self.world.sessions[session].amount.0.to::<i128>();
        self.world.token.tolerance.0.to::<i128>().min(asked / 100)
    }

    fn is_paid(&self, session: usize) -> bool {
        self.sum(session) >= self.world.sessions[session].amount.0.to::<i128>() - self.tolerance(session)
    }

    /// It had a part at some time: some number of its first payments is less than its amount.
    fn was_part_paid(&self, session: usize) -> bool {
        let first = self.given.iter().find(|given| given.1 == session);
        first.is_some_and(|&given| {
            let alone = Naive { world: self.world, given: vec![given] };
            !alone.is_paid(session)
        })
    }

    fn closed(&self, session: usize, transfer: usize) -> Option<&'static str> {
        let (s, t, rules) = (&self.world.sessions[session], &self.world.transfers[transfer], &self.world.rules);
        let (paid, second) = (t.paid_at.timestamp(), |time: Time| time.timestamp());
        let topup = if self.was_part_paid(session) { rules.topup_time.num_seconds() } else { 0 };
        if paid < second(s.begins_at) - rules.clock_skew.num_seconds() || second(t.seen_at) < second(s.accepted_at) {
            Some("early")
        } else if s.cancelled_at.is_some_and(|cancelled| paid > second(cancelled)) {
            Some("cancelled")
        } else if paid > second(s.expires_at) + topup + rules.expiry_grace.num_seconds() {
            Some("late")
        } else {
            self.is_paid(session).then_some("already_paid")
        }
    }

    fn candidates(&self, transfer: usize) -> Vec<usize> {
        (0..self.world.sessions.len()).filter(|&s| self.closed(s, transfer).is_none()).collect()
    }

    fn exact(&self, transfer: usize) -> Vec<usize> {
        let mut all = self.candidates(transfer);
        let paid = self.world.transfers[transfer].units.0.to::<i128>();
        all.retain(|&s| self.world.sessions[s].amount.0.to::<i128>() - self.sum(s) == paid);
        if all.iter().any(|&s| self.sum(s) == 0) {
            all.retain(|&s| self.sum(s) == 0);
        }
        all.sort_by(|&x, &y| {
            let (x, y) = (&self.world.sessions[x], &self.world.sessions[y]);
            x.accepted_at.cmp(&y.accepted_at).then_with(|| x.id.0.cmp(&y.id.0))
        });
        all
    }

    fn exclusive(&self, session: usize, transfer: usize) -> bool {
        let rules = &self.world.rules;
        let paid = self.world.transfers[transfer].paid_at.timestamp();
        self.world.neighbours().iter().filter(|other| other.id != self.world.sessions[session].id).all(|other| {
            let (begun, ended) = (other.begins_at.timestamp(), other.expires_at.timestamp());
            let ended = begun.max(ended + rules.expiry_grace.num_seconds());
            begun > paid + rules.clock_skew.num_seconds() || ended < paid - rules.reuse_after.num_seconds()
        })
    }

    /// Why sessions are closed to it: those of just its amount first, else all, if none is open.
    fn why(&self, transfer: usize) -> Option<&'static str> {
        let all = 0..self.world.sessions.len();
        let meant = |&s: &usize| self.world.sessions[s].amount == self.world.transfers[transfer].units;
        let order = ["early", "cancelled", "late", "already_paid"];
        let first = |words: Vec<&str>| order.into_iter().find(|word| words.contains(word));
        let of_amount = all.clone().filter(meant).filter_map(|s| self.closed(s, transfer)).collect();
        let any: Vec<Option<&str>> = all.map(|s| self.closed(s, transfer)).collect();
        let of_all = if any.contains(&None) { None } else { first(any.into_iter().flatten().collect()) };
        first(of_amount).or(of_all).or_else(|| self.world.sessions.is_empty().then_some("late"))
    }
}
