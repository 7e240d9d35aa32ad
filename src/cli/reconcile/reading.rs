//! The chain asked anew, piece by piece, from endpoints that have our chain above what is asked. Not for what the answers
//! mean: that is `compare`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::chain::{Balances, BuildError, Delays, Endpoint, Error, Logs, Pool, RangeAsk};
use crate::cli::exit::{Exit, Failure};
use crate::cli::names;
use crate::domain::{Address, BlockHash, BlockNumber, BlockRef, EndpointKey, Header, Time, Units};
use crate::settings::Network;

/// Pauses between attempts.
const LEAST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Headers or balances asked for at once.
const AT_ONCE: usize = 100;

/// Whom to ask, and how long to wait for an answer.
pub(super) struct Reader {
    network: String,
    pool: Pool,
    only: Option<EndpointKey>,
    patience: Duration,
    /// What an endpoint must have to be on our chain.
    anchor: BlockRef,
}

/// A piece of the range.
pub(super) struct Piece {
    pub(super) endpoint: Arc<Endpoint>,
    /// How far it goes.
    pub(super) to: BlockNumber,
    pub(super) logs: Logs,
}

/// Why the chain was not read.
pub(super) enum Trouble {
    /// It cannot be asked.
    Failure(Failure),
    /// Whoever can be asked has another block there than we.
    OtherBlock(BlockRef, EndpointKey),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Trouble::Failure(failure)
    }
}

/// An endpoint of a network by its key.
pub(super) fn endpoint(network: &Network, text: &str) -> Result<EndpointKey, Failure> {
    let found = network.endpoints.iter().find(|endpoint| endpoint.key.as_str() == text);
    found.map(|endpoint| endpoint.key.clone()).ok_or_else(|| {
        let valid: Vec<&str> = network.endpoints.iter().map(|endpoint| endpoint.key.as_str()).collect();
        let hint = names::hint(text, &valid);
        Failure::usage(format!("no endpoint {text:?} is configured on network {}: {hint}", network.slug))
    })
}

impl Reader {
    /// Builds the transports and looks which endpoints are on the right chain.
    pub(super) async fn connect(
        network: &Network,
        genesis: Option<BlockHash>,
        only: Option<EndpointKey>,
        patience: Duration,
        anchor: BlockRef,
    ) -> Result<Reader, Failure> {
        let pool = Pool::connect(network).map_err(|error: BuildError| Failure::new(Exit::Configuration, error))?;
        pool.inspect(genesis).await;
        Ok(Reader { network: network.slug.to_string(), pool, only, patience, anchor })
    }

    /// The transfers of as much of a range as is given at once.
    pub(super) async fn piece(&self, from: BlockNumber, to: BlockNumber, tokens: &[Address]) -> Result<Piece, Trouble> {
        let mut waiting = Waiting::new(self);
        let mut strangers: Vec<(BlockRef, EndpointKey)> = Vec::new();
        loop {
            let endpoint = match self.usable(&strangers).await {
                Ok(endpoint) => endpoint,
                Err(why) => match strangers.pop() {
                    Some((block, key)) => return Err(Trouble::OtherBlock(block, key)),
                    None => {
                        waiting.pause(why, None).await?;
                        continue;
                    }
                },
            };
            let to = to.min(from.plus(endpoint.range().saturating_sub(1)));
            let ask = RangeAsk { from, to, headers: vec![self.anchor.number], tokens: tokens.to_vec() };
            match endpoint.range_logs(&ask).await {
                Ok(answer) => match answer.headers.first().copied().flatten() {
                    Some(header) if header.block == self.anchor => {
                        return Ok(Piece { endpoint, to, logs: answer.logs });
                    }
                    Some(header) => strangers.push((header.block, endpoint.key().clone())),
                    None => {
                        let why = format!("endpoint {} has no block {}", endpoint.key(), self.anchor.number);
                        waiting.pause(why, None).await?;
                    }
                },
                Err(Error::TooWide { .. }) if ask.blocks() > 1 => {}
                Err(error) => waiting.pause(error.to_string(), error.retry_after()).await?,
            }
        }
    }

    /// The best endpoint that may be read from and is none of these, or just the one that was asked for.
    async fn usable(&self, strangers: &[(BlockRef, EndpointKey)]) -> Result<Arc<Endpoint>, String> {
        // It inspects whom it is time to inspect.
        let first = self.pool.first().await;
        let usable = first.clone().into_iter().chain(self.pool.healthy()).chain(self.pool.lagging());
        let wanted = |endpoint: &Arc<Endpoint>| {
            self.only.as_ref().is_none_or(|only| only == endpoint.key())
                && !strangers.iter().any(|(_, stranger)| stranger == endpoint.key())
        };
        let mut wanted = usable.filter(wanted);
        wanted.next().ok_or_else(|| match first {
            Err(error) => error.to_string(),
            Ok(_) => {
                let each = self.pool.report().into_iter().map(|report| report.words());
                format!("no endpoint that may be asked is usable: {}", each.collect::<Vec<_>>().join("; "))
            }
        })
    }

    /// The times of these blocks, as this endpoint's headers have them.
    pub(super) async fn times(
        &self,
        endpoint: &Endpoint,
        blocks: &BTreeSet<(u64, BlockHash)>,
    ) -> Result<Vec<Time>, Failure> {
        let mut times = Vec::with_capacity(blocks.len());
        let blocks: Vec<&(u64, BlockHash)> = blocks.iter().collect();
        for part in blocks.chunks(AT_ONCE) {
            let numbers: Vec<BlockNumber> = part.iter().map(|(number, _)| BlockNumber(*number)).collect();
            let headers = endpoint.headers(&numbers).await.map_err(unavailable)?;
            for ((number, hash), header) in part.iter().zip(headers) {
                let header = header.filter(|header| header.block.hash == *hash);
                let gone = || unavailable(format!("endpoint {} no longer has block {number} ({hash})", endpoint.key()));
                times.push(header.ok_or_else(gone)?.time);
            }
        }
        Ok(times)
    }

    /// What the other endpoints say of one block; those that do not say are left out.
    pub(super) async fn others(
        &self,
        but: &EndpointKey,
        block: BlockRef,
        tokens: &[Address],
    ) -> Vec<(EndpointKey, Logs)> {
        let usable = self.pool.healthy().into_iter().chain(self.pool.lagging());
        let mut said = Vec::new();
        for endpoint in usable.filter(|endpoint| endpoint.key() != but) {
            let header = Header { block, parent: BlockHash::ZERO, time: Time::UNIX_EPOCH };
            if let Ok(logs) = endpoint.block_logs(&header, tokens).await {
                said.push((endpoint.key().clone(), logs));
            }
        }
        said
    }

    /// What these own at a height, all of it at one block.
    pub(super) async fn owned(
        &self,
        at: BlockNumber,
        holders: &[(Address, Address)],
    ) -> Result<(BlockRef, Vec<Units>), Failure> {
        let mut waiting = Waiting::new(self);
        loop {
            let endpoint = match self.usable(&[]).await {
                Ok(endpoint) => endpoint,
                Err(why) => {
                    waiting.pause(why, None).await?;
                    continue;
                }
            };
            match self.owned_by(&endpoint, at, holders).await {
                Ok(Ok(owned)) => return Ok(owned),
                Ok(Err(why)) => {
                    let cure = "ask an endpoint that keeps old states by --endpoint, or leave --balances";
                    let key = endpoint.key();
                    return Err(unavailable(format!(
                        "endpoint {key} does not tell balances at block {at}: {why}; {cure}"
                    )));
                }
                Err(error) => waiting.pause(error.to_string(), error.retry_after()).await?,
            }
        }
    }

    async fn owned_by(
        &self,
        endpoint: &Endpoint,
        at: BlockNumber,
        holders: &[(Address, Address)],
    ) -> Result<Result<(BlockRef, Vec<Units>), String>, Error> {
        let (mut block, mut all) = (None, Vec::with_capacity(holders.len()));
        for part in holders.chunks(AT_ONCE) {
            match endpoint.balances(at, part).await? {
                Balances::Are(there, _) if block.is_some_and(|block| block != there) => {
                    return Ok(Err("its chain moved while it answered".to_owned()));
                }
                Balances::Are(there, owned) => {
                    block = Some(there);
                    all.extend(owned);
                }
                Balances::Unknown(why) => return Ok(Err(why)),
            }
        }
        Ok(block.map(|block| (block, all)).ok_or_else(|| "nothing was asked".to_owned()))
    }
}

/// Waits between attempts, until patience is over.
struct Waiting<'a> {
    reader: &'a Reader,
    delays: Delays,
    began: Instant,
}

impl<'a> Waiting<'a> {
    fn new(reader: &'a Reader) -> Waiting<'a> {
        Waiting { reader, delays: Delays::new(LEAST_PAUSE, LONGEST_PAUSE), began: Instant::now() }
    }

    async fn pause(&mut self, why: String, come_back: Option<Duration>) -> Result<(), Failure> {
        let left = self.reader.patience.saturating_sub(self.began.elapsed());
        if left.is_zero() {
            let waited = humantime::format_duration(self.reader.patience);
            let network = &self.reader.network;
            return Err(unavailable(format!("network {network} cannot be read after {waited}: {why}")));
        }
        sleep(self.delays.pause().max(come_back.unwrap_or_default()).min(left)).await;
        Ok(())
    }
}

pub(super) fn unavailable(why: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Unavailable, why)
}
