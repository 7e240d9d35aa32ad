//! Each command that a reader is told to type is one of ours, with ids of the kind that it takes: in the runbooks and
//! in the examples of `--help`. Not what they do: `tests/readme` runs them.

use clap::CommandFactory;
use deposit_watcher::cli::{self, Arguments};

use super::alerts::{RUNBOOKS, files};
use super::docs::read;

/// Documents besides the runbooks whose commands are looked at.
const DOCUMENTS: [&str; 2] = ["docs/FINANCE.md", "docs/OPERATING.md"];

/// How the ids begin that a command takes, by the words it begins with; the first that fits.
const IDS: [(&str, &str); 8] = [
    ("sessions ", "dep_"),
    ("pay ", "dep_"),
    ("transfers assign ", "dep_"),
    ("widgets ", "wid_"),
    ("api-keys ", "key_"),
    ("webhooks deliveries ", "whd_"),
    ("webhooks retry ", "whd_"),
    ("webhooks ", "we_"),
];
/// The same by the option before the id.
const OPTIONS: [(&str, &str); 2] = [("--widget", "wid_"), ("--session", "dep_")];

/// The commands of ours in a document, from its blocks and its text.
fn written(text: &str) -> Vec<String> {
    let inline = text.split("```").step_by(2).flat_map(|prose| prose.split('`').skip(1).step_by(2));
    let blocks = text.split("```").skip(1).step_by(2).flat_map(str::lines);
    inline.chain(blocks).filter(|words| words.starts_with("deposit-watcher ")).map(str::to_owned).collect()
}

/// The commands of ours in the examples of a command's help and of those below it.
fn examples(command: &clap::Command) -> Vec<String> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let lines = help.lines().flat_map(|line| line.split("&&")).flat_map(|line| line.split("||"));
    let ours = lines.map(str::trim).filter(|line| line.starts_with("deposit-watcher ")).map(str::to_owned);
    ours.chain(command.get_subcommands().flat_map(examples)).collect()
}

/// As a shell would, of which only the double quotes are used.
fn words(command: &str) -> Vec<&str> {
    let parts = command.split('"').enumerate();
    parts
        .flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().collect(),
            _ => vec![part],
        })
        .collect()
}

fn is_id(word: &str) -> bool {
    let hexadecimal = |rest: &str| rest.len() >= 4 && rest.chars().all(|c| c.is_ascii_hexdigit());
    word.split_once('_').is_some_and(|(kind, rest)| kind.chars().all(|c| c.is_ascii_lowercase()) && hexadecimal(rest))
}

/// What is wrong with a command.
fn fault(command: &str) -> Option<String> {
    let words = words(command);
    if cli::parse(words.iter().map(Into::into)).is_err() {
        return Some("is not understood".to_owned());
    }
    let asked = command.trim_start_matches("deposit-watcher ");
    let kind = IDS.iter().find(|(begins, _)| asked.starts_with(begins)).map(|(_, kind)| *kind);
    let pairs = words.iter().zip(words.iter().skip(1)).filter(|(_, word)| is_id(word));
    let strange = pairs.into_iter().find(|(before, word)| {
        let option = OPTIONS.iter().find(|(option, _)| option == *before).map(|(_, kind)| *kind);
        !option.or(kind).is_some_and(|kind| word.starts_with(kind))
    });
    strange.map(|(_, word)| format!("takes no id like {word}"))
}

#[test]
fn every_command_in_the_runbooks_and_in_the_help_is_right() {
    let (mut written_down, mut faults) = (0, Vec::new());
    let documents = DOCUMENTS.map(|name| (name.to_owned(), read(name)));
    for (name, text) in files(RUNBOOKS, ".md").into_iter().chain(documents) {
        let commands = written(&text);
        written_down += commands.len();
        faults.extend(commands.iter().filter_map(|command| Some(format!("{name}: {command} {}", fault(command)?))));
    }
    let examples = examples(&Arguments::command());
    faults.extend(examples.iter().filter_map(|command| Some(format!("--help: {command} {}", fault(command)?))));
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(written_down > 50 && examples.len() > 30, "{written_down} {}", examples.len());
}

#[test]
fn what_is_wrong_with_a_command_is_seen() {
    assert_eq!(written("`deposit-watcher a` and\n```sh\ndeposit-watcher b\ncurl c\n```\n`d`").len(), 2);
    for right in [
        "deposit-watcher check --books",
        "deposit-watcher businesses create shop --name \"The shop\"",
        "deposit-watcher webhooks retry whd_5f3e9a",
        "deposit-watcher api-keys create --business shop --name payments --widget wid_5f3e9a",
    ] {
        assert_eq!(fault(right), None, "{right}");
    }
    for wrong in [
        "deposit-watcher repair",
        "deposit-watcher check --everything",
        "deposit-watcher transfers show 0x7f",
        "deposit-watcher webhooks disable whd_5f3e9a",
        "deposit-watcher webhooks disable whe_5f3e9a",
        "deposit-watcher api-keys create --business shop --name payments --widget key_5f3e9a",
    ] {
        assert!(fault(wrong).is_some(), "{wrong}");
    }
}
