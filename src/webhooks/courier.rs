//! The task that sends: numbers what was committed, reserves what is due and commits that, sends with no database
//! connection in hand, settles. Any number of processes may run it.
//!
//! Dying at any moment costs nothing but a second attempt: a reservation ends by itself, and the receiver knows the event
//! by its id. One loop alone talks to the database, so that a thousand receivers never take the watchers' connections.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use rand::seq::SliceRandom;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::allotment::{ALL, FAILING, Room, allot};
use super::client::{Answer, Client, Lookup, Message, Outcome, Patience, System};
use super::signature::{self, Key};
use super::{payload, schedule};
use crate::domain::WebhookId;
use crate::keys::Keyring;
use crate::settings::{Settings, Webhooks};
use crate::store::{Error, Reserved, SealedSecret, Settlement, Store};
use crate::telemetry::{self, spans};

/// Events numbered in one transaction.
const BATCH: i64 = 1_000;

/// How fast it goes. Tests are in a greater hurry than the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How often to look when nothing happens.
    pub tick: Duration,
    /// How long a reservation holds: an attempt, and settling it, takes less.
    pub lease: Duration,
    /// How long an attempt may take.
    pub patience: Patience,
    /// How long what is on its way may take after shutdown.
    pub drain: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            tick: Duration::from_millis(500),
            lease: Duration::from_secs(30),
            patience: Patience { connect: Duration::from_secs(5), total: Duration::from_secs(15) },
            drain: Duration::from_secs(5),
        }
    }
}

/// Sends what is due.
pub struct Courier {
    store: Store,
    keyring: Arc<Keyring>,
    rules: Arc<Webhooks>,
    client: Client,
    pace: Pace,
}

/// What came of an attempt that is not yet settled.
struct Ended {
    settlement: Settlement,
    outcome: Outcome,
    failing: bool,
}

/// An endpoint that answered 410, until nothing waits for it any more.
struct Gone {
    endpoint: String,
    disabled: bool,
    /// What hinders is logged once.
    told: bool,
}

/// What is on its way, and what came back and is not yet written down.
#[derive(Default)]
struct Hands {
    flying: JoinSet<Ended>,
    flying_failing: usize,
    ended: Vec<Ended>,
    gone: Vec<Gone>,
    told: Option<String>,
}

impl Courier {
    /// With the system's resolver, at the usual pace.
    pub fn new(settings: &Settings, store: Store, keyring: Arc<Keyring>) -> Result<Courier, reqwest::Error> {
        Courier::at_pace(settings, store, keyring, Arc::new(System), Pace::default())
    }

    /// With this resolver, at this pace.
    pub fn at_pace(
        settings: &Settings,
        store: Store,
        keyring: Arc<Keyring>,
        lookup: Arc<dyn Lookup>,
        pace: Pace,
    ) -> Result<Courier, reqwest::Error> {
        let rules = Arc::new(settings.webhooks.clone());
        let client = Client::new(rules.clone(), lookup, pace.patience)?;
        Ok(Courier { store, keyring, rules, client, pace })
    }

    /// Works until shutdown. `beat` is called each time it goes round.
    pub async fn run(&self, shutdown: CancellationToken, beat: impl Fn()) {
        let mut hands = Hands::default();
        while !shutdown.is_cancelled() {
            beat();
            let more = match self.turn(&mut hands).await {
                Ok(more) => {
                    hands.told = None;
                    more
                }
                Err(error) => {
                    hands.complain(&error);
                    false
                }
            };
            let pause = if more { Duration::ZERO } else { self.pace.tick };
            tokio::select! {
                () = sleep(pause) => {}
                Some(ended) = hands.flying.join_next(), if !hands.flying.is_empty() => hands.take(ended),
                () = shutdown.cancelled() => {}
            }
        }
        self.end(hands).await;
    }

    /// Once round: settle, number, reserve, send. True when there is more to number at once.
    async fn turn(&self, hands: &mut Hands) -> Result<bool, Error> {
        self.settle(hands).await?;
        let work = self.store.webhook_work().await?;
        let numbered = if work.unsequenced { self.store.sequence_events(BATCH).await? } else { 0 };
        if work.due || numbered > 0 {
            self.send_due(hands).await?;
        }
        Ok(i64::try_from(numbered).is_ok_and(|numbered| numbered >= BATCH))
    }

    /// Reserves what there is room for and lets it fly.
    async fn send_due(&self, hands: &mut Hands) -> Result<(), Error> {
        let room = hands.room();
        if room.all == 0 {
            return Ok(());
        }
        let mut due = self.store.due_endpoints().await?;
        // Where there is not room for all, it is not always the same ones that wait.
        due.shuffle(&mut rand::rng());
        let allotted = allot(&due, room);
        if allotted.is_empty() {
            return Ok(());
        }
        let reserved = self.store.reserve_deliveries(&allotted, self.pace.lease.as_secs_f64()).await?;
        let endpoints: Vec<String> = allotted.into_iter().map(|(id, _)| id).collect();
        let keys = self.keys(self.store.webhook_secrets(&endpoints).await?);
        for one in reserved {
            let message = message(&one, keys.get(&one.endpoint).map_or(&[], Vec::as_slice));
            hands.flying_failing = hands.flying_failing.saturating_add(usize::from(one.failing));
            hands.flying.spawn(attempt(self.client.clone(), self.rules.clone(), one, message));
        }
        Ok(())
    }

    /// The secrets that can be opened, by endpoint, the newest first.
    fn keys(&self, sealed: Vec<(String, SealedSecret)>) -> BTreeMap<String, Vec<Key>> {
        let mut keys: BTreeMap<String, Vec<Key>> = BTreeMap::new();
        for (endpoint, secret) in sealed {
            let opened = self.keyring.open(&secret.id, &secret.sealed).ok();
            match opened.and_then(|opened| Key::of(opened.expose())) {
                Some(key) => keys.entry(endpoint).or_default().push(key),
                None => tracing::error!(endpoint, "a webhook secret was sealed with another api.sealing_key"),
            }
        }
        keys
    }

    /// Writes down what ended, tells metrics and log of it, and disables who asked for that.
    async fn settle(&self, hands: &mut Hands) -> Result<(), Error> {
        while let Some(ended) = hands.flying.try_join_next() {
            hands.take(ended);
        }
        if !hands.ended.is_empty() {
            let settled: Vec<Settlement> = hands.ended.iter().map(|one| one.settlement.clone()).collect();
            match self.store.settle_deliveries(&settled).await {
                Ok(()) => hands.tell(),
                // Kept, it would be refused for ever; their leases run out and they are sent again.
                Err(error @ Error::Refused { .. }) => {
                    hands.ended.clear();
                    return Err(error);
                }
                Err(error @ (Error::Unavailable(_) | Error::LeaseLost | Error::Unreadable(_) | Error::Schema(_))) => {
                    return Err(error);
                }
            }
        }
        self.shut(hands).await;
        Ok(())
    }

    /// Disables who answered 410 and gives up a piece of what waits for each; the rest at the next turns. Whatever goes
    /// wrong with one of them is tried again then, and nobody else waits for it.
    async fn shut(&self, hands: &mut Hands) {
        for mut gone in std::mem::take(&mut hands.gone) {
            match self.shut_one(&mut gone).await {
                Ok(true) => {}
                Ok(false) => hands.gone.push(gone),
                Err(error) => {
                    if !std::mem::replace(&mut gone.told, true) {
                        tracing::warn!(endpoint = gone.endpoint, %error, "a webhook endpoint that answered 410 cannot be disabled yet");
                    }
                    hands.gone.push(gone);
                }
            }
        }
    }

    /// True when nothing waits for it any more. It is disabled once: a person may have enabled it since.
    async fn shut_one(&self, gone: &mut Gone) -> Result<bool, Error> {
        let id = WebhookId(gone.endpoint.clone());
        if !gone.disabled {
            if self.store.disable_webhook(&id, "gone").await? {
                tracing::warn!(endpoint = gone.endpoint, "a webhook endpoint answered 410 and is disabled");
            }
            gone.disabled = true;
        }
        Ok(self.store.end_waiting(&id).await? == 0)
    }

    /// Lets what is on its way end. What does not end in time is sent again when its lease is over.
    async fn end(&self, mut hands: Hands) {
        let flown = async {
            while let Some(ended) = hands.flying.join_next().await {
                hands.take(ended);
            }
        };
        let in_time = timeout(self.pace.drain, flown).await.is_ok();
        if !in_time {
            tracing::info!(count = hands.flying.len(), "webhooks on their way were cut off; they are sent again");
        }
        if let Err(error) = self.settle(&mut hands).await {
            tracing::warn!(%error, "the last webhooks cannot be settled; they are sent again");
        }
    }
}

impl Hands {
    fn room(&self) -> Room {
        Room {
            all: ALL.saturating_sub(self.flying.len()).saturating_sub(self.ended.len()),
            failing: FAILING.saturating_sub(self.flying_failing),
        }
    }

    fn take(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        match ended {
            Ok(ended) => {
                self.flying_failing = self.flying_failing.saturating_sub(usize::from(ended.failing));
                self.ended.push(ended);
            }
            // Its lease runs out by itself.
            Err(error) => tracing::error!(%error, "an attempt to deliver a webhook fell"),
        }
    }

    /// After COMMIT: what ended, for metrics and log.
    fn tell(&mut self) {
        for Ended { settlement, outcome, .. } in self.ended.drain(..) {
            telemetry::WEBHOOK_ATTEMPTS_TOTAL.add(&[outcome.as_str()], 1);
            let (endpoint, delivery) = (settlement.endpoint, settlement.id);
            if settlement.state == "DEAD" {
                tracing::warn!(
                    endpoint,
                    delivery,
                    outcome = outcome.as_str(),
                    "a webhook is dead: no attempt succeeded"
                );
            }
            if outcome == Outcome::Gone && !self.gone.iter().any(|gone| gone.endpoint == endpoint) {
                self.gone.push(Gone { endpoint, disabled: false, told: false });
            }
        }
    }

    /// The same trouble is told once until it is over.
    fn complain(&mut self, error: &Error) {
        let trouble = error.to_string();
        if self.told.as_ref() != Some(&trouble) {
            tracing::warn!(%error, "webhooks cannot be sent");
            self.told = Some(trouble);
        }
    }
}

/// What is sent, signed now; or why nothing can be.
fn message(reserved: &Reserved, keys: &[Key]) -> Result<Message, Answer> {
    let unsigned = |why: &str| Answer::without_status(Outcome::Unsigned, why);
    let newest = keys.first().ok_or_else(|| unsigned("its secret cannot be opened with this api.sealing_key"))?;
    let body = payload::body(&reserved.event).map_err(|_| unsigned("the event cannot be written as JSON"))?;
    let (id, timestamp) = (reserved.event.id.clone(), Utc::now().timestamp());
    Ok(Message {
        url: reserved.url.clone(),
        standard: signature::standard(keys, &id, timestamp, body.as_bytes()),
        platform: signature::platform(newest, body.as_bytes()),
        id,
        timestamp,
        body,
    })
}

async fn attempt(client: Client, rules: Arc<Webhooks>, reserved: Reserved, message: Result<Message, Answer>) -> Ended {
    let started = Instant::now();
    let span = spans::delivery(&reserved.endpoint, &reserved.id, &reserved.event.id, reserved.attempt);
    let answer = match message {
        Ok(message) => client.send(message).instrument(span.clone()).await,
        Err(answer) => answer,
    };
    spans::attempted(&span, answer.status, answer.outcome.as_str(), answer.outcome == Outcome::Delivered);
    let millis = i32::try_from(started.elapsed().as_millis()).unwrap_or(i32::MAX);
    let (outcome, failing) = (answer.outcome, reserved.failing);
    Ended { settlement: settlement(&rules, reserved, answer, millis), outcome, failing }
}

/// What follows from an answer.
fn settlement(rules: &Webhooks, reserved: Reserved, answer: Answer, millis: i32) -> Settlement {
    let again = || {
        let attempt = u32::try_from(reserved.attempt).unwrap_or_default();
        schedule::pause(&rules.retry_after, attempt, answer.retry_after, rand::random())
    };
    let (state, pause) = match answer.outcome {
        Outcome::Delivered => ("DELIVERED", None),
        Outcome::Gone => ("DEAD", None),
        Outcome::Refused
        | Outcome::Redirect
        | Outcome::Timeout
        | Outcome::Connect
        | Outcome::Blocked
        | Outcome::Unsigned
        | Outcome::Other => again().map_or(("DEAD", None), |pause| ("WAITING", Some(pause))),
    };
    Settlement {
        id: reserved.id,
        endpoint: reserved.endpoint,
        attempt: reserved.attempt,
        lease: reserved.lease,
        state,
        pause: pause.unwrap_or_default().as_secs_f64(),
        outcome: answer.outcome.as_str(),
        status: answer.status.and_then(|status| i16::try_from(status).ok()),
        error: answer.error,
        millis,
    }
}
