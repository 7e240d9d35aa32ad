//! The payment page: what a customer sees who was sent to a link, drawn on the server, complete without JavaScript and
//! live with it. All its routes stand here; none of them is in the description of the API.
//!
//! Which screen a payment shows is decided in [`screen`], in which words in [`words`], in which HTML in [`sheet`] and its
//! templates. Not for what a payment is: that is [`crate::deposits`]'.

mod assets;
mod code;
mod desk;
mod form;
mod guard;
mod language;
mod notice;
mod returning;
#[cfg(test)]
mod scenes;
mod screen;
mod sheet;
mod wallet;
mod words;

use axum::Router;
use axum::routing::{get, post};

pub(super) use notice::{language_of_notice, notice};

use super::api::App;
use crate::settings::Http;

/// Every path of the page begins so.
const BELOW: &str = "/pay/";

/// How the world reaches the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Front {
    /// What stands before every path: a proxy takes it away.
    prefix: String,
    /// By https.
    over_tls: bool,
}

impl Front {
    /// As the operator says.
    pub(super) fn of(http: &Http) -> Front {
        let url = &http.public_url;
        Front { prefix: url.path().trim_end_matches('/').to_owned(), over_tls: url.scheme() == "https" }
    }
}

/// The page's routes.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/pay/{token}", get(desk::show))
        .route("/pay/{token}/events", get(desk::events))
        // Whoever reloads the answer to a form is led back.
        .route("/pay/{token}/choose", post(desk::choose).get(desk::back))
        .route("/pay/{token}/cancel", post(desk::cancel).get(desk::back))
        .route("/pay/{token}/simulate", post(desk::simulate).get(desk::back))
        .route("/pay/assets/{name}", get(assets::show))
}
