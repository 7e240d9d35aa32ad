//! Opens and cancels sessions for our own API and command line: unmarked, so the guards hold for us as for others.
//! Amount, session, address and the kept answer come in one transaction. Not for the rules of who may open what.

use serde_json::Value;
use sqlx::{PgConnection, Postgres, Transaction};

use super::unit::to_the_end;
use super::{Error, Store, codec};
use crate::domain::{Address, BusinessId, SessionId, Slug, Time, WidgetId};

/// A session to open.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// Whose it is; `default` where absent.
    pub business: Option<BusinessId>,
    /// By which widget.
    pub widget: Option<WidgetId>,
    /// `server` or `widget`: who says what it holds.
    pub opened_by: &'static str,
    /// Whole tokens.
    pub amount: String,
    /// Symbol of the token.
    pub currency: String,
    /// Where.
    pub network: Slug,
    /// Token contract.
    pub token: Address,
    /// Destination.
    pub to: Address,
    /// How long it lives, in seconds.
    pub lives: f64,
    /// The customer's e-mail address.
    pub email: Option<String>,
    /// The opener's own reference.
    pub reference: Option<String>,
    /// Whatever the opener wants to find again.
    pub metadata: Option<Value>,
}

/// How its amount is reserved.
#[derive(Debug, Clone, Copy)]
pub struct Reservation {
    /// `bump`, `tag`, `reject` or `allow`.
    pub clash: &'static str,
    /// Seconds for which the amount of a closed session stays taken.
    pub reuse_after: f64,
}

/// Under what a request may be sent again.
#[derive(Debug, Clone)]
pub struct RequestKey {
    /// Whose key it is.
    pub business: BusinessId,
    /// What proved who asks: keys of different credentials are different.
    pub credential: String,
    /// What was asked for.
    pub route: &'static str,
    /// As the client chose it.
    pub key: String,
    /// Digest of what was asked.
    pub request: [u8; 32],
}

/// What came of opening.
#[derive(Debug)]
pub enum OpenOutcome {
    /// It is open, with this amount and until then.
    Opened(String, Time),
    /// The same was asked before: what was answered then.
    Again(Value),
    /// The key was used for something else.
    KeyReused,
    /// The first request with this key is still under way.
    KeyBusy,
    /// The address is another business's.
    AnothersAddress,
}

impl Store {
    /// Reserves an amount and opens the session. With a key, `answer` makes of amount and expiry what is kept for the next
    /// one who comes with it. Once begun, it is done though the caller goes away.
    pub async fn open_session(
        &self,
        new: &NewSession,
        reservation: Reservation,
        key: Option<&RequestKey>,
        answer: impl Fn(&str, Time) -> Value + Send + Sync + 'static,
    ) -> Result<OpenOutcome, Error> {
        let (asked, key) = (new.clone(), key.cloned());
        let done = to_the_end(&self.pool, async move |mut transaction: Transaction<'static, Postgres>| {
            let outcome = open(&mut transaction, &asked, reservation, key.as_ref(), &answer).await;
            if let Ok(OpenOutcome::Opened(..)) = outcome {
                transaction.commit().await?;
                return outcome;
            }
            // Said aloud: one that is dropped is rolled back some time later, and until then its key is busy.
            let _ = transaction.rollback().await;
            outcome
        });
        match done.await {
            // Of two businesses that come at the same moment, the later must not learn whose amount it met.
            Err(Error::Refused { rule, .. }) if rule == "amount_claims_pkey" && self.is_anothers(new).await? => {
                Ok(OpenOutcome::AnothersAddress)
            }
            done => done,
        }
    }

    /// Whether another business has the address, or is about to, perhaps by an outside program. Asks as if to take it, in a
    /// transaction that holds nothing else: so it waits for whoever uses it right now, and nobody waits for it in turn.
    pub(super) async fn is_anothers(&self, new: &NewSession) -> Result<bool, Error> {
        let new = new.clone();
        to_the_end(&self.pool, async move |mut transaction: Transaction<'static, Postgres>| {
            sqlx::query!(
                "INSERT INTO deposit_addresses (address, business_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                codec::address_text(new.to),
                business(&new),
            )
            .execute(&mut *transaction)
            .await?;
            let anothers = anothers(&mut transaction, &new).await?;
            transaction.rollback().await?;
            Ok(anothers)
        })
        .await
    }

    /// What was answered under a key, or why nothing is; nothing where the key is new.
    pub async fn known_request(&self, key: &RequestKey) -> Result<Option<OpenOutcome>, Error> {
        let key = key.clone();
        to_the_end(&self.pool, async move |mut transaction: Transaction<'static, Postgres>| {
            let known = known(&mut transaction, &key).await?;
            transaction.rollback().await?;
            Ok(known)
        })
        .await
    }

    /// Cancels an open session; false when there is none of this id that is open.
    pub async fn cancel_session(&self, id: &SessionId) -> Result<bool, Error> {
        let cancelled = sqlx::query!(
            "UPDATE deposit_sessions SET cancelled_at = clock_timestamp() WHERE id = $1 AND closed_at IS NULL AND cancelled_at IS NULL",
            codec::name(&id.0),
        )
        .execute(&self.pool)
        .await?;
        Ok(cancelled.rows_affected() == 1)
    }

    /// Cancels a session for which no money was seen; false when there is none of this id that is so. Whoever holds the
    /// row is waited for, but not for long.
    pub async fn cancel_unpaid_session(&self, id: &SessionId) -> Result<bool, Error> {
        let id = codec::name(&id.0).to_owned();
        to_the_end(&self.pool, async move |mut transaction: Transaction<'static, Postgres>| {
            let cancelled = cancel_unpaid(&mut transaction, &id).await?;
            transaction.commit().await?;
            Ok(cancelled)
        })
        .await
    }

    /// Forgets some answers that are older than a day; how many.
    pub async fn purge_requests(&self, at_most: i64) -> Result<u64, Error> {
        let purged = sqlx::query!(
            "DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM idempotency_keys WHERE created_at < now() - interval '24 hours' ORDER BY created_at LIMIT $1
                   FOR UPDATE SKIP LOCKED))",
            at_most,
        )
        .execute(&self.pool)
        .await?;
        Ok(purged.rows_affected())
    }
}

pub(super) async fn cancel_unpaid(connection: &mut PgConnection, id: &str) -> Result<bool, Error> {
    // The clock, not now(): where the row had to be waited for, money may have come since the statement began.
    let cancelled = sqlx::query!(
        "UPDATE deposit_sessions SET cancelled_at = clock_timestamp()
          WHERE id = $1 AND closed_at IS NULL AND cancelled_at IS NULL AND payment_status IN ('CREATED', 'PENDING')
            AND tx_id IS NULL AND received_amount = 0",
        id,
    )
    .execute(connection)
    .await?;
    Ok(cancelled.rows_affected() == 1)
}

pub(super) async fn open(
    connection: &mut PgConnection,
    new: &NewSession,
    reservation: Reservation,
    key: Option<&RequestKey>,
    answer: &(impl Fn(&str, Time) -> Value + Sync),
) -> Result<OpenOutcome, Error> {
    if let Some(key) = key
        && let Some(known) = known(connection, key).await?
    {
        return Ok(known);
    }
    // Asked first: whether an amount is free at another's address is told to nobody.
    if owner(connection, new).await?.is_none() {
        wait_for_first_use(connection, new).await?;
    }
    if anothers(connection, new).await? {
        return Ok(OpenOutcome::AnothersAddress);
    }
    let (amount, expires_at) = insert(connection, new, reservation).await?;
    // And asked after the insert: an outside program that used the address first at the same moment has committed by now.
    if anothers(connection, new).await? {
        return Ok(OpenOutcome::AnothersAddress);
    }
    if let Some(key) = key {
        keep(connection, key, &answer(&amount, expires_at)).await?;
    }
    Ok(OpenOutcome::Opened(amount, expires_at))
}

async fn insert(
    connection: &mut PgConnection,
    new: &NewSession,
    reservation: Reservation,
) -> Result<(String, Time), Error> {
    let row = sqlx::query!(
        r#"INSERT INTO deposit_sessions (id, amount, requested_amount, currency, network, currency_address, deposit_address, customer_reference, expires_at,
                                         business_id, widget_id, opened_by, customer_email, metadata)
           VALUES ($1, deposit_watcher_reserve($4, $5, $6, $2::text::numeric, $8, make_interval(secs => $9)), $2::text::numeric, $3, $4, $5, $6, $7,
                   now() + make_interval(secs => $10), $11, $12, $13, $14, $15)
           RETURNING trim_scale(amount)::text AS "amount!", expires_at"#,
        new.id.0,
        new.amount,
        new.currency,
        new.network.as_str(),
        codec::address_text(new.token),
        codec::address_text(new.to),
        new.reference,
        reservation.clash,
        reservation.reuse_after,
        new.lives,
        new.business.as_ref().map(|id| id.0.as_str()),
        new.widget.as_ref().map(|id| id.0.as_str()),
        new.opened_by,
        new.email,
        new.metadata,
    )
    .fetch_one(connection)
    .await?;
    Ok((row.amount, row.expires_at))
}

fn business(new: &NewSession) -> &str {
    new.business.as_ref().map_or("default", |id| &id.0)
}

/// Whether the address is another business's.
async fn anothers(connection: &mut PgConnection, new: &NewSession) -> Result<bool, Error> {
    Ok(owner(connection, new).await?.is_some_and(|owner| owner != business(new)))
}

/// Whose the address is, if anybody's.
async fn owner(connection: &mut PgConnection, new: &NewSession) -> Result<Option<String>, Error> {
    let address = codec::address_text(new.to);
    let owner = sqlx::query_scalar!("SELECT business_id FROM deposit_addresses WHERE address = $1", address);
    Ok(owner.fetch_optional(connection).await?)
}

/// Whoever opens the first session at an address is alone with it until it is known whose it is. A lock of its own: rows
/// would be locked in another order than outside programs do.
async fn wait_for_first_use(connection: &mut PgConnection, new: &NewSession) -> Result<(), Error> {
    sqlx::query!(
        r#"SELECT pg_advisory_xact_lock(hashtextextended($1::text, 4)) IS NULL AS "locked""#,
        codec::address_text(new.to),
    )
    .fetch_one(connection)
    .await?;
    Ok(())
}

/// What is known of a key already; nothing for a new one, which is ours until the transaction ends.
async fn known(connection: &mut PgConnection, key: &RequestKey) -> Result<Option<OpenOutcome>, Error> {
    let lock = sqlx::query!(
        r#"SELECT pg_try_advisory_xact_lock(hashtextextended(concat_ws(' ', $1::text, $2::text, $3::text, $4::text), 3)) AS "ours!""#,
        key.business.0,
        key.credential,
        key.route,
        key.key,
    )
    .fetch_one(&mut *connection)
    .await?;
    if !lock.ours {
        return Ok(Some(OpenOutcome::KeyBusy));
    }
    let kept = sqlx::query!(
        "SELECT request, answer FROM idempotency_keys
          WHERE business_id = $1 AND credential = $2 AND route = $3 AND key = $4 AND created_at > now() - interval '24 hours'",
        key.business.0,
        key.credential,
        key.route,
        key.key,
    )
    .fetch_optional(connection)
    .await?;
    Ok(kept.map(|kept| match kept.request == key.request {
        true => OpenOutcome::Again(kept.answer),
        false => OpenOutcome::KeyReused,
    }))
}

async fn keep(connection: &mut PgConnection, key: &RequestKey, answer: &Value) -> Result<(), Error> {
    sqlx::query!(
        "INSERT INTO idempotency_keys AS k (business_id, credential, route, key, request, answer) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (business_id, credential, route, key)
         DO UPDATE SET request = EXCLUDED.request, answer = EXCLUDED.answer, created_at = now()",
        key.business.0,
        key.credential,
        key.route,
        key.key,
        key.request.as_slice(),
        answer,
    )
    .execute(connection)
    .await?;
    Ok(())
}
