//! The headers that keep a page to itself: nothing runs in it or is loaded by it but its own files, nobody frames it but
//! the shops that its widget names, nobody learns where it is, and it stays in no cache.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};

/// What no page of ours asks a browser for.
const NEVER: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), microphone=(), \
    payment=(), usb=(), clipboard-write=(self)";

/// A page of ours, to be framed by these hosts and by nobody else.
pub(super) fn page(html: String, framed_by: &[String], over_tls: bool) -> Response {
    let mut answer = Html(html).into_response();
    dress(answer.headers_mut(), framed_by, over_tls);
    answer
}

fn dress(headers: &mut HeaderMap, framed_by: &[String], over_tls: bool) {
    let mut set = |name: HeaderName, value: &'static str| drop(headers.insert(name, HeaderValue::from_static(value)));
    set(header::CACHE_CONTROL, "no-store");
    set(header::REFERRER_POLICY, "no-referrer");
    set(HeaderName::from_static("permissions-policy"), NEVER);
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(HeaderName::from_static("x-robots-tag"), "noindex, nofollow");
    set(header::VARY, "accept-language");
    if framed_by.is_empty() {
        set(header::X_FRAME_OPTIONS, "DENY");
    }
    if over_tls {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    let policy = policy(framed_by);
    // Hosts are plain letters; were one none, nothing at all would be allowed.
    let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
}

fn policy(framed_by: &[String]) -> String {
    let frames = match framed_by {
        [] => "'none'".to_owned(),
        hosts => hosts.iter().map(|host| format!("https://{host}")).collect::<Vec<_>>().join(" "),
    };
    format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors {frames}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_dressed_for_the_street() {
        let header =
            |answer: &Response, name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let alone = page(String::new(), &[], false);
        let policy = header(&alone, "content-security-policy").unwrap();
        assert_eq!(
            policy,
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        assert_eq!(header(&alone, "x-frame-options").as_deref(), Some("DENY"));
        assert_eq!(header(&alone, "referrer-policy").as_deref(), Some("no-referrer"));
        assert_eq!(header(&alone, "cache-control").as_deref(), Some("no-store"));
        assert_eq!(header(&alone, "strict-transport-security"), None);
        let framed = page(String::new(), &["shop.example".to_owned(), "b.example".to_owned()], true);
        let policy = header(&framed, "content-security-policy").unwrap();
        assert!(policy.ends_with("frame-ancestors https://shop.example https://b.example"), "{policy}");
        assert_eq!(header(&framed, "x-frame-options"), None);
        assert_eq!(header(&framed, "strict-transport-security").as_deref(), Some("max-age=31536000"));
    }
}
