//! `pay`: does to a session on a test network what a customer, or the chain, could do. Never with a key: the node pays.

use super::args::Pay;
use super::exit::{Exit, Failure};
use super::output::{self, Columns, Output};
use super::{connect, names, refusals};
use crate::deposits::simulation::{Deed, Done, NotSimulated, Sum};
use crate::domain::SessionId;
use crate::settings::Settings;

const COLUMNS: Columns = Columns {
    text: &[],
    csv: &["session", "network", "deed", "told", "paid", "replaced", "undone", "advanced_seconds", "block"],
};

pub(super) async fn run(settings: &Settings, asked: &Pay) -> Result<(), Failure> {
    let office = connect::office(settings).await?;
    let id = SessionId(asked.session.clone());
    let done = match office.simulate(&id, &deed(asked)).await {
        Ok(done) => done,
        Err(refusal) => return Err(refused(refusal, settings, &id).await),
    };
    match asked.shape.output {
        Output::Text => output::print(&in_words(&done)),
        Output::Json | Output::Csv => output::one(&done, COLUMNS, asked.shape.output),
    }
}

fn deed(asked: &Pay) -> Deed {
    match asked {
        Pay { amount: Some(amount), .. } => Deed::Pay(Sum::Of(amount.clone())),
        Pay { less: true, .. } => Deed::Pay(Sum::Less),
        Pay { more: true, .. } => Deed::Pay(Sum::More),
        Pay { twice: true, .. } => Deed::Twice,
        Pay { late: true, .. } => Deed::Late,
        Pay { mine: Some(blocks), .. } => Deed::Mine(*blocks),
        Pay { reorganise: Some(depth), .. } => Deed::Reorganise(*depth),
        _ => Deed::Pay(Sum::Exact),
    }
}

fn in_words(done: &Done) -> String {
    let Done { told, network, block, .. } = done;
    format!(
        "{told}\n{network} is at block {block}; `deposit-watcher sessions show {}` tells what came of it\n",
        done.session
    )
}

async fn refused(refusal: NotSimulated, settings: &Settings, id: &SessionId) -> Failure {
    match refusal {
        NotSimulated::NotFound => match connect::ready(&settings.database).await {
            Ok(store) => names::no_session(&store, id).await,
            Err(failure) => failure,
        },
        NotSimulated::Faults(faults) => refusals::usage(&faults, &[]),
        NotSimulated::NotATestnet(why) | NotSimulated::Impossible(why) => Failure::failed(why),
        NotSimulated::Unavailable(why) => Failure::new(Exit::Unavailable, why),
        NotSimulated::Store(error) => error.into(),
    }
}
