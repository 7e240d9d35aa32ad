//! `migrate`: the embedded migrations, applied or only told.

use super::args::Migrate;
use super::exit::{Exit, Failure};
use super::{connect, output};
use crate::settings::Settings;
use crate::store::Schema;

pub(super) async fn run(settings: &Settings, asked: &Migrate) -> Result<(), Failure> {
    let store = connect::database(&settings.database).await?;
    let schema = store.schema().await?;
    if schema.is_ours() {
        return output::print("the schema is up to date\n");
    }
    if asked.status {
        return status(&schema, settings);
    }
    connect::refuse_newer(&schema, &settings.database)?;
    store.migrate().await?;
    output::print(&lines("applied", &schema.missing))
}

fn status(schema: &Schema, settings: &Settings) -> Result<(), Failure> {
    output::print(&(lines("missing", &schema.missing) + &lines("unknown", &schema.unknown)))?;
    let address = connect::address(&settings.database);
    let (what, cure) = if schema.unknown.is_empty() {
        (connect::behind(schema.missing.len()), "run `deposit-watcher migrate`")
    } else {
        (connect::newer(&schema.unknown), connect::NEWER_CURE)
    };
    Err(Failure::new(Exit::Found, format!("the schema of {address} is {what}; {cure}")))
}

fn lines(verb: &str, migrations: &[String]) -> String {
    migrations.iter().map(|name| format!("{verb} {name}\n")).collect()
}
