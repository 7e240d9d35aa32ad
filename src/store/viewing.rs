//! Sessions as their openers see them, by id and by widget. Not for the operator's own lists ([`super::overview`]).

use serde_json::Value;

use sqlx::PgExecutor;

use super::errand::{Errand, to_the_end};
use super::{Error, Store, codec};
use crate::domain::{BusinessId, SessionId, Time, WidgetId};

/// A session as it stands.
#[derive(Debug, Clone)]
pub struct ViewedSession {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub business: BusinessId,
    /// That business is disabled.
    pub shut: bool,
    /// By which widget it was opened.
    pub widget: Option<WidgetId>,
    /// `deposit_sessions.payment_status`
    pub status: String,
    /// Whole tokens, as are all amounts here.
    pub amount: String,
    /// What was asked for before the amount was kept apart from others.
    pub requested: String,
    /// Sum of the transfers that stand.
    pub received: String,
    /// Sum of the confirmed ones.
    pub confirmed: String,
    /// What is still due; 0 once it is paid, or what came counts as all of it.
    pub missing: String,
    /// Symbol.
    pub currency: String,
    /// Slug.
    pub network: String,
    /// As it was given.
    pub currency_address: String,
    /// As it was given.
    pub deposit_address: String,
    /// The newest transfer that stands.
    pub tx_id: Option<String>,
    /// `server` or `widget`.
    pub opened_by: String,
    /// The opener's own.
    pub reference: Option<String>,
    /// The customer's e-mail address.
    pub email: Option<String>,
    /// As it was given.
    pub metadata: Option<Value>,
    /// When it was opened.
    pub created_at: Time,
    /// Until when it takes money.
    pub expires_at: Time,
    /// When it was cancelled.
    pub cancelled_at: Option<Time>,
    /// When it became CONFIRMED or OVERPAID.
    pub confirmed_at: Option<Time>,
    /// It waits for no more money.
    pub closed: bool,
    /// What was confirmed once was so no longer: it left the chain, or a person took it from the session.
    pub reverted: bool,
    /// Its last transfer left the chain, and none came since.
    pub lost: bool,
    /// The least among its transfers.
    pub confirmations: Option<u64>,
}

/// Which of a widget's sessions are listed.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// Only in this status.
    pub status: Option<String>,
    /// Only with this reference of the opener's.
    pub reference: Option<String>,
    /// Only those that come after this one in the list.
    pub after: Option<(Time, SessionId)>,
}

impl Store {
    /// The sessions of these ids that exist, in no order. ARRAY hides from the planner how many they are: it plans once, and
    /// not for every number of them.
    pub(super) async fn view(connection: impl PgExecutor<'_>, ids: &[SessionId]) -> Result<Vec<ViewedSession>, Error> {
        let ids: Vec<String> = ids.iter().map(|id| codec::name(&id.0).to_owned()).collect();
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT s.id, coalesce(s.business_id, 'default') AS "business!",
                      EXISTS (SELECT FROM businesses b WHERE b.id = coalesce(s.business_id, 'default') AND b.disabled_at IS NOT NULL) AS "shut!",
                      s.widget_id, s.payment_status,
                      trim_scale(s.amount)::text AS "amount!", trim_scale(coalesce(s.requested_amount, s.amount))::text AS "requested!",
                      trim_scale(s.received_amount)::text AS "received!", trim_scale(s.confirmed_amount)::text AS "confirmed!",
                      trim_scale(CASE WHEN s.payment_status IN ('CONFIRMED', 'OVERPAID') OR s.received_amount >= s.amount - s.tolerance THEN 0
                                      ELSE greatest(0, s.amount - s.received_amount) END)::text AS "missing!",
                      s.currency, s.network, s.currency_address, s.deposit_address, s.tx_id, s.opened_by, s.customer_reference,
                      s.customer_email, s.metadata, s.created_at, s.expires_at, s.cancelled_at, s.confirmed_at, s.closed_at IS NOT NULL AS "closed!",
                      EXISTS (SELECT FROM events e WHERE e.session_id = s.id AND e.type = 'deposit.reverted') AS "reverted!", s.lost_at_block IS NOT NULL AS "lost!",
                      (SELECT n.scanned_number - max(t.block_number) + 1 FROM transfers t, networks n
                        WHERE t.session_id = s.id AND t.state <> 'ORPHANED' AND n.slug = s.network GROUP BY n.scanned_number) AS confirmations
                 FROM deposit_sessions s WHERE s.id = ANY (ARRAY(SELECT unnest($1::text[])))"#,
            &ids,
        )
        .fetch_all(connection)
        .await?;
        Ok(rows.into_iter().map(ViewedSession::from).collect())
    }

    /// The same on a connection of the pool.
    pub async fn view_sessions(&self, ids: &[SessionId]) -> Result<Vec<ViewedSession>, Error> {
        Store::view(&self.pool, ids).await
    }

    /// A widget's sessions, newest first, `limit` of them at most.
    pub async fn list_widget_sessions(
        &self,
        widget: &WidgetId,
        filter: &SessionFilter,
        limit: i64,
    ) -> Result<Vec<ViewedSession>, Error> {
        let (after_time, after_id) = filter.after.as_ref().map(|(time, id)| (*time, id.0.clone())).unzip();
        let (widget, filter) = (codec::name(&widget.0).to_owned(), filter.clone());
        let ids = to_the_end(&self.pool, async move |mut transaction: Errand| {
            // Other programs may write any widget beside any business: only the widget's own business is listed.
            let ids = sqlx::query_scalar!(
                "SELECT id FROM deposit_sessions
                  WHERE widget_id = $1 AND coalesce(business_id, 'default') = (SELECT business_id FROM widgets WHERE id = $1)
                    AND ($2::text IS NULL OR payment_status = $2) AND ($3::text IS NULL OR customer_reference = $3)
                    AND ($4::timestamptz IS NULL OR (created_at, id) < ($4, $5::text))
                  ORDER BY created_at DESC, id DESC LIMIT $6",
                widget,
                filter.status,
                filter.reference,
                after_time,
                after_id,
                limit,
            )
            .fetch_all(&mut *transaction)
            .await?;
            transaction.rollback().await?;
            Ok(ids)
        })
        .await?;
        let ids: Vec<SessionId> = ids.into_iter().map(SessionId).collect();
        let mut sessions = self.view_sessions(&ids).await?;
        // As the database orders them: two ids of one moment may stand otherwise by their bytes.
        sessions.sort_by_key(|session| ids.iter().position(|id| *id == session.id));
        Ok(sessions)
    }
}

struct Row {
    id: String,
    business: String,
    shut: bool,
    widget_id: Option<String>,
    payment_status: String,
    amount: String,
    requested: String,
    received: String,
    confirmed: String,
    missing: String,
    currency: String,
    network: String,
    currency_address: String,
    deposit_address: String,
    tx_id: Option<String>,
    opened_by: String,
    customer_reference: Option<String>,
    customer_email: Option<String>,
    metadata: Option<Value>,
    created_at: Time,
    expires_at: Time,
    cancelled_at: Option<Time>,
    confirmed_at: Option<Time>,
    closed: bool,
    reverted: bool,
    lost: bool,
    confirmations: Option<i64>,
}

impl From<Row> for ViewedSession {
    fn from(row: Row) -> Self {
        ViewedSession {
            id: SessionId(row.id),
            business: BusinessId(row.business),
            shut: row.shut,
            widget: row.widget_id.map(WidgetId),
            status: row.payment_status,
            amount: row.amount,
            requested: row.requested,
            received: row.received,
            confirmed: row.confirmed,
            missing: row.missing,
            currency: row.currency,
            network: row.network,
            currency_address: row.currency_address,
            deposit_address: row.deposit_address,
            tx_id: row.tx_id,
            opened_by: row.opened_by,
            reference: row.customer_reference,
            email: row.customer_email,
            metadata: row.metadata,
            created_at: row.created_at,
            expires_at: row.expires_at,
            cancelled_at: row.cancelled_at,
            confirmed_at: row.confirmed_at,
            closed: row.closed,
            reverted: row.reverted,
            lost: row.lost,
            confirmations: row.confirmations.map(|blocks| codec::count(blocks.max(0))),
        }
    }
}
