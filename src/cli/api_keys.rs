//! `api-keys …`: what signs a business's bearer tokens.

use std::path::Path;

use serde::Serialize;

use super::args_accounts::{ApiKeys, ApiKeysCreate, ApiKeysRotate};
use super::exit::Failure;
use super::output::{Columns, Output};
use super::refusals::refused;
use super::{businesses, connect, given, output};
use crate::deposits::{ApiKey, Refusal, Signer, public_key};
use crate::domain::{ApiKeyId, BusinessId, Secret, WidgetId};
use crate::settings::Settings;

/// Fields of a key: what people need, and everything.
const COLUMNS: Columns = Columns {
    text: &["id", "business_id", "name", "algorithm", "widget_id", "expires_at", "disabled_at"],
    csv: &["id", "business_id", "name", "algorithm", "widget_id", "created_at", "expires_at", "disabled_at"],
};
/// The same where a key was made; without a secret where there is none.
const MADE: Columns = Columns {
    text: &["id", "business_id", "name", "algorithm", "widget_id", "secret"],
    csv: &["id", "business_id", "name", "algorithm", "widget_id", "created_at", "expires_at", "disabled_at", "secret"],
};
/// Larger is no public key.
const KEY_BYTES: u64 = 64 << 10;

/// A new key, and its secret where there is one: the only time that it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    key: ApiKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

pub(super) async fn run(settings: &Settings, asked: &ApiKeys) -> Result<(), Failure> {
    match asked {
        ApiKeys::Create(asked) => create(settings, asked).await,
        ApiKeys::Rotate(asked) => rotate(settings, asked).await,
        ApiKeys::List(asked) => {
            let office = connect::office(settings).await?;
            let business = businesses::known(&office, asked.business.as_deref()).await?;
            let keys = office.api_keys(business.as_ref()).await.map_err(|refusal| about(refusal, ""))?;
            output::table(&keys, COLUMNS, asked.shape.output)
        }
        ApiKeys::Disable(one) => {
            let key = connect::office(settings).await?.disable_api_key(&ApiKeyId(one.id.clone())).await;
            output::one(&key.map_err(|refusal| about(refusal, &one.id))?, COLUMNS, one.shape.output)
        }
    }
}

async fn create(settings: &Settings, asked: &ApiKeysCreate) -> Result<(), Failure> {
    let given = asked.public_key.as_deref().map(read).transpose()?;
    let keyring = if given.is_none() { Some(connect::keyring(settings)?) } else { None };
    let signer = given.map(Signer::Public).or(keyring.as_ref().map(Signer::Secret));
    let (office, business) = (connect::office(settings).await?, asked.business.as_str());
    let widget = asked.widget.clone().map(WidgetId);
    let Some(signer) = signer else { return Err(Failure::failed("there is nothing to sign by")) };
    match office.create_bound_api_key(&BusinessId(business.to_owned()), &asked.name, widget.as_ref(), signer).await {
        Ok((key, secret)) => made(key, secret.as_ref(), asked.shape.output),
        Err(Refusal::NotFound) => Err(businesses::unknown(&office, business).await),
        Err(refusal) => Err(about(refusal, business)),
    }
}

async fn rotate(settings: &Settings, asked: &ApiKeysRotate) -> Result<(), Failure> {
    let given = asked.public_key.as_deref().map(read).transpose()?;
    let (office, id) = (connect::office(settings).await?, ApiKeyId(asked.id.clone()));
    let refused = |refusal| about(refusal, &asked.id);
    let rotated = match given {
        Some(key) => office.rotate_api_key(&id, Signer::Public(key)).await,
        None if office.api_key(&id).await.map_err(refused)?.algorithm == "EdDSA" => {
            return Err(Failure::usage("--public-key: must be given, for the key is EdDSA"));
        }
        None => office.rotate_api_key(&id, Signer::Secret(&connect::keyring(settings)?)).await,
    };
    let (key, secret) = rotated.map_err(refused)?;
    made(key, secret.as_ref(), asked.shape.output)
}

fn about(refusal: Refusal, id: &str) -> Failure {
    refused(refusal, &[], "api-keys", id)
}

fn made(key: ApiKey, secret: Option<&Secret<String>>, shape: Output) -> Result<(), Failure> {
    output::one(&Shown { key, secret: secret.map(|secret| secret.expose().clone()) }, MADE, shape)
}

fn read(path: &Path) -> Result<[u8; 32], Failure> {
    let text = given::file("public-key", path, KEY_BYTES)?;
    public_key(&text).map_err(|fault| Failure::usage(format!("--public-key: {} {}", path.display(), fault.message)))
}
