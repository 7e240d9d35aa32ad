//! The SQL of the documents, blocks of it and what `psql` is given, executed as printed; whatever it changes is undone.

use sqlx::{Connection, Executor};

use super::SECTION;
use super::documents::{documents, fenced, told};
use super::system::System;

/// What `psql -c` is given.
fn given(command: &str) -> Option<&str> {
    command.strip_prefix("psql \"$DATABASE_URL\" -c \"")?.strip_suffix('"')
}

/// Where each stands, and what it is.
fn statements() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, text) in documents() {
        found.extend(fenced(&text, "sql").map(|block| (name.clone(), block.to_owned())));
    }
    let blocks = found.len();
    let commands = told(SECTION).into_iter().filter_map(|told| Some((told.whence, given(&told.text)?.to_owned())));
    found.extend(commands);
    assert!(blocks >= 3 && found.len() > blocks + 10, "{blocks} {}", found.len());
    found
}

/// Those that PostgreSQL refuses.
#[allow(clippy::disallowed_types, reason = "the statements are our own documents'")]
pub(crate) async fn faults(system: &System) -> Vec<String> {
    let mut connection = system.rig.pool.acquire().await.unwrap();
    let mut faults = Vec::new();
    for (name, statement) in statements() {
        let statement = system.statement(&statement);
        let mut undone = connection.begin().await.unwrap();
        if let Err(error) = undone.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(statement.clone()))).await {
            faults.push(format!("{name}: {statement}\n  {error}"));
        }
        undone.rollback().await.unwrap();
    }
    faults
}
