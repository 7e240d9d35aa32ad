//! Bearer tokens: whose key a token names, and whether that key signed it for us and for now (JWT, RFC 7519). Not for what
//! its bearer may do, and it signs nothing.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Validation};
use ring::hmac;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::de::{Deserialize, Deserializer, IgnoredAny};
use serde_json::Value;

use crate::domain::{ApiKeyId, Secret};

/// A longer token is not looked at.
const LONGEST: usize = 8 * 1024;
/// How far the clocks of who signs and who checks may be apart.
const LEEWAY: Duration = Duration::from_secs(30);
/// The end of the year 9999: what lies behind it is no time in seconds, milliseconds for example, and would never expire.
const LAST: Duration = Duration::from_secs(253_402_300_799);
/// As many bytes as HS256 puts out; a shorter secret can be found from a single token (RFC 7518, 3.2).
const SHORTEST_SECRET: usize = 32;

/// What checks a token. It decides the algorithm; the token has no say.
#[derive(Clone)]
pub enum VerifyingKey {
    /// The secret that both sides know, at least 32 bytes.
    Hs256(Secret<Vec<u8>>),
    /// An Ed25519 public key.
    EdDsa([u8; 32]),
}

impl VerifyingKey {
    fn algorithm(&self) -> Algorithm {
        match self {
            VerifyingKey::Hs256(_) => Algorithm::HS256,
            VerifyingKey::EdDsa(_) => Algorithm::EdDSA,
        }
    }

    fn decoding(&self) -> Result<DecodingKey, TokenError> {
        match self {
            VerifyingKey::Hs256(secret) if secret.expose().len() < SHORTEST_SECRET => {
                Err(TokenError("its key is too short"))
            }
            VerifyingKey::Hs256(secret) => Ok(DecodingKey::from_secret(secret.expose())),
            VerifyingKey::EdDsa(public) => Ok(DecodingKey::from_ed_der(public)),
        }
    }
}

impl std::fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} key [redacted]", self.algorithm())
    }
}

/// A token that is not believed. Who sent it learns no more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no valid token")]
pub struct TokenError(&'static str);

impl TokenError {
    /// Why, for our own log: words of ours, nothing of the token.
    pub fn reason(&self) -> &'static str {
        self.0
    }
}

/// The part of a header that we read. Unknown algorithms make it unreadable.
#[derive(serde::Deserialize)]
struct Head {
    alg: Algorithm,
    #[serde(default, deserialize_with = "given")]
    kid: Option<String>,
    #[serde(default, deserialize_with = "given")]
    crit: Option<IgnoredAny>,
    #[serde(flatten)]
    _others: HashMap<String, IgnoredAny>,
}

/// The claims that we read. Named twice they are refused, like anything that is no object.
#[derive(serde::Deserialize)]
struct Claims {
    #[serde(default, deserialize_with = "given")]
    exp: Option<f64>,
    #[serde(default, deserialize_with = "given")]
    nbf: Option<f64>,
    #[serde(default, deserialize_with = "given")]
    iat: Option<f64>,
    #[serde(default, deserialize_with = "given")]
    iss: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    aud: Option<Value>,
    #[serde(flatten)]
    _others: HashMap<String, IgnoredAny>,
}

/// What is there must be of its type: `null` is not the same as nothing.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// The key that a token says it is signed with. Nothing is proven by it yet.
pub fn key_id(token: &str) -> Option<ApiKeyId> {
    let kid = head(token).ok()?.kid?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let ours = kid.len() <= 64 && kid.starts_with("key_") && kid.bytes().all(plain);
    ours.then_some(ApiKeyId(kid))
}

/// Whether `key` signed this token, for this issuer and audience where they matter, and it is valid at `now`.
pub fn verify(
    token: &str,
    key: &VerifyingKey,
    issuer: Option<&str>,
    audience: Option<&str>,
    now: SystemTime,
) -> Result<(), TokenError> {
    let head = head(token)?;
    refuse(head.alg != key.algorithm(), "it is not signed as its key signs")?;
    refuse(head.crit.is_some(), "it asks for extensions")?;
    refuse(!install(), "another cryptography is in place")?;
    // The claims are ours to check: the library's own clock, rounding and leniency about types are left out.
    let mut signature_only = Validation::new(key.algorithm());
    signature_only.required_spec_claims.clear();
    (signature_only.validate_exp, signature_only.validate_aud) = (false, false);
    let read = jsonwebtoken::decode::<Claims>(token, &key.decoding()?, &signature_only);
    let claims = read.map_err(|error| TokenError(why(error.kind())))?.claims;
    in_time(&claims, now)?;
    meant(&claims, issuer, audience)
}

fn refuse(wrong: bool, reason: &'static str) -> Result<(), TokenError> {
    if wrong { Err(TokenError(reason)) } else { Ok(()) }
}

fn head(token: &str) -> Result<Head, TokenError> {
    refuse(token.len() > LONGEST, "it is too long")?;
    let mut parts = token.split('.');
    let (Some(head), Some(claims), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(TokenError("it has not three parts"));
    };
    refuse(head.is_empty() || claims.is_empty() || signature.is_empty(), "a part of it is empty")?;
    let json = URL_SAFE_NO_PAD.decode(head).map_err(|_| TokenError("its header is not base64url"))?;
    serde_json::from_slice(&json).map_err(|_| TokenError("its header is not one of ours"))
}

/// The library's reason in our words: its own may quote the token.
fn why(kind: &ErrorKind) -> &'static str {
    if matches!(kind, ErrorKind::InvalidSignature) {
        "its signature is not its key's"
    } else if matches!(kind, ErrorKind::Json(_)) {
        "its claims are not as they should be"
    } else {
        "it is malformed"
    }
}

fn in_time(claims: &Claims, now: SystemTime) -> Result<(), TokenError> {
    let now = now.duration_since(UNIX_EPOCH).map_err(|_| TokenError("our clock is before 1970"))?;
    let [exp, nbf, iat] = [moment(claims.exp)?, moment(claims.nbf)?, moment(claims.iat)?];
    let latest = now.saturating_add(LEEWAY);
    refuse(exp.ok_or(TokenError("it never expires"))?.saturating_add(LEEWAY) <= now, "it has expired")?;
    refuse(nbf.is_some_and(|nbf| nbf > latest), "it is not valid yet")?;
    refuse(iat.is_some_and(|iat| iat > latest), "it is from the future")
}

/// Seconds since 1970, with or without a fraction.
fn moment(claim: Option<f64>) -> Result<Option<Duration>, TokenError> {
    let Some(seconds) = claim else { return Ok(None) };
    let moment = Duration::try_from_secs_f64(seconds).ok().filter(|moment| *moment <= LAST);
    moment.map(Some).ok_or(TokenError("a time in it is none"))
}

fn meant(claims: &Claims, issuer: Option<&str>, audience: Option<&str>) -> Result<(), TokenError> {
    let is = |claim: &Value, expected: &str| claim.as_str() == Some(expected);
    let from = |expected| claims.iss.as_ref().is_some_and(|iss| is(iss, expected));
    let among = |aud: &Value, expected| aud.as_array().is_some_and(|list| list.iter().any(|one| is(one, expected)));
    let to = |expected| claims.aud.as_ref().is_some_and(|aud| is(aud, expected) || among(aud, expected));
    refuse(!issuer.is_none_or(from), "its issuer is another")?;
    refuse(!audience.is_none_or(to), "it is for somebody else")
}

/// The library brings no cryptography of its own; this is all that it gets.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: no_signer,
    verifier_factory: verifier,
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| Err(unsupported()),
        rsa_pub_components_from_public_key: |_| Err(unsupported()),
        ec_pub_components_from_private_key: |_, _| Err(unsupported()),
        ed_pub_components_from_private_key: |_, _| Err(unsupported()),
        compute_digest: |_, _| Err(unsupported()),
    },
};

/// True when the library uses [`PROVIDER`]; without any it would panic.
fn install() -> bool {
    static OURS: OnceLock<bool> = OnceLock::new();
    *OURS.get_or_init(|| PROVIDER.install_default().is_ok())
}

fn unsupported() -> Error {
    ErrorKind::UnsupportedAlgorithm.into()
}

fn no_signer(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    Err(unsupported())
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    let bytes = key.try_get_as_bytes()?;
    if *algorithm == Algorithm::HS256 && key.family() == AlgorithmFamily::Hmac {
        Ok(Box::new(Hs256(hmac::Key::new(hmac::HMAC_SHA256, bytes))))
    } else if *algorithm == Algorithm::EdDSA && key.family() == AlgorithmFamily::Ed {
        Ok(Box::new(EdDsa(UnparsedPublicKey::new(&ED25519, bytes.to_vec()))))
    } else {
        Err(unsupported())
    }
}

struct Hs256(hmac::Key);

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], tag: &Vec<u8>) -> Result<(), signature::Error> {
        hmac::verify(&self.0, message, tag).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

struct EdDsa(UnparsedPublicKey<Vec<u8>>);

impl Verifier<Vec<u8>> for EdDsa {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        self.0.verify(message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for EdDsa {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

#[cfg(test)]
#[path = "jwt_tests.rs"]
mod tests;
