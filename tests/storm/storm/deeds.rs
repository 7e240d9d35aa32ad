//! What people do in a storm: open sessions well and badly, change their minds, pay in every way there is.

use alloy::primitives::{Address, U256};
use chrono::{DateTime, Utc};
use deposit_watcher::domain::Units;
use sqlx::Row;

use super::oracle::Claim;
use super::seed::Seed;
use crate::scripted::{Log, OTHER_TOKEN, TOKEN, Tx, account};

const STRANGER: u64 = 999;
const ELSEWHERE: u64 = 998;

fn moment(seconds: u64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds.cast_signed(), 0).unwrap()
}

/// 10^18 or 10^6 times a number of millionths, so that both tokens share amounts.
fn scaled(token: Address, millionths: u64) -> U256 {
    let factor = if token == TOKEN { U256::from(1) } else { U256::from(1_000_000_000_000_u64) };
    U256::from(millionths) * factor
}

/// The columns of a row to insert.
#[derive(Clone)]
pub(super) struct Row0 {
    network: &'static str,
    token: String,
    symbol: &'static str,
    to: String,
    amount: String,
}

/// A session that somebody is about to open.
#[derive(Clone)]
pub(super) struct Opening {
    pub(super) row: Row0,
    pub(super) claim: Claim,
    /// `created_at` and `expires_at`, where they are given.
    pub(super) times: Option<(u64, u64)>,
    pub(super) thief: bool,
    /// How a clash is settled, where the amount is reserved first.
    pub(super) reserve: Option<&'static str>,
}

impl Seed {
    /// A well-formed session of somebody.
    pub(super) fn opening(&mut self, token: Address, to: Address, units: U256) -> Opening {
        let decimals = if token == TOKEN { 6 } else { 18 };
        let symbol = if token == TOKEN { "USD" } else { "EUR" };
        let text = match self.dice.below(3) {
            0 => to.to_string(),
            1 => to.to_string().to_lowercase(),
            _ => to.to_string().to_uppercase(),
        };
        let row = Row0 {
            network: "net",
            token: token.to_string(),
            symbol,
            to: text,
            amount: Units(units).to_decimal(decimals),
        };
        let claim = Claim {
            id: format!("dep_{:02}", self.claims.len()),
            here: true,
            token,
            to: Some(to),
            usable: Some(units),
            accepted_at: DateTime::UNIX_EPOCH,
            begins_at: DateTime::UNIX_EPOCH,
            expires_at: DateTime::UNIX_EPOCH,
            cancelled_at: None,
            begun: false,
            turn: self.turn,
            thief: false,
        };
        // Created up to ten blocks before now or after it: money for it may be there already, or come too early.
        let begins = match self.dice.below(4) {
            0 => {
                self.hit("session: created some blocks away from now");
                self.now().saturating_add_signed(self.dice.between(0, 40).cast_signed() - 20)
            }
            1 => self.now() + 12,
            _ => self.now(),
        };
        let lives = *self.dice.pick(&[15, 40, 90, 100_000]);
        Opening { row, claim, times: Some((begins, begins + lives)), thief: false, reserve: None }
    }

    /// Opens a session: most are well-formed, some are what programs get wrong.
    pub(crate) async fn open(&mut self) {
        let token = *self.dice.pick(&[TOKEN, TOKEN, TOKEN, OTHER_TOKEN]);
        let to = *self.dice.pick(&self.addresses.clone());
        let millionths = *self.dice.pick(&[100_000_000, 100_000_000, 50_000_000, 25_500_000, 1_000]);
        let mut opening = self.opening(token, to, scaled(token, millionths));
        if self.dice.percent(14) {
            let fault = self.spoil(&mut opening.row, &mut opening.claim);
            self.hit(&format!("invalid session: {fault}"));
        }
        if self.dice.percent(15) {
            opening.times = None;
        }
        self.hit(&format!("session: {}", if opening.times.is_none() { "minimal" } else { "plain" }));
        self.insert(opening).await;
    }

    /// A session that nobody can pay, at an address of its own, and somebody who pays it all the same.
    pub(super) async fn open_and_pay_the_unusable(&mut self) {
        let (to, units) = (account(2_000 + self.turn), U256::from(1_000_000));
        let mut opening = self.opening(TOKEN, to, units);
        (opening.row.symbol, opening.claim.usable) = ("GBP", None);
        self.insert(opening).await;
        let from = *self.dice.pick(&self.senders.clone()[1..]);
        let tx = self.rig.world.tx(vec![Log::transfer(TOKEN, from, to, units)]);
        self.mempool.push(tx);
    }

    /// Inserts it; the amount that it has then, or `None` where no amount was free.
    pub(super) async fn insert(&mut self, opening: Opening) -> Option<U256> {
        let Opening { row, mut claim, times, thief, reserve } = opening;
        claim.thief = thief;
        let mut transaction = self.rig.outside.begin().await.unwrap();
        // Tags are drawn by the database.
        let seed = (self.dice.below(1_000) as f64) / 1_000.0;
        sqlx::query("SELECT setseed($1)").bind(seed).execute(&mut *transaction).await.unwrap();
        let inserted = sqlx::query(
            "INSERT INTO deposit_sessions (id, amount, currency, network, currency_address, deposit_address, created_at, expires_at)
             VALUES ($1, CASE WHEN $9::text IS NULL THEN $2::numeric ELSE deposit_watcher_reserve($4, $5, $6, $2::numeric, $9) END,
                     $3, $4, $5, $6, coalesce(to_timestamp($7), now()), coalesce(to_timestamp($8), now() + interval '30 minutes'))
             RETURNING accepted_at, greatest(created_at, accepted_at) AS begins_at, expires_at, trim_scale(amount)::text AS given",
        )
        .bind(&claim.id)
        .bind(&row.amount)
        .bind(row.symbol)
        .bind(row.network)
        .bind(&row.token)
        .bind(&row.to)
        .bind(times.map(|(begins, _)| begins.cast_signed()))
        .bind(times.map(|(_, ends)| ends.cast_signed()))
        .bind(reserve)
        .fetch_one(&mut *transaction)
        .await;
        let inserted = match inserted {
            Ok(inserted) => inserted,
            Err(error) => {
                let told = error.as_database_error().map(|error| error.message().to_owned()).unwrap_or_default();
                let expected = told.starts_with("amount_clash") || told.contains("is not followed on network");
                assert!(reserve.is_some() && expected, "{error}");
                transaction.rollback().await.unwrap();
                return None;
            }
        };
        transaction.commit().await.unwrap();
        (claim.accepted_at, claim.begins_at, claim.expires_at) = (inserted.get(0), inserted.get(1), inserted.get(2));
        let given: String = inserted.get(3);
        if reserve.is_some() {
            claim.usable = Some(Units::parse(&given, if claim.token == TOKEN { 6 } else { 18 }).unwrap().0);
        }
        self.say(format!(
            "open {} {given} {} to {} from {} until {}{}{}",
            claim.id,
            row.symbol,
            row.to,
            claim.begins_at,
            claim.expires_at,
            if claim.usable.is_some() { "" } else { " (unusable)" },
            if thief { " (the thief's)" } else { "" }
        ));
        let units = claim.usable;
        self.claims.push(claim);
        units
    }

    /// One way in which a row cannot be used.
    fn spoil(&mut self, row: &mut Row0, claim: &mut Claim) -> &'static str {
        claim.usable = None;
        match self.dice.below(8) {
            0 => {
                // An address that nothing names on the network that is watched.
                (row.network, claim.here, claim.to) = ("elsewhere", false, Some(account(ELSEWHERE)));
                row.to = account(ELSEWHERE).to_string();
                "unknown_network"
            }
            1 => {
                claim.token = account(STRANGER);
                row.token = claim.token.to_string();
                "unknown_token"
            }
            2 => {
                row.symbol = "GBP";
                "currency_mismatch"
            }
            3 => {
                (row.to, claim.to) = (row.to[..41].to_owned(), None);
                "malformed_address"
            }
            4 => {
                let checked = claim.to.unwrap().to_string();
                let at = checked.find(|c: char| c.is_ascii_uppercase()).unwrap_or(0);
                row.to = checked.clone();
                row.to.replace_range(at..=at, &checked[at..=at].to_lowercase());
                "checksum"
            }
            5 => {
                (row.to, claim.to) = (row.token.clone(), Some(claim.token));
                "forbidden_address"
            }
            6 => {
                row.amount = "1.0000000000000000001".to_owned();
                "too_many_decimals"
            }
            _ => {
                row.amount = format!("1{}", "0".repeat(78));
                "amount_too_large"
            }
        }
    }

    /// Cancels a session, says that its customer has begun, or moves its end; never such that money mined already would
    /// have been judged otherwise.
    pub(crate) async fn touch(&mut self) {
        let Some(at) = self.any_claim() else { return };
        let id = self.claims[at].id.clone();
        if self.is_held(&id) {
            return;
        }
        let now = self.now();
        match self.dice.below(3) {
            0 => {
                if self.cancel(at).await {
                    self.hit("cancel");
                }
            }
            1 => {
                let sql = "UPDATE deposit_sessions SET payment_status = 'PENDING'
                            WHERE id = $1 AND closed_at IS NULL AND payment_status = 'CREATED' AND $2::bigint > 0 RETURNING 0::bigint";
                if self.update(sql, &id, now).await.is_some() {
                    self.claims[at].begun = true;
                    self.hit("begun by the API");
                    self.say(format!("begin {id}"));
                }
            }
            _ => {
                let topup = self.rig.rules.sessions.topup_time.as_secs();
                let when = now + topup + self.dice.between(1, 120);
                if self.claims[at].expires_at < moment(now) {
                    return;
                }
                let sql = "UPDATE deposit_sessions SET expires_at = to_timestamp($2)
                            WHERE id = $1 AND closed_at IS NULL RETURNING topup_seconds";
                if let Some(moved) = self.update(sql, &id, when).await {
                    self.claims[at].expires_at = moment(when - moved.unsigned_abs());
                    self.hit("expiry moved");
                    self.say(format!("move the end of {id} to {when}, {moved} s of it for a part payment"));
                }
            }
        }
    }

    pub(super) fn is_held(&self, id: &str) -> bool {
        self.held.as_ref().is_some_and(|(held, _)| held == id)
    }

    /// Cancels a session that nobody holds and that is not over.
    pub(super) async fn cancel(&mut self, at: usize) -> bool {
        let id = self.claims[at].id.clone();
        if self.is_held(&id) {
            return false;
        }
        let when = self.now() + *self.dice.pick(&[0, 0, 7]);
        let sql = "UPDATE deposit_sessions SET cancelled_at = to_timestamp($2)
                    WHERE id = $1 AND closed_at IS NULL AND cancelled_at IS NULL RETURNING 0::bigint";
        let done = self.update(sql, &id, when).await.is_some();
        if done {
            self.claims[at].cancelled_at = Some(moment(when));
            self.say(format!("cancel {id} at {when}"));
        }
        done
    }

    async fn update(&mut self, sql: &'static str, id: &str, when: u64) -> Option<i64> {
        let row = sqlx::query(sql).bind(id).bind(when.cast_signed()).fetch_optional(&self.rig.outside);
        row.await.unwrap().map(|row| row.get(0))
    }

    fn any_claim(&mut self) -> Option<usize> {
        (!self.claims.is_empty()).then(|| self.dice.below(self.claims.len() as u64) as usize)
    }

    /// A transaction somebody sends.
    pub(crate) fn payment(&mut self) -> Tx {
        let mut logs = Vec::new();
        let mut meant = Vec::new();
        for _ in 0..*self.dice.pick(&[1, 1, 1, 1, 2, 3]) {
            let (log, whose) = self.transfer();
            meant.extend(whose.map(|whose| (log.clone(), whose)));
            let twice = self.dice.percent(6);
            if twice {
                self.hit("transfer: twice in one transaction");
                logs.push(log.clone());
            }
            logs.push(log);
        }
        if logs.len() > 1 {
            self.hit("several logs in one transaction");
        }
        self.sent(logs, meant)
    }

    /// What a session's customer sends who does as he is asked.
    pub(crate) fn pay_exactly(&mut self, claim: &Claim) -> Tx {
        let from = *self.dice.pick(&self.senders.clone()[1..]);
        let log = Log::transfer(claim.token, from, claim.to.unwrap(), claim.usable.unwrap());
        self.sent(vec![log.clone()], vec![(log, claim.id.clone())])
    }

    /// Remembers which session each payment of just its amount was meant for.
    fn sent(&mut self, logs: Vec<Log>, meant: Vec<(Log, String)>) -> Tx {
        let tx = self.rig.world.tx(logs);
        for (log, id) in meant {
            let end = |at: usize| Address::from_word(log.topics[at]);
            let key = (tx.hash, log.address, end(1), end(2), U256::from_be_slice(&log.data));
            self.meant.entry(key).or_insert(id);
        }
        tx
    }

    /// One log, mostly money for a session; and for which, where it is just what that one asks for.
    fn transfer(&mut self) -> (Log, Option<String>) {
        let claims: Vec<Claim> = self.claims.iter().filter(|c| c.usable.is_some() && !c.thief).cloned().collect();
        let from = *self.dice.pick(&self.senders.clone()[1..]);
        let stranger = account(STRANGER + 1);
        if claims.is_empty() {
            return (Log::transfer(TOKEN, from, stranger, U256::from(1)), None);
        }
        // The newest sessions are those that people pay.
        let recent = claims.len().saturating_sub(6);
        let among = if self.dice.percent(75) { &claims[recent..] } else { &claims[..] };
        let claim = self.dice.pick(among).clone();
        let (token, to, asked) = (claim.token, claim.to.unwrap(), claim.usable.unwrap());
        let hundredth = asked / U256::from(100);
        let (kind, log) = match self.dice.weighted(&[40, 14, 8, 10, 5, 6, 4, 3, 3, 3, 2, 2, 2, 3, 3]) {
            0 => ("exact", Log::transfer(token, from, to, asked)),
            1 => ("half", Log::transfer(token, from, to, asked / U256::from(2))),
            2 => ("the other part", Log::transfer(token, from, to, asked - asked / U256::from(4))),
            3 => ("over", Log::transfer(token, from, to, asked + hundredth + U256::from(1))),
            4 => ("dust", Log::transfer(token, from, to, hundredth / U256::from(2))),
            5 => ("a little less", Log::transfer(token, from, to, asked - U256::from(self.dice.between(1, 5)))),
            6 => ("zero", Log::transfer(token, from, to, U256::ZERO)),
            7 => ("to itself", Log::transfer(token, to, to, asked)),
            8 => ("internal", Log::transfer(token, self.senders[0], to, asked)),
            9 => ("other token", Log::transfer(if token == TOKEN { OTHER_TOKEN } else { TOKEN }, from, to, asked)),
            10 => ("ERC-721", Log::erc721(token, from, to, U256::from(7))),
            11 => ("odd data", Log::odd(token, from, to)),
            12 => ("other event", Log::noise(token)),
            13 => ("to a stranger", Log::transfer(token, from, stranger, asked)),
            _ => ("to another network's address", Log::transfer(token, from, account(ELSEWHERE), asked)),
        };
        self.hit(&format!("transfer: {kind}"));
        (log, (kind == "exact").then(|| claim.id.clone()))
    }
}
