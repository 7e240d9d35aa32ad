//! The ledger as plain-text accounting: a transaction a line, for hledger and beancount. What came is an asset by network
//! and token; what counts for sessions is owed to their business, and what belongs to nobody is owed to whoever sent it.
//!
//! Both postings carry the exact amount. Words of strangers stand only in comments and values, with all but harmless
//! characters escaped. Not for CSV and JSON.

use super::lines::moment;
use crate::cli::exit::Failure;
use crate::domain::{Period, Zone};
use crate::store::{Account, LedgerLine};

/// beancount reckons with so many digits and rounds silently beyond.
const BEANCOUNT_DIGITS: usize = 28;
/// Words that its grammar takes for something else than a currency.
const BEANCOUNT_WORDS: [&str; 3] = ["TRUE", "FALSE", "NULL"];

/// Which program it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Journal {
    Hledger,
    Beancount,
}

impl Journal {
    /// What stands before the transactions: what it is, and every account and commodity in it.
    pub(super) fn head(self, period: &Period, accounts: &[Account]) -> String {
        let zone = period.zone;
        let title =
            format!("; ledger from {} to {} ({})\n", zone.shown(period.from), zone.shown(period.to), zone.name());
        match self {
            Journal::Hledger => title + "decimal-mark .\n" + &declarations(accounts),
            // Only of the file that bean-check is given; a file that includes several names the plugin itself.
            Journal::Beancount => title + "plugin \"beancount.plugins.auto_accounts\"\n",
        }
    }

    /// A line as a transaction.
    pub(super) fn entry(self, zone: Zone, line: &LedgerLine) -> Result<String, Failure> {
        if self == Journal::Beancount && digits(&line.amount) > BEANCOUNT_DIGITS {
            let told = "has more digits than beancount reckons with, which rounds them; use --format hledger";
            return Err(Failure::failed(format!("line {} of the ledger {told}", line.line)));
        }
        let day = zone.day_of(line.booked_at);
        let commodity = self.commodity(line.token.as_deref(), &line.token_address);
        let asset = self.asset(&line.network, line.token.as_deref(), &line.token_address);
        let owed = self.owed(line.business_id.as_deref());
        let facts = [
            ("session", line.session_id.as_deref().map(escaped)),
            ("network", Some(line.network.clone())),
            ("token", Some(line.token_address.clone())),
            ("from", Some(line.from_address.clone())),
            ("to", Some(line.to_address.clone())),
            ("tx", Some(line.tx_hash.clone())),
            ("booked-at", Some(moment(line.booked_at))),
        ];
        let (numbers, quote) = ([("line", line.line), ("log-index", line.log_index)], self == Journal::Beancount);
        let mut text = match self {
            Journal::Hledger => format!("\n{day} * {}\n", line.kind),
            Journal::Beancount => format!("\n{day} * \"{}\"\n", line.kind),
        };
        for (name, number) in numbers {
            text.push_str(&self.fact(name, &number.to_string()));
        }
        for (name, value) in facts.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            text.push_str(&self.fact(name, &if quote { format!("\"{value}\"") } else { value }));
        }
        let (came, due) = (&line.amount, negated(&line.amount));
        text.push_str(&format!("  {asset}  {came} {commodity}\n  {owed}  {due} {commodity}\n"));
        Ok(text)
    }

    fn fact(self, name: &str, value: &str) -> String {
        match self {
            Journal::Hledger => format!("  ; {name}:{value}\n"),
            Journal::Beancount => format!("  {name}: {value}\n"),
        }
    }

    /// Where it lies.
    fn asset(self, network: &str, symbol: Option<&str>, address: &str) -> String {
        let token = symbol.unwrap_or(address);
        match self {
            Journal::Hledger => format!("assets:deposits:{network}:{}", escaped(token)),
            // A slug has no dash of its own.
            Journal::Beancount => {
                format!("Assets:Deposits:{}:{}", part(&network.replace('_', "-")), symbol_part(token))
            }
        }
    }

    /// To whom it is owed.
    fn owed(self, business: Option<&str>) -> String {
        match (self, business) {
            (Journal::Hledger, Some(business)) => format!("liabilities:deposits:{}", escaped(business)),
            (Journal::Hledger, None) => "liabilities:unmatched".to_owned(),
            (Journal::Beancount, Some(business)) => format!("Liabilities:Deposits:{}", part(business)),
            (Journal::Beancount, None) => "Liabilities:Unmatched".to_owned(),
        }
    }

    /// The token's symbol, or its address where no symbol is known.
    fn commodity(self, symbol: Option<&str>, address: &str) -> String {
        match (self, symbol) {
            (Journal::Hledger, symbol) => format!("\"{}\"", escaped(symbol.unwrap_or(address))),
            (Journal::Beancount, Some(symbol)) => {
                let plain = symbol.starts_with(|first: char| first.is_ascii_uppercase());
                if plain && !BEANCOUNT_WORDS.contains(&symbol) { symbol.to_owned() } else { format!("X.{symbol}") }
            }
            (Journal::Beancount, None) => {
                format!("X.{}", address.chars().skip(2).take(20).collect::<String>().to_uppercase())
            }
        }
    }
}

/// For `hledger check --strict`: each account, and each commodity with as many places as its finest token.
fn declarations(accounts: &[Account]) -> String {
    let mut declared: Vec<String> = Vec::new();
    let mut places: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for account in accounts {
        let (symbol, address) = (account.token.as_deref(), account.token_address.as_str());
        declared.push(format!("account {}\n", Journal::Hledger.asset(&account.network, symbol, address)));
        declared.push(format!("account {}\n", Journal::Hledger.owed(account.business_id.as_deref())));
        let decimals = account.decimals.and_then(|decimals| usize::try_from(decimals).ok()).unwrap_or_default();
        let finest = places.entry(Journal::Hledger.commodity(symbol, address)).or_default();
        *finest = decimals.max(*finest);
    }
    declared.sort();
    declared.dedup();
    let commodity = |(name, places): (&String, &usize)| format!("commodity 1000.{} {name}\n", "0".repeat(*places));
    places.iter().map(commodity).chain(declared).collect()
}

fn negated(amount: &str) -> String {
    match amount.strip_prefix('-') {
        Some(positive) => positive.to_owned(),
        None if amount == "0" => "0".to_owned(),
        None => format!("-{amount}"),
    }
}

fn digits(amount: &str) -> usize {
    amount.bytes().filter(u8::is_ascii_digit).count()
}

/// Words of strangers with all but letters, digits, `_`, `-` and `.` as %XX: nothing that ends a comment or an account.
fn escaped(words: &str) -> String {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    words
        .bytes()
        .map(|byte| if harmless(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A name as a part of an account of beancount's, which begins with a capital or a digit and holds but letters, digits and
/// dashes. Two names never become one: what is escaped begins with a dash and an X, which no name of `[a-z0-9-]` has.
fn part(name: &str) -> String {
    let mut part = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' if part.is_empty() => part.push(char::from(byte.to_ascii_uppercase())),
            b'a'..=b'z' | b'0'..=b'9' => part.push(char::from(byte)),
            b'-' if !part.is_empty() => part.push('-'),
            other => {
                let begins = if part.is_empty() { "XX" } else { "" };
                part.push_str(&format!("{begins}-X{other:02X}"));
            }
        }
    }
    part
}

/// A symbol is `[A-Z0-9]{2,8}`; whatever else stands there is escaped.
fn symbol_part(symbol: &str) -> String {
    let plain = !symbol.is_empty() && symbol.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if plain { symbol.to_owned() } else { part(symbol) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accounts_are_named_so_that_beancount_takes_them() {
        for (name, expected) in [
            ("shop", "Shop"),
            ("shop-1", "Shop-1"),
            ("7eleven", "7eleven"),
            ("my_shop", "My-X5Fshop"),
            ("_a", "XX-X5Fa"),
            ("-a", "XX-X2Da"),
            ("Shop", "XX-X53hop"),
            ("a:b c", "A-X3Ab-X20c"),
        ] {
            assert_eq!(part(name), expected, "{name}");
        }
        let beancount = Journal::Beancount;
        assert_eq!(beancount.asset("base_sepolia", Some("1INCH"), "0xab"), "Assets:Deposits:Base-sepolia:1INCH");
        for (symbol, expected) in
            [(Some("USDC"), "USDC"), (Some("1INCH"), "X.1INCH"), (Some("NULL"), "X.NULL"), (None, "X.AB12")]
        {
            assert_eq!(beancount.commodity(symbol, "0xab12"), expected);
        }
    }

    #[test]
    fn the_other_side_is_the_same_amount() {
        for (amount, other) in [("1.5", "-1.5"), ("-0.000001", "0.000001"), ("0", "0")] {
            assert_eq!(negated(amount), other);
        }
        assert_eq!(digits("-12345678901.12345678901234567"), 28);
    }

    #[test]
    fn strangers_words_end_nothing() {
        assert_eq!(escaped("dep_a.b-1"), "dep_a.b-1");
        assert_eq!(escaped("a\n2026-01-01 *  ;\"é%"), "a%0A2026-01-01%20%2A%20%20%3B%22%C3%A9%25");
    }

    proptest! {
        #[test]
        fn two_names_never_become_one(one in "[a-zA-Z0-9_:X-]{0,6}", other in "[a-zA-Z0-9_:X-]{0,6}") {
            prop_assert_eq!(part(&one) == part(&other), one == other);
            prop_assert_eq!(escaped(&one) == escaped(&other), one == other);
        }
    }
}
