//! What every task of a watcher shares: settings, database, who we are, which networks we hold, when to stop.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::chain::{BuildError, Pool};
use crate::domain::Slug;
use crate::settings::{Network, Sessions, Settings};
use crate::store::Store;
use crate::telemetry::{Labels, NetworkLabels};

/// Tasks that each network has one of, as metrics name them.
const NETWORK_TASKS: [&str; 2] = ["network", "lease"];
/// Tasks that the process always has one of.
const PROCESS_TASKS: [&str; 5] = ["admin", "admission", super::database::NAME, "gauges", super::pruning::NAME];

/// The process.
pub(super) struct House {
    /// The database.
    pub(super) store: Store,
    /// `[sessions]`
    pub(super) sessions: Arc<Sessions>,
    /// One per enabled network.
    pub(super) posts: Vec<Arc<Post>>,
    /// Our name in leases.
    pub(super) holder: String,
    /// What our configuration says about money.
    pub(super) digest: String,
    /// Drain and end.
    pub(super) shutdown: CancellationToken,
}

/// An enabled network, and its endpoints while we hold it.
pub(super) struct Post {
    /// As configured.
    pub(super) network: Arc<Network>,
    pool: Mutex<Option<Arc<Pool>>>,
    trouble: Mutex<Option<String>>,
}

impl House {
    /// Of these settings; refuses endpoints that no pool can be built of.
    pub(super) fn new(settings: &Settings, store: Store, shutdown: CancellationToken) -> Result<House, BuildError> {
        let mut posts = Vec::new();
        for network in settings.networks.iter().filter(|network| network.enabled) {
            // Says now what would else be said at the first lease.
            Pool::can_connect(network)?;
            posts.push(Arc::new(Post {
                network: Arc::new(network.clone()),
                pool: Mutex::default(),
                trouble: Mutex::default(),
            }));
        }
        Ok(House {
            store,
            sessions: Arc::new(settings.sessions.clone()),
            posts,
            holder: holder(),
            digest: settings.digest(),
            shutdown,
        })
    }

    /// True while we hold any network.
    pub(super) fn works(&self) -> bool {
        self.posts.iter().any(|post| post.pool().is_some())
    }

    /// The enabled network of this name.
    pub(super) fn network(&self, slug: &str) -> Option<&Network> {
        self.posts.iter().map(|post| post.network.as_ref()).find(|network| network.slug.as_str() == slug)
    }

    /// What metrics name, with tasks that not every process has. A network that is not enabled is `other`: nobody here would ever move its gauges.
    pub(super) fn labels(&self, besides: &[&str]) -> Labels {
        let names = |network: &Network| NetworkLabels {
            slug: network.slug.clone(),
            tokens: network.tokens.iter().map(|token| token.key.clone()).collect(),
            endpoints: network.endpoints.iter().map(|endpoint| endpoint.key.clone()).collect(),
        };
        Labels {
            networks: self.posts.iter().map(|post| names(&post.network)).collect(),
            network_tasks: NETWORK_TASKS.map(str::to_owned).to_vec(),
            process_tasks: PROCESS_TASKS.iter().chain(besides).map(|task| (*task).to_owned()).collect(),
        }
    }
}

impl Post {
    /// Its name.
    pub(super) fn slug(&self) -> &Slug {
        &self.network.slug
    }

    /// Its endpoints, while we hold it.
    pub(super) fn pool(&self) -> Option<Arc<Pool>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// We hold it with these endpoints, or no longer.
    pub(super) fn set_pool(&self, pool: Option<Arc<Pool>>) {
        *self.pool.lock().unwrap_or_else(PoisonError::into_inner) = pool;
    }

    /// What kept the last step from its work, while we hold it.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A step could not do its work because of this, or did it.
    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

/// `host-pid-random`: tells people where to look, and two starts apart. The kernel is asked, for /proc/sys may be hidden.
fn holder() -> String {
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy();
    let host = host.chars().filter(|c| c.is_ascii_alphanumeric() || ".-_".contains(*c)).collect::<String>();
    let host = if host.is_empty() { "host" } else { &host };
    format!("{host}-{}-{:06x}", std::process::id(), rand::random::<u32>() & 0x00ff_ffff)
}
