//! `sessions create`: a session opened as an outside API would, its amount reserved so that it is nobody else's.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::{COLUMNS, find};
use crate::cli::args::SessionsCreate;
use crate::cli::exit::Failure;
use crate::cli::{connect, names, output, refusals};
use crate::deposits::{self, Office, OpenedBy, Refusal};
use crate::domain::{Address, SessionId, Token, Units, parse_address};
use crate::keys::random_id;
use crate::settings::{Network, Sessions, Settings};
use crate::store::{self, NewSession, SessionLine};

/// The session, and what was asked for where the amount was raised.
#[derive(Debug, Serialize)]
struct Opened {
    requested_amount: String,
    #[serde(flatten)]
    session: SessionLine,
}

pub(super) async fn run(settings: &Settings, asked: &SessionsCreate) -> Result<(), Failure> {
    let new = valid(settings, asked)?;
    let store = connect::ready(&settings.database).await?;
    let office = Office::new(Arc::new(settings.clone()), store.clone());
    office.open_plain(&new).await.map_err(|refusal| refused(refusal, &new))?;
    let session = find(&store, &new.id).await?;
    if asked.shape.output == output::Output::Text && session.amount != new.amount {
        let why = format!("{} is another session's here; ask for {}\n", new.amount, session.amount);
        output::print(&why)?;
    }
    let opened = Opened { requested_amount: new.amount, session };
    match asked.shape.output {
        output::Output::Text => output::card(&opened, COLUMNS.csv),
        output::Output::Json => output::json(&opened),
        output::Output::Csv => output::table(&[opened], COLUMNS, asked.shape.output),
    }
}

/// What is asked for, held against the configuration.
fn valid(settings: &Settings, asked: &SessionsCreate) -> Result<NewSession, Failure> {
    let network = names::enabled(settings, &asked.network)?;
    let token = names::token(network, &asked.token)?;
    let id = asked.id.clone().unwrap_or_else(|| random_id("dep_"));
    if !(1..=128).contains(&id.chars().count()) {
        return Err(Failure::usage("--id: is not 1 to 128 characters"));
    }
    Ok(NewSession {
        id: SessionId(id),
        business: None,
        widget: None,
        opened_by: OpenedBy::Server.as_str(),
        email: None,
        metadata: None,
        amount: amount(&asked.amount, token)?,
        currency: token.symbol.clone(),
        network: network.slug.clone(),
        token: token.address,
        to: destination(&asked.to, network)?,
        lives: lifetime(asked, &settings.sessions)?.as_secs_f64(),
        reference: asked.reference.clone(),
    })
}

fn lifetime(asked: &SessionsCreate, sessions: &Sessions) -> Result<Duration, Failure> {
    let lives = asked.expires_in.unwrap_or(sessions.expires_after);
    if lives.is_zero() {
        Err(Failure::usage("--expires-in: a session that lives no time cannot be paid"))
    } else {
        Ok(lives)
    }
}

fn amount(text: &str, token: &Token) -> Result<String, Failure> {
    let wrong = |why: String| Failure::usage(format!("--amount: {text:?} {why}"));
    let units = Units::parse(text, token.decimals).map_err(|error| {
        wrong(format!("{error} ({} has {} decimals); write whole tokens, as in 12.50", token.symbol, token.decimals))
    })?;
    if units.is_zero() { Err(wrong("asks for nothing".to_owned())) } else { Ok(units.to_decimal(token.decimals)) }
}

fn destination(text: &str, network: &Network) -> Result<Address, Failure> {
    let wrong = |why: String| Failure::usage(format!("--to: {text:?} {why}"));
    let to = parse_address(text).map_err(|error| wrong(error.to_string()))?;
    deposits::destination(to, network).map_err(|why| wrong(why.to_owned()))?;
    Ok(to)
}

/// Why it was refused, with its cure.
fn refused(refusal: Refusal, new: &NewSession) -> Failure {
    let taken =
        |error: &store::Error| matches!(error, store::Error::Refused { rule, .. } if rule == "deposit_sessions_pkey");
    match refusal {
        Refusal::AmountClash => Failure::failed(format!(
            "amount_clash: {} {} is taken at {} by another session that is open or was closed lately; \
             use another amount or address",
            new.amount, new.currency, new.to,
        )),
        Refusal::Store(error) if taken(&error) => Failure::failed(format!("there is a session {:?} already", new.id.0)),
        Refusal::Faults(faults) if faults.iter().any(|fault| fault.field == "currencyAddress") => {
            Failure::failed(format!(
                "no watcher has followed {} on {} yet; start `deposit-watcher run` with it first",
                new.currency, new.network,
            ))
        }
        Refusal::Faults(faults) if faults.iter().any(|fault| fault.field == "depositAddress") => {
            Failure::failed(format!("--to: {} is another business's address; open this session by its widget", new.to))
        }
        other @ (Refusal::Faults(_)
        | Refusal::NotFound
        | Refusal::CannotCancel
        | Refusal::KeyReused
        | Refusal::KeyBusy
        | Refusal::TooManyWidgets(_)
        | Refusal::Gone
        | Refusal::DepositIdReused
        | Refusal::NotBound(_)
        | Refusal::Store(_)) => refusals::refused(other, &[], "sessions", &new.id.0),
    }
}
