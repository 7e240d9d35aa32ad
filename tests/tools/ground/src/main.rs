//! Starts PostgreSQL and, unless told `--no-anvil`, anvil; prints where they are as lines for `eval`; stops them when stdin ends.
//!
//! A tool for developers and scripts, made of the same files as the library's `demo` room. Not shipped.

#[path = "../../../../src/demo/anvil.rs"]
#[allow(dead_code)]
mod anvil;
#[path = "../../../../src/demo/guard.rs"]
#[allow(dead_code)]
mod guard;
#[path = "../../../../src/demo/postgres.rs"]
#[allow(dead_code)]
mod postgres;
#[path = "../../../../src/demo/tools.rs"]
mod tools;

use std::io::{Write, stdin, stdout};

use tools::Tools;

fn main() -> anyhow::Result<()> {
    let tools = Tools::at(std::env::var_os(Tools::VARIABLE).unwrap_or_else(|| Tools::FOLDER.into()));
    let postgres = postgres::Postgres::start(&tools)?;
    println!("export DATABASE_URL={}", postgres.url("postgres"));
    let anvil = match std::env::args().any(|arg| arg == "--no-anvil") {
        true => None,
        false => Some(anvil::Anvil::start(&tools, &[])?),
    };
    if let Some(anvil) = &anvil {
        println!("export ANVIL_URL={} ANVIL_WS_URL={}", anvil.url(), anvil.ws_url());
    }
    println!("# ready; ends with stdin");
    stdout().flush()?;
    std::io::copy(&mut stdin(), &mut std::io::sink())?;
    Ok(())
}
