//! Applies `migrations/*.sql` over PostgreSQL's simple protocol, where everybody is trusted. Not for a database that holds
//! anything: what was applied is not recorded.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;

use anyhow::{Context, bail};

/// sqlx's own table, which queries may name.
const BOOKS: &str = "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
    installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, checksum BYTEA NOT NULL, \
    execution_time BIGINT NOT NULL)";

/// Applies every up migration of a folder in order of its name.
pub fn migrate(port: u16, user: &str, database: &str, folder: &Path) -> anyhow::Result<()> {
    let mut files: Vec<_> = match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?,
        Err(_) => Vec::new(),
    };
    files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
    files.retain(|file| !file.to_string_lossy().ends_with(".down.sql"));
    files.sort();
    let mut line = connect(port, user, database)?;
    query(&mut line, BOOKS)?;
    for file in files {
        query(&mut line, &fs::read_to_string(&file)?).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

fn connect(port: u16, user: &str, database: &str) -> anyhow::Result<TcpStream> {
    let mut line = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for word in ["user", user, "database", database] {
        body.extend(word.bytes().chain([0]));
    }
    body.push(0);
    line.write_all(&framed(&body)?)?;
    until_ready(&mut line)?;
    Ok(line)
}

fn query(line: &mut TcpStream, sql: &str) -> anyhow::Result<()> {
    let body: Vec<u8> = sql.bytes().chain([0]).collect();
    line.write_all(b"Q")?;
    line.write_all(&framed(&body)?)?;
    until_ready(line)
}

fn framed(body: &[u8]) -> anyhow::Result<Vec<u8>> {
    let length = u32::try_from(body.len())?.checked_add(4).context("a message too long")?;
    Ok([&length.to_be_bytes(), body].concat())
}

/// Reads until ReadyForQuery; an ErrorResponse on the way is the result.
fn until_ready(line: &mut TcpStream) -> anyhow::Result<()> {
    let mut failure = None;
    loop {
        let mut head = [0; 5];
        line.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let length = u32::from_be_bytes(length).checked_sub(4).context("a malformed message")?;
        let mut body = vec![0; usize::try_from(length)?];
        line.read_exact(&mut body)?;
        match (kind, failure.take()) {
            (b'E', _) => failure = Some(String::from_utf8_lossy(&body).replace('\0', " ")),
            (b'Z', None) => return Ok(()),
            (b'Z', Some(failure)) => bail!("{failure}"),
            (_, earlier) => failure = earlier,
        }
    }
}
