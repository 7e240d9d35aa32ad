//! Collects what is wrong with a request, field by field, and the readings that several requests share. Not for rules of
//! one request: those stand where it is read.

use url::Url;

use crate::domain::{Address, AddressError, Fault, parse_address};

/// Faults so far.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// `field` is wrong because of `message`.
    pub(super) fn add(&mut self, field: &str, message: impl Into<String>) {
        self.0.push(Fault::new(field, message));
    }

    /// The value, or its fault noted.
    pub(super) fn note<T>(&mut self, field: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|message| self.add(field, message)).ok()
    }

    /// All of them; none is fine.
    pub(super) fn end(self) -> Result<(), Vec<Fault>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}

/// Text of so many characters, without control characters.
pub(super) fn text(value: &str, most: usize) -> Result<(), String> {
    if !(1..=most).contains(&value.chars().count()) {
        return Err(format!("must have 1 to {most} characters"));
    }
    if value.chars().any(char::is_control) {
        return Err("must not hold control characters".to_owned());
    }
    Ok(())
}

/// An address in lower, upper or EIP-55 case.
pub(super) fn address(value: &str) -> Result<Address, String> {
    parse_address(value).map_err(|error| match error {
        AddressError::Malformed => "must be 0x and 40 hexadecimal digits".to_owned(),
        AddressError::Checksum => {
            "has mixed case that does not fit its EIP-55 checksum; check it for a typing error".to_owned()
        }
    })
}

/// A page somebody is sent to.
pub(super) fn page(value: &str) -> Result<(), String> {
    text(value, 2_048)?;
    let url = Url::parse(value).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    match url {
        None => Err("must be an http or https URL".to_owned()),
        Some(url) if !url.username().is_empty() || url.password().is_some() => {
            Err("must not hold a user or a password".to_owned())
        }
        Some(_) => Ok(()),
    }
}

/// A host's name as browsers write it in `Origin`, from what a person wrote: lower case, punycode, no port.
pub(super) fn domain(value: &str) -> Result<String, String> {
    let wrong = || "must be a host name such as \"shop.example.com\", without scheme, port and path".to_owned();
    let plain =
        !value.is_empty() && value.len() <= 253 && !value.contains(['/', ':', '@', '?', '#', '\\', ' ', '%', '*']);
    let url = if plain { Url::parse(&format!("https://{value}/")).ok() } else { None };
    let host = url.as_ref().and_then(Url::domain).ok_or_else(wrong)?;
    // A URL's host may hold more than a name does, and what a header is made of must not.
    match host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
        true => Ok(host.trim_end_matches('.').to_owned()),
        false => Err(wrong()),
    }
}

/// The host of an `Origin` header; none for `null` and rubbish.
pub(super) fn origin(value: &str) -> Option<String> {
    let url = Url::parse(value).ok().filter(|url| ["http", "https"].contains(&url.scheme()))?;
    url.host_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_characters_and_no_controls() {
        assert_eq!(text("é", 1), Ok(()));
        assert_eq!(text("\u{1f600}\u{1f600}", 2), Ok(()));
        for (value, most) in [("", 5), ("abc", 2), ("a\nb", 5), ("a\0b", 5), ("a\u{85}b", 5)] {
            assert!(text(value, most).is_err(), "{value:?}");
        }
    }

    #[test]
    fn domains_are_hosts_as_browsers_write_them() {
        for (value, host) in [
            ("Shop.Example.com", "shop.example.com"),
            ("büro.example", "xn--bro-hoa.example"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(domain(value).as_deref(), Ok(host));
        }
        for value in [
            "",
            "https://shop.example.com",
            "shop.example.com/",
            "shop.example.com:443",
            "*.example.com",
            "a b",
            "127.0.0.1",
            "[::1]",
            "u@h",
            "a;script-src-elem",
            "a,b.example",
            "a'b.example",
        ] {
            assert!(domain(value).is_err(), "{value}");
        }
        for (value, host) in [
            ("https://shop.example.com", Some("shop.example.com")),
            ("http://SHOP.example.com:8443", Some("shop.example.com")),
            ("null", None),
            ("", None),
            ("file:///x", None),
            ("https://shop.example.com.evil.example", Some("shop.example.com.evil.example")),
        ] {
            assert_eq!(origin(value).as_deref(), host, "{value}");
        }
    }

    #[test]
    fn pages_are_on_the_web() {
        assert_eq!(page("https://shop.example.com/thanks?x=1#y"), Ok(()));
        let long = format!("https://shop.example.com/{}", "x".repeat(2_048));
        for value in [
            "",
            "shop.example.com",
            "javascript:alert(1)",
            "data:text/html,x",
            "ftp://h/",
            "https://u:p@h/",
            "https://",
            "http://\n",
            &long,
        ] {
            assert!(page(value).is_err(), "{value}");
        }
    }
}
