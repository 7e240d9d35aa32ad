//! What happens to a payment by link: added once for each `depositId` of a business, chosen, cancelled, all by the
//! database's clock. Whoever changes one holds its row first and its session's afterwards. Not for what may be asked.

use serde_json::Value;
use sqlx::{PgConnection, Postgres, Transaction};

use super::openings::{cancel_unpaid, open};
use super::unit::to_the_end;
use super::{Error, NewSession, OpenOutcome, PaymentRow, Reservation, Store};
use crate::domain::{BusinessId, WidgetId};

/// A payment to add.
#[derive(Clone)]
#[allow(missing_docs, reason = "each field is told at PaymentRow")]
pub struct NewPayment {
    pub deposit_id: String,
    pub business: BusinessId,
    pub widget: WidgetId,
    pub token: [u8; 32],
    pub request: [u8; 32],
    pub amount: Option<String>,
    pub return_url: String,
    pub statement: Option<String>,
    pub reason: Option<String>,
    pub country: Option<String>,
    pub language: Option<&'static str>,
    pub metadata: Value,
    pub pii: Option<Vec<u8>>,
    /// Seconds until a link that nobody opened is dead.
    pub link_lives: f64,
    /// Seconds until its session takes no more money.
    pub session_lives: f64,
}

/// What came of adding a payment.
#[derive(Debug)]
pub enum PaymentAdded {
    /// It is there.
    New,
    /// There was one of this id.
    Known(Box<PaymentRow>),
    /// The address of its session is another business's: nothing was added.
    AnothersAddress,
}

/// What came of choosing how to pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// It has a session.
    Done,
    /// Its time is over, or it was cancelled.
    Over,
    /// The address is another business's.
    AnothersAddress,
}

/// What came of giving up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentCancelled {
    /// It is cancelled.
    Done,
    /// Money was seen, or it is over.
    TooLate,
}

impl Store {
    /// Adds a payment, and opens its session where there is one already, both or nothing. Of many that come with the same
    /// id one adds it, and the others wait to see it.
    pub async fn add_payment(
        &self,
        new: &NewPayment,
        session: Option<(NewSession, Reservation)>,
    ) -> Result<PaymentAdded, Error> {
        let (asked, first) = (new.clone(), session.clone());
        let done = to_the_end(&self.pool, async move |mut transaction: Transaction<'static, Postgres>| {
            let outcome = add(&mut transaction, &asked, first.as_ref()).await;
            match outcome {
                Ok(Some(PaymentAdded::New)) => transaction.commit().await?,
                Ok(Some(PaymentAdded::Known(_) | PaymentAdded::AnothersAddress) | None) | Err(_) => {
                    let _ = transaction.rollback().await;
                }
            }
            outcome
        });
        match self.told_of_session(done.await, session.as_ref().map(|(session, _)| session)).await? {
            Some(Some(added)) => Ok(added),
            None => Ok(PaymentAdded::AnothersAddress),
            Some(None) => {
                let known = self.payment(&new.business, &new.deposit_id).await?;
                let gone = || Error::Unreadable("a payment that was there is gone".to_owned());
                Ok(PaymentAdded::Known(Box::new(known.ok_or_else(gone)?)))
            }
        }
    }

    /// Opens the session by which a payment is paid, until the payment's own end: the first time, while it is not over.
    pub async fn choose_payment(
        &self,
        payment: &PaymentRow,
        session: NewSession,
        reservation: Reservation,
    ) -> Result<Chosen, Error> {
        let (business, deposit) = (payment.business.clone(), payment.deposit_id.clone());
        let asked = session.clone();
        let done = to_the_end(&self.pool, async move |mut transaction: Transaction<'static, Postgres>| {
            let outcome = choose(&mut transaction, &business, &deposit, session, reservation).await;
            match outcome {
                Ok(Chosen::Done) => transaction.commit().await?,
                Ok(Chosen::Over | Chosen::AnothersAddress) | Err(_) => drop(transaction.rollback().await),
            }
            outcome
        });
        Ok(self.told_of_session(done.await, Some(&asked)).await?.unwrap_or(Chosen::AnothersAddress))
    }

    /// Of two businesses that come at the same moment, the later must not learn whose amount it met: nothing is told then.
    async fn told_of_session<T>(
        &self,
        done: Result<T, Error>,
        session: Option<&NewSession>,
    ) -> Result<Option<T>, Error> {
        match (done, session) {
            (Err(Error::Refused { rule, .. }), Some(session))
                if rule == "amount_claims_pkey" && self.is_anothers(session).await? =>
            {
                Ok(None)
            }
            (done, _) => done.map(Some),
        }
    }

    /// Ends a payment for which no money was seen, and its session with it.
    pub async fn cancel_payment(&self, business: &BusinessId, deposit_id: &str) -> Result<PaymentCancelled, Error> {
        let (business, deposit) = (business.clone(), deposit_id.to_owned());
        to_the_end(&self.pool, async move |mut transaction: Transaction<'static, Postgres>| {
            let cancelled = cancel(&mut transaction, &business, &deposit).await?;
            match cancelled {
                PaymentCancelled::Done => transaction.commit().await?,
                PaymentCancelled::TooLate => transaction.rollback().await?,
            }
            Ok(cancelled)
        })
        .await
    }
}

/// Nothing where there was one already: it is read when this transaction has ended. No constraint is named to be in
/// conflict: its link is as equal as its id, and where only one of the two arbitrates, the other is an error in a race.
async fn add(
    connection: &mut PgConnection,
    new: &NewPayment,
    session: Option<&(NewSession, Reservation)>,
) -> Result<Option<PaymentAdded>, Error> {
    let added = sqlx::query!(
        "INSERT INTO payments (business_id, deposit_id, widget_id, token, request, amount, return_url, statement_description, reason,
                               country, language, metadata, pii, opens_until, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6::text::numeric, $7, $8, $9, $10, $11, $12, $13,
                 now() + make_interval(secs => $14), now() + make_interval(secs => $15))
         ON CONFLICT DO NOTHING",
        new.business.0,
        new.deposit_id,
        new.widget.0,
        new.token.as_slice(),
        new.request.as_slice(),
        new.amount,
        new.return_url,
        new.statement,
        new.reason,
        new.country,
        new.language,
        new.metadata,
        new.pii,
        new.link_lives,
        new.session_lives,
    )
    .execute(&mut *connection)
    .await?;
    if added.rows_affected() == 0 {
        return Ok(None);
    }
    let Some((session, reservation)) = session else { return Ok(Some(PaymentAdded::New)) };
    let opened = begin(connection, (&new.business, &new.deposit_id), session, *reservation, false).await?;
    Ok(Some(if opened { PaymentAdded::New } else { PaymentAdded::AnothersAddress }))
}

/// Opens the session of a payment whose row is held; false where the address is another's. Where the customer chose it,
/// that opened the link.
async fn begin(
    connection: &mut PgConnection,
    (business, deposit): (&BusinessId, &str),
    session: &NewSession,
    reservation: Reservation,
    chosen: bool,
) -> Result<bool, Error> {
    match open(connection, session, reservation, None, &|_, _| Value::Null).await? {
        OpenOutcome::Opened(..) => {}
        OpenOutcome::AnothersAddress => return Ok(false),
        OpenOutcome::Again(_) | OpenOutcome::KeyReused | OpenOutcome::KeyBusy => {
            return Err(Error::Unreadable("a session without a key was known by one".to_owned()));
        }
    }
    sqlx::query!(
        "UPDATE payments SET session_id = $3, opened_at = CASE WHEN $4 THEN coalesce(opened_at, clock_timestamp()) END
          WHERE business_id = $1 AND deposit_id = $2",
        business.0,
        deposit,
        session.id.0,
        chosen,
    )
    .execute(connection)
    .await?;
    Ok(true)
}

async fn choose(
    connection: &mut PgConnection,
    business: &BusinessId,
    deposit: &str,
    mut session: NewSession,
    reservation: Reservation,
) -> Result<Chosen, Error> {
    // What is left counts from the beginning of this transaction, as the session's expiry does.
    let held = sqlx::query!(
        r#"SELECT session_id, cancelled_at IS NULL AND expires_at > clock_timestamp() AS "lives!",
                  extract(epoch FROM expires_at - now())::float8 AS "left!"
             FROM payments WHERE business_id = $1 AND deposit_id = $2 FOR NO KEY UPDATE"#,
        business.0,
        deposit,
    )
    .fetch_optional(&mut *connection)
    .await?;
    match held {
        None => Ok(Chosen::Over),
        Some(held) if held.session_id.is_some() => Ok(Chosen::Done),
        Some(held) if !held.lives => Ok(Chosen::Over),
        Some(held) => {
            session.lives = held.left;
            match begin(connection, (business, deposit), &session, reservation, true).await? {
                true => Ok(Chosen::Done),
                false => Ok(Chosen::AnothersAddress),
            }
        }
    }
}

async fn cancel(
    connection: &mut PgConnection,
    business: &BusinessId,
    deposit: &str,
) -> Result<PaymentCancelled, Error> {
    let held = sqlx::query!(
        r#"SELECT session_id, cancelled_at IS NOT NULL AS "cancelled!", expires_at > clock_timestamp() AS "lives!"
             FROM payments WHERE business_id = $1 AND deposit_id = $2 FOR NO KEY UPDATE"#,
        business.0,
        deposit,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(held) = held else { return Ok(PaymentCancelled::TooLate) };
    if held.cancelled {
        return Ok(PaymentCancelled::Done);
    }
    let ended = match &held.session_id {
        None => held.lives,
        Some(session) => cancel_unpaid(connection, session).await?,
    };
    if !ended {
        return Ok(PaymentCancelled::TooLate);
    }
    sqlx::query!(
        "UPDATE payments SET cancelled_at = clock_timestamp() WHERE business_id = $1 AND deposit_id = $2",
        business.0,
        deposit,
    )
    .execute(connection)
    .await?;
    Ok(PaymentCancelled::Done)
}
