//! Derive, don't mutate: reads the destinations that something happened at, asks [`super::matching`], and writes the
//! difference. Both looks, a rewind and a rescan end here, inside their own unit of work (I4, I6).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::matching::{self, Entry, Group, Named, Neighbour, Standing, Verdict};
use super::outcome::{self, Sums};
use super::{Effects, Rules, admission, span};
use crate::domain::{
    Address, Assignment, BlockNumber, LogId, Session, SessionId, SessionStatus, Time, Token, Units, Unmatched,
};
use crate::settings::Network;
use crate::store::{
    self, Destination, GroupRow, SessionRow, SessionWrite, StoredTransfer, TransferVerdict, Transition, Unit,
};

/// What a derivation needs besides the rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting<'a> {
    /// The network's configuration.
    pub(super) network: &'a Network,
    /// The rules of matching.
    pub(super) rules: &'a Rules,
    /// The cursor that a reorganisation takes back, in its own unit: what a session that loses its money remembers.
    pub(super) left: Option<BlockNumber>,
    /// What is above this is not deep enough on the chain that this unit commits, even if it was looked at twice.
    pub(super) deep: Option<BlockNumber>,
    /// A session that a person took money from: it is derived too, however long ago it was open.
    pub(super) also: &'a [SessionId],
    /// The database's clock, for latencies.
    pub(super) now: Time,
}

/// Derives these destinations again and writes what changed. One whose session row is held by another transaction is
/// put aside for a later step; returns those.
pub(super) async fn derive(
    unit: &mut Unit,
    setting: Setting<'_>,
    destinations: BTreeSet<Destination>,
    effects: &mut Effects,
) -> Result<Vec<Destination>, store::Error> {
    let mut destinations: Vec<Destination> = destinations.into_iter().collect();
    if destinations.is_empty() {
        return Ok(destinations);
    }
    let slug = &setting.network.slug;
    let oldest = unit.oldest_open_transfer(slug, &destinations).await?.unwrap_or(setting.now);
    let reach = setting.rules.reuse_after.checked_add(&setting.rules.expiry_grace).unwrap_or(setting.rules.reuse_after);
    let horizon = oldest.checked_sub_signed(reach).unwrap_or(oldest);
    let rows = unit.lock_sessions(slug, &destinations, horizon, setting.also).await?;
    let around = unit.sessions_around(slug, &destinations, horizon, setting.also).await?;
    let held = held(&destinations, &rows, &around);
    if !held.is_empty() {
        unit.defer(slug, &held).await?;
        destinations.retain(|destination| !held.contains(destination));
    }
    // Only now: whoever holds a session that is to be paid again is not waited for.
    unit.restore_settled(slug, &destinations).await?;
    let facts = unit.address_facts(slug, &destinations).await?;
    let ids: Vec<SessionId> = rows.iter().map(|row| row.id.clone()).collect();
    let transfers = unit.transfers_at(slug, &destinations, &ids).await?;

    let former = unit.former_tokens(slug, &unconfigured(setting.network, &destinations)).await?;
    let tokens: BTreeMap<Address, &Token> =
        setting.network.tokens.iter().chain(&former).map(|token| (token.address, token)).collect();

    let mut known = Known::new(setting, &tokens, &rows, &around, &transfers);
    let mut verdicts = Vec::new();
    let mut writes = Vec::new();
    let mut due = Vec::new();
    for fact in facts {
        let Some(token) = tokens.get(&fact.destination.token) else { continue };
        let place = known.place(token, fact);
        place.settle(setting, &mut verdicts, &mut writes, &mut due, effects);
    }
    if !verdicts.is_empty() {
        unit.write_verdicts(slug, &verdicts).await?;
    }
    if !writes.is_empty() {
        unit.write_sessions(&writes).await?;
    }
    if !due.is_empty() {
        unit.claim_due(&due).await?;
    }
    Ok(held)
}

/// Tokens that were followed once and are configured no more: a reorganisation still takes their transfers.
fn unconfigured(network: &Network, destinations: &[Destination]) -> Vec<Address> {
    let tokens: BTreeSet<Address> = destinations.iter().map(|destination| destination.token).collect();
    tokens.into_iter().filter(|address| !network.tokens.iter().any(|token| token.address == *address)).collect()
}

/// Destinations with a session that exists and could not be locked.
fn held(destinations: &[Destination], rows: &[SessionRow], around: &[GroupRow]) -> Vec<Destination> {
    let locked: BTreeSet<&SessionId> = rows.iter().map(|row| &row.id).collect();
    let free = around.iter().filter(|row| !locked.contains(&row.id));
    let free: BTreeSet<Destination> =
        free.filter_map(|row| Some(Destination { token: row.token.parse().ok()?, to: row.to })).collect();
    destinations.iter().filter(|destination| free.contains(*destination)).copied().collect()
}

/// What was read, by where it belongs.
struct Known<'a> {
    sessions: BTreeMap<Destination, Vec<(Session, &'a SessionRow)>>,
    /// Sessions that take no money with this configuration, and may have had some with an earlier one.
    unusable: BTreeMap<Destination, Vec<(Session, &'a SessionRow)>>,
    neighbours: BTreeMap<Address, Vec<Neighbour>>,
    transfers: BTreeMap<Destination, Vec<&'a StoredTransfer>>,
    deep: Option<BlockNumber>,
}

impl<'a> Known<'a> {
    fn new(
        setting: Setting<'_>,
        tokens: &BTreeMap<Address, &Token>,
        rows: &'a [SessionRow],
        around: &[GroupRow],
        transfers: &'a [StoredTransfer],
    ) -> Known<'a> {
        let mut known = Known {
            sessions: BTreeMap::new(),
            unusable: BTreeMap::new(),
            neighbours: BTreeMap::new(),
            transfers: BTreeMap::new(),
            deep: setting.deep,
        };
        for row in rows {
            match admission::admit(row, setting.network) {
                Ok(session) => known.sessions.entry(row.destination).or_default().push((session, row)),
                Err(_) => {
                    let token = tokens.get(&row.destination.token);
                    let retired = token.and_then(|token| admission::retired(row, token)).map(|session| (session, row));
                    known.unusable.entry(row.destination).or_default().extend(retired);
                }
            }
        }
        for row in around {
            let neighbour = Neighbour { id: row.id.clone(), begins_at: row.begins_at, expires_at: row.expires_at };
            known.neighbours.entry(row.to).or_default().push(neighbour);
        }
        for transfer in transfers {
            known.transfers.entry(transfer.destination).or_default().push(transfer);
        }
        known
    }

    fn place<'t>(&mut self, token: &'t Token, fact: store::AddressFacts) -> Place<'t, 'a> {
        let destination = fact.destination;
        let (sessions, rows): (Vec<Session>, Vec<&SessionRow>) =
            self.sessions.remove(&destination).unwrap_or_default().into_iter().unzip();
        let named = match (sessions.is_empty(), fact.same_token, fact.same_network) {
            (false, _, _) => Named::Usable,
            (true, true, _) if self.unusable.contains_key(&destination) => Named::Unusable,
            (true, true, _) => Named::Usable,
            (true, false, true) => Named::OtherToken,
            (true, false, false) => Named::OtherNetwork,
        };
        let stored = self.transfers.remove(&destination).unwrap_or_default();
        let group = Group {
            token,
            neighbours: self.neighbours.get(&destination.to).cloned().unwrap_or_default(),
            named,
            transfers: stored.iter().map(|transfer| entry(transfer, self.deep)).collect(),
            sessions,
        };
        let retired = self.unusable.remove(&destination).unwrap_or_default();
        Place { group, rows, retired, stored }
    }
}

/// One destination with everything that is known of it; rows stand in the order of the group's sessions.
struct Place<'t, 'a> {
    group: Group<'t>,
    rows: Vec<&'a SessionRow>,
    retired: Vec<(Session, &'a SessionRow)>,
    stored: Vec<&'a StoredTransfer>,
}

impl<'a> Place<'_, 'a> {
    fn settle(
        &self,
        setting: Setting<'_>,
        verdicts: &mut Vec<TransferVerdict>,
        writes: &mut Vec<SessionWrite>,
        due: &mut Vec<(SessionId, String)>,
        effects: &mut Effects,
    ) {
        let derived = matching::derive(&self.group, setting.rules);
        let by_id: HashMap<LogId, &StoredTransfer> = self.stored.iter().map(|stored| (stored.id, *stored)).collect();
        for verdict in &derived {
            if let Some(stored) = by_id.get(&verdict.id) {
                self.note(setting, verdict, stored, verdicts, effects);
            }
        }
        let paid = self.paid(&derived);
        let retired = self.retired.iter().map(|(session, row)| (session, row));
        for (session, row) in self.group.sessions.iter().zip(&self.rows).chain(retired) {
            let paid = paid.get(&session.id).map_or(&[][..], Vec::as_slice);
            let write = self.judge(setting, session, row, paid);
            if differs(&write, row) {
                effects
                    .session(Transition { id: row.id.clone(), from: row.status, to: write.status }, self.group.token);
                let rest = session.amount.saturating_sub(sum(paid.iter().map(|p| p.units)));
                if !write.closed && write.received != "0" && !rest.is_zero() {
                    due.push((row.id.clone(), rest.to_decimal(self.group.token.decimals)));
                }
                writes.push(write);
            }
        }
    }

    /// Remembers a verdict that differs from what is stored.
    fn note(
        &self,
        setting: Setting<'_>,
        verdict: &Verdict,
        stored: &StoredTransfer,
        verdicts: &mut Vec<TransferVerdict>,
        effects: &mut Effects,
    ) {
        let same = match &verdict.assignment {
            Assignment::Session(id) => stored.session.as_ref() == Some(id),
            Assignment::None(reason) => stored.session.is_none() && stored.reason == Some(*reason),
        };
        if same && verdict.confirmed == stored.confirmed_at.is_some() {
            return;
        }
        let fresh = stored.session.is_none() && stored.reason.is_none();
        effects.verdict(setting.now, self.group.token, stored, verdict, fresh);
        verdicts.push(TransferVerdict {
            id: verdict.id,
            assignment: verdict.assignment.clone(),
            confirmed: verdict.confirmed,
        });
    }

    /// The canonical transfers of each session, in chain order.
    fn paid<'s>(&'s self, derived: &'s [Verdict]) -> HashMap<&'s SessionId, Vec<Paid<'a>>> {
        let mut paid: HashMap<&SessionId, Vec<Paid<'a>>> = HashMap::new();
        for (entry, stored) in self.group.transfers.iter().zip(&self.stored) {
            match &entry.standing {
                // Of what is not confirmed there is a verdict.
                Standing::Pays(id) if entry.confirmed_at.is_some() => {
                    paid.entry(id).or_default().push(Paid { stored, units: entry.units, confirmed: true });
                }
                Standing::Pays(_) | Standing::Open | Standing::Settled(_) => {}
            }
        }
        let by_id: HashMap<LogId, &'a StoredTransfer> = self.stored.iter().map(|stored| (stored.id, *stored)).collect();
        for verdict in derived {
            match (&verdict.assignment, by_id.get(&verdict.id)) {
                (Assignment::Session(id), Some(stored)) => {
                    let told = Paid { stored, units: stored.units, confirmed: verdict.confirmed };
                    paid.entry(id).or_default().push(told);
                }
                (Assignment::Session(_) | Assignment::None(_), _) => {}
            }
        }
        for transfers in paid.values_mut() {
            transfers.sort_by_key(|paid| (paid.stored.number, paid.stored.id.log_index));
        }
        paid
    }

    fn judge(&self, setting: Setting<'_>, session: &Session, row: &SessionRow, paid: &[Paid<'_>]) -> SessionWrite {
        let token = self.group.token;
        let sums = Sums {
            received: sum(paid.iter().map(|p| p.units)),
            confirmed: sum(paid.iter().filter(|p| p.confirmed).map(|p| p.units)),
            any: !paid.is_empty(),
            all_confirmed: paid.iter().all(|p| p.confirmed),
        };
        let status = outcome::status(session.amount, session.tolerance, sums, row.status);
        let part_paid = matching::is_topped_up(session, paid.iter().map(|p| p.units));
        let topup =
            if part_paid { setting.rules.topup_time.to_std().unwrap_or_default() } else { std::time::Duration::ZERO };
        let newest = paid.last();
        let closed = match status {
            SessionStatus::Confirmed | SessionStatus::Overpaid | SessionStatus::Expired => true,
            SessionStatus::Underpaid => row.closed && row.status == SessionStatus::Underpaid,
            SessionStatus::Created | SessionStatus::Pending => false,
        };
        let lost_at = match (sums.any, row.tx_id.is_some()) {
            (true, _) => None,
            (false, true) => setting.left,
            (false, false) => row.lost_at,
        };
        SessionWrite {
            id: row.id.clone(),
            status,
            tolerance: (sums.any || row.tolerance.is_some()).then(|| session.tolerance.to_decimal(token.decimals)),
            received: sums.received.to_decimal(token.decimals),
            confirmed: sums.confirmed.to_decimal(token.decimals),
            tx_id: newest.map(|p| format!("{:#x}", p.stored.tx_hash)),
            expires_at: session.expires_at.checked_add_signed(span(topup)).unwrap_or(session.expires_at),
            topup,
            closed,
            lost_at,
        }
    }
}

struct Paid<'a> {
    stored: &'a StoredTransfer,
    units: Units,
    confirmed: bool,
}

fn entry(stored: &StoredTransfer, deep: Option<BlockNumber>) -> Entry {
    let standing = match (&stored.session, stored.settled || stored.confirmed_at.is_some()) {
        (Some(session), true) => Standing::Pays(session.clone()),
        (None, true) if stored.settled || stored.reason != Some(Unmatched::Ambiguous) => {
            Standing::Settled(stored.reason)
        }
        (_, _) => Standing::Open,
    };
    Entry {
        id: stored.id,
        from: stored.from,
        to: stored.destination.to,
        units: stored.units,
        paid_at: stored.paid_at,
        seen_at: stored.seen_at,
        standing,
        had: stored.had.clone(),
        verified: stored.confirmed_at.is_some() || stored.verified && deep.is_some_and(|deep| stored.number <= deep),
        confirmed_at: stored.confirmed_at,
    }
}

fn sum(units: impl Iterator<Item = Units>) -> Units {
    units.fold(Units::ZERO, Units::saturating_add)
}

fn differs(write: &SessionWrite, row: &SessionRow) -> bool {
    write.status != row.status
        || write.tolerance != row.tolerance
        || write.received != row.received
        || write.confirmed != row.confirmed
        || write.tx_id != row.tx_id
        || write.topup != row.topup
        || write.closed != row.closed
        || write.lost_at != row.lost_at
}
