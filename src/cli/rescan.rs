//! `rescan --from --to`: asks the holder to read a range again, and waits a while until it has. Idempotent: what is
//! stored already is not stored twice.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::args::Rescan;
use super::exit::{Exit, Failure};
use super::{connect, names, output};
use crate::domain::{BlockNumber, Slug};
use crate::settings::Settings;
use crate::store::Store;

/// How often it is looked whether it is done.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(250);

pub(super) async fn run(settings: &Settings, asked: &Rescan) -> Result<(), Failure> {
    let (Some(from), Some(to)) = (asked.from, asked.to) else {
        return Err(Failure::usage("rescan needs --from and --to, or --resume"));
    };
    if from > to {
        return Err(Failure::usage(format!("--from {from} lies above --to {to}")));
    }
    let network = names::enabled(settings, &asked.network)?;
    let store = connect::ready(&settings.database).await?;
    covered(&store, &network.slug, to).await?;
    let id = store.request_rescan(&network.slug, from, to).await?;
    wait(&store, &network.slug, id, asked.timeout).await
}

/// A range above the cursor is read anyway, and one of a network that was never worked has no place to go.
async fn covered(store: &Store, slug: &Slug, to: BlockNumber) -> Result<(), Failure> {
    let cursor = store.network(slug).await?.and_then(|row| row.cursor);
    match cursor {
        Some(cursor) if to <= cursor.block.number => Ok(()),
        Some(cursor) => Err(Failure::usage(format!(
            "--to {to} lies above the scanned block {}: it will be read anyway",
            cursor.block.number
        ))),
        None => Err(Failure::failed(format!("network {slug} was never worked: start `deposit-watcher run` first"))),
    }
}

async fn wait(store: &Store, slug: &Slug, id: i64, patience: Duration) -> Result<(), Failure> {
    let started = Instant::now();
    loop {
        if let Some((added, Some(_))) = store.rescan_progress(id).await? {
            let transfers = if added == 1 { "1 transfer".to_owned() } else { format!("{added} transfers") };
            return output::print(&format!("rescan {id} of {slug} is done: {transfers} added\n"));
        }
        if !is_worked(store, slug).await? {
            let text =
                format!("rescan {id} of {slug} is asked for; it will be carried out when a watcher works {slug}\n");
            return output::print(&text);
        }
        if started.elapsed() >= patience {
            let waited = humantime::format_duration(patience);
            let reason = format!(
                "rescan {id} of {slug} is not done after {waited}; it goes on, `status` says what keeps {slug} from it"
            );
            return Err(Failure::new(Exit::Unavailable, reason));
        }
        sleep(LOOK_EVERY).await;
    }
}

/// True while somebody holds the network and it is not halted: what is asked for will be carried out soon.
pub(super) async fn is_worked(store: &Store, slug: &Slug) -> Result<bool, Failure> {
    let statuses = store.network_statuses().await?;
    let status = statuses.iter().find(|status| status.network == slug.as_str());
    Ok(status.is_some_and(|status| status.holder.is_some() && status.halted.is_none()))
}
