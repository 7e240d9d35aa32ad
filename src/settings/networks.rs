//! Reads `[networks.*]` and what in them contradicts itself. Not for endpoints and tokens, which have files of their own,
//! and not for advice: a finality below the chain's preset is legal here and a finding of `check`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::read::{days, mins, secs};
use super::section::Section;
use super::value::{duration, whole};
use super::{Ambiguous, Endpoint, Network, PartialPayments, Verify, endpoints, proving, tokens};
use crate::domain::{BlockNumber, ChainId, Finality, MAINNET_CHAIN_IDS, Slug, TESTNET_CHAIN_IDS};

/// The largest number that Postgres keeps in a bigint.
const BIGINT: u64 = i64::MAX.unsigned_abs();
/// `confirmations` where `finality = "confirmations"` says no number.
const CONFIRMATIONS: u64 = 128;

/// Reads all networks in order of their slug. `None` where one is faulty.
pub(super) fn all(root: &mut Section) -> Option<Vec<Network>> {
    let mut chains: BTreeMap<ChainId, Slug> = BTreeMap::new();
    root.each("networks", Slug::parse, |slug, section| {
        let network = one(slug.clone(), section)?;
        let real = network.enabled && !network.testnet;
        if let Some(other) = real.then(|| chains.insert(network.chain_id, slug)).flatten() {
            let cure = "one transfer would pay twice; disable one of the two";
            section.fault("chain_id", format!("is also that of networks.{other}: {cure}"));
        }
        Some(network)
    })
}

fn one(slug: Slug, section: &mut Section) -> Option<Network> {
    const ZERO: Duration = Duration::ZERO;
    let chain_id = chain_id(section);
    let enabled = section.truth("enabled").unwrap_or(true);
    let testnet = testnet(section, chain_id);
    let finality = finality(section);
    // Play money waits for nobody.
    let patience = |time: Duration| if testnet { ZERO } else { time };
    let network = Network {
        slug,
        chain_id: chain_id.unwrap_or(ChainId(0)),
        enabled,
        testnet,
        finality,
        min_age: section.duration("min_age", ZERO, ZERO, days(30)),
        poll_interval: section.duration("poll_interval", secs(2), Duration::from_millis(50), mins(60)),
        step_interval: section.duration("step_interval", ZERO, ZERO, mins(60)),
        second_look_delay: section.duration("second_look_delay", patience(secs(2)), ZERO, mins(60)),
        max_block_range: section.number("max_block_range", 1..=1_000_000).unwrap_or(2_000),
        reorg_window: reorg_window(section, finality),
        reorg_grace: section.duration("reorg_grace", mins(60), ZERO, days(30)),
        revert_after: section.duration("revert_after", patience(mins(1)), ZERO, days(1)),
        max_clock_drift: max_clock_drift(section),
        max_lag: section.duration("max_lag", mins(5), secs(1), days(30)),
        start_block: section.number("start_block", 0..=BIGINT).map(BlockNumber),
        max_backfill: section.duration("max_backfill", days(1), ZERO, days(365)),
        quorum: section.small("quorum", 1, 1..=100),
        verify: verify(section, chain_id),
        partial_payments: partial_payments(section),
        ambiguous: ambiguous(section),
        endpoints: Vec::new(),
        tokens: Vec::new(),
    };
    let (endpoints, tokens) = (endpoints::all(section), tokens::all(section));
    if let Some(endpoints) = endpoints.as_ref().filter(|_| enabled) {
        enough_endpoints(section, endpoints, network.quorum);
    }
    chain_id?;
    Some(Network { endpoints: endpoints?, tokens: tokens?, ..network })
}

fn chain_id(section: &mut Section) -> Option<ChainId> {
    let cure = "write the chain's EIP-155 id, as in chain_id = 137";
    section.required("chain_id", cure, |text| whole(text, &(1..=BIGINT)).map(ChainId))
}

/// Whether the money is play money: no choice where the chain is known.
fn testnet(section: &mut Section, chain_id: Option<ChainId>) -> bool {
    let given = section.truth("testnet");
    let play = chain_id.is_some_and(|chain_id| TESTNET_CHAIN_IDS.contains(&chain_id));
    let real = chain_id.is_some_and(|chain_id| MAINNET_CHAIN_IDS.contains(&chain_id));
    match given {
        Some(false) if play => section.fault("testnet", "is false, but the chain is a test chain; remove the key"),
        Some(true) if real => section.fault("testnet", "is true, but the chain carries real money; remove the key"),
        Some(_) | None => {}
    }
    given.unwrap_or(play)
}

/// `finalized` where nothing is said; `confirmations` alone says `finality = "confirmations"` with it.
fn finality(section: &mut Section) -> Finality {
    let words = [
        ("confirmations", Finality::Confirmations(CONFIRMATIONS)),
        ("safe", Finality::Safe),
        ("finalized", Finality::Finalized),
    ];
    let finality = section.choice("finality", &words);
    let confirmations = section.number("confirmations", 1..=1_000_000);
    match (finality, confirmations) {
        (None, None) => Finality::Finalized,
        (Some(finality), None) => finality,
        (None | Some(Finality::Confirmations(_)), Some(number)) => Finality::Confirmations(number),
        (Some(tag @ (Finality::Safe | Finality::Finalized)), Some(_)) => {
            section.fault("confirmations", "has no meaning here; remove it or write finality = \"confirmations\"");
            tag
        }
    }
}

/// A reorganisation that is followed must reach below what is confirmed, or nothing confirmed could ever be reverted.
fn reorg_window(section: &mut Section, finality: Finality) -> u64 {
    let window = section.number("reorg_window", 2..=1_000_000);
    let blocks = window.unwrap_or(1_024);
    if let Finality::Confirmations(confirmations) = finality
        && blocks <= confirmations
    {
        let key = if window.is_some() { "reorg_window" } else { "confirmations" };
        let cure = "raise reorg_window or lower confirmations";
        section
            .fault(key, format!("makes reorg_window ({blocks}) no more than confirmations ({confirmations}); {cure}"));
    }
    blocks
}

fn max_clock_drift(section: &mut Section) -> Option<Duration> {
    let read = |text: &str| if text == "off" { Ok(None) } else { duration(text, secs(1), days(1)).map(Some) };
    section.text("max_clock_drift", read).flatten()
}

/// What the second look believes; proofs are refused where they are known to fail, rather than never to confirm.
fn verify(section: &mut Section, chain_id: Option<ChainId>) -> Verify {
    let words = [("logs", Verify::Logs), ("receipts", Verify::Receipts)];
    let verify = section.choice("verify", &words).unwrap_or(Verify::Logs);
    let why = chain_id.and_then(proving::why_not).filter(|_| verify == Verify::Receipts);
    if let (Some(why), Some(chain_id)) = (why, chain_id) {
        let cure = "write verify = \"logs\", and raise `quorum` instead";
        section.fault("verify", format!("is receipts, which chain {chain_id} cannot prove: {why}; {cure}"));
    }
    verify
}

fn partial_payments(section: &mut Section) -> PartialPayments {
    let words = [("exclusive", PartialPayments::Exclusive), ("never", PartialPayments::Never)];
    section.choice("partial_payments", &words).unwrap_or(PartialPayments::Exclusive)
}

fn ambiguous(section: &mut Section) -> Ambiguous {
    let words = [("hold", Ambiguous::Hold), ("oldest", Ambiguous::Oldest)];
    section.choice("ambiguous", &words).unwrap_or(Ambiguous::Hold)
}

/// A network that is worked needs an endpoint, and as many operators as must agree.
fn enough_endpoints(section: &mut Section, endpoints: &[Endpoint], quorum: u32) {
    let operators: BTreeSet<&str> = endpoints.iter().map(|endpoint| endpoint.operator.as_str()).collect();
    if endpoints.is_empty() {
        let cure = "add one with its `url`, or write enabled = false";
        section.fault("rpc", format!("names no endpoint; {cure}"));
    } else if u32::try_from(operators.len()).is_ok_and(|operators| operators < quorum) {
        let cure = "add an endpoint of another operator or lower it";
        section.fault("quorum", format!("is {quorum}, but the endpoints have {} operators; {cure}", operators.len()));
    }
}
