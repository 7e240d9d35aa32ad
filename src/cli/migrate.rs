//! `migrate`: the embedded migrations, applied or only told.

use super::args::Migrate;
use super::exit::{Exit, Failure};
use super::{connect, output};
use crate::settings::Settings;

pub(super) async fn run(settings: &Settings, asked: &Migrate) -> Result<(), Failure> {
    let store = connect::database(&settings.database).await?;
    let missing = store.missing_migrations().await?;
    if missing.is_empty() {
        return output::print("the schema is up to date\n");
    }
    let verb = if asked.status { "missing" } else { "applied" };
    if !asked.status {
        store.migrate().await?;
    }
    output::print(&missing.iter().map(|name| format!("{verb} {name}\n")).collect::<String>())?;
    if asked.status {
        let (behind, address) = (connect::behind(missing.len()), connect::address(&settings.database));
        let reason = format!("the schema of {address} is {behind}; run `deposit-watcher migrate`");
        return Err(Failure::new(Exit::Found, reason));
    }
    Ok(())
}
