//! Starts PostgreSQL and anvil, prints where they are as lines for `eval`, and stops them when stdin ends.
//!
//! `--no-anvil` leaves anvil out, `--migrate` applies `migrations/`. For developers and scripts, to be run from the
//! repository's top; made of the same files as the library's `demo` room. Not shipped.

#[path = "../../../../src/demo/anvil.rs"]
#[allow(dead_code)]
mod anvil;
#[path = "../../../../src/demo/guard.rs"]
#[allow(dead_code)]
mod guard;
mod migrate;
#[path = "../../../../src/demo/postgres.rs"]
#[allow(dead_code)]
mod postgres;
#[path = "../../../../src/demo/tools.rs"]
#[allow(dead_code)]
mod tools;

use std::io::{Write, sink, stdin, stdout};
use std::path::Path;

use anvil::Anvil;
use postgres::Postgres;
use tools::Tools;

const DATABASE: &str = "postgres";

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let asked = |flag: &str| args.iter().any(|arg| arg == flag);
    let tools = Tools::at(std::env::var_os(Tools::VARIABLE).unwrap_or_else(|| Tools::FOLDER.into()));
    let postgres = Postgres::start(&tools)?;
    if asked("--migrate") {
        migrate::migrate(postgres.port(), Postgres::USER, DATABASE, Path::new("migrations"))?;
    }
    println!("export DATABASE_URL={}", postgres.url(DATABASE));
    let anvil = if asked("--no-anvil") { None } else { Some(Anvil::start(&tools, &[])?) };
    if let Some(anvil) = &anvil {
        println!("export ANVIL_URL={} ANVIL_WS_URL={}", anvil.url(), anvil.ws_url());
    }
    println!("# ready, until stdin ends");
    stdout().flush()?;
    std::io::copy(&mut stdin(), &mut sink())?;
    Ok(())
}
