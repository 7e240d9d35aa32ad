//! Destinations that wait to be derived again because another transaction held one of their sessions.

use super::sessions::Destination;
use super::{Error, Unit};
use crate::domain::Slug;

impl Unit {
    /// Puts destinations aside until the transaction that holds one of their sessions has ended.
    pub async fn defer(&mut self, slug: &Slug, destinations: &[Destination]) -> Result<(), Error> {
        let (tokens, recipients) = Destination::columns(destinations);
        sqlx::query!(
            "INSERT INTO pending_derivations (network, token_address, to_address)
             SELECT $1, g.token, g.recipient FROM unnest($2::text[], $3::text[]) AS g (token, recipient) ON CONFLICT DO NOTHING",
            slug.as_str(),
            &tokens,
            &recipients,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Takes up to 1,000 destinations that were put aside.
    pub async fn take_deferred(&mut self, slug: &Slug) -> Result<Vec<Destination>, Error> {
        let rows = sqlx::query!(
            "DELETE FROM pending_derivations WHERE ctid = ANY(ARRAY(SELECT ctid FROM pending_derivations WHERE network = $1 LIMIT 1000))
             RETURNING token_address, to_address",
            slug.as_str(),
        )
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(|row| Destination::read(&row.token_address, &row.to_address)).collect()
    }
}
