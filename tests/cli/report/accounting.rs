//! What hledger and beancount make of the ledger: they find nothing wrong, and their balances are the ledger's own sums.
//! `tests/debian/accounting.sh` installs both and runs what is ignored here.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::books::{Books, whole};

fn journal(books: &Books, format: &str, from: &str, to: &str) -> String {
    books.program.ok(&["report", "ledger", "--from", from, "--to", to, "--format", format, "--tz", "Europe/Berlin"])
}

#[tokio::test]
async fn a_line_is_a_transaction_with_both_sides() {
    let mut books = Books::empty().await;
    books.transfer(1, 0, "1500000").await;
    books
        .book(
            1,
            "confirm",
            "2024-10-26T22:00:00Z".parse().unwrap(),
            Some("-2+3\n2024-10-02 * ; \"x\""),
            "1500000",
            "1.5",
        )
        .await;
    books.book(1, "release", "2024-10-28T12:00:00Z".parse().unwrap(), None, "-1500000", "-1.5").await;
    let text = journal(&books, "hledger", "2024-10", "2024-11");
    let facts = |line: u32, session: &str, at: &str| {
        let hash = format!("0x{:0>64}", 1);
        format!(
            "  ; line:{line}\n  ; log-index:1\n{session}  ; network:anvil\n  ; token:0x5fbdb2315678afecb367f032d93f642f64180aa3\n  \
             ; from:0x{}\n  ; to:0x{}\n  ; tx:{hash}\n  ; booked-at:{at}\n",
            "ee".repeat(20),
            "ab".repeat(20)
        )
    };
    let expected = format!(
        "; ledger from 2024-10-01T00:00:00+02:00 to 2024-11-01T00:00:00+01:00 (Europe/Berlin)\ndecimal-mark .\n\
         commodity 1000.000000 \"USDC\"\naccount assets:deposits:anvil:USDC\naccount liabilities:deposits:a%3Ab%20%20c\n\
         account liabilities:unmatched\n\n\
         2024-10-27 * confirm\n{}  assets:deposits:anvil:USDC  1.5 \"USDC\"\n  liabilities:deposits:a%3Ab%20%20c  -1.5 \"USDC\"\n\n\
         2024-10-28 * release\n{}  assets:deposits:anvil:USDC  -1.5 \"USDC\"\n  liabilities:unmatched  1.5 \"USDC\"\n",
        facts(1, "  ; session:-2%2B3%0A2024-10-02%20%2A%20%3B%20%22x%22\n", "2024-10-26T22:00:00.000000Z"),
        facts(2, "", "2024-10-28T12:00:00.000000Z"),
    );
    assert_eq!(text, expected);
    let text = journal(&books, "beancount", "2024-10", "2024-11");
    for part in [
        "plugin \"beancount.plugins.auto_accounts\"\n\n2024-10-27 * \"confirm\"\n  line: 1\n  log-index: 1\n",
        "  session: \"-2%2B3%0A2024-10-02%20%2A%20%3B%20%22x%22\"\n",
        "  Assets:Deposits:Anvil:USDC  1.5 USDC\n  Liabilities:Deposits:A-X3Ab-X20-X20c  -1.5 USDC\n",
        "  Assets:Deposits:Anvil:USDC  -1.5 USDC\n  Liabilities:Unmatched  1.5 USDC\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

/// Runs a program that must find nothing wrong; what it says.
fn judged(program: &str, arguments: &[&str], folder: &Path) -> String {
    let ran = Command::new(program).args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (said, complaint) = (text(ran.stdout), text(ran.stderr));
    assert!(ran.status.success() && complaint.is_empty(), "{program} {arguments:?}: {said} {complaint}");
    said
}

/// September to November in three files, and one that includes them.
fn written(books: &Books, format: &str, folder: &Path) {
    for (from, to) in [("2024-09", "2024-10"), ("2024-10", "2024-11"), ("2024-11", "2024-12")] {
        std::fs::write(folder.join(format!("{from}.{format}")), journal(books, format, from, to)).unwrap();
    }
}

/// What the ledger holds by symbol, from SQL; what is nothing is left out.
async fn held(books: &mut Books) -> BTreeMap<String, String> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT k.symbol, trim_scale(sum(l.amount))::text FROM ledger l
           JOIN tokens k ON k.network = l.network AND k.address = l.token_address GROUP BY 1 HAVING sum(l.amount) <> 0",
    )
    .fetch_all(&mut books.sql)
    .await
    .unwrap();
    rows.into_iter().collect()
}

/// Without zeros that say nothing.
fn trimmed(amount: &str) -> String {
    let plain = amount.replace(',', "");
    if plain.contains('.') { plain.trim_end_matches('0').trim_end_matches('.').to_owned() } else { plain }
}

#[tokio::test]
#[ignore = "needs hledger: tests/debian/accounting.sh"]
async fn hledger_finds_nothing_wrong_and_comes_to_the_same() {
    let mut books = Books::of(17, 150).await;
    let folder = tempfile::tempdir().unwrap();
    written(&books, "hledger", folder.path());
    let all = folder.path().join("all.hledger");
    std::fs::write(&all, "include 2024-09.hledger\ninclude 2024-10.hledger\ninclude 2024-11.hledger\n").unwrap();
    for file in ["2024-09.hledger", "2024-10.hledger", "2024-11.hledger", "all.hledger"] {
        judged("hledger", &["-f", file, "check", "--strict", "ordereddates"], folder.path());
    }
    let says = judged(
        "hledger",
        &["-f", "all.hledger", "balance", "assets", "--depth", "1", "--layout", "bare", "-O", "csv"],
        folder.path(),
    );
    let lines = says.lines().skip(1).map(|line| line.replace('"', ""));
    let mut found = BTreeMap::new();
    for line in lines.filter(|line| line.starts_with("assets")) {
        let cells: Vec<&str> = line.split(',').collect();
        found.insert(cells[1].to_owned(), trimmed(cells[2]));
    }
    assert_eq!(found, held(&mut books).await, "{says}");
}

#[tokio::test]
#[ignore = "needs beancount: tests/debian/accounting.sh"]
async fn beancount_finds_nothing_wrong_and_comes_to_the_same() {
    let mut books = Books::empty().await;
    let mut dice = super::books::Dice(23);
    // As many digits as it reckons with, and no more.
    for number in 0..80 {
        let units = (dice.below(4_000_000_000) * 1_000_000_007).to_string();
        let (coin, decimals) = if number % 2 == 0 { (0, 6) } else { (1, 18) };
        let session = ["dep_0001", "dep_0002", "=HYPERLINK(\"http://x\")", "-2+3\n2024-10-02 * ; \"x\"", "dep_0004"];
        let session = session.get(usize::try_from(dice.below(6)).unwrap()).copied();
        books.transfer(number, coin, &units).await;
        let (first, second) = (dice.moment(), dice.moment());
        books.book(number, "confirm", first.min(second), session, &units, &whole(&units, decimals)).await;
        if number % 3 == 0 {
            let back = format!("-{units}");
            books.book(number, "revert", first.max(second), session, &back, &whole(&back, decimals)).await;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    written(&books, "beancount", folder.path());
    let all = "plugin \"beancount.plugins.auto_accounts\"\ninclude \"2024-09.beancount\"\ninclude \"2024-10.beancount\"\n\
               include \"2024-11.beancount\"\n";
    std::fs::write(folder.path().join("all.beancount"), all).unwrap();
    for file in ["2024-09.beancount", "2024-10.beancount", "2024-11.beancount", "all.beancount"] {
        judged("bean-check", &[file], folder.path());
    }
    let query = "SELECT currency, sum(number) WHERE account ~ '^Assets' GROUP BY currency";
    let says = judged("bean-query", &["-f", "csv", "all.beancount", query], folder.path());
    let rows = says.lines().skip(1).filter_map(|line| line.split_once(','));
    let found: BTreeMap<String, String> =
        rows.map(|(symbol, sum)| (symbol.trim().to_owned(), trimmed(sum.trim()))).collect();
    assert_eq!(found, held(&mut books).await, "{says}");
}
