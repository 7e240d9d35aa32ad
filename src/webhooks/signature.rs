//! How a delivery proves that it is ours, twice over the same bytes. Pure.
//!
//! * [Standard Webhooks](https://www.standardwebhooks.com): `webhook-signature` is `v1,` and the base64 of HMAC-SHA256
//!   over `id.timestamp.body`, keyed with the 32 bytes that the secret's base64 stands for; one for each secret that is
//!   valid, separated by spaces, the newest first.
//! * `X-Platform-Signature` is the hexadecimal HMAC-SHA256 of the body alone, keyed with the newest secret's text exactly
//!   as it was shown, `whsec_` included.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::domain::Secret;
use crate::keys::{hmac_sha256, random_key};

/// How a secret begins.
const PREFIX: &str = "whsec_";

/// A signing secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(Secret<[u8; 32]>);

impl Key {
    /// A new one.
    pub fn random() -> Key {
        Key(random_key())
    }

    /// One that was kept.
    pub fn of(bytes: &[u8]) -> Option<Key> {
        bytes.try_into().ok().map(|bytes| Key(Secret::new(bytes)))
    }

    /// What is kept.
    pub fn bytes(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// What the receiver is shown, once.
    pub fn shown(&self) -> Secret<String> {
        Secret::new(format!("{PREFIX}{}", STANDARD.encode(self.bytes())))
    }
}

/// `webhook-signature` with these keys, the newest first.
pub fn standard(keys: &[Key], id: &str, timestamp: i64, body: &[u8]) -> String {
    let timestamp = timestamp.to_string();
    let sign = |key: &Key| {
        let signed = hmac_sha256(key.bytes(), &[id.as_bytes(), b".", timestamp.as_bytes(), b".", body]);
        format!("v1,{}", STANDARD.encode(signed))
    };
    keys.iter().map(sign).collect::<Vec<_>>().join(" ")
}

/// `X-Platform-Signature` with the newest key.
pub fn platform(newest: &Key, body: &[u8]) -> String {
    let signed = hmac_sha256(newest.shown().expose().as_bytes(), &[body]);
    signed.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key {
        Key::of(&[byte; 32]).unwrap()
    }

    /// Made with OpenSSL, from the same inputs.
    #[test]
    fn both_signatures_are_what_others_compute() {
        let body = br#"{"id":"evt_1"}"#;
        assert_eq!(key(7).shown().expose(), "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
        assert_eq!(
            standard(&[key(7)], "evt_1", 1_795_000_000, body),
            "v1,/YFdYERs9M/egcm8wcJ1f1XLFJLN+FAmyqV6q6QinxM="
        );
        assert_eq!(platform(&key(7), body), "7c46f56a74da2070e71e364297d88ce02fd5c425fdd712351093b8f84ac18bad");
    }

    #[test]
    fn every_valid_secret_signs_and_the_newest_comes_first() {
        let both = standard(&[key(2), key(1)], "evt_1", 1, b"x");
        let (one, other) = (standard(&[key(2)], "evt_1", 1, b"x"), standard(&[key(1)], "evt_1", 1, b"x"));
        assert_eq!(both, format!("{one} {other}"));
        assert_ne!(one, other);
    }

    #[test]
    fn each_part_is_signed() {
        let whole = standard(&[key(1)], "evt_1", 1, b"x");
        for bent in [
            standard(&[key(1)], "evt_2", 1, b"x"),
            standard(&[key(1)], "evt_1", 2, b"x"),
            standard(&[key(1)], "evt_1", 1, b"y"),
        ] {
            assert_ne!(bent, whole);
        }
        assert_ne!(platform(&key(1), b"x"), platform(&key(1), b"y"));
        assert!(Key::of(&[0; 31]).is_none());
        assert_eq!(format!("{:?}", key(1)), "Key([redacted])");
    }
}
