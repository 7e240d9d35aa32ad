//! What providers really send, one file each in `golden/`: who it is, what is asked, what must follow, and the HTTP answer
//! as it comes over the wire. Served by a real server to the real transport. Not for what is learned over many answers:
//! that is `ranges`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy::primitives::address;
use deposit_watcher::chain::{Endpoint, EndpointReport, EndpointState, Error, Limits, Pool, RangeAsk, Tag};
use deposit_watcher::domain::BlockNumber;
use serde_json::Value;

use super::network::{CHAIN, network};
use super::servers::{header, honest, http, ok, whole};

/// A file of `golden/`.
struct Golden {
    name: String,
    asks: Vec<String>,
    must: String,
    /// What follows `must` as `key=value`.
    learned: Vec<(String, u64)>,
    status: String,
    headers: String,
    body: String,
}

fn words(line: &str, key: &str) -> Vec<String> {
    let rest = line.strip_prefix(key).unwrap_or_else(|| panic!("no {key:?} in {line:?}"));
    rest.split_whitespace().map(str::to_owned).collect()
}

fn read(path: &Path) -> Golden {
    let text = fs::read_to_string(path).unwrap();
    let (about, answer) = text.split_once("\n\nHTTP/1.1 ").unwrap_or_else(|| panic!("{}", path.display()));
    let (head, body) = answer.split_once("\n\n").unwrap();
    let (status, headers) = head.split_once('\n').unwrap_or((head, ""));
    let lines: Vec<&str> = about.lines().collect();
    let mut must = words(lines[2], "must: ").into_iter();
    let (must, rest) = (must.next().unwrap(), must);
    let (must, own) = must.split_once('=').map_or((must.clone(), None), |(a, b)| (a.to_owned(), Some(b.to_owned())));
    let learned = own.into_iter().map(|value| (must.clone(), value)).chain(rest.map(|word| {
        let (key, value) = word.split_once('=').unwrap_or(("", &word));
        (key.to_owned(), value.to_owned())
    }));
    Golden {
        name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
        asks: words(lines[1], "asks: "),
        learned: learned.map(|(key, value)| (key, value.parse().unwrap())).collect(),
        must,
        status: status.to_owned(),
        headers: headers.lines().map(|line| format!("{line}\r\n")).collect(),
        body: body.trim_end_matches('\n').to_owned(),
    }
}

fn all() -> Vec<Golden> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chain/golden");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

/// What came of it: an answer without a block, an answer, or an error.
type Outcome = Result<Option<u64>, Error>;

impl Golden {
    fn number(&self) -> u64 {
        self.asks.get(1).and_then(|word| word.parse().ok()).unwrap_or_default()
    }

    fn learned(&self, key: &str) -> Option<u64> {
        self.learned.iter().find(|(name, _)| name == key).map(|(_, value)| *value)
    }

    /// Whether this request is the one that gets the golden answer.
    fn is_for(&self, asked: &Value) -> bool {
        let method = |name: &str| asked["method"] == name;
        match self.asks[0].as_str() {
            "logs" | "block" => method("eth_getLogs"),
            "receipts" => method("eth_getBlockReceipts"),
            "tag" => method("eth_getBlockByNumber") && asked["params"][0] == self.asks[1].as_str(),
            "batch" => asked.as_array().is_some_and(|calls| calls.len() as u64 > self.learned("").unwrap()),
            other => panic!("{}: asks {other}", self.name),
        }
    }

    async fn ask(&self, endpoint: &Endpoint) -> Outcome {
        let tokens = vec![address!("00000000000000000000000000000000000000ee")];
        let top = endpoint.latest().await.unwrap();
        match self.asks[0].as_str() {
            "logs" => {
                let ask = RangeAsk { from: BlockNumber(1), to: BlockNumber(self.number()), headers: vec![], tokens };
                endpoint.range_logs(&ask).await.map(|answer| Some(answer.logs.transfers.len() as u64))
            }
            "block" => endpoint.block_logs(&top, &tokens).await.map(|logs| Some(logs.transfers.len() as u64)),
            "receipts" => endpoint.receipts(top.block, &tokens).await.map(|logs| logs.map(|_| 0)),
            "tag" => {
                let tag = if self.asks[1] == "safe" { Tag::Safe } else { Tag::Finalized };
                endpoint.tagged(tag).await.map(|block| block.map(|block| block.number.0))
            }
            _ => {
                let numbers: Vec<BlockNumber> = (0..self.number()).map(BlockNumber).collect();
                endpoint.headers(&numbers).await.map(|headers| Some(headers.iter().flatten().count() as u64))
            }
        }
    }

    /// What is wrong with what came of it.
    fn judge(&self, outcome: &Outcome, before: &EndpointReport, after: &EndpointReport) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut hold = |what: &str, holds: bool| {
            if !holds {
                wrong.push(format!("{}: {what}: {outcome:?} {after:?}", self.name));
            }
        };
        let retry = outcome.as_ref().err().and_then(Error::retry_after);
        let transient = matches!(outcome, Err(Error::Transient { .. }));
        let taught = matches!(self.must.as_str(), "too_wide" | "timeout");
        let state = match self.must.as_str() {
            "rate_limited" => EndpointState::RateLimited,
            "refused" | "outage" | "timeout" => EndpointState::Down,
            "lying" => EndpointState::Lying,
            _ => EndpointState::Alive,
        };
        hold("its state", after.state == state);
        hold("the range is learned from limits only", taught || after.range == before.range);
        hold("the pace is learned from rate limits only", after.pace.is_some() == (self.must == "rate_limited"));
        match self.must.as_str() {
            "too_wide" => {
                let suggested = match outcome {
                    Err(Error::TooWide { suggested, .. }) => *suggested,
                    _ => Some(u64::MAX),
                };
                hold("what it suggests", suggested == self.learned("suggested"));
                hold("its limit on blocks", after.range.blocks == self.learned("blocks"));
                hold("its limit on logs", after.range.results == self.learned("results"));
            }
            "rate_limited" => {
                let seconds = self.learned("rate_limited").map(Duration::from_secs);
                hold("is transient", transient);
                hold(
                    "when to come back",
                    seconds.map_or(retry >= Some(Duration::from_secs(1)), |told| retry == Some(told)),
                );
            }
            "refused" | "outage" | "timeout" => hold("is transient, with a pause", transient && retry.is_some()),
            "unsupported" => hold("is transient, without a pause", transient && retry.is_none()),
            "lying" => hold("misbehaves", matches!(outcome, Err(Error::Misbehaving { .. }))),
            "none" => hold("is nothing, and never block 0", outcome == &Ok(None)),
            "batch" => hold("all is read", outcome == &Ok(Some(self.number()))),
            other => hold(other, false),
        }
        if taught {
            hold("what is asked for next", self.learned("next") == Some(after.range.next));
            hold("less is asked for next", after.range.next < self.number());
        }
        wrong
    }
}

/// An honest answer; blocks by number are the ones asked for.
fn node(asked: &Value) -> Value {
    if let Some(calls) = asked.as_array() {
        return calls.iter().map(node).collect();
    }
    let mut answer = honest(CHAIN, asked);
    let hex = asked["params"][0].as_str().and_then(|text| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok());
    if let Some(number) = hex.filter(|_| asked["method"] == "eth_getBlockByNumber") {
        answer["result"] = header(number);
    }
    answer
}

/// Serves one file and gives what is wrong with what came of it.
async fn run(golden: Arc<Golden>) -> Vec<String> {
    let sizes: Arc<Mutex<Vec<u64>>> = Arc::default();
    let (serving, seen) = (golden.clone(), sizes.clone());
    let server = http(move |asked| {
        if serving.is_for(&asked) {
            return whole(&serving.status, &serving.headers, &serving.body);
        }
        seen.lock().unwrap().extend(asked.as_array().map(|calls| calls.len() as u64));
        ok(&node(&asked))
    })
    .await;
    let url = format!("http://{}/v2/canary0123456789", server.addr);
    let pool = Pool::connect_within(&network(&[("one", &url, "us")]), Limits::default()).unwrap();
    let endpoint = if golden.must == "batch" { pool.endpoints()[0].clone() } else { pool.first().await.unwrap() };
    sizes.lock().unwrap().clear();
    let before = pool.report().remove(0);
    let outcome = golden.ask(&endpoint).await;
    let mut after = pool.report().remove(0);
    if golden.must == "batch" {
        let most = sizes.lock().unwrap().iter().copied().max().unwrap_or(1);
        if most != golden.learned("").unwrap() {
            return vec![format!("{}: batches of {most}", golden.name)];
        }
        after.state = EndpointState::Alive;
    }
    golden.judge(&outcome, &before, &after)
}

#[tokio::test]
async fn every_provider_is_understood() {
    let golden: Vec<Arc<Golden>> = all().into_iter().map(Arc::new).collect();
    assert!(golden.len() >= 80, "{}", golden.len());
    let kinds: BTreeSet<&str> = golden.iter().map(|golden| golden.must.as_str()).collect();
    assert_eq!(kinds.len(), 9, "{kinds:?}");
    let mut wrong = Vec::new();
    for one in golden {
        wrong.extend(run(one).await);
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
