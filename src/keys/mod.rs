//! What proves who asks and keeps what must stay secret: the sealing key and all that is derived from it, random secrets
//! and their digests, message authentication, bearer tokens. The only room that knows cryptography. Not for who may do
//! what.
//!
//! Nothing readable is stored: a secret that we must know again is sealed ([`Keyring::seal`]), one that we must only
//! recognise is kept as its SHA-256 ([`digest`]), one that belongs to a row is derived from its id
//! ([`Keyring::session_secret`]).

pub mod jwt;
mod keyring;
mod secrets;

pub use keyring::{KeyError, Keyring};
pub use secrets::{Fingerprint, digest, hmac_sha256, random_id, random_key, random_secret, same};
