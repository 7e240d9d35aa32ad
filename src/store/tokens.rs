//! Tokens that a network has ever followed. Address and decimals are pinned; which of them the cursor covers is kept
//! with the cursor's own fence.

use super::{Error, Store, Unit, codec};
use crate::domain::{Address, BlockNumber, Percent, Slug, Token, TokenKey, Units};

/// A token as pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedToken {
    /// Its key in the configuration.
    pub key: String,
    /// The contract.
    pub address: Address,
    /// As first configured.
    pub decimals: u8,
    /// True while the cursor covers it.
    pub followed: bool,
    /// The newest block it was looked at twice in before it was left.
    pub left_at: Option<BlockNumber>,
}

impl Store {
    /// What is pinned for a network.
    pub async fn pinned_tokens(&self, slug: &Slug) -> Result<Vec<PinnedToken>, Error> {
        let rows = sqlx::query!(
            "SELECT key, address, decimals, followed, left_at FROM tokens WHERE network = $1 ORDER BY key",
            slug.as_str(),
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(PinnedToken {
                    key: row.key,
                    address: codec::address(&row.address)?,
                    decimals: u8::try_from(row.decimals).unwrap_or(u8::MAX),
                    followed: row.followed,
                    left_at: row.left_at.map(codec::number).transpose()?,
                })
            })
            .collect()
    }
}

impl Unit {
    /// Of these contracts those that are pinned, as they were last configured.
    pub async fn former_tokens(&mut self, slug: &Slug, addresses: &[Address]) -> Result<Vec<Token>, Error> {
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        let addresses: Vec<String> = addresses.iter().copied().map(codec::address_text).collect();
        let rows = sqlx::query!(
            r#"SELECT key, address, symbol, decimals, trim_scale(tolerance)::text AS "tolerance!" FROM tokens
                WHERE network = $1 AND address = ANY($2)"#,
            slug.as_str(),
            &addresses,
        )
        .fetch_all(self.connection())
        .await?;
        let unreadable = |what: String| Error::Unreadable(format!("token {what}"));
        rows.into_iter()
            .map(|row| {
                let decimals = u8::try_from(row.decimals).unwrap_or(u8::MAX);
                Ok(Token {
                    key: TokenKey::parse(&row.key).map_err(|error| unreadable(format!("{:?} {error}", row.key)))?,
                    address: codec::address(&row.address)?,
                    tolerance: Units::parse(&row.tolerance, decimals).map_err(|e| unreadable(e.to_string()))?,
                    symbol: row.symbol,
                    decimals,
                    min_partial: Percent(0),
                })
            })
            .collect()
    }

    /// Pins a token and follows it from the cursor on.
    pub async fn follow_token(&mut self, slug: &Slug, token: &Token) -> Result<(), Error> {
        sqlx::query!(
            "INSERT INTO tokens (network, key, address, symbol, decimals, tolerance, followed)
             VALUES ($1, $2, $3, $4, $5, $6::text::numeric, true)
             ON CONFLICT (network, key) DO UPDATE SET symbol = EXCLUDED.symbol, tolerance = EXCLUDED.tolerance, followed = true, left_at = NULL",
            slug.as_str(),
            token.key.as_str(),
            codec::address_text(token.address),
            token.symbol,
            i16::from(token.decimals),
            token.tolerance.to_decimal(token.decimals),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Stops following a token: neither look covers it any more. It is left at the second look's watermark: what was only
    /// seen above that is looked at again should the token come back.
    pub async fn leave_token(&mut self, slug: &Slug, key: &str) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE tokens SET followed = false, left_at = (SELECT confirmed_number FROM networks WHERE slug = $1)
             WHERE network = $1 AND key = $2 AND followed",
            slug.as_str(),
            key,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// A token that was left above this block was left at it: what is mined above it now nobody has looked at.
    pub async fn lower_left(&mut self, slug: &Slug, ancestor: BlockNumber) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE tokens SET left_at = $2 WHERE network = $1 AND left_at > $2",
            slug.as_str(),
            codec::height(ancestor),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
