//! The log's schema: every message of the code, with its level and fields, is in `docs/LOGS.md`, and every field has a
//! meaning there. Not for how lines are written: that is `logs`.
//!
//! `UPDATE_DOCS=1 cargo test --test house messages` writes `docs/LOGS.md` anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::docs::{read, top};

const LOGS: &str = "docs/LOGS.md";

/// Levels, the gravest first.
const LEVELS: [(&str, &str); 4] = [
    ("error", "A person is needed, or something was given up."),
    ("warn", "Something did not go as it should; it is tried again or gone round."),
    ("info", "What a watcher does, as it does it. The level that is shown unless `RUST_LOG` says otherwise."),
    ("debug", "For whoever looks for a cause: `RUST_LOG=deposit_watcher=debug`."),
];

/// A line that the program may write.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    level: String,
    text: String,
    fields: BTreeSet<String>,
    target: String,
}

/// The arguments of a macro that opens at `text`, which begins behind its parenthesis: split at the commas between them.
fn arguments(text: &str) -> Vec<String> {
    let (mut depth, mut all, mut one, mut chars) = (0_u32, Vec::new(), String::new(), text.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                one.push(c);
                while let Some(inner) = chars.next() {
                    one.push(inner);
                    match inner {
                        '\\' => one.extend(chars.next()),
                        '"' => break,
                        _ => {}
                    }
                }
                continue;
            }
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                all.push(std::mem::take(&mut one));
                continue;
            }
            _ => {}
        }
        one.push(c);
    }
    all.push(one);
    all.iter().map(|argument| argument.trim().to_owned()).filter(|argument| !argument.is_empty()).collect()
}

/// A string literal as it reads; `None` of what is none.
fn literal(argument: &str) -> Option<String> {
    let inner = argument.strip_prefix('"')?.strip_suffix('"')?;
    let joined: Vec<&str> =
        inner.split("\\\n").enumerate().map(|(at, line)| if at == 0 { line } else { line.trim_start() }).collect();
    Some(joined.concat().replace("\\\"", "\""))
}

/// The name of the field that an argument gives: `name = value`, `%name`, `?name`, `name`.
fn field(argument: &str) -> String {
    let name = argument.split_once('=').map_or(argument, |(name, _)| name);
    name.trim().trim_start_matches(['%', '?']).to_owned()
}

/// Every message in a file's text.
fn messages(path: &str, text: &str) -> Vec<Message> {
    let room = path.trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::");
    let mut found = Vec::new();
    for (level, _) in LEVELS {
        let opening = format!("tracing::{level}!(");
        for (at, _) in text.match_indices(&opening) {
            let arguments = arguments(text.get(at + opening.len()..).unwrap());
            let (said, fields): (Vec<_>, Vec<_>) = arguments.iter().partition(|argument| literal(argument).is_some());
            let text = said.first().and_then(|said| literal(said));
            let text = text.unwrap_or_else(|| panic!("{path}: a line without a message: {arguments:?}"));
            let fields = fields.into_iter().map(|argument| field(argument)).collect();
            found.push(Message { level: level.to_owned(), text, fields, target: format!("deposit_watcher::{room}") });
        }
    }
    found
}

/// Every file below `src/` but tests: path and text.
fn source(folder: &Path, below: &str, into: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{below}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            source(&entry.path(), &format!("{name}/"), into);
        } else if name.ends_with(".rs") {
            into.push((name, fs::read_to_string(entry.path()).unwrap()));
        }
    }
}

fn all() -> Vec<Message> {
    let mut files = Vec::new();
    source(&top().join("src"), "", &mut files);
    files.iter().flat_map(|(path, text)| messages(path, text)).collect()
}

/// The manual of the log.
fn manual() -> String {
    // The same words in two places are one line of the table.
    let mut lines: BTreeMap<(usize, String), (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    for message in all() {
        let level = LEVELS.iter().position(|(level, _)| *level == message.level).unwrap();
        let line = lines.entry((level, message.text)).or_default();
        line.0.extend(message.fields);
        line.1.insert(message.target);
    }
    let code = |words: &BTreeSet<String>| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let mut text = read(LOGS).split("## Messages").next().unwrap_or_default().trim_end().to_owned();
    text += "\n\n## Messages\n\nWritten from the code by `UPDATE_DOCS=1 cargo test --test house messages`.\n";
    for (at, (level, meaning)) in LEVELS.iter().enumerate() {
        let name = level.to_uppercase();
        write!(text, "\n### {name}\n\n{meaning}\n\n| message | fields | target |\n|---|---|---|\n").unwrap();
        for ((_, message), (fields, targets)) in lines.iter().filter(|((level, _), _)| *level == at) {
            writeln!(text, "| {} | {} | {} |", message.replace('|', "\\|"), code(fields), code(targets)).unwrap();
        }
    }
    text
}

#[test]
fn the_manual_of_the_log_is_the_code() {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(top().join(LOGS), manual()).unwrap();
    }
    assert!(read(LOGS) == manual(), "{LOGS} is stale: run `UPDATE_DOCS=1 cargo test --test house messages`");
}

#[test]
fn every_field_has_a_meaning_and_every_meaning_a_field() {
    let used: BTreeSet<String> = all().into_iter().flat_map(|message| message.fields).collect();
    let text = read(LOGS);
    let table = text.split("## Fields").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap_or_default();
    let names = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" |"));
    let told: BTreeSet<String> =
        names.flat_map(|(names, _)| names.split(", ")).map(|name| name.trim_matches('`').to_owned()).collect();
    assert_eq!(used, told, "the fields of the code and those that {LOGS} explains");
    assert!(!used.contains("message"), "a line's words are its `message`");
}

/// A line that `messages` would not find is in no manual.
#[test]
fn lines_are_written_in_one_way() {
    let mut files = Vec::new();
    source(&top().join("src"), "", &mut files);
    for (path, text) in &files {
        for word in ["event!(", "info!(", "warn!(", "error!(", "debug!(", "trace!("] {
            let own = text.match_indices(word).filter(|(at, _)| {
                let before = text.get(..*at).unwrap();
                !before.ends_with("tracing::") && !before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            });
            assert_eq!(own.count(), 0, "{path}: write tracing::{word}…)");
        }
        assert!(
            !text.contains("tracing::trace!(") && !text.contains("tracing::event!("),
            "{path}: is no level of ours"
        );
    }
    assert!(all().len() > 50, "src/ was not read");
}

#[test]
fn messages_are_read_with_their_fields() {
    let planted = "tracing::warn!(network = %a.b(c, \"x, y\"), %error, ?pause, plain, \"it \\\"is\\\" (so)\");\n\
                   tracing::warn!(\"alone {}\", f(1, 2));";
    let fields = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let message = |text: &str, names: &[&str]| Message {
        level: "warn".to_owned(),
        text: text.to_owned(),
        fields: fields(names),
        target: "deposit_watcher::chain::pool".to_owned(),
    };
    let read = messages("chain/pool.rs", planted);
    assert_eq!(read[0], message("it \"is\" (so)", &["network", "error", "pause", "plain"]));
    assert_eq!(read[1].text, "alone {}");
    assert_eq!(messages("chain/mod.rs", "tracing::info!(\"x\")")[0].target, "deposit_watcher::chain");
}
