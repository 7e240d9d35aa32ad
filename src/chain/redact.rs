//! Keeps endpoints' addresses out of every text that leaves this room. Not for what a text means.

use url::Url;

use crate::domain::Secret;

/// Texts from outside are cut to this many characters.
const LONGEST: usize = 240;
/// Shorter pieces of a path ("v3", "rpc") are no secrets, and striking them would garble texts.
const SHORTEST_SECRET: usize = 6;
const STRUCK: &str = "[redacted]";

/// Knows what must not be said of one endpoint.
#[derive(Debug, Clone)]
pub(super) struct Redactor {
    secrets: Secret<Vec<String>>,
}

impl Redactor {
    /// Host, user, password, and the longer pieces of path, query and fragment.
    pub(super) fn new(url: &Url) -> Redactor {
        let pieces = [url.path(), url.query().unwrap_or_default(), url.fragment().unwrap_or_default()];
        let pieces = pieces.into_iter().flat_map(|part| part.split(['/', '&', '=', ';', ':']));
        let user = [url.username(), url.password().unwrap_or_default()];
        let long = pieces.chain(user).filter(|piece| piece.len() >= SHORTEST_SECRET);
        let mut secrets: Vec<String> = long.chain(url.host_str()).map(str::to_owned).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Redactor { secrets: Secret::new(secrets) }
    }

    /// Knows nothing but what a URL looks like.
    pub(super) fn blind() -> Redactor {
        Redactor { secrets: Secret::new(Vec::new()) }
    }

    /// The text on one line, without URLs and secrets, at most [`LONGEST`] characters.
    pub(super) fn clean(&self, text: &str) -> String {
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let struck = self.secrets.expose().iter().fold(line, |line, secret| line.replace(secret.as_str(), STRUCK));
        without_urls(&struck).chars().take(LONGEST).collect()
    }
}

/// Strikes every word that holds `://`, keeping what stands before its scheme.
fn without_urls(text: &str) -> String {
    let words = text.split(' ').map(|word| match word.find("://") {
        Some(at) => {
            let before = word.get(..at).unwrap_or_default();
            let scheme = before.rfind(|c: char| !c.is_ascii_alphanumeric()).map_or(0, |i| i.saturating_add(1));
            format!("{}{STRUCK}", word.get(..scheme).unwrap_or_default())
        }
        None => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_address_is_left() {
        let url =
            Url::parse("https://user:hunter22@abc-def.quiknode.pro/v3/0123456789abcdef?apikey=s3cr3tkey").unwrap();
        let redactor = Redactor::new(&url);
        for text in [
            format!("error sending request for url ({url})"),
            "project 0123456789abcdef is over its limit".to_owned(),
            "see https://elsewhere.example/0123 for more".to_owned(),
            "dns error: abc-def.quiknode.pro: s3cr3tkey hunter22".to_owned(),
        ] {
            let clean = redactor.clean(&text);
            for secret in ["0123456789abcdef", "hunter22", "s3cr3tkey", "quiknode", "elsewhere", "://"] {
                assert!(!clean.contains(secret), "{clean}");
            }
        }
        assert!(!format!("{redactor:?}").contains("quiknode"));
    }

    #[test]
    fn other_words_stay_on_one_short_line() {
        let clean = Redactor::blind().clean(&format!("range\n10 exceeds\tlimit (wss://x/y) {}", "z".repeat(999)));
        assert!(clean.starts_with("range 10 exceeds limit ([redacted] zzz"), "{clean}");
        assert_eq!(clean.chars().count(), LONGEST);
    }
}
