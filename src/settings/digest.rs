//! One short text for what decides about money, so that watchers with different rules never share work. Not for what only
//! decides how fast, from where or for whom it is done: addresses on the net, listeners, intervals.

use std::fmt::{Display, Write};
use std::time::Duration;

use alloy::primitives::keccak256;

use super::{Network, Sessions, Settings};
use crate::domain::{Finality, Token};

impl Settings {
    /// 64 hexadecimal digits, equal if and only if the same transfers settle the same sessions the same way.
    ///
    /// Covers the sessions section and, of every enabled network, its chain, tokens, finality, agreement and matching.
    /// Networks, tokens and addresses are in a fixed order, so that the order in a file plays no part.
    pub fn digest(&self) -> String {
        let mut canon = Canon::default();
        sessions(&mut canon, &self.sessions);
        self.networks.iter().filter(|network| network.enabled).for_each(|one| network(&mut canon, one));
        format!("{:x}", keccak256(canon.0))
    }
}

/// Lines `key=value`. A value with a line's end cannot occur: all are numbers, words and validated names.
#[derive(Default)]
struct Canon(String);

impl Canon {
    fn line(&mut self, key: &str, value: impl Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{key}={value}");
    }

    fn time(&mut self, key: &str, value: Duration) {
        self.line(key, value.as_nanos());
    }
}

/// The patterns below name every field, so that a new one must be put on one side or the other.
fn sessions(canon: &mut Canon, sessions: &Sessions) {
    let Sessions {
        expires_after,
        expiry_grace,
        clock_skew,
        topup_time,
        amount_clash,
        amount_reuse_after,
        late_window,
        own_addresses,
    } = sessions;
    canon.time("expires_after", *expires_after);
    canon.time("expiry_grace", *expiry_grace);
    canon.time("clock_skew", *clock_skew);
    canon.time("topup_time", *topup_time);
    canon.line("amount_clash", format_args!("{amount_clash:?}"));
    canon.time("amount_reuse_after", *amount_reuse_after);
    canon.time("late_window", *late_window);
    own_addresses.iter().for_each(|address| canon.line("own_address", address));
}

fn network(canon: &mut Canon, network: &Network) {
    let Network {
        slug,
        chain_id,
        enabled: _,
        testnet,
        finality,
        min_age,
        poll_interval: _,
        step_interval: _,
        second_look_delay: _,
        max_block_range: _,
        reorg_window,
        reorg_grace,
        revert_after: _,
        max_clock_drift,
        max_lag: _,
        start_block,
        max_backfill: _,
        quorum,
        verify,
        partial_payments,
        ambiguous,
        endpoints: _,
        tokens,
    } = network;
    canon.line("network", slug);
    canon.line("chain_id", chain_id);
    canon.line("testnet", testnet);
    canon.line("finality", depth(*finality));
    canon.time("min_age", *min_age);
    canon.line("reorg_window", reorg_window);
    canon.time("reorg_grace", *reorg_grace);
    canon.line("max_clock_drift", format_args!("{max_clock_drift:?}"));
    canon.line("start_block", format_args!("{start_block:?}"));
    canon.line("quorum", quorum);
    canon.line("verify", format_args!("{verify:?}"));
    canon.line("partial_payments", format_args!("{partial_payments:?}"));
    canon.line("ambiguous", format_args!("{ambiguous:?}"));
    tokens.iter().for_each(|one| token(canon, one));
}

fn depth(finality: Finality) -> String {
    match finality {
        Finality::Confirmations(number) => number.to_string(),
        Finality::Safe => "safe".to_owned(),
        Finality::Finalized => "finalized".to_owned(),
    }
}

fn token(canon: &mut Canon, token: &Token) {
    let Token { key, symbol, address, decimals, tolerance, min_partial } = token;
    canon.line("token", key);
    canon.line("symbol", symbol);
    canon.line("address", address);
    canon.line("decimals", decimals);
    canon.line("tolerance", tolerance);
    canon.line("min_partial", min_partial.0);
}
