//! What the page loads besides itself: one style sheet, one script, one icon. Their names carry a digest of what is in
//! them, so that a browser keeps them for ever and never has an old one.

use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::Response;

use super::BELOW;
use crate::http::problem::{Code, Problem};
use crate::keys::digest;

/// All of them.
pub(super) static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets {
    style: Asset::new("css", "text/css; charset=utf-8", include_str!("assets/page.css")),
    script: Asset::new("js", "text/javascript; charset=utf-8", include_str!("assets/page.js")),
    icon: Asset::new("svg", "image/svg+xml", include_str!("assets/page.svg")),
});

/// What the page loads.
#[derive(Debug)]
pub(super) struct Assets {
    /// The style sheet.
    pub(super) style: Asset,
    /// The module.
    pub(super) script: Asset,
    /// The tab's icon.
    pub(super) icon: Asset,
}

/// A file that never changes.
#[derive(Debug)]
pub(super) struct Asset {
    /// Where it is, below the public URL.
    pub(super) path: String,
    kind: &'static str,
    text: &'static str,
}

impl Asset {
    fn new(ending: &str, kind: &'static str, text: &'static str) -> Asset {
        let mark: String = digest(text.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Asset { path: format!("{BELOW}assets/page-{mark}.{ending}"), kind, text }
    }
}

#[cfg(test)]
impl Asset {
    /// Bytes that are sent once.
    pub(super) fn length(&self) -> usize {
        self.text.len()
    }
}

/// Serves one.
pub(super) async fn show(Path(name): Path<String>) -> Result<Response, Problem> {
    let Assets { style, script, icon } = &*ASSETS;
    let named = |asset: &&&Asset| asset.path.rsplit('/').next() == Some(name.as_str());
    let asset = [style, script, icon].iter().find(named).copied().ok_or(Problem::new(Code::NotFound))?;
    let mut answer = Response::new(Body::from(asset.text));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    Ok(answer)
}
