//! The task that examines session rows as they come, so that people can be told of those that cannot be used. Matching
//! examines each row itself and does not wait for this.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::complaints::Complaints;
use super::house::House;
use super::supervisor::beat;
use crate::store::{Error, Examined, UnexaminedRow};
use crate::watcher::admission::{Claim, examine};

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Rows a transaction.
const BATCH: i64 = 1_000;
/// Batches at a time: rows that others hold are left, and must not be asked for again and again.
const ROUND: usize = 100;

/// Runs until shutdown. Only who works a network examines, so that standbys cost nothing.
pub(super) async fn run(house: Arc<House>) {
    let mut complaints = Complaints::default();
    let mut swept = false;
    while !house.shutdown.is_cancelled() {
        beat("admission", "");
        if house.works() {
            match look(&house, swept).await {
                Ok(()) => swept = true,
                Err(error) if complaints.is_news(&error.to_string()) => {
                    tracing::warn!(%error, "sessions cannot be examined");
                }
                Err(_) => {}
            }
        }
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = house.shutdown.cancelled() => {}
        }
    }
}

async fn look(house: &House, swept: bool) -> Result<(), Error> {
    if !swept {
        sweep(house).await?;
    }
    for _ in 0..ROUND {
        let rows = house.store.unexamined(BATCH).await?;
        write(house, &rows).await?;
        if is_last(&rows) {
            break;
        }
    }
    Ok(())
}

/// Examines again what was examined with another configuration: once a start.
async fn sweep(house: &House) -> Result<(), Error> {
    let mut after = String::new();
    while !house.shutdown.is_cancelled() {
        let rows = house.store.examined_otherwise(&house.digest, &after, BATCH).await?;
        write(house, &rows).await?;
        match rows.last() {
            Some(last) if !is_last(&rows) => last.id.0.clone_into(&mut after),
            Some(_) | None => break,
        }
    }
    Ok(())
}

fn is_last(rows: &[UnexaminedRow]) -> bool {
    i64::try_from(rows.len()).is_ok_and(|rows| rows < BATCH)
}

async fn write(house: &House, rows: &[UnexaminedRow]) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let examined = |row: &UnexaminedRow| {
        let unusable = examine(Claim::from(row), house.network(&row.network)).err();
        Examined { id: row.id.clone(), unusable }
    };
    let examined: Vec<Examined> = rows.iter().map(examined).collect();
    house.store.write_examined(&house.digest, &examined).await
}
