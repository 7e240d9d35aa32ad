//! What a form of the page sends: short, and from the page itself. Not for what its fields mean.

use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use tokio::time::timeout;
use url::{Url, form_urlencoded};

use crate::http::problem::{Code, Problem};

/// The longest form.
const BYTES: usize = 8 * 1_024;
/// What a browser is given to send it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The fields of a form, as they stand in it.
#[derive(Debug)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the form that a request carries.
    pub(super) async fn read(request: Request) -> Result<Form, Problem> {
        if !from_the_page(request.headers()) {
            return Err(Problem::new(Code::ValidationFailed).because("a form of another site"));
        }
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Problem::new(Code::UnsupportedMediaType));
        }
        let bytes = timeout(PATIENCE, to_bytes(request.into_body(), BYTES)).await;
        let bytes = bytes.map_err(|_| Problem::new(Code::RequestTimeout))?;
        let bytes = bytes.map_err(|_| Problem::new(Code::PayloadTooLarge))?;
        Ok(Form(form_urlencoded::parse(&bytes).into_owned().collect()))
    }

    /// A field's text; nothing where it is absent.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, text)| text.as_str())
    }
}

/// Whether the page itself sent this, as browsers tell. Older ones tell no more than an origin, and say `null` for a page
/// that hides its referrer, as ours does.
fn from_the_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => ["same-origin", "none"].contains(&site),
        (None, None | Some("null")) => true,
        (None, Some(origin)) => {
            let host = Url::parse(origin).ok().and_then(|url| {
                let name = url.host_str()?.to_owned();
                Some(url.port().map_or_else(|| name.clone(), |port| format!("{name}:{port}")))
            });
            host.as_deref() == text("host")
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn only_the_page_s_own_forms_are_read() {
        let sent = |given: &[(&'static str, &'static str)]| {
            let headers =
                given.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            from_the_page(&headers.collect())
        };
        let host = ("host", "pay.example:8443");
        assert!(sent(&[host]));
        assert!(sent(&[host, ("origin", "null")]));
        assert!(sent(&[host, ("origin", "https://pay.example:8443")]));
        assert!(sent(&[host, ("origin", "null"), ("sec-fetch-site", "same-origin")]));
        assert!(!sent(&[host, ("origin", "https://evil.example")]));
        assert!(!sent(&[host, ("origin", "https://pay.example")]));
        assert!(!sent(&[host, ("origin", "")]));
        for site in ["cross-site", "same-site", ""] {
            assert!(!sent(&[host, ("sec-fetch-site", site)]), "{site}");
        }
    }
}
