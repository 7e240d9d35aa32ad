//! The page where there is no page: links that are not known or too old, too many requests, a database that is away. In
//! the language of the browser, and without a word about the payment.

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::Response;
use url::form_urlencoded;

use super::assets::ASSETS;
use super::words::Words;
use super::{BELOW, Front, guard, language};
use crate::domain::Language;
use crate::http::problem::Code;

/// What there is to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notice {
    /// No such link.
    Unknown,
    /// Not opened in time.
    TooOld,
    /// Slow down.
    TooMany,
    /// Come back soon.
    Away,
    /// A request that no page of ours sends.
    Wrong,
    /// What was asked for cannot be done any more.
    Over,
}

impl Notice {
    fn name(self) -> &'static str {
        match self {
            Notice::Unknown => "unknown",
            Notice::TooOld => "gone",
            Notice::TooMany => "limited",
            Notice::Away => "away",
            Notice::Wrong => "wrong",
            Notice::Over => "over",
        }
    }

    fn title(self, words: &Words) -> String {
        words.say(match self {
            Notice::Unknown => "none-title",
            Notice::TooOld => "gone-title",
            Notice::TooMany => "many-title",
            Notice::Away => "away-title",
            Notice::Wrong => "wrong-title",
            Notice::Over => "over-title",
        })
    }

    fn text(self, words: &Words) -> String {
        words.say(match self {
            Notice::Unknown => "none-text",
            Notice::TooOld => "gone-text",
            Notice::TooMany => "many-text",
            Notice::Away => "away-text",
            Notice::Wrong => "wrong-text",
            Notice::Over => "over-text",
        })
    }

    fn of(code: Code) -> Notice {
        match code {
            Code::NotFound | Code::Unauthorized => Notice::Unknown,
            Code::Gone => Notice::TooOld,
            Code::RateLimited => Notice::TooMany,
            Code::Unavailable | Code::Internal | Code::RequestTimeout => Notice::Away,
            Code::CannotCancel
            | Code::AmountClash
            | Code::NotBound
            | Code::DepositIdReused
            | Code::EndpointDisabled
            | Code::IdempotencyKeyInUse
            | Code::IdempotencyKeyReused
            | Code::TooManyWidgets
            | Code::TooManyWebhookEndpoints => Notice::Over,
            Code::ValidationFailed
            | Code::MalformedJson
            | Code::MethodNotAllowed
            | Code::PayloadTooLarge
            | Code::UnsupportedMediaType => Notice::Wrong,
        }
    }
}

#[derive(Template)]
#[template(path = "notice.html")]
struct Sheet {
    words: Words,
    notice: Notice,
}

/// In which language a customer is told why there is no page; nothing for whoever did not ask for one.
pub(in crate::http) fn language_of_notice(uri: &Uri, headers: &HeaderMap) -> Option<Language> {
    uri.path().starts_with(BELOW).then(|| {
        let asked = asked_language(uri.query());
        let header = headers.get(header::ACCEPT_LANGUAGE).and_then(|header| header.to_str().ok());
        language::of_payment(asked, None, header)
    })
}

/// The language that a link of the page's own asks for.
pub(super) fn asked_language(query: Option<&str>) -> Option<Language> {
    let mut parameters = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    parameters.find(|(name, _)| name == "lang").and_then(|(_, tag)| language::of_tag(&tag))
}

/// A problem as a page.
pub(in crate::http) fn notice(
    code: Code,
    retry_after: Option<u32>,
    language: Language,
    front: &Front,
) -> Option<Response> {
    let (words, notice) = (Words::of(language), Notice::of(code));
    let main = Sheet { words, notice }.render().ok()?;
    let document = super::sheet::Document {
        words,
        title: notice.title(&words),
        payee: None,
        refreshes: false,
        prefix: &front.prefix,
        here: "",
        assets: &ASSETS,
        main,
    };
    let mut answer = guard::page(document.render().ok()?, &[], front.over_tls);
    *answer.status_mut() = code.status();
    if let Some(seconds) = retry_after {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Some(answer)
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn a_notice_is_spoken_in_the_browser_s_language_and_only_below_the_page() {
        let headers = |accepted: &'static str| {
            [(header::ACCEPT_LANGUAGE, HeaderValue::from_static(accepted))].into_iter().collect()
        };
        let asked = |path: &'static str, accepted| language_of_notice(&Uri::from_static(path), &headers(accepted));
        assert_eq!(asked("/pay/x", "fr-FR"), Some(Language::Fr));
        assert_eq!(asked("/pay/x?lang=en", "fr-FR"), Some(Language::En));
        assert_eq!(asked("/api/v1/x", "fr-FR"), None);
        for language in Language::ALL {
            let words = Words::of(language);
            for notice in [Notice::Unknown, Notice::TooOld, Notice::TooMany, Notice::Away, Notice::Wrong, Notice::Over]
            {
                let html = Sheet { words, notice }.render().unwrap();
                assert!(
                    html.contains("id=\"payment\"") && html.contains(&format!("data-screen=\"{}\"", notice.name())),
                    "{html}"
                );
            }
        }
        assert_eq!(StatusCode::GONE, Code::Gone.status());
    }
}
