//! A person in the storm, in every fourth seed: he settles money without an owner, rightly and wrongly, before it is
//! confirmed and after, asks twice, and changes his mind.
//!
//! What is asked of the end: whatever he decided and did not undo holds for its transfer, in whichever block it stands,
//! and for no other one; what he asked for is answered. Where he had a hand in it the oracle does not say what the rules
//! make of the rest, only that they gave no session what came out of its time. The books judge sums and statuses.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::Address;
use sqlx::Row;

use super::oracle::{Claim, Money};
use super::seed::Seed;

/// So many of the addresses are his business; at the others the oracle knows all.
const HIS: usize = 3;

/// What a transfer `t` is, wherever it stands.
const KEY: &str = "concat_ws(' ', t.tx_hash, t.token_address, t.from_address, t.to_address, t.amount_units)";

/// Decisions about transfers that are the same in all but their place.
type Held = BTreeMap<String, Vec<String>>;

impl Seed {
    /// One decision about some transfer.
    pub(crate) async fn decide(&mut self) {
        if self.dice.percent(8) {
            return self.open_and_pay_the_unusable().await;
        }
        let mut his: Vec<String> = self.addresses.iter().take(HIS).map(|to| format!("{to:#x}")).collect();
        his.extend(self.reserved.first().map(|to| format!("{to:#x}")));
        let rows = sqlx::query(
            "SELECT block_hash, log_index, to_address, session_id, settled, state FROM transfers WHERE to_address = ANY($1)
              ORDER BY block_number, log_index, block_hash",
        )
        .bind(&his)
        .fetch_all(&self.rig.outside)
        .await
        .unwrap();
        // Mostly what makes sense: what has no owner yet; sometimes anything.
        let open = |row: &&sqlx::postgres::PgRow| {
            let (session, settled): (Option<String>, Option<String>) = (row.get(3), row.get(4));
            row.get::<String, _>(5) != "ORPHANED" && session.is_none() && settled.is_none()
        };
        let settled = |row: &&sqlx::postgres::PgRow| row.get::<Option<String>, _>(4).is_some();
        let kind = *self.dice.pick(&["assign", "assign", "assign", "ignore", "refund", "release"]);
        let wild = self.dice.percent(15);
        let some: Vec<_> =
            rows.iter().filter(|row| wild || if kind == "release" { settled(row) } else { open(row) }).collect();
        if some.is_empty() {
            return;
        }
        // Mostly about what has just come, and may leave again.
        let newest = some.len().saturating_sub(if self.dice.percent(60) { 3 } else { some.len() });
        let row = *self.dice.pick(&some[newest..]);
        let (block, index, to): (String, i64, String) = (row.get(0), row.get(1), row.get(2));
        let claims: Vec<Claim> = self.claims.clone();
        let there: Vec<&Claim> =
            claims.iter().filter(|claim| wild || claim.to.is_some_and(|at| format!("{at:#x}") == to)).collect();
        let payee = (kind == "assign" && !there.is_empty()).then(|| self.dice.pick(&there).id.clone());
        if kind == "assign" && payee.as_ref().is_none_or(|id| self.is_held(id)) {
            return;
        }
        let refund = (kind == "refund").then(|| format!("0x{}", "5".repeat(64)));
        // Some press the button twice.
        for _ in 0..if self.dice.percent(25) { 2 } else { 1 } {
            let (id, about): (i64, String) = sqlx::query_as(sqlx::AssertSqlSafe(format!(
                "INSERT INTO settlements AS d (network, block_hash, log_index, kind, session_id, refund_tx, note, os_user)
                 SELECT network, block_hash, log_index, $3, $4, $5, 'in a storm', 'anna'
                   FROM transfers WHERE network = 'net' AND block_hash = $1 AND log_index = $2
              RETURNING id, {}",
                KEY.replace("t.", "d.")
            )))
            .bind(&block)
            .bind(index)
            .bind(kind)
            .bind(&payee)
            .bind(&refund)
            .fetch_one(&self.rig.outside)
            .await
            .unwrap();
            self.asked.insert(id, about);
        }
        self.say(format!("a person asks: {kind} {} log {index} to {to} {payee:?}", &block[..8]));
        self.hit("person: asks");
    }

    /// The end: see above. Returns the addresses at which he had a hand in it.
    pub(super) async fn judge_the_person(&mut self) -> BTreeSet<Address> {
        let waiting: i64 = self.count("SELECT count(*) FROM settlements WHERE outcome IS NULL").await;
        assert_eq!(waiting, 0, "what a person asked for is not answered");
        let decisions: Vec<(i64, String, String)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT d.id, {KEY}, concat_ws(' ', d.kind, d.session_id) FROM settlements d
               JOIN transfers t ON t.network = d.network AND t.block_hash = d.block_hash AND t.log_index = d.log_index
              WHERE d.outcome = 'done' AND d.kind <> 'release' AND NOT EXISTS (SELECT FROM settlements u WHERE u.undoes = d.id)"
        )))
        .fetch_all(&self.rig.outside)
        .await
        .unwrap();
        let mut decided = Held::new();
        for (id, key, what) in decisions {
            // What was invented, and in whose place another log stands, took the decision about it along.
            if self.asked[&id] == key {
                decided.entry(key).or_default().push(what);
            } else {
                self.hit("person: decided about what was invented");
            }
        }
        let found = self
            .held(format!(
                "SELECT {KEY}, concat_ws(' ', CASE settled WHEN 'assigned' THEN 'assign' WHEN 'ignored' THEN 'ignore' ELSE 'refund' END,
                        CASE settled WHEN 'assigned' THEN session_id END)
                   FROM transfers t WHERE settled IS NOT NULL AND state <> 'ORPHANED'"
            ))
            .await;
        let standing = self.held(format!("SELECT {KEY}, '' FROM transfers t WHERE state <> 'ORPHANED'")).await;
        for (key, found) in &found {
            let decided = decided.get(key).cloned().unwrap_or_default();
            let known = found.iter().all(|one| decided.contains(one)) && found.len() <= decided.len();
            assert!(known, "{key}: settled as {found:?}, a person decided {decided:?}");
        }
        for (key, decided) in &decided {
            let stand = standing.get(key).map_or(0, Vec::len);
            let held = found.get(key).map_or(0, Vec::len);
            assert_eq!(
                held,
                decided.len().min(stand),
                "{key}: decided {decided:?}, of {stand} that stand {held} are settled"
            );
        }
        for (what, sql) in [
            ("assigns", "kind = 'assign' AND outcome = 'done'"),
            ("ignores", "kind = 'ignore' AND outcome = 'done'"),
            ("refunds", "kind = 'refund' AND outcome = 'done'"),
            ("releases", "kind = 'release' AND outcome = 'done'"),
            ("is refused", "outcome = 'refused'"),
            ("asks for what is so already", "outcome = 'nothing'"),
            (
                "settles what is not confirmed yet",
                "outcome = 'done' AND EXISTS (SELECT FROM transfers t WHERE t.settlement = d.id AND t.confirmed_at > d.answered_at)",
            ),
            (
                "his decision came back with its transfer",
                "EXISTS (SELECT FROM transfers t WHERE t.settlement = d.id AND t.state <> 'ORPHANED' AND t.block_hash <> d.block_hash)",
            ),
        ] {
            let times = self.count(&format!("SELECT count(*) FROM settlements d WHERE {sql}")).await;
            (0..times).for_each(|_| self.hit(&format!("person: {what}")));
        }
        let touched = "SELECT DISTINCT t.to_address FROM settlements d
                         JOIN transfers t ON t.network = d.network AND t.block_hash = d.block_hash AND t.log_index = d.log_index
                        WHERE d.outcome = 'done'";
        let touched: Vec<String> = sqlx::query_scalar(touched).fetch_all(&self.rig.outside).await.unwrap();
        touched.iter().map(|to| to.parse().unwrap()).collect()
    }

    /// What the rules gave beside him came in time, to whom it was sent.
    pub(super) fn judge_beside_the_person(&self, money: &Money, owner: Option<&str>) {
        let Some(claim) = owner.and_then(|id| self.claims.iter().find(|claim| claim.id == id)) else { return };
        let rules = &self.rig.rules.sessions;
        let last = claim.expires_at + rules.topup_time + rules.expiry_grace;
        let right = claim.usable.is_some()
            && (claim.to, claim.token) == (Some(money.to), money.token)
            && money.paid_at >= claim.begins_at - rules.clock_skew
            && money.seen_at >= claim.accepted_at
            && money.paid_at <= last
            && claim.cancelled_at.is_none_or(|cancelled| money.paid_at <= cancelled);
        assert!(right, "the rules gave {money:?} to {claim:?}");
    }

    #[allow(clippy::disallowed_types, reason = "questions of a test")]
    async fn count(&self, sql: &str) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned())).fetch_one(&self.rig.outside).await.unwrap()
    }

    #[allow(clippy::disallowed_types, reason = "questions of a test")]
    async fn held(&self, sql: String) -> Held {
        let rows: Vec<(String, String)> =
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(&self.rig.outside).await.unwrap();
        let mut held = Held::new();
        rows.into_iter().for_each(|(key, what)| held.entry(key).or_default().push(what));
        held
    }
}
