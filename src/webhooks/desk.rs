//! What API and command line ask for: endpoints, their secrets, deliveries. Not for who may ask: the faces look at the
//! `business_id` of what they get.

use std::sync::Arc;

use url::Url;

use super::{Attempt, DeliveryLine, EVENT_TYPES, Endpoint, MOST_ENDPOINTS, Refusal, cursor, signature, target};
use crate::domain::{BusinessId, DeliveryId, Fault, Secret, WebhookId};
use crate::keys::{KeyError, Keyring, random_id};
use crate::settings::{Settings, Webhooks};
use crate::store::{DeliveryQuery, Inserted, NewWebhook, Retried, SealedSecret, Store};

/// How a page of deliveries is bounded.
const PAGE: std::ops::RangeInclusive<u32> = 1..=100;
/// Attempts shown of a delivery: more were made only where it was asked for again and again.
const ATTEMPTS: i64 = 100;

/// The desk; clones share everything.
#[derive(Debug, Clone)]
pub struct Desk {
    store: Store,
    keyring: Option<Arc<Keyring>>,
    rules: Arc<Webhooks>,
}

/// An endpoint to make, as it was asked for.
#[derive(Debug, Clone, Default)]
pub struct NewEndpoint {
    /// Where events are sent.
    pub url: String,
    /// Which types; none for all.
    pub events: Vec<String>,
}

/// `WAITING`, `DELIVERED`, `DEAD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is sent at `next_attempt_at`.
    Waiting,
    /// The receiver answered with a 2xx.
    Delivered,
    /// It was given up.
    Dead,
}

impl DeliveryState {
    /// All of them.
    pub const ALL: [DeliveryState; 3] = [DeliveryState::Waiting, DeliveryState::Delivered, DeliveryState::Dead];

    /// As the column and the API have it.
    pub fn as_str(self) -> &'static str {
        match self {
            DeliveryState::Waiting => "WAITING",
            DeliveryState::Delivered => "DELIVERED",
            DeliveryState::Dead => "DEAD",
        }
    }

    /// Reads it.
    pub fn parse(text: &str) -> Option<DeliveryState> {
        DeliveryState::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// Which deliveries are listed.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// In this state.
    pub state: Option<DeliveryState>,
    /// To this endpoint.
    pub endpoint: Option<WebhookId>,
    /// After the page whose `next_cursor` this is.
    pub cursor: Option<String>,
    /// 1 to 100; 50 if not given.
    pub limit: Option<u32>,
}

/// A page of deliveries, newest first.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Page {
    /// What is on it.
    pub items: Vec<DeliveryLine>,
    /// Where the next page begins; none on the last.
    pub next_cursor: Option<String>,
}

/// A delivery and what came of its attempts.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Delivery {
    /// As it stands.
    #[serde(flatten)]
    pub line: DeliveryLine,
    /// Those that ended, oldest first.
    pub log: Vec<Attempt>,
}

impl Desk {
    /// Without a keyring nothing can be created or rotated; all else works.
    pub fn new(settings: &Settings, store: Store, keyring: Option<Arc<Keyring>>) -> Desk {
        Desk { store, keyring, rules: Arc::new(settings.webhooks.clone()) }
    }

    /// Makes an endpoint; the secret is shown here and never again.
    pub async fn create(
        &self,
        business: &BusinessId,
        new: &NewEndpoint,
    ) -> Result<(Endpoint, Secret<String>), Refusal> {
        let (url, events) = self.valid(new).map_err(Refusal::Faults)?;
        let (shown, secret) = self.new_secret()?;
        let id = WebhookId(random_id("we_"));
        let row = NewWebhook { id: &id, business, url: url.as_str(), events: &events, secret: &secret };
        match self.store.insert_webhook(&row, MOST_ENDPOINTS).await? {
            Inserted::Done => Ok((self.get(&id).await?.ok_or(Refusal::NotFound)?, shown)),
            Inserted::NoBusiness => Err(Refusal::NotFound),
            Inserted::TooMany => Err(Refusal::TooMany(MOST_ENDPOINTS)),
        }
    }

    /// All that is wrong with an endpoint that is asked for.
    pub fn faults(&self, new: &NewEndpoint) -> Vec<Fault> {
        self.valid(new).err().unwrap_or_default()
    }

    fn valid(&self, new: &NewEndpoint) -> Result<(Url, Vec<String>), Vec<Fault>> {
        let mut faults = Vec::new();
        let url = target::valid(&new.url, &self.rules).map_err(|message| faults.push(Fault::new("url", message))).ok();
        let events = valid_events(&new.events).map_err(|message| faults.push(Fault::new("events", message))).ok();
        url.zip(events).ok_or(faults)
    }

    /// A business's endpoints, oldest first, disabled ones included.
    pub async fn list(&self, business: &BusinessId) -> Result<Vec<Endpoint>, Refusal> {
        Ok(self.store.webhooks(None, Some(business)).await?)
    }

    /// Everybody's endpoints: for the operator alone.
    pub async fn list_all(&self) -> Result<Vec<Endpoint>, Refusal> {
        Ok(self.store.webhooks(None, None).await?)
    }

    /// One endpoint.
    pub async fn get(&self, id: &WebhookId) -> Result<Option<Endpoint>, Refusal> {
        Ok(self.store.webhooks(Some(id), None).await?.pop())
    }

    /// Sends it nothing more; what waited for it is dead. Done twice it is done.
    pub async fn disable(&self, id: &WebhookId) -> Result<Endpoint, Refusal> {
        self.store.disable_webhook(id, "asked").await?;
        self.end_waiting(id).await?;
        self.get(id).await?.ok_or(Refusal::NotFound)
    }

    async fn end_waiting(&self, id: &WebhookId) -> Result<(), Refusal> {
        while self.store.end_waiting(id).await? > 0 {}
        Ok(())
    }

    /// Sends it what happens from now on.
    pub async fn enable(&self, id: &WebhookId) -> Result<Endpoint, Refusal> {
        // What a disabling that broke off has left would otherwise be sent after all.
        self.end_waiting(id).await?;
        match self.store.enable_webhook(id, MOST_ENDPOINTS).await?.ok_or(Refusal::NotFound)? {
            Inserted::Done => self.get(id).await?.ok_or(Refusal::NotFound),
            Inserted::NoBusiness => Err(Refusal::NotFound),
            Inserted::TooMany => Err(Refusal::TooMany(MOST_ENDPOINTS)),
        }
    }

    /// Gives it a new secret. For `webhooks.secret_overlap` the one before signs as well.
    pub async fn rotate(&self, id: &WebhookId) -> Result<(Endpoint, Secret<String>), Refusal> {
        let (shown, secret) = self.new_secret()?;
        let overlap = self.rules.secret_overlap.as_secs_f64();
        if !self.store.rotate_webhook_secret(id, &secret, overlap).await? {
            return Err(Refusal::NotFound);
        }
        Ok((self.get(id).await?.ok_or(Refusal::NotFound)?, shown))
    }

    /// A page of a business's deliveries, newest first.
    pub async fn deliveries(&self, business: &BusinessId, filter: &DeliveryFilter) -> Result<Page, Refusal> {
        self.page(Some(business), filter).await
    }

    /// The same of everybody's: for the operator alone.
    pub async fn all_deliveries(&self, filter: &DeliveryFilter) -> Result<Page, Refusal> {
        self.page(None, filter).await
    }

    async fn page(&self, business: Option<&BusinessId>, filter: &DeliveryFilter) -> Result<Page, Refusal> {
        let mut faults = Vec::new();
        let limit = filter.limit.unwrap_or(50);
        if !PAGE.contains(&limit) {
            faults.push(Fault::new("limit", "is not from 1 to 100"));
        }
        let before = filter.cursor.as_deref().map(cursor::read);
        if before == Some(None) {
            faults.push(Fault::new("cursor", "is no cursor of this list; take nextCursor of the page before"));
        }
        if !faults.is_empty() {
            return Err(Refusal::Faults(faults));
        }
        let before = before.flatten();
        let asked = DeliveryQuery {
            id: None,
            business: business.map(|business| business.0.as_str()),
            endpoint: filter.endpoint.as_ref().map(|endpoint| endpoint.0.as_str()),
            state: filter.state.map(DeliveryState::as_str),
            before: before.as_ref().map(|(at, id)| (*at, id.as_str())),
            // One more, to see whether there is a next page.
            limit: i64::from(limit).saturating_add(1),
        };
        let mut items = self.store.delivery_lines(asked).await?;
        let full = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > full;
        items.truncate(full);
        let last = items.last().filter(|_| more);
        let next_cursor = last.map(|last| cursor::write(last.created_at, &last.id));
        Ok(Page { items, next_cursor })
    }

    /// One delivery with its attempts.
    pub async fn delivery(&self, id: &DeliveryId) -> Result<Option<Delivery>, Refusal> {
        let asked = DeliveryQuery { id: Some(&id.0), limit: 1, ..DeliveryQuery::default() };
        let Some(line) = self.store.delivery_lines(asked).await?.pop() else { return Ok(None) };
        Ok(Some(Delivery { line, log: self.store.attempt_lines(id, ATTEMPTS).await? }))
    }

    /// Sends a delivery again, with the same id and the same bytes, from the first attempt.
    pub async fn retry(&self, id: &DeliveryId) -> Result<Delivery, Refusal> {
        match self.store.retry_delivery(id).await? {
            Retried::Done => self.delivery(id).await?.ok_or(Refusal::NotFound),
            Retried::Unknown => Err(Refusal::NotFound),
            Retried::Disabled => Err(Refusal::EndpointDisabled),
        }
    }

    /// A secret as it is shown, and as it is kept.
    fn new_secret(&self) -> Result<(Secret<String>, SealedSecret), Refusal> {
        let keyring = self.keyring.as_ref().ok_or(Refusal::NoSealingKey)?;
        let key = signature::Key::random();
        let id = random_id("whs_");
        let sealed = keyring.seal(&id, key.bytes()).map_err(|KeyError| Refusal::NoSealingKey)?;
        Ok((key.shown(), SealedSecret { id, sealed }))
    }
}

/// The types that were asked for, each once.
fn valid_events(asked: &[String]) -> Result<Vec<String>, String> {
    let mut events: Vec<String> = Vec::new();
    for kind in asked {
        if !EVENT_TYPES.contains(&kind.as_str()) {
            return Err(format!("holds an unknown type; there are {}", EVENT_TYPES.join(", ")));
        }
        if !events.contains(kind) {
            events.push(kind.clone());
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_known_and_each_counts_once() {
        let asked = |kinds: &[&str]| valid_events(&kinds.iter().map(|kind| (*kind).to_owned()).collect::<Vec<_>>());
        assert_eq!(asked(&[]), Ok(vec![]));
        assert_eq!(asked(&EVENT_TYPES).unwrap().len(), 8);
        assert_eq!(asked(&["deposit.created", "deposit.created"]).unwrap(), ["deposit.created"]);
        for wrong in ["deposit", "deposit.*", "DEPOSIT.CREATED", "", "deposit.created "] {
            assert!(asked(&["deposit.created", wrong]).is_err(), "{wrong:?}");
        }
    }
}
