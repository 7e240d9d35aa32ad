//! What `/readyz` of a watcher says: database and schema, and each enabled network worked by some live watcher, not
//! halted, on the right chain, and not too far behind. Not for when it is asked: that is [`crate::http`]'s.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::house::{House, Post};
use crate::chain::{EndpointReport, EndpointState};
use crate::cli::{connect, lag};
use crate::http::{Part, Readiness};
use crate::store::{Error, NetworkStatus, Schema};

/// What the database is given to answer; a probe waits 3 s at most.
const PATIENCE: Duration = Duration::from_millis(2_500);

/// The question, to be asked by the admin listener.
pub(super) fn of(house: Arc<House>) -> Readiness {
    Readiness::new(move || parts(house.clone()))
}

async fn parts(house: Arc<House>) -> Vec<Part> {
    let asked = timeout(PATIENCE, database(&house)).await;
    let silence = || house.store.refusal().unwrap_or("no answer").to_owned();
    let answer = asked.map_err(|_| silence()).and_then(|answer| answer.map_err(|error| error.to_string()));
    let statuses = answer.and_then(|(schema, statuses)| match (schema.missing.len(), &schema.unknown) {
        (0, unknown) if unknown.is_empty() => Ok(statuses),
        (0, unknown) => Err(format!("its schema is {}; {}", connect::newer(unknown), connect::NEWER_CURE)),
        (missing, _) => Err(format!("{missing} migrations are missing; run `deposit-watcher migrate`")),
    });
    let part = |name: String, outcome| Part { name, outcome };
    match statuses {
        Err(why) => vec![part("database".to_owned(), Err(why))],
        Ok(statuses) => {
            let networks = house.posts.iter().map(|post| {
                let status = statuses.iter().find(|status| status.network == post.slug().as_str());
                let outcome = network(post, status);
                let report = post.pool().filter(|_| outcome.is_ok()).map(|pool| pool.report()).unwrap_or_default();
                let news: Vec<EndpointReport> = report.into_iter().filter(EndpointReport::is_news).collect();
                let how = if news.is_empty() { String::new() } else { format!(" ({})", words(&news)) };
                part(format!("network {}{how}", post.slug()), outcome)
            });
            std::iter::once(part("database".to_owned(), Ok(()))).chain(networks).collect()
        }
    }
}

async fn database(house: &House) -> Result<(Schema, Vec<NetworkStatus>), Error> {
    let schema = house.store.schema().await?;
    let statuses = if schema.is_ours() { house.store.network_statuses().await? } else { Vec::new() };
    Ok((schema, statuses))
}

fn network(post: &Post, status: Option<&NetworkStatus>) -> Result<(), String> {
    let status = status.ok_or("it was never worked")?;
    if let Some(why) = &status.halted {
        return Err(format!("halted: {why}"));
    }
    if status.holder.is_none() {
        return Err("no watcher works it".to_owned());
    }
    endpoints(post)?;
    match lag(status, Some(&post.network)) {
        None => Err("nothing of it was scanned yet".to_owned()),
        Some((_, time)) if time <= post.network.max_lag => Ok(()),
        Some((blocks, time)) => Err(format!("{} s and {blocks} known blocks behind", time.as_secs())),
    }
}

/// What only who holds it knows.
fn endpoints(post: &Post) -> Result<(), String> {
    let report = post.pool().map(|pool| pool.report()).unwrap_or_default();
    let wrong = report.iter().filter(|endpoint| endpoint.state == EndpointState::WrongChain);
    let wrong: Vec<&str> = wrong.map(|endpoint| endpoint.key.as_str()).collect();
    let up = |state: EndpointState| state.is_usable() || state == EndpointState::Unchecked;
    if !wrong.is_empty() {
        return Err(format!("endpoints serve another chain: {}", wrong.join(", ")));
    }
    if !report.is_empty() && !report.iter().any(|endpoint| up(endpoint.state)) {
        return Err(format!("no endpoint is usable: {}", words(&report)));
    }
    Ok(())
}

/// How each endpoint is and what is learned of it: only who holds the network knows.
fn words(report: &[EndpointReport]) -> String {
    report.iter().map(EndpointReport::words).collect::<Vec<_>>().join("; ")
}
