//! `transfers assign`, `ignore`, `refund`, `release`: asks the holder to carry out what a person decides, and waits a while
//! until it has. What cannot be is refused at once, by the same judgement. Idempotent: what is so already is not asked for.

use tokio::time::{Instant, sleep};

use crate::cli::args_transfers::{Decision, Which};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{self, Columns, Output};
use crate::cli::{connect, names, person, reasons, rescan};
use crate::domain::Deed;
use crate::settings::{Network, Settings};
use crate::store::{Matter, SettlementLine, Store};
use crate::watcher::settlement::{Refusal, Ruling, judge};

/// Fields of a decision.
pub(super) const COLUMNS: Columns = Columns {
    text: &["settlement", "kind", "session_id", "os_user", "asked_at", "outcome", "answer"],
    csv: &[
        "settlement",
        "network",
        "tx_hash",
        "log_index",
        "token_address",
        "from_address",
        "to_address",
        "amount_units",
        "kind",
        "session_id",
        "refund_tx",
        "note",
        "database_user",
        "os_user",
        "asked_at",
        "answered_at",
        "outcome",
        "answer",
        "undoes",
    ],
};

pub(super) async fn run(settings: &Settings, which: &Which, deed: &Deed, decision: &Decision) -> Result<(), Failure> {
    let network = names::enabled(settings, &which.network)?;
    let store = connect::ready(&settings.database).await?;
    let matter = found(&store, network, which).await?;
    match ruling(&store, network, &matter, deed).await? {
        // What waits is not in force yet, and is withdrawn.
        Ruling::Nothing(_) if *deed == Deed::Release && waits(&store, network, which).await? => {}
        Ruling::Nothing(why) => {
            let told =
                format!("transfer {} {} of {}: {why}; nothing to do\n", which.tx_hash, which.log_index, network.slug);
            return match decision.shape.output {
                Output::Text => output::print(&told),
                Output::Json | Output::Csv => output::table::<SettlementLine>(&[], COLUMNS, decision.shape.output),
            };
        }
        Ruling::Refuse(why) => return Err(refused(which, &text(&why))),
        Ruling::Do(_) | Ruling::Wait => {}
    }
    let id = store.ask_settlement(&network.slug, &matter, deed, &decision.note, &person::name()).await?;
    wait(&store, network, which, id, decision).await
}

/// The transfer that stands there, or else the one that did.
async fn found(store: &Store, network: &Network, which: &Which) -> Result<Matter, Failure> {
    let (tx, index) = (which.tx_hash, which.log_index);
    store.matter_of(&network.slug, tx, index).await?.ok_or_else(|| {
        let hint = "`deposit-watcher transfers show` lists those of a transaction with their indexes";
        Failure::failed(format!("no transfer {index} of transaction {tx} is stored on {}: {hint}", network.slug))
    })
}

async fn ruling(store: &Store, network: &Network, matter: &Matter, deed: &Deed) -> Result<Ruling, Failure> {
    let payee = match deed.session() {
        Some(id) => match store.payee(id).await? {
            Some(payee) => Some(payee),
            None => return Err(names::no_session(store, id).await),
        },
        None => None,
    };
    Ok(judge(deed, matter, payee.as_ref(), network))
}

/// Whether a decision about it has been asked for and not yet been carried out.
async fn waits(store: &Store, network: &Network, which: &Which) -> Result<bool, Failure> {
    let lines = store.settlement_lines(Some(which.tx_hash), None).await?;
    let index = i64::try_from(which.log_index).unwrap_or(i64::MAX);
    Ok(lines
        .iter()
        .any(|line| line.network == network.slug.as_str() && line.log_index == index && line.outcome.is_none()))
}

fn text(why: &Refusal) -> String {
    match why {
        Refusal::Because(why) => why.clone(),
        Refusal::Unusable(why) => format!("the session can never be paid: {}", reasons::unusable(why.as_str())),
    }
}

fn refused(which: &Which, why: &str) -> Failure {
    Failure::failed(format!("transfer {} {} is left as it is: {why}", which.tx_hash, which.log_index))
}

async fn wait(store: &Store, network: &Network, which: &Which, id: i64, decision: &Decision) -> Result<(), Failure> {
    let (slug, started) = (&network.slug, Instant::now());
    loop {
        let line = store.settlement_lines(None, Some(id)).await?.into_iter().next();
        let line = line.ok_or_else(|| Failure::failed(format!("settlement {id} of {slug} is gone")))?;
        match (line.outcome.as_deref(), line.answer.as_deref()) {
            (Some("refused"), why) => return Err(refused(which, why.unwrap_or("no reason is given"))),
            (Some(_), answer) => {
                let told = format!("settlement {id} of {slug}: {}\n", answer.unwrap_or("done"));
                return tell(&line, &told, decision.shape.output);
            }
            (None, _) => {}
        }
        if !rescan::is_worked(store, slug).await? {
            let told =
                format!("settlement {id} of {slug} is asked for; it will be carried out when a watcher works {slug}\n");
            return tell(&line, &told, decision.shape.output);
        }
        if started.elapsed() >= decision.timeout {
            let waited = humantime::format_duration(decision.timeout);
            let why = "it stays asked for; a transaction that holds a session of that address keeps it waiting";
            return Err(Failure::new(
                Exit::Unavailable,
                format!("settlement {id} of {slug} is not done after {waited}; {why}"),
            ));
        }
        sleep(rescan::LOOK_EVERY).await;
    }
}

fn tell(line: &SettlementLine, told: &str, output: Output) -> Result<(), Failure> {
    match output {
        Output::Text => output::print(told),
        Output::Json | Output::Csv => output::table(std::slice::from_ref(line), COLUMNS, output),
    }
}
