//! Businesses: added, closed, opened again. Not for what is theirs.

use super::field::{self, Faults};
use super::{Business, Office, Refusal};
use crate::domain::{BusinessId, Fault};
use crate::keys::random_id;

impl Office {
    /// Adds a business; of an id of ours where none is given.
    pub async fn create_business(&self, id: Option<&str>, name: &str) -> Result<Business, Refusal> {
        let mut faults = Faults::default();
        faults.note("name", field::text(name, 128));
        faults.note("id", id.map_or(Ok(()), legal));
        faults.end().map_err(Refusal::Faults)?;
        let id = BusinessId(id.map_or_else(|| random_id("biz_"), str::to_owned));
        match self.store.add_business(&id, name).await? {
            true => self.business(&id).await,
            false => Err(Refusal::Faults(vec![Fault::new("id", "is another business's already")])),
        }
    }

    /// All of them.
    pub async fn businesses(&self) -> Result<Vec<Business>, Refusal> {
        Ok(self.store.businesses(None).await?)
    }

    /// The business of this id, open or closed.
    pub async fn business(&self, id: &BusinessId) -> Result<Business, Refusal> {
        self.store.businesses(Some(id)).await?.pop().ok_or(Refusal::NotFound)
    }

    /// Closes a business: none of its keys, widgets and secrets is good. Or opens it again. Its sessions still take money.
    pub async fn set_business_disabled(&self, id: &BusinessId, disabled: bool) -> Result<Business, Refusal> {
        self.store.set_business_disabled(id, disabled).await?;
        self.business(id).await
    }
}

fn legal(id: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    let fits = (1..=64).contains(&id.len()) && id.bytes().all(plain);
    if fits { Ok(()) } else { Err("must be 1 to 64 characters of a-z, 0-9, _ and -".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_and_plain() {
        let long = "x".repeat(64);
        for id in ["a", "shop-1_b", "-", "0", &long] {
            assert_eq!(legal(id), Ok(()), "{id}");
        }
        for id in ["", "Shop", "a b", "ä", "a\n", "a\0", "a'", &format!("{long}x")] {
            assert!(legal(id).is_err(), "{id}");
        }
    }
}
