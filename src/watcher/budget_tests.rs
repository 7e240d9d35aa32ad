//! A day's calls, counted by hand where that is easy. That the watcher itself makes as many is held by
//! `tests/storm/scenarios/budget.rs`.

use std::time::Duration;

use super::budget::{Calls, Pace, calls_a_day};
use crate::domain::Finality;
use crate::settings::{self, Network};

const DAY: u64 = 86_400;

fn network(lines: &str) -> Network {
    let text = format!(
        "[networks.net]\nchain_id = 77\nfinality = \"confirmations\"\nconfirmations = 10\nsecond_look_delay = \"0s\"\n{lines}\n\
         rpc.one.url = \"http://one.example\"\nrpc.two.url = \"http://two.example.org\"\n\
         tokens.usd = {{ symbol = \"USD\", address = \"0x5FbDB2315678afecb367f032d93F642f64180aa3\", decimals = 6 }}"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("networks.toml");
    std::fs::write(&file, text).unwrap();
    settings::load(&[file], std::iter::empty(), &[]).unwrap().networks.remove(0)
}

fn pace(millis: u64, pushed: bool) -> Pace {
    Pace { block_time: Duration::from_millis(millis), tag_behind: Duration::ZERO, pushed, paid: false }
}

/// Within a hundredth: a day does not begin with a block.
fn about(calls: u64, expected: u64) {
    assert!(calls.abs_diff(expected) <= (expected / 100).saturating_add(2), "{calls} instead of {expected}");
}

#[test]
fn a_pushed_head_costs_one_call_a_block_and_a_polled_one_two() {
    let fast = network("poll_interval = \"2s\"");
    about(calls_a_day(&fast, pace(2_000, true)).first, DAY / 2);
    about(calls_a_day(&fast, pace(2_000, false)).first, DAY);
    // Blocks that come more seldom than it looks: a call for each look besides.
    about(calls_a_day(&fast, pace(12_000, true)).first, DAY / 12 * (1 + 5));
    about(calls_a_day(&fast, pace(12_000, false)).first, DAY / 2 + DAY / 12);
}

#[test]
fn blocks_that_share_a_step_share_its_calls() {
    let patient = network("step_interval = \"10s\"\nreorg_window = 10000");
    // Forty blocks a step: the newest header, both ends, the logs; and one block recorded in 156.
    let calls = calls_a_day(&patient, pace(250, true)).first;
    about(calls, DAY / 10 * 4 + DAY * 4 / 156);
    assert!(calls * 9 < calls_a_day(&network(""), pace(250, true)).first, "{calls}");
}

#[test]
fn a_second_look_is_one_in_fifty_blocks_or_five_minutes_or_each_that_pays() {
    let quiet = network("");
    about(calls_a_day(&quiet, pace(2_000, true)).second, DAY / 100 * 2);
    about(calls_a_day(&quiet, pace(12_000, true)).second, DAY / 300 * 2);
    let paid = Pace { paid: true, ..pace(2_000, true) };
    about(calls_a_day(&quiet, paid).second, DAY / 2 * 2);
    let three = network("quorum = 2");
    assert_eq!(calls_a_day(&three, paid).second, calls_a_day(&quiet, paid).second * 2);
}

#[test]
fn a_tag_far_behind_is_asked_for_at_every_look() {
    let tagged = Network { finality: Finality::Finalized, ..network("poll_interval = \"4s\"") };
    let far = Pace { tag_behind: Duration::from_secs(780), ..pace(12_000, true) };
    about(calls_a_day(&tagged, far).second, DAY / 4 + DAY / 300 * 2);
    let near = Pace { tag_behind: Duration::from_secs(4), ..pace(2_000, true) };
    // Asked when fifty blocks wait, of which the tag has not passed all; so once more.
    let near = calls_a_day(&tagged, near).second;
    assert!((DAY / 104 * 3..=DAY / 100 * 4).contains(&near), "{near}");
}

#[test]
fn upkeep_is_three_calls_a_minute_of_each_endpoint() {
    let Calls { upkeep, .. } = calls_a_day(&network(""), pace(2_000, true));
    assert_eq!(upkeep, 2 * 3 * DAY / 60 + 1);
}
