//! Every command that README, `docs/`, `deploy/` and `--help` print is run as it is printed, against one real system, with real
//! names for the examples'; what asks first, what changes something after it, what is about a halted network last. What
//! needs programs that Rust and Node.js do not bring is run by `debian`; what cannot be run here stands in `exceptions` with
//! its reason. Not the section of README that `main.rs` carries out.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use deposit_watcher::cli::Command;
use futures_util::stream::{self, StreamExt};
use tokio::process;
use tokio::time::timeout;

use super::documents::{Told, names_only, parsed, told};
use super::rig::{PATIENCE, discreet, until};
use super::system::{Stand, System};
use super::{SECTION, exceptions, statements};

/// Words in capitals that mean themselves.
const MEANT: [&str; 8] =
    ["CONFIRMED", "DEAD", "FIXED_AMOUNT", "PENDING", "UNDERPAID", "USDC", "WAITING", "DATABASE_URL"];
/// Programs that only `tests/debian/commands.sh` has.
const DEBIAN: [&str; 7] = ["amtool", "createdb", "openssl", "pg_dump", "pg_restore", "promtool", "psql"];
/// Commands that change something, in this order after all that only look. What a halted network is told comes last.
const CHANGES: [&str; 26] = [
    "migrate",
    "prune",
    "run",
    "watch",
    "api",
    "rescan",
    "reconcile",
    "sessions create",
    "sessions cancel",
    "pay",
    "transfers assign",
    "transfers refund",
    "transfers ignore",
    "transfers release",
    "businesses create",
    "businesses disable",
    "businesses enable",
    "widgets create",
    "widgets disable",
    "widgets enable",
    "widgets rotate",
    "api-keys create",
    "api-keys disable",
    "api-keys rotate",
    "webhooks create",
    "webhooks",
];
/// Commands of ours that show what this system has, and what that is.
const SHOWN: [(&str, &str); 12] = [
    ("status", "polygon"),
    ("check --books", "book"),
    ("sessions show", "CONFIRMED"),
    ("sessions list --status PENDING", "dep_seen"),
    ("sessions list --network polygon --status UNDERPAID", "dep_less"),
    ("sessions list --status CONFIRMED", "dep_paid"),
    ("transfers list --unmatched", "already_paid"),
    ("transfers show", "already_paid"),
    ("transfers release", "undone"),
    ("report sessions --from 2026-10 --to 2026-11 --business", "session"),
    ("report unmatched --from 2026-10 --to 2026-11 --network", "already_paid"),
    ("webhooks deliveries --state DEAD", "whd_"),
];
/// Commands that end otherwise than by 0, and the words by which each document that prints them says so.
const EXPECTED: [(&str, i32, &str); 1] = [("rescan --network polygon --resume", 1, "exits 1")];
/// So many of those that only look are run at once.
const AT_ONCE: usize = 4;
/// Commands that say nothing when all is well.
const QUIET: [&str; 8] =
    ["amtool ", "cp ", "createdb ", "export ", "openssl genpkey ", "pg_dump ", "pg_restore ", "promtool "];

/// What became of a command.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Without the program's name and what comes before the command.
fn ours(text: &str) -> Option<&str> {
    let text = text.strip_prefix("deposit-watcher ")?;
    let mut rest = text;
    while let Some(after) = rest.strip_prefix("--config ").or(rest.strip_prefix("--set ")) {
        rest = after.split_once(' ').map_or("", |(_, rest)| rest);
    }
    Some(rest)
}

/// Whether a command of ours begins with these words.
fn begins(text: &str, words: &str) -> bool {
    ours(text).is_some_and(|text| words.is_empty() || text == words || text.starts_with(&format!("{words} ")))
        || words.is_empty()
}

/// Replaces a word that stands for itself: no letter, digit or underscore on either side.
fn replace_word(text: &str, from: &str, to: &str) -> String {
    let mut found = String::new();
    let (mut rest, part) = (text, |c: char| c.is_alphanumeric() || c == '_');
    while let Some(at) = rest.find(from) {
        let (before, after) = (&rest[..at], &rest[at + from.len()..]);
        let alone = !before.ends_with(part) && !after.starts_with(part);
        found.push_str(before);
        found.push_str(if alone { to } else { from });
        rest = after;
    }
    found + rest
}

/// The command with real names, which are noted as used, and those that are left of the example's.
pub(crate) fn meant(text: &str, stands: &[Stand], used: &mut BTreeSet<usize>) -> Result<String, String> {
    let mut result = text.to_owned();
    let (mut done, mut kept) = (BTreeSet::new(), Vec::new());
    for (at, stand) in stands.iter().enumerate() {
        if begins(text, stand.begins) && !done.contains(stand.printed) {
            // Not the words themselves at once: what one means may hold what another prints.
            let changed = replace_word(&result, stand.printed, &format!("\u{1}{at}\u{1}"));
            if changed != result {
                used.insert(at);
                done.insert(stand.printed);
                kept.push(at);
                result = changed;
            }
        }
    }
    let strange = |word: &str| {
        let digits = |rest: &str| rest.len() == 6 && rest.chars().all(|c| c.is_ascii_hexdigit());
        let capitals = word.chars().any(|c| c.is_ascii_uppercase())
            && word.chars().all(|c| c.is_ascii_uppercase() || c == '_')
            && !MEANT.contains(&word);
        word.split_once('_').is_some_and(|(_, rest)| digits(rest)) || capitals
    };
    let outside = result.split('"').step_by(2).flat_map(|part| part.split(|c: char| !c.is_alphanumeric() && c != '_'));
    if let Some(word) = outside.into_iter().find(|word| strange(word)).filter(|_| ours(text).is_some()) {
        return Err(format!("{word} stands for nothing here"));
    }
    if result.contains('…') || result.contains("...") {
        return Err("something is left out, and nothing here stands for it".to_owned());
    }
    Ok(kept.iter().fold(result, |result, at| result.replace(&format!("\u{1}{at}\u{1}"), &stands[*at].means)))
}

/// What a lasting command says, on stdout or in its log, once it does what it is for.
fn lasting(command: &str) -> Option<(&'static str, &'static str)> {
    let command = parsed(command)?.command;
    if matches!(command, Command::Run | Command::Watch) {
        Some(("TERM", "\"message\":\"watching\""))
    } else if matches!(command, Command::Api) {
        Some(("TERM", "\"message\":\"serving the API\""))
    } else if matches!(command, Command::Status(status) if status.watch) {
        Some(("INT", "polygon"))
    } else {
        None
    }
}

impl System {
    /// Runs a command in a folder of its own, to its end, or until it does what it is for and is told to stop.
    async fn run(&self, command: &str, folder: &Path) -> Ran {
        let (out, err) = (folder.join("stdout"), folder.join("stderr"));
        let lasts = lasting(command);
        let mut bash = process::Command::new("bash");
        bash.env_clear().envs(self.environment(folder)).current_dir(folder).stdin(Stdio::null());
        bash.process_group(0).kill_on_drop(true);
        bash.stdout(std::fs::File::create(&out).unwrap()).stderr(std::fs::File::create(&err).unwrap());
        if lasts.is_some() {
            let listeners = ["ADMIN__LISTEN", "ADMIN__API_LISTEN", "HTTP__LISTEN"];
            bash.envs(listeners.map(|key| (format!("DEPOSIT_WATCHER__{key}"), "127.0.0.1:0")));
            bash.args(["-c", &format!("exec {command}")]);
        } else {
            bash.args(["-c", &format!("set -euo pipefail\n{command}")]);
        }
        let mut child = bash.spawn().unwrap();
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        if let Some((signal, says)) = lasts {
            until(&format!("{command} says {says}"), async || {
                let ended = child.try_wait().unwrap();
                assert!(ended.is_none(), "{command} ended: {ended:?} {}", read(&err));
                (read(&out) + &read(&err)).contains(says).then_some(())
            })
            .await;
            let pid = child.id().unwrap().to_string();
            assert!(process::Command::new("kill").args(["-s", signal, &pid]).status().await.unwrap().success());
        }
        let Ok(ended) = timeout(PATIENCE, child.wait()).await else {
            // With whatever bash waits for.
            let group = format!("-{}", child.id().unwrap());
            let _ = process::Command::new("kill").args(["-s", "KILL", "--", &group]).status().await;
            panic!("{command} does not end: {} {}", read(&out), read(&err));
        };
        let code = ended.unwrap().code().expect("the command is not killed");
        let ran = Ran { code, stdout: read(&out), stderr: read(&err) };
        discreet(&ran.stdout);
        discreet(&ran.stderr);
        ran
    }

    /// Runs it and says what is wrong with what it did.
    pub(crate) async fn try_out(&self, told: &Told, command: &str, folder: &Path) -> Vec<String> {
        let ran = self.run(command, folder).await;
        let expected = EXPECTED.iter().find(|(words, ..)| ours(command) == Some(words));
        let code = expected.map_or(0, |(_, code, _)| *code);
        let quiet = command.contains(" --out ")
            || QUIET.iter().any(|words| command.starts_with(words))
            || lasting(command).is_some();
        let mut faults = Vec::new();
        if ran.code != code {
            faults.push(format!("ends with {}, not {code}: {}{}", ran.code, ran.stdout, ran.stderr));
        }
        if let Some((_, _, says)) = expected.filter(|(_, _, says)| !told.is_said_nearby(says)) {
            faults.push(format!("ends with {code}, and nothing there says that it {says}"));
        }
        if ran.stdout.trim().is_empty() && !quiet {
            faults.push(format!("prints nothing: {}", ran.stderr));
        }
        // psql ends well after a script of which a statement failed.
        if command.starts_with("psql ") && ran.stderr.contains("ERROR:") {
            faults.push(ran.stderr.clone());
        }
        let shown = SHOWN.iter().filter(|(words, _)| begins(&told.text, words) && !told.text.ends_with(" --help"));
        for (_, shows) in shown.filter(|(_, shows)| !ran.stdout.contains(shows)) {
            faults.push(format!("does not show {shows}: {}", ran.stdout));
        }
        if let Some((_, file)) = command.split_once(" --out ") {
            let file = folder.join(file.split(' ').next().unwrap());
            let lines = std::fs::read_to_string(&file).map_or(0, |text| text.lines().count());
            if lines < 2 || !file.with_added_extension("manifest.json").exists() {
                faults.push(format!("writes {lines} lines, with or without a manifest"));
            }
        }
        faults.into_iter().map(|fault| format!("{}: {}\n  as {command}\n  {fault}", told.whence, told.text)).collect()
    }
}

/// Whether it is for `tests/debian/commands.sh`.
pub(crate) fn needs_debian(command: &str) -> bool {
    let words = command.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-');
    words.into_iter().any(|word| DEBIAN.contains(&word))
}

/// Where in the order a command comes.
fn turn(command: &str) -> usize {
    if command.contains("--resume") {
        return CHANGES.len() + 1 + usize::from(command.contains("--yes"));
    }
    CHANGES.iter().position(|words| begins(command, words)).map_or(0, |at| at + 1)
}

/// All that can be run with what Rust and Node.js bring, in the order in which it is.
fn runnable() -> Vec<Told> {
    let mut commands = told(SECTION);
    commands.retain(|told| exceptions::reason(&told.text).is_none() && !needs_debian(&told.text));
    for told in commands.iter_mut().filter(|told| names_only(&told.text)) {
        told.text.push_str(" --help");
    }
    commands.sort_by_key(|told| turn(&told.text));
    commands
}

#[tokio::test]
async fn every_command_of_the_documents_and_of_the_help_can_be_run() {
    let system = System::start().await;
    let (mut faults, mut used) = (statements::faults(&system).await, BTreeSet::new());
    let mut runs = Vec::new();
    for (at, told) in runnable().into_iter().enumerate() {
        match meant(&told.text, &system.stands, &mut used) {
            Ok(command) => runs.push((turn(&told.text), told, command, system.folder(&format!("command-{at}")))),
            Err(fault) => faults.push(format!("{}: {}: {fault}", told.whence, told.text)),
        }
    }
    let unused = system.stands.iter().enumerate().filter(|(at, _)| !used.contains(at));
    faults.extend(unused.map(|(_, Stand { begins, printed, .. })| format!("{begins} … {printed} is printed nowhere")));
    let (looks, deeds) = runs.split_at(runs.partition_point(|(turn, ..)| *turn == 0));
    assert!(looks.len() > 30 && deeds.len() > 50, "{} {}", looks.len(), deeds.len());
    let looking = looks.iter().map(|(_, told, command, folder)| system.try_out(told, command, folder));
    faults.extend(stream::iter(looking).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await.concat());
    for (at, (turn, told, command, folder)) in deeds.iter().enumerate() {
        let before = at.checked_sub(1).map_or(0, |before| deeds[before].0);
        if *turn > CHANGES.len() && before <= CHANGES.len() {
            system.process.is_ready().await;
            system.halt().await;
        }
        faults.extend(system.try_out(told, command, folder).await);
        system.keeps_up().await;
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // Half of it, the rest, three blocks.
    assert_eq!(system.rig.becomes("dep_pay", "CONFIRMED").await.confirmed, "6");
    system.end().await;
}

#[test]
fn words_are_replaced_whole_and_what_stands_for_nothing_is_seen() {
    assert_eq!(replace_word("a 12 12.50 x12 \"12\"", "12", "0"), "a 0 0.50 x12 \"0\"");
    assert_eq!(ours("deposit-watcher --set a.b=1 --config c check --books"), Some("check --books"));
    assert!(begins("deposit-watcher pay dep_1", "pay") && !begins("deposit-watcher payment", "pay"));
    let stand = |begins, printed, means: &str| Stand { begins, printed, means: means.to_owned() };
    let stands = [stand("pay", "dep_5f3e9a", "dep_a"), stand("", "N", "dep_5f3e9a"), stand("", "B", "N")];
    let mut used = BTreeSet::new();
    let mut meant = |text: &str| meant(text, &stands, &mut used);
    assert_eq!(
        meant("deposit-watcher pay dep_5f3e9a --b N B"),
        Ok("deposit-watcher pay dep_a --b dep_5f3e9a N".into())
    );
    assert_eq!(
        meant("deposit-watcher sessions list --status DEAD"),
        Ok("deposit-watcher sessions list --status DEAD".into())
    );
    for wrong in ["sessions show dep_5f3e9a", "sessions show ID", "sessions show dep_…", "webhooks retry whd_..."] {
        assert!(meant(&format!("deposit-watcher {wrong}")).is_err(), "{wrong}");
    }
    assert_eq!(used, BTreeSet::from([0, 1, 2]));
    assert!(needs_debian("export A=$(openssl rand -hex 32)") && !needs_debian("deposit-watcher status"));
}
