//! Payments by link as they stand, and that a link was opened: by the database's clock. Not for what else changes them
//! ([`super::payment_steps`]).

use serde_json::Value;

use super::{Error, Store, WidgetRow, codec};
use crate::domain::{ApiKeyId, BusinessId, SessionId, Time, WidgetId};

/// A payment as it stands.
#[derive(Debug, Clone)]
pub struct PaymentRow {
    /// The business's own id: a UUID in lower case.
    pub deposit_id: String,
    /// Whose it is.
    pub business: BusinessId,
    /// What that business is called.
    pub business_name: String,
    /// That business is disabled.
    pub shut: bool,
    /// By whose rules it is paid.
    pub widget: WidgetId,
    /// The widget's.
    pub allowed_domains: Vec<String>,
    /// The least that its widget takes, in whole tokens.
    pub least: Option<String>,
    /// The most.
    pub most: Option<String>,
    /// Digest of what its link carries.
    pub token: Vec<u8>,
    /// Authenticated digest of what was asked.
    pub request: Vec<u8>,
    /// Whole tokens; absent where the customer says how much.
    pub amount: Option<String>,
    /// Where the customer goes afterwards.
    pub return_url: String,
    /// What a statement is to say.
    pub statement: Option<String>,
    /// What it is for.
    pub reason: Option<String>,
    /// ISO 3166-1 alpha-3.
    pub country: Option<String>,
    /// `EN` or `FR`.
    pub language: Option<String>,
    /// Pairs of name and value.
    pub metadata: Value,
    /// What is personal of it, sealed.
    pub pii: Option<Vec<u8>>,
    /// When it was asked for.
    pub created_at: Time,
    /// From then on a link that was not opened is dead.
    pub opens_until: Time,
    /// Until when its session takes money.
    pub expires_at: Time,
    /// When its link was first opened.
    pub opened_at: Option<Time>,
    /// When the customer gave up.
    pub cancelled_at: Option<Time>,
    /// The session by which it is paid.
    pub session: Option<SessionId>,
    /// What time the database had then.
    pub now: Time,
}

impl Store {
    /// The widget that a key is bound to, whatever its state.
    pub async fn widget_of_key(&self, key: &ApiKeyId) -> Result<Option<WidgetRow>, Error> {
        let bound = sqlx::query_scalar!("SELECT widget_id FROM api_keys WHERE id = $1", codec::name(&key.0));
        match bound.fetch_optional(&self.pool).await?.flatten() {
            Some(widget) => self.widget(&WidgetId(widget)).await,
            None => Ok(None),
        }
    }

    /// The payment of this id.
    pub async fn payment(&self, business: &BusinessId, deposit_id: &str) -> Result<Option<PaymentRow>, Error> {
        self.find_payment(None, Some((business, deposit_id))).await
    }

    /// The payment of the link that carries this.
    pub async fn linked_payment(&self, token: &[u8; 32]) -> Result<Option<PaymentRow>, Error> {
        self.find_payment(Some(token), None).await
    }

    async fn find_payment(
        &self,
        token: Option<&[u8; 32]>,
        id: Option<(&BusinessId, &str)>,
    ) -> Result<Option<PaymentRow>, Error> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT p.deposit_id, p.business_id, b.name AS business_name, b.disabled_at IS NOT NULL AS "shut!", p.widget_id,
                      w.allowed_domains, trim_scale(w.min_amount)::text AS least, trim_scale(w.max_amount)::text AS most,
                      p.token, p.request, trim_scale(p.amount)::text AS amount, p.return_url, p.statement_description, p.reason,
                      p.country, p.language, p.metadata, p.pii, p.created_at, p.opens_until, p.expires_at, p.opened_at, p.cancelled_at,
                      p.session_id, clock_timestamp() AS "now!"
                 FROM payments p JOIN businesses b ON b.id = p.business_id JOIN widgets w ON w.id = p.widget_id
                WHERE p.token = $1 OR (p.business_id = $2 AND p.deposit_id = $3)"#,
            token.map(<[u8; 32]>::as_slice),
            id.map(|(business, _)| codec::name(&business.0)),
            id.map(|(_, deposit)| codec::name(deposit)),
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(PaymentRow::from))
    }

    /// Notes that a link was opened, if it is the first time and in time.
    pub async fn open_payment(&self, token: &[u8; 32]) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE payments SET opened_at = clock_timestamp()
              WHERE token = $1 AND opened_at IS NULL AND opens_until > clock_timestamp()",
            token.as_slice(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

struct Row {
    deposit_id: String,
    business_id: String,
    business_name: String,
    shut: bool,
    widget_id: String,
    allowed_domains: Vec<String>,
    least: Option<String>,
    most: Option<String>,
    token: Vec<u8>,
    request: Vec<u8>,
    amount: Option<String>,
    return_url: String,
    statement_description: Option<String>,
    reason: Option<String>,
    country: Option<String>,
    language: Option<String>,
    metadata: Value,
    pii: Option<Vec<u8>>,
    created_at: Time,
    opens_until: Time,
    expires_at: Time,
    opened_at: Option<Time>,
    cancelled_at: Option<Time>,
    session_id: Option<String>,
    now: Time,
}

impl From<Row> for PaymentRow {
    fn from(row: Row) -> Self {
        PaymentRow {
            deposit_id: row.deposit_id,
            business: BusinessId(row.business_id),
            business_name: row.business_name,
            shut: row.shut,
            widget: WidgetId(row.widget_id),
            allowed_domains: row.allowed_domains,
            least: row.least,
            most: row.most,
            token: row.token,
            request: row.request,
            amount: row.amount,
            return_url: row.return_url,
            statement: row.statement_description,
            reason: row.reason,
            country: row.country,
            language: row.language,
            metadata: row.metadata,
            pii: row.pii,
            created_at: row.created_at,
            opens_until: row.opens_until,
            expires_at: row.expires_at,
            opened_at: row.opened_at,
            cancelled_at: row.cancelled_at,
            session: row.session_id.map(SessionId),
            now: row.now,
        }
    }
}
