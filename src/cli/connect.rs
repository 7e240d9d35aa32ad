//! The way to the database: settings read, a bounded wait until it answers, the schema looked at. Errors name the
//! address without user and password. Not for what is asked of it then.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::args::Sources;
use super::exit::{Exit, Failure};
use crate::deposits::Office;
use crate::keys::Keyring;
use crate::settings::{self, Database, Settings};
use crate::store::{self, Schema, Store};

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(250);

/// The configuration, or every fault in it.
pub fn settings(sources: &Sources) -> Result<Settings, Failure> {
    Ok(settings::load(&sources.config, settings::environment(), &sources.set)?)
}

/// The database, answering; waits for it at most `database.connect_timeout`.
pub async fn database(database: &Database) -> Result<Store, Failure> {
    let store = Store::new(database)?;
    answers(&store, database.connect_timeout).await.map_err(|reason| {
        let (address, waited) = (address(database), humantime::format_duration(database.connect_timeout));
        let cure = "check that PostgreSQL runs there and that database.url is right";
        Failure::new(Exit::Unavailable, format!("database {address} cannot be used after {waited}: {reason}; {cure}"))
    })?;
    Ok(store)
}

/// The database with the schema this program was built with: what every command needs but `migrate` and `run`.
pub async fn ready(database: &Database) -> Result<Store, Failure> {
    let store = self::database(database).await?;
    demand_schema(&store, database).await?;
    Ok(store)
}

/// Where sessions, widgets, businesses and keys are asked for.
pub(super) async fn office(settings: &Settings) -> Result<Office, Failure> {
    Ok(Office::new(Arc::new(settings.clone()), ready(&settings.database).await?))
}

/// The sealing key and all that hangs on it.
pub fn keyring(settings: &Settings) -> Result<Keyring, Failure> {
    let api = &settings.api;
    let key = api.sealing_key.as_ref().ok_or_else(no_sealing_key)?;
    Ok(Keyring::new(key, api.previous_sealing_key.as_ref()))
}

/// Without a sealing key no secret can be kept.
pub(super) fn no_sealing_key() -> Failure {
    let cure = "draw one with `openssl rand -hex 32`, keep it, and set it as DEPOSIT_WATCHER__API__SEALING_KEY";
    Failure::new(Exit::Configuration, format!("api.sealing_key is not set, so no secret can be kept; {cure}"))
}

/// Refuses a schema that is behind (75, for whoever migrates may be about to), and one that a newer version made.
pub async fn demand_schema(store: &Store, database: &Database) -> Result<(), Failure> {
    let schema = store.schema().await?;
    refuse_newer(&schema, database)?;
    if schema.missing.is_empty() {
        return Ok(());
    }
    let (behind, address) = (behind(schema.missing.len()), address(database));
    Err(Failure::new(Exit::Unavailable, format!("the schema of {address} is {behind}; run `deposit-watcher migrate`")))
}

/// Refuses a schema that a newer version made: 78, for no waiting helps. What that version means by its rows is not known
/// here, and it may be about money.
pub fn refuse_newer(schema: &Schema, database: &Database) -> Result<(), Failure> {
    if schema.unknown.is_empty() {
        return Ok(());
    }
    let (newer, address) = (newer(&schema.unknown), address(database));
    Err(Failure::new(Exit::Configuration, format!("the schema of {address} is {newer}; {NEWER_CURE}")))
}

/// What to do about a schema that is newer than the program.
pub const NEWER_CURE: &str = "run the version that migrated it, or a newer one";

/// How much is missing, in words.
pub(super) fn behind(migrations: usize) -> String {
    if migrations == 1 { "1 migration behind".to_owned() } else { format!("{migrations} migrations behind") }
}

/// How much newer it is, in words.
pub fn newer(unknown: &[String]) -> String {
    format!("newer than this program ({}): it has {}", env!("CARGO_PKG_VERSION"), unknown.join(", "))
}

/// Whether it answers before time is over; else why it did not the last time.
async fn answers(store: &Store, patience: Duration) -> Result<(), String> {
    let until = Instant::now().checked_add(patience);
    let mut last = "it gave no answer".to_owned();
    loop {
        let left = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
        // Dropping the ping at its deadline is harmless: it opens no transaction.
        match timeout(left, store.ping()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => last = reason(&error),
            Err(_) => return Err(last),
        }
        sleep(PAUSE.min(left)).await;
    }
}

/// Why it does not answer, without any user's name.
fn reason(error: &store::Error) -> String {
    match error {
        store::Error::Refused { rule, .. } if rule.starts_with("28") => {
            "it refuses the user or the password".to_owned()
        }
        store::Error::Unavailable(_)
        | store::Error::LeaseLost
        | store::Error::Refused { .. }
        | store::Error::Unreadable(_)
        | store::Error::Schema(_) => error.to_string(),
    }
}

/// `host:port/name`: what may be told of a database's address.
pub fn address(database: &Database) -> String {
    let url = database.url.expose();
    let asked = |key: &str| url.query_pairs().find(|(name, _)| name == key).map(|(_, value)| value.into_owned());
    let host = url.host_str().filter(|host| !host.is_empty()).map(str::to_owned);
    let host = host.or_else(|| asked("host")).unwrap_or_else(|| "localhost".to_owned());
    let name = asked("dbname").unwrap_or_else(|| url.path().trim_start_matches('/').to_owned());
    let port = url.port().map(|port| port.to_string()).or_else(|| asked("port")).unwrap_or_else(|| "5432".to_owned());
    format!("{host}:{port}/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Secret;

    #[test]
    fn an_address_holds_neither_user_nor_password() {
        for (url, expected) in [
            ("postgres://canary:hunter2@db.example:6000/shop?sslpassword=hunter2", "db.example:6000/shop"),
            ("postgres://canary:hunter2@[::1]/shop", "[::1]:5432/shop"),
            ("postgres:///shop?host=/run/postgresql&user=canary&password=hunter2", "/run/postgresql:5432/shop"),
        ] {
            let database = Database {
                url: Secret::new(url.parse().unwrap()),
                max_connections: 2,
                connect_timeout: Duration::ZERO,
                pgbouncer: false,
            };
            assert_eq!(address(&database), expected);
        }
    }
}
