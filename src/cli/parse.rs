//! From the process' arguments to [`Arguments`], or to what there is to tell instead. Not for configuration.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use clap::Parser;

use super::args::Arguments;
use super::exit::Exit;

/// Reads the command line, program name first. `Err` is the exit code after help, version or a usage error was printed.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Arguments, ExitCode> {
    Arguments::try_parse_from(hoist(arguments.collect())).map_err(|told| {
        // Help goes to stdout, errors to stderr; a reader that went away is no failure.
        let _ = told.print();
        ExitCode::from(if told.use_stderr() { Exit::Usage.code() } else { Exit::Done.code() })
    })
}

/// Moves `--config` and `--set` with their values to the front, in their order.
///
/// clap lets a global option of a command replace the one before it, so of `--config a watch --config b` it would
/// forget `a`. No other option takes a value that begins with a dash.
fn hoist(arguments: Vec<OsString>) -> Vec<OsString> {
    let mut arguments = arguments.into_iter();
    let mut front: Vec<OsString> = arguments.next().into_iter().collect();
    let mut rest = Vec::new();
    while let Some(argument) = arguments.next() {
        if argument == "--" {
            rest.push(argument);
            break;
        } else if is_global(&argument, "=") {
            front.push(argument);
        } else if is_global(&argument, "") {
            front.push(argument);
            front.extend(arguments.next());
        } else {
            rest.push(argument);
        }
    }
    rest.extend(arguments);
    front.extend(rest);
    front
}

/// `--config` or `--set` itself, or with its value behind `=`.
fn is_global(argument: &OsStr, separator: &str) -> bool {
    let text = argument.to_string_lossy();
    let is = |name: &str| match separator {
        "" => text == name,
        separator => text.strip_prefix(name).is_some_and(|rest| rest.starts_with(separator)),
    };
    is("--config") || is("--set")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn arguments(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(hoist(line.split_whitespace().map(OsString::from).collect()))
    }

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn sources_count_before_and_after_the_command_in_their_order() {
        let read = arguments("x --config a --set a.b=1 sessions --set=a.b=2 list --config=b --limit 3").unwrap();
        assert_eq!(read.sources.config, ["a", "b"].map(std::path::PathBuf::from));
        let pair = |value: &str| ("a.b".to_owned(), value.to_owned());
        assert_eq!(read.sources.set, [pair("1"), pair("2")]);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "x",
            "x fly",
            "x watch --config",
            "x watch --set a",
            "x watch --set =1",
            "x sessions",
            "x sessions list --status PAID",
            "x sessions list --output xml",
            "x sessions list --limit 0",
            "x rescan --network a",
            "x rescan --network a --from 1",
            "x rescan --network a --from 1 --to 2 --resume",
            "x rescan --network a --from 1 --to 2 --yes",
            "x transfers show 0x12",
            "x pay",
            "x pay dep_1 --less --more",
            "x pay dep_1 --amount 1 --twice",
            "x pay dep_1 --mine 0",
            "x pay dep_1 --mine 1001",
            "x pay dep_1 --mine 3 --reorganise",
            "x pay dep_1 --reorganise 65",
        ] {
            assert!(arguments(line).is_err(), "{line}");
        }
    }

    #[test]
    fn every_command_has_an_example() {
        fn leaves(command: &clap::Command) {
            if command.get_subcommands().next().is_none() {
                let help = command.clone().render_long_help().to_string();
                assert!(help.contains("Example:\n  deposit-watcher "), "{help}");
            }
            command.get_subcommands().filter(|inner| inner.get_name() != "help").for_each(leaves);
        }
        leaves(&Arguments::command());
    }
}
