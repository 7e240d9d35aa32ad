//! `prune`: old rows removed as `[retention]` says, or only counted. Not for what may go: the database says that.

use serde::Serialize;

use super::args_operating::Prune;
use super::connect;
use super::exit::Failure;
use super::output::{self, Columns, Output};
use crate::settings::{Network, Retention, Settings};
use crate::store::{Error, Old, Store};

const COLUMNS: Columns = Columns { text: &["kind", "network", "rows"], csv: &["kind", "network", "rows"] };

/// A line.
#[derive(Debug, Serialize)]
struct Line {
    kind: &'static str,
    network: Option<String>,
    rows: u64,
}

pub(super) async fn run(settings: &Settings, asked: &Prune) -> Result<(), Failure> {
    let store = connect::ready(&settings.database).await?;
    let due = due(&settings.retention, settings.networks.iter());
    if due.is_empty() && asked.shape.output == Output::Text {
        return output::print("nothing is pruned: every key of [retention] is off\n");
    }
    let counts = if asked.dry_run { store.prunable(&due).await? } else { all(&store, &due).await? };
    let line = |(old, rows): (&Old, u64)| {
        let network = match old {
            Old::Blocks(slug, ..) => Some(slug.to_string()),
            Old::Deliveries(_) | Old::Events(_) => None,
        };
        Line { kind: old.kind(), network, rows }
    };
    let lines: Vec<Line> = due.iter().zip(counts).map(line).collect();
    output::table(&lines, COLUMNS, asked.shape.output)
}

/// What is pruned, in order: events go when nobody has to deliver them any more.
pub fn due<'n>(retention: &Retention, networks: impl Iterator<Item = &'n Network>) -> Vec<Old> {
    let blocks = |age| networks.map(move |network| Old::Blocks(network.slug.clone(), network.reorg_window, age));
    let blocks: Vec<Old> = retention.blocks.map(blocks).into_iter().flatten().collect();
    let deliveries = retention.deliveries.map(Old::Deliveries);
    // One that is judged before its deliveries are gone stays for good.
    let events = retention.events.map(|age| Old::Events(retention.deliveries.map_or(age, |other| age.max(other))));
    blocks.into_iter().chain(deliveries).chain(events).collect()
}

/// Of each all there are, a piece at a time; how many went.
async fn all(store: &Store, due: &[Old]) -> Result<Vec<u64>, Error> {
    let mut counts = Vec::new();
    for old in due {
        let mut rows = 0_u64;
        loop {
            let piece = store.prune(old).await?;
            rows = rows.saturating_add(piece.rows);
            if !piece.more {
                break;
            }
        }
        counts.push(rows);
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn nothing_is_due_unless_asked_and_events_outlive_their_deliveries() {
        let day = |days: u64| Some(Duration::from_secs(days * 86_400));
        let due = |retention: Retention| due(&retention, std::iter::empty());
        assert_eq!(due(Retention::default()), []);
        let both = Retention { blocks: day(1), events: day(7), deliveries: day(30) };
        assert_eq!(due(both), [Old::Deliveries(day(30).unwrap()), Old::Events(day(30).unwrap())]);
        let longer = Retention { events: day(90), ..both };
        assert_eq!(due(longer)[1], Old::Events(day(90).unwrap()));
    }
}
