//! The books: sessions of odd names, transfers, and a history for each in the ledger. From a number, so that a failure can
//! be had again.

use sqlx::{Connection, Executor, PgConnection};

use crate::program::{MIGRATIONS, Program};
use crate::support::Database;

/// As many base units as a transfer can have.
const MOST: &str = "115792089237316195423570985008687907853269984665640564039457584007913129639935";

pub(crate) const USDC: &str = "0x5fbdb2315678afecb367f032d93f642f64180aa3";
const DAI: &str = "0x00000000000000000000000000000000000000da";
const OTHER: &str = "0x00000000000000000000000000000000000000cc";

/// Network, token and its decimals.
const COINS: [(&str, &str, usize); 3] = [("anvil", USDC, 6), ("anvil", DAI, 18), ("polygon", OTHER, 6)];

/// Session, its business, its customer's reference. The first three are what strangers write.
const SESSIONS: [(&str, Option<&str>, &str); 8] = [
    ("=HYPERLINK(\"http://x\")", Some("=cmd"), "@evil"),
    ("-2+3\n2024-10-02 * ; \"x\"", Some("a:b  c"), "+1"),
    ("dep_é,\"q\"", Some("my_shop"), "r, \"q\""),
    ("dep_0001", None, "order 1"),
    ("dep_0002", Some("shop"), "order 2"),
    ("dep_0003", Some("shop"), "order 3"),
    ("dep_0004", Some("shop-2"), "order 4"),
    ("dep_0005", Some("my-shop"), "order 5"),
];

/// Moments of which one side is another day or month, in UTC or Berlin.
const BOUNDARIES: [&str; 8] = [
    "2024-10-01T00:00:00Z",
    "2024-09-30T22:00:00Z",
    "2024-10-26T22:00:00Z",
    "2024-10-27T01:00:00Z",
    "2024-10-27T23:00:00Z",
    "2024-10-31T23:00:00Z",
    "2024-11-01T00:00:00Z",
    "2024-10-15T12:00:00Z",
];

/// Numbers that look random (an LCG of Knuth's), the same for the same beginning.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    /// From September to November 2024, now and then just at or before a boundary. Seconds and microseconds.
    pub(crate) fn moment(&mut self) -> chrono::DateTime<chrono::Utc> {
        if self.below(4) == 0 {
            let boundary = BOUNDARIES[usize::try_from(self.below(8)).unwrap()].parse().unwrap();
            return if self.below(2) == 0 { boundary } else { boundary - chrono::Duration::microseconds(1) };
        }
        let day: chrono::DateTime<chrono::Utc> = "2024-09-20T00:00:00Z".parse().unwrap();
        day + chrono::Duration::microseconds(i64::try_from(self.below(60 * 86_400)).unwrap() * 1_000_000 + 123_456)
    }

    /// Base units: dust, nothing, the largest, or what people pay.
    fn units(&mut self) -> String {
        match self.below(10) {
            0 => "0".to_owned(),
            1 => MOST.to_owned(),
            2 => "1".to_owned(),
            _ => (self.below(2_000_000_000) * 7 + 1).to_string(),
        }
    }
}

/// Base units as whole tokens.
pub(crate) fn whole(units: &str, decimals: usize) -> String {
    let (sign, digits) = units.strip_prefix('-').map_or(("", units), |digits| ("-", digits));
    let digits = format!("{digits:0>width$}", width = decimals + 1);
    let (whole, rest) = digits.split_at(digits.len() - decimals);
    format!("{sign}{whole}.{rest}")
}

pub(crate) struct Books {
    pub(crate) database: Database,
    pub(crate) program: Program,
    pub(crate) sql: PgConnection,
}

impl Books {
    /// Networks, tokens and sessions, and nothing booked.
    pub(crate) async fn empty() -> Books {
        let database = Database::create(&MIGRATIONS).await;
        let program = Program::at(&database.url());
        let mut sql = PgConnection::connect(&database.url()).await.unwrap();
        // Triggers off: the past is written by hand.
        sql.execute("SET session_replication_role = replica").await.unwrap();
        sql.execute(
            "INSERT INTO networks (slug, chain_id, testnet) VALUES ('anvil', 31337, true), ('polygon', 137, false);
             INSERT INTO businesses (id, name) VALUES ('shop', 'shop')",
        )
        .await
        .unwrap();
        for (key, (network, address, decimals)) in ["usdc", "dai", "other"].iter().zip(COINS) {
            let symbol = if *key == "dai" { "DAI" } else { "USDC" };
            sqlx::query("INSERT INTO tokens (network, key, address, symbol, decimals, followed) VALUES ($1, $2, $3, $4, $5, true)")
                .bind(network)
                .bind(key)
                .bind(address)
                .bind(symbol)
                .bind(i16::try_from(decimals).unwrap())
                .execute(&mut sql)
                .await
                .unwrap();
        }
        let mut dice = Dice(1);
        for (place, (id, business, reference)) in SESSIONS.iter().enumerate() {
            let (network, address, _) = COINS[place % 3];
            sqlx::query(
                "INSERT INTO deposit_sessions (id, business_id, amount, currency, network, currency_address, deposit_address,
                                               customer_reference, customer_email, accepted_at)
                 VALUES ($1, $2, 100.50, CASE WHEN $4 = $5 THEN 'DAI' ELSE 'USDC' END, $3, $4, '0x' || repeat('ab', 20), $6, $6, $7)",
            )
            .bind(id)
            .bind(business)
            .bind(network)
            .bind(address)
            .bind(DAI)
            .bind(reference)
            .bind(dice.moment().min("2024-10-20T00:00:00Z".parse().unwrap()))
            .execute(&mut sql)
            .await
            .unwrap();
        }
        Books { database, program, sql }
    }

    /// The same with a history of so many transfers.
    pub(crate) async fn of(seed: u64, transfers: u64) -> Books {
        let mut books = Books::empty().await;
        let mut dice = Dice(seed);
        for number in 0..transfers {
            let coin = usize::try_from(dice.below(3)).unwrap();
            let (_, _, decimals) = COINS[coin];
            let units = dice.units();
            books.transfer(number, coin, &units).await;
            // Sessions stand in the order of the coins: every third one is of this one.
            let session = usize::try_from(dice.below(4)).unwrap() * 3 + coin;
            let session = SESSIONS.get(session).map(|(id, _, _)| *id);
            let other = Some(SESSIONS[3 + coin].0);
            let (back, amount) = (format!("-{units}"), whole(&units, decimals));
            let mut moments: Vec<_> = (0..5).map(|_| dice.moment()).collect();
            moments.sort();
            let [a, b, c, d, e] = moments[..] else { unreachable!() };
            let (minus, past) = (whole(&back, decimals), dice.below(6));
            let mut lines = vec![("confirm", if past > 3 { d } else { a }, session, &units, &amount)];
            match past {
                0 => lines.push(("revert", b, session, &back, &minus)),
                1 => {
                    lines.extend([("revert", b, session, &back, &minus), ("confirm", c, session, &units, &amount)]);
                }
                2 => {
                    lines.extend([("release", c, session, &back, &minus), ("assign", c, None, &units, &amount)]);
                    lines.push(("refund", d, None, &back, &minus));
                }
                3 => {
                    lines.extend([("release", b, session, &back, &minus), ("assign", b, other, &units, &amount)]);
                    lines.push(("revert", e, other, &back, &minus));
                }
                _ => {}
            }
            for (kind, at, session, units, amount) in lines {
                books.book(number, kind, at, session, units, amount).await;
            }
        }
        books
    }

    /// A transfer that is no longer on the chain, so that nothing but the ledger tells of it.
    pub(crate) async fn transfer(&mut self, number: u64, coin: usize, units: &str) {
        let (network, token, decimals) = COINS[coin];
        sqlx::query(
            "INSERT INTO transfers (network, block_hash, log_index, block_number, block_time, tx_hash, token_address, from_address,
                                    to_address, amount_units, amount, state, reason, paid_at)
             VALUES ($1, '0x' || repeat('b', 32) || lpad(to_hex($2), 32, '0'), $2 % 7, 1000 + $2, '2024-09-19T00:00:00Z'::timestamptz + $2 * interval '12 s',
                     '0x' || lpad(to_hex($2), 64, '0'), $3, '0x' || repeat('ee', 20), '0x' || repeat('ab', 20),
                     $4::text::numeric, $5::text::numeric, 'ORPHANED', 'late', now())",
        )
        .bind(network)
        .bind(i64::try_from(number).unwrap())
        .bind(token)
        .bind(units)
        .bind(whole(units, decimals))
        .execute(&mut self.sql)
        .await
        .unwrap();
    }

    /// A line about it.
    pub(crate) async fn book(
        &mut self,
        number: u64,
        kind: &str,
        at: chrono::DateTime<chrono::Utc>,
        session: Option<&str>,
        units: &str,
        amount: &str,
    ) {
        sqlx::query(
            "INSERT INTO ledger (kind, booked_at, network, token_address, from_address, to_address, block_number, block_hash, block_time, log_index, tx_hash, session_id, units, amount)
             SELECT $1, $2, network, token_address, from_address, to_address, block_number, block_hash, block_time, log_index, tx_hash, $3, $4::text::numeric, $5::text::numeric
               FROM transfers WHERE tx_hash = '0x' || lpad(to_hex($6), 64, '0')",
        )
        .bind(kind)
        .bind(at)
        .bind(session)
        .bind(units)
        .bind(amount)
        .bind(i64::try_from(number).unwrap())
        .execute(&mut self.sql)
        .await
        .unwrap();
    }

    /// What a report says, as JSON.
    pub(crate) fn report(&self, report: &str, from: &str, to: &str, more: &[&str]) -> Vec<serde_json::Value> {
        let line = [&["report", report, "--from", from, "--to", to, "--format", "json"], more].concat();
        serde_json::from_str(&self.program.ok(&line)).unwrap()
    }
}
