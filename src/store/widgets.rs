//! Widgets and the digests of their client secrets. Not for what a widget allows: that is decided in
//! [`crate::deposits`].

use serde_json::Value;
use sqlx::{PgConnection, PgExecutor};

use super::errand::{Errand, to_the_end};
use super::{Error, Store, codec};
use crate::domain::{BusinessId, Time, WidgetId};

/// A widget: the rules by which sessions are opened through it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct WidgetRow {
    /// Its id.
    pub id: WidgetId,
    /// Whose it is.
    pub business_id: BusinessId,
    /// For people.
    pub name: String,
    /// `FIXED_AMOUNT` or `CUSTOMER_AMOUNT`.
    pub mode: String,
    /// Whole tokens.
    pub min_amount: Option<String>,
    /// Whole tokens.
    pub max_amount: Option<String>,
    /// Slugs; empty: all that are watched.
    pub allowed_networks: Vec<String>,
    /// Symbols; empty: all that are configured.
    pub allowed_currencies: Vec<String>,
    /// Lower case.
    pub allowed_deposit_addresses: Vec<String>,
    /// Host names in lower case; empty: all.
    pub allowed_domains: Vec<String>,
    /// Where a customer goes afterwards.
    pub success_url: Option<String>,
    /// Where a customer goes who gives up.
    pub cancel_url: Option<String>,
    /// What a page begins with.
    pub default_currency: Option<String>,
    /// What a page begins with.
    pub default_currency_address: Option<String>,
    /// What a page begins with.
    pub default_network: Option<String>,
    /// What a page begins with.
    pub default_deposit_address: Option<String>,
    /// JSON Schema that metadata must match.
    pub metadata_schema: Option<Value>,
    /// When it came.
    pub created_at: Time,
    /// Since when nothing is opened through it, or its business is closed.
    pub disabled_at: Option<Time>,
}

impl Store {
    /// Adds a widget with its first secret's digest; false where the business has as many as it may.
    pub async fn add_widget(&self, new: &WidgetRow, secret: &[u8; 32], at_most: i64) -> Result<bool, Error> {
        let (new, secret) = (new.clone(), *secret);
        to_the_end(&self.pool, async move |mut transaction: Errand| {
            if others(&mut transaction, &new.business_id, &new.id).await? >= at_most {
                transaction.rollback().await?;
                return Ok(false);
            }
            insert(&mut transaction, &new).await?;
            sqlx::query!("INSERT INTO widget_secrets (widget_id, digest) VALUES ($1, $2)", new.id.0, secret.as_slice())
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(true)
        })
        .await
    }

    /// The widget of this id.
    pub async fn widget(&self, id: &WidgetId) -> Result<Option<WidgetRow>, Error> {
        Ok(Store::widgets_of(&self.pool, std::slice::from_ref(id)).await?.pop())
    }

    /// All widgets, or a business's.
    pub async fn widgets(&self, business: Option<&BusinessId>) -> Result<Vec<WidgetRow>, Error> {
        let ids = sqlx::query_scalar!(
            "SELECT id FROM widgets WHERE $1::text IS NULL OR business_id = $1",
            business.map(|id| codec::name(&id.0)),
        )
        .fetch_all(&self.pool)
        .await?;
        let ids: Vec<WidgetId> = ids.into_iter().map(WidgetId).collect();
        Store::widgets_of(&self.pool, &ids).await
    }

    /// The widgets of these ids. Planned once, as sessions are ([`Store::view`]).
    pub(super) async fn widgets_of(connection: impl PgExecutor<'_>, ids: &[WidgetId]) -> Result<Vec<WidgetRow>, Error> {
        let ids: Vec<String> = ids.iter().map(|id| codec::name(&id.0).to_owned()).collect();
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT w.id, w.business_id, w.name, w.mode, trim_scale(w.min_amount)::text AS min_amount,
                      trim_scale(w.max_amount)::text AS max_amount, w.allowed_networks, w.allowed_currencies,
                      w.allowed_deposit_addresses, w.allowed_domains, w.success_url, w.cancel_url, w.default_currency,
                      w.default_currency_address, w.default_network, w.default_deposit_address, w.metadata_schema, w.created_at,
                      coalesce(w.disabled_at, b.disabled_at) AS disabled_at
                 FROM widgets w JOIN businesses b ON b.id = w.business_id
                WHERE w.id = ANY (ARRAY(SELECT unnest($1::text[]))) ORDER BY w.created_at, w.id"#,
            &ids,
        )
        .fetch_all(connection)
        .await?;
        Ok(rows.into_iter().map(WidgetRow::from).collect())
    }

    /// Closes a widget, if there is one of this id.
    pub async fn disable_widget(&self, id: &WidgetId) -> Result<(), Error> {
        sqlx::query!("UPDATE widgets SET disabled_at = coalesce(disabled_at, now()) WHERE id = $1", codec::name(&id.0))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Opens a widget again; false where its business has as many as it may.
    pub async fn enable_widget(&self, id: &WidgetId, business: &BusinessId, at_most: i64) -> Result<bool, Error> {
        let (id, business) = (id.clone(), business.clone());
        to_the_end(&self.pool, async move |mut transaction: Errand| {
            let others = others(&mut transaction, &business, &id).await?;
            if others >= at_most {
                transaction.rollback().await?;
                return Ok(false);
            }
            sqlx::query!("UPDATE widgets SET disabled_at = NULL WHERE id = $1", codec::name(&id.0))
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(true)
        })
        .await
    }

    /// Digests of the secrets that a widget knows now.
    pub async fn widget_digests(&self, id: &WidgetId) -> Result<Vec<Vec<u8>>, Error> {
        Ok(sqlx::query_scalar!(
            "SELECT digest FROM widget_secrets WHERE widget_id = $1 AND (expires_at IS NULL OR expires_at > clock_timestamp())",
            codec::name(&id.0),
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Gives a widget another secret; those before are good for so many seconds more. False where there is no such widget.
    pub async fn rotate_widget(&self, id: &WidgetId, secret: &[u8; 32], overlap: f64) -> Result<bool, Error> {
        let (id, secret) = (id.clone(), *secret);
        to_the_end(&self.pool, async move |mut transaction: Errand| {
            let found = sqlx::query!("SELECT id FROM widgets WHERE id = $1 FOR UPDATE", codec::name(&id.0))
                .fetch_optional(&mut *transaction)
                .await?;
            if found.is_none() {
                transaction.rollback().await?;
                return Ok(false);
            }
            sqlx::query!(
                "UPDATE widget_secrets SET expires_at = least(expires_at, now() + make_interval(secs => $2)) WHERE widget_id = $1",
                id.0,
                overlap,
            )
            .execute(&mut *transaction)
            .await?;
            sqlx::query!("INSERT INTO widget_secrets (widget_id, digest) VALUES ($1, $2)", id.0, secret.as_slice())
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(true)
        })
        .await
    }
}

/// How many other widgets of the business are active. Whoever asks at the same moment waits, and counts this one.
async fn others(connection: &mut PgConnection, business: &BusinessId, but: &WidgetId) -> Result<i64, Error> {
    sqlx::query!("SELECT id FROM businesses WHERE id = $1 FOR UPDATE", business.0).fetch_one(&mut *connection).await?;
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "active!" FROM widgets WHERE business_id = $1 AND id <> $2 AND disabled_at IS NULL"#,
        business.0,
        but.0,
    );
    Ok(count.fetch_one(connection).await?)
}

async fn insert(connection: &mut PgConnection, new: &WidgetRow) -> Result<(), Error> {
    sqlx::query!(
        "INSERT INTO widgets (id, business_id, name, mode, min_amount, max_amount, allowed_networks, allowed_currencies,
                allowed_deposit_addresses, allowed_domains, success_url, cancel_url, default_currency, default_currency_address,
                default_network, default_deposit_address, metadata_schema)
         VALUES ($1, $2, $3, $4, $5::text::numeric, $6::text::numeric, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        new.id.0,
        new.business_id.0,
        new.name,
        new.mode,
        new.min_amount,
        new.max_amount,
        &new.allowed_networks,
        &new.allowed_currencies,
        &new.allowed_deposit_addresses,
        &new.allowed_domains,
        new.success_url,
        new.cancel_url,
        new.default_currency,
        new.default_currency_address,
        new.default_network,
        new.default_deposit_address,
        new.metadata_schema,
    )
    .execute(connection)
    .await?;
    Ok(())
}

struct Row {
    id: String,
    business_id: String,
    name: String,
    mode: String,
    min_amount: Option<String>,
    max_amount: Option<String>,
    allowed_networks: Vec<String>,
    allowed_currencies: Vec<String>,
    allowed_deposit_addresses: Vec<String>,
    allowed_domains: Vec<String>,
    success_url: Option<String>,
    cancel_url: Option<String>,
    default_currency: Option<String>,
    default_currency_address: Option<String>,
    default_network: Option<String>,
    default_deposit_address: Option<String>,
    metadata_schema: Option<Value>,
    created_at: Time,
    disabled_at: Option<Time>,
}

impl From<Row> for WidgetRow {
    fn from(row: Row) -> Self {
        WidgetRow {
            id: WidgetId(row.id),
            business_id: BusinessId(row.business_id),
            name: row.name,
            mode: row.mode,
            min_amount: row.min_amount,
            max_amount: row.max_amount,
            allowed_networks: row.allowed_networks,
            allowed_currencies: row.allowed_currencies,
            allowed_deposit_addresses: row.allowed_deposit_addresses,
            allowed_domains: row.allowed_domains,
            success_url: row.success_url,
            cancel_url: row.cancel_url,
            default_currency: row.default_currency,
            default_currency_address: row.default_currency_address,
            default_network: row.default_network,
            default_deposit_address: row.default_deposit_address,
            metadata_schema: row.metadata_schema,
            created_at: row.created_at,
            disabled_at: row.disabled_at,
        }
    }
}
