//! Requests as they are written and answers as they come, byte by byte: a client library would mend what we break.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
}

/// What came back. Of an event stream only the head.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Ask {
    pub(crate) fn new(method: &str, path: &str) -> Ask {
        Ask { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: None }
    }

    pub(crate) fn get(path: &str) -> Ask {
        Ask::new("GET", path)
    }

    pub(crate) fn post(path: &str) -> Ask {
        Ask::new("POST", path)
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Ask {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn json(self, body: &Value) -> Ask {
        self.body("application/json", body.to_string())
    }

    pub(crate) fn body(mut self, kind: &str, body: impl Into<Vec<u8>>) -> Ask {
        self.body = Some(body.into());
        self.with("Content-Type", kind)
    }

    /// As it goes over the line.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Ask { method, path, .. } = self;
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: api\r\n");
        self.headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\r\n")));
        if let Some(body) = &self.body {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        let mut bytes = (text + "\r\n").into_bytes();
        bytes.extend(self.body.iter().flatten());
        bytes
    }

    /// Asks once, on a line of its own.
    pub(crate) async fn at(&self, at: SocketAddr) -> Answer {
        Line::open(at).await.ask(self).await
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The code of a problem, which must be one in every respect; in the dialect of payments as well.
    pub(crate) fn problem(&self) -> String {
        if self.header("content-type") == Some("application/json") {
            let body = self.json();
            let mut keys: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
            keys.sort_unstable();
            assert_eq!(keys, ["errorCode", "errorId", "errorMessage"], "{self:?}");
            assert_eq!(body["errorId"].as_str(), self.header("x-request-id"), "{self:?}");
            assert!(body["errorMessage"].as_str().is_some_and(|text| !text.is_empty()), "{self:?}");
            let code = body["errorCode"].as_str().unwrap();
            assert_eq!(code, code.to_uppercase(), "{self:?}");
            return code.to_lowercase();
        }
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let body = self.json();
        assert_eq!(body["status"], self.status, "{self:?}");
        assert_eq!(body["requestId"].as_str(), self.header("x-request-id"), "{self:?}");
        assert!(body["type"].is_string() && body["title"].is_string(), "{self:?}");
        body["code"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }

    /// The fields that a problem names.
    pub(crate) fn fields(&self) -> Vec<String> {
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect()
    }
}

/// A connection.
pub(crate) struct Line {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Line {
    pub(crate) async fn open(at: SocketAddr) -> Line {
        Line { stream: TcpStream::connect(at).await.unwrap(), read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await
    }

    pub(crate) async fn ask(&mut self, ask: &Ask) -> Answer {
        self.send(&ask.bytes()).await.unwrap();
        self.answer(ask.method == "HEAD").await
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self, bodiless: bool) -> Answer {
        let reading = timeout(PATIENCE, self.whole(bodiless)).await;
        reading.unwrap_or_else(|_| panic!("no whole answer: {:?}", String::from_utf8_lossy(&self.read)))
    }

    async fn whole(&mut self, bodiless: bool) -> Answer {
        let head = self.until(b"\r\n\r\n").await;
        let mut answer = Answer { status: head[9..12].parse().unwrap(), head, body: String::new() };
        let stream = answer.header("content-type") == Some("text/event-stream");
        let length = answer.header("content-length").map(|length| length.parse().unwrap());
        if let Some(length) = length.filter(|_| !bodiless && !stream) {
            while self.read.len() < length {
                assert!(self.more().await, "the body broke off: {answer:?}");
            }
            let rest = self.read.split_off(length);
            answer.body = String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap();
        }
        answer
    }

    /// All up to these bytes, them included.
    pub(crate) async fn until(&mut self, end: &[u8]) -> String {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end) {
                let rest = self.read.split_off(at + end.len());
                return String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap();
            }
            assert!(self.more().await, "it broke off: {:?}", String::from_utf8_lossy(&self.read));
        }
    }

    /// All that comes until the other end is closed.
    pub(crate) async fn rest(&mut self) -> String {
        while timeout(PATIENCE, self.more()).await.expect("the line is closed") {}
        String::from_utf8(std::mem::take(&mut self.read)).unwrap()
    }

    async fn more(&mut self) -> bool {
        let mut some = [0; 8_192];
        let count = self.stream.read(&mut some).await.unwrap_or(0);
        self.read.extend_from_slice(&some[..count]);
        count > 0
    }
}
