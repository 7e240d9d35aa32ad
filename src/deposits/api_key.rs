//! Keys that sign a business's bearer tokens: made, replaced, ended. Not for tokens.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::field::{self, Faults};
use super::{ApiKey, Office, Refusal};
use crate::domain::{ApiKeyId, BusinessId, Fault, Secret, WidgetId};
use crate::keys::{Keyring, random_id, random_secret};
use crate::store::{Error, KeyMaterial};

/// What every Ed25519 public key begins with as SubjectPublicKeyInfo (RFC 8410, 4).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// What a fault names that is about the public key.
const FIELD: &str = "publicKey";

/// By what a new key signs.
#[derive(Debug, Clone, Copy)]
pub enum Signer<'k> {
    /// HS256: by a secret of ours, sealed with this.
    Secret(&'k Keyring),
    /// EdDSA: by the other half of this Ed25519 key, which never comes here.
    Public([u8; 32]),
}

impl Signer<'_> {
    fn algorithm(self) -> &'static str {
        match self {
            Signer::Secret(_) => "HS256",
            Signer::Public(_) => "EdDSA",
        }
    }

    /// What is stored of the key of this id, and the secret where we made one.
    fn material(self, id: &ApiKeyId) -> Result<(KeyMaterial, Option<Secret<String>>), Refusal> {
        match self {
            Signer::Public(key) => Ok((KeyMaterial::Public(key.to_vec()), None)),
            Signer::Secret(keyring) => {
                let secret = random_secret("sk_");
                let sealed = keyring.seal(&id.0, secret.expose().as_bytes());
                let sealed = sealed.map_err(|_| Error::Unreadable("a secret cannot be sealed".to_owned()))?;
                Ok((KeyMaterial::Sealed(sealed), Some(secret)))
            }
        }
    }
}

impl Office {
    /// Adds a key to a business; returns it with its secret where there is one, which is shown here only.
    pub async fn create_api_key(
        &self,
        business: &BusinessId,
        name: &str,
        signer: Signer<'_>,
    ) -> Result<(ApiKey, Option<Secret<String>>), Refusal> {
        self.create_bound_api_key(business, name, None, signer).await
    }

    /// The same, bound to this widget of the business: by its rules payments are made that are asked for with the key.
    pub async fn create_bound_api_key(
        &self,
        business: &BusinessId,
        name: &str,
        widget: Option<&WidgetId>,
        signer: Signer<'_>,
    ) -> Result<(ApiKey, Option<Secret<String>>), Refusal> {
        self.business(business).await?;
        let mut faults = Faults::default();
        faults.note("name", field::text(name, 128));
        if let Some(id) = widget {
            let own = self.store.widget(id).await?.is_some_and(|widget| widget.business_id == *business);
            faults.note("widget", if own { Ok(()) } else { Err("is no widget of this business".to_owned()) });
        }
        faults.end().map_err(Refusal::Faults)?;
        let id = ApiKeyId(random_id("key_"));
        let (material, secret) = signer.material(&id)?;
        self.store.add_api_key(&id, business, name, widget, &material).await?;
        Ok((self.api_key(&id).await?, secret))
    }

    /// Keys of one business or of all.
    pub async fn api_keys(&self, business: Option<&BusinessId>) -> Result<Vec<ApiKey>, Refusal> {
        Ok(self.store.api_keys(None, business).await?)
    }

    /// The key of this id, good or not.
    pub async fn api_key(&self, id: &ApiKeyId) -> Result<ApiKey, Refusal> {
        self.store.api_keys(Some(id), None).await?.pop().ok_or(Refusal::NotFound)
    }

    /// Whose tokens this key signs and what verifies them; nothing where either is not good now.
    pub async fn signing_key(&self, id: &ApiKeyId) -> Result<Option<(BusinessId, KeyMaterial)>, Refusal> {
        Ok(self.store.signing_key(id).await?)
    }

    /// Ends a key at once.
    pub async fn disable_api_key(&self, id: &ApiKeyId) -> Result<ApiKey, Refusal> {
        self.store.disable_api_key(id).await?;
        self.api_key(id).await
    }

    /// Adds a key of the same kind, name and business; the one before is good for `webhooks.secret_overlap` more.
    pub async fn rotate_api_key(
        &self,
        id: &ApiKeyId,
        signer: Signer<'_>,
    ) -> Result<(ApiKey, Option<Secret<String>>), Refusal> {
        let before = self.api_key(id).await?;
        if before.algorithm != signer.algorithm() {
            let why = format!("does not fit: the key is {}, and so is the one that follows it", before.algorithm);
            return Err(Refusal::Faults(vec![Fault::new(FIELD, why)]));
        }
        let new = ApiKeyId(random_id("key_"));
        let (material, secret) = signer.material(&new)?;
        let overlap = self.settings.webhooks.secret_overlap.as_secs_f64();
        match self.store.rotate_api_key(id, &new, &material, overlap).await? {
            true => Ok((self.api_key(&new).await?, secret)),
            false => Err(Refusal::Faults(vec![Fault::new("", "this key is disabled or expired: create another one")])),
        }
    }
}

/// An Ed25519 public key as PEM, 64 hexadecimal digits or base64.
pub fn public_key(text: &str) -> Result<[u8; 32], Fault> {
    let wrong = |why: &str| Fault::new(FIELD, why);
    if text.contains("PRIVATE KEY") {
        return Err(wrong("is a private key, which is nobody's but yours: give the public one (openssl pkey -pubout)"));
    }
    let key = match text.trim().strip_prefix("-----BEGIN PUBLIC KEY-----") {
        Some(rest) => rest.strip_suffix("-----END PUBLIC KEY-----").and_then(base64).and_then(|der| bare(&der)),
        None => hexadecimal(text.trim()).or_else(|| base64(text)).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()),
    };
    let key = key.filter(|key| *key != [0; 32]);
    key.ok_or_else(|| wrong("is no Ed25519 public key as PEM, 64 hexadecimal digits or base64 of 32 bytes"))
}

fn bare(der: &[u8]) -> Option<[u8; 32]> {
    der.strip_prefix(&SPKI)?.try_into().ok()
}

fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.split_whitespace().collect::<String>()).ok()
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let pairs = if digits { text.as_bytes().chunks(2) } else { return None };
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8410, 10.1.
    const PEM: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

    #[test]
    fn a_public_key_is_read_in_three_forms() {
        let key = public_key(PEM).unwrap();
        assert_eq!(key[..4], [0x19, 0xbf, 0x44, 0x09]);
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        for text in [hex.clone(), hex.to_uppercase(), format!(" {hex}\n"), format!("{}\n", STANDARD.encode(key))] {
            assert_eq!(public_key(&text), Ok(key), "{text}");
        }
        assert_eq!(public_key(&PEM.replace('\n', "\r\n")), Ok(key));
    }

    #[test]
    fn what_is_no_public_key_is_refused() {
        let other = STANDARD.encode([&SPKI[..11], &[1; 33]].concat());
        for text in [
            "",
            "x",
            &"00".repeat(32),
            &"ab".repeat(31),
            &"ab".repeat(33),
            &format!("0x{}", "ab".repeat(32)),
            &STANDARD.encode([7; 31]),
            &PEM[..60],
            &PEM.replace("MCow", "MCox"),
            &format!("-----BEGIN PUBLIC KEY-----\n{other}\n-----END PUBLIC KEY-----"),
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        ] {
            assert!(public_key(text).is_err(), "{text}");
        }
        let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----";
        assert!(public_key(private).unwrap_err().message.contains("private"));
    }
}
