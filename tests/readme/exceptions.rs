//! What is printed and is not run by `commands`: each with what keeps it from that, and with what runs or holds it otherwise.

use super::SECTION;
use super::documents::{told, top};

/// Commands that begin so, and why they are not run.
const EXCEPTIONS: [(&str, &str); 24] = [
    ("make ", "builds and tests of their own, this one among them; the target must be there"),
    ("UPDATE_DOCS=1 cargo test --test ", "writes documents anew; the test must be there"),
    ("BROWSER_ONLY=expired cargo test --test ", "needs Chromium, and is a test itself; it must be there"),
    ("cargo test --test ", "the same"),
    ("bash tests/debian/", "`make test-all` runs it; it must be there"),
    ("deposit-watcher demo ", "tests/demo runs it"),
    ("hledger check --strict", "tests/debian/accounting.sh runs it on what reports write"),
    ("export WEBHOOK_SECRET=whsec_...", "tests/receivers runs the three with a secret that was made"),
    ("PORT=8090 node receiver.mjs", "the same"),
    ("PORT=8090 python3 receiver.py", "the same"),
    ("PORT=8090 cargo run --example receiver", "the same"),
    ("cd deploy/compose", "leads to what needs Docker; the folder must be there"),
    ("./secrets.sh", "writes beside itself; tests/debian/deploy.sh runs it"),
    ("cp ../../networks.toml ", "writes there, too; `deploy.sh` starts what is built from it"),
    ("docker ", "needs Docker; tests/debian/deploy.py starts what the image and compose.yaml start"),
    ("NETWORKS=./demo.toml docker ", "the same"),
    ("install ", "writes below / as root; what it installs must be there"),
    ("(umask 077 && ", "the same"),
    ("systemctl ", "needs systemd at work; tests/debian/deploy.sh has it judge the units"),
    ("systemd-run ", "the same; tests/debian/deploy.py reads the command that it runs"),
    ("kubectl ", "needs a cluster; tests/debian/deploy.sh has kubectl and the schemas judge what goes there"),
    ("helm install ", "the same"),
    ("helm lint --strict", "tests/debian/deploy.sh runs it"),
    ("promtool check config", "the same"),
];

/// Why a command is not run.
pub(crate) fn reason(command: &str) -> Option<&'static str> {
    EXCEPTIONS
        .iter()
        .find(|(begins, _)| command == begins.trim_end() || command.starts_with(begins))
        .map(|(_, why)| *why)
}

/// What a command that is not run names and the repository has not.
fn missing(command: &str) -> Vec<String> {
    let makefile = std::fs::read_to_string(top().join("Makefile")).unwrap();
    let words: Vec<&str> = command.split(|c: char| c.is_whitespace() || c == '@').collect();
    let after =
        |option: &str| words.iter().zip(words.iter().skip(1)).find(|(word, _)| **word == option).map(|(_, of)| *of);
    let target = after("make").filter(|target| !makefile.contains(&format!("\n{target}: ")));
    let test = after("--test").filter(|test| !top().join("tests").join(test).exists());
    let folders = ["deploy/", "tests/", "migrations/"];
    let paths = words.iter().copied().filter(|word| folders.iter().any(|folder| word.starts_with(folder)));
    let paths = paths.filter(|path| {
        // kubectl's word for a deployment; a unit's name goes on behind the `@`.
        after("exec") != Some(path) && !top().join(path).exists() && !top().join(format!("{path}@.service")).exists()
    });
    paths.chain(target).chain(test).map(str::to_owned).collect()
}

#[test]
fn every_exception_is_printed_somewhere_and_names_what_there_is() {
    let commands = told(SECTION);
    for (begins, why) in EXCEPTIONS {
        assert!(
            commands.iter().any(|told| reason(&told.text) == Some(why) && told.text.starts_with(begins.trim_end())),
            "{begins}"
        );
        assert!(!why.is_empty());
    }
    for told in commands.iter().filter(|told| reason(&told.text).is_some()) {
        assert_eq!(missing(&told.text), Vec::<String>::new(), "{}: {}", told.whence, told.text);
    }
    for (wrong, what) in [
        ("make tests", "tests"),
        ("cargo test --test browsers", "browsers"),
        ("install -m 0644 deploy/systemd/deposit.service /etc", "deploy/systemd/deposit.service"),
        ("bash tests/debian/none.sh", "tests/debian/none.sh"),
    ] {
        assert_eq!(missing(wrong), [what]);
    }
}
