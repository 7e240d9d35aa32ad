//! What docs/OPERATING.md says a day costs, by the watcher's own plan and constants.
//!
//! `UPDATE_DOCS=1 cargo test --test house capacity` writes the table anew.

use std::fmt::Write;
use std::fs;
use std::time::Duration;

use deposit_watcher::settings::{self, Network};
use deposit_watcher::watcher::budget::{Pace, calls_a_day};

use super::docs::{read, top};

const OPERATING: &str = "docs/OPERATING.md";
/// The line before the table, and the one after it.
const BEGINS: &str = "<!-- calls a day, written by a test -->\n";
const ENDS: &str = "\n<!-- end -->";

/// How the chains go that networks.toml knows: slug, milliseconds between blocks, seconds that the tag is behind.
const CHAINS: [(&str, u64, u64); 6] = [
    ("ethereum", 12_000, 900),
    ("polygon", 2_000, 5),
    ("bnbchain", 750, 2),
    ("base", 2_000, 300),
    ("optimism", 2_000, 300),
    ("arbitrum", 250, 900),
];

/// Settings that make it cheaper or dearer.
const SETTINGS: [(&str, &[(&str, &str)]); 4] = [
    ("as in networks.toml", &[]),
    ("`step_interval = \"10s\"`", &[("step_interval", "10s")]),
    ("`step_interval = \"60s\"`, `poll_interval = \"60s\"`", &[("step_interval", "60s"), ("poll_interval", "60s")]),
    ("`quorum = 2`", &[("quorum", "2")]),
];

fn network(slug: &str, keys: &[(&str, &str)]) -> Network {
    let key = |(key, value): &(&str, &str)| (format!("networks.{slug}.{key}"), (*value).to_owned());
    let flags: Vec<(String, String)> = keys.iter().map(key).collect();
    let settings = settings::load(&[top().join("networks.toml")], std::iter::empty(), &flags).unwrap();
    settings.networks.into_iter().find(|network| network.slug.as_str() == slug).unwrap()
}

/// A number as people read it.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

fn table() -> String {
    let mut text =
        "| network | block every | settings | heads | quiet | a payment in every block |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for (slug, millis, behind) in CHAINS {
        for (name, keys) in SETTINGS {
            let network = network(slug, keys);
            let pushed = if name.starts_with("as") { vec![true, false] } else { vec![true] };
            for pushed in pushed {
                let (block_time, tag_behind) = (Duration::from_millis(millis), Duration::from_secs(behind));
                let calls = |paid| calls_a_day(&network, Pace { block_time, tag_behind, pushed, paid }).all();
                let heads = if pushed { "pushed" } else { "polled" };
                let every = humantime(block_time);
                let (quiet, paid) = (thousands(calls(false)), thousands(calls(true)));
                writeln!(text, "| {slug} | {every} | {name} | {heads} | {quiet} | {paid} |").unwrap();
            }
        }
    }
    text
}

fn humantime(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis.is_multiple_of(1_000) { format!("{} s", millis / 1_000) } else { format!("{millis} ms") }
}

#[test]
fn the_table_of_calls_is_what_the_plan_makes_of_a_day() {
    let text = read(OPERATING);
    let (before, rest) = text.split_once(BEGINS).expect("where the table begins");
    let (_, after) = rest.split_once(ENDS).expect("where it ends");
    let whole = format!("{before}{BEGINS}\n{}{ENDS}{after}", table());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(top().join(OPERATING), &whole).unwrap();
        return;
    }
    assert!(text == whole, "{OPERATING} is stale: run `UPDATE_DOCS=1 cargo test --test house capacity`");
}

#[test]
fn more_blocks_a_step_are_fewer_calls_and_more_witnesses_more() {
    for (slug, millis, behind) in CHAINS {
        let pace = |paid| Pace {
            block_time: Duration::from_millis(millis),
            tag_behind: Duration::from_secs(behind),
            pushed: true,
            paid,
        };
        let [usual, slow, slower, two] = SETTINGS.map(|(_, keys)| calls_a_day(&network(slug, keys), pace(true)).all());
        assert!(slower < slow && slow <= usual && usual < two, "{slug}: {usual} {slow} {slower} {two}");
        assert!(calls_a_day(&network(slug, &[]), pace(false)).all() < usual, "{slug}");
    }
}
