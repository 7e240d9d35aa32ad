//! Random secrets and names, digests, and comparison that takes as long whatever it finds.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{digest as sha, hmac};
use subtle::ConstantTimeEq;

use crate::domain::Secret;

/// `prefix` and 256 random bits as URL-safe base64.
pub fn random_secret(prefix: &str) -> Secret<String> {
    Secret::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())))
}

/// `prefix` and 128 random bits as 32 hexadecimal digits: unguessable, but no secret.
pub fn random_id(prefix: &str) -> String {
    format!("{prefix}{:032x}", rand::random::<u128>())
}

/// 256 random bits, for a key that signs.
pub fn random_key() -> Secret<[u8; 32]> {
    Secret::new(rand::random())
}

/// SHA-256 of a secret with at least 128 random bits: such a one needs no slow hash.
pub fn digest(secret: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(sha::digest(&sha::SHA256, secret).as_ref());
    bytes
}

/// SHA-256 of what comes in pieces, such as a file that is being written.
#[derive(Clone)]
pub struct Fingerprint(sha::Context);

impl Default for Fingerprint {
    fn default() -> Self {
        Fingerprint(sha::Context::new(&sha::SHA256))
    }
}

impl Fingerprint {
    /// The next piece.
    pub fn take(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// Of all pieces, as 64 hexadecimal digits.
    pub fn hex(self) -> String {
        self.0.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// HMAC-SHA256 (RFC 2104) over the parts, one after the other.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    parts.iter().for_each(|part| context.update(part));
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.sign().as_ref());
    bytes
}

/// Whether both are the same, in a time that only their lengths decide.
pub fn same(one: &[u8], other: &[u8]) -> bool {
    bool::from(one.ct_eq(other))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn secrets_carry_256_bits_and_never_repeat() {
        let drawn: BTreeSet<String> = (0..1_000).map(|_| random_secret("x_").expose().clone()).collect();
        assert_eq!(drawn.len(), 1_000);
        assert!(drawn.iter().all(|secret| secret.len() == 2 + 43 && secret.starts_with("x_")));
        let ids: BTreeSet<String> = (0..1_000).map(|_| random_id("dep_")).collect();
        assert!(ids.len() == 1_000 && ids.iter().all(|id| id.len() == 36));
    }

    #[test]
    fn digests_are_what_the_standards_say() {
        // FIPS 180-2, B.1; RFC 4231, test case 2.
        assert_eq!(hex(&digest(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let mut fingerprint = Fingerprint::default();
        [&b"a"[..], b"", b"bc"].into_iter().for_each(|piece| fingerprint.take(piece));
        assert_eq!(fingerprint.hex(), hex(&digest(b"abc")));
        let mac = hmac_sha256(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(hex(&mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn same_is_equality() {
        for (one, other) in [("", ""), ("a", "a"), ("a", "b"), ("a", ""), ("ab", "a"), ("ab", "ba")] {
            assert_eq!(same(one.as_bytes(), other.as_bytes()), one == other, "{one} {other}");
        }
    }
}
