//! One endpoint and all that is ever asked of it. Every answer is checked against the question before it is given on.
//! Not for choosing an endpoint: that is the [`super::Pool`].

use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, PoisonError};

use alloy::primitives::{B256, Bytes, U256};
use alloy::rpc::client::RpcClient;
use alloy::transports::BoxTransport;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::ask::{Decimals, Logs, RangeAnswer, RangeAsk, Tag};
use super::call::{Call, Raw, parse};
use super::check::{self, Bounds};
use super::decode::TRANSFER;
use super::error::{Error, Fault};
use super::health::{EndpointReport, EndpointState, Health};
use super::json::{HeaderJson, LogJson, Quantity};
use super::observe::Observer;
use super::pace::Pace;
use super::pieces::{RECEIPTS, of_one_block};
use super::proof::{self, Proof, Unproven};
use super::range::Range;
use super::redact::Redactor;
use super::wire::Limits;
use crate::domain::{Address, BlockHash, BlockNumber, BlockRef, ChainId, EndpointKey, Header};
use crate::settings;

const BLOCK: &str = "eth_getBlockByNumber";
const LOGS: &str = "eth_getLogs";
/// The first four bytes of `keccak256("decimals()")`.
const DECIMALS: &str = "0x313ce567";

/// One endpoint of a network.
#[derive(Debug)]
pub struct Endpoint {
    key: EndpointKey,
    operator: String,
    priority: u32,
    redactor: Redactor,
    health: Mutex<Health>,
    range: Mutex<Range>,
    pace: Mutex<Pace>,
    pub(super) client: RpcClient,
    pub(super) limits: Limits,
    pub(super) observer: Observer,
    /// The most calls in one batch, as far as is known.
    pub(super) batch_limit: AtomicUsize,
}

impl Endpoint {
    pub(super) fn new(
        network: &settings::Network,
        key: EndpointKey,
        transport: BoxTransport,
        limits: Limits,
    ) -> Endpoint {
        let known = network.endpoints.iter().find(|endpoint| endpoint.key == key);
        let observer = Observer::new(&network.slug, &key);
        observer.state(EndpointState::Unchecked);
        Endpoint {
            operator: known.map_or_else(|| key.to_string(), |known| known.operator.clone()),
            priority: known.map_or(u32::MAX, |known| known.priority),
            redactor: known.map_or_else(Redactor::blind, |known| Redactor::new(known.url.expose())),
            health: Mutex::new(Health::new()),
            range: Mutex::new(Range::new(network.max_block_range)),
            pace: Mutex::default(),
            client: RpcClient::new(transport, false),
            limits,
            observer,
            batch_limit: AtomicUsize::new(usize::MAX),
            key,
        }
    }

    /// Its key in the configuration: all that logs and metrics say of it.
    pub fn key(&self) -> &EndpointKey {
        &self.key
    }

    /// Who runs it.
    pub fn operator(&self) -> &str {
        &self.operator
    }

    /// How many blocks to ask [`Endpoint::range_logs`] for next, 1 to `max_block_range`.
    pub fn range(&self) -> u64 {
        self.with_range(|range| range.next())
    }

    /// The newest block it has.
    pub async fn latest(&self) -> Result<Header, Error> {
        let work = async { self.one::<Option<HeaderJson>>(BLOCK, ("latest", false)).await };
        let head = self.ask(BLOCK, 0, async { newest(work.await?) }).await?;
        let highest = self.change(|health, now| health.saw(head, now));
        self.observer.head(highest);
        Ok(head)
    }

    /// The last head that its own subscription told; it saves the call of [`Endpoint::latest`] where it is news.
    pub fn pushed(&self) -> Option<Header> {
        self.change(|health, _| health.pushed)
    }

    /// The block at a height; `None` where it has nothing.
    pub async fn header(&self, number: BlockNumber) -> Result<Option<Header>, Error> {
        Ok(self.headers(&[number]).await?.pop().flatten())
    }

    /// The blocks at several heights in one batch, in the order asked.
    pub async fn headers(&self, numbers: &[BlockNumber]) -> Result<Vec<Option<Header>>, Error> {
        let calls: Vec<Call> = numbers.iter().copied().map(header_call).collect();
        let work = async {
            let answers = self.many(&calls).await?;
            numbers.iter().zip(answers).map(|(number, raw)| header_at(*number, Some(raw))).collect()
        };
        self.ask(method_of(&calls), 0, work).await
    }

    /// The block a tag stands on; `None` where the endpoint does not say, for whatever reason of its own.
    pub async fn tagged(&self, tag: Tag) -> Result<Option<BlockRef>, Error> {
        let work = async {
            match self.one::<Option<HeaderJson>>(BLOCK, (tag.as_str(), false)).await {
                Ok(block) => Ok(block.map(HeaderJson::mined).transpose()?.map(|header| header.block)),
                Err(Fault::Refused(_) | Fault::Missing(_) | Fault::Unsupported(_)) => Ok(None),
                Err(fault) => Err(fault),
            }
        };
        self.ask(BLOCK, 0, work).await
    }

    /// The transfers of one block, asked for by its hash: one call, but where they are too many for it.
    pub async fn block_logs(&self, block: &Header, tokens: &[Address]) -> Result<Logs, Error> {
        if tokens.is_empty() {
            return Ok(Logs::default());
        }
        let filter = json!([{ "blockHash": block.block.hash, "address": tokens, "topics": [TRANSFER] }]);
        let call = [Call { method: LOGS, params: filter, blocks: 1 }];
        let work = async {
            let raw = logs_of(self.many(&call).await?.pop()).map_err(of_one_block)?;
            check::logs(raw, tokens, Bounds::Block(block.block))
        };
        match self.ask(LOGS, 1, work).await {
            Err(Error::TooWide { reason, .. }) => self.block_in_pieces(block.block, tokens, &reason).await,
            outcome => outcome,
        }
    }

    /// The transfers of a range and the headers asked for with it: one batch, judged as a whole.
    pub async fn range_logs(&self, ask: &RangeAsk) -> Result<RangeAnswer, Error> {
        let blocks = if ask.tokens.is_empty() { 0 } else { ask.blocks() };
        let mut calls: Vec<Call> = ask.headers.iter().copied().map(header_call).collect();
        if blocks > 0 {
            calls.push(Call { method: LOGS, params: range_filter(ask), blocks });
        }
        let work = async {
            let answer = judged(ask, self.many(&calls).await?)?;
            if blocks > 0 {
                let invalid = answer.logs.invalid.values().fold(0, |sum: u64, count| sum.saturating_add(*count));
                let logs = u64::try_from(answer.logs.transfers.len()).unwrap_or(u64::MAX).saturating_add(invalid);
                self.with_range(|range| range.answered(blocks, logs));
            }
            Ok(answer)
        };
        match self.ask(method_of(&calls), blocks, work).await {
            Err(Error::TooWide { reason, .. }) if blocks == 1 => self.range_in_pieces(ask, &reason).await,
            outcome => outcome,
        }
    }

    /// The transfers of a block that its header proves: header and receipts in one batch, by the block's hash. What it
    /// says without proof is no reason to set it aside: the chain itself may not be of a shape that can be proven.
    pub async fn proof(&self, block: BlockRef, tokens: &[Address]) -> Result<Result<Proof, Unproven>, Error> {
        let call = |method, params| Call { method, params, blocks: 1 };
        let header = call("eth_getBlockByHash", json!([block.hash, false]));
        let calls = [header, call(RECEIPTS, json!([block.hash]))];
        let work = async {
            let mut answers = self.many(&calls).await?.into_iter();
            let told = self.whole(answers.next(), Unproven::Header)?;
            let receipts = self.whole(answers.next(), Unproven::Receipts)?;
            Ok(match (told, receipts) {
                (Ok(told), Ok(receipts)) => proof::prove(block, &told, receipts, tokens),
                (Err(why), _) | (_, Err(why)) => Err(why),
            })
        };
        let outcome = self.ask("batch", 0, work).await?;
        if let Err(why) = &outcome {
            let said = format!("proves nothing of block {block}: {why}");
            self.change(|health, now| health.note(said, now));
        }
        Ok(outcome)
    }

    /// One half of a proof; an answer that lacks what a proof needs is none, however well it may serve elsewhere.
    fn whole<T: DeserializeOwned>(
        &self,
        raw: Option<Raw>,
        lacks: fn(String) -> Unproven,
    ) -> Result<Result<T, Unproven>, Fault> {
        match parse::<Option<Box<RawValue>>>(raw) {
            Ok(Some(raw)) => Ok(serde_json::from_str(raw.get()).map_err(|error| lacks(self.clean(&error.to_string())))),
            Ok(None) | Err(Fault::Missing(_)) => Ok(Err(Unproven::Absent)),
            Err(Fault::Unsupported(_)) => Ok(Err(Unproven::NoMethod)),
            // It may serve all else well, and the next first look must not wait for this.
            Err(Fault::Refused(why) | Fault::TooWide { reason: why, .. }) => {
                Ok(Err(Unproven::Refused(self.clean(&why))))
            }
            Err(fault) => Err(fault),
        }
    }

    /// Which chain it serves.
    pub async fn genesis_and_chain(&self) -> Result<(ChainId, BlockHash), Error> {
        let (chain, genesis, _) = self.identity().await?;
        match genesis {
            Some(genesis) => Ok((chain, genesis)),
            None => Err(Error::Transient {
                endpoint: Some(self.key.clone()),
                reason: "has no block 0".to_owned(),
                retry_after: None,
            }),
        }
    }

    /// Chain id, genesis where it has one, and head, in one batch.
    pub(super) async fn identity(&self) -> Result<(ChainId, Option<BlockHash>, Header), Error> {
        let block = |at: &str| Call { method: BLOCK, params: json!([at, false]), blocks: 0 };
        let chain = Call { method: "eth_chainId", params: json!([]), blocks: 0 };
        let calls = [chain, block("0x0"), block("latest")];
        let work = async {
            let mut answers = self.many(&calls).await?.into_iter();
            let chain: Quantity = parse(answers.next())?;
            let genesis = header_at(BlockNumber(0), answers.next())?;
            let head = newest(parse(answers.next())?)?;
            Ok((ChainId(chain.0), genesis.map(|header| header.block.hash), head))
        };
        self.ask("batch", 0, work).await
    }

    /// What a contract says of its decimals.
    pub async fn decimals(&self, token: Address) -> Result<Decimals, Error> {
        const METHOD: &str = "eth_call";
        let work = async {
            match self.one::<Bytes>(METHOD, (json!({ "to": token, "data": DECIMALS }), "latest")).await {
                Ok(answer) => Ok(decimals_in(&answer)),
                Err(fault @ (Fault::Refused(_) | Fault::Unsupported(_))) => {
                    Ok(Decimals::Unanswered(self.clean(fault.reason())))
                }
                Err(fault) => Err(fault),
            }
        };
        self.ask(METHOD, 0, work).await
    }

    /// It lacks what must be read next: for a while another is asked, where there is one.
    pub fn lacks(&self, what: &str) {
        self.change(|health, now| _ = health.refused(what.to_owned(), now));
    }

    pub(super) fn report(&self) -> EndpointReport {
        let (now, range) = (Instant::now(), self.with_range(|range| range.learned()));
        let pace = self.with_pace(|pace, _| pace.learned());
        let health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        EndpointReport {
            key: self.key.clone(),
            operator: self.operator.clone(),
            priority: self.priority,
            state: health.state(),
            head: health.head,
            last_error: health.last_error(now),
            lied: health.lied(now),
            retry_in: Some(health.wait(now)).filter(|wait| !wait.is_zero()),
            range,
            pace,
        }
    }

    /// A head that its subscription gave; whether it may be passed on.
    pub(super) fn saw_head(&self, head: Header) -> bool {
        let (highest, usable) = self.change(|health, now| {
            health.pushed = Some(head);
            (health.saw(head, now), health.usable(now))
        });
        self.observer.head(highest);
        usable
    }

    /// A text without this endpoint's address.
    pub(super) fn clean(&self, text: &str) -> String {
        self.redactor.clean(text)
    }

    pub(super) fn with_range<T>(&self, act: impl FnOnce(&mut Range) -> T) -> T {
        act(&mut self.range.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn with_pace<T>(&self, act: impl FnOnce(&mut Pace, Instant) -> T) -> T {
        act(&mut self.pace.lock().unwrap_or_else(PoisonError::into_inner), Instant::now())
    }

    /// Looks at or changes its health; a change of state is said once.
    pub(super) fn change<T>(&self, act: impl FnOnce(&mut Health, Instant) -> T) -> T {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let before = health.state();
        let result = act(&mut health, now);
        let after = health.state();
        if before != after {
            self.observer.state(after);
            let why = health.last_error(now).map(|(reason, _)| reason).unwrap_or_default();
            self.say(before, after, &why);
        }
        result
    }

    fn say(&self, before: EndpointState, after: EndpointState, why: &str) {
        let (network, endpoint) = (self.observer.network(), &self.key);
        let (before, is) = (before.as_str(), after.as_str());
        match after {
            EndpointState::Alive | EndpointState::Unchecked => {
                tracing::info!(network, %endpoint, was = before, is, "endpoint changed");
            }
            EndpointState::WrongChain | EndpointState::Lying => {
                tracing::error!(network, %endpoint, was = before, is, why, "endpoint changed");
            }
            EndpointState::Behind | EndpointState::Stalled | EndpointState::RateLimited | EndpointState::Down => {
                tracing::warn!(network, %endpoint, was = before, is, why, "endpoint changed");
            }
        }
    }
}

fn method_of(calls: &[Call]) -> &'static str {
    match calls {
        [only] => only.method,
        _ => "batch",
    }
}

pub(super) fn header_call(number: BlockNumber) -> Call {
    Call { method: BLOCK, params: json!([format!("{:#x}", number.0), false]), blocks: 0 }
}

fn range_filter(ask: &RangeAsk) -> Value {
    let at = |number: BlockNumber| format!("{:#x}", number.0);
    json!([{ "fromBlock": at(ask.from), "toBlock": at(ask.to), "address": ask.tokens, "topics": [TRANSFER] }])
}

/// The header asked for; `None` where there is none, whether the endpoint says so by null or by an error.
pub(super) fn header_at(number: BlockNumber, raw: Option<Raw>) -> Result<Option<Header>, Fault> {
    match parse::<Option<HeaderJson>>(raw) {
        Ok(Some(header)) => check::numbered(header.mined()?, number).map(Some),
        Ok(None) | Err(Fault::Missing(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn newest(head: Option<HeaderJson>) -> Result<Header, Fault> {
    head.ok_or_else(|| Fault::Refused("has no block yet".to_owned()))?.mined()
}

fn logs_of(raw: Option<Raw>) -> Result<Vec<LogJson>, Fault> {
    let logs: Option<Vec<LogJson>> = parse(raw)?;
    logs.ok_or_else(|| Fault::Misbehaving("answered null instead of logs".to_owned()))
}

/// A batch's answers as one: the headers in the order asked, then the logs where any were asked for.
fn judged(ask: &RangeAsk, answers: Vec<Raw>) -> Result<RangeAnswer, Fault> {
    let mut answers = answers.into_iter();
    let headers = ask.headers.iter().map(|number| header_at(*number, answers.next()));
    let headers = headers.collect::<Result<Vec<_>, Fault>>()?;
    let logs = match answers.next().map(|raw| logs_of(Some(raw))) {
        Some(Err(fault)) if ask.blocks() == 1 => return Err(of_one_block(fault)),
        Some(raw) => check::logs(raw?, &ask.tokens, Bounds::Range(ask.from, ask.to))?,
        None => Logs::default(),
    };
    check::one_branch(ask, &headers, &logs)?;
    Ok(RangeAnswer { headers, logs })
}

fn decimals_in(answer: &Bytes) -> Decimals {
    if answer.is_empty() {
        return Decimals::NoContract;
    }
    let word = <[u8; 32]>::try_from(answer.as_ref()).ok().map(|word| U256::from_be_bytes(B256::from(word).0));
    match word.and_then(|word| u8::try_from(word).ok()) {
        Some(decimals) => Decimals::Is(decimals),
        None => Decimals::Unanswered(format!("answered {answer}").chars().take(80).collect()),
    }
}
