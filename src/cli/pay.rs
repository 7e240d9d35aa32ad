//! `pay`: does to a session on a test network what a customer, or the chain, could do. Never with a key: the node pays.

use super::args::Pay;
use super::exit::{Exit, Failure};
use super::output::{self, Columns, Output};
use super::{connect, refusals};
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
    let done = office.simulate(&id, &deed(asked)).await.map_err(|refusal| refused(refusal, &id))?;
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

fn refused(refusal: NotSimulated, id: &SessionId) -> Failure {
    match refusal {
        NotSimulated::NotFound => {
            Failure::failed(format!("there is no session {:?}; `deposit-watcher sessions list` shows the newest", id.0))
        }
        NotSimulated::Faults(faults) => refusals::usage(&faults, &[]),
        NotSimulated::NotATestnet(why) | NotSimulated::Impossible(why) => Failure::failed(why),
        NotSimulated::Unavailable(why) => Failure::new(Exit::Unavailable, why),
        NotSimulated::Store(error) => error.into(),
    }
}
