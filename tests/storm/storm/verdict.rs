//! The end of a seed: what is stored against the final chain and the oracle, the books, and the events.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use alloy::primitives::{Address, B256, U256};
use deposit_watcher::domain::Finality;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::oracle::{Claim, Money, Oracle, When};
use super::seed::Seed;
use crate::scripted::transfer_topic;

/// A row of `transfers`.
#[derive(Debug, Clone)]
struct Stored {
    block: B256,
    index: u64,
    tx: B256,
    token: Address,
    from: Address,
    to: Address,
    units: U256,
    state: String,
    owner: Option<String>,
    reason: Option<String>,
    had: Option<String>,
    settled: Option<String>,
    block_time: When,
    paid_at: When,
    seen_at: When,
    confirmed_at: Option<When>,
}

fn stored(row: &PgRow) -> Stored {
    let parsed = |column: &str| row.get::<String, _>(column);
    Stored {
        block: parsed("block_hash").parse().unwrap(),
        index: row.get::<i64, _>("log_index").unsigned_abs(),
        tx: parsed("tx_hash").parse().unwrap(),
        token: parsed("token_address").parse().unwrap(),
        from: parsed("from_address").parse().unwrap(),
        to: parsed("to_address").parse().unwrap(),
        units: U256::from_str_radix(&parsed("units"), 10).unwrap(),
        state: parsed("state"),
        owner: row.get("session_id"),
        reason: row.get("reason"),
        had: row.get("had_session"),
        settled: row.get("settled"),
        block_time: row.get("block_time"),
        paid_at: row.get("paid_at"),
        seen_at: row.get("seen_at"),
        confirmed_at: row.get("confirmed_at"),
    }
}

impl Stored {
    fn is_twin(&self, other: &Stored) -> bool {
        let key = |s: &Stored| (s.tx, s.token, s.from, s.to, s.units);
        key(self) == key(other)
    }
}

/// Address, base units with their sign, session and time of money that was confirmed, taken back and did not return.
type Reverted = (String, String, String, When);

impl Seed {
    pub(crate) async fn verdict(&mut self) {
        let rows =
            sqlx::query("SELECT *, amount_units::text AS units FROM transfers").fetch_all(&self.rig.outside).await;
        let rows: Vec<Stored> = rows.unwrap().iter().map(stored).collect();
        let reverted: Vec<Reverted> = sqlx::query_as(
            "SELECT to_address, units::text, session_id, booked_at FROM ledger l WHERE kind = 'revert' AND session_id IS NOT NULL
                AND NOT EXISTS (SELECT FROM transfers t WHERE t.tx_hash = l.tx_hash AND t.session_id = l.session_id
                                                          AND t.state = 'CONFIRMED')",
        )
        .fetch_all(&self.rig.outside)
        .await
        .unwrap();
        let chain = self.compare_with_the_chain(&rows, &reverted);
        let told: Vec<(String, String)> = sqlx::query_as(
            "SELECT DISTINCT session_id, tx_hash FROM events WHERE session_id IS NOT NULL AND tx_hash IS NOT NULL",
        )
        .fetch_all(&self.rig.outside)
        .await
        .unwrap();
        self.compare_pasts(&rows, &told);
        let touched = self.judge_the_person().await;
        let (beside, chain): (Vec<Money>, Vec<Money>) =
            chain.into_iter().partition(|money| touched.contains(&money.to));
        for money in &beside {
            let row = rows.iter().find(|row| (row.block, row.index) == (money.block, money.index)).unwrap();
            self.judge_beside_the_person(money, row.owner.as_deref().filter(|_| row.settled.is_none()));
        }
        self.compare_with_the_oracle(&chain, &rows, &touched).await;
        self.compare_blocks().await;
        self.follow_events(&touched).await;
        self.rig.assert_books().await;
    }

    /// Each transfer of the final chain to a watched address is canonical exactly once, confirmed, and just as mined; and
    /// nothing else is. Returns them in chain order. One that was mined before any session named its address need not
    /// be there.
    fn compare_with_the_chain(&self, rows: &[Stored], reverted: &[Reverted]) -> Vec<Money> {
        let canonical: HashMap<(B256, u64), &Stored> =
            rows.iter().filter(|row| row.state != "ORPHANED").map(|row| ((row.block, row.index), row)).collect();
        let mut money = Vec::new();
        for block in self.rig.world.canonical() {
            for (index, (tx, log)) in block.logs().enumerate() {
                let followed = self.rig.rules.network.tokens.iter().any(|token| token.address == log.address);
                let well_formed = log.topics.len() == 3 && log.topics[0] == transfer_topic() && log.data.len() == 32;
                if !followed || !well_formed {
                    continue;
                }
                let to = Address::from_word(log.topics[2]);
                let Some(row) = canonical.get(&(block.hash, index as u64)) else {
                    let born = self.births[&block.hash];
                    let named = self.claims.iter().any(|c| c.to == Some(to) && c.turn < born);
                    assert!(!named, "log {index} of block {} to {to} is not stored", block.number);
                    continue;
                };
                let units = U256::from_be_slice(&log.data);
                assert_eq!(
                    (row.tx, row.token, row.from, row.to, row.units, row.block_time.timestamp().unsigned_abs()),
                    (tx.hash, log.address, Address::from_word(log.topics[1]), to, units, block.time)
                );
                assert_eq!(row.state, "CONFIRMED", "log {index} of block {}: {row:?}", block.number);
                // What was confirmed only after the other half was gone did not stand by it.
                let other_half = |(at, lost, session, when): &&Reverted| {
                    *at == format!("{to:#x}")
                        && *lost == format!("-{units}")
                        && row.owner.as_ref() != Some(session)
                        && row.confirmed_at.is_some_and(|confirmed| confirmed < *when)
                };
                money.push(Money {
                    stood: row.owner.clone().filter(|_| reverted.iter().any(|line| other_half(&line))),
                    block: block.hash,
                    index: index as u64,
                    tx: row.tx,
                    token: row.token,
                    from: row.from,
                    to,
                    units,
                    paid_at: row.paid_at,
                    seen_at: row.seen_at,
                    confirmed_at: row.confirmed_at.unwrap(),
                    had: row.had.clone(),
                });
            }
        }
        assert_eq!(money.len(), canonical.len(), "a canonical transfer that the chain does not have");
        money
    }

    /// What is remembered of a transfer's past is what its other rows say, or, where it came back in its own block, what
    /// was `told` of it: session and transaction.
    fn compare_pasts(&mut self, rows: &[Stored], told: &[(String, String)]) {
        for row in rows.iter().filter(|row| row.state != "ORPHANED") {
            let twins: Vec<&Stored> =
                rows.iter().filter(|other| other.state == "ORPHANED" && row.is_twin(other)).collect();
            let first_seen = twins.iter().map(|twin| twin.seen_at).chain([row.seen_at]).min();
            assert_eq!(Some(row.seen_at), first_seen, "first stored earlier: {row:?}");
            let first_mined = twins.iter().map(|twin| twin.block_time).chain([row.block_time]).min();
            assert_eq!(Some(row.paid_at), first_mined, "first mined at another time: {row:?} after {twins:?}");
            if let Some(had) = &row.had {
                self.hit("remembered its session");
                let known = twins.iter().any(|twin| twin.owner.as_ref() == Some(had))
                    || row.owner.as_ref() == Some(had)
                    || told.contains(&(had.clone(), format!("{:#x}", row.tx)));
                assert!(known || twins.is_empty(), "had {had}, of which no row tells: {row:?} after {twins:?}");
            }
        }
    }

    async fn compare_with_the_oracle(&mut self, chain: &[Money], rows: &[Stored], touched: &BTreeSet<Address>) {
        let claims = self.claims.clone();
        let rules = self.rig.rules.clone();
        let oracle = Oracle::judge(&rules, &claims, chain);
        for (money, expected) in chain.iter().zip(&oracle.owners) {
            let row = rows.iter().find(|row| (row.block, row.index) == (money.block, money.index)).unwrap();
            let found = row.owner.clone().ok_or(row.reason.as_deref().unwrap_or("nobody"));
            assert_eq!(
                found.as_ref().map_err(|reason| *reason),
                expected.as_ref().map_err(|reason| *reason),
                "whose it is: stored left, oracle right\n{}\n{row:#?}\n{:#?}\n{:#?}",
                neighbourhood(money, chain, &oracle.owners, rows),
                rows.iter().filter(|other| other.state == "ORPHANED" && row.is_twin(other)).collect::<Vec<_>>(),
                claims.iter().filter(|claim| claim.to == Some(money.to)).collect::<Vec<_>>()
            );
            self.hit(&match expected {
                Ok(_) => "owner: a session".to_owned(),
                Err(reason) => format!("reason: {reason}"),
            });
        }
        let row = |money: &Money| rows.iter().find(|row| (row.block, row.index) == (money.block, money.index)).unwrap();
        let owned: Vec<_> = chain.iter().map(|money| (money, row(money).owner.clone())).collect();
        let held = chain.iter().filter(|money| row(money).reason.as_deref() == Some("ambiguous"));
        self.ambiguous = held.map(|money| (money.block, money.index)).collect();
        self.judge_the_thief(&owned);
        let chain_time = self.rig.world.head().time;
        for claim in &claims {
            let beside = claim.to.is_some_and(|to| touched.contains(&to));
            self.compare_session(&oracle, claim, chain_time, beside).await;
        }
    }

    async fn compare_session(&mut self, oracle: &Oracle<'_>, claim: &Claim, chain_time: When, beside: bool) {
        let row = sqlx::query(
            "SELECT *, trim_scale(received_amount)::text AS received, confirmed_amount = received_amount AS all_confirmed,
                    EXISTS (SELECT FROM events e WHERE e.session_id = s.id AND (e.data ->> 'receivedAmount')::numeric > 0) AS ever_paid
               FROM deposit_sessions s WHERE id = $1",
        )
        .bind(&claim.id)
        .fetch_one(&self.rig.outside)
        .await
        .unwrap();
        let (status, received): (String, String) = (row.get("payment_status"), row.get("received"));
        self.hit(&format!("ends {status}"));
        assert!(row.get::<bool, _>("all_confirmed"), "{} has money that is not confirmed", claim.id);
        if claim.usable.is_none() {
            assert_eq!(
                (received.as_str(), row.get::<Option<String>, _>("tx_id")),
                ("0", None),
                "{} is unusable",
                claim.id
            );
            return;
        }
        if beside {
            return;
        }
        if oracle.was_tied(claim) {
            self.hit("tie released");
        }
        let shown = oracle.shows(claim, chain_time, row.get("ever_paid"));
        let decimals = if claim.token == crate::scripted::TOKEN { 6 } else { 18 };
        let expected = (
            shown.status.to_owned(),
            deposit_watcher::domain::Units(shown.received).to_decimal(decimals),
            shown.tx.map(|tx| format!("{tx:#x}")),
            shown.closed,
            matches!(shown.status, "CONFIRMED" | "OVERPAID"),
        );
        let found = (
            status,
            received,
            row.get::<Option<String>, _>("tx_id"),
            row.get::<Option<When>, _>("closed_at").is_some(),
            row.get::<Option<When>, _>("confirmed_at").is_some(),
        );
        assert_eq!(
            found, expected,
            "{}: stored left, oracle right (status, received, tx, closed, confirmed)",
            claim.id
        );
        if shown.topped_up {
            self.hit("topped up");
        }
        let topup = if shown.topped_up { self.rig.rules.sessions.topup_time } else { std::time::Duration::ZERO };
        let until = claim.expires_at + chrono::TimeDelta::from_std(topup).unwrap();
        assert_eq!(row.get::<When, _>("expires_at"), until, "{} ends at another time", claim.id);
    }

    /// The recorded canonical blocks are the final chain's, up to the head.
    async fn compare_blocks(&self) {
        let rows = sqlx::query("SELECT number, hash FROM blocks WHERE canonical ORDER BY number")
            .fetch_all(&self.rig.outside)
            .await
            .unwrap();
        for row in &rows {
            let number = row.get::<i64, _>("number").unsigned_abs();
            let hash = self.rig.world.block(number).map(|block| format!("{:#x}", block.hash));
            assert_eq!(Some(row.get::<String, _>("hash")), hash, "recorded block {number}");
        }
        let head = self.rig.world.head().block;
        assert_eq!(self.rig.cursor().await.0.unsigned_abs(), head.number.0);
    }

    /// The statuses told of a session are a path that a session can go, and nothing is believed before its depth.
    async fn follow_events(&mut self, touched: &BTreeSet<Address>) {
        let rows = sqlx::query(
            "SELECT session_id, type, data ->> 'status' AS status, (data ->> 'confirmations')::bigint AS depth FROM events
              WHERE session_id IS NOT NULL ORDER BY position",
        )
        .fetch_all(&self.rig.outside)
        .await
        .unwrap();
        let confirmations = match self.rig.rules.network.finality {
            Finality::Confirmations(confirmations) => confirmations,
            Finality::Safe | Finality::Finalized => 0,
        };
        let mut told: BTreeMap<String, String> = BTreeMap::new();
        for row in rows {
            let (id, status, kind): (String, String, String) = (row.get(0), row.get(2), row.get(1));
            let before = told.insert(id.clone(), status.clone());
            let path = format!("{} → {status}", before.as_deref().unwrap_or("nothing"));
            // While its row was held its money may have left and come back in another transaction.
            let claim = self.claims.iter().find(|claim| claim.id == id);
            let waited = claim.is_some_and(|claim| self.held_at.contains(&claim.to));
            let (old, new) = (before.as_deref(), status.as_str());
            let at_once = waited && (old == Some(new) || possible(old, "PENDING") && possible(Some("PENDING"), new));
            // A person gives and takes as he likes, what is confirmed already on a chain that is shorter now as well.
            let his = claim.and_then(|claim| claim.to).is_some_and(|to| touched.contains(&to));
            assert!(at_once || his || possible(old, new), "{id}: {path} ({kind})");
            if ["deposit.confirmed", "deposit.overpaid"].contains(&kind.as_str()) {
                // A destination that waited for a held row is derived later, maybe on a chain that a reorganisation made
                // shorter: it was deep enough when it was looked at twice.
                let depth: i64 = row.get(3);
                let deep = depth.unsigned_abs() >= confirmations;
                assert!(deep || waited || his, "{id}: {kind} at {depth} of {confirmations} confirmations");
            }
            if kind == "deposit.reverted" {
                self.hit("reverted");
            }
            self.hit(&path);
        }
    }
}

/// Whether a session may go from one status to another (or stay and tell of other money).
fn possible(before: Option<&str>, now: &str) -> bool {
    let next: &[&str] = match before {
        None => &["CREATED", "PENDING"],
        Some("CREATED") => &["PENDING", "EXPIRED", "CONFIRMED", "OVERPAID", "UNDERPAID"],
        Some("PENDING") => &["PENDING", "EXPIRED", "CONFIRMED", "OVERPAID", "UNDERPAID"],
        Some("EXPIRED") => &["PENDING", "CONFIRMED", "OVERPAID", "UNDERPAID"],
        Some("UNDERPAID") => &["UNDERPAID", "PENDING", "CONFIRMED", "OVERPAID"],
        Some("CONFIRMED") | Some("OVERPAID") => &["PENDING", "UNDERPAID"],
        Some(_) => &[],
    };
    next.contains(&now)
}

/// Every transfer to the same place, and whose it is by both.
fn neighbourhood(about: &Money, chain: &[Money], owners: &[super::oracle::Owner], rows: &[Stored]) -> String {
    let there = chain.iter().zip(owners).filter(|(money, _)| (money.to, money.token) == (about.to, about.token));
    let line = |(money, owner): (&Money, &super::oracle::Owner)| {
        let row = rows.iter().find(|row| (row.block, row.index) == (money.block, money.index));
        let found = row.map(|row| row.owner.clone().or(row.reason.clone()).unwrap_or_default()).unwrap_or_default();
        let tx = &format!("{:#x}", money.tx)[2..8];
        let (had, stood) = (&money.had, &money.stood);
        let (paid, seen, confirmed) = (money.paid_at, money.seen_at.time(), money.confirmed_at.time());
        let times = format!("paid {paid} seen {seen} confirmed {confirmed}");
        format!("{tx} {} {found} {owner:?} had {had:?} stood {stood:?} {times}", money.units)
    };
    there.map(line).collect::<Vec<_>>().join("\n")
}
