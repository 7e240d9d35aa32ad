//! How a command ends: the process' exit code, and why, as one plain line on stderr. Not for logs.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::{settings, store};

/// The exit codes, all of them; 75 and 78 as in sysexits(3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or whoever read the output went away.
    Done,
    /// It could not be done.
    Failed,
    /// The command line makes no sense, or names what there is not.
    Usage,
    /// A check found something.
    Found,
    /// A dependency is unavailable, or not ready (the schema is behind): trying again later makes sense.
    Unavailable,
    /// The configuration is wrong: trying again makes none.
    Configuration,
}

impl Exit {
    /// As the process gives it.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Found => 3,
            Exit::Unavailable => 75,
            Exit::Configuration => 78,
        }
    }
}

/// Why a command ends before it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The code.
    pub exit: Exit,
    /// What must be told besides, a line each.
    pub details: Vec<String>,
    /// The one line; empty for a quiet end.
    pub reason: String,
}

impl Failure {
    /// Ends with `exit` because of `reason`.
    pub fn new(exit: Exit, reason: impl fmt::Display) -> Failure {
        Failure { exit, details: Vec::new(), reason: reason.to_string() }
    }

    /// It could not be done.
    pub fn failed(reason: impl fmt::Display) -> Failure {
        Failure::new(Exit::Failed, reason)
    }

    /// The command line makes no sense.
    pub fn usage(reason: impl fmt::Display) -> Failure {
        Failure::new(Exit::Usage, reason)
    }

    /// Says why on stderr and gives the exit code. What cannot be written there is dropped.
    pub fn tell(&self) -> ExitCode {
        let mut text = String::new();
        for line in self.details.iter().map(String::as_str) {
            text.push_str(&one_line(line));
        }
        if !self.reason.is_empty() {
            text.push_str(&one_line(&format!("deposit-watcher: {}", self.reason)));
        }
        let _ = io::stderr().write_all(text.as_bytes());
        ExitCode::from(self.exit.code())
    }
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ") + "\n"
}

impl From<io::Error> for Failure {
    /// Of writing to stdout: a reader that has seen enough is no failure.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::new(Exit::Done, "");
        }
        Failure::failed(format!("the output cannot be written: {error}"))
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        let exit = match &error {
            store::Error::Unavailable(_) | store::Error::Schema(_) => Exit::Unavailable,
            store::Error::LeaseLost | store::Error::Refused { .. } | store::Error::Unreadable(_) => Exit::Failed,
        };
        Failure::new(exit, error)
    }
}

impl From<settings::Problems> for Failure {
    fn from(problems: settings::Problems) -> Self {
        let details: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let faults = if details.len() == 1 { "a fault" } else { "faults" };
        let reason = format!("the configuration has {faults}; nothing was started");
        Failure { exit: Exit::Configuration, details, reason }
    }
}
