//! Businesses and the keys that sign their bearer tokens. Not for widgets ([`super::widgets`]).

use sqlx::{Postgres, Transaction};

use super::unit::to_the_end;
use super::{Error, Store, codec};
use crate::domain::{ApiKeyId, BusinessId, Time, WidgetId};

/// A business.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BusinessRow {
    /// Its id.
    pub id: BusinessId,
    /// For people.
    pub name: String,
    /// When it came.
    pub created_at: Time,
    /// Since when nothing of it is open to anybody.
    pub disabled_at: Option<Time>,
}

/// A key, without what is secret of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ApiKeyRow {
    /// Its id: the `kid` of tokens.
    pub id: ApiKeyId,
    /// Whose tokens it signs.
    pub business_id: BusinessId,
    /// For people.
    pub name: String,
    /// `HS256` or `EdDSA`.
    pub algorithm: String,
    /// By whose rules payments are made that are asked for with its tokens.
    pub widget_id: Option<WidgetId>,
    /// When it came.
    pub created_at: Time,
    /// From when on it is no longer good.
    pub expires_at: Option<Time>,
    /// Since when it is not good.
    pub disabled_at: Option<Time>,
}

/// What verifies a token's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyMaterial {
    /// HS256: the secret, sealed for the row of the key's id.
    Sealed(Vec<u8>),
    /// EdDSA: the Ed25519 public key, 32 bytes.
    Public(Vec<u8>),
}

impl KeyMaterial {
    fn algorithm(&self) -> &'static str {
        match self {
            KeyMaterial::Sealed(_) => "HS256",
            KeyMaterial::Public(_) => "EdDSA",
        }
    }

    /// `sealed` and `public_key`
    fn columns(&self) -> (Option<&[u8]>, Option<&[u8]>) {
        match self {
            KeyMaterial::Sealed(sealed) => (Some(sealed), None),
            KeyMaterial::Public(public) => (None, Some(public)),
        }
    }
}

impl Store {
    /// Adds a business; false where the id is taken.
    pub async fn add_business(&self, id: &BusinessId, name: &str) -> Result<bool, Error> {
        let added =
            sqlx::query!("INSERT INTO businesses (id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING", id.0, name)
                .execute(&self.pool)
                .await?;
        Ok(added.rows_affected() == 1)
    }

    /// All businesses, or the one of this id.
    pub async fn businesses(&self, id: Option<&BusinessId>) -> Result<Vec<BusinessRow>, Error> {
        let rows = sqlx::query!(
            "SELECT id, name, created_at, disabled_at FROM businesses WHERE $1::text IS NULL OR id = $1 ORDER BY created_at, id",
            id.map(|id| codec::name(&id.0)),
        )
        .fetch_all(&self.pool)
        .await?;
        let business = rows.into_iter().map(|row| BusinessRow {
            id: BusinessId(row.id),
            name: row.name,
            created_at: row.created_at,
            disabled_at: row.disabled_at,
        });
        Ok(business.collect())
    }

    /// Opens or closes a business to everybody who asks for it; false where there is none.
    pub async fn set_business_disabled(&self, id: &BusinessId, disabled: bool) -> Result<bool, Error> {
        let set = sqlx::query!(
            "UPDATE businesses SET disabled_at = CASE WHEN $2 THEN coalesce(disabled_at, now()) END WHERE id = $1",
            codec::name(&id.0),
            disabled,
        )
        .execute(&self.pool)
        .await?;
        Ok(set.rows_affected() == 1)
    }

    /// Adds a key to a business, bound to a widget of it or to none.
    pub async fn add_api_key(
        &self,
        id: &ApiKeyId,
        business: &BusinessId,
        name: &str,
        widget: Option<&WidgetId>,
        material: &KeyMaterial,
    ) -> Result<(), Error> {
        let (sealed, public) = material.columns();
        sqlx::query!(
            "INSERT INTO api_keys (id, business_id, name, algorithm, sealed, public_key, widget_id) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            codec::name(&id.0),
            business.0,
            name,
            material.algorithm(),
            sealed,
            public,
            widget.map(|id| codec::name(&id.0)),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Keys of this id, of this business, or all.
    pub async fn api_keys(
        &self,
        id: Option<&ApiKeyId>,
        business: Option<&BusinessId>,
    ) -> Result<Vec<ApiKeyRow>, Error> {
        let rows = sqlx::query!(
            "SELECT id, business_id, name, algorithm, widget_id, created_at, expires_at, disabled_at FROM api_keys
              WHERE ($1::text IS NULL OR id = $1) AND ($2::text IS NULL OR business_id = $2) ORDER BY created_at, id",
            id.map(|id| codec::name(&id.0)),
            business.map(|id| codec::name(&id.0)),
        )
        .fetch_all(&self.pool)
        .await?;
        let key = rows.into_iter().map(|row| ApiKeyRow {
            id: ApiKeyId(row.id),
            business_id: BusinessId(row.business_id),
            name: row.name,
            algorithm: row.algorithm,
            widget_id: row.widget_id.map(WidgetId),
            created_at: row.created_at,
            expires_at: row.expires_at,
            disabled_at: row.disabled_at,
        });
        Ok(key.collect())
    }

    /// Whose tokens a key signs and what verifies them; nothing where key or business is unknown, disabled or expired.
    pub async fn signing_key(&self, id: &ApiKeyId) -> Result<Option<(BusinessId, KeyMaterial)>, Error> {
        let row = sqlx::query!(
            "SELECT k.business_id, k.sealed, k.public_key FROM api_keys k JOIN businesses b ON b.id = k.business_id
              WHERE k.id = $1 AND k.disabled_at IS NULL AND b.disabled_at IS NULL
                AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())",
            codec::name(&id.0),
        )
        .fetch_optional(&self.pool)
        .await?;
        let material = |row: (String, Option<Vec<u8>>, Option<Vec<u8>>)| {
            let (business, sealed, public) = row;
            let material = sealed.map(KeyMaterial::Sealed).or(public.map(KeyMaterial::Public))?;
            Some((BusinessId(business), material))
        };
        Ok(row.and_then(|row| material((row.business_id, row.sealed, row.public_key))))
    }

    /// Ends a key at once; false where there is none.
    pub async fn disable_api_key(&self, id: &ApiKeyId) -> Result<bool, Error> {
        let set = sqlx::query!(
            "UPDATE api_keys SET disabled_at = coalesce(disabled_at, now()) WHERE id = $1",
            codec::name(&id.0)
        )
        .execute(&self.pool)
        .await?;
        Ok(set.rows_affected() == 1)
    }

    /// Adds a key with name, business and widget of another, and ends that one in so many seconds, or sooner where that was said
    /// before; false where it is not good any more.
    pub async fn rotate_api_key(
        &self,
        before: &ApiKeyId,
        id: &ApiKeyId,
        material: &KeyMaterial,
        overlap: f64,
    ) -> Result<bool, Error> {
        let (before, id, material) = (before.clone(), id.clone(), material.clone());
        to_the_end(&self.pool, async move |mut transaction: Transaction<'static, Postgres>| {
            let ending = sqlx::query!(
                "UPDATE api_keys SET expires_at = least(expires_at, clock_timestamp() + make_interval(secs => $2))
                  WHERE id = $1 AND disabled_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())",
                codec::name(&before.0),
                overlap,
            )
            .execute(&mut *transaction)
            .await?;
            if ending.rows_affected() == 0 {
                transaction.rollback().await?;
                return Ok(false);
            }
            let (sealed, public) = material.columns();
            sqlx::query!(
                "INSERT INTO api_keys (id, business_id, name, algorithm, sealed, public_key, widget_id)
                 SELECT $1, business_id, name, $3, $4, $5, widget_id FROM api_keys WHERE id = $2",
                id.0,
                before.0,
                material.algorithm(),
                sealed,
                public,
            )
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            Ok(true)
        })
        .await
    }
}
