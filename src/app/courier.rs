//! The task that sends webhooks, where there is a sealing key to sign with. Not for how: that is the room `webhooks`.

use std::sync::Arc;

use super::house::House;
use super::supervisor::{Task, beat};
use crate::cli::Failure;
use crate::keys::Keyring;
use crate::settings::Settings;
use crate::store::Store;
use crate::webhooks::Courier;

/// As metrics and logs name the task.
pub(super) const NAME: &str = "courier";

/// Who sends; nobody without a key, and that is said where somebody waits for webhooks.
pub(super) async fn hire(settings: &Settings, store: &Store) -> Result<Option<Arc<Courier>>, Failure> {
    let Some(key) = &settings.api.sealing_key else {
        // A database that errs now errs louder elsewhere.
        let endpoints = store.active_webhooks().await.unwrap_or_default();
        if endpoints > 0 {
            tracing::warn!(endpoints, "api.sealing_key is not set: webhooks are kept and not sent from here");
        }
        return Ok(None);
    };
    let keyring = Arc::new(Keyring::new(key, settings.api.previous_sealing_key.as_ref()));
    let courier = Courier::new(settings, store.clone(), keyring);
    let courier = courier.map_err(|error| Failure::failed(format!("webhooks cannot be sent: {error}")))?;
    Ok(Some(Arc::new(courier)))
}

/// Sends until shutdown.
pub(super) fn task(house: &House, courier: Arc<Courier>) -> Task {
    let shutdown = house.shutdown.clone();
    let work = move || -> futures_util::future::BoxFuture<'static, ()> {
        let (courier, shutdown) = (courier.clone(), shutdown.clone());
        Box::pin(async move { courier.run(shutdown, || beat(NAME, "")).await })
    };
    Task { name: NAME, network: String::new(), work: Box::new(work) }
}
