//! What makes no sense is refused before anything is touched: 2 for the command line, 78 for the configuration.

use super::program::Program;

/// Nothing listens there, and nothing here needs it.
const NOWHERE: &str = "postgres://nobody@127.0.0.1:1/none";

#[test]
fn a_command_line_that_makes_no_sense_is_2() {
    let program = Program::at(NOWHERE);
    for line in [
        "",
        "fly",
        "status --output xml",
        "sessions list --status PAYED",
        "transfers show 0x12",
        "rescan --network anvil",
    ] {
        let ended = program.run(&line.split_whitespace().collect::<Vec<_>>());
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{line}: {ended:?}");
        assert!(!ended.stderr.is_empty(), "{line}");
    }
}

#[test]
fn help_is_data_with_an_example() {
    let program = Program::at(NOWHERE);
    for line in
        ["--help", "watch --help", "health --help", "sessions create --help", "rescan --help", "webhooks create --help"]
    {
        let help = program.ok(&line.split_whitespace().collect::<Vec<_>>());
        assert!(help.contains("Example:\n  deposit-watcher "), "{help}");
    }
    assert!(program.ok(&["--version"]).starts_with("deposit-watcher "));
}

#[test]
fn every_fault_of_the_configuration_is_told_at_once() {
    let program = Program::at(NOWHERE);
    let file = program.file("bad.toml", "nonsense = 1\n[networks.anvil]\nquorun = 2\nmax_lag = \"soon\"\n");
    let file = file.to_str().unwrap();
    let ended = program.run(&["--config", "networks.toml", "status", "--config", file, "--set", "admin.listen=here"]);
    ended.reason(78);
    for part in ["nonsense", "did you mean `quorum`?", "networks.anvil.max_lag", "the command line: admin.listen"] {
        assert!(ended.stderr.contains(part), "{part}: {ended:?}");
    }
    assert_eq!(ended.stdout, "");
    assert!(ended.stderr.contains("bad.toml"), "{ended:?}");
}

#[test]
fn an_unknown_name_tells_the_nearest() {
    let program = Program::at(NOWHERE);
    let to = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
    let create = |network: &str, token: &str, to: &str, amount: &str| {
        let line = ["sessions", "create", "--network", network, "--token", token, "--to", to, "--amount", amount];
        program.run(&line).reason(2)
    };
    assert!(create("anvl", "usdc", to, "1").contains("did you mean anvil?"));
    assert!(create("polygon", "usdc", to, "1").contains("not enabled"));
    assert!(create("anvil", "usdt", to, "1").contains("did you mean usdc?"));
    assert!(create("anvil", "usdc", &to.replace("C5", "c5"), "1").contains("checksum"));
    assert!(create("anvil", "usdc", "0x5FbDB2315678afecb367f032d93F642f64180aa3", "1").contains("is lost"));
    assert!(create("anvil", "usdc", to, "0.0000001").contains("has more decimals than the token"));
    assert!(create("anvil", "usdc", to, "0").contains("asks for nothing"));
    let status = program.run(&["sessions", "list", "--status", "confrimed"]);
    assert!(status.stderr.contains("did you mean CONFIRMED?"), "{status:?}");
}
