//! The sealing key, and the one before it while both are valid: seals what we must know again, derives what belongs to a
//! row. Losing it loses every sealed secret and every session's secret, nothing else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::secrets::{hmac_sha256, same};
use crate::domain::{Secret, SessionId};

/// How a session's secret begins.
const SESSION: &str = "cs_";
/// What a payment's link carries: 128 bits.
const LINK_BYTES: usize = 16;

/// Why a sealed secret stays shut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("was sealed with another sealing key, or for another row")]
pub struct KeyError;

/// The keys in use; prints none of them.
pub struct Keyring {
    current: Derived,
    previous: Option<Derived>,
}

/// What one sealing key is used for, a key each, so that no two uses share one.
struct Derived {
    seal: Secret<[u8; 32]>,
    sessions: Secret<[u8; 32]>,
    links: Secret<[u8; 32]>,
    marks: Secret<[u8; 32]>,
}

impl Derived {
    fn of(key: &Secret<[u8; 32]>) -> Derived {
        let derive = |purpose: &str| Secret::new(hmac_sha256(key.expose(), &[b"deposit-watcher ", purpose.as_bytes()]));
        let (seal, sessions) = (derive("seal"), derive("session secrets"));
        Derived { seal, sessions, links: derive("payment links"), marks: derive("requests") }
    }

    fn cipher(&self) -> Result<LessSafeKey, KeyError> {
        UnboundKey::new(&AES_256_GCM, self.seal.expose()).map(LessSafeKey::new).map_err(|_| KeyError)
    }

    fn open(&self, row: &str, sealed: &[u8]) -> Result<Secret<Vec<u8>>, KeyError> {
        let (nonce, shut) = sealed.split_at_checked(NONCE_LEN).ok_or(KeyError)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| KeyError)?;
        let mut shut = shut.to_vec();
        let opened = self.cipher()?.open_in_place(nonce, Aad::from(row.as_bytes()), &mut shut);
        Ok(Secret::new(opened.map_err(|_| KeyError)?.to_vec()))
    }

    fn link(&self, row: &str) -> Secret<String> {
        let mac = hmac_sha256(self.links.expose(), &[row.as_bytes()]);
        let (half, _) = mac.split_at(LINK_BYTES);
        Secret::new(URL_SAFE_NO_PAD.encode(half))
    }

    fn mark(&self, request: &[u8]) -> [u8; 32] {
        hmac_sha256(self.marks.expose(), &[request])
    }

    fn session_secret(&self, id: &SessionId) -> String {
        format!("{SESSION}{}", URL_SAFE_NO_PAD.encode(hmac_sha256(self.sessions.expose(), &[id.0.as_bytes()])))
    }
}

impl Keyring {
    /// Seals and derives with `current`; opens and recognises what `previous` made as well.
    pub fn new(current: &Secret<[u8; 32]>, previous: Option<&Secret<[u8; 32]>>) -> Keyring {
        Keyring { current: Derived::of(current), previous: previous.map(Derived::of) }
    }

    /// Encrypts a secret for the row of this id: random nonce, ciphertext, tag (AES-256-GCM).
    pub fn seal(&self, row: &str, secret: &[u8]) -> Result<Vec<u8>, KeyError> {
        // 96 random bits repeat after some 2^32 secrets; there is one an endpoint, a key or a payment with personal data.
        let nonce = rand::random::<[u8; NONCE_LEN]>();
        let mut text = secret.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        let sealing = self.current.cipher()?.seal_in_place_append_tag(unique, Aad::from(row.as_bytes()), &mut text);
        sealing.map_err(|_| KeyError)?;
        Ok([nonce.as_slice(), &text].concat())
    }

    /// What [`Keyring::seal`] was given for the same row.
    pub fn open(&self, row: &str, sealed: &[u8]) -> Result<Secret<Vec<u8>>, KeyError> {
        let opened = self.current.open(row, sealed);
        match &self.previous {
            Some(previous) => opened.or_else(|_| previous.open(row, sealed)),
            None => opened,
        }
    }

    /// The client secret of a session, the same whenever it is asked for.
    pub fn session_secret(&self, id: &SessionId) -> Secret<String> {
        Secret::new(self.current.session_secret(id))
    }

    /// What the link of this row carries by the current key, and by the one before it.
    pub fn links(&self, row: &str) -> (Secret<String>, Option<Secret<String>>) {
        (self.current.link(row), self.previous.as_ref().map(|keys| keys.link(row)))
    }

    /// What a request is known again by, with the current key and with the one before it. It may hold what is easily
    /// guessed, such as a phone number: a digest that anybody can make would tell it.
    pub fn marks(&self, request: &[u8]) -> ([u8; 32], Option<[u8; 32]>) {
        (self.current.mark(request), self.previous.as_ref().map(|keys| keys.mark(request)))
    }

    /// Whether this is the client secret of that session.
    pub fn knows_session_secret(&self, id: &SessionId, offered: &str) -> bool {
        let ours = |keys: &Derived| same(keys.session_secret(id).as_bytes(), offered.as_bytes());
        // Both are always compared: the time it takes does not tell which key it was.
        let previous = self.previous.as_ref().is_some_and(ours);
        ours(&self.current) | previous
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring [redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Secret<[u8; 32]> {
        Secret::new([byte; 32])
    }

    #[test]
    fn what_is_sealed_opens_for_its_row_only() {
        let ring = Keyring::new(&key(1), None);
        let sealed = ring.seal("we_1", b"hunter2").unwrap();
        assert_eq!(ring.open("we_1", &sealed).unwrap().expose(), b"hunter2");
        assert!(ring.open("we_2", &sealed).is_err());
        assert!(Keyring::new(&key(2), None).open("we_1", &sealed).is_err());
        assert_ne!(ring.seal("we_1", b"hunter2").unwrap(), sealed, "a nonce was used twice");
        assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert!(ring.open("we_1", &bent).is_err(), "byte {at}");
            assert!(ring.open("we_1", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn the_previous_key_still_opens_and_no_longer_seals() {
        let (old, both, new) =
            (Keyring::new(&key(1), None), Keyring::new(&key(2), Some(&key(1))), Keyring::new(&key(2), None));
        assert_eq!(both.open("r", &old.seal("r", b"s").unwrap()).unwrap().expose(), b"s");
        let sealed = both.seal("r", b"s").unwrap();
        assert!(old.open("r", &sealed).is_err() && new.open("r", &sealed).is_ok());
        let id = SessionId("dep_1".to_owned());
        let secret = old.session_secret(&id).expose().clone();
        assert!(both.knows_session_secret(&id, &secret) && !new.knows_session_secret(&id, &secret));
        assert_eq!(both.session_secret(&id), new.session_secret(&id));
    }

    #[test]
    fn a_session_s_secret_is_its_own() {
        let ring = Keyring::new(&key(1), None);
        let (one, two) = (SessionId("dep_1".to_owned()), SessionId("dep_2".to_owned()));
        let secret = ring.session_secret(&one).expose().clone();
        assert!(secret.len() == 46 && secret.starts_with("cs_"), "{secret}");
        assert!(ring.knows_session_secret(&one, &secret));
        assert!(!ring.knows_session_secret(&two, &secret) && !ring.knows_session_secret(&one, ""));
        assert!(!ring.knows_session_secret(&one, &secret[..45]));
        assert_eq!(format!("{ring:?}"), "Keyring [redacted]");
    }

    #[test]
    fn links_and_marks_are_known_by_the_previous_key_too() {
        let (old, both) = (Keyring::new(&key(1), None), Keyring::new(&key(2), Some(&key(1))));
        let (link, none) = old.links("payment\nshop\n1");
        assert!(none.is_none() && URL_SAFE_NO_PAD.decode(link.expose()).unwrap().len() == 16);
        assert_eq!(both.links("payment\nshop\n1").1, Some(link.clone()));
        assert_ne!(both.links("payment\nshop\n1").0, link);
        assert_ne!(old.links("payment\nshop\n2").0, link);
        assert_eq!(both.marks(b"x").1, Some(old.marks(b"x").0));
        assert!(old.marks(b"x").0 != old.marks(b"y").0 && both.marks(b"x").0 != old.marks(b"x").0);
        // Each use has a key of its own.
        assert_ne!(old.marks(b"x").0[..16], URL_SAFE_NO_PAD.decode(old.links("x").0.expose()).unwrap()[..]);
    }
}
