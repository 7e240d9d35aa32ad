//! The endpoints of one network, and which of them to ask. Never two at once for one question.
//!
//! Order is priority, then health; nothing is read from an endpoint that was not found on the right chain. Not for what
//! is asked, and not for agreement between endpoints: the second look compares.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use alloy::transports::BoxTransport;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::abreast::Standing;
use super::dial::Dialler;
use super::endpoint::Endpoint;
use super::error::{BuildError, Error};
use super::heads::{self, Heads};
use super::health::EndpointReport;
use super::http::{self, Http};
use super::pace::Pace;
use super::socket::Socket;
use super::wire::Limits;
use crate::domain::{BlockHash, ChainId, EndpointKey, Header};
use crate::settings;

/// One network's endpoints.
#[derive(Debug)]
pub struct Pool {
    pub(super) chain_id: ChainId,
    pub(super) max_clock_drift: Option<Duration>,
    pub(super) pinned: Mutex<Option<BlockHash>>,
    /// In order of priority, then key.
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    /// True once all were inspected.
    pub(super) inspected: OnceLock<()>,
    sockets: Vec<(Arc<Endpoint>, Dialler)>,
    heads: Heads,
    listeners: OnceLock<Vec<AbortHandle>>,
}

/// What the endpoints of a network are asked through, in the order of the configuration.
struct Transports {
    all: Vec<(EndpointKey, BoxTransport)>,
    sockets: Vec<(EndpointKey, Dialler)>,
}

impl Transports {
    fn build(network: &settings::Network, limits: Limits) -> Result<Transports, BuildError> {
        let mut transports = Transports { all: Vec::with_capacity(network.endpoints.len()), sockets: Vec::new() };
        for endpoint in &network.endpoints {
            let key = endpoint.key.clone();
            let unusable = |reason: String| BuildError { endpoint: key.clone(), reason };
            let dialler = Dialler::new(endpoint.url.clone(), limits);
            let transport = transport(&dialler).map_err(unusable)?;
            if dialler.is_socket() {
                transports.sockets.push((key.clone(), dialler));
            }
            transports.all.push((key, transport));
        }
        Ok(transports)
    }
}

impl Pool {
    /// Builds the transports; dials nothing.
    pub fn connect(network: &settings::Network) -> Result<Pool, BuildError> {
        Pool::connect_within(network, Limits::default())
    }

    /// Whether [`Pool::connect`] would succeed; nothing is kept, and no metric names it.
    pub fn can_connect(network: &settings::Network) -> Result<(), BuildError> {
        Transports::build(network, Limits::default()).map(drop)
    }

    /// The same with other limits.
    pub fn connect_within(network: &settings::Network, limits: Limits) -> Result<Pool, BuildError> {
        let Transports { all, sockets } = Transports::build(network, limits)?;
        Ok(Pool::build(network, all, sockets, limits))
    }

    /// A pool over other transports, in the order given; operator and priority come from `network` by key.
    pub fn with_transports(network: &settings::Network, transports: Vec<(EndpointKey, BoxTransport)>) -> Pool {
        Pool::build(network, transports, Vec::new(), Limits::default())
    }

    fn build(
        network: &settings::Network,
        transports: Vec<(EndpointKey, BoxTransport)>,
        sockets: Vec<(EndpointKey, Dialler)>,
        limits: Limits,
    ) -> Pool {
        let built = transports.into_iter().map(|(key, transport)| Endpoint::new(network, key, transport, limits));
        let mut endpoints: Vec<Arc<Endpoint>> = built.map(Arc::new).collect();
        endpoints.sort_by_key(|endpoint| endpoint.report().priority);
        let endpoint = |key: &EndpointKey| endpoints.iter().find(|endpoint| endpoint.key() == key).cloned();
        let sockets = sockets.into_iter().filter_map(|(key, dialler)| Some((endpoint(&key)?, dialler))).collect();
        Pool {
            chain_id: network.chain_id,
            max_clock_drift: network.max_clock_drift,
            pinned: Mutex::new(None),
            endpoints,
            inspected: OnceLock::new(),
            sockets,
            heads: watch::Sender::new(None),
            listeners: OnceLock::new(),
        }
    }

    /// The best endpoint that may be read from now.
    ///
    /// Inspects what is due: all on first use, later those whose connection broke and whose pause is over. Without any
    /// the error says when to come back; it is [`Error::WrongChain`] only when every endpoint serves another chain.
    pub async fn first(&self) -> Result<Arc<Endpoint>, Error> {
        self.inspect_once().await;
        for endpoint in &self.endpoints {
            self.inspect_if_due(endpoint).await;
            if endpoint.change(|health, now| health.abreast(now)) {
                return Ok(endpoint.clone());
            }
        }
        let last_resort = self.endpoints.iter().find(|endpoint| endpoint.change(|health, now| health.usable(now)));
        last_resort.cloned().ok_or_else(|| self.nobody())
    }

    /// Another endpoint for the second look: of another operator where one is usable, else of the same; `None` without.
    pub async fn second(&self, first: &Endpoint) -> Option<Arc<Endpoint>> {
        self.inspect_once().await;
        let (others, same): (Vec<_>, Vec<_>) = self
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.key() != first.key())
            .partition(|endpoint| endpoint.operator() != first.operator());
        for endpoint in others.into_iter().chain(same) {
            self.inspect_if_due(endpoint).await;
            if endpoint.change(|health, now| health.abreast(now)) {
                return Some(endpoint.clone());
            }
        }
        None
    }

    /// Every endpoint of another operator that may be read from now, best first, those that do not keep up among them.
    pub async fn of_others(&self, first: &Endpoint) -> Vec<Arc<Endpoint>> {
        self.inspect_once().await;
        let mut others = Vec::new();
        for endpoint in self.endpoints.iter().filter(|endpoint| endpoint.operator() != first.operator()) {
            self.inspect_if_due(endpoint).await;
            if endpoint.change(|health, now| health.usable(now)) {
                others.push(endpoint.clone());
            }
        }
        others
    }

    /// Makes an endpoint a last resort until heads are compared again.
    pub fn leave(&self, endpoint: &Endpoint, why: String) {
        endpoint.change(|health, now| health.stands(Standing::Behind, || why, now));
    }

    /// Every endpoint that may be read from now and keeps up with the others, best first.
    pub fn healthy(&self) -> Vec<Arc<Endpoint>> {
        let healthy = |endpoint: &&Arc<Endpoint>| endpoint.change(|health, now| health.abreast(now));
        self.endpoints.iter().filter(healthy).cloned().collect()
    }

    /// Those that may be read from and do not keep up, best first: they may know what is older.
    pub fn lagging(&self) -> Vec<Arc<Endpoint>> {
        let lagging =
            |endpoint: &&Arc<Endpoint>| endpoint.change(|health, now| health.usable(now) && !health.abreast(now));
        self.endpoints.iter().filter(lagging).cloned().collect()
    }

    /// All of them, best first, usable or not.
    pub fn endpoints(&self) -> &[Arc<Endpoint>] {
        &self.endpoints
    }

    /// How each endpoint is.
    pub fn report(&self) -> Vec<EndpointReport> {
        self.endpoints.iter().map(|endpoint| endpoint.report()).collect()
    }

    /// The newest head that any WebSocket endpoint told of: "look now". It may miss heads, and never fires for a network
    /// without WebSocket endpoints. The first call starts to listen and needs a runtime; dropping the pool ends it.
    pub fn heads(&self) -> watch::Receiver<Option<Header>> {
        self.listeners.get_or_init(|| {
            let sockets = self.sockets.iter().cloned();
            let listen = |(endpoint, dialler)| heads::listen(endpoint, dialler, self.heads.clone());
            sockets.map(|socket| tokio::spawn(listen(socket)).abort_handle()).collect()
        });
        self.heads.subscribe()
    }

    /// Forgets every waiting time, so that each endpoint may be asked at once: an operator resumed, or a test goes on.
    pub fn forgive(&self) {
        for endpoint in &self.endpoints {
            endpoint.change(|health, _| health.forgive());
            endpoint.with_pace(|pace, _| *pace = Pace::default());
        }
    }

    /// Why no endpoint is usable, and when to come back: soon, since there is nobody else.
    fn nobody(&self) -> Error {
        for endpoint in &self.endpoints {
            endpoint.change(|health, _| health.hurry());
        }
        let wrong = |endpoint: &Arc<Endpoint>| {
            let (found, reason) = endpoint.change(|health, _| health.wrong.clone())?;
            Some(Error::WrongChain { endpoint: endpoint.key().clone(), found, reason })
        };
        let wrongs: Vec<Error> = self.endpoints.iter().filter_map(wrong).collect();
        let all_wrong = wrongs.len() == self.endpoints.len();
        if let Some(error) = wrongs.into_iter().next().filter(|_| all_wrong) {
            return error;
        }
        let now = Instant::now();
        let soonest = self.endpoints.iter().map(|endpoint| endpoint.change(|health, _| health.wait(now))).min();
        let each = self.endpoints.iter().map(|endpoint| endpoint.report().words());
        let reason = each.collect::<Vec<_>>().join("; ");
        Error::Transient {
            endpoint: None,
            reason,
            retry_after: soonest.map(|wait| wait.max(Duration::from_millis(50))),
        }
    }

    pub(super) fn genesis(&self) -> Option<BlockHash> {
        *self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The transport of a URL, not dialled yet; else what is wrong with the URL.
pub(super) fn transport(dialler: &Dialler) -> Result<BoxTransport, String> {
    let (url, limits) = (&dialler.url, dialler.limits);
    match url.expose().scheme() {
        "http" | "https" => {
            let client = http::client(limits).map_err(|error| error.to_string())?;
            Ok(BoxTransport::new(Http::new(client, url.clone(), limits)))
        }
        "ws" | "wss" => Ok(BoxTransport::new(Socket::new(dialler))),
        scheme => Err(format!("its URL begins with {scheme}, not http, https, ws or wss")),
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for listener in self.listeners.get().into_iter().flatten() {
            listener.abort();
        }
    }
}
