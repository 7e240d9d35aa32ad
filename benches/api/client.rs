//! Connections that are kept, and the requests that are sent on them: no client library's speed is measured, and of an
//! answer no more is read than its status and its length.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::server::Server;

/// One request after the other, each waited for by a thread.
pub(crate) struct Caller {
    stream: std::net::TcpStream,
    answer: Vec<u8>,
}

impl Caller {
    pub(crate) fn connect(at: SocketAddr) -> Caller {
        let stream = std::net::TcpStream::connect(at).unwrap();
        stream.set_nodelay(true).unwrap();
        Caller { stream, answer: vec![0; 16 * 1_024] }
    }

    /// Sends a request and reads its answer whole; the status.
    pub(crate) fn send(&mut self, request: &str) -> u16 {
        self.stream.write_all(request.as_bytes()).unwrap();
        let mut read = 0;
        loop {
            let more = self.stream.read(&mut self.answer[read..]).unwrap();
            assert!(more > 0, "the connection was closed");
            read += more;
            if let Some(status) = whole(&self.answer[..read]) {
                return status;
            }
        }
    }
}

/// A stream of events.
pub(crate) struct Viewer {
    stream: BufReader<TcpStream>,
}

impl Viewer {
    pub(crate) async fn connect(at: SocketAddr) -> Viewer {
        let stream = TcpStream::connect(at).await.unwrap();
        Viewer { stream: BufReader::new(stream) }
    }

    /// Sends a request and reads its answer whole; status and body.
    pub(crate) async fn fetch(&mut self, request: &str) -> (u16, String) {
        self.ask(request).await;
        let (mut status, mut length) = (0, 0);
        loop {
            let line = self.line().await.trim_end().to_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest[..3].parse().unwrap();
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.unwrap();
        (status, String::from_utf8(body).unwrap())
    }

    /// The next line of a stream that does not end.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.stream.read_line(&mut line).await.unwrap() > 0, "the stream was closed");
        line
    }

    /// Sends without waiting for the answer.
    pub(crate) async fn ask(&mut self, request: &str) {
        self.stream.get_mut().write_all(request.as_bytes()).await.unwrap();
    }
}

/// The status of an answer that is there to its end. Our server writes names in lower case.
fn whole(answer: &[u8]) -> Option<u16> {
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&answer[..head]).unwrap();
    let length = text.split("\r\n").find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let length: usize = length.parse().unwrap();
    (answer.len() >= head + 4 + length).then(|| text["HTTP/1.1 ".len()..][..3].parse().unwrap())
}

/// A business with a widget, and a token that lasts.
pub(crate) struct Shop {
    widget: String,
    token: String,
}

/// Where payments by link go.
const ADDRESS: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

const TOKEN: &str = r#"
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const [kid, secret] = process.argv.slice(1);
const text = `${part({ alg: 'HS256', kid })}.${part({ exp: Math.floor(Date.now() / 1000) + 3600 })}`;
process.stdout.write(`${text}.${require('crypto').createHmac('sha256', secret).update(text).digest('base64url')}`);
"#;

fn printed(server: &Server, program: &str, words: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(words).env_clear().envs(server.environment()).current_dir(server.folder());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

impl Shop {
    pub(crate) fn found(server: &Server) -> Shop {
        let made = |words: &[&str]| -> Value {
            let text = printed(server, "deposit-watcher", &[words, &["--output", "json"]].concat());
            serde_json::from_str(&text).unwrap()
        };
        made(&["businesses", "create", "shop", "--name", "shop"]);
        let to = ["--default-address", ADDRESS];
        let widget = made(&[&["widgets", "create", "--business", "shop", "--name", "bench"], &to[..]].concat());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let bound = text(&widget["id"]);
        let key = made(&["api-keys", "create", "--business", "shop", "--name", "bench", "--widget", &bound]);
        let token = printed(server, "node", &["-e", TOKEN, &text(&key["id"]), &text(&key["secret"])]);
        Shop { widget: text(&widget["id"]), token }
    }

    /// Opens a session at an address of its own.
    pub(crate) fn opening(&self, number: usize) -> String {
        let Shop { widget, token } = self;
        let body = format!(
            r#"{{"amount":"100","currency":"USDC","network":"polygon","currencyAddress":"0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359","depositAddress":"0x{:040x}"}}"#,
            number + 1
        );
        format!(
            "POST /api/v1/widgets/{widget}/create-session HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// Asks for a payment by link, of an amount that no other has.
    pub(crate) fn paying(&self, number: usize) -> String {
        let body = format!(
            r#"{{"depositId":"00000000-0000-4000-8000-{number:012x}","returnUrl":"https://shop.example.com/","amount":"{}","reason":"Order {number}"}}"#,
            number + 1
        );
        format!(
            "POST /v1/widget/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        )
    }

    /// Reads a session.
    pub(crate) fn reading(&self, session: &str) -> String {
        self.get(&format!("/api/v1/widgets/deposit-sessions/{session}"))
    }

    /// Watches a session.
    pub(crate) fn watching(&self, session: &str) -> String {
        self.get(&format!("/api/v1/widgets/deposit-sessions/{session}/events"))
    }

    fn get(&self, path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", self.token)
    }
}
