//! `drive.mjs` as a process: it asks by lines of JSON on stdout, is answered on stdin, and says what it found wrong. It
//! ends, and its browser with it, when its stdin closes: with us, however we end.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::stage::Stage;

/// A flow takes a tenth of it on two free cores.
const LASTS: Duration = Duration::from_secs(300);

/// A running flow.
pub(crate) struct Driver {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    flow: String,
}

fn below_top(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

impl Driver {
    /// Starts a flow by the name of its file.
    pub(crate) fn start(flow: &str) -> Driver {
        let mut command = Command::new("node");
        command.arg(below_top("tests/browser/drive.mjs")).arg(flow);
        // The unpacked browser, and where screenshots go.
        command.arg(env!("CARGO_TARGET_TMPDIR")).arg(below_top("target/page"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("Node.js is installed");
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Driver { child, stdin, lines: BufReader::new(stdout).lines(), flow: flow.to_owned() }
    }

    /// Does what the flow asks for until it ends; panics with all that it found wrong.
    pub(crate) async fn finish(mut self, stage: &mut Stage) {
        let patient = timeout(LASTS, self.follow(Some(stage))).await;
        let faults = patient.unwrap_or_else(|_| panic!("{} does not end within {LASTS:?}", self.flow));
        assert!(faults.is_empty(), "{}:\n{}", self.flow, faults.join("\n"));
    }

    /// The same for a flow that needs no stage.
    pub(crate) async fn alone(mut self) {
        let patient = timeout(LASTS, self.follow(None)).await;
        let faults = patient.unwrap_or_else(|_| panic!("{} does not end within {LASTS:?}", self.flow));
        assert!(faults.is_empty(), "{}:\n{}", self.flow, faults.join("\n"));
    }

    async fn follow(&mut self, mut stage: Option<&mut Stage>) -> Vec<String> {
        let (mut faults, mut ended) = (Vec::new(), false);
        while let Some(line) = self.lines.next_line().await.unwrap() {
            let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{}: no JSON: {line}", self.flow));
            if let Some(deed) = said["ask"].as_str() {
                let stage = stage.as_deref_mut().unwrap_or_else(|| panic!("{} asks for {deed}", self.flow));
                let answer = json!({ "id": said["id"], "answer": stage.perform(deed, &said["with"]).await });
                self.stdin.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
            } else if let Some(fault) = said["fault"].as_str() {
                faults.push(fault.to_owned());
            } else if let Some(note) = said["note"].as_str() {
                eprintln!("{}: {note}", self.flow);
            } else {
                ended = said["end"] == true;
            }
        }
        let status = self.child.wait().await.unwrap();
        if !ended || !status.success() {
            faults.push(format!("the flow broke off: {status}"));
        }
        faults
    }
}

/// What a flow says on stderr, which cannot begin because of this variable.
pub(crate) async fn complaint(variable: &str, value: &str) -> String {
    let mut command = Command::new("node");
    command.arg(below_top("tests/browser/drive.mjs")).args(["harness", env!("CARGO_TARGET_TMPDIR")]);
    command.arg(below_top("target/page")).env(variable, value).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("Node.js is installed");
    // Closed, it would end the flow before it has said anything.
    let line = child.stdin.take();
    let output = timeout(LASTS, child.wait_with_output()).await.expect("it ends").unwrap();
    drop(line);
    assert!(!output.status.success(), "it began all the same");
    String::from_utf8(output.stderr).unwrap()
}
