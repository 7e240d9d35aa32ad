//! `businesses …`: who widgets, keys, sessions and webhooks belong to.

use super::args_accounts::Businesses;
use super::connect;
use super::exit::Failure;
use super::output::{self, Columns, Output};
use super::refusals::refused;
use crate::deposits::{Business, Office, Refusal};
use crate::domain::BusinessId;
use crate::settings::Settings;

/// Fields of a business.
const COLUMNS: Columns =
    Columns { text: &["id", "name", "created_at", "disabled_at"], csv: &["id", "name", "created_at", "disabled_at"] };
/// Its flags that are not called like its fields.
const FLAGS: &[(&str, &str)] = &[];

pub(super) async fn run(settings: &Settings, asked: &Businesses) -> Result<(), Failure> {
    let office = connect::office(settings).await?;
    match asked {
        Businesses::List(shape) => {
            let all = office.businesses().await.map_err(|refusal| refused(refusal, FLAGS, "businesses", ""))?;
            output::table(&all, COLUMNS, shape.output)
        }
        Businesses::Create(asked) => {
            let id = asked.id.as_deref();
            let made = office.create_business(id, &asked.name).await;
            let business = made.map_err(|refusal| refused(refusal, FLAGS, "businesses", ""))?;
            output::one(&business, COLUMNS, asked.shape.output)
        }
        Businesses::Disable(one) => set(&office, &one.id, true, one.shape.output).await,
        Businesses::Enable(one) => set(&office, &one.id, false, one.shape.output).await,
    }
}

async fn set(office: &Office, id: &str, disabled: bool, shape: Output) -> Result<(), Failure> {
    match office.set_business_disabled(&BusinessId(id.to_owned()), disabled).await {
        Ok(business) => output::one(&business, COLUMNS, shape),
        Err(Refusal::NotFound) => Err(unknown(office, id).await),
        Err(refusal) => Err(refused(refusal, FLAGS, "businesses", id)),
    }
}

/// There is no business of this id: the nearest, or how to make it one.
pub(super) async fn unknown(office: &Office, id: &str) -> Failure {
    let all: Vec<Business> = match office.businesses().await {
        Ok(all) => all,
        Err(refusal) => return refused(refusal, FLAGS, "businesses", id),
    };
    let ids: Vec<&str> = all.iter().map(|business| business.id.0.as_str()).collect();
    let hint = super::names::hint(id, &ids);
    Failure::usage(format!(
        "there is no business {id:?}: {hint}; `deposit-watcher businesses create … --name …` adds one"
    ))
}

/// Whose things are asked for: everybody's, or a business's that there is.
pub(super) async fn known(office: &Office, id: Option<&str>) -> Result<Option<BusinessId>, Failure> {
    let Some(text) = id else { return Ok(None) };
    let id = BusinessId(text.to_owned());
    match office.business(&id).await {
        Ok(business) => Ok(Some(business.id)),
        Err(Refusal::NotFound) => Err(unknown(office, text).await),
        Err(refusal) => Err(refused(refusal, FLAGS, "businesses", text)),
    }
}
