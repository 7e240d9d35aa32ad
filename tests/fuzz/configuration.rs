//! The configuration: the example of the repository and a full one, damaged. It is read or its faults are told, and no
//! fault tells a secret.

use deposit_watcher::settings;
use proptest::prelude::*;

use crate::damage::{cases, damaged, damages};

const SECRET: &str = "hunter2-hunter2-hunter2";

const FULL: &str = r#"
[database]
url = "postgres://user:hunter2-hunter2-hunter2@localhost/deposit_watcher"
max_connections = 10
[http]
listen = "127.0.0.1:8080"
public_url = "https://pay.example.com"
[sessions]
expires_after = "30m"
amount_clash = "bump"
own_addresses = ["0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359"]
[networks.polygon]
chain_id = 137
finality = "confirmations"
confirmations = 128
quorum = 1
min_age = "10s"
max_block_range = 2000
[networks.polygon.rpc.primary]
url = "wss://node.example.com/v2/hunter2-hunter2-hunter2"
priority = 1
operator = "ours"
[networks.polygon.tokens.usdc]
symbol = "USDC"
address = "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359"
decimals = 6
tolerance = "0.01"
min_partial = "1%"
"#;

fn load(text: &[u8], environment: &[(String, String)]) -> Result<settings::Settings, settings::Problems> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("networks.toml");
    std::fs::write(&file, text).unwrap();
    settings::load(&[file], environment.iter().cloned(), &[])
}

fn only_urls_hold_it(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.lines().filter(|line| line.contains(SECRET)).all(|line| line.starts_with("url = \""))
}

#[test]
fn the_examples_are_good() {
    load(FULL.as_bytes(), &[]).unwrap();
    load(include_bytes!("../../networks.toml"), &[]).unwrap();
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a_file_is_read_or_its_faults_are_told(damages in damages(), example in any::<bool>()) {
        let text = if example { include_str!("../../networks.toml") } else { FULL };
        let text = damaged(text, &damages);
        // Where damage carries a secret to a key that holds none, it is told like any other text.
        prop_assume!(only_urls_hold_it(&text));
        match load(&text, &[]) {
            Ok(settings) => {
                prop_assert!(!format!("{settings:?}").contains(SECRET), "Debug tells a secret");
            }
            Err(problems) => {
                let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
                prop_assert!(!told.is_empty());
                prop_assert!(!told.iter().any(|line| line.contains(SECRET)), "{told:#?}");
            }
        }
    }

    #[test]
    fn so_is_the_environment(name in "(DEPOSIT_WATCHER__)?[A-Z_]{0,12}(__[A-Z0-9_]{0,10}){0,4}", damages in damages()) {
        let value = String::from_utf8_lossy(&damaged("hunter2-hunter2-hunter2", &damages)).into_owned();
        let variable = ("DEPOSIT_WATCHER__NETWORKS__POLYGON__RPC__PRIMARY__URL".to_owned(), format!("https://{value}/{SECRET}"));
        if let Err(problems) = load(FULL.as_bytes(), &[(name, value), variable]) {
            let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
            prop_assert!(!told.iter().any(|line| line.contains(SECRET)), "{told:#?}");
        }
    }
}
