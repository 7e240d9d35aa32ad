//! Finds the commands that readers are told to type: shell blocks and whole commands in the text of README and of what
//! lies below `docs/` and `deploy/`, and the examples of `--help`. Not what becomes of them: that is `commands`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::{CommandFactory, Parser};
use deposit_watcher::cli::Arguments;

/// A command as it is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// Where it stands first.
    pub(crate) whence: String,
    pub(crate) text: String,
}

impl Told {
    /// Whether the document says this a few lines before or after the command.
    pub(crate) fn is_said_nearby(&self, words: &str) -> bool {
        let document = match self.whence.as_str() {
            HELP => all_help(&Arguments::command()),
            path => fs::read_to_string(top().join(path)).unwrap(),
        };
        said_nearby(&document, self.text.trim_start_matches("deposit-watcher "), words)
    }
}

/// Whether words stand within some lines around a command.
fn said_nearby(document: &str, command: &str, words: &str) -> bool {
    const LINES: usize = 5;
    let lines: Vec<&str> = document.lines().collect();
    let places = lines.iter().enumerate().filter(|(_, line)| line.contains(command)).map(|(at, _)| at);
    let around = |at: usize| lines[at.saturating_sub(LINES)..lines.len().min(at + LINES + 1)].join("\n");
    places.into_iter().any(|at| around(at).contains(words))
}

const HELP: &str = "--help";
/// What begins a command where it stands in a sentence.
const PROGRAMS: [&str; 15] = [
    "bash",
    "cargo",
    "curl",
    "createdb",
    "deposit-watcher",
    "docker",
    "export",
    "hledger",
    "kubectl",
    "make",
    "openssl",
    "psql",
    "systemctl",
    "promtool",
    "helm",
];

/// The repository's top.
pub(crate) fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README and every Markdown file below `docs/` and `deploy/`, by path.
pub(crate) fn documents() -> Vec<(String, String)> {
    fn below(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match entry.is_dir() {
                true => below(&entry, found),
                false => found.push(entry.strip_prefix(top()).unwrap().to_str().unwrap().to_owned()),
            }
        }
    }
    let mut names = vec!["README.md".to_owned()];
    ["docs", "deploy"].iter().for_each(|folder| below(&top().join(folder), &mut names));
    names.retain(|name| name.ends_with(".md"));
    names.sort();
    names.into_iter().map(|name| (name.clone(), fs::read_to_string(top().join(name)).unwrap())).collect()
}

/// The blocks of a kind.
pub(crate) fn fenced<'a>(text: &'a str, kind: &'a str) -> impl Iterator<Item = &'a str> {
    let fences = text.split("```").skip(1).step_by(2).filter_map(|fence| fence.split_once('\n'));
    fences.filter(move |(found, _)| *found == kind).map(|(_, lines)| lines)
}

/// Whether a shell would read on: inside quotes, or after a backslash.
fn unfinished(command: &str) -> bool {
    let mut quote = None;
    for c in command.chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    quote.is_some() || command.ends_with('\\')
}

/// What stands before a comment.
fn uncommented(line: &str) -> &str {
    let ends = line.match_indices('#').map(|(at, _)| &line[..at]);
    let ends = ends.filter(|before| before.is_empty() || before.ends_with(' '));
    ends.into_iter().find(|before| !unfinished(before)).unwrap_or(line).trim()
}

/// The commands of a shell block, each on one line unless it has lines in quotes.
fn commands(block: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in block.lines() {
        match found.last_mut() {
            Some(open) if open.ends_with('\\') => {
                open.pop();
                open.push_str(uncommented(line));
            }
            Some(open) if unfinished(open) => open.push_str(&format!("\n{line}")),
            _ => found.push(uncommented(line).to_owned()),
        }
    }
    found.retain(|command| !command.is_empty());
    found
}

fn subcommand<'a>(of: &'a clap::Command, words: &[&str]) -> Option<&'a clap::Command> {
    words.iter().try_fold(of, |command, word| command.find_subcommand(word))
}

/// Whether words in a sentence are a command: of a program that is named, or of ours by its subcommand.
fn whole(words: &str) -> Option<String> {
    let parts: Vec<&str> = words.split_whitespace().collect();
    let named = parts.iter().find(|word| !word.contains('=')).is_some_and(|word| PROGRAMS.contains(word));
    let ours = || {
        let all = Arguments::command();
        let first = subcommand(&all, parts.get(..1)?)?;
        let second = *parts.get(1)?;
        let option = second.starts_with("--") || second.chars().all(|c| c.is_ascii_uppercase());
        (option || first.find_subcommand(second).is_some()).then_some(())
    };
    match () {
        () if parts.len() < 2 => None,
        () if named => Some(parts.join(" ")),
        () => ours().map(|()| format!("deposit-watcher {}", parts.join(" "))),
    }
}

fn all_help(command: &clap::Command) -> String {
    let told = [command.get_about(), command.get_after_help()].into_iter().flatten().map(ToString::to_string);
    told.chain(command.get_subcommands().map(all_help)).map(|help| help + "\n").collect()
}

/// The examples of a command's help and of those below it.
fn examples(command: &clap::Command) -> Vec<String> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let lines = help.split("\n\n").next().unwrap_or_default().lines().skip_while(|line| *line != "Example:").skip(1);
    let ours: Vec<String> = lines.map(|line| line.trim().to_owned()).collect();
    ours.into_iter().chain(command.get_subcommands().flat_map(examples)).collect()
}

/// Every command, once each. What stands in shell blocks of `section` of README is left out.
pub(crate) fn told(section: &str) -> Vec<Told> {
    let mut found: Vec<Told> = Vec::new();
    for (name, text) in documents() {
        let within = text.split(&format!("\n## {section}\n")).nth(1).and_then(|rest| rest.split("\n## ").next());
        let blocks = within.map_or_else(|| text.clone(), |within| text.replacen(within, "", 1));
        let blocks: Vec<String> = fenced(&blocks, "sh").flat_map(commands).collect();
        let prose = text.split("```").step_by(2).flat_map(|prose| prose.split('`').skip(1).step_by(2));
        let texts = blocks.into_iter().chain(prose.filter_map(whole));
        found.extend(texts.map(|text| Told { whence: name.clone(), text }));
    }
    let examples = examples(&Arguments::command());
    assert!(examples.len() > 30 && found.len() > 100, "{} {}", examples.len(), found.len());
    found.extend(examples.into_iter().map(|text| Told { whence: HELP.to_owned(), text }));
    let mut seen = BTreeSet::new();
    found.retain(|told| seen.insert(told.text.clone()));
    found
}

/// Splits as a shell would, of which only the double quotes are used.
pub(crate) fn words(command: &str) -> Vec<&str> {
    let parts = command.split('"').enumerate();
    parts
        .flat_map(|(index, part)| if index % 2 == 0 { part.split_whitespace().collect() } else { vec![part] })
        .collect()
}

/// What a command of ours asks for, where it is one and is whole.
pub(crate) fn parsed(command: &str) -> Option<Arguments> {
    let words = words(command);
    let ours = words.first() == Some(&"deposit-watcher") && !command.contains("&&") && !command.contains("||");
    if ours { Arguments::try_parse_from(words).ok() } else { None }
}

/// Whether this only names a command of ours and gives it nothing that it needs.
pub(crate) fn names_only(command: &str) -> bool {
    let words: Vec<&str> = command.split_whitespace().collect();
    words.first() == Some(&"deposit-watcher")
        && parsed(command).is_none()
        && subcommand(&Arguments::command(), &words[1..]).is_some()
}

#[test]
fn commands_are_read_as_a_shell_would() {
    let block = "# Look.\na --b 'c # d'   # first\nb \\\n  --c \"d\n  e\"\n\n(umask 077 && f > g)\n";
    assert_eq!(commands(block), ["a --b 'c # d'", "b --c \"d\n  e\"", "(umask 077 && f > g)"]);
    assert_eq!(fenced("x\n```sh\na\n```\n```json\nb\n```\n", "json").collect::<Vec<_>>(), ["b\n"]);
    let document = format!("x --y exits 1\n{}x --z\n", "\n".repeat(6));
    assert!(said_nearby(&document, "x --y", "exits 1") && !said_nearby(&document, "x --z", "exits 1"));
    assert_eq!(words("a --b \"c d\" e"), ["a", "--b", "c d", "e"]);
}

#[test]
fn whole_commands_are_told_from_words() {
    for (words, command) in [
        ("check --books", "deposit-watcher check --books"),
        ("sessions list", "deposit-watcher sessions list"),
        ("deposit-watcher api", "deposit-watcher api"),
        ("pay SESSION", "deposit-watcher pay SESSION"),
        ("A=b make demo", "A=b make demo"),
    ] {
        assert_eq!(whole(words).as_deref(), Some(command));
    }
    for words in ["check", "deposit-watcher", "transfers are in dispute", "status changed", "--books", "run it", ""] {
        assert_eq!(whole(words), None, "{words}");
    }
    assert!(names_only("deposit-watcher transfers assign") && !names_only("deposit-watcher status"));
    assert!(!names_only("deposit-watcher transfers assing") && parsed("deposit-watcher status").is_some());
}
