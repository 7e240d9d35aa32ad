//! Every kind of fault, by its line: source, key, what is wrong, cure.

use super::{POLYGON, faults, load_texts};
use crate::domain::MAINNET_CHAIN_IDS;

/// One text more in the polygon section, after a blank line where it begins a section of its own.
fn polygon_with(lines: &str) -> String {
    POLYGON.replace("chain_id = 137", &format!("chain_id = 137\n{lines}"))
}

#[test]
fn a_missing_file_is_named() {
    let missing = [std::path::PathBuf::from("no/such.toml")];
    let problems = super::load(&missing, std::iter::empty(), &[]).expect_err("a fault");
    let line = problems.to_string();
    assert!(line.starts_with("no/such.toml: cannot be read: No such file"), "{line}");
    assert!(line.ends_with("; create it or name another with --config"), "{line}");
}

#[test]
fn what_is_no_toml_is_told_by_its_place() {
    let cure = "check quotes, brackets and numbers there, and that no key is given twice";
    for (text, place) in [
        ("[database", "at line 1, column 10"),
        ("a = 1\nb = \"open", "at line 2, column 10"),
        ("a = 1\na = 2", "at line 2, column 1"),
        ("a = 99999999999999999999", "somewhere"),
    ] {
        assert_eq!(faults(&[text], &[], &[]), [format!("0.toml: is not valid TOML {place}; {cure}")], "{text}");
    }
}

#[test]
fn each_fault_in_a_single_network() {
    let table = [
        ("quorun = 1", "quorun: is no key; did you mean `quorum`?"),
        ("Quorum = 1", "Quorum: is not in lower case; write `quorum`"),
        ("\"a b\" = 1", "a b: has the part \"a b\" that no key can have; use a-z, 0-9 and single underscores"),
        ("min_age = 30", "min_age: \"30\" is no duration; write a number with its unit, such as \"30m\" or \"0s\""),
        ("min_age = \"31d\"", "min_age: \"31d\" is not from 0s to 30d; write a duration within"),
        ("min_age = 1.5", "min_age: is a float, which is not exact; write it in quotes"),
        ("min_age = [1]", "min_age: is a list; write a single value"),
        ("min_age.x = 1", "min_age: is a section; write a single value"),
        ("poll_interval = \"0s\"", "poll_interval: \"0s\" is not from 50ms to 1h; write a duration within"),
        ("enabled = \"yes\"", "enabled: \"yes\" is none of true, false; write one of these"),
        ("finality = \"fast\"", "finality: \"fast\" is none of confirmations, safe, finalized; write one of these"),
        ("verify = \"\"", "verify: \"\" is none of logs, receipts; write one of these"),
        (
            "verify = \"receipts\"",
            "verify: is receipts, which chain 137 cannot prove: its nodes list receipts of state syncs that blocks before Madhugiri do not commit to, and later ones commit to in a form of their own; write verify = \"logs\", and raise `quorum` instead",
        ),
        ("ambiguous = \"newest\"", "ambiguous: \"newest\" is none of hold, oldest; write one of these"),
        ("partial_payments = 1", "partial_payments: \"1\" is none of exclusive, never; write one of these"),
        ("max_block_range = 0", "max_block_range: \"0\" is no whole number from 1 to 1000000; write one"),
        ("max_block_range = -5", "max_block_range: \"-5\" is no whole number from 1 to 1000000; write one"),
        ("confirmations = 0", "confirmations: \"0\" is no whole number from 1 to 1000000; write one"),
        ("max_clock_drift = \"0s\"", "max_clock_drift: \"0s\" is not from 1s to 1d; write a duration within"),
        (
            "finality = \"safe\"\nconfirmations = 9",
            "confirmations: has no meaning here; remove it or write finality = \"confirmations\"",
        ),
        (
            "confirmations = 12\nreorg_window = 12",
            "reorg_window: makes reorg_window (12) no more than confirmations (12); raise reorg_window or lower confirmations",
        ),
        (
            "confirmations = 1024",
            "confirmations: makes reorg_window (1024) no more than confirmations (1024); \
             raise reorg_window or lower confirmations",
        ),
        ("testnet = true", "testnet: is true, but the chain carries real money; remove the key"),
        ("quorum = 0", "quorum: \"0\" is no whole number from 1 to 100; write one"),
        (
            "quorum = 2",
            "quorum: is 2, but the endpoints have 1 operators; add an endpoint of another operator or lower it",
        ),
    ];
    for (lines, fault) in table {
        let expected = [format!("0.toml: networks.polygon.{fault}")];
        assert_eq!(faults(&[&polygon_with(lines)], &[], &[]), expected, "{lines}");
    }
}

#[test]
fn no_chain_with_real_money_is_a_test_network() {
    for chain_id in MAINNET_CHAIN_IDS {
        let text = polygon_with("testnet = true").replace("chain_id = 137", &format!("chain_id = {chain_id}"));
        let expected = "0.toml: networks.polygon.testnet: is true, but the chain carries real money; remove the key";
        assert_eq!(faults(&[&text], &[], &[]), [expected], "{chain_id}");
    }
}

#[test]
fn each_fault_elsewhere() {
    let rpc = "networks.polygon.rpc.primary";
    let usdc = "networks.polygon.tokens.usdc";
    let url = "write an address that begins with http://, https://, ws://, wss://";
    let zero = "0x0000000000000000000000000000000000000000";
    let table = [
        (
            "chain_id = 137",
            "",
            "networks.polygon.chain_id: is missing; write the chain's EIP-155 id, as in chain_id = 137".to_owned(),
        ),
        ("137", "0", format!("networks.polygon.chain_id: \"0\" is no whole number from 1 to {}; write one", i64::MAX)),
        (
            "137",
            "31337\ntestnet = false",
            "networks.polygon.testnet: is false, but the chain is a test chain; remove the key".to_owned(),
        ),
        (
            "[networks.polygon]",
            "[networks]\nx = 1\n[networks.polygon]",
            "networks.x: must be a section; write keys below it".to_owned(),
        ),
        ("url =", "urls =", format!("{rpc}.url: is missing; write the endpoint's address, or `url_file`")),
        ("https://rpc.example.com/key", "ftp://x", format!("{rpc}.url: has another scheme; {url}")),
        (
            "https://rpc.example.com/key",
            "x",
            format!(
                "{rpc}.url: is no address on the net (relative URL without a base); {url}, special characters of a password as %XX"
            ),
        ),
        ("\"https://rpc.example.com/key\"", "[1]", format!("{rpc}.url: is a list; write a single value")),
        (
            "/key\"",
            "\"\noperator = \"\"",
            format!("{rpc}.operator: is no name of 1 to 64 printable ASCII characters; write one"),
        ),
        (
            "/key\"",
            "\"\npriority = -1",
            format!("{rpc}.priority: \"-1\" is no whole number from 0 to 1000000; write one"),
        ),
        ("/key\"", "\"\nurl_file = \"x\"", format!("{rpc}.url_file: and `url` are both given; remove one of them")),
        ("\"USDC\"", "\"usdc\"", format!("{usdc}.symbol: \"usdc\" is not 2 to 8 of A-Z and 0-9; write such a symbol")),
        ("symbol = \"USDC\"", "", format!("{usdc}.symbol: is missing; write it as in symbol = \"USDC\"")),
        (
            "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359",
            zero,
            format!("{usdc}.address: is the zero address; write the contract's"),
        ),
        (
            "cEF5",
            "CEF5",
            format!(
                "{usdc}.address: \"0x3c499c542CEF5E3811e1192ce70d8cC03d5c3359\" has mixed case that does not fit its EIP-55 checksum: a character was mistyped; copy it again from a block explorer"
            ),
        ),
        (
            "cEF5",
            "",
            format!(
                "{usdc}.address: \"0x3c499c542E3811e1192ce70d8cC03d5c3359\" is not 0x followed by 40 hexadecimal digits; copy it again from a block explorer"
            ),
        ),
        (
            "decimals = 6",
            "decimals = 78",
            format!("{usdc}.decimals: \"78\" is no whole number from 0 to 77; write one"),
        ),
        (
            "decimals = 6",
            "",
            format!("{usdc}.decimals: is missing; write what the contract's decimals() says, as in decimals = 6"),
        ),
        (
            "decimals = 6",
            "decimals = 6\ntolerance = 0.1",
            format!("{usdc}.tolerance: is a float, which is not exact; write it in quotes"),
        ),
        (
            "decimals = 6",
            "decimals = 6\ntolerance = \"0.0000001\"",
            format!(
                "{usdc}.tolerance: \"0.0000001\" has more decimals than the token; write whole tokens from 0 to 1000000 in quotes, such as \"0.01\""
            ),
        ),
        (
            "decimals = 6",
            "decimals = 6\nmin_partial = \"101%\"",
            format!("{usdc}.min_partial: \"101%\" is no such share; write \"0%\" to \"100%\" with at most 4 decimals"),
        ),
    ];
    for (from, to, fault) in table {
        let lines = faults(&[&POLYGON.replacen(from, to, 1)], &[], &[]);
        assert!(lines.contains(&format!("0.toml: {fault}")), "{from} → {to}: {lines:#?}");
        assert!(lines.len() <= 2, "{lines:#?}");
    }
}

#[test]
fn each_fault_in_the_sections_that_there_are_once() {
    let address = "write an IP address and a port, such as \"127.0.0.1:8080\"";
    let table = [
        ("[databse]\nurl = \"x\"", "databse: is no key; did you mean `database`?".to_owned()),
        ("[database]\nurl = \"mysql://x\"", "database.url: has another scheme; write an address that begins with postgres://, postgresql://".to_owned()),
        ("[database]\nmax_connections = 1", "database.max_connections: \"1\" is no whole number from 2 to 1000; write one".to_owned()),
        ("[http]\nlisten = \"localhost:80\"", format!("http.listen: is no address to listen at; {address}")),
        ("[http]\npublic_url = \"wss://x\"", "http.public_url: has another scheme; write an address that begins with http://, https://".to_owned()),
        ("[http]\npublic_url = \"http://x/?a\"", "http.public_url: has a user, a query or a fragment; write an address such as \"https://pay.example.com\"".to_owned()),
        ("[admin]\nlisten = \"127.0.0.1:8080\"", "admin.listen: is also http.listen; give one of the two another port".to_owned()),
        ("[sessions]\namount_clash = \"x\"", "sessions.amount_clash: \"x\" is none of bump, tag, reject, allow; write one of these".to_owned()),
        ("[sessions]\nexpires_after = \"0s\"", "sessions.expires_after: \"0s\" is not from 1s to 365d; write a duration within".to_owned()),
        ("[sessions]\nown_addresses = [\"0x1\"]", "sessions.own_addresses: \"0x1\" is not 0x followed by 40 hexadecimal digits; copy it again from a block explorer".to_owned()),
    ];
    for (text, fault) in table {
        assert_eq!(faults(&[&format!("{text}\n{POLYGON}")], &[], &[]), [format!("0.toml: {fault}")], "{text}");
    }
}

#[test]
fn twins_in_one_network_and_chains_watched_twice() {
    let second = POLYGON.replace("polygon", "other");
    let both = format!("{POLYGON}{second}");
    let fault = "0.toml: networks.polygon.chain_id: is also that of networks.other: one transfer would pay twice; \
                 disable one of the two";
    assert_eq!(faults(&[&both], &[], &[]), [fault]);
    assert!(load_texts(&[&both.replace("137", "31337")], &[], &[]).is_ok());
    let off = [("networks.other.enabled", "false")];
    assert!(load_texts(&[&both], &[], &off).is_ok());

    let tokens = POLYGON.split("[networks.polygon.tokens.usdc]").nth(1).unwrap();
    let twice = format!(
        "{POLYGON}[networks.polygon.tokens.usdc_again]{}",
        tokens.replace("0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359", "0X3C499C542CEF5E3811E1192CE70D8CC03D5C3359")
    );
    assert_eq!(
        faults(&[&twice], &[], &[]),
        [
            "0.toml: networks.polygon.tokens.usdc_again.symbol: is also that of tokens.usdc; give each its own",
            "0.toml: networks.polygon.tokens.usdc_again.address: is also that of tokens.usdc; remove one of the two",
        ]
    );
}

#[test]
fn a_network_that_is_worked_needs_an_endpoint() {
    let bare = "[networks.polygon]\nchain_id = 137";
    let fault = "0.toml: networks.polygon.rpc: names no endpoint; add one with its `url`, or write enabled = false";
    assert_eq!(faults(&[bare], &[], &[]), [fault]);
    assert!(load_texts(&[&format!("{bare}\nenabled = false")], &[], &[]).is_ok());
    assert_eq!(faults(&["[networks.polygon]"], &[], &[]).len(), 2);
}

#[test]
fn all_faults_come_at_once_each_with_its_own_source() {
    let first = format!("{}\n[sessions]\nclock_skew = \"x\"", polygon_with("quorum = 7"));
    let environment = [("DEPOSIT_WATCHER__HTTP__LISTEN", "x"), ("DEPOSIT_WATCHER__NETWORKS__POLYGON__VERIFY", "x")];
    let lines = faults(&[&first, "[admin]\nlistem = 1"], &environment, &[("database.pgbouncer", "x")]);
    let sources: Vec<_> = lines.iter().map(|line| line.split(": ").take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        sources,
        [
            "the command line database.pgbouncer",
            "DEPOSIT_WATCHER__HTTP__LISTEN http.listen",
            "1.toml admin.listem",
            "0.toml sessions.clock_skew",
            "DEPOSIT_WATCHER__NETWORKS__POLYGON__VERIFY networks.polygon.verify",
            "0.toml networks.polygon.quorum",
        ]
    );
}

#[test]
fn one_node_is_not_two_endpoints() {
    let again = "[networks.polygon.rpc.second]\nurl = \"https://RPC.example.com:443/key\"\noperator = \"another\"";
    let fault = "0.toml: networks.polygon.rpc.second.url: is also that of rpc.primary; remove one of the two";
    assert_eq!(faults(&[&format!("{POLYGON}{again}")], &[], &[]), [fault]);
}
