//! The work: look at a network, match, look again, confirm, undo what a reorganisation undoes.
//!
//! [`Watcher::step`] takes no input. It reads the committed cursor, looks at the chain, lets pure functions decide
//! ([`plan`], [`matching`], [`outcome`]) and commits everything it did together with the new cursor (I1). Live tail,
//! catch-up, restart and reorganisation are the same step with other numbers. Not for when to step: that is the roof's.

pub mod admission;
pub mod budget;
mod derivation;
mod disputes;
mod effects;
mod first_look;
mod following;
pub mod matching;
pub mod outcome;
pub mod plan;
mod readers;
mod rescan;
mod rewind;
mod ruling;
mod second_look;
pub mod settlement;
mod settling;
mod start;
mod tally;
mod times;
mod turns;
mod witnesses;

#[cfg(test)]
mod admission_tests;
#[cfg(test)]
mod budget_tests;
#[cfg(test)]
mod matching_tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use tracing::Instrument;

pub use matching::Rules;

use crate::chain::{self, Endpoint, Pool};
use crate::domain::{BlockHash, BlockNumber, Header, Time};
use crate::settings::{Network, Sessions};
use crate::store::{self, Cursor, Fence, NetworkRow, Store};
use crate::telemetry as t;
use crate::telemetry::spans;
use derivation::Setting;
use disputes::Disputes;
use effects::Effects;
use following::Following;
use readers::Readers;
use rewind::Suspicions;
use tally::Tally;
use turns::Turns;

/// How often every endpoint is inspected.
const INSPECT_EVERY: Duration = Duration::from_secs(60);

/// A configured duration as a span of calendar time.
pub(crate) fn span(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

/// Why a step did not do its work; nothing of it is written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The chain could not be read, or not believed.
    #[error(transparent)]
    Chain(#[from] chain::Error),
    /// The database could not be read or written, or the lease was lost.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// What was read does not fit what is known: wait, look again, tell.
    #[error("{0}")]
    Doubt(String),
}

/// What a step did.
#[derive(Debug, Default)]
pub struct Step {
    /// There is more to do at once.
    pub more: bool,
    /// What it did, for the histogram: `scan`, `confirm`, `rewind`, `backfill` or `idle`.
    pub kind: &'static str,
    /// What kept it from doing all of it.
    pub trouble: Option<Error>,
    /// Why the network is halted.
    pub halted: Option<String>,
}

/// What became of the network's row and the chain's head in this step.
#[derive(Debug, Clone, Copy)]
struct Progress {
    cursor: Cursor,
    more: bool,
    kind: &'static str,
}

/// Who can be read from.
enum Reached {
    /// This one.
    Endpoint(Arc<Endpoint>),
    /// Nobody: all serve another chain, which is a reason to halt.
    AnotherChain(String),
}

/// What nobody who is asked had yet, so that the second look asks for just this again.
#[derive(Debug, Clone, Copy)]
struct Awaited {
    upto: BlockNumber,
    since: Instant,
}

/// The one writer of a network, while its fence holds.
#[derive(Debug)]
pub struct Watcher {
    network: Arc<Network>,
    sessions: Arc<Sessions>,
    rules: Rules,
    store: Store,
    pool: Arc<Pool>,
    fence: Fence,
    following: Following,
    suspicions: Suspicions,
    disputes: Disputes,
    readers: Readers,
    turns: Turns,
    awaited: Option<Awaited>,
    inspected: Option<Instant>,
    tag_asked: Option<Instant>,
    /// Why the chain's tag was not learned when it was asked for last.
    untold: Option<String>,
    head_told: Option<Instant>,
    head: Option<(Header, Instant)>,
    pushed: Option<BlockHash>,
    cursor: Option<Cursor>,
    tally: Tally,
}

impl Watcher {
    /// A watcher that remembers nothing: all it knows is in the database.
    pub fn new(network: Arc<Network>, sessions: Arc<Sessions>, store: Store, pool: Arc<Pool>, fence: Fence) -> Watcher {
        Watcher {
            rules: Rules::new(&network, &sessions),
            following: Following::new(&network),
            network,
            sessions,
            store,
            pool,
            fence,
            suspicions: Suspicions::default(),
            disputes: Disputes::default(),
            readers: Readers::default(),
            turns: Turns::default(),
            awaited: None,
            inspected: None,
            tag_asked: None,
            untold: None,
            head_told: None,
            head: None,
            pushed: None,
            cursor: None,
            tally: Tally::default(),
        }
    }

    /// One look at the chain's head, one second look and one piece of a rescan, where they are due.
    pub async fn step(&mut self) -> Result<Step, Error> {
        let span = spans::step(self.network.slug.as_str());
        self.tally = Tally::default();
        let outcome = self.work().instrument(span.clone()).await;
        self.tally.close(&span, self.cursor, &outcome);
        outcome
    }

    async fn work(&mut self) -> Result<Step, Error> {
        let slug = self.network.slug.clone();
        let Some(row) = self.store.network(&slug).await? else { return Err(store::Error::LeaseLost.into()) };
        self.cursor = row.cursor;
        self.inherit_dispute(&row);
        if let Some(cursor) = row.cursor {
            self.readers.stand_at(cursor.block.number);
        }
        self.tally = Tally::begin(row.cursor);
        if let Some(reason) = self.misfit(&row) {
            return self.halt(reason).await;
        }
        if let Some(reason) = row.halted.clone().filter(|_| !row.resume_requested) {
            t::HALTED.set(&[slug.as_str()], true);
            return Ok(Step { kind: "idle", halted: Some(reason), ..Step::default() });
        }
        t::HALTED.set(&[slug.as_str()], false);
        if row.resume_requested {
            // What was found of the endpoints before a person looked is not what holds now.
            self.inspected = None;
        }
        self.inspect(&row).await;
        let endpoint = match self.reach().await {
            Ok(Reached::Endpoint(endpoint)) => endpoint,
            Ok(Reached::AnotherChain(reason)) => return self.halt(reason).await,
            Err(error) => {
                // What a person decided is about what is committed: it needs no chain.
                self.settle(&row).await?;
                return Err(error);
            }
        };
        if row.pinned.genesis.is_none() {
            let genesis = self.agreed_genesis(&endpoint).await?;
            self.store.pin_genesis(&self.fence, genesis).await?;
            self.pool.inspect(Some(genesis)).await;
        }
        if let Some(reason) = self.follow(&endpoint, &row).await? {
            return self.halt(reason).await;
        }
        let Some(cursor) = row.cursor else {
            self.start(&endpoint, &row).await?;
            return Ok(Step { more: true, kind: "idle", ..Step::default() });
        };
        if row.resume_requested {
            return self.resume(&endpoint, &row, cursor).await;
        }
        self.settle(&row).await?;
        let first = self.first_look(&endpoint, &row, cursor).await?;
        let mut step = match first {
            first_look::Found::Progress(progress) => {
                self.cursor = Some(progress.cursor);
                Step { more: progress.more, kind: progress.kind, ..Step::default() }
            }
            first_look::Found::Reorganised => return self.rewind(&endpoint, &row, cursor).await,
        };
        // What keeps the second look from its work must not keep the first one from the next block.
        let mut row = NetworkRow { cursor: self.cursor, ..row };
        let looked = self.second_look(&endpoint, &mut row).await;
        self.take_in(&mut step, looked)?;
        row.cursor = self.cursor;
        let read = self.rescan(&endpoint, &row).await;
        self.take_in(&mut step, read)?;
        // Between two tries it stays told.
        step.trouble = step.trouble.or_else(|| self.turns.why().map(|why| Error::Doubt(why.to_owned())));
        Ok(step)
    }

    /// Block 0, where all who can be asked have the same: what is pinned on one liar's word would make liars of all others.
    async fn agreed_genesis(&self, first: &chain::Endpoint) -> Result<BlockHash, Error> {
        let (_, genesis) = first.genesis_and_chain().await?;
        for endpoint in self.pool.healthy().iter().filter(|endpoint| endpoint.key() != first.key()) {
            let Ok((_, other)) = endpoint.genesis_and_chain().await else { continue };
            if other != genesis {
                return Err(Error::Doubt(format!(
                    "endpoints {} and {} have different blocks 0 ({genesis}, {other}): nothing is pinned before one is removed",
                    first.key(),
                    endpoint.key()
                )));
            }
        }
        Ok(genesis)
    }

    /// Adds a later part of a step to it. Trouble with the chain is told; trouble with the database ends the step.
    fn take_in(&mut self, step: &mut Step, part: Result<Option<Progress>, Error>) -> Result<(), Error> {
        match part {
            Ok(None) => {}
            Ok(Some(progress)) => {
                self.cursor = Some(progress.cursor);
                step.more |= progress.more;
                if step.kind == "idle" {
                    step.kind = progress.kind;
                }
            }
            Err(Error::Store(error)) => return Err(error.into()),
            // What keeps the second look from its work says more than what keeps a rescan from it.
            Err(error) => step.trouble = step.trouble.take().or(Some(error)),
        }
        Ok(())
    }

    /// How far behind the chain the network is, for the gauges; to be called after each step, whatever came of it.
    pub fn report_lag(&self, now: Time) {
        let slug = [self.network.slug.as_str()];
        let Some(cursor) = self.cursor else { return };
        t::SCANNED_BLOCK.set(&slug, cursor.block.number);
        t::SCANNED_BLOCK_TIMESTAMP_SECONDS.set(&slug, cursor.time);
        t::CONFIRMED_BLOCK.set(&slug, cursor.confirmed);
        t::DISPUTED_TRANSFERS.set(&slug, self.disputes.transfers());
        let patience = self.network.poll_interval.saturating_mul(3);
        let (waiting, fresh) = match &self.head {
            Some((head, read)) => {
                t::CHAIN_HEAD_BLOCK.set(&slug, head.block.number);
                t::CHAIN_HEAD_TIMESTAMP_SECONDS.set(&slug, head.time);
                (head.block.number.above(cursor.block.number), read.elapsed() <= patience)
            }
            None => (0, false),
        };
        t::LAG_BLOCKS.set(&slug, waiting);
        let age = now.signed_duration_since(cursor.time).to_std().unwrap_or_default();
        t::LAG_SECONDS.set(&slug, if waiting > 0 || !fresh { age } else { Duration::ZERO });
    }

    /// What the configuration says against what the database has pinned.
    fn misfit(&self, row: &NetworkRow) -> Option<String> {
        let pinned = row.pinned.chain_id;
        let wanted = self.network.chain_id;
        (pinned != wanted).then(|| {
            format!("chain id {wanted} is configured, the database has pinned {pinned}: give the other chain a slug of its own")
        })
    }

    /// The endpoint to read from.
    async fn reach(&self) -> Result<Reached, Error> {
        match self.pool.first().await {
            Ok(endpoint) => Ok(Reached::Endpoint(endpoint)),
            Err(chain::Error::WrongChain { endpoint, reason, .. }) => Ok(Reached::AnotherChain(format!(
                "another chain: no endpoint serves this one, {endpoint} has {reason}"
            ))),
            Err(error) => Err(error.into()),
        }
    }

    /// Nothing of the network is matched or confirmed until a person has looked. A resume that was asked for is over.
    async fn halt(&mut self, why: String) -> Result<Step, Error> {
        let slug = self.network.slug.as_str();
        let reason =
            format!("{why}; `deposit-watcher rescan --network {slug} --resume` says what going on would change");
        self.store.halt(&self.fence, &reason).await?;
        t::HALTED.set(&[slug], true);
        Ok(Step { kind: "idle", halted: Some(reason), ..Step::default() })
    }

    async fn inspect(&mut self, row: &NetworkRow) {
        if self.inspected.is_none_or(|at| at.elapsed() >= INSPECT_EVERY) {
            self.pool.inspect(row.pinned.genesis).await;
            self.inspected = Some(Instant::now());
            let healthy = self.pool.healthy();
            let single = healthy.iter().map(|e| e.operator()).collect::<std::collections::BTreeSet<_>>().len() < 2;
            t::SINGLE_OPERATOR.set(&[self.network.slug.as_str()], single);
        }
    }

    /// Remembers the newest head that was read, and tells `status` of it now and then; where that fails, later.
    async fn saw_head(&mut self, head: Header) {
        self.head = Some((head, Instant::now()));
        if self.head_told.is_none_or(|at| at.elapsed() >= Duration::from_secs(3)) {
            self.head_told = Some(Instant::now());
            if let Err(error) = self.store.saw_head(&self.fence, head.block.number, head.time).await {
                tracing::debug!(network = self.network.slug.as_str(), %error, "the head could not be told");
            }
        }
    }

    /// What a derivation needs that commits this cursor; `left` is the cursor that a reorganisation takes back.
    fn setting(&self, row: &NetworkRow, to: BlockNumber, left: Option<BlockNumber>) -> Setting<'_> {
        let tag = row.final_block.map(|block| block.number);
        let deep = plan::deep_enough(to, self.network.finality, tag);
        Setting { network: &self.network, rules: &self.rules, left, deep, also: &[], now: row.now }
    }
}
