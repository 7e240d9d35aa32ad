//! A receiver as a process: started with a secret, sent what a test likes, and read.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver as Lines, channel};
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// In which language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Node,
    Rust,
    Python,
}

/// A running receiver; stopped when it is dropped.
pub(crate) struct Receiver {
    child: Child,
    lines: Lines<String>,
    at: SocketAddr,
}

impl Receiver {
    /// A place where none listens yet.
    pub(crate) fn place() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    /// Starts one there and waits until it listens.
    pub(crate) fn start(language: Language, secret: &str, at: SocketAddr) -> Receiver {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples");
        let mut command = match language {
            Language::Node => Command::new("node"),
            Language::Python => Command::new("python3"),
            Language::Rust => Command::new(built()),
        };
        match language {
            Language::Node => command.arg(examples.join("receiver.mjs")),
            Language::Python => command.arg(examples.join("receiver.py")),
            Language::Rust => &mut command,
        };
        command.env("WEBHOOK_SECRET", secret).env("PORT", at.port().to_string());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let begun = Instant::now();
        while TcpStream::connect(at).is_err() {
            assert!(begun.elapsed() < PATIENCE && child.try_wait().unwrap().is_none(), "{language:?} does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Receiver { child, lines, at }
    }

    /// Sends a delivery as it is given; the status of the answer.
    pub(crate) fn post(&self, headers: &[(&str, String)], body: &[u8]) -> u16 {
        let mut stream = TcpStream::connect(self.at).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let head = format!(
            "POST /hooks HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
    }

    /// The next line it prints.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("nothing was accepted")
    }

    /// Stops it; what it printed and nobody read.
    pub(crate) fn end(mut self) -> Vec<String> {
        self.stop();
        self.lines.iter().collect()
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The example's binary. `cargo test --test receivers` alone does not build it.
fn built() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().unwrap().parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--example", "receiver"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    // What cargo tells a test would have it build some crates anew, and those of the next `cargo test` after that.
    let told = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    told.filter(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")).for_each(|name| {
        cargo.env_remove(name);
    });
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success());
    profile.join("examples/receiver")
}
