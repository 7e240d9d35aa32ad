//! The API: deposit sessions through widgets, payments by link, and webhooks. All its routes stand here on one screen; who
//! may ask is decided by each handler's first line ([`caller`]). Not for what is done: that is [`crate::deposits`]' and
//! [`crate::webhooks`]'.

pub(super) mod caller;
pub(super) mod events;
mod openapi;
mod outer;
mod payments;
mod query;
mod sessions;
mod webhooks;
mod widgets;

use std::sync::Arc;

use axum::routing::get;
use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::health::Readiness;
use super::limits::Rates;
use super::problem::{Code, Problem};
use super::{admin, page, server};
use crate::deposits::Office;
use crate::deposits::live::Live;
use crate::keys::Keyring;
use crate::settings::Settings;
use crate::webhooks::Desk;

/// What every request needs; clones are the same one.
#[derive(Clone)]
pub struct App(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) settings: Arc<Settings>,
    pub(super) office: Office,
    desk: Desk,
    pub(super) live: Live,
    keyring: Arc<Keyring>,
    rates: Rates,
}

impl App {
    /// Of the rooms that do what is asked.
    pub fn new(settings: Arc<Settings>, office: Office, desk: Desk, live: Live, keyring: Arc<Keyring>) -> App {
        let rates = Rates::new(&settings.limits);
        App(Arc::new(Inner { settings, office, desk, live, keyring, rates }))
    }

    /// Forgets addresses and credentials that have not been heard of for a while; to be called once a minute.
    pub fn forget_the_quiet(&self) {
        self.0.rates.prune();
    }
}

/// Serves until `shutdown`, then lets requests under way end. Event streams end with [`Live::run`].
pub async fn serve(listener: TcpListener, app: App, readiness: Readiness, shutdown: CancellationToken) {
    server::serve(listener, routes(app, readiness), server::Limits::API, shutdown).await;
}

fn routes(app: App, readiness: Readiness) -> Router {
    let (routes, document) = OpenApiRouter::with_openapi(openapi::document())
        .routes(routes!(sessions::create))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::read))
        .routes(routes!(sessions::cancel))
        .routes(routes!(events::ticket))
        .routes(routes!(events::stream))
        .routes(routes!(widgets::create))
        .routes(routes!(widgets::config))
        .routes(routes!(payments::create))
        .routes(routes!(payments::read))
        .routes(routes!(webhooks::create, webhooks::list))
        .routes(routes!(webhooks::read))
        .routes(routes!(webhooks::disable))
        .routes(routes!(webhooks::enable))
        .routes(routes!(webhooks::rotate_secret))
        .routes(routes!(webhooks::deliveries))
        .routes(routes!(webhooks::delivery))
        .routes(routes!(webhooks::retry))
        .split_for_parts();
    let document = openapi::written(&document);
    routes
        .merge(page::routes())
        .with_state(app.clone())
        .route("/openapi.json", get(move || openapi::show(document.clone())))
        .merge(admin::health(readiness))
        .fallback(async || Problem::new(Code::NotFound))
        .method_not_allowed_fallback(async || Problem::new(Code::MethodNotAllowed))
        .layer(middleware::from_fn_with_state(app, outer::around))
}
