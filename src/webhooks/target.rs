//! Which URLs an endpoint may have. Pure; what a name resolves to is looked at when it is dialled ([`super::client`]).

use std::net::IpAddr;

use url::{Host, Url};

use super::guard;
use crate::settings::Webhooks;

/// The longest URL, in characters.
const LONGEST: usize = 2_048;

/// The URL as it is kept, or what is wrong with it.
pub(super) fn valid(text: &str, rules: &Webhooks) -> Result<Url, String> {
    if text.chars().count() > LONGEST {
        return Err(format!("is longer than {LONGEST} characters"));
    }
    // A parser would drop some of these silently.
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("holds white space or control characters".to_owned());
    }
    let url = Url::parse(text).map_err(|_| "is no absolute URL such as https://shop.example/webhooks".to_owned())?;
    if url.as_str().len() > LONGEST {
        return Err(format!("is longer than {LONGEST} characters once it is encoded"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user or password; what we send is signed instead".to_owned());
    }
    if url.fragment().is_some() {
        return Err("holds a fragment (#…), which is never sent".to_owned());
    }
    admissible(&url, rules).map_err(str::to_owned)?;
    Ok(url)
}

/// Whether it may be dialled at all: asked again for each attempt, since the rules may have changed.
pub(super) fn admissible(url: &Url, rules: &Webhooks) -> Result<(), &'static str> {
    match url.scheme() {
        "https" => {}
        "http" if rules.allow_http => {}
        "http" => return Err("is http; only https is allowed here"),
        _ => return Err("is neither https nor http"),
    }
    if url.port() == Some(0) {
        return Err("names port 0");
    }
    let literal = match url.host() {
        None => return Err("names no host"),
        Some(Host::Domain(_)) => None,
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
    };
    match literal {
        Some(address) if !guard::admits(address, &rules.allowed_networks) => {
            Err("names an address that is not on the public internet")
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rules(allow_http: bool, allowed: &[&str]) -> Webhooks {
        Webhooks {
            allow_http,
            allowed_networks: allowed.iter().map(|net| net.parse().unwrap()).collect(),
            retry_after: Vec::new(),
            secret_overlap: Duration::ZERO,
        }
    }

    #[test]
    fn good_urls_are_kept_as_the_parser_writes_them() {
        for (text, kept) in [
            ("https://shop.example/hooks?key=1", "https://shop.example/hooks?key=1"),
            ("HTTPS://Shop.Example", "https://shop.example/"),
            ("https://shop.example:8443/a b".trim_end_matches(" b"), "https://shop.example:8443/a"),
            ("https://münchen.example/ü", "https://xn--mnchen-3ya.example/%C3%BC"),
            ("https://1.1.1.1/", "https://1.1.1.1/"),
            ("https://[2606:4700:4700::1111]/", "https://[2606:4700:4700::1111]/"),
        ] {
            assert_eq!(valid(text, &rules(false, &[])).map(String::from).as_deref(), Ok(kept), "{text}");
        }
        assert!(valid("http://shop.example/", &rules(true, &[])).is_ok());
        assert!(valid("https://127.0.0.1:9/", &rules(false, &["127.0.0.0/8"])).is_ok());
    }

    #[test]
    fn bad_urls_are_refused_with_a_reason() {
        let long = format!("https://shop.example/{}", "a".repeat(2_028));
        let grows = format!("https://shop.example/{}", "ü".repeat(400));
        for (text, reason) in [
            ("", "no absolute URL"),
            ("shop.example", "no absolute URL"),
            ("/hooks", "no absolute URL"),
            ("https://", "no absolute URL"),
            ("https://[::1", "no absolute URL"),
            ("http://shop.example", "only https"),
            ("ftp://shop.example", "neither"),
            ("file:///etc/passwd", "neither"),
            ("javascript:alert(1)", "neither"),
            ("https://user@shop.example", "user or password"),
            ("https://:pass@shop.example", "user or password"),
            ("https://shop.example/#top", "fragment"),
            ("https://shop.example/#", "fragment"),
            ("https://shop.example:0/", "port 0"),
            (" https://shop.example", "white space"),
            ("https://shop.example/a\r\nHost: evil", "white space"),
            ("https://shop\u{0}.example", "control"),
            (long.as_str(), "longer than"),
            (grows.as_str(), "once it is encoded"),
        ] {
            let refused = valid(text, &rules(false, &[])).unwrap_err();
            assert!(refused.contains(reason), "{text}: {refused}");
        }
        assert!(valid(&long[..long.len() - 1], &rules(false, &[])).is_ok());
    }

    #[test]
    fn addresses_are_judged_however_they_are_written() {
        for text in [
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://127.1/",
            "https://0/",
            "https://169.254.169.254/latest/meta-data",
            "https://0xa9fea9fe/",
            "https://127.0.0.1./",
            "https://%31%32%37.0.0.1/",
            "https://１２７.0.0.1/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[fe80::1]/",
            "https://[fd00:ec2::254]/",
        ] {
            let refused = valid(text, &rules(false, &[])).unwrap_err();
            assert!(refused.contains("public internet"), "{text}: {refused}");
        }
    }
}
