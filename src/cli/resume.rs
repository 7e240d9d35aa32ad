//! `rescan --resume`: lets a halted network go on. First it prints why the network is halted and what going on will
//! change; only `--yes` does it. The watcher that holds the network carries it out.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::args::Rescan;
use super::exit::{Exit, Failure};
use super::{connect, names, output, rescan};
use crate::chain::{Error, Pool};
use crate::domain::{BlockNumber, BlockRef, Slug};
use crate::settings::{Network, Settings};
use crate::store::{NetworkRow, Store};

/// Heights asked for in one batch.
const BATCH: usize = 64;

pub(super) async fn run(settings: &Settings, asked: &Rescan) -> Result<(), Failure> {
    let network = names::enabled(settings, &asked.network)?;
    let slug = &network.slug;
    let store = connect::ready(&settings.database).await?;
    let row = store.network(slug).await?.ok_or_else(|| Failure::failed(format!("network {slug} was never worked")))?;
    let Some(why) = &row.halted else {
        return Err(Failure::failed(format!("network {slug} is not halted; there is nothing to resume")));
    };
    output::print(&format!("network {slug} is halted: {why}\n"))?;
    output::print(&changes(&store, network, &row).await?)?;
    if !asked.yes {
        let again = format!("deposit-watcher rescan --network {slug} --resume --yes");
        return Err(Failure::failed(format!("nothing was changed; to go on: {again}")));
    }
    if !store.request_resume(slug).await? {
        return output::print(&format!("network {slug} goes on already\n"));
    }
    wait(&store, slug, asked.timeout).await
}

/// What going on will change, in words.
async fn changes(store: &Store, network: &Network, row: &NetworkRow) -> Result<String, Failure> {
    let Some(cursor) = row.cursor else {
        return Ok("nothing was scanned yet: going on changes nothing, and halts again while its endpoints serve another chain\n".to_owned());
    };
    let recorded = store.recorded_since(&network.slug, BlockNumber(0)).await?;
    let kept = match newest_kept(network, row, &recorded).await {
        Ok(kept) => kept,
        Err(Unread::AnotherChain(why)) => {
            return Ok(format!(
                "every endpoint serves another chain ({why}): going on would halt it again; correct their URLs, \
                 or give the other chain a slug of its own\n"
            ));
        }
        Err(Unread::Unknown(why)) => {
            let text = "what will change depends on what the chain still has, and it cannot be asked now";
            return Ok(format!("{text}: {why}\n"));
        }
    };
    let Some(kept) = kept else {
        return Ok(
            "the chain has none of the recorded blocks: this is another chain; do not go on with this database\n"
                .to_owned(),
        );
    };
    let gone = cursor.block.number.above(kept.number);
    let reverted = store.confirmed_above(&network.slug, kept.number).await?;
    Ok(format!(
        "scanned up to block {}; the newest recorded block that the chain still has is {}\n\
         going on rewinds {gone} blocks and reads them again; {reverted} confirmed transfers above it are reverted \
         unless the chain has them elsewhere\n",
        cursor.block.number, kept.number,
    ))
}

/// Why the chain cannot say what it still has.
enum Unread {
    /// There is no endpoint of it left.
    AnotherChain(String),
    /// It cannot be asked now.
    Unknown(String),
}

/// The newest recorded block that the first usable endpoint still has.
async fn newest_kept(network: &Network, row: &NetworkRow, recorded: &[BlockRef]) -> Result<Option<BlockRef>, Unread> {
    let unknown = |error: &dyn std::error::Error| Unread::Unknown(error.to_string());
    let pool = Pool::connect(network).map_err(|error| unknown(&error))?;
    pool.inspect(row.pinned.genesis).await;
    let endpoint = pool.first().await.map_err(|error| match error {
        Error::WrongChain { endpoint, reason, .. } => Unread::AnotherChain(format!("{endpoint}: {reason}")),
        other @ (Error::Transient { .. }
        | Error::Misbehaving { .. }
        | Error::Refuses { .. }
        | Error::TooWide { .. }) => unknown(&other),
    })?;
    for blocks in recorded.rchunks(BATCH) {
        let numbers: Vec<BlockNumber> = blocks.iter().map(|block| block.number).collect();
        let headers = endpoint.headers(&numbers).await.map_err(|error| unknown(&error))?;
        let kept = blocks
            .iter()
            .zip(headers)
            .rev()
            .find(|(block, header)| header.is_some_and(|header| header.block == **block));
        if let Some((block, _)) = kept {
            return Ok(Some(*block));
        }
    }
    Ok(None)
}

async fn wait(store: &Store, slug: &Slug, patience: Duration) -> Result<(), Failure> {
    let started = Instant::now();
    loop {
        let row = store.network(slug).await?;
        if let Some(why) = row.filter(|row| !row.resume_requested).and_then(|row| row.halted) {
            return Err(Failure::failed(format!("network {slug} was looked at and halted again: {why}")));
        }
        let statuses = store.network_statuses().await?;
        let status = statuses.iter().find(|status| status.network == slug.as_str());
        if status.is_none_or(|status| status.halted.is_none()) {
            return output::print(&format!("network {slug} goes on\n"));
        }
        if status.is_some_and(|status| status.holder.is_none()) {
            return output::print(&format!("asked for; it will be carried out when a watcher works {slug}\n"));
        }
        if started.elapsed() >= patience {
            let waited = humantime::format_duration(patience);
            let reason = format!("network {slug} is still halted after {waited}; `deposit-watcher status` says why");
            return Err(Failure::new(Exit::Unavailable, reason));
        }
        sleep(rescan::LOOK_EVERY).await;
    }
}
