//! What of a legal configuration we would not do: finality below the chain's preset, one operator for both looks, rules
//! that let the wrong session be paid. Pure.

use std::collections::BTreeSet;

use super::Line;
use crate::domain::Finality;
use crate::settings::{Ambiguous, AmountClash, Network, Settings, Verify, presets, proving};

pub(super) fn look(settings: &Settings) -> Vec<Line> {
    let enabled: Vec<&Network> = settings.networks.iter().filter(|network| network.enabled).collect();
    let mut lines: Vec<Line> = enabled.iter().flat_map(|network| one(network)).collect();
    if enabled.is_empty() {
        let cure = "set networks.SLUG.enabled = true for one";
        lines.push(Line::finding("configuration", "no network is enabled: nothing is watched", cure));
    }
    if settings.sessions.amount_clash == AmountClash::Allow {
        let what =
            "sessions.amount_clash = \"allow\": equal sessions on one address can only be told apart by a person";
        lines.push(Line::finding("configuration", what, "write \"bump\" or \"tag\""));
    }
    if lines.is_empty() {
        lines.push(Line::ok("configuration", format!("enabled: {}", slugs(&enabled))));
    }
    lines
}

fn slugs(networks: &[&Network]) -> String {
    networks.iter().map(|network| network.slug.as_str()).collect::<Vec<_>>().join(", ")
}

fn one(network: &Network) -> Vec<Line> {
    [finality(network), operators(network), ambiguous(network), tokens(network)].into_iter().flatten().collect()
}

fn finality(network: &Network) -> Option<Line> {
    let preset = presets::of(network.chain_id).filter(|preset| !preset.is_met_by(network.finality, network.min_age))?;
    let word = |finality| match finality {
        Finality::Confirmations(number) => format!("confirmations = {number}"),
        Finality::Safe => "finality = \"safe\"".to_owned(),
        Finality::Finalized => "finality = \"finalized\"".to_owned(),
    };
    let what = format!("{} confirms too early for this chain: {}", word(network.finality), preset.reason);
    let age = if preset.min_age.is_zero() {
        String::new()
    } else {
        format!(" and min_age = \"{}\"", humantime::format_duration(preset.min_age))
    };
    let cure = format!("write {}{age} in [networks.{}]", word(preset.finality), network.slug);
    Some(Line::finding(format!("network {}", network.slug), what, cure))
}

/// One operator could say what he likes twice. Play money needs no second opinion.
fn operators(network: &Network) -> Option<Line> {
    let operators: BTreeSet<&str> = network.endpoints.iter().map(|endpoint| endpoint.operator.as_str()).collect();
    let one = operators.first().filter(|_| operators.len() == 1 && !network.testnet)?;
    let what = format!("all endpoints are {one}'s: nobody else stands between a lie of theirs and a confirmation");
    let mut cure = format!("add an endpoint of another operator to [networks.{}.rpc]", network.slug);
    if network.verify == Verify::Logs && proving::why_not(network.chain_id).is_none() {
        cure.push_str(
            "; verify = \"receipts\" leaves them whole invented blocks to lie with, and payments to hide, but none \
             to invent",
        );
    }
    Some(Line::finding(format!("network {}", network.slug), what, cure))
}

fn ambiguous(network: &Network) -> Option<Line> {
    let what = "ambiguous = \"oldest\" gives money to the oldest of several sessions that tie, be it theirs or not";
    let oldest = network.ambiguous == Ambiguous::Oldest;
    oldest.then(|| Line::finding(format!("network {}", network.slug), what, "write ambiguous = \"hold\""))
}

fn tokens(network: &Network) -> Option<Line> {
    let cure = format!("add one as [networks.{}.tokens.KEY]", network.slug);
    let none = network.tokens.is_empty();
    none.then(|| Line::finding(format!("network {}", network.slug), "no token is configured", cure))
}
