//! What the operator decided: defaults ⊂ `networks.toml` ⊂ environment, read once, valid by type, secrets redacted.
//!
//! The only room that knows configuration files and environment variables. Not for rules: those read these values in
//! their own rooms.
//!
//! [`load`] lays the sources over each other and reads them; what is wrong with them is told all at once
//! ([`Problems`]). [`presets`] says what we recommend, [`Settings::digest`] whether two watchers agree about money.

mod digest;
mod effective;
mod endpoints;
mod faces;
pub mod kill;
mod layers;
mod networks;
pub mod presets;
mod problems;
pub mod proving;
mod read;
mod secret;
mod section;
#[cfg(test)]
mod tests;
mod tokens;
mod traces;
mod value;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

pub use effective::{Effective, Source, effective};
pub use problems::{Problem, Problems, nearest};
pub use traces::Traces;

use crate::domain::{Address, BlockNumber, ChainId, EndpointKey, Finality, Secret, Slug, Token};
use layers::Layer;
use section::{Section, Written};

/// Reads the configuration: defaults ⊂ `files` in their order (`networks.toml` where none is given) ⊂ `DATABASE_URL` ⊂
/// `DEPOSIT_WATCHER__SECTION__KEY` ⊂ `flags`, which are (dotted key, value), the last of a key winning. The variables of
/// OpenTelemetry are judged with them; [`traces`] reads them.
///
/// Of a file that cannot be read only that is told, since all else would be guesses.
pub fn load(
    files: &[PathBuf],
    environment: impl Iterator<Item = (String, String)>,
    flags: &[(String, String)],
) -> Result<Settings, Problems> {
    read_all(files, environment, flags).map(|read| read.settings)
}

/// What was read, and from where.
struct Read {
    settings: Settings,
    /// Every key that was given.
    written: BTreeMap<String, Written>,
    /// The names of the files.
    files: Vec<String>,
}

fn read_all(
    files: &[PathBuf],
    environment: impl Iterator<Item = (String, String)>,
    flags: &[(String, String)],
) -> Result<Read, Problems> {
    let mut problems = Problems::default();
    let files = layers::files_or_default(files);
    let mut layers: Vec<Layer> = files.iter().filter_map(|path| Layer::file(path, &mut problems)).collect();
    if layers.len() < files.len() {
        return Err(problems);
    }
    let environment: Vec<_> = environment.collect();
    traces::read(&environment, &mut problems);
    layers.extend(Layer::environment(environment, &mut problems));
    layers.push(Layer::flags(flags, &mut problems));
    let values = layers::merge(layers, &mut problems);
    let names: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    let mut root = Section::root(values, names.join(", "));
    let settings = read::settings(&mut root);
    let finished = root.finish();
    problems.append(finished.problems);
    let settings = settings.filter(|_| problems.is_empty()).ok_or(problems)?;
    Ok(Read { settings, written: finished.written, files: names })
}

/// What the standard variables of OpenTelemetry say about traces; `None` where they want none. Where they are wrong, too:
/// [`load`] tells it, with all else that is.
pub fn traces(environment: impl Iterator<Item = (String, String)>) -> Option<Traces> {
    let mut problems = Problems::default();
    let traces = traces::read(&environment.collect::<Vec<_>>(), &mut problems);
    traces.filter(|_| problems.is_empty())
}

/// The process's environment as [`load`] takes it. What is not Unicode is made so: as a value it will be refused.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |part: std::ffi::OsString| part.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

/// Everything, validated.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `[database]`
    pub database: Database,
    /// `[http]`
    pub http: Http,
    /// `[admin]`
    pub admin: Admin,
    /// `[api]`
    pub api: Api,
    /// `[limits]`
    pub limits: Limits,
    /// `[webhooks]`
    pub webhooks: Webhooks,
    /// `[sessions]`
    pub sessions: Sessions,
    /// `[page]`
    pub page: Page,
    /// `[retention]`
    pub retention: Retention,
    /// `[networks.*]`, in order of their slug; disabled ones included.
    pub networks: Vec<Network>,
}

/// `[database]`
#[derive(Debug, Clone)]
pub struct Database {
    /// `postgres://…`
    pub url: Secret<Url>,
    /// The pool's size, 2 to 1,000.
    pub max_connections: u32,
    /// How long a start waits for the database.
    pub connect_timeout: Duration,
    /// True where pgBouncer older than 1.21 pools transactions: no prepared statement is kept.
    pub pgbouncer: bool,
}

/// `[http]`
#[derive(Debug, Clone)]
pub struct Http {
    /// Where API and payment page listen.
    pub listen: SocketAddr,
    /// How the world reaches it.
    pub public_url: Url,
}

/// `[admin]`
#[derive(Debug, Clone)]
pub struct Admin {
    /// `/metrics`, `/livez`, `/readyz` of `watch` and `run`.
    pub listen: SocketAddr,
    /// The same of `api`.
    pub api_listen: SocketAddr,
}

/// `[api]`
#[derive(Debug, Clone)]
pub struct Api {
    /// What secrets are sealed with and derived from; `api`, `run` and whoever sends webhooks needs it.
    pub sealing_key: Option<Secret<[u8; 32]>>,
    /// The one before, while what it made is still about.
    pub previous_sealing_key: Option<Secret<[u8; 32]>>,
    /// The `iss` that bearer tokens must carry.
    pub jwt_issuer: Option<String>,
    /// The `aud` that bearer tokens must carry.
    pub jwt_audience: Option<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

/// `[limits]`
#[derive(Debug, Clone)]
pub struct Limits {
    /// Requests a second from one address; ten times as many at once.
    pub requests_per_address: u32,
    /// Requests a second with one credential; ten times as many at once.
    pub requests_per_credential: u32,
    /// Wrong credentials a minute from one address.
    pub failures_per_address: u32,
    /// Event streams open at once in this process.
    pub streams: u32,
}

/// `[webhooks]`
#[derive(Debug, Clone)]
pub struct Webhooks {
    /// Whether endpoints may be http as well as https.
    pub allow_http: bool,
    /// Private networks that endpoints may lie in.
    pub allowed_networks: Vec<IpNet>,
    /// The pauses between attempts; after the last attempt a delivery is dead.
    pub retry_after: Vec<Duration>,
    /// How long a rotated secret still signs.
    pub secret_overlap: Duration,
}

/// `[page]`
#[derive(Debug, Clone)]
pub struct Page {
    /// For how long a link can be opened the first time.
    pub link_lives: Duration,
    /// How long after its making the session of a payment takes money.
    pub session_lives: Duration,
}

/// `[sessions]`
#[derive(Debug, Clone)]
pub struct Sessions {
    /// How long a session opened by us lives.
    pub expires_after: Duration,
    /// How long after `expires_at` a transfer still counts.
    pub expiry_grace: Duration,
    /// How far ahead of a block's time the database's clock may be.
    pub clock_skew: Duration,
    /// How much longer a session lives once it is part-paid.
    pub topup_time: Duration,
    /// What happens when an amount is taken.
    pub amount_clash: AmountClash,
    /// How long an amount, and an address's exclusiveness, stays taken.
    pub amount_reuse_after: Duration,
    /// How long transfers to an address are kept after a session named it.
    pub late_window: Duration,
    /// Senders that never pay (treasury, sweeps).
    pub own_addresses: Vec<Address>,
}

/// `[retention]`: what is older is pruned; `None` keeps it for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Recorded blocks without transfers.
    pub blocks: Option<Duration>,
    /// Events that later ones have overtaken.
    pub events: Option<Duration>,
    /// Deliveries that ended, with their attempts.
    pub deliveries: Option<Duration>,
}

/// `sessions.amount_clash`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AmountClash {
    /// The smallest free step above is taken.
    Bump,
    /// Every session on a shared address gets a random free tag.
    Tag,
    /// The session is refused.
    Reject,
    /// Ties are allowed; a person settles them.
    Allow,
}

/// `[networks.SLUG]`
#[derive(Debug, Clone)]
pub struct Network {
    /// Its key.
    pub slug: Slug,
    /// EIP-155 id that every endpoint must have.
    pub chain_id: ChainId,
    /// False: nothing of it is worked.
    pub enabled: bool,
    /// True: its sessions carry `livemode: false`.
    pub testnet: bool,
    /// When a block is deep enough.
    pub finality: Finality,
    /// How old a block must be besides.
    pub min_age: Duration,
    /// How often to look when nothing says so.
    pub poll_interval: Duration,
    /// The least time between two steps.
    pub step_interval: Duration,
    /// The least time between the two looks at a block.
    pub second_look_delay: Duration,
    /// The widest range ever asked for, in blocks.
    pub max_block_range: u64,
    /// The deepest reorganisation that is followed, in blocks; deeper ones halt the network.
    pub reorg_window: u64,
    /// How long a transfer keeps the time of the block it was first seen in.
    pub reorg_grace: Duration,
    /// How long a reorganisation that reverts a confirmed transfer must be seen, where no other operator can agree.
    /// Also how long another block must be seen in place of one whose receipts are given.
    pub revert_after: Duration,
    /// How far ahead of the database's clock a block's time may be.
    pub max_clock_drift: Option<Duration>,
    /// How far behind the network is still ready.
    pub max_lag: Duration,
    /// Where a network without a cursor starts.
    pub start_block: Option<BlockNumber>,
    /// How far back a network without a cursor looks for open sessions.
    pub max_backfill: Duration,
    /// How many operators must agree before anything is confirmed.
    pub quorum: u32,
    /// What the second look believes.
    pub verify: Verify,
    /// Whether a session may be paid in parts.
    pub partial_payments: PartialPayments,
    /// What happens to a transfer that several sessions tie for.
    pub ambiguous: Ambiguous,
    /// `[networks.SLUG.rpc.*]` in order of priority, then key.
    pub endpoints: Vec<Endpoint>,
    /// `[networks.SLUG.tokens.*]` in order of their key.
    pub tokens: Vec<Token>,
}

/// `[networks.SLUG.rpc.KEY]`
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its key.
    pub key: EndpointKey,
    /// http, https, ws or wss; its path and query may hold a provider's key.
    pub url: Secret<Url>,
    /// Lower is asked first.
    pub priority: u32,
    /// Who runs it; by default the host's registrable domain, or the host where it has none.
    pub operator: String,
}

/// `networks.SLUG.verify`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// Logs in which the endpoints agree.
    Logs,
    /// Receipts proven by their block's header, whose hash operators agree on.
    Receipts,
}

/// `networks.SLUG.partial_payments`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartialPayments {
    /// Only where no other session shares the address.
    Exclusive,
    /// Never.
    Never,
}

/// `networks.SLUG.ambiguous`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ambiguous {
    /// Kept until as many equal transfers as tied sessions came, or a person decides.
    Hold,
    /// The oldest session takes it.
    Oldest,
}
