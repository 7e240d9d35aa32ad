//! The binary: arguments → settings → one command → exit code. Not for anything but starting the library's roof.

use std::process::ExitCode;

use deposit_watcher::{app, cli};

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(arguments) => app::start(&arguments),
        Err(told) => told,
    }
}
