//! The database: whether it answers, its schema, what is halted, what cannot be used, and on request the books.

use super::Line;
use crate::cli::{connect, reasons};
use crate::domain::{BlockHash, Slug};
use crate::settings::Settings;
use crate::store::{Error, Store};

/// Findings of the books that are shown; the rest are more of the same.
const SHOWN: i64 = 100;

/// The lines, and the genesis that is pinned for each network.
pub(super) async fn look(settings: &Settings, books: bool) -> (Vec<Line>, Vec<(Slug, Option<BlockHash>)>) {
    let store = match connect::database(&settings.database).await {
        Ok(store) => store,
        Err(failure) => {
            let cure = "start PostgreSQL, or correct database.url";
            return (vec![Line::finding("database", failure.reason, cure)], Vec::new());
        }
    };
    match inside(settings, &store, books).await {
        Ok(found) => found,
        Err(error) => {
            let cure = "see PostgreSQL's log, and that this user owns the schema";
            (vec![Line::finding("database", error.to_string(), cure)], Vec::new())
        }
    }
}

async fn inside(
    settings: &Settings,
    store: &Store,
    books: bool,
) -> Result<(Vec<Line>, Vec<(Slug, Option<BlockHash>)>), Error> {
    let schema = store.schema().await?;
    if !schema.unknown.is_empty() {
        let what = format!("the schema is {}", connect::newer(&schema.unknown));
        return Ok((vec![Line::finding("database", what, connect::NEWER_CURE)], Vec::new()));
    }
    if !schema.missing.is_empty() {
        let what = format!("the schema is {}: {}", connect::behind(schema.missing.len()), schema.missing.join(", "));
        return Ok((vec![Line::finding("database", what, "run `deposit-watcher migrate`")], Vec::new()));
    }
    let mut lines =
        vec![Line::ok("database", format!("{} answers, its schema is right", connect::address(&settings.database)))];
    lines.extend(networks(store).await?);
    lines.extend(sessions(store).await?);
    if books {
        lines.extend(audit(store).await?);
    }
    let mut pinned = Vec::new();
    for network in &settings.networks {
        if let Some(row) = store.network(&network.slug).await? {
            pinned.push((network.slug.clone(), row.pinned.genesis));
            lines.extend((row.pinned.chain_id != network.chain_id).then(|| {
                let what = format!(
                    "the database has chain id {}, the configuration {}",
                    row.pinned.chain_id, network.chain_id
                );
                Line::finding(
                    format!("network {}", network.slug),
                    what,
                    "correct chain_id, or give the other chain a slug of its own",
                )
            }));
        }
    }
    Ok((lines, pinned))
}

async fn networks(store: &Store) -> Result<Vec<Line>, Error> {
    let statuses = store.network_statuses().await?;
    let halted = statuses.into_iter().filter_map(|status| Some((status.network, status.halted?)));
    let line = |(network, why): (String, String)| {
        let cure = format!("`deposit-watcher rescan --network {network} --resume` says what going on will change");
        Line::finding(format!("network {network}"), format!("halted: {why}"), cure)
    };
    Ok(halted.map(line).collect())
}

async fn sessions(store: &Store) -> Result<Vec<Line>, Error> {
    let unusable = store.unusable_sessions().await?;
    let line = |(reason, count): (String, u64)| {
        let cure = "tell whoever opens sessions; `deposit-watcher sessions show ID` says it of each";
        Line::finding(
            "sessions",
            format!("{count} open sessions can never be paid: {}", reasons::unusable(&reason)),
            cure,
        )
    };
    Ok(unusable.into_iter().map(line).collect())
}

async fn audit(store: &Store) -> Result<Vec<Line>, Error> {
    let findings = store.books(SHOWN).await?;
    if findings.is_empty() {
        return Ok(vec![Line::ok("books", "every rule holds")]);
    }
    let cure = "deliver nothing on it, stop the watchers, keep a dump and report it: this must never be";
    let line = |finding: crate::store::Finding| {
        Line::finding("books", format!("{} broken by {}: {}", finding.rule, finding.subject, finding.detail), cure)
    };
    Ok(findings.into_iter().map(line).collect())
}
