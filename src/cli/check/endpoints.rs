//! Every endpoint of a network: its chain, the age of its head, the range of logs it gives, its tags, its proofs; and every
//! token's decimals. Asks the outside world; says keys, never addresses.

use std::time::Duration;

use chrono::Utc;

use super::Line;
use crate::chain::{Decimals, Endpoint, EndpointReport, EndpointState, Error, Pool, RangeAsk, Tag, Unproven};
use crate::domain::{BlockHash, Finality, Header, Token};
use crate::settings::{Network, Verify};
use crate::watcher::budget::{Pace, calls_a_day};

pub(super) async fn look(network: &Network, pinned: Option<BlockHash>) -> Vec<Line> {
    let pool = match Pool::connect(network) {
        Ok(pool) => pool,
        Err(error) => {
            let part = format!("network {}", network.slug);
            return vec![Line::finding(part, error.to_string(), "correct the endpoint's url")];
        }
    };
    pool.inspect(pinned).await;
    let mut lines = Vec::new();
    for (endpoint, report) in pool.endpoints().iter().zip(pool.report()) {
        lines.extend(one(network, endpoint, &report).await);
    }
    let usable = pool.first().await;
    if let Ok(endpoint) = &usable {
        lines.extend(cost(network, endpoint).await);
    }
    for token in &network.tokens {
        lines.push(match &usable {
            Ok(endpoint) => decimals(network, endpoint, token).await,
            Err(_) => Line::finding(part_of(network, token), "no endpoint can be asked for its decimals", ENDPOINTS),
        });
    }
    lines
}

/// So many blocks say how fast they come.
const PACE_OVER: u64 = 200;

/// What following it costs, as its blocks come now: nobody likes to learn that from a bill.
async fn cost(network: &Network, endpoint: &Endpoint) -> Option<Line> {
    let head = endpoint.latest().await.ok()?;
    let back = head.block.number.minus(PACE_OVER);
    let blocks = u32::try_from(head.block.number.above(back)).ok()?;
    let then = endpoint.header(back).await.ok()??;
    let block_time = head.time.signed_duration_since(then.time).to_std().ok()?.checked_div(blocks)?;
    if block_time.is_zero() {
        return None;
    }
    let tag_behind = match tag_of(network) {
        Some(tag) => head.block.number.above(endpoint.tagged(tag).await.ok()??.number),
        None => 0,
    };
    let tag_behind = block_time.saturating_mul(u32::try_from(tag_behind).unwrap_or(u32::MAX));
    let pushed = network.endpoints.iter().any(|one| ["ws", "wss"].contains(&one.url.expose().scheme()));
    let pace = Pace { block_time, tag_behind, pushed, paid: false };
    let (quiet, busy) = (calls_a_day(network, pace).all(), calls_a_day(network, Pace { paid: true, ..pace }).all());
    let block_time = humantime::format_duration(Duration::from_millis(u64::try_from(block_time.as_millis()).ok()?));
    let what = format!(
        "a block every {block_time}: about {quiet} calls a day to all its endpoints, {busy} if every block held a payment"
    );
    Some(Line::ok(format!("network {}", network.slug), what))
}

/// How many of the newest blocks are tried for one that holds a transaction.
const PROOFS_TRIED: u64 = 8;
const ENDPOINTS: &str = "see the findings of the network's endpoints";

fn part_of(network: &Network, token: &Token) -> String {
    format!("token {}.{}", network.slug, token.key)
}

async fn one(network: &Network, endpoint: &Endpoint, report: &EndpointReport) -> Vec<Line> {
    let part = format!("endpoint {}.{}", network.slug, report.key);
    if let Some(trouble) = trouble(&part, report) {
        return vec![trouble];
    }
    let head = match endpoint.latest().await {
        Ok(head) => head,
        Err(error) => return vec![refused(&part, "its head", &error)],
    };
    let mut lines = vec![age(network, &part, head), range(network, &part, endpoint, head).await];
    lines.extend(tag(network, &part, endpoint).await);
    lines.extend(proof(network, &part, endpoint, head).await);
    lines
}

/// What the inspection found, where it cannot be read from.
fn trouble(part: &str, report: &EndpointReport) -> Option<Line> {
    let why = report.last_error.as_ref().map_or("it gave no answer", |(reason, _)| reason.as_str());
    let (what, cure) = match report.state {
        EndpointState::Alive => return None,
        EndpointState::Behind | EndpointState::Stalled => ("does not keep up", "wait while it syncs, or use another"),
        EndpointState::WrongChain => ("serves another chain", "correct its url, or the network's chain_id"),
        EndpointState::RateLimited => ("asks us to slow down", "raise its plan or add another endpoint"),
        EndpointState::Lying => ("said what cannot be", "tell its operator; use another"),
        EndpointState::Down | EndpointState::Unchecked => ("gives no answer", "check its url, its key and the network"),
    };
    Some(Line::finding(part, format!("{what}: {why}"), cure))
}

fn refused(part: &str, what: &str, error: &Error) -> Line {
    Line::finding(part, format!("does not give {what}: {error}"), "tell its operator, or use another")
}

/// A head older than what readiness allows is none.
fn age(network: &Network, part: &str, head: Header) -> Line {
    let age = Utc::now().signed_duration_since(head.time).to_std().unwrap_or_default();
    let what = format!("chain id {}, head {} is {} s old", network.chain_id, head.block.number, age.as_secs());
    // A test chain mines when it likes.
    if age > network.max_lag && !network.testnet {
        return Line::finding(part, what, "it is stuck or syncing: wait, or use another");
    }
    Line::ok(part, what)
}

/// Asks once for as many blocks as the watcher would.
async fn range(network: &Network, part: &str, endpoint: &Endpoint, head: Header) -> Line {
    let from = head.block.number.minus(network.max_block_range.saturating_sub(1));
    let tokens = network.tokens.iter().map(|token| token.address).collect();
    let ask = RangeAsk { from, to: head.block.number, headers: vec![head.block.number], tokens };
    match endpoint.range_logs(&ask).await {
        Ok(answer) => {
            let count = answer.logs.transfers.len();
            Line::ok(part, format!("gives logs of {} blocks at once ({count} transfers)", ask.blocks()))
        }
        Err(Error::TooWide { suggested, .. }) => {
            let blocks = suggested.unwrap_or_else(|| endpoint.range());
            Line::ok(
                part,
                format!("gives no logs of {} blocks at once; about {blocks} will be asked for", ask.blocks()),
            )
        }
        Err(
            error @ (Error::Transient { .. }
            | Error::Misbehaving { .. }
            | Error::Refuses { .. }
            | Error::WrongChain { .. }),
        ) => refused(part, &format!("logs of {} blocks", ask.blocks()), &error),
    }
}

fn tag_of(network: &Network) -> Option<Tag> {
    match network.finality {
        Finality::Confirmations(_) => None,
        Finality::Safe => Some(Tag::Safe),
        Finality::Finalized => Some(Tag::Finalized),
    }
}

async fn tag(network: &Network, part: &str, endpoint: &Endpoint) -> Option<Line> {
    let tag = tag_of(network)?;
    Some(match endpoint.tagged(tag).await {
        Ok(Some(block)) => Line::ok(part, format!("its `{}` block is {}", tag.as_str(), block.number)),
        Ok(None) => {
            let what = format!("does not know `{}`, by which this network confirms", tag.as_str());
            Line::finding(part, what, "use another endpoint, or finality = \"confirmations\"")
        }
        Err(error) => refused(part, &format!("its `{}` block", tag.as_str()), &error),
    })
}

/// Proves the newest block with a transaction in it, as the second look will: an empty one says nothing of receipts.
async fn proof(network: &Network, part: &str, endpoint: &Endpoint, head: Header) -> Option<Line> {
    match network.verify {
        Verify::Logs => return None,
        Verify::Receipts => {}
    }
    let tokens: Vec<_> = network.tokens.iter().map(|token| token.address).collect();
    let heights: Vec<_> = (1..PROOFS_TRIED).map(|back| head.block.number.minus(back)).collect();
    let below = match endpoint.headers(&heights).await {
        Ok(headers) => headers.into_iter().flatten(),
        Err(error) => return Some(refused(part, "its newest blocks", &error)),
    };
    for header in std::iter::once(head).chain(below) {
        match endpoint.proof(header.block, &tokens).await {
            Ok(Ok(proof)) if proof.receipts > 0 => {
                let what = format!("proves block {} by its {} receipts", header.block.number, proof.receipts);
                return Some(Line::ok(part, what));
            }
            Ok(Ok(_)) => {}
            Ok(Err(why)) => return Some(unproven(part, header, &why)),
            Err(error) => return Some(refused(part, "what proves a block", &error)),
        }
    }
    Some(Line::ok(part, format!("proves its newest {PROOFS_TRIED} blocks, which hold no receipts")))
}

fn unproven(part: &str, header: Header, why: &Unproven) -> Line {
    let what = format!("proves nothing of block {}, so nothing will be confirmed: {why}", header.block.number);
    let cure = match why {
        Unproven::Absent => "ask again when it is synced, or use another",
        Unproven::NoMethod | Unproven::Refused(_) => {
            "use another endpoint beside it, or write verify = \"logs\" and raise quorum"
        }
        Unproven::Header(_) | Unproven::Receipts(_) => {
            "if the network's other endpoints say the same, write verify = \"logs\" and raise quorum; else use another"
        }
    };
    Line::finding(part, what, cure)
}

async fn decimals(network: &Network, endpoint: &Endpoint, token: &Token) -> Line {
    let part = part_of(network, token);
    match endpoint.decimals(token.address).await {
        Ok(Decimals::Is(found)) if found == token.decimals => {
            Line::ok(part, format!("{} has {found} decimals", token.symbol))
        }
        Ok(Decimals::Is(found)) => {
            let what = format!("{} has {found} decimals, configured are {}", token.symbol, token.decimals);
            Line::finding(part, what, format!("write decimals = {found}; every amount would be wrong"))
        }
        Ok(Decimals::NoContract) => {
            let what = format!("there is no token at {}", token.address);
            Line::finding(part, what, "correct its address; it may be another chain's")
        }
        Ok(Decimals::Unanswered(text)) => Line::finding(
            part,
            format!("its decimals cannot be read: {text}"),
            "correct its address, or use another endpoint",
        ),
        Err(error) => refused(&part, "its decimals", &error),
    }
}
